package bake

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"math/big"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// standIn is what a text that is not known before the build is taken for. It
// is a valid tag, so that nothing else is wrong with a reference it is part of.
const standIn = "boltseal-unresolved"

// unforeseeable returns a function whose result is decided in the build: by the
// clock, chance, or the machine.
func unforeseeable(name string, v cty.Value) function.Function {
	return doubtful(v.Mark(unforeseen("the result of "+name+"()", "write what it stands for")))
}

// unsupported returns a function that is not evaluated here.
func unsupported(name string, v cty.Value) function.Function {
	return doubtful(v.Mark(doubt{about: name + "() is not evaluated by boltseal", hint: "write what it stands for"}))
}

func doubtful(v cty.Value) function.Function {
	return function.New(&function.Spec{
		VarParam: &function.Parameter{Name: "args", Type: cty.DynamicPseudoType, AllowNull: true},
		Type:     function.StaticReturnType(v.Type()),
		Impl:     func([]cty.Value, cty.Type) (cty.Value, error) { return v, nil },
	})
}

// textFunction returns a function from a string to a string.
func textFunction(f func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "str", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, err := f(args[0].AsString())
			if err != nil {
				return cty.NilVal, err
			}
			return cty.StringVal(s), nil
		},
	})
}

func base64Decode() function.Function {
	return textFunction(func(s string) (string, error) {
		b, err := base64.StdEncoding.DecodeString(s)
		if err == nil && !utf8.Valid(b) {
			err = errors.New("what was encoded is not UTF-8")
		}
		return string(b), err
	})
}

func base64Encode() function.Function {
	return textFunction(func(s string) (string, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil })
}

func urlEncode() function.Function {
	return textFunction(func(s string) (string, error) { return url.QueryEscape(s), nil })
}

func hashed(h func() hash.Hash) function.Function {
	return textFunction(func(s string) (string, error) {
		sum := h()
		sum.Write([]byte(s))
		return hex.EncodeToString(sum.Sum(nil)), nil
	})
}

func baseName() function.Function {
	return textFunction(func(s string) (string, error) { return path.Base(s), nil })
}

func dirName() function.Function {
	return textFunction(func(s string) (string, error) { return path.Dir(s), nil })
}

// sanitize writes _ for what a target's name may not have.
func sanitize() function.Function {
	return textFunction(func(s string) (string, error) {
		return strings.Map(func(r rune) rune {
			if validName(string(r)) {
				return r
			}
			return '_'
		}, s), nil
	})
}

func indexOf() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}, {Name: "value", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].Type().IsListType() && !args[0].Type().IsTupleType() {
				return cty.NilVal, errors.New("argument must be a list or tuple")
			}
			for it := args[0].ElementIterator(); it.Next(); {
				i, v := it.Element()
				eq, err := stdlib.Equal(v, args[1])
				if err != nil {
					return cty.NilVal, err
				}
				if eq.IsKnown() && eq.True() {
					return i, nil
				}
			}
			return cty.NilVal, errors.New("item not found")
		},
	})
}

// formatTimestamp is formatdate for RFC 3339 text and for Unix time, with X
// for the latter.
func formatTimestamp() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "format", Type: cty.String}, {Name: "time", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			var t time.Time
			var err error
			switch args[1].Type() {
			case cty.String:
				if args[0].AsString() != "X" {
					return stdlib.FormatDate(args[0], args[1])
				}
				t, err = time.Parse(time.RFC3339, args[1].AsString())
			case cty.Number:
				t, err = unixTime(args[1])
			default:
				err = errors.New("must be a string timestamp or a unix timestamp number")
			}
			if err != nil {
				return cty.NilVal, function.NewArgError(1, err)
			}
			if args[0].AsString() == "X" {
				return cty.StringVal(strconv.FormatInt(t.Unix(), 10)), nil
			}
			return stdlib.FormatDate(args[0], cty.StringVal(t.Format(time.RFC3339)))
		},
	})
}

// unixTimestamp takes Unix time apart.
func unixTimestamp() function.Function {
	number, text := cty.Number, cty.String
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "unix_timestamp", Type: cty.Number}},
		Type: function.StaticReturnType(cty.Object(map[string]cty.Type{
			"year": number, "year_day": number, "day": number, "month": number, "month_name": text,
			"weekday": number, "weekday_name": text, "hour": number, "minute": number, "second": number,
			"rfc3339": text, "iso_year": number, "iso_week": number,
		})),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			t, err := unixTime(args[0])
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			n := func(i int) cty.Value { return cty.NumberIntVal(int64(i)) }
			isoYear, isoWeek := t.ISOWeek()
			return cty.ObjectVal(map[string]cty.Value{
				"year": n(t.Year()), "year_day": n(t.YearDay()), "day": n(t.Day()),
				"month": n(int(t.Month())), "month_name": cty.StringVal(t.Month().String()),
				"weekday": n(int(t.Weekday())), "weekday_name": cty.StringVal(t.Weekday().String()),
				"hour": n(t.Hour()), "minute": n(t.Minute()), "second": n(t.Second()),
				"rfc3339": cty.StringVal(t.Format(time.RFC3339)), "iso_year": n(isoYear), "iso_week": n(isoWeek),
			}), nil
		},
	})
}

func unixTime(v cty.Value) (time.Time, error) {
	n, exact := v.AsBigFloat().Int64()
	if exact != big.Exact {
		return time.Time{}, errors.New("unix timestamp must be an integer")
	}
	return time.Unix(n, 0).UTC(), nil
}
