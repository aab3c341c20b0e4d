package handover

import (
	"bytes"
	"encoding/json"
	"errors"
)

// document returns v as JSON for people as well, ending with a line break.
func document(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// same returns a check that a file has the bytes that were written.
func same(body []byte) func([]byte) error {
	return func(readBack []byte) error {
		if !bytes.Equal(readBack, body) {
			return errors.New("the file is not what was written to it")
		}
		return nil
	}
}

// both returns a check that says what the first one says, else the second.
func both(first, second func([]byte) error) func([]byte) error {
	return func(readBack []byte) error {
		if err := first(readBack); err != nil {
			return err
		}
		return second(readBack)
	}
}
