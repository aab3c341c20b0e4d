package workflow

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// function returns what a function of GitHub's does that depends on nothing but
// its arguments, of which none is unknown; nil for another one.
// https://docs.github.com/en/actions/reference/workflows-and-actions/expressions#functions
func function(name string, args int) func([]value) value {
	name = strings.ToLower(name)
	switch {
	case name == "format" && args > 0:
		return func(a []value) value { return format(asText(a[0]), a[1:]) }
	case name == "fromjson" && args == 1:
		return func(a []value) value { return fromJSON(asText(a[0])) }
	case name == "contains" && args == 2:
		return func(a []value) value { return contains(a[0], a[1]) }
	case name == "startswith" && args == 2:
		return func(a []value) value { return compared(a[0], a[1], strings.HasPrefix) }
	case name == "endswith" && args == 2:
		return func(a []value) value { return compared(a[0], a[1], strings.HasSuffix) }
	}
	return nil
}

// contains returns whether an array has an item, or a text another one.
func contains(in, v value) value {
	items, ok := in.(array)
	if !ok {
		return compared(in, v, strings.Contains)
	}
	found := value(false)
	for _, item := range items {
		switch equal(item, v) {
		case true:
			return true
		case unknown{}:
			found = unknown{}
		}
	}
	return found
}

// compared returns what do says of two texts, whose case does not count; false
// of what is no text and nothing that becomes one.
func compared(a, b value, do func(a, b string) bool) value {
	for _, v := range []value{a, b} {
		switch v.(type) {
		case array, object:
			return false
		}
	}
	return do(strings.ToUpper(asText(a)), strings.ToUpper(asText(b)))
}

// fromJSON returns the value that a text of JSON has, unknown where it is none.
func fromJSON(s string) value {
	var v any
	if json.Unmarshal([]byte(s), &v) != nil {
		return unknown{}
	}
	return ofJSON(v)
}

func ofJSON(v any) value {
	switch v := v.(type) {
	case []any:
		a := array{}
		for _, item := range v {
			a = append(a, ofJSON(item))
		}
		return a
	case map[string]any:
		o := newObject()
		for _, key := range slices.Sorted(maps.Keys(v)) {
			o.set(key, ofJSON(v[key]))
		}
		return o
	}
	return v
}

// format replaces {0} and so on; {{ and }} are braces. What GitHub refuses is
// unknown, and so is what is too long.
func format(s string, args []value) value {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case b.Len() > maxText:
			return unknown{}
		case strings.HasPrefix(s[i:], "{{"), strings.HasPrefix(s[i:], "}}"):
			b.WriteByte(s[i])
			i++
		case s[i] == '{':
			number, _, found := strings.Cut(s[i+1:], "}")
			n, err := strconv.ParseUint(number, 10, 8)
			if !found || err != nil || int(n) >= len(args) {
				return unknown{}
			}
			b.WriteString(asText(args[n]))
			i += len(number) + 1
		case s[i] == '}':
			return unknown{}
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
