package yamlshape

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

// Example returns what may be written for v, a struct or a pointer to one: its
// required keys, or the first if it has none, as {key: value}.
func Example(v any) string {
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return exampleOf(t, bounds{})
}

// exampleOf returns what may be written for a t, on one line.
func exampleOf(t reflect.Type, b bounds) string {
	switch {
	case t.Kind() == reflect.Pointer:
		return exampleOf(t.Elem(), b)
	case t.Kind() == reflect.Slice:
		return "[" + exampleOf(t.Elem(), b.item()) + "]"
	case b.example != "":
		return b.example
	case len(b.enum) > 0:
		return b.enum[0]
	case t == textType:
		return `"…"`
	case t == dateType:
		return "2027-01-31"
	case t == flagType, t.Kind() == reflect.Bool:
		return "true"
	case t == intType, t.Kind() == reflect.Int:
		return strconv.Itoa(least(b))
	case t.Kind() == reflect.Map:
		return "{name: " + exampleOf(t.Elem(), bounds{}) + "}"
	case t == rawType:
		return "…"
	}
	return "{" + strings.Join(exampleKeys(t), ", ") + "}"
}

func least(b bounds) int {
	if b.min != nil {
		return *b.min
	}
	return 1
}

// exampleKeys returns the required keys of a struct with values, or the first.
func exampleKeys(t reflect.Type) []string {
	var required, other []string
	for _, f := range fields(t) {
		pair := exampleOf(t.FieldByIndex(f.index).Type, f.bounds)
		pair = f.name + ": " + pair
		if f.required {
			required = append(required, pair)
		} else {
			other = append(other, pair)
		}
	}
	if len(required) == 0 && len(other) > 0 {
		return other[:1]
	}
	return required
}

// written puts the key in front of a value that belongs to one.
func written(b bounds, value string) string {
	if b.key == "" {
		return value
	}
	return word(b.key) + ": " + value
}

// instead says what may be written.
func instead(t reflect.Type, b bounds) string {
	if t == rawType && b.example == "" {
		return ""
	}
	return "write " + written(b, exampleOf(t, b))
}

func nextForMissing(t reflect.Type, b bounds) string { return instead(t, b) }

// nextForNothing is for a key or a dash that nothing follows.
func nextForNothing(n *yaml.Node, t reflect.Type, b bounds) string {
	next := instead(t, b)
	switch {
	case n != nil && n.Anchor != "" && n.Value == "": // as &name is without quotes
		return "put it in quotes: " + clip("&"+n.Anchor)
	case next == "":
		return "write what it should be, or take it out"
	case b.key != "" && !b.required:
		return next + ", or leave it out"
	}
	return next
}

// nextForEmpty is for [] and {}.
func nextForEmpty(t reflect.Type, b bounds) string {
	next := "write " + written(b, exampleOf(t, b))
	if t.Kind() == reflect.Slice && t.Elem() == rawType && b.example == "" {
		next = "write an item"
	}
	if b.key != "" && !b.required {
		next += ", or leave it out"
	}
	return next
}

// nextForAstray is for keys that stand beside the one they belong to.
func nextForAstray(name string, below []*yaml.Node) string {
	names := make([]string, 0, len(below))
	for _, key := range below[:min(len(below), 5)] {
		names = append(names, word(key.Value))
	}
	return "indent what belongs to it by two blanks more: " + strings.Join(names, ", ")
}

// nextForList is for what stands where a list is wanted.
func nextForList(n *yaml.Node, t reflect.Type, b bounds) string {
	switch {
	case n.Kind == yaml.SequenceNode:
		return "take the tag out"
	case t.Elem() != textType && n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle == 0:
		return `write "- " in front of its first key, and indent the others by two blanks more`
	case t.Elem() != textType && n.Kind == yaml.MappingNode:
		return "put it in brackets: " + written(b, "[{…}]")
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && plainItem().MatchString(n.Value) && t.Elem() == textType:
		return "write " + written(b, "["+n.Value+"]")
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && n.Value != "" && t.Elem() == textType:
		return "write " + written(b, "["+clip(n.Value)+"]")
	}
	return "write " + written(b, exampleOf(t, b))
}

// plainItem matches what may stand in brackets without quotes, for any reader.
var plainItem = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z][A-Za-z0-9./*_@-]{2,59}$`)
})

// nextForMapping is for what stands where a mapping is wanted.
func nextForMapping(n *yaml.Node, t reflect.Type, b bounds) string {
	if n.Kind == yaml.MappingNode {
		return "take the tag out"
	}
	if n.Kind == yaml.ScalarNode && n.Style == 0 && noBlank().MatchString(n.Value) {
		return "put a blank behind the colon"
	}
	if t == rawType {
		return `write "key: value"`
	}
	if t.Kind() == reflect.Map && b.key == "" {
		return `write "key: value"`
	}
	return "write " + written(b, exampleOf(t, b))
}

// noBlank matches a key whose colon no blank follows.
var noBlank = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9-]*:[^/\s]`) })

func nextForBool(lower string) string {
	switch lower {
	case "true", "yes", "y", "on", "1":
		return "write true"
	case "false", "no", "n", "off", "0":
		return "write false"
	}
	return "write true or false"
}

func nextForInt(value string, b bounds) string {
	if !decimal().MatchString(value) {
		return "write a number such as " + exampleOf(reflect.TypeFor[int](), b)
	}
	return "write " + value + " without quotes"
}
