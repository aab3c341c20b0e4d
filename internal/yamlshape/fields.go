package yamlshape

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/boltseal/boltseal/image"
)

// A field is one key that a mapping may have.
type field struct {
	index []int // of the struct's field, through embedded structs
	name  string
	doc   string
	bounds
}

// bounds limit a value beyond its type.
type bounds struct {
	enum     []string // the only values; nil for any
	min, max *int     // of a number, or of how many items a list has
	key      string   // whose value it is; "" for an item
	required bool
	example  string // as it would be written, of a slice an item
}

// item returns the bounds of an item of a list with the bounds b.
func (b bounds) item() bounds { return bounds{enum: b.enum, example: b.example} }

// A fault in the structs is one of this program, not of a file: what follows
// panics.

// fields returns the keys of a struct in the order of its fields. Those of an
// embedded struct stand where it does. Fields without a tag are not read.
func fields(t reflect.Type) []field {
	var all []field
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, tagged := sf.Tag.Lookup("yaml")
		switch {
		case !tagged && sf.Anonymous && sf.Type.Kind() == reflect.Struct && !special(sf.Type):
			for _, f := range fields(sf.Type) {
				f.index = append([]int{i}, f.index...)
				all = append(all, f)
			}
		case !tagged:
		case !sf.IsExported():
			panic(fmt.Sprintf("yamlshape: %s.%s has a tag and cannot be set", t, sf.Name))
		default:
			f := parseTag(t, sf, tag)
			f.index = []int{i}
			all = append(all, f)
		}
	}
	for i, f := range all {
		if slices.ContainsFunc(all[:i], func(g field) bool { return g.name == f.name }) {
			panic(fmt.Sprintf("yamlshape: %s has the key %s twice", t, f.name))
		}
	}
	return all
}

func parseTag(t reflect.Type, sf reflect.StructField, tag string) field {
	name, options, _ := strings.Cut(tag, ",")
	f := field{name: name, doc: sf.Tag.Get("doc")}
	f.key, f.required, f.example = name, options == "required", sf.Tag.Get("example")
	if name == "" || options != "" && !f.required {
		panic(fmt.Sprintf("yamlshape: the tag of %s.%s is %q", t, sf.Name, tag))
	}
	if enum := sf.Tag.Get("enum"); enum != "" {
		f.enum = strings.Split(enum, ",")
	}
	f.min, f.max = number(t, sf, "min"), number(t, sf, "max")
	return f
}

func number(t reflect.Type, sf reflect.StructField, key string) *int {
	text, ok := sf.Tag.Lookup(key)
	if !ok {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(fmt.Sprintf("yamlshape: %s of %s.%s: %v", key, t, sf.Name, err))
	}
	return &n
}

var (
	textType     = reflect.TypeFor[Text]()
	dateType     = reflect.TypeFor[Date]()
	intType      = reflect.TypeFor[Int]()
	flagType     = reflect.TypeFor[Flag]()
	rawType      = reflect.TypeFor[Raw]()
	positionType = reflect.TypeFor[image.Position]()
)

// special reports whether a struct is a value of its own, not a mapping.
func special(t reflect.Type) bool {
	return slices.Contains([]reflect.Type{textType, dateType, intType, flagType, rawType, positionType}, t)
}
