package condition

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const (
	// MaxPredicate bounds a predicate, in bytes of its JSON.
	MaxPredicate = 16 << 20
	// maxDepth bounds how deep a predicate may be nested.
	maxDepth = 500
	// maxValues bounds how many values a predicate may have, since short ones
	// take many times the memory of their text.
	maxValues = 1 << 20
)

// decode reads JSON into maps, slices, strings, doubles, bools and nil. It
// refuses an object that has a name twice, of which another reader may take the
// other value. It ends with ctx.
func decode(ctx context.Context, body []byte) (any, error) {
	if len(body) > MaxPredicate {
		return nil, fmt.Errorf("%w: the predicate has %d bytes, at most %d are looked at", ErrTooLarge, len(body), MaxPredicate)
	}
	d := decoder{Decoder: json.NewDecoder(bytes.NewReader(body)), ended: ctx.Err}
	v, err := d.value(0)
	if err != nil {
		return nil, fmt.Errorf("predicate: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("predicate: something follows the JSON")
	}
	return v, nil
}

type decoder struct {
	*json.Decoder
	values int
	ended  func() error
}

func (d *decoder) value(depth int) (any, error) {
	if d.values++; d.values > maxValues {
		return nil, fmt.Errorf("%w: it has more than %d values", ErrTooLarge, maxValues)
	}
	if d.values%interruptEvery == 0 {
		if err := d.ended(); err != nil {
			return nil, err
		}
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("%w: it is nested deeper than %d", ErrTooLarge, maxDepth)
	}
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		return d.object(depth)
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := d.value(depth + 1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	}
	return token, nil
}

func (d *decoder) object(depth int) (map[string]any, error) {
	object := map[string]any{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := token.(string)
		if !ok {
			return nil, errors.New("a name is no string")
		}
		if _, twice := object[name]; twice {
			return nil, fmt.Errorf("the name %.40q stands twice", name)
		}
		if object[name], err = d.value(depth + 1); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return object, err
}
