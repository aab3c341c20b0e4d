package registry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
)

const (
	// settling is how long what was written to a tag has to stay before it counts
	// as written: longer than another writer takes from reading the tag to having
	// written it. A registry that is slower than that is given twice the time that
	// it took for ourselves, and at most maxSettling.
	settling    = 500 * time.Millisecond
	maxSettling = 10 * time.Second
	// maxRounds bounds how often a tag is written for one change: of twenty writers
	// that begin at once, hardly one needs six. maxQuiet bounds how often it is
	// looked at after each, while others write.
	maxQuiet  = 24
	maxRounds = 12
	// maxUnkept bounds how often what was written may be as if it had not been.
	maxUnkept = 3
	// maxLooks bounds how often the referrers API is asked for what was just
	// pushed: some registries list it a moment later.
	maxLooks = 3
)

// An Attachment is what Attach stores: an artifact of OCI image-spec 1.1,
// "Guidelines for Artifact Usage".
type Attachment struct {
	ArtifactType string
	// TypeInConfig has the type written as the config's media type, as Notation does
	// (image-spec 1.0), instead of as the manifest's artifactType.
	TypeInConfig bool
	Layers       []Layer
	Annotations  map[string]string // of the manifest
}

// A Layer is one blob of an Attachment.
type Layer struct {
	MediaType   string
	Body        []byte
	Annotations map[string]string
}

// Attach stores a as a referrer of subject in repo, as cosign stores bundles and
// notation envelopes, and returns the digest of its manifest. The same Attachment has the same digest: to
// attach it again changes nothing. storage is "referrer" where the registry lists
// it by itself, and "fallback-tag" where it is in the index behind the tag that
// stands in for the referrers API (OCI distribution-spec, "Pushing Manifests with
// Subject"). Of subject, MediaType, Digest and Size count; the manifest itself
// need not be in repo.
func (c *Client) Attach(ctx context.Context, repo image.Ref, subject ocispec.Descriptor, a Attachment) (digest, storage string, err error) {
	if err := attachable(repo, subject, a); err != nil {
		return "", "", err
	}
	config, err := c.PushBlob(ctx, repo, ocispec.MediaTypeEmptyJSON, emptyConfig())
	if err != nil {
		return "", "", err
	}
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: a.ArtifactType, Config: config, Layers: []ocispec.Descriptor{}, Annotations: a.Annotations,
		Subject: &ocispec.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size},
	}
	if a.TypeInConfig {
		m.Config.MediaType, m.ArtifactType = a.ArtifactType, ""
	} else {
		m.Config.ArtifactType = a.ArtifactType // cosign writes it there too
	}
	for _, l := range a.Layers {
		d, err := c.PushBlob(ctx, repo, l.MediaType, l.Body)
		if err != nil {
			return "", "", err
		}
		d.Annotations = l.Annotations
		m.Layers = append(m.Layers, d)
	}
	body, err := json.Marshal(m)
	if err != nil {
		return "", "", err
	}
	digest = digestOf(body)
	pushed, err := c.PushManifest(ctx, repo, digest, m.MediaType, body)
	if err != nil {
		return "", "", err
	}
	if !pushed.Subject {
		listed, err := c.lists(ctx, repo, subject.Digest.String(), digest)
		if err != nil {
			return "", "", err
		}
		if !listed {
			if err := c.addReferrer(ctx, repo, m, body); err != nil {
				return "", "", err
			}
			return digest, "fallback-tag", nil
		}
	}
	return digest, "referrer", nil
}

// CheckAttach reports whether n more artifacts can be attached to the manifest
// with the digest subject, as far as it can be told without doing so: that there
// are not too many to be read again, and that the index which stands in for the
// referrers API, where there is none, can be added to.
func (c *Client) CheckAttach(ctx context.Context, repo image.Ref, subject string, n int) error {
	list, err := c.Referrers(ctx, repo, subject)
	if errors.Is(err, ErrNoReferrersAPI) {
		list, err = c.writable(ctx, repo, strings.Replace(subject, ":", "-", 1))
	}
	if err == nil && len(list)+n > maxReferrers {
		err = fmt.Errorf("%w: there are %d referrers, at most %d are read", ErrTooMany, len(list), maxReferrers)
	}
	if errors.Is(err, ErrTooMany) {
		return &Error{Op: "attach to " + repo.Name() + "@" + clip(subject), Kind: ErrUnavailable, Err: err, push: true}
	}
	return err
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

// attachable says why a cannot be attached to subject.
func attachable(repo image.Ref, subject ocispec.Descriptor, a Attachment) error {
	var err error
	switch {
	case !image.ValidDigest(subject.Digest.String()):
		err = fmt.Errorf("the subject's digest is %q", clip(subject.Digest.String()))
	case subject.MediaType == "" || subject.Size <= 0:
		err = errors.New("media type or size of the subject is missing")
	case a.ArtifactType == "":
		err = errors.New("the artifact has no type")
	case len(a.Layers) == 0:
		err = errors.New("the artifact is empty")
	default:
		return nil
	}
	return &Error{Op: "attach to " + repo.Name() + "@" + clip(subject.Digest.String()), Kind: ErrMalformed, Err: err, push: true}
}

// lists reports whether the registry has a referrers API which lists digest.
func (c *Client) lists(ctx context.Context, repo image.Ref, subject, digest string) (bool, error) {
	for look := 1; ; look++ {
		list, err := c.Referrers(ctx, repo, subject)
		switch {
		case errors.Is(err, ErrNoReferrersAPI):
			return false, nil
		case err != nil:
			return false, err
		case lists(list, digest):
			return true, nil
		case look == maxLooks:
			return false, nil
		}
		if err := c.pause(ctx, time.Second<<(look-1)); err != nil {
			return false, &Error{Op: referrersOp(repo, subject), Kind: ErrUnavailable, Err: err, push: true}
		}
	}
}

func lists(list []ocispec.Descriptor, digest string) bool {
	return slices.ContainsFunc(list, func(d ocispec.Descriptor) bool { return d.Digest.String() == digest })
}

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

// Update changes what tag leads to: it reads it, has change say what is to be
// there instead, writes that if the tag still leads to what was read, and looks
// whether it stays there. It begins again
// where another writer got in between, so that what others have added is kept.
//
// change gets nil where there is no such tag, and may be called several times.
// It returns a nil body where nothing is to be written. holds says of a manifest
// whether it has what is to be there.
//
// A registry has no way to change a tag only if nobody else did. So what was
// written counts only when it stood unchanged for longer than another writer
// takes from reading to writing: half a second, or twice the time that reading and
// writing took here. Writers in one Client take turns.
func (c *Client) Update(ctx context.Context, repo image.Ref, tag string, change func(old *Manifest) (body []byte, mediaType string, holds func(Manifest) bool, err error)) error {
	done, err := c.turn(ctx, repo, tag)
	if err != nil {
		return err
	}
	defer done()
	var w written
	unkept := 0
	for round := range maxRounds {
		if round > 0 { // whoever was faster was as fast as we were
			if err := c.pause(ctx, rand.N(settling<<min(round-1, 2))); err != nil { //nolint:gosec // spreads load; nothing depends on it being unpredictable
				return updateError(repo, tag, err)
			}
		}
		if err := c.rewrite(ctx, repo, tag, change, &w); err != nil || w.holds == nil {
			return err
		}
		now, err := c.stays(ctx, repo, tag, w)
		if err != nil || now.stays {
			return err
		}
		if now.digest == w.before { // no other writer would do that
			unkept++
		}
		if unkept == maxUnkept {
			return updateError(repo, tag, fmt.Errorf("%w: %w", ErrCorrupt, errUnkept))
		}
	}
	return updateError(repo, tag, errContended)
}

var (
	// errContended says that others wrote a tag again and again.
	errContended = errors.New("others keep changing it")
	// errUnkept says that a tag leads to what it led to before it was written.
	errUnkept = errors.New("the registry says that it has stored it, and then does not have it")
)

func updateError(repo image.Ref, tag string, err error) error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return err
	}
	e := &Error{Op: "change tag " + repo.Name() + ":" + tag, Kind: ErrUnavailable, Err: err, push: true}
	if errors.Is(err, ErrMalformed) {
		e.Kind, e.Err = ErrMalformed, errors.New(strings.TrimPrefix(err.Error(), ErrMalformed.Error()+": "))
	}
	return e
}

// turn waits until no other writer of this Client changes the tag, and returns
// what ends the turn.
func (c *Client) turn(ctx context.Context, repo image.Ref, tag string) (done func(), err error) {
	v, _ := c.turns.LoadOrStore(repo.Name()+":"+tag, make(chan struct{}, 1))
	turn, ok := v.(chan struct{})
	if !ok {
		return nil, errNoRetry
	}
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, updateError(repo, tag, ctx.Err())
	}
}

// A written is what was put behind a tag. The zero written is nothing.
type written struct {
	before string              // the digest of what was behind the tag; "" for nothing
	digest string              // of what was written
	holds  func(Manifest) bool // nil: nothing was written so far
	took   time.Duration       // from reading the tag to having written it
}

// rewrite reads the tag and writes what it is to be changed to. Where writing
// fails, it reads it again before it writes again: the answer may have got lost
// on the way, and others may have written since.
func (c *Client) rewrite(ctx context.Context, repo image.Ref, tag string, change func(*Manifest) ([]byte, string, func(Manifest) bool, error), w *written) error {
	var (
		stopped bool // writing it again is of no use
		why     error
	)
	stop := func(err error) (answer, error) {
		stopped, why = true, err
		return answer{}, errNoRetry
	}
	q, err := manifestPush(repo, tag, "", nil)
	if err != nil {
		return err
	}
	_, err = c.insist(ctx, q, func(ctx context.Context, _ query) (answer, error) {
		n, err := c.next(ctx, repo, tag, change)
		switch {
		case err != nil:
			return stop(err)
		case n.body == nil:
			w.digest = n.before // it is there: only the answer was lost
			return stop(nil)
		}
		q, err := manifestPush(repo, tag, n.mediaType, n.body)
		if err != nil {
			return stop(err)
		}
		a, err := c.put(ctx, q)
		*w = written{before: n.before, digest: digestOf(n.body), holds: n.holds, took: time.Since(n.began)}
		return a, err
	})
	if stopped {
		return why
	}
	return err
}

// A planned is what a tag is to lead to.
type planned struct {
	began     time.Time // before it was seen what the tag leads to
	before    string    // the digest of that; "" for nothing
	body      []byte    // nil: nothing is to be written
	mediaType string
	holds     func(Manifest) bool
}

// next has change say what the tag is to lead to. That may take any time: it
// pushes what the manifest will name. So the tag is looked at again afterwards,
// and what was made of what is no longer there is made anew. Other writers wait
// for longer than it takes from that look to having written.
func (c *Client) next(ctx context.Context, repo image.Ref, tag string, change func(*Manifest) ([]byte, string, func(Manifest) bool, error)) (planned, error) {
	n := planned{began: time.Now()}
	old, err := c.behind(ctx, repo, tag)
	for look := range maxRounds {
		if err == nil && look > 1 { // many write at once: whoever waits meets fewer of them
			if err = c.pause(ctx, rand.N(settling<<min(look-2, 2))); err != nil { //nolint:gosec // spreads load; nothing depends on it being unpredictable
				return planned{}, updateError(repo, tag, err)
			}
			old, err = c.behind(ctx, repo, tag)
		}
		if err != nil {
			return planned{}, err
		}
		n.before = ""
		if old != nil {
			n.before = old.Digest
		}
		if n.body, n.mediaType, n.holds, err = change(old); err != nil {
			return planned{}, updateError(repo, tag, err)
		}
		if n.body == nil {
			return n, nil
		}
		n.began = time.Now()
		if old, err = c.behind(ctx, repo, tag); err == nil && (old == nil && n.before == "" || old != nil && old.Digest == n.before) {
			return n, nil
		}
	}
	return planned{}, cmp.Or(err, updateError(repo, tag, errContended))
}

// behind returns what the tag leads to, nil where there is no such tag.
func (c *Client) behind(ctx context.Context, repo image.Ref, tag string) (*Manifest, error) {
	m, err := c.Manifest(ctx, repo, tag)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &m, nil
}

// A look is what was found behind a tag that was written. The zero look is
// nothing.
type look struct {
	stays  bool
	digest string
}

// stays says whether what was written is behind the tag for so long that no
// other writer, who does not know of it, can still replace it. Until nobody else
// writes, it looks again.
func (c *Client) stays(ctx context.Context, repo image.Ref, tag string, w written) (look, error) {
	wait := min(max(settling, 2*w.took), maxSettling)
	last := w.digest
	for range maxQuiet {
		if err := c.pause(ctx, wait+rand.N(wait/2)); err != nil { //nolint:gosec // spreads load; nothing depends on it being unpredictable
			return look{}, updateError(repo, tag, err)
		}
		m, err := c.behind(ctx, repo, tag)
		if err != nil || m == nil {
			return look{}, err
		}
		if !w.holds(*m) || m.Digest == last {
			return look{stays: w.holds(*m), digest: m.Digest}, nil
		}
		last = m.Digest
	}
	return look{}, updateError(repo, tag, errContended)
}
