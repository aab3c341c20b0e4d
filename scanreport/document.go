package scanreport

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/boltseal/boltseal/internal/strictjson"
	"github.com/boltseal/boltseal/verify"
)

// Bounds of a document. A report of a large image has some ten thousand
// findings, and no object of it has more than some hundred names.
const (
	maxDepth    = 64
	maxMembers  = 10_000  // of one object
	maxFindings = 100_000 // of a report
	maxRules    = 50_000  // of a SARIF run
	maxRuns     = 100
	maxResults  = 100_000 // of Trivy: one for each file with packages
	maxTags     = 100     // of a rule or a result: those of a rule are read for each of its results
	maxList     = 1000    // of anything smaller: IDs of one finding, names of an image
	maxText     = 1000    // bytes of a text that is kept
	maxID       = 200     // bytes
)

const op = "read the scan report"

// What to do about a file that is none of the formats.
const nextFormats = "give Trivy's or Grype's JSON: " + trivyCommand + ", or grype IMAGE -o json=FILE"

// refuse returns why a report is not read: one of this package's errors, what is
// wrong, and one next step.
func refuse(kind error, next, format string, args ...any) error {
	return &verify.Error{Op: op, Hint: next, Err: fmt.Errorf("%w: %w", kind, fmt.Errorf(format, args...))}
}

func malformed(format string, args ...any) error {
	return refuse(ErrMalformed, "scan the image again with a current version of the scanner, and give its file as it is", format, args...)
}

// quoted returns a text of a report as it may stand in an error.
func quoted(s string) string { return fmt.Sprintf("%.80q", s) }

// A first is how a value of JSON begins.
type first byte

// UnmarshalJSON keeps the first byte.
func (f *first) UnmarshalJSON(b []byte) error {
	*f = first(b[0])
	return nil
}

// document checks that body is one JSON object, within bounds, and returns its
// names.
func document(body []byte) (map[string]first, error) {
	const again = "look at what the scanner said when it wrote the file, and scan again"
	text := bytes.TrimSpace(body)
	switch {
	case len(body) > MaxReport:
		return nil, refuse(ErrTooLarge, "leave out what does not matter here: other scanners of Trivy than vuln, or --list-all-pkgs=false", "it has %d bytes, and at most %d are read", len(body), MaxReport)
	case len(text) == 0:
		return nil, refuse(ErrEmpty, again, "nothing is in the file: the scan did not come to its end")
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")):
		return nil, refuse(ErrNotJSON, "let the scanner write the file by itself (--output, -o json=FILE), or as UTF-8", "it is UTF-16, as PowerShell's > writes it")
	case text[0] == '<':
		return nil, refuse(ErrNotJSON, nextFormats, "it is HTML or XML")
	}
	var begin first
	if err := json.Unmarshal(text, &begin); err != nil {
		return nil, notJSON(text, err, again)
	}
	switch begin {
	case 'n':
		return nil, refuse(ErrEmpty, again, "all it says is null")
	case '[':
		if emptyList(text) {
			return nil, refuse(ErrEmpty, again, "all it has is an empty list")
		}
		return nil, refuse(ErrNotReport, nextFormats, "it is a list, as Trivy wrote before schema version 2, and other programs do")
	case '{':
	default:
		return nil, refuse(ErrNotReport, nextFormats, "it is no object")
	}
	if err := bounded(text); err != nil {
		return nil, err
	}
	names := map[string]first{}
	if err := json.Unmarshal(text, &names); err != nil {
		return nil, malformed("%w", err)
	}
	if len(names) == 0 {
		return nil, refuse(ErrEmpty, again, "all it has is an empty object")
	}
	return names, nil
}

func emptyList(text []byte) bool {
	return len(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimPrefix(text, []byte("[")), []byte("]")))) == 0
}

// notJSON says what is wrong with a text that is not one JSON document.
func notJSON(text []byte, err error, again string) error {
	var syntax *json.SyntaxError
	switch {
	case !errors.As(err, &syntax):
		return refuse(ErrNotJSON, nextFormats, "%w", err)
	case syntax.Offset >= int64(len(text)) && strings.HasPrefix(syntax.Error(), "unexpected end"):
		return refuse(ErrNotJSON, again, "it ends in the middle: it was cut off after %d bytes", len(text))
	case strings.Contains(syntax.Error(), "max depth"):
		return refuse(ErrTooLarge, nextFormats, "it is nested deeper than %d", maxDepth)
	case strings.HasSuffix(syntax.Error(), "after top-level value"):
		return refuse(ErrNotJSON, "give one report for each --scan-report", "something follows the document, at byte %d", syntax.Offset)
	case text[0] != '{' && text[0] != '[':
		return refuse(ErrNotJSON, nextFormats, "it begins with %.20q", text)
	}
	return refuse(ErrNotJSON, again, "at byte %d: %w", syntax.Offset, err)
}

// bounded returns an error for a JSON document that is nested too deep, or has
// an object with too many names: those are all kept for a while, and would take
// many times the room of the text.
func bounded(text []byte) error {
	var members [maxDepth + 1]int // -1 in a list
	depth, inText := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			if depth == maxDepth {
				return refuse(ErrTooLarge, nextFormats, "it is nested deeper than %d", maxDepth)
			}
			depth++
			members[depth] = 1
			if c == '[' {
				members[depth] = -1
			}
		case c == '}' || c == ']':
			depth--
		case c == ',' && members[depth] > 0:
			if members[depth]++; members[depth] > maxMembers {
				return refuse(ErrTooLarge, nextFormats, "an object in it has more than %d names", maxMembers)
			}
		}
	}
	return nil
}

// strict reads text, one JSON document, into what into points to. Names that
// stand twice, or differ in case only from those that into has, are refused
// except within values of opaque names, of which into has none that decide.
func strict(text []byte, into any, opaque ...string) error {
	shape := strictjson.Shape{Names: names(reflect.TypeOf(into), nil), Opaque: opaque}
	if err := shape.Check(text); err != nil {
		return refuse(ErrAmbiguous, "do not use it: find out who wrote it, and scan again", "%w", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return malformed("%w", typeError(err))
	}
	return nil
}

// typeError shortens the error of a value of another type, which may quote it.
func typeError(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("%s is a %.40s", quoted(wrong.Field), wrong.Value)
	}
	return err
}

// names returns the names that are read into a t, at any depth.
func names(t reflect.Type, all []string) []string {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return names(t.Elem(), all)
	case reflect.Struct:
		if l, ok := reflect.Zero(t).Interface().(interface{ item() reflect.Type }); ok {
			return names(l.item(), all)
		}
		for i := range t.NumField() {
			f := t.Field(i)
			all = names(f.Type, append(all, f.Tag.Get("json")))
		}
	}
	return all
}

// A list is a list in a document, read item by item: what millions of empty
// items would take, read at once, has nothing to do with the size of the text.
type list[T any] struct {
	raw json.RawMessage // nil where there is none
}

// item returns the type of the items.
func (list[T]) item() reflect.Type { return reflect.TypeFor[T]() }

// UnmarshalJSON keeps the text. Null is no list.
func (l *list[T]) UnmarshalJSON(b []byte) error {
	l.raw = nil
	if !bytes.Equal(b, []byte("null")) {
		l.raw = bytes.Clone(b)
	}
	return nil
}

// there reports whether there is a list.
func (l list[T]) there() bool { return l.raw != nil }

// each calls do for every item, at most most of them. What says what the list
// is, for messages.
func (l list[T]) each(what string, most int, do func(int, T) error) error {
	if l.raw == nil {
		return nil
	}
	if l.raw[0] != '[' {
		return malformed("%s is no list", what)
	}
	rest := l.raw[1:]
	for i := 0; ; i++ {
		end := itemEnd(rest)
		text := bytes.TrimSpace(rest[:end])
		switch {
		case len(text) == 0: // of an empty list
			return nil
		case i == most:
			return refuse(ErrTooLarge, nextFormats, "%s has more than %d items", what, most)
		}
		var item T
		if err := json.Unmarshal(text, &item); err != nil {
			return malformed("item %d of %s: %w", i+1, what, typeError(err))
		}
		if err := do(i, item); err != nil {
			return err
		}
		if rest[end] == ']' {
			return nil
		}
		rest = rest[end+1:]
	}
}

// itemEnd returns where the first item of the rest of a list ends: at a comma or
// the bracket. A json.Decoder would do, and copy each item.
func itemEnd(rest []byte) int {
	depth, inText := 0, false
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			depth++
		case depth == 0 && (c == ',' || c == ']'):
			return i
		case c == '}' || c == ']':
			depth--
		}
	}
	return len(rest) - 1 // not of JSON
}

// texts returns the items of a short list, without those that are empty.
func texts(l list[string], what string) ([]string, error) {
	var all []string
	err := l.each(what, maxList, func(_ int, s string) error {
		if s != "" {
			all = append(all, cut(s))
		}
		return nil
	})
	return all, err
}

// cut returns the beginning of a text that is longer than anything sensible.
func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText-len("…")], "") + "…"
}
