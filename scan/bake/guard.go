package bake

import (
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// maxPairs bounds what takes steps or room for each pair of elements.
const maxPairs = 256 << 10

// guarded returns the functions, with those looked after whose result is much
// larger than their arguments, or takes much longer. Of all others the
// arguments and results are measured like any value.
func guarded(m *meter, functions map[string]function.Function) map[string]function.Function {
	for name, check := range map[string]func([]cty.Value) error{
		"setproduct":    product,
		"distinct":      distinct,
		"format":        widths,
		"formatlist":    widths,
		"indent":        indent,
		"replace":       replacement,
		"regex_replace": replacement,
		"join":          separators,
		"trim":          cutset,
		"jsondecode":    document,
		"parseint":      digits,
	} {
		functions[name] = guard(m, functions[name], check)
	}
	return functions
}

// guard returns a function that is fn where check finds nothing wrong. Marks
// are taken off what check sees, and are on the result as fn puts them.
func guard(m *meter, fn function.Function, check func([]cty.Value) error) function.Function {
	spec := &function.Spec{Params: fn.Params(), VarParam: fn.VarParam()}
	checked := func(args []cty.Value) error {
		if m.err != nil {
			return m.err
		}
		plain := make([]cty.Value, len(args))
		for i, a := range args {
			plain[i], _ = a.UnmarkDeep()
			if plain[i].IsNull() || !plain[i].IsWhollyKnown() {
				return nil // fn's own business
			}
		}
		return check(plain)
	}
	spec.Type = func(args []cty.Value) (cty.Type, error) {
		if err := checked(args); err != nil {
			return cty.NilType, err
		}
		return fn.ReturnTypeForValues(args)
	}
	spec.Impl = func(args []cty.Value, _ cty.Type) (cty.Value, error) { return fn.Call(args) }
	return function.New(spec)
}

func tooMuch(what string) error { return fmt.Errorf("%w: %s", errTooMuch, what) }

// text returns a string argument, "" for anything else.
func text(v cty.Value) string {
	if v.Type() == cty.String {
		return v.AsString()
	}
	return ""
}

func length(v cty.Value) int {
	if v.CanIterateElements() {
		return v.LengthInt()
	}
	return 0
}

func product(args []cty.Value) error {
	n := 1
	for _, a := range args {
		if n *= max(length(a), 1); n > maxElements {
			return tooMuch("a product of sets")
		}
	}
	return nil
}

func distinct(args []cty.Value) error {
	if n := length(args[0]); n*n > maxPairs {
		return tooMuch("distinct of a long list")
	}
	return nil
}

// widths looks for a width or precision of more than three digits in a format.
func widths(args []cty.Value) error {
	for i, verb := range strings.Split(text(args[0]), "%") {
		run := 0
		for _, c := range verb {
			if c < '0' || c > '9' {
				run = 0
				if c >= 'A' && c <= 'z' && c != '[' && c != ']' {
					break
				}
				continue
			}
			if run++; i > 0 && run > 3 {
				return tooMuch("a format with a width of more than three digits")
			}
		}
	}
	return nil
}

func indent(args []cty.Value) error {
	if args[0].Type() != cty.Number {
		return nil
	}
	spaces, _ := args[0].AsBigFloat().Int64()
	if spaces > maxString || spaces*int64(1+strings.Count(text(args[1]), "\n")) > maxString {
		return tooMuch("an indentation")
	}
	return nil
}

// replacement bounds what replacing everywhere can make, and `$1$1` of it.
func replacement(args []cty.Value) error {
	if len(args) == 3 && (1+len(text(args[0])))*len(text(args[2])) > 16*maxString {
		return tooMuch("a long replacement in a long string")
	}
	return nil
}

func separators(args []cty.Value) error {
	n := 0
	for _, a := range args[1:] {
		n += length(a)
	}
	if n*len(text(args[0])) > maxString {
		return tooMuch("a long list joined with a long separator")
	}
	return nil
}

func cutset(args []cty.Value) error {
	if len(args) == 2 && len(text(args[0]))*len(text(args[1])) > 64*maxString {
		return tooMuch("a long string trimmed of many characters")
	}
	return nil
}

func document(args []cty.Value) error {
	if shallowJSON([]byte(text(args[0])), "").HasErrors() {
		return tooMuch("JSON that is nested too deeply")
	}
	return nil
}

func digits(args []cty.Value) error {
	if len(text(args[0])) > maxDigits {
		return tooMuch("a long number")
	}
	return nil
}
