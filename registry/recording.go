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
	"unicode/utf8"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
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
