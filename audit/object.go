package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// An object is a JSON object, read as it is written: names are compared exactly.
type object map[string]json.RawMessage

// objectOf reads an object, and nothing behind it. Its values are parts of raw,
// and no copies, so that what is nested takes the room of the document once.
func objectOf(raw json.RawMessage) (object, error) {
	o, dec := object{}, json.NewDecoder(bytes.NewReader(raw))
	err := members(dec, func(name string) (err error) {
		o[name], err = value(dec, raw)
		return err
	})
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	return o, nil
}

// members reads an object of at most maxParts names from dec. For each name it
// calls visit, which reads the value. It refuses a name that stands twice.
func members(dec *json.Decoder, visit func(name string) error) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	if tok != json.Delim('{') {
		return errors.New("it is no JSON object")
	}
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := tok.(string) // what else could be a name?
		switch {
		case seen[name]:
			return fmt.Errorf("the name %.40q stands twice", name)
		case len(seen) == maxParts:
			return fmt.Errorf("it has more than %d names", maxParts)
		}
		seen[name] = true
		if err := visit(name); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

// A skipped is a value of which nothing is kept.
type skipped struct{}

// UnmarshalJSON is part of [json.Unmarshaler].
func (skipped) UnmarshalJSON([]byte) error { return nil }

// value returns the part of raw that is the next value of dec, which reads raw.
func value(dec *json.Decoder, raw []byte) (json.RawMessage, error) {
	from := dec.InputOffset()
	if err := dec.Decode(&skipped{}); err != nil {
		return nil, err
	}
	return bytes.TrimLeft(raw[from:dec.InputOffset()], ":, \t\r\n"), nil
}

// list returns the values of the list called name: none where there is none or
// null, and an error where there are more than maxParts.
func (o object) list(name string) ([]json.RawMessage, error) {
	raw, ok := o[name]
	if !ok || string(raw) == "null" {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('[') {
		return nil, fmt.Errorf("%s: it is no list", name)
	}
	var all []json.RawMessage
	for dec.More() {
		if len(all) == maxParts {
			return nil, fmt.Errorf("%s: it lists more than %d", name, maxParts)
		}
		v, err := value(dec, raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, v)
	}
	return all, nil // its end was seen when it was read as a part of o
}

// at returns the object below these names; nil where there is none, which is
// not the same as one that is something else.
func (o object) at(path ...string) (object, error) {
	for i, name := range path {
		raw, ok := o[name]
		if !ok {
			return nil, nil
		}
		next, err := objectOf(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", strings.Join(path[:i+1], "."), err)
		}
		o = next
	}
	return o, nil
}

// decode reads the value of name into v, and leaves v alone where there is none.
func (o object) decode(name string, v any) error {
	raw, ok := o[name]
	if !ok {
		return nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// again is what to do about what should not be.
const again = "do not use what was built, and find out who wrote this"
