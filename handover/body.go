package handover

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// strictly reads one JSON value that has nothing in it that v has not.
func strictly(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("it is not the JSON that was written: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON that was written")
	}
	return nil
}
