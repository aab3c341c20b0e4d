package registry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/strictjson"
)

const (
	// maxRecording bounds a recording, in bytes of text and of what it holds.
	maxRecording = 64 << 20
	// maxAnswers bounds the answers of a recording.
	maxAnswers = 100_000
)

// ErrNotRecorded says that a recording does not have the answer to a question.
// It comes with ErrUnavailable: that it does not have a signature does not mean
// that there was none.
var ErrNotRecorded = errors.New("the recording does not have it")

// An Asker answers the questions that everything else is made of. *Client,
// *Recorder and *Replayer are Askers.
type Asker interface {
	Manifest(ctx context.Context, repo image.Ref, reference string) (Manifest, error)
	Referrers(ctx context.Context, repo image.Ref, digest string) ([]ocispec.Descriptor, error)
	Blob(ctx context.Context, repo image.Ref, d ocispec.Descriptor) ([]byte, error)
	TrustData(ctx context.Context, s TrustServer, gun, file string, limit int64) ([]byte, error)
}

var (
	_ Asker = (*Client)(nil)
	_ Asker = (*Recorder)(nil)
	_ Asker = (*Replayer)(nil)
)

// A question is what an Asker was asked. Its Repository is that of
// [image.Ref.Name], or the name of a collection of trust data.
type question struct {
	Ask        string `json:"ask"`              // "manifest", "referrers", "blob" or "trust-data"
	Server     string `json:"server,omitempty"` // of trust data, as TrustServer.String has it
	Repository string `json:"repository"`
	Reference  string `json:"reference"` // a tag, a digest, or a file of trust data
}

func askedOf(ask string, repo image.Ref, reference string) question {
	return question{Ask: ask, Repository: repo.Name(), Reference: reference}
}

func compareQuestions(a, b question) int {
	return cmp.Or(strings.Compare(a.Server, b.Server), strings.Compare(a.Repository, b.Repository), strings.Compare(a.Reference, b.Reference), strings.Compare(a.Ask, b.Ask))
}

// A recorded is a question and its answer: exactly one of Text, Base64, List and
// Failure. It has nothing of the request and of the registry's words, either of
// which may hold credentials.
type recorded struct {
	question
	MediaType string    `json:"mediaType,omitempty"` // of a manifest
	Text      *string   `json:"text,omitempty"`      // a body that is UTF-8
	Base64    *[]byte   `json:"base64,omitempty"`    // a body that is not
	List      *[]listed `json:"list,omitempty"`      // of referrers
	Failure   string    `json:"failure,omitempty"`   // the name of a failure
	Status    int       `json:"status,omitempty"`    // of HTTP, of a failure; 0 if there was none
}

// A listed is what is read of a referrer.
type listed struct {
	MediaType    string `json:"mediaType,omitempty"`
	ArtifactType string `json:"artifactType,omitempty"`
	Digest       string `json:"digest"`
	Size         int64  `json:"size"`
}

// A recording is the form of the file.
type recording struct {
	Version int        `json:"version"`
	Answers []recorded `json:"answers"`
}

// A failure is a kind of error by the name that a recording has for it.
type failure struct {
	name string
	kind error // of Error
	err  error // what else it is; nil if nothing
}

// failures returns the kinds of errors that are told apart by those who ask, the
// most particular first.
func failures() []failure {
	return []failure{
		{"no-referrers-api", nil, ErrNoReferrersAPI},
		{"too-many", ErrUnavailable, ErrTooMany},
		{"too-large", ErrUnavailable, ErrTooLarge},
		{"corrupt", ErrUnavailable, ErrCorrupt},
		{"not-found", ErrNotFound, nil},
		{"denied", ErrDenied, nil},
		{"unavailable", ErrUnavailable, nil},
	}
}

// A Recorder asks another and writes down the answers. It is safe for
// concurrent use.
type Recorder struct {
	inner Asker

	mu      sync.Mutex
	answers map[question]recorded
	size    int
}

// Record returns a Recorder of what inner answers.
func Record(inner Asker) *Recorder {
	return &Recorder{inner: inner, answers: map[question]recorded{}}
}

// Resolve is as [Client.Resolve].
func (r *Recorder) Resolve(ctx context.Context, ref image.Ref) (image.Pinned, error) {
	return resolve(ctx, r, ref)
}

// Describe is as [Client.Describe].
func (r *Recorder) Describe(ctx context.Context, img image.Pinned) (image.Pinned, error) {
	return described(ctx, r, img)
}

// Manifest is as [Client.Manifest].
func (r *Recorder) Manifest(ctx context.Context, repo image.Ref, reference string) (Manifest, error) {
	m, err := r.inner.Manifest(ctx, repo, reference)
	r.keep(ctx, recorded{question: askedOf("manifest", repo, reference), MediaType: m.MediaType}.with(m.Body), err)
	return m, err
}

// Referrers is as [Client.Referrers].
func (r *Recorder) Referrers(ctx context.Context, repo image.Ref, digest string) ([]ocispec.Descriptor, error) {
	list, err := r.inner.Referrers(ctx, repo, digest)
	items := make([]listed, 0, len(list))
	for _, d := range list {
		items = append(items, listed{d.MediaType, d.ArtifactType, d.Digest.String(), d.Size})
	}
	r.keep(ctx, recorded{question: askedOf("referrers", repo, digest), List: &items}, err)
	return list, err
}

// Blob is as [Client.Blob].
func (r *Recorder) Blob(ctx context.Context, repo image.Ref, d ocispec.Descriptor) ([]byte, error) {
	body, err := r.inner.Blob(ctx, repo, d)
	if plausible(d) == nil { // else nobody was asked
		r.keep(ctx, recorded{question: askedOf("blob", repo, d.Digest.String())}.with(body), err)
	}
	return body, err
}

// TrustData is as [Client.TrustData].
func (r *Recorder) TrustData(ctx context.Context, s TrustServer, gun, file string, limit int64) ([]byte, error) {
	body, err := r.inner.TrustData(ctx, s, gun, file, limit)
	if !errors.Is(err, ErrMalformed) { // else nobody was asked
		r.keep(ctx, recorded{question: question{"trust-data", s.String(), gun, file}}.with(body), err)
	}
	return body, err
}

// with returns a with a body.
func (a recorded) with(body []byte) recorded {
	if utf8.Valid(body) {
		text := string(body)
		a.Text = &text
	} else {
		a.Base64 = &body
	}
	return a
}

// body returns the body of a; ok is false where a has none.
func (a recorded) body() (body []byte, ok bool) {
	switch {
	case a.Text != nil:
		return []byte(*a.Text), true
	case a.Base64 != nil:
		return *a.Base64, true
	}
	return nil, false
}

func (a recorded) size() int {
	n := 256 + len(a.Server) + len(a.Repository) + len(a.Reference)
	if body, ok := a.body(); ok {
		n += len(body)
	}
	if a.List != nil {
		n += 256 * len(*a.List)
	}
	return n
}

// keep writes an answer down, or the failure err to give one. Questions are
// asked more than once where nothing was found: what counts is an answer. Of two
// manifests behind a tag it is the first, to which all that was asked then
// belongs; of two lists the last.
func (r *Recorder) keep(ctx context.Context, a recorded, err error) {
	if err != nil {
		if ctx.Err() != nil {
			return // it says nothing of the registry
		}
		a = failed(a.question, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, asked := r.answers[a.question]; asked {
		if old.Failure == "" && (a.Failure != "" || a.List == nil) {
			return
		}
		r.size -= old.size()
	}
	if r.size += a.size(); r.size > maxRecording {
		return // Text says so
	}
	r.answers[a.question] = a
}

// failed returns the answer that is an error. Only what kind it is of is
// written down.
func failed(q question, err error) recorded {
	a := recorded{question: q, Failure: "unavailable"}
	if e := (*Error)(nil); errors.As(err, &e) {
		a.Status = e.Status
	}
	for _, f := range failures() {
		if errors.Is(err, f.err) && f.err != nil || f.err == nil && errors.Is(err, f.kind) {
			a.Failure = f.name
			return a
		}
	}
	return a
}

// Text returns the recording, the same text for the same answers. The error
// says that there is more than a recording may hold.
func (r *Recorder) Text() ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	doc := recording{Version: 1, Answers: make([]recorded, 0, len(r.answers))}
	for _, a := range r.answers {
		doc.Answers = append(doc.Answers, a)
	}
	slices.SortFunc(doc.Answers, func(a, b recorded) int { return compareQuestions(a.question, b.question) })
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return nil, err
	}
	if r.size > maxRecording || b.Len() > maxRecording || len(r.answers) > maxAnswers {
		return nil, fmt.Errorf("the recording would be larger than %d MiB or %d answers: record fewer images at a time", maxRecording>>20, maxAnswers)
	}
	return b.Bytes(), nil
}

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
