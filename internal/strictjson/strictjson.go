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
	// Opaque are names whose values are not looked into.
	Opaque []string
}

// Check returns an error if body is not exactly one JSON document, or an object
// in it has two names that are equal but for their case, or a name that is one
// of s.Names but for its case.
func (s Shape) Check(body []byte) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := s.value(dec, 0); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the document")
	}
	return nil
}

func (s Shape) value(dec *json.Decoder, depth int) error {
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
		if d == '{' {
			skip, err := s.name(dec, seen)
			if err != nil {
				return err
			}
			if skip {
				var opaque json.RawMessage
				if err := dec.Decode(&opaque); err != nil {
					return err
				}
				continue
			}
		}
		if err := s.value(dec, depth+1); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

// name reads the name of a member, and reports whether its value is opaque.
func (s Shape) name(dec *json.Decoder, seen map[string]bool) (opaque bool, err error) {
	tok, err := dec.Token()
	if err != nil {
		return false, err
	}
	name, ok := tok.(string)
	if !ok {
		return false, errors.New("a name is no string")
	}
	// EqualFold is what encoding/json compares names with; it knows more pairs
	// than ToLower, such as k and the Kelvin sign.
	folded := fold(name)
	if seen[folded] {
		return false, fmt.Errorf("the name %.40q stands twice", name)
	}
	seen[folded] = true
	for _, known := range s.Names {
		if name != known && strings.EqualFold(name, known) {
			return false, fmt.Errorf("the name %.40q is not %q", name, known)
		}
	}
	return slices.Contains(s.Opaque, name), nil
}

// fold returns the same text for names that are equal under strings.EqualFold.
func fold(s string) string { return strings.ToLower(strings.ToUpper(s)) }
