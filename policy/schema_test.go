package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/internal/golden"
	"github.com/boltseal/boltseal/internal/yamlnode"
)

func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	body, err := Schema(fakes())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(SchemaID) // it checks the schema against that of draft-07
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON returns what an editor validates: YAML 1.2 as JSON has it.
func asJSON(n *yaml.Node) any {
	n = yamlnode.Resolve(n)
	switch n.ShortTag() {
	case "!!map":
		m := object{}
		for _, p := range yamlnode.Pairs(n) {
			m[p.Key.Value] = asJSON(p.Value)
		}
		return m
	case "!!seq":
		list := []any{}
		for _, i := range yamlnode.Items(n) {
			list = append(list, asJSON(i))
		}
		return list
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int", "!!float":
		return json.Number(n.Value)
	}
	return n.Value
}

func TestSchema(t *testing.T) {
	t.Parallel()
	got, err := Schema(fakes())
	if err != nil {
		t.Fatal(err)
	}
	golden.Equal(t, "testdata/policy.schema.json", string(got))
	if again, _ := Schema(fakes()); !bytes.Equal(again, got) {
		t.Error("the same systems give another schema")
	}
	if _, err := Schema(append(fakes(), fakes()[0])); err == nil || !strings.Contains(err.Error(), `two requirements are called "stamp"`) {
		t.Errorf("two stamps: %v", err)
	}
	if _, err := Schema([]System{{Name: anyOf}}); err == nil {
		t.Error("a system is called any-of")
	}
}

// What Read refuses the schema refuses, but for what a schema cannot tell.
func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	onlyRead := []string{
		"no such day",
		"check of a form", "check without a place", "check in a group", "once for all aliases",
		"nested 9 deep", "101 requirements",
	}
	s := compileSchema(t)
	for _, tc := range faultCases() {
		f, err := yamlnode.Parse("p.yml", []byte(tc.body))
		if err != nil || len(f.Docs) != 1 {
			continue // not a document: no editor gets as far
		}
		err = s.Validate(asJSON(f.Docs[0]))
		if passes := slices.Contains(onlyRead, tc.name); (err == nil) != passes {
			t.Errorf("%s: the schema says %v", tc.name, err)
		}
	}
}

// What Read accepts the schema accepts.
func TestSchemaAccepts(t *testing.T) {
	t.Parallel()
	s := compileSchema(t)
	for name, body := range soundPolicies() {
		if _, err := read(body); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		f, err := yamlnode.Parse("p.yml", []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(asJSON(f.Docs[0])); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	const private = "{version: 1, publishers: [chainguard-private: {%s}]}"
	for body, want := range map[string]bool{
		`{version: 1, publishers: [distroless, kubernetes]}`:            true,
		`{version: 1, publishers: [distrolss]}`:                         false,
		`{version: 1, publishers: [""]}`:                                false,
		`{version: 1, publishers: [1]}`:                                 false,
		`{version: 1, publishers: [distroless: {}]}`:                    false,
		`{version: 1, publishers: [chainguard-private]}`:                false,
		`{version: 1, publishers: [{distroless: {}, kubernetes: {}}]}`:  false,
		fmt.Sprintf(private, `organisation: acme.com, uidp: "0f"`):      true,
		fmt.Sprintf(private, `organisation: acme.com, uidp: [0a, "0"]`): true,
		fmt.Sprintf(private, `organisation: acme.com, uidp: []`):        false,
		fmt.Sprintf(private, `organisation: acme.com`):                  false,
		fmt.Sprintf(private, `organisation: "**", uidp: "0f"`):          false,
		fmt.Sprintf(private, `organisation: [a, b], uidp: "0f"`):        false,
		fmt.Sprintf(private, `organisation: a, uidp: "0f", other: b`):   false,
	} {
		f, err := yamlnode.Parse("p.yml", []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(asJSON(f.Docs[0])); (err == nil) != want {
			t.Errorf("%s: %v", body, err)
		}
		_, err = Read("p.yml", []byte(body), Options{Systems: publisherSystems()})
		if (err == nil) != want {
			t.Errorf("%s: the reader says %v", body, err)
		}
	}
	for body, want := range map[string]bool{ // read by others
		`{version: 1, extends: [{file: a}, {artifact: b}]}`:         true,
		`{version: 1, extends: [{url: "https://a", sha256: "0f"}]}`: true,
		`{version: 1, extends: [{url: "https://a"}]}`:               false,
		`{version: 1, extends: [{sha256: "0f"}]}`:                   false,
		`{version: 1, extends: [{file: a, artifact: b}]}`:           false,
		`{version: 1, extends: [{}]}`:                               false,
	} {
		f, err := yamlnode.Parse("p.yml", []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(asJSON(f.Docs[0])); (err == nil) != want {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// The schema has every key of the structs, each with a description, and no
// other. The tags are read here without package yamlshape.
func TestSchemaHasEveryKey(t *testing.T) {
	t.Parallel()
	body, err := Schema(fakes())
	if err != nil {
		t.Fatal(err)
	}
	var s object
	if err := json.Unmarshal(body, &s); err != nil {
		t.Fatal(err)
	}
	keys := sameKeys(t, "policy", reflect.TypeFor[documentText](), s)
	for _, system := range fakes() {
		form := s["definitions"].(object)[system.Name].(object)
		keys += sameKeys(t, system.Name, reflect.TypeOf(system.New()).Elem(), form)
	}
	if keys < 20 {
		t.Errorf("only %d keys were compared", keys)
	}
}

// sameKeys compares the keys of a struct with those of its schema, and returns
// how many it has.
func sameKeys(t *testing.T, path string, typ reflect.Type, s object) int {
	t.Helper()
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		if typ.Kind() == reflect.Slice {
			s, _ = s["items"].(object)
		}
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct {
		return 0
	}
	properties, _ := s["properties"].(object)
	count := 0
	for i := range typ.NumField() {
		f := typ.Field(i)
		tag := f.Tag.Get("yaml")
		if tag == "" {
			continue
		}
		name, option, _ := strings.Cut(tag, ",")
		p, ok := properties[name].(object)
		if !ok {
			t.Errorf("%s.%s is not in the schema", path, name)
			continue
		}
		if p["description"] == "" || p["description"] != f.Tag.Get("doc") {
			t.Errorf("%s.%s is described as %v", path, name, p["description"])
		}
		required, _ := s["required"].([]any)
		if slices.Contains(required, any(name)) != (option == "required") {
			t.Errorf("%s.%s is required, or not, in one of both", path, name)
		}
		count += 1 + sameKeys(t, path+"."+name, f.Type, p)
	}
	if n := len(properties); n > 0 && n > count {
		t.Errorf("%s has %d keys in the schema, and %d in the struct", path, n, count)
	}
	if count > 0 && fmt.Sprint(s["additionalProperties"]) != "false" {
		t.Errorf("%s may have other keys", path)
	}
	return count
}
