// Package strictjson refuses JSON that two readers may read differently.
//
// encoding/json takes names in any case, and of a name that stands twice the
// last; where the value is a list it even keeps what the first had left behind.
// Other readers do otherwise. What is signed, or decides what will be run, must
// mean the same to all of them (compare CVE-2021-41190).
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// maxDepth bounds how deep objects and lists may be nested.
const maxDepth = 64

// A Shape says what is known of a document.
type Shape struct {
	// Names are the names that are read. One that differs from them in case
	// only is refused.
	Names []string
	// Opaque are names whose values are not looked into. A name that somebody
	// chose is none of them.
	Opaque []string
	// Maps are names whose values are objects with names that somebody chose,
	// such as tags: two of these may differ in case only, and are none of Names.
	Maps []string
	// Only are the only names that there may be; nil for any.
	Only Tree
}

// A Tree says which names an object may have, and of each of them the same for
// the object, or the list of objects, that is its value. A nil Tree allows any.
type Tree map[string]Tree

// An Error is why a document is refused, and where.
type Error struct {
	Offset int      // of what is wrong, in bytes; where it ends too early its length
	Name   string   // that the Tree does not have; "" where something else is wrong
	Known  []string // what may stand there instead of Name, sorted
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Check returns an error, an [*Error], if body is not exactly one JSON document,
// or an object in it has two names that are equal but for their case (of s.Maps:
// that are equal), a name that is one of s.Names but for its case, or one that is
// not in s.Only.
func (s Shape) Check(body []byte) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	err := s.value(dec, s.Only, 0, false)
	if err == nil {
		if _, last := dec.Token(); !errors.Is(last, io.EOF) {
			err = errors.New("something follows the document")
		}
	}
	if err == nil {
		return nil
	}
	e := (*Error)(nil)
	if !errors.As(err, &e) {
		e = &Error{Offset: int(dec.InputOffset()), Err: err}
	}
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		e.Offset = int(syntax.Offset) - 1 // that counts from 1
	}
	e.Offset = max(0, min(e.Offset, len(body)))
	// What the decoder has read ends before what stands between names and values.
	e.Offset += len(body[e.Offset:]) - len(bytes.TrimLeft(body[e.Offset:], " \t\r\n,:"))
	return e
}

func (s Shape) value(dec *json.Decoder, only Tree, depth int, chosen bool) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	d, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	if depth == maxDepth {
		return fmt.Errorf("nested deeper than %d", maxDepth)
	}
	seen := map[string]bool{}
	for dec.More() {
		below, free := only, chosen // of a list
		if d == '{' {
			name, err := s.name(dec, seen, only, chosen)
			if err != nil {
				return err
			}
			below, free = only[name], !chosen && slices.Contains(s.Maps, name)
			if !chosen && slices.Contains(s.Opaque, name) {
				var opaque json.RawMessage
				if err := dec.Decode(&opaque); err != nil {
					return err
				}
				continue
			}
		}
		if err := s.value(dec, below, depth+1, free); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

// name reads the name of a member, which whoever wrote the document has chosen
// or not.
func (s Shape) name(dec *json.Decoder, seen map[string]bool, only Tree, chosen bool) (string, error) {
	at := int(dec.InputOffset())
	tok, err := dec.Token()
	if err != nil {
		return "", err
	}
	name, ok := tok.(string)
	if !ok {
		return "", errors.New("a name is no string")
	}
	// EqualFold is what encoding/json compares names with; it knows more pairs
	// than ToLower, such as k and the Kelvin sign.
	folded := fold(name)
	if chosen {
		folded = name
	}
	if seen[folded] {
		return "", &Error{Offset: at, Err: fmt.Errorf("the name %.40q stands twice", name)}
	}
	seen[folded] = true
	for _, known := range s.Names {
		if name != known && !chosen && strings.EqualFold(name, known) {
			return "", &Error{Offset: at, Err: fmt.Errorf("the name %.40q is not %q", name, known)}
		}
	}
	if _, ok := only[name]; !ok && only != nil {
		return "", &Error{Offset: at, Name: name, Known: slices.Sorted(maps.Keys(only)), Err: fmt.Errorf("there is no %.40q here", name)}
	}
	return name, nil
}

// fold returns the same text for names that are equal under strings.EqualFold.
func fold(s string) string { return strings.ToLower(strings.ToUpper(s)) }
