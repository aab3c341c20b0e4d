package yamlshape

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
)

// A Refiner is a struct that knows more about its mapping than its fields say,
// such as keys that exclude each other. What it adds is what its reader checks.
type Refiner interface {
	// RefineSchema changes the schema of the struct. It is called on a zero value.
	RefineSchema(schema map[string]any)
}

// Schema describes what Read reads into v, a struct or a pointer to one, as JSON
// Schema. It keeps to what draft-07 has, which is what the YAML editors use know
// best. A Raw is described as anything; its [Refiner] says more.
//
// Whatever Read reads without a Fault follows the schema. The other way round it
// cannot say everything: which texts need quotes, or that a day is in the
// calendar.
func Schema(v any) map[string]any {
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return schemaOf(t, bounds{}, nil)
}

// datePattern matches days, and a few that are in no calendar.
const datePattern = `^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$`

// schemaOf describes t, which is in the structs of around.
func schemaOf(t reflect.Type, b bounds, around []reflect.Type) map[string]any {
	switch {
	case t == rawType:
		return map[string]any{}
	case t == textType && b.enum != nil:
		return map[string]any{"enum": anys(b.enum)}
	case t == textType:
		return map[string]any{"type": "string", "minLength": 1, "pattern": `\S`}
	case t == dateType:
		return map[string]any{"type": "string", "pattern": datePattern}
	case t.Kind() == reflect.Bool, t == flagType:
		return map[string]any{"type": "boolean"}
	case t.Kind() == reflect.Int, t == intType:
		return intSchema(b)
	case t.Kind() == reflect.Pointer:
		return schemaOf(t.Elem(), b, around)
	case t.Kind() == reflect.Slice:
		s := map[string]any{"type": "array", "minItems": 1, "items": schemaOf(t.Elem(), bounds{enum: b.enum}, around)}
		limit(s, b, "minItems", "maxItems")
		return s
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		return map[string]any{
			"type": "object", "minProperties": 1,
			"propertyNames":        map[string]any{"minLength": 1, "pattern": `\S`},
			"additionalProperties": schemaOf(t.Elem(), bounds{}, around),
		}
	case t.Kind() == reflect.Struct && t != positionType:
		if slices.Contains(around, t) {
			panic(fmt.Sprintf("yamlshape: %s is part of itself", t))
		}
		return structSchema(t, append(slices.Clip(around), t))
	}
	panic(fmt.Sprintf("yamlshape: cannot describe a %s", t))
}

func structSchema(t reflect.Type, around []reflect.Type) map[string]any {
	properties := map[string]any{}
	var required []any
	for _, f := range fields(t) {
		s := schemaOf(t.FieldByIndex(f.index).Type, f.bounds, around)
		if f.doc != "" {
			s["description"] = f.doc
		}
		properties[f.name] = s
		if f.required {
			required = append(required, f.name)
		}
	}
	s := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if required != nil {
		s["required"] = required
	}
	if r, ok := reflect.New(t).Interface().(Refiner); ok {
		r.RefineSchema(s)
	}
	return s
}

func intSchema(b bounds) map[string]any {
	s := map[string]any{"type": "integer"}
	limit(s, b, "minimum", "maximum")
	var enum []any
	for _, e := range b.enum {
		i, err := strconv.Atoi(e)
		if err != nil {
			panic(fmt.Sprintf("yamlshape: %q among numbers", e))
		}
		enum = append(enum, i)
	}
	if enum != nil {
		s["enum"] = enum
	}
	return s
}

func limit(s map[string]any, b bounds, least, most string) {
	if b.min != nil {
		s[least] = *b.min
	}
	if b.max != nil {
		s[most] = *b.max
	}
}

func anys(texts []string) []any {
	all := make([]any, len(texts))
	for i, t := range texts {
		all[i] = t
	}
	return all
}
