package bake

import (
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// What evaluating the files of one definition may cost. The language has no
// loop without an end, but values can double at each step: twenty lines make a
// string of a gigabyte.
const (
	maxString   = 256 << 10 // bytes of one string
	maxElements = 4096      // of one list, map or object
	maxCost     = 8 << 20   // of everything that is evaluated, see meter
	stepCost    = 40        // of evaluating one expression
	elementCost = 8         // of one element, besides its own size
)

// errTooMuch is what an expression gets that would exceed the bounds.
var errTooMuch = errors.New("evaluating the file takes too much")

// A meter adds up what evaluation costs: a step for each expression, and the
// size of each result. It never forgets that it ran out, because HCL drops
// errors of branches that are not taken.
type meter struct {
	spent int
	err   error
}

// spend adds a cost and returns an error when that is too much.
func (m *meter) spend(cost int) error {
	if m.err == nil {
		if m.spent += cost; m.spent > maxCost {
			m.err = fmt.Errorf("%w: more than %d steps and bytes", errTooMuch, maxCost)
		}
	}
	return m.err
}

// measure spends the size of a value.
func (m *meter) measure(v cty.Value) error {
	if m.err != nil {
		return m.err
	}
	size, err := sizeOf(v, maxCost-m.spent)
	if err != nil {
		m.err = err
		return err
	}
	return m.spend(size)
}

// sizeOf returns the size of v in bytes, about. It stops counting at limit:
// a value can have more parts than memory, by having the same part twice.
func sizeOf(v cty.Value, limit int) (int, error) {
	v, _ = v.Unmark()
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() {
		return 1, nil
	}
	switch ty := v.Type(); {
	case ty == cty.String:
		n := len(v.AsString())
		if n > maxString {
			return n, fmt.Errorf("%w: a string of more than %d bytes", errTooMuch, maxString)
		}
		return n + 1, nil
	case ty == cty.Number:
		// Written out, a number has as many digits as its exponent says.
		exp := v.AsBigFloat().MantExp(nil)
		if exp > 4*maxDigits || exp < -4*maxDigits {
			return maxDigits, fmt.Errorf("%w: a number of more than %d digits", errTooMuch, maxDigits)
		}
		return 8 + max(exp, -exp)/3, nil
	case !v.CanIterateElements():
		return 1, nil
	}
	if n := v.LengthInt(); n > maxElements {
		return n, fmt.Errorf("%w: a collection of more than %d elements", errTooMuch, maxElements)
	}
	size := 1
	for it := v.ElementIterator(); it.Next() && size <= limit; {
		_, e := it.Element()
		n, err := sizeOf(e, limit-size)
		if err != nil {
			return size, err
		}
		size += n + elementCost
	}
	return size, nil
}

// diagnose returns err as HCL's own kind of error.
func diagnose(err error, at hcl.Range) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: err.Error(), Subject: &at}}
}
