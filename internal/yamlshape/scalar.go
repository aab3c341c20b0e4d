package yamlshape

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/internal/spelling"
	"github.com/boltseal/boltseal/internal/yamlnode"
)

// readText reads a text. One that a reader of YAML takes for a number, a boolean
// or a date has to be quoted: 1.10 would lose its zero on the way through another
// program, and no is false to many.
func readText(f *yamlnode.File, n *yaml.Node, what string, enum []string) (Text, *Fault) {
	s, ok := f.Scalar(n)
	quote := "write it in quotes: " + clip(s.Value)
	switch {
	case strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!"): // as !PATTERN is without quotes
		return Text{}, Faultf(f.At(n), "put it in quotes: "+clip(strings.TrimSpace(n.Tag+" "+s.Value)), "%s must be a text, and without quotes a text cannot begin with !", what)
	case !ok:
		return Text{}, unexpected(f, n, what, "a text", "write one text in its place")
	case n.ShortTag() == "!!null":
		return Text{}, Faultf(s.At, "", "%s has no value", what)
	case n.ShortTag() != "!!str":
		return Text{}, unexpected(f, n, what, "a text", quote)
	case n.Style == 0 && ambiguous().MatchString(n.Value):
		return Text{}, Faultf(s.At, quote, "%s is %s, which not every reader of YAML takes for a text", what, clip(n.Value))
	case !Seen(s.Value):
		return Text{}, Faultf(s.At, "write something that can be read, or take it out", "%s is an empty text", what)
	}
	if fault := oneOf(s, what, enum); fault != nil {
		return Text{}, fault
	}
	return Text{Value: s.Value, At: s.At}, nil
}

// ambiguous matches what YAML 1.1 has as booleans, and as numbers to base 60.
var ambiguous = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:(?i:y|n|yes|no|on|off)|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?|=)$`)
})

// Seen reports whether people see anything of s. A Text is never without.
func Seen(s string) bool { return strings.ContainsFunc(s, visible) }

// visible reports whether people see r.
func visible(r rune) bool {
	return unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// Quote returns s as a double-quoted YAML scalar, on one line and in ASCII.
func Quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r >= ' ' && r <= '~':
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// clipped returns the beginning of a text for a message.
func clipped(s string) string {
	n := 0
	for i := range s {
		if n++; n > 60 {
			return s[:i] + "…"
		}
	}
	return s
}

func oneOf(s yamlnode.Scalar, what string, enum []string) *Fault {
	for _, e := range enum {
		if s.Value == e {
			return nil
		}
	}
	if len(enum) == 0 {
		return nil
	}
	next := ""
	if near := spelling.Nearest(s.Value, enum); near != "" {
		next = "did you mean " + near + "?"
	}
	return Faultf(s.At, next, "%s is %s, and must be %s", what, clip(s.Value), strings.Join(enum, " or "))
}

func (d *decoder) bool(n *yaml.Node, v reflect.Value, what string) {
	value := strings.ToLower(n.Value)
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || value != "true" && value != "false" {
		d.unexpected(n, what, "true or false", nextForBool(value))
		return
	}
	v.SetBool(value == "true")
}

// decimal matches the numbers that every reader takes for the same: 010 is 8 to
// some.
var decimal = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^-?(?:0|[1-9][0-9]{0,8})$`) })

func (d *decoder) int(n *yaml.Node, v reflect.Value, what string, b bounds) {
	s, ok := d.f.Scalar(n)
	if !ok || n.ShortTag() != "!!int" || !decimal().MatchString(s.Value) {
		d.unexpected(n, what, "a whole number", nextForInt(s.Value, b))
		return
	}
	i, err := strconv.Atoi(s.Value)
	switch {
	case err != nil:
		d.faultf(s.At, "", "%s: %v", what, err)
	case b.min != nil && i < *b.min:
		d.faultf(s.At, fmt.Sprintf("write %d or more", *b.min), "%s is %d, and must be at least %d", what, i, *b.min)
	case b.max != nil && i > *b.max:
		d.faultf(s.At, fmt.Sprintf("write %d or less", *b.max), "%s is %d, and must be at most %d", what, i, *b.max)
	default:
		if fault := oneOf(s, what, b.enum); fault != nil {
			d.faults = append(d.faults, fault)
			return
		}
		v.SetInt(int64(i))
	}
}

// date reads a day. YAML takes an unquoted one for a time, which is as good.
func (d *decoder) date(n *yaml.Node, v reflect.Value, what string) {
	s, ok := d.f.Scalar(n)
	tag := n.ShortTag()
	if !ok || tag != "!!str" && tag != "!!timestamp" {
		d.unexpected(n, what, "a date such as 2027-01-31", "write year, month and day, such as 2027-01-31")
		return
	}
	day, err := time.Parse(time.DateOnly, s.Value)
	if err != nil {
		d.faultf(s.At, "write year, month and day, such as 2027-01-31", "%s is %s, which is no date", what, clip(s.Value))
		return
	}
	v.Set(reflect.ValueOf(Date{Time: day, At: s.At}))
}
