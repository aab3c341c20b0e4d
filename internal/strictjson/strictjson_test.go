package strictjson_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/boltseal/boltseal/internal/strictjson"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	s := strictjson.Shape{Names: []string{"manifests", "critical"}, Opaque: []string{"predicate"}}
	for body, good := range map[string]bool{
		`{"manifests":[{"a":1},{"a":2}]}`: true,
		`{"predicate":{"a":1,"a":2}}`:     true,
		`[]`:                              true,
		`{"manifests":[],"manifests":[]}`: false,
		`{"manifests":[],"Manifests":[]}`: false,
		`{"Manifests":[]}`:                false,
		`{"critical":{},"CRITICAL":{}}`:   false,
		"{\"\u212a\":1,\"k\":2}":          false, // the Kelvin sign is a k to encoding/json
		"{\"manife\u017fts\":[]}":         false, // so is the long s an s
		`{"x":{"a":1,"A":2}}`:             false,
		`{} {}`:                           false,
		`{`:                               false,
		``:                                false,
		`{"a":}`:                          false,
	} {
		if err := s.Check([]byte(body)); (err == nil) != good {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// Names that somebody chose are told apart by their case, and stand once.
func TestMaps(t *testing.T) {
	t.Parallel()
	s := strictjson.Shape{Names: []string{"targets", "length"}, Maps: []string{"targets"}, Opaque: []string{"custom"}}
	for body, good := range map[string]bool{
		`{"targets":{"v1":{},"V1":{},"Length":{},"TARGETS":{}}}`: true,
		`{"targets":{"v1":{},"v1":{}}}`:                          false,
		`{"targets":{"v1":{"Length":1}}}`:                        false,
		`{"targets":{"v1":{"length":1,"length":2}}}`:             false,
		`{"targets":{"v1":{"x":1,"X":2}}}`:                       false,
		`{"targets":{"targets":{"x":1,"X":2}}}`:                  false, // what it holds is no map again
		`{"targets":[{"x":1,"X":2}]}`:                            true,
		`{"targets":{"custom":{"x":1,"x":2}}}`:                   false, // a tag is called so
		`{"targets":{"v1":{"custom":{"x":1,"x":2}}}}`:            true,
		`{"Targets":{}}`:                                         false,
		`{"x":{"v1":1,"V1":2}}`:                                  false,
	} {
		if err := s.Check([]byte(body)); (err == nil) != good {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// What passes is valid JSON, and means the same whatever case a reader heeds.
func FuzzCheck(f *testing.F) {
	f.Add(`{"a":{"b":[1,{"c":null}]}}`)
	f.Add(`{"a":1,"A":2}`)
	f.Fuzz(func(t *testing.T, body string) {
		if (strictjson.Shape{}).Check([]byte(body)) != nil {
			return
		}
		if !json.Valid([]byte(body)) {
			t.Fatal("not JSON")
		}
		var m map[string]any
		if json.Unmarshal([]byte(body), &m) != nil {
			return
		}
		var v struct{ A any }
		if json.Unmarshal([]byte(body), &v) == nil && m["a"] != nil && m["A"] != nil {
			t.Fatal("two values for one name")
		}
	})
}

// What is refused is found where it begins.
func TestOnly(t *testing.T) {
	t.Parallel()
	s := strictjson.Shape{Only: strictjson.Tree{"version": nil, "items": {"name": nil, "sub": {"x": nil}}}}
	for body, want := range map[string]struct {
		offset int
		name   string
	}{
		`{"version":{"any":1},"items":[{"name":1,"sub":{"x":{"y":2}}}]}`: {-1, ""},
		`{"items":{"name":1}}`:                {-1, ""},
		`{}`:                                  {-1, ""},
		`{"itms":[]}`:                         {1, "itms"},
		`{"items":[{"name":1,"nam":2}]}`:      {20, "nam"},
		`{"items":[{"sub":{"name":1}}]}`:      {18, "name"},
		`{"items":[{"sub":[{"x":1,"x":2}]}]}`: {25, ""},
		`{"items":1} 2`:                       {13, ""},
		`{"items":1 2}`:                       {11, ""},
		`{"items":`:                           {9, ""},
	} {
		err := s.Check([]byte(body))
		e := (*strictjson.Error)(nil)
		switch {
		case want.offset < 0 && err != nil:
			t.Errorf("%s: %v", body, err)
		case want.offset < 0:
		case !errors.As(err, &e) || e.Offset != want.offset || e.Name != want.name || e.Error() == "":
			t.Errorf("%s: %+v, want %+v", body, *e, want)
		}
	}
}
