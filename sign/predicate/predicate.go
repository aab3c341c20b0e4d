// Package predicate reads what is to be attested of an image, refuses what is
// not what it is said to be, and makes verification summaries.
package predicate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/boltseal/boltseal/verify"
	vsig "github.com/boltseal/boltseal/verify/sigstore"
)

const (
	maxBody  = 16 << 20 // bytes of a predicate, before and after
	maxDepth = 64       // objects and lists inside each other
	maxNames = 100_000  // names of one object
)

// Type returns the predicate type that name stands for: one of cosign's short
// names, such as spdx or slsaprovenance1, or an absolute URI, which is returned
// as it is.
func Type(name string) (string, error) { return vsig.PredicateType(name) }

// Check returns body as a predicate of the type uri: compact JSON, in which
// every number and text stands as in body. It is an error if body is larger than
// 16 MiB, is no JSON object, has a name twice in one object, is a whole in-toto
// statement, DSSE envelope or Sigstore bundle, or is not what uri says where that
// is a type of document that this package knows; docs/attestations.md lists
// them. For cosign's own type, "custom", body may be any text, and is returned
// the way cosign attests it: {"Data": text, "Timestamp": ""}. The error is a
// *verify.Error.
func Check(uri string, body []byte) (json.RawMessage, error) {
	p, err := check(uri, body)
	if err != nil {
		e := &verify.Error{Op: "read the predicate of " + uri, Err: err}
		if r := (*refusal)(nil); errors.As(err, &r) {
			e.Err, e.Hint = r.err, r.hint
		}
		return nil, e
	}
	return p, nil
}

// A refusal says why a document is not attested, and what to do about it.
type refusal struct {
	err  error
	hint string
}

func (r *refusal) Error() string { return r.err.Error() }

func refusef(hint, format string, a ...any) error {
	return &refusal{fmt.Errorf(format, a...), hint}
}

func check(uri string, body []byte) (json.RawMessage, error) {
	uri, err := Type(uri)
	if err != nil {
		return nil, err
	}
	if len(body) > maxBody {
		return nil, refusef("attest a smaller document, or a digest of this one", "it is larger than %d MiB", maxBody>>20)
	}
	body = bytes.TrimPrefix(body, []byte("\uFEFF")) // what Windows may write first
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, refusef("give a file with the predicate as JSON", "it is empty")
	}
	if !utf8.Valid(body) {
		if bytes.HasPrefix(body, []byte{0x1f, 0x8b}) {
			return nil, refusef("unpack it with gzip -d", "it is compressed")
		}
		return nil, refusef("write it as UTF-8", "it is not UTF-8 text")
	}
	doc, err := read(body)
	if uri == customType {
		return custom(body, doc, err)
	}
	if err != nil {
		return nil, err
	}
	if err := notWrapped(doc); err != nil {
		return nil, err
	}
	if err := isA(uri, doc); err != nil {
		return nil, err
	}
	return compact(body)
}

// custom returns body as cosign attests what has no type of its own.
func custom(body []byte, doc object, notObject error) (json.RawMessage, error) {
	if notObject == nil {
		if err := notWrapped(doc); err != nil {
			return nil, err
		}
		if _, ok := doc.text("Data"); ok && (len(doc) == 1 || len(doc) == 2 && doc["Timestamp"] != nil) {
			return compact(body) // made for it already
		}
	}
	// cosign writes the time of signing. It would make every run attest anew, and
	// the log has it.
	text, err := marshal(struct{ Data, Timestamp string }{Data: string(body)})
	if err != nil {
		return nil, err
	}
	return compact(text)
}

// marshal is json.Marshal that leaves <, > and & as they are.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}

func compact(body []byte) (json.RawMessage, error) {
	var b bytes.Buffer
	if err := json.Compact(&b, body); err != nil {
		return nil, err
	}
	if b.Len() > maxBody {
		return nil, refusef("attest a smaller document, or a digest of this one", "as JSON it is larger than %d MiB", maxBody>>20)
	}
	return b.Bytes(), nil
}

// An object is a JSON object. Its names are told apart exactly, unlike those of
// a struct: readers in other languages do the same.
type object map[string]json.RawMessage

// read reads body as one JSON object in which no name stands twice.
func read(body []byte) (object, error) {
	if err := json.Unmarshal(body, new(json.RawMessage)); err != nil {
		return nil, notJSON(body, err)
	}
	if trimmed := bytes.TrimSpace(body); trimmed[0] != '{' {
		return nil, refusef("give the predicate as a JSON object, {…}", "it is JSON, but not an object")
	}
	if err := plain(body); err != nil {
		return nil, err
	}
	var doc object
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, err
	}
	return doc, nil
}

// notJSON says what body may be instead.
func notJSON(body []byte, cause error) error {
	trimmed := bytes.TrimSpace(body)
	starts := func(text string) bool { return bytes.HasPrefix(trimmed, []byte(text)) }
	const syft = "write it as JSON, for instance with syft -o spdx-json or trivy image --format spdx-json"
	switch {
	case starts("SPDXVersion:"):
		return refusef(syft, "it is SPDX in the tag-value format, not JSON")
	case starts("spdxVersion:"), starts("SPDXID:"):
		return refusef(syft, "it is SPDX as YAML, not JSON")
	case starts("<") && bytes.Contains(trimmed[:min(len(trimmed), 4096)], []byte("cyclonedx.org/schema/bom")):
		return refusef("write it as JSON, for instance with syft -o cyclonedx-json or cyclonedx convert", "it is CycloneDX as XML, not JSON")
	case starts("<") && bytes.Contains(trimmed[:min(len(trimmed), 4096)], []byte("spdx.org/rdf")):
		return refusef(syft, "it is SPDX as RDF, not JSON")
	case starts("<"):
		return refusef("write it as JSON", "it is XML, not JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if dec.Decode(new(json.RawMessage)) == nil {
		return refusef("give one JSON document in a file of its own", "something follows the JSON document")
	}
	var at string
	if s := (*json.SyntaxError)(nil); errors.As(cause, &s) {
		at = ": byte " + strconv.FormatInt(s.Offset, 10) + ": " + s.Error()
	}
	return refusef("give the predicate as JSON", "it is not JSON%s", at)
}

// plain returns an error unless all readers take the same from body, which is
// valid JSON, or something in it is too deep or too many. Of two values of one
// name, readers differ in which they take. A number that no float64 holds, and
// half of a pair that stands for one character, stop those that read a statement
// into Protocol Buffers, as cosign does: they would find no attestation at all.
func plain(body []byte) error {
	var open []map[string]bool // of each object its names, nil for a list
	name := false              // whether a string would be a name
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{', '[':
			if len(open) == maxDepth {
				return refusef("attest a flatter document", "it is nested deeper than %d", maxDepth)
			}
			name = body[i] == '{'
			var names map[string]bool
			if name {
				names = map[string]bool{}
			}
			open = append(open, names)
		case '}', ']':
			open, name = open[:len(open)-1], false
		case ',':
			name = open[len(open)-1] != nil
		case '"':
			end := i + 1
			for body[end] != '"' {
				if body[end] == '\\' {
					end++
				}
				end++
			}
			if !paired(body[i : end+1]) {
				return refusef(`write texts as UTF-8 instead of \u…`, "a text in it has half of a UTF-16 pair: %.40q", body[i:end+1])
			}
			if name {
				if err := enter(open[len(open)-1], body[i:end+1]); err != nil {
					return err
				}
				name = false
			}
			i = end
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			end := i + 1
			for end < len(body) && strings.IndexByte("0123456789+-.eE", body[end]) >= 0 {
				end++
			}
			if _, err := strconv.ParseFloat(string(body[i:end]), 64); err != nil {
				return refusef("write it as a text", "a number in it is too large for most readers: %.40q", body[i:end])
			}
			i = end - 1
		}
	}
	return nil
}

// paired reports whether each \u of a surrogate in a quoted text is one of a pair
// (RFC 8259, section 8.2).
func paired(quoted []byte) bool {
	high := false // the last character was the first half of a pair
	for i := 0; i < len(quoted); i++ {
		var r uint64
		if quoted[i] == '\\' {
			if i++; quoted[i] == 'u' {
				r, _ = strconv.ParseUint(string(quoted[i+1:i+5]), 16, 16) // four hex digits, as it is JSON
				i += 4
			}
		}
		low := r >= 0xdc00 && r < 0xe000
		if high != low {
			return false
		}
		high = r >= 0xd800 && r < 0xdc00
	}
	return !high
}

func enter(names map[string]bool, quoted []byte) error {
	text := string(quoted[1 : len(quoted)-1])
	if bytes.IndexByte(quoted, '\\') >= 0 {
		if err := json.Unmarshal(quoted, &text); err != nil {
			return err
		}
	}
	if names[text] {
		return refusef("remove one of them", "the name %.40q stands twice in one object", text)
	}
	if len(names) == maxNames {
		return refusef("attest a list instead", "an object in it has more than %d names", maxNames)
	}
	names[text] = true
	return nil
}

// in returns the object behind a path of names, nil if there is none.
func (o object) in(path ...string) object {
	for _, name := range path {
		var inner object
		if o[name] == nil || json.Unmarshal(o[name], &inner) != nil {
			return nil
		}
		o = inner
	}
	return o
}

// text returns the text behind a path of names, and whether there is one.
func (o object) text(path ...string) (string, bool) {
	last := len(path) - 1
	raw := o.in(path[:last]...)[path[last]]
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// has reports whether each path of names leads to a text that is not empty.
func (o object) has(paths ...[]string) bool {
	for _, path := range paths {
		if s, ok := o.text(path...); !ok || s == "" {
			return false
		}
	}
	return true
}

// list returns the list behind a name, and whether there is one.
func (o object) list(name string) ([]json.RawMessage, bool) {
	raw := o[name]
	var all []json.RawMessage
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &all) != nil {
		return nil, false
	}
	return all, true
}
