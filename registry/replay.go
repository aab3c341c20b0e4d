package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/strictjson"
)

// A Replayer answers from a recording. It is safe for concurrent use.
type Replayer struct{ answers map[question]recorded }

// Replay reads a recording, the text of [Recorder.Text]. It refuses one with
// anything in it that is not known, and bodies that are not what they are asked
// for by. What a tag stands for is the recording's word, as it was the
// registry's.
func Replay(text []byte) (*Replayer, error) {
	if len(text) > maxRecording {
		return nil, fmt.Errorf("the recording is larger than %d MiB", maxRecording>>20)
	}
	if !utf8.Valid(text) {
		return nil, errors.New("the recording is not UTF-8")
	}
	names := strictjson.Shape{Names: []string{
		"version", "answers", "ask", "server", "repository", "reference", "mediaType", "artifactType", "text", "base64", "list", "digest", "size", "failure", "status",
	}}
	if err := names.Check(text); err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	var doc recording
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("recording: %w", err)
	}
	switch {
	case doc.Version != 1:
		return nil, fmt.Errorf("recording: version %d is none that this program knows; it knows 1", doc.Version)
	case len(doc.Answers) > maxAnswers:
		return nil, fmt.Errorf("recording: more than %d answers", maxAnswers)
	}
	r := &Replayer{answers: make(map[question]recorded, len(doc.Answers))}
	for i, a := range doc.Answers {
		err := a.check()
		if _, twice := r.answers[a.question]; twice && err == nil {
			err = errors.New("it is there twice")
		}
		if err != nil {
			return nil, fmt.Errorf("recording: answer %d (%s %s %s): %w", i+1, clip(a.Ask), clip(a.Repository), clip(a.Reference), err)
		}
		r.answers[a.question] = a
	}
	return r, nil
}

// check says what is wrong with an answer that was read.
func (a recorded) check() error {
	if err := a.question.check(); err != nil {
		return err
	}
	switch {
	case a.Ask != "manifest" && a.MediaType != "":
		return errors.New("only a manifest has a media type")
	case a.Failure == "" && a.Status != 0:
		return errors.New("only a failure has a status")
	}
	body, isBody := a.body()
	answers := 0
	for _, there := range []bool{a.Text != nil, a.Base64 != nil, a.List != nil, a.Failure != ""} {
		if there {
			answers++
		}
	}
	switch {
	case answers != 1:
		return errors.New("it needs exactly one of text, base64, list and failure")
	case a.Failure != "":
		if !slices.ContainsFunc(failures(), func(f failure) bool { return f.name == a.Failure }) {
			return fmt.Errorf("there is no failure %q", clip(a.Failure))
		}
		return nil
	case a.List != nil != (a.Ask == "referrers"):
		return errors.New("the answer to this question is of another kind")
	}
	switch a.Ask {
	case "manifest":
		if image.ValidDigest(a.Reference) && digestOf(body) != a.Reference {
			return fmt.Errorf("%w: digest is %s", ErrCorrupt, digestOf(body))
		}
		return within(body, maxManifest)
	case "blob":
		if digestOf(body) != a.Reference {
			return fmt.Errorf("%w: digest is %s", ErrCorrupt, digestOf(body))
		}
		return within(body, MaxBlob)
	case "trust-data":
		return within(body, MaxTrustData)
	case "referrers":
		if isBody || len(*a.List) > maxReferrers {
			return fmt.Errorf("%w: more than %d referrers", ErrTooMany, maxReferrers)
		}
		for _, d := range *a.List {
			if !image.ValidDigest(d.Digest) {
				return fmt.Errorf("it lists the digest %q", clip(d.Digest))
			}
		}
		return nil
	}
	return errors.New("there is no such question")
}

// check says what is wrong with a question that was read.
func (q question) check() error {
	if q.Ask == "trust-data" {
		s, err := ParseTrustServer(q.Server)
		switch {
		case err != nil:
			return fmt.Errorf("the server: %w", err)
		case s.String() != q.Server:
			return fmt.Errorf("the server is written %s", s)
		}
		return askable(s, q.Repository, q.Reference)
	}
	repo, err := image.ParseRepository(q.Repository)
	switch {
	case err != nil:
		return err
	case repo.Name() != q.Repository:
		return fmt.Errorf("the repository is written %s", repo.Name())
	case q.Server != "":
		return errors.New("only trust data have a server")
	case q.Ask != "manifest" && !image.ValidDigest(q.Reference):
		return errors.New("the reference is not a sha256 digest")
	case q.Reference == "":
		return errors.New("it has no reference")
	}
	return nil
}

func within(body []byte, limit int) error {
	if len(body) > limit {
		return fmt.Errorf("%w: %d bytes, at most %d allowed", ErrTooLarge, len(body), limit)
	}
	return nil
}

// Resolve is as [Client.Resolve].
func (r *Replayer) Resolve(ctx context.Context, ref image.Ref) (image.Pinned, error) {
	return resolve(ctx, r, ref)
}

// Describe is as [Client.Describe].
func (r *Replayer) Describe(ctx context.Context, img image.Pinned) (image.Pinned, error) {
	return described(ctx, r, img)
}

// Manifest is as [Client.Manifest].
func (r *Replayer) Manifest(_ context.Context, repo image.Ref, reference string) (Manifest, error) {
	a, err := r.answer(askedOf("manifest", repo, reference), manifestOp(repo, reference))
	if err != nil {
		return Manifest{}, err
	}
	body, _ := a.body()
	return Manifest{Digest: digestOf(body), MediaType: a.MediaType, Body: body}, nil
}

// Referrers is as [Client.Referrers]. Of each descriptor it gives media type,
// artifact type, digest and size.
func (r *Replayer) Referrers(_ context.Context, repo image.Ref, digestText string) ([]ocispec.Descriptor, error) {
	a, err := r.answer(askedOf("referrers", repo, digestText), referrersOp(repo, digestText))
	if err != nil {
		return nil, err
	}
	list := make([]ocispec.Descriptor, 0, len(*a.List))
	for _, d := range *a.List {
		list = append(list, ocispec.Descriptor{MediaType: d.MediaType, ArtifactType: d.ArtifactType, Digest: digest.Digest(d.Digest), Size: d.Size})
	}
	return list, nil
}

// Blob is as [Client.Blob].
func (r *Replayer) Blob(_ context.Context, repo image.Ref, d ocispec.Descriptor) ([]byte, error) {
	op := blobOp(repo, d.Digest.String())
	if err := plausible(d); err != nil {
		return nil, &Error{Op: op, Kind: ErrUnavailable, Err: err}
	}
	a, err := r.answer(askedOf("blob", repo, d.Digest.String()), op)
	if err != nil {
		return nil, err
	}
	body, _ := a.body()
	if err := matches(body, d); err != nil {
		return nil, &Error{Op: op, Kind: ErrUnavailable, Err: err}
	}
	return body, nil
}

// TrustData is as [Client.TrustData]. A server is known by its address.
func (r *Replayer) TrustData(_ context.Context, s TrustServer, gun, file string, limit int64) ([]byte, error) {
	op := trustDataOp(s, gun, file)
	if err := askable(s, gun, file); err != nil {
		return nil, &Error{Op: op, Kind: ErrMalformed, Err: err, trust: true}
	}
	a, err := r.answer(question{"trust-data", s.String(), gun, file}, op)
	if err != nil {
		return nil, err
	}
	body, _ := a.body()
	if limit = min(limit, MaxTrustData); int64(len(body)) > limit {
		err := fmt.Errorf("%w: %d bytes, at most %d allowed", ErrTooLarge, len(body), limit)
		return nil, &Error{Op: op, Kind: ErrUnavailable, Err: err, trust: true}
	}
	return body, nil
}

// answer returns the answer that is no failure.
func (r *Replayer) answer(q question, op string) (recorded, error) {
	trust := q.Ask == "trust-data"
	a, asked := r.answers[q]
	if !asked {
		return a, &Error{Op: op, Kind: ErrUnavailable, Err: ErrNotRecorded, trust: trust}
	}
	if a.Failure == "" {
		return a, nil
	}
	for _, f := range failures() {
		if f.name == a.Failure && f.kind == nil {
			return a, f.err
		} else if f.name == a.Failure {
			return a, &Error{Op: op, Status: a.Status, Kind: f.kind, Err: f.err, trust: trust}
		}
	}
	return a, &Error{Op: op, Kind: ErrUnavailable, trust: trust} // check has seen to it that this is not reached
}
