package registry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/boltseal/boltseal/image"
)

// unseen is how long it may take until what was pushed is there.
const unseen = 2 * time.Second

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
	var gone map[string]bool
	add := func(old *Manifest) ([]byte, string, func(Manifest) bool, error) {
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
		index, err := without(*old, gone)
		if err != nil {
			return nil, "", nil, err
		}
		body, err := appendReferrer(index, entry)
		return body, ocispec.MediaTypeImageIndex, holds, err
	}
	err := c.Update(ctx, repo, tag, add)
	if !errors.Is(err, ErrIncomplete) {
		return err
	}
	// Some registries take an index only if they have all that it lists, and delete
	// manifests that it lists. Nothing could be added ever again.
	// Whether they are gone is asked twice: some show late what was pushed.
	list, failed := c.writable(ctx, repo, tag)
	looking, cancel := context.WithTimeout(ctx, maxPushWait)
	defer cancel()
	for look := 0; failed == nil && look < 2; look++ {
		if look > 0 {
			if failed = c.pause(looking, unseen); failed != nil {
				return updateError(repo, tag, failed)
			}
		}
		if gone, failed = c.missing(looking, repo, list); failed == nil && look == 0 && len(gone) == 0 {
			return err
		}
		list = slices.DeleteFunc(slices.Clone(list), func(d ocispec.Descriptor) bool { return !gone[d.Digest.String()] })
	}
	if failed != nil {
		return failed
	}
	return c.Update(ctx, repo, tag, add)
}

// missing returns which of a list the registry says that it does not have.
func (c *Client) missing(ctx context.Context, repo image.Ref, list []ocispec.Descriptor) (map[string]bool, error) {
	var mu sync.Mutex
	missing := map[string]bool{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for _, d := range list {
		group.Go(func() error {
			_, err := c.Manifest(ctx, repo, d.Digest.String())
			if errors.Is(err, ErrNotFound) {
				mu.Lock()
				defer mu.Unlock()
				missing[d.Digest.String()], err = true, nil
			}
			return err
		})
	}
	err := group.Wait()
	return missing, err
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

// without returns the index without the entries that are gone. The bytes of all
// others stay as they are.
func without(index Manifest, gone map[string]bool) (Manifest, error) {
	if len(gone) == 0 {
		return index, nil
	}
	list, err := readFallback(index)
	if err != nil {
		return Manifest{}, err
	}
	from, to, err := listIn(index.Body)
	var (
		entries []json.RawMessage
		kept    [][]byte
	)
	if err == nil {
		err = json.Unmarshal(index.Body[from:to], &entries)
	}
	if err != nil || len(entries) != len(list) {
		return Manifest{}, fmt.Errorf("%w: nothing can be taken out of it", ErrMalformed)
	}
	for i, d := range list {
		if !gone[d.Digest.String()] {
			kept = append(kept, entries[i])
		}
	}
	body := slices.Concat(index.Body[:from], []byte("["), bytes.Join(kept, []byte(",")), []byte("]"), index.Body[to:])
	return Manifest{Digest: digestOf(body), MediaType: index.MediaType, Body: body}, nil
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
