package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/verify"
)

// Signed is a run of boltseal sign. The zero Signed has signed nothing.
type Signed struct {
	ToolVersion string
	Started     time.Time
	Elapsed     time.Duration
	// Checks are what was looked at before anything was signed, in its order.
	Checks []SignCheck
	// Refused is why nothing was to be signed, a *verify.Error; nil unless a check
	// said no. There are neither Items nor Failures then.
	Refused error
	// Skipped is why there was nothing to sign with, and nobody minds; "" unless
	// that was so.
	Skipped  string
	Items    []SignedItem
	Failures []sign.Failure
	Notices  []string // what users should know besides, a sentence each
	Consumer Consumer
}

// A SignedItem is one signature or attestation that is there and verified.
type SignedItem struct {
	sign.Record
	File string // that has the bundle, "" if none
	Log  string // address at which everybody can look up the log entry, "" if there is none
	Hash string // that cosign has to be told of, such as "sha384"; "" for the one that it takes by itself
	// Trusted is whom consumers name in a Notation trust policy, if that is not
	// Identity; "" where it is.
	Trusted string
}

// notation reports whether i is a signature of the Notary Project.
func (i SignedItem) notation() bool { return i.Format.System() == notationSystem }

// notationSystem is the system of such, as in [verify.Evidence].
const notationSystem = "notation"

// A SignCheck is one thing that was looked at before anything was signed.
type SignCheck struct {
	What    string // "gate" or "scan"
	File    string
	Passed  bool
	Summary string   // in a few words
	Details []string // a sentence each
}

// Complete reports whether all that was asked for is signed and verified. The
// zero Signed is not.
func (s Signed) Complete() bool {
	return sign.Result{Records: make([]sign.Record, len(s.Items)), Failures: s.Failures}.Complete() && s.Refused == nil && s.Skipped == "" && !slices.ContainsFunc(s.Checks, func(c SignCheck) bool { return !c.Passed })
}

// NoAnswer reports whether something was not signed because somebody could not
// be asked, and nothing because it was refused.
func (s Signed) NoAnswer() bool {
	return s.Refused == nil && len(s.Failures) > 0 && !slices.ContainsFunc(s.Failures, func(f sign.Failure) bool { return !sign.Reason(f.Err).NoAnswer() })
}

// SignedVersion is the version of the JSON that SignedJSON writes. It grows by
// one when a field changes its meaning or goes; new fields do not change it.
const SignedVersion = 1

// The document is described in docs/sign.md and docs/sign.schema.json.
type signedDoc struct {
	Version   int            `json:"version"`
	Tool      tool           `json:"tool"`
	Complete  bool           `json:"complete"`
	Started   time.Time      `json:"started"`
	ElapsedMS int64          `json:"elapsed_ms"`
	Checks    []signCheckDoc `json:"checks"`
	Refused   *refusedDoc    `json:"refused,omitempty"`
	Skipped   string         `json:"skipped,omitempty"`
	Signed    []signedItem   `json:"signed"`
	Failed    []failedDoc    `json:"failed"`
	Notices   []string       `json:"notices"`
	Verify    []string       `json:"verify"`
}

type signCheckDoc struct {
	What    string   `json:"what"`
	File    string   `json:"file"`
	Passed  bool     `json:"passed"`
	Summary string   `json:"summary"`
	Details []string `json:"details"`
}

type refusedDoc struct {
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

type signedItem struct {
	Reference     string     `json:"reference"`
	Digest        string     `json:"digest"`
	Pinned        string     `json:"pinned"`
	Platform      string     `json:"platform,omitempty"`
	System        string     `json:"system"`
	Format        string     `json:"format"`
	Storage       string     `json:"storage"`
	Source        string     `json:"source,omitempty"`
	PredicateType string     `json:"predicate_type,omitempty"`
	Identity      string     `json:"identity"`
	Issuer        string     `json:"issuer,omitempty"`
	Certificate   string     `json:"certificate,omitempty"`
	LogIndex      *int64     `json:"log_index,omitempty"`
	Log           string     `json:"log,omitempty"`
	SignedAt      *time.Time `json:"signed_at,omitempty"`
	Expiry        *time.Time `json:"expiry,omitempty"`
	Bundle        string     `json:"bundle,omitempty"`
	Existed       bool       `json:"existed"`
}

type failedDoc struct {
	Reference string `json:"reference"`
	Digest    string `json:"digest,omitempty"`
	Reason    string `json:"reason"`
	Message   string `json:"message"`
	Hint      string `json:"hint,omitempty"`
}

// SignedJSON writes s as the document of docs/sign.md. Its bytes are as harmless
// in a terminal or a log as those of [SignedText].
func SignedJSON(w io.Writer, s Signed) error {
	doc := signedDoc{
		Version: SignedVersion, Tool: tool{"boltseal", s.ToolVersion}, Complete: s.Complete(),
		Started: s.Started.UTC(), ElapsedMS: s.Elapsed.Milliseconds(), Skipped: s.Skipped,
		Checks: []signCheckDoc{}, Signed: []signedItem{}, Failed: []failedDoc{},
		Notices: append([]string{}, s.Notices...), Verify: append([]string{}, s.Commands()...),
	}
	for _, c := range s.Checks {
		doc.Checks = append(doc.Checks, signCheckDoc{c.What, c.File, c.Passed, c.Summary, append([]string{}, c.Details...)})
	}
	if s.Refused != nil {
		doc.Refused = &refusedDoc{said(s.Refused), verify.Hint(s.Refused)}
	}
	for _, i := range s.Items {
		doc.Signed = append(doc.Signed, i.doc())
	}
	for _, f := range s.Failures {
		doc.Failed = append(doc.Failed, failedDoc{f.Reference, f.Image.Digest(), reason(sign.Reason(f.Err)), said(f.Err), verify.Hint(f.Err)})
	}
	return Value(w, doc)
}

func (i SignedItem) doc() signedItem {
	return signedItem{
		Reference: i.Reference, Digest: i.Image.Digest(), Pinned: i.Image.String(), Platform: i.Platform,
		System: i.Format.System(), Format: string(i.Format), Storage: i.Storage, Source: i.Source, PredicateType: i.PredicateType,
		Identity: i.Identity, Issuer: i.Issuer, Certificate: i.Certificate, LogIndex: i.LogIndex, Log: i.Log,
		SignedAt: instant(i.SignedAt), Expiry: instant(i.Expiry),
		Bundle: i.File, Existed: i.Existed,
	}
}

// SignedItems returns what is signed as a JSON array of one line, at most limit
// bytes of it. If it does not all fit, the first items that do are followed by
// {"omitted": N}; where limit is too small even for that, the array is empty.
func SignedItems(s Signed, limit int) (text string, omitted int) {
	var all []string
	size := len("[]")
	for _, i := range s.Items {
		d := i.doc()
		d.Pinned, d.Log = "", ""
		if !i.notation() && !i.trustData() { // of which no log tells
			d.Source, d.SignedAt = "", nil
		}
		line, err := json.Marshal(compactItem(d))
		if err != nil { // of strings and numbers there is none
			return "[]", len(s.Items)
		}
		all = append(all, string(inert(line)))
		size += len(all[len(all)-1]) + len(",")
	}
	if len(all) == 0 || size-len(",") <= limit {
		return "[" + strings.Join(all, ",") + "]", 0
	}
	room := limit - len("[]") - len(more(len(all)))
	if room < 0 {
		return "[]", len(all)
	}
	kept := 0
	for kept < len(all) && room >= len(all[kept])+len(",") {
		room -= len(all[kept]) + len(",")
		kept++
	}
	return "[" + strings.Join(append(all[:kept:kept], more(len(all)-kept)), ",") + "]", len(all) - kept
}

// A compactItem is a signedItem where there is no room for all of it.
type compactItem struct {
	Reference     string     `json:"reference"`
	Digest        string     `json:"digest"`
	Pinned        string     `json:"-"`
	Platform      string     `json:"platform,omitempty"`
	System        string     `json:"system"`
	Format        string     `json:"format"`
	Storage       string     `json:"storage"`
	Source        string     `json:"source,omitempty"`
	PredicateType string     `json:"predicate_type,omitempty"`
	Identity      string     `json:"identity"`
	Issuer        string     `json:"issuer,omitempty"`
	Certificate   string     `json:"certificate,omitempty"`
	LogIndex      *int64     `json:"log_index,omitempty"`
	Log           string     `json:"-"`
	SignedAt      *time.Time `json:"signed_at,omitempty"`
	Expiry        *time.Time `json:"expiry,omitempty"`
	Bundle        string     `json:"bundle,omitempty"`
	Existed       bool       `json:"existed"`
}

// attestation reports whether i is one, and no signature.
func (i SignedItem) attestation() bool { return i.PredicateType != "" && i.PredicateType != signType }

// A manifestItems is what was made of one manifest.
type manifestItems struct {
	head  SignedItem // the first of items
	items []SignedItem
}

// manifests returns the items by manifest, in the order in which they were first
// named.
func (s Signed) manifests() []manifestItems {
	var all []manifestItems
	at := map[string]int{}
	for _, i := range s.Items {
		n, known := at[i.Image.String()]
		if !known {
			n = len(all)
			at[i.Image.String()] = n
			all = append(all, manifestItems{head: i})
		}
		all[n].items = append(all[n].items, i)
	}
	return all
}

// images returns how many of the images that were named are signed, and how many
// there are.
func (s Signed) images() (done, of int) {
	failed, all := map[string]bool{}, map[string]bool{}
	for _, f := range s.Failures {
		failed[f.Reference], all[f.Reference] = true, true
	}
	for _, i := range s.Items {
		all[i.Reference] = true
	}
	return len(all) - len(failed), len(all)
}

// unsigned says of an image of a Failure what it is, in a few words: something may
// have been made of it all the same.
func (s Signed) unsigned(f sign.Failure) string {
	if slices.ContainsFunc(s.Items, func(i SignedItem) bool { return i.Reference == f.Reference }) {
		return "not signed completely"
	}
	return "not signed"
}

// done is what was done to the images: an attestation is no signature, and who
// made nothing else is not told that something is signed.
func (s Signed) done() string {
	if slices.ContainsFunc(s.Items, func(i SignedItem) bool { return !i.attestation() }) {
		return "signed"
	}
	return "attested"
}

// outcome says how the run ended, in a line.
func (s Signed) outcome() string {
	done, of := s.images()
	switch {
	case s.Skipped != "":
		return "nothing was signed: " + cmp.Or(s.Skipped, "it was not to be")
	case s.Refused != nil:
		return "nothing was signed: a check refused it"
	case s.Complete() && !slices.ContainsFunc(s.Items, func(i SignedItem) bool { return !i.Existed }):
		return s.done() + ": " + count(of, "image") + ", all of it was there already"
	case s.Complete():
		from := "the registry"
		if s.Items[0].trustData() {
			from = "the Notary server"
		}
		return s.done() + ": " + count(of, "image") + ", verified from " + from
	case of == 0:
		return "nothing was signed"
	}
	return fmt.Sprintf("not all signed: %d of %s failed", of-done, count(of, "image"))
}
