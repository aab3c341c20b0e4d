package bake

import (
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// jsonSuffix names the environment variable that sets a variable as JSON.
const jsonSuffix = "_JSON"

// variable evaluates the variable of that name, if there is one.
func (s *scope) variable(name string) error {
	if _, ok := s.global.Variables[name]; ok {
		return nil
	}
	if s.variables[name] == nil && s.attrs[name] == nil {
		return nil
	}
	l, ok := s.values[name]
	if !ok {
		l = &lazy{busy: true}
		s.values[name] = l
		var v cty.Value
		if v, l.err = s.evaluate(name); l.err == nil {
			l.err = s.meter.measure(v)
		}
		if l.err == nil {
			s.global.Variables[name] = v
		}
		l.busy = false
	}
	switch {
	case l.busy:
		return fmt.Errorf("variable %s refers to itself", quote(name))
	case l.err != nil:
		return fmt.Errorf("variable %s: %w", quote(name), l.err)
	}
	return nil
}

// evaluate returns a variable's value: from the environment, or its default.
// An attribute outside of blocks counts before a variable's default.
func (s *scope) evaluate(name string) (cty.Value, error) {
	b, isVar := s.variables[name]
	if isVar { // bake evaluates variables first, and attributes outside of blocks last
		blocks := s.blocks
		s.blocks = nil
		defer func() { s.blocks = blocks }()
	}
	def := s.attrs[name]
	ty, typed := cty.DynamicPseudoType, false
	if def == nil {
		var err error
		if ty, typed, err = typeOf(b.attrs["type"]); err != nil {
			return cty.NilVal, err
		}
		def = b.attrs["default"]
	}
	v := cty.NilVal
	if def != nil {
		var err error
		if v, err = s.attribute(def, s.global); err != nil {
			return cty.NilVal, err
		}
		if v, err = convert.Convert(v, ty); err != nil {
			return cty.NilVal, fmt.Errorf("the default is not of the variable's type: %w", err)
		}
	}
	text, set, asJSON := s.environment(name, typed)
	switch {
	case isVar && s.withholds(name):
		if def == nil {
			v = cty.StringVal("")
		}
		return v.Mark(withheld(name)), nil
	case isVar && set:
		return fromEnvironment(name, text, asJSON, ty, typed, v)
	case def != nil:
		return v, nil
	case typed:
		return cty.NullVal(ty), nil
	}
	return cty.StringVal("").Mark(unset(name)), nil
}

// withholds reports whether the environment sets a variable, and files do not
// see it.
func (s *scope) withholds(name string) bool { return s.hidden(name) || s.hidden(name+jsonSuffix) }

// environment returns what the environment says of a variable. NAME_JSON, as
// JSON, counts before NAME for one with a type, and otherwise after it; unless
// it is a variable of its own.
func (s *scope) environment(name string, typed bool) (text string, set, asJSON bool) {
	text, set = s.getenv(name)
	if set && !typed {
		return text, set, false
	}
	other := name + jsonSuffix
	if s.variables[other] != nil || isBuiltin(other) {
		return text, set, false
	}
	if j, ok := s.getenv(other); ok {
		return j, true, true
	}
	return text, set, false
}

// typeOf returns the type that a variable declares, and whether it does.
func typeOf(a *attribute) (cty.Type, bool, error) {
	if a == nil {
		return cty.DynamicPseudoType, false, nil
	}
	if text, ok := jsonString(a.raw); ok {
		if diags := shallowExpression([]byte(text), a.raw.Range().Filename); diags.HasErrors() {
			return cty.NilType, false, summary(diags)
		}
	}
	ty, diags := typeexpr.TypeConstraint(a.raw)
	if diags.HasErrors() {
		if v, null := a.raw.Value(nil); !null.HasErrors() && v.IsNull() {
			return cty.DynamicPseudoType, false, nil
		}
		return cty.NilType, false, summary(diags)
	}
	return ty, ty != cty.DynamicPseudoType || hcl.ExprAsKeyword(a.raw) == "any", nil
}

// fromEnvironment reads what the environment sets a variable to, as its type
// says or that of its default.
func fromEnvironment(name, text string, asJSON bool, ty cty.Type, typed bool, def cty.Value) (cty.Value, error) {
	if typed {
		switch {
		case asJSON:
			return fromJSON(name, text, ty)
		case ty.IsListType() || ty.IsSetType() || ty.IsTupleType() || ty.IsMapType():
			return fromCSV(name, text, ty)
		case ty.IsPrimitiveType():
			return primitive(name, text, ty)
		}
		return cty.NilVal, fmt.Errorf("a value of type %s can be set only as JSON, in %s", ty.FriendlyName(), name+jsonSuffix)
	}
	if def == cty.NilVal {
		return cty.StringVal(text), nil
	}
	def, _ = def.Unmark()
	switch ty := def.Type(); {
	case ty == cty.DynamicPseudoType:
		return cty.StringVal(text), nil
	case ty.IsPrimitiveType():
		return primitive(name, text, ty)
	default:
		return cty.NilVal, fmt.Errorf("a value of type %s cannot be set in the environment; give the variable a type", ty.FriendlyName())
	}
}

func fromJSON(name, text string, ty cty.Type) (cty.Value, error) {
	if diags := shallowJSON([]byte(text), name); diags.HasErrors() {
		return cty.NilVal, fmt.Errorf("%s: %w", name+jsonSuffix, summary(diags))
	}
	v, err := ctyjson.Unmarshal([]byte(text), ty)
	if err != nil {
		return cty.NilVal, fmt.Errorf("%s is not JSON for a %s: %w", name+jsonSuffix, ty.FriendlyName(), err)
	}
	return v, nil
}

func primitive(name, text string, ty cty.Type) (cty.Value, error) {
	switch ty {
	case cty.String:
		return cty.StringVal(text), nil
	case cty.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return cty.NilVal, fmt.Errorf("%s in the environment is not a bool", name)
		}
		return cty.BoolVal(b), nil
	case cty.Number:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return cty.NilVal, fmt.Errorf("%s in the environment is not a number", name)
		}
		return cty.NumberVal(big.NewFloat(n)), nil
	}
	return cty.NilVal, fmt.Errorf("%s in the environment: a %s has no such form", name, ty.FriendlyName())
}

// fromCSV reads a collection of strings, numbers or bools: "a,b", or for a map
// "key:value,key:value".
func fromCSV(name, text string, ty cty.Type) (cty.Value, error) {
	fields, err := record(text, ',')
	if err != nil {
		return cty.NilVal, fmt.Errorf("%s in the environment is not a list: %w", name, err)
	}
	if ty.IsTupleType() && len(ty.TupleElementTypes()) != len(fields) {
		return cty.NilVal, fmt.Errorf("%s in the environment has %d elements instead of %d", name, len(fields), len(ty.TupleElementTypes()))
	}
	var elements []cty.Value
	entries := map[string]cty.Value{}
	for i, field := range fields {
		var element cty.Type
		var key string
		switch {
		case ty.IsTupleType():
			element = ty.TupleElementTypes()[i]
		case ty.IsMapType():
			pair, err := record(field, ':')
			if err != nil || len(pair) != 2 {
				return cty.NilVal, fmt.Errorf("%s in the environment: %s is not key:value", name, quote(field))
			}
			key, field, element = pair[0], pair[1], ty.ElementType()
		default:
			element = ty.ElementType()
		}
		v, err := primitive(name, field, element)
		if err != nil {
			return cty.NilVal, err
		}
		elements, entries[key] = append(elements, v), v
	}
	switch {
	case ty.IsTupleType():
		return cty.TupleVal(elements), nil
	case len(elements) == 0:
		return cty.NilVal, errors.New(name + " in the environment is empty")
	case ty.IsMapType():
		return cty.MapVal(entries), nil
	case ty.IsSetType():
		return cty.SetVal(elements), nil
	}
	return cty.ListVal(elements), nil
}

// record splits one line of comma-separated values.
func record(text string, comma rune) ([]string, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma = comma
	return r.Read()
}
