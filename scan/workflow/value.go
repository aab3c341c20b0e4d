package workflow

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/internal/yamlnode"
)

// A value is what an expression has: nil for null, a bool, float64, string,
// array, object, or unknown.
type value any

type array []value

// unknown is a value that is not known before the workflow runs.
type unknown struct{}

// An object has case-insensitive keys, in lower case, in an order.
type object struct {
	keys   []string
	values map[string]value
}

func newObject() object { return object{values: map[string]value{}} }

func (o *object) set(key string, v value) {
	key = strings.ToLower(key)
	if _, there := o.values[key]; !there {
		o.keys = append(o.keys, key)
	}
	o.values[key] = v
}

func (o object) has(key string) bool { _, ok := o.values[strings.ToLower(key)]; return ok }

func (o object) get(key string) value { return o.values[strings.ToLower(key)] }

// GitHub reads plain scalars as YAML 1.2 has it: yes and 1_000 are strings,
// 3.10 is the number 3.1. The YAML library has types of its own.
var (
	decimal = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^[-+]?(?:[0-9]+|(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)$`)
	})
	other   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:0x[0-9a-fA-F]+|0o[0-7]+)$`) })
	special = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$`) })
)

// literal returns what a node stands for, with its expressions evaluated as
// far as they need no context. No image is named by a text that is too long.
func literal(n *yaml.Node) value {
	n = yamlnode.Resolve(n)
	switch n.Kind {
	case yaml.SequenceNode:
		a := array{}
		for _, item := range n.Content {
			a = append(a, literal(item))
		}
		return a
	case yaml.MappingNode:
		o := newObject()
		for _, p := range yamlnode.Pairs(n) {
			if p.Key.Kind != yaml.ScalarNode || strings.Contains(p.Key.Value, "${{") {
				return unknown{}
			}
			o.set(p.Key.Value, literal(p.Value))
		}
		return o
	}
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	if n.Style&quoted == 0 && (n.Style&yaml.TaggedStyle == 0 || n.Tag != "!!str") {
		if v, ok := plain(n.Value); ok {
			return v
		}
	}
	t, err := parse(n.Value)
	if err != nil {
		return unknown{}
	}
	v := t(unknown{})
	if s, ok := v.(string); ok && len(s) > maxText {
		return unknown{}
	}
	return v
}

// plain returns the value of a plain scalar that is no string.
func plain(s string) (value, bool) {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return nil, true
	case "true", "True", "TRUE":
		return true, true
	case "false", "False", "FALSE":
		return false, true
	}
	switch {
	case decimal().MatchString(s):
		f, err := strconv.ParseFloat(s, 64)
		return f, err == nil
	case other().MatchString(s):
		i, err := strconv.ParseUint(s, 0, 63)
		return float64(i), err == nil
	case special().MatchString(s):
		f, err := strconv.ParseFloat(strings.Replace(s, ".", "", 1), 64)
		return f, err == nil
	}
	return nil, false
}

// asText returns v as it stands in a string.
func asText(v value) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return number(v)
	case array:
		return "Array"
	case object:
		return "Object"
	}
	return ""
}

// number is the G15 of .NET.
func number(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case f == 0:
		return "0" // not -0
	}
	return strconv.FormatFloat(f, 'G', 15, 64)
}

// truthy returns whether v counts as true; the second result is false where
// that is not known.
func truthy(v value) (yes, known bool) {
	switch v := v.(type) {
	case unknown:
		return false, false
	case nil:
		return false, true
	case bool:
		return v, true
	case float64:
		return v != 0 && !math.IsNaN(v), true
	case string:
		return v != "", true
	}
	return true, true
}

// equal returns unknown or whether a == b, which ignores case and compares
// values of different types as numbers.
func equal(a, b value) value {
	if a == (unknown{}) || b == (unknown{}) {
		return unknown{}
	}
	if x, ok := a.(string); ok {
		if y, ok := b.(string); ok {
			return strings.EqualFold(x, y)
		}
	}
	if a == nil && b == nil {
		return true
	}
	return numeric(a) == numeric(b) // NaN is not
}

func numeric(v value) float64 {
	switch v := v.(type) {
	case nil:
		return 0
	case bool:
		if v {
			return 1
		}
		return 0
	case float64:
		return v
	case string:
		if v = strings.TrimSpace(v); v == "" {
			return 0
		}
		if f, ok := plain(v); ok {
			if f, ok := f.(float64); ok {
				return f
			}
		}
	}
	return math.NaN()
}
