package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	reportSchema = "../docs/report.schema.json"
	usesSchema   = "../docs/uses.schema.json"
	pinsSchema   = "../docs/pin.schema.json"
	signedSchema = "../docs/sign.schema.json"
)

type object = map[string]any

func readSchema(t *testing.T, file string) object {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc object
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// A validator knows as much of JSON Schema as the report's schema uses. What it
// does not know it refuses, so that nothing is skipped in silence.
type validator struct{ root object }

// annotations are keywords that constrain nothing.
var annotations = []string{"$schema", "$id", "$defs", "title", "description"}

// check returns what is wrong with value, at path, by schema.
func (v validator) check(schema object, value any, path string) []string {
	var wrong []string
	bad := func(format string, args ...any) { wrong = append(wrong, path+": "+fmt.Sprintf(format, args...)) }
	for keyword, want := range schema {
		switch keyword {
		case "$ref":
			name, ok := strings.CutPrefix(want.(string), "#/$defs/")
			target, found := v.root["$defs"].(object)[name].(object)
			if !ok || !found {
				bad("the schema refers to %q", want)
				continue
			}
			wrong = append(wrong, v.check(target, value, path)...)
		case "type":
			if !isType(value, want.(string)) {
				bad("%v is no %s", value, want)
			}
		case "const":
			if !reflect.DeepEqual(value, want) {
				bad("%v is not %v", value, want)
			}
		case "enum":
			if !slices.ContainsFunc(want.([]any), func(x any) bool { return reflect.DeepEqual(x, value) }) {
				bad("%v is not one of %v", value, want)
			}
		case "pattern":
			if s, ok := value.(string); ok && !regexp.MustCompile(want.(string)).MatchString(s) {
				bad("%q does not match %s", s, want)
			}
		case "format":
			s, ok := value.(string)
			if want != "date-time" {
				bad("unknown format %q", want)
			} else if _, err := time.Parse(time.RFC3339Nano, s); ok && (err != nil || !strings.HasSuffix(s, "Z")) {
				bad("%q is no time in UTC", s)
			}
		case "minimum":
			if n, ok := value.(float64); ok && n < want.(float64) {
				bad("%v is less than %v", n, want)
			}
		case "items":
			list, _ := value.([]any) // its type is checked above
			for i, item := range list {
				wrong = append(wrong, v.check(want.(object), item, fmt.Sprintf("%s[%d]", path, i))...)
			}
		case "required":
			for _, name := range want.([]any) {
				if o, ok := value.(object); ok && o[name.(string)] == nil {
					bad("there is no %s", name)
				}
			}
		case "properties", "additionalProperties":
			// together, below
		default:
			if !slices.Contains(annotations, keyword) {
				bad("the schema uses %q, which this test does not know", keyword)
			}
		}
	}
	o, _ := value.(object)
	properties, _ := schema["properties"].(object)
	for name, item := range o {
		at := path + "." + name
		if of, ok := properties[name].(object); ok {
			wrong = append(wrong, v.check(of, item, at)...)
			continue
		}
		switch more := schema["additionalProperties"].(type) {
		case object:
			wrong = append(wrong, v.check(more, item, at)...)
		case bool:
			if !more {
				bad("%q is not allowed", name)
			}
		}
	}
	return wrong
}

func isType(value any, name string) bool {
	switch x := value.(type) {
	case object:
		return name == "object"
	case []any:
		return name == "array"
	case string:
		return name == "string"
	case bool:
		return name == "boolean"
	case float64:
		return name == "number" || name == "integer" && x == math.Trunc(x)
	}
	return false
}

// goldens returns the JSON reports in testdata.
func goldens(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil || len(files) < 8 {
		t.Fatalf("%d reports in testdata (%v)", len(files), err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[f] = body
	}
	return all
}

func TestGoldensFollowSchema(t *testing.T) {
	t.Parallel()
	schema := readSchema(t, reportSchema)
	for file, body := range goldens(t) {
		var doc any
		if err := json.Unmarshal(body, &doc); err != nil {
			t.Fatal(err)
		}
		for _, wrong := range (validator{schema}).check(schema, doc, "report") {
			t.Errorf("%s: %s", file, wrong)
		}
	}
}

// What boltseal scan writes follows its schema, whose fields are those of the
// structs and all are described; and so does what boltseal pin and boltseal sign
// write.
func TestUsesFollowSchema(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		schema, dir string
		typ         reflect.Type
	}{{usesSchema, "uses", reflect.TypeFor[listingDoc]()}, {pinsSchema, "pins", reflect.TypeFor[pinsDoc]()}, {signedSchema, "signed", reflect.TypeFor[signedDoc]()}} {
		schema := readSchema(t, x.schema)
		same(t, schema, schema, x.typ, x.dir)
		files, err := filepath.Glob(filepath.Join("testdata", x.dir, "*.json"))
		if err != nil || len(files) < 3 {
			t.Fatalf("%d documents (%v)", len(files), err)
		}
		for _, f := range files {
			body, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			var doc any
			if err := json.Unmarshal(body, &doc); err != nil {
				t.Fatal(err)
			}
			for _, wrong := range (validator{schema}).check(schema, doc, x.dir) {
				t.Errorf("%s: %s", f, wrong)
			}
		}
	}
}

// A report that is read and written again is the same.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for file, body := range goldens(t) {
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields()
		var doc document
		if err := dec.Decode(&doc); err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		again, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		var before, after any
		if err := errors.Join(json.Unmarshal(body, &before), json.Unmarshal(inert(again), &after)); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(before, after) {
			t.Errorf("%s changed:\n%s", file, again)
		}
	}
}

// The validator finds each kind of mistake: it is no rubber stamp.
func TestValidatorBites(t *testing.T) {
	t.Parallel()
	schema := readSchema(t, reportSchema)
	good := goldens(t)[filepath.Join("testdata", "platforms.json")]
	// at returns the object at a path of names and indexes.
	at := func(doc any, path ...any) object {
		for _, p := range path {
			switch p := p.(type) {
			case string:
				doc = doc.(object)[p]
			case int:
				doc = doc.([]any)[p]
			}
		}
		return doc.(object)
	}
	for _, tc := range []struct {
		name  string
		spoil func(doc object)
		want  string
	}{
		{"missing field", func(d object) { delete(d, "passed") }, "there is no passed"},
		{"another version", func(d object) { d["version"] = 2.0 }, "2 is not 1"},
		{"text for a number", func(d object) { d["requests"] = "4" }, "is no integer"},
		{"half a request", func(d object) { d["requests"] = 4.5 }, "is no integer"},
		{"less than nothing", func(d object) { d["requests"] = -1.0 }, "less than"},
		{"null for a list", func(d object) { d["warnings"] = nil }, "there is no warnings"},
		{"unknown mode", func(d object) { d["mode"] = "maybe" }, "not one of"},
		{"unknown reason", func(d object) { at(d, "images", 0)["reason"] = "" }, "not one of"},
		{"unknown storage", func(d object) { at(d, "images", 0, "checks", 0, "candidates", 0)["storage"] = "x" }, "not one of"},
		{"unknown signed", func(d object) { at(d, "images", 0, "checks", 0, "evidence", 0)["signed"] = "x" }, "not one of"},
		{"short digest", func(d object) { at(d, "images", 0)["digest"] = "sha256:00" }, "does not match"},
		{"local time", func(d object) { d["started"] = "2026-03-01T12:00:00+01:00" }, "no time in UTC"},
		{"claim that is no text", func(d object) { at(d, "images", 0, "checks", 0, "evidence", 0, "claims")["x"] = 1.0 }, "is no string"},
		{"new field where none may come", func(d object) { at(d, "images", 0, "platforms", 0)["x"] = 1.0 }, "not allowed"},
	} {
		var doc object
		if err := json.Unmarshal(good, &doc); err != nil {
			t.Fatal(err)
		}
		tc.spoil(doc)
		if got := strings.Join((validator{schema}).check(schema, doc, "report"), "\n"); !strings.Contains(got, tc.want) {
			t.Errorf("%s: complaints %q, want %q", tc.name, got, tc.want)
		}
	}
	if got := (validator{schema}).check(object{"maxLength": 1.0}, "x", "x"); len(got) != 1 {
		t.Errorf("an unknown keyword was skipped: %q", got)
	}
	var doc object
	if err := json.Unmarshal(good, &doc); err != nil {
		t.Fatal(err)
	}
	doc["new_field"] = true // may come without a new version
	if got := (validator{schema}).check(schema, doc, "report"); len(got) != 0 {
		t.Errorf("a new field is refused: %q", got)
	}
}

// Schema and structs have the same fields, those without omitempty are
// required, and each is described.
func TestSchemaMatchesStructs(t *testing.T) {
	t.Parallel()
	schema := readSchema(t, reportSchema)
	same(t, schema, schema, reflect.TypeFor[document](), "report")
}

func same(t *testing.T, root, schema object, typ reflect.Type, path string) {
	t.Helper()
	if s, _ := schema["description"].(string); s == "" {
		t.Errorf("%s is not described", path)
	}
	if ref, ok := schema["$ref"].(string); ok {
		schema = root["$defs"].(object)[strings.TrimPrefix(ref, "#/$defs/")].(object)
	}
	switch {
	case typ.Kind() == reflect.Pointer:
		typ = typ.Elem()
	case typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct:
		items, _ := schema["items"].(object)
		if ref, _ := items["$ref"].(string); ref == "" {
			t.Errorf("%s: items are not in $defs", path)
			return
		}
		item := root["$defs"].(object)[strings.TrimPrefix(items["$ref"].(string), "#/$defs/")].(object)
		same(t, root, item, typ.Elem(), path+"[]")
		return
	}
	if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[time.Time]() {
		return
	}
	properties, _ := schema["properties"].(object)
	var required []string
	for _, name := range schema["required"].([]any) {
		required = append(required, name.(string))
	}
	seen := map[string]bool{}
	for _, field := range reflect.VisibleFields(typ) {
		if field.Anonymous {
			continue
		}
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		seen[name] = true
		of, ok := properties[name].(object)
		if !ok {
			t.Errorf("%s.%s is not in the schema", path, name)
			continue
		}
		if always := options != "omitempty"; always != slices.Contains(required, name) {
			t.Errorf("%s.%s: always there is %v, required in the schema is %v", path, name, always, !always)
		}
		same(t, root, of, field.Type, path+"."+name)
	}
	for name := range properties {
		if !seen[name] {
			t.Errorf("the schema has %s.%s, the report does not", path, name)
		}
	}
}

// The schemas' enumerations are the program's constants.
func TestSchemaEnums(t *testing.T) {
	t.Parallel()
	defs := readSchema(t, reportSchema)["$defs"].(object)
	reasons := stringConstants(t, "../verify/verify.go", "Reason")
	reasons[slices.Index(reasons, "")] = "undecided"
	kinds := slices.DeleteFunc(stringConstants(t, "../image/image.go", "Kind"), func(k string) bool { return k == "" })
	for _, tc := range []struct {
		of   any
		want []string
	}{
		{defs["reason"], reasons},
		{defs["signed"], stringConstants(t, "../verify/evidence.go", "")},
		{defs["kind"], kinds},
		{readSchema(t, usesSchema)["$defs"].(object)["kind"], kinds},
		{readSchema(t, pinsSchema)["$defs"].(object)["kind"], kinds},
	} {
		var got []string
		for _, x := range tc.of.(object)["enum"].([]any) {
			got = append(got, x.(string))
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("the schema has %q, the program %q", got, tc.want)
		}
	}
}

// stringConstants returns the values of a file's constants of a named type, ""
// for those without one, in the order of the file.
func stringConstants(t *testing.T, file, typ string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		name := ""
		if id, ok := spec.Type.(*ast.Ident); ok {
			name = id.Name
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok && name == typ && lit.Kind == token.STRING {
			s, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, s)
		}
		return true
	})
	if len(values) == 0 {
		t.Fatalf("%s has no constants of type %q", file, typ)
	}
	return values
}
