package yamlshape_test

import (
	"reflect"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
)

// Whatever reads without a fault reads the same after the YAML library has
// written it.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"owner: a\nuntil: 2027-01-31\ncount: 3\nlevel: 1\nstrict: true\nkind: key\nnames: [a, 'b']\npets: [cat, dog]\n",
		"{owner: \"\\u0085 a\\t\", claims: {'<': '<<', \"1:30\": '=', '~': \"null\"}}",
		"owner: &a |\n  b\n\n  c\nboss: &b {name: *a}\npeople: [*b, {<<: *b, phone: '0x1'}]",
		"owner: >+\n  b\n\nany: {a: [b, {c: d}]}\nrest: [a, [b], !!str 1]",
		"owner: a\n<<: [{quick: true}, {quick: false}]",
		"owner: !!str\nboss: !!map {name: a}\n", "owner: a\n---\n", "? owner\n: a", "{\"owner\": \"\\ud83d\\ude00\"}", "owner: y", "owner: 1_0", "|\x86\r\n\xed\xb5\xb0k_j\r\n\xed|", "- a", "",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var d doc
		if faults := yamlshape.Read("f", body, &d); len(faults) > 0 {
			for i, fault := range faults {
				if fault.At.File != "f" || fault.At.Line < 1 || fault.At.Col < 1 || fault.Err.Error() == "" {
					t.Fatalf("fault %d is %+v", i, fault)
				}
			}
			return
		}
		was, ok := plain(reflect.ValueOf(d))
		if !ok {
			return // there is a Raw that is no text
		}
		again, err := yaml.Marshal(was)
		if err != nil {
			t.Fatal(err)
		}
		var e doc
		if faults := yamlshape.Read("f", again, &e); len(faults) > 0 {
			t.Fatalf("%v in\n%s", faults, again)
		}
		if is, _ := plain(reflect.ValueOf(e)); !reflect.DeepEqual(is, was) {
			t.Fatalf("%#v was %#v, in\n%s", is, was, again)
		}
	})
}

// quoted reports whether the library quotes s where it has to: it forgets two.
func quoted(s string) bool { return s != "<<" && s != "=" }

// plain returns what v was read from, without places. What is zero was not
// there.
func plain(v reflect.Value) (any, bool) {
	switch x := v.Interface().(type) {
	case yamlshape.Text:
		return x.Value, quoted(x.Value)
	case yamlshape.Date:
		return x.Time.Format("2006-01-02"), true
	case yamlshape.Raw:
		return plainRaw(x)
	case image.Position:
		return nil, true
	}
	switch v.Kind() {
	case reflect.Pointer:
		return plain(v.Elem())
	case reflect.Slice:
		var list []any
		for i := range v.Len() {
			x, ok := plain(v.Index(i))
			if !ok {
				return nil, false
			}
			list = append(list, x)
		}
		return list, true
	case reflect.Map:
		table := map[string]any{}
		for _, k := range v.MapKeys() {
			x, ok := plain(v.MapIndex(k))
			if !ok || !quoted(k.String()) {
				return nil, false
			}
			table[k.String()] = x
		}
		return table, true
	case reflect.Struct:
		m := map[string]any{}
		return m, plainFields(v, m)
	}
	return v.Interface(), true
}

func plainFields(v reflect.Value, m map[string]any) bool {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch tag := f.Tag.Get("yaml"); {
		case tag == "" && f.Anonymous:
			plainFields(v.Field(i), m)
		case tag == "" || v.Field(i).IsZero():
		default:
			x, ok := plain(v.Field(i))
			if !ok {
				return false
			}
			m[trimOption(tag)] = x
		}
	}
	return true
}

func trimOption(tag string) string {
	for i := range tag {
		if tag[i] == ',' {
			return tag[:i]
		}
	}
	return tag
}

func plainRaw(r yamlshape.Raw) (any, bool) {
	switch r.Kind() {
	case yamlshape.List:
		items, faults := r.Items()
		list, ok := plain(reflect.ValueOf(items))
		return list, ok && len(faults) == 0
	case yamlshape.Mapping:
		pairs, faults := r.Pairs()
		table := map[string]any{}
		for _, p := range pairs {
			x, ok := plainRaw(p.Value)
			if !ok || !quoted(p.Key.Value) {
				return nil, false
			}
			table[p.Key.Value] = x
		}
		return table, len(faults) == 0
	default:
		text, fault := r.Text()
		return text.Value, fault == nil && quoted(text.Value)
	}
}
