package registry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
)

// addReferrer adds m, whose bytes are body, to the index behind the tag of its
// subject (OCI distribution-spec, "Referrers Tag Schema").
func (c *Client) addReferrer(ctx context.Context, repo image.Ref, m ocispec.Manifest, body []byte) error {
	entry := ocispec.Descriptor{
		MediaType: m.MediaType, ArtifactType: cmp.Or(m.ArtifactType, m.Config.MediaType), Annotations: m.Annotations,
		Digest: digest.Digest(digestOf(body)), Size: int64(len(body)),
	}
	holds := func(m Manifest) bool {
		list, err := readFallback(m)
		return err == nil && lists(list, entry.Digest.String())
	}
	tag := strings.Replace(m.Subject.Digest.String(), ":", "-", 1)
	return c.Update(ctx, repo, tag, func(old *Manifest) ([]byte, string, func(Manifest) bool, error) {
		if old == nil {
			body, err := json.Marshal(ocispec.Index{
				Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex,
				Manifests: []ocispec.Descriptor{entry},
			})
			return body, ocispec.MediaTypeImageIndex, holds, err
		}
		if holds(*old) {
			return nil, "", nil, nil
		}
		body, err := appendReferrer(*old, entry)
		return body, ocispec.MediaTypeImageIndex, holds, err
	})
}

// readFallback is ParseFallback for those who would write it: what they do not
// understand in full is not theirs to write.
func readFallback(m Manifest) ([]ocispec.Descriptor, error) {
	index, err := parseIndex(m.Body)
	switch list := index.Manifests; {
	case errors.Is(err, ErrTooMany):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	case len(list) > maxReferrers:
		return nil, fmt.Errorf("%w: there are %d referrers, at most %d are read", ErrTooMany, len(list), maxReferrers)
	case m.MediaType != ocispec.MediaTypeImageIndex:
		return nil, fmt.Errorf("%w: it is %q, not an index", ErrMalformed, clip(m.MediaType))
	case index.SchemaVersion != 2:
		return nil, fmt.Errorf("%w: its schemaVersion is not 2", ErrMalformed)
	default:
		return list, nil
	}
}

// appendReferrer returns the index with entry at the end of its list. All other
// bytes stay as they are: what is in them may mean something to others.
func appendReferrer(index Manifest, entry ocispec.Descriptor) ([]byte, error) {
	list, err := readFallback(index)
	if err != nil {
		return nil, err
	}
	if len(list) >= maxReferrers {
		return nil, fmt.Errorf("%w: there are %d referrers, at most %d are read", ErrTooMany, len(list), maxReferrers)
	}
	added, err := json.Marshal(entry)
	if err != nil {
		return nil, err
	}
	from, to, err := listIn(index.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	var out bytes.Buffer
	out.Write(index.Body[:from])
	if len(list) == 0 {
		out.WriteByte('[')
	} else {
		out.Write(bytes.TrimRight(index.Body[from:to-1], " \t\r\n"))
		out.WriteByte(',')
	}
	out.Write(added)
	out.WriteByte(']')
	out.Write(index.Body[to:])
	index.Body = out.Bytes()
	if again, err := readFallback(index); err != nil || len(again) != len(list)+1 {
		return nil, fmt.Errorf("%w: nothing can be added to it", ErrMalformed)
	}
	return index.Body, nil
}

// listIn returns where the value of "manifests" stands in an index.
func listIn(index []byte) (from, to int, err error) {
	dec := json.NewDecoder(bytes.NewReader(index))
	if _, err := dec.Token(); err != nil {
		return 0, 0, err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return 0, 0, err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return 0, 0, err
		}
		if name == "manifests" {
			to := int(dec.InputOffset())
			return to - len(value), to, nil
		}
	}
	return 0, 0, errors.New("it has no list of manifests")
}

// writable returns the list behind a tag that stands in for the referrers API, or
// an error where it could not be added to.
func (c *Client) writable(ctx context.Context, repo image.Ref, tag string) ([]ocispec.Descriptor, error) {
	old, err := c.behind(ctx, repo, tag)
	if err != nil || old == nil {
		return nil, err
	}
	list, err := readFallback(*old)
	if err == nil {
		if _, _, err = listIn(old.Body); err != nil {
			err = fmt.Errorf("%w: %w", ErrMalformed, err)
		}
	}
	if err != nil {
		return nil, updateError(repo, tag, err)
	}
	return list, nil
}
