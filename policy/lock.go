package policy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// A Lock is a trust lock: who signed each image when its signers were last
// accepted. A policy's pattern may allow more than one signer; the lock makes a
// change from one to another a decision.
//
// A Lock is not changed by anything here, and is safe for concurrent use. The
// zero Lock knows no image.
type Lock struct {
	images map[string][]signer // by lockKey; the signers are sorted, and never none
}

// A signer is who signed what, as a lock records it: with a * for the tag that
// a release was built from.
type signer struct {
	System    string `json:"system"`
	Signer    string `json:"signer"`
	Issuer    string `json:"issuer,omitempty"`    // "" for a key
	Root      string `json:"root,omitempty"`      // hex SHA-256 of the trusted certificate, "" where none is given by hand
	Source    string `json:"source,omitempty"`    // the repository that called a workflow of another one
	Predicate string `json:"predicate,omitempty"` // "" for a signature
}

func (s signer) String() string {
	text := s.Signer
	if s.Issuer != "" {
		text += " (" + s.Issuer + ")"
	}
	if s.Root != "" {
		text += " under the root sha256:" + s.Root
	}
	if s.Source != "" {
		text += " called from " + s.Source
	}
	if s.Predicate != "" {
		text += " in an attestation " + s.Predicate
	}
	return text
}

func compareSigners(a, b signer) int {
	return cmp.Or(
		strings.Compare(a.Predicate, b.Predicate), strings.Compare(a.System, b.System),
		strings.Compare(a.Issuer, b.Issuer), strings.Compare(a.Signer, b.Signer),
		strings.Compare(a.Source, b.Source), strings.Compare(a.Root, b.Root),
	)
}

// signatureType is the predicate type with which cosign's newer format says
// that it is a signature. Its older one has none, and means the same.
const signatureType = "https://sigstore.dev/cosign/sign/v1"

func newSigner(system, name, issuer, predicate string, claims map[string]string) signer {
	if predicate == signatureType {
		predicate = ""
	}
	// A subject is worth what the certificate is worth that vouches for it, whose
	// own name anybody could choose. Only Notation's evidence has one.
	return signer{System: system, Signer: anyTag(name), Issuer: issuer, Root: claims["root"], Source: sourceOf(name, claims), Predicate: predicate}
}

func (s signer) is(c verify.Candidate) bool {
	return s == newSigner(s.System, c.Signer, c.Issuer, c.PredicateType, c.Claims)
}

// sourceOf returns the repository that a signature was made for, "" where the
// name of the signer says so already. A workflow that others call, such as
// SLSA's generators, has one name for all of them, which says nothing of whose
// image it is. The claims are Fulcio's; old certificates have GitHub's only.
func sourceOf(name string, claims map[string]string) string {
	source := claims["source-repository-uri"]
	if old := claims["github-workflow-repository"]; source == "" && old != "" {
		source = "https://github.com/" + old
	}
	if within(name, source) {
		return ""
	}
	return source
}

// within reports whether name is that of something in the repository source.
func within(name, source string) bool {
	return strings.HasPrefix(strings.ToLower(name), strings.ToLower(source)+"/")
}

const tagRef = "@refs/tags/"

// anyTag returns name with "*" in place of the tag it was built from: every
// release has another, and would be another signer. Branches stay.
//
// The ref is behind the only "@". Where there are two, one of them is in the
// name of a branch or a file, which whoever may push chooses: such as a branch
// "x@refs/tags/v1".
func anyTag(name string) string {
	workflow, _, found := strings.Cut(name, tagRef)
	// A workflow of GitHub's, or a project of GitLab's.
	path, https := strings.CutPrefix(workflow, "https://")
	if !found || !https || strings.Count(name, "@") != 1 || !strings.Contains(path, "/.github/workflows/") && !strings.Contains(path, "//") {
		return name
	}
	return workflow + tagRef + "*"
}

// anyDigest stands in a lock for the digest of references without a tag.
const anyDigest = "@sha256:*"

// lockKey returns what r is called in a lock. The digest is left out: with it
// every update would be of an image that the lock does not know yet, and pass.
func lockKey(r image.Ref) string {
	if r.Tag() == "" {
		return nameOf(r) + anyDigest
	}
	return nameOf(r) + ":" + r.Tag()
}

// Hold returns rules by which an image that the lock knows passes only if the
// signers who vouch for it are among those that the lock has for it. An image
// that it does not know passes as before, with a note. What is exempt stays so.
func (l *Lock) Hold(rules gate.Rules) gate.Rules { return held{l, rules} }

type held struct {
	lock  *Lock
	rules gate.Rules
}

// For implements gate.Rules.
func (h held) For(u image.Use) gate.Terms {
	terms := h.rules.For(u)
	if len(terms.Require) == 0 {
		return terms
	}
	key := lockKey(u.Ref)
	locked, known := h.lock.images[key]
	if !known {
		terms.Rule.Notes = append(slices.Clone(terms.Rule.Notes), key+" is not in the lock yet: any signer that the policy accepts passes now, and is locked from here on")
		return terms
	}
	require := make([]verify.Verifier, len(terms.Require))
	for i, v := range terms.Require {
		// Each requirement is held by itself: in a group, a signer who satisfies one
		// would else answer for whoever satisfies another.
		require[i] = verify.Map(v, func(v verify.Verifier) verify.Verifier { return heldVerifier{key, locked, v} })
	}
	terms.Require = require
	return terms
}

type heldVerifier struct {
	key    string
	locked []signer
	inner  verify.Verifier
}

var _ verify.Verifier = heldVerifier{}

// Verify implements verify.Verifier.
func (h heldVerifier) Verify(ctx context.Context, img image.Pinned) verify.Verdict {
	v := h.inner.Verify(ctx, img)
	var changed []signer
	for _, part := range v.Parts() { // none where it did not pass
		for _, s := range slots(part) {
			changed = append(changed, s.changed(h.locked)...)
		}
	}
	if len(changed) == 0 {
		return v
	}
	err := &verify.Error{
		Op:   "changed",
		Err:  fmt.Errorf("%s was signed by %s, and is now signed by %s", h.key, list(h.locked), list(changed)),
		Hint: "find out why before anything else; if the new signer is right, run it once with --update-lock, and commit the lock",
	}
	return v.Refuse(err).With(h.refused(v.Candidates()))
}

// refused returns candidates with what the lock says of those that the
// requirement alone would have accepted.
func (h heldVerifier) refused(candidates []verify.Candidate) []verify.Candidate {
	for i, c := range candidates {
		if c.Reason != verify.Verified || slices.ContainsFunc(h.locked, func(s signer) bool { return s.is(c) }) {
			continue
		}
		candidates[i].Reason, candidates[i].Err = verify.WrongSigner, errors.New("this signer is not in the lock")
		candidates[i].Differs = &verify.Difference{What: "identity", Found: c.Signer, Expected: h.locked[0].Signer}
		if n := slices.IndexFunc(h.locked, func(s signer) bool { return s.Signer == anyTag(c.Signer) && s.Issuer != c.Issuer }); n >= 0 {
			candidates[i].Differs = &verify.Difference{What: "issuer", Found: c.Issuer, Expected: h.locked[n].Issuer}
		}
		if n := slices.IndexFunc(h.locked, func(s signer) bool { return s.Signer == anyTag(c.Signer) && s.Root != c.Claims["root"] }); n >= 0 {
			candidates[i].Differs = &verify.Difference{What: "root", Found: c.Claims["root"], Expected: h.locked[n].Root}
		}
		source := sourceOf(c.Signer, c.Claims)
		if n := slices.IndexFunc(h.locked, func(s signer) bool { return s.Signer == anyTag(c.Signer) && s.Issuer == c.Issuer && s.Source != source }); n >= 0 {
			candidates[i].Differs = &verify.Difference{What: "source-repository-uri", Found: source, Expected: h.locked[n].Source}
		}
	}
	return candidates
}

// list names signers for a message, the first few of them.
func list(all []signer) string {
	const most = 3
	var names []string
	for _, s := range all[:min(len(all), most)] {
		names = append(names, s.String())
	}
	text := strings.Join(names, ", ")
	if n := len(all) - most; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// A slot is one thing that was signed in one way. One image has several where
// its platforms are signed one by one, or where attestations are required too.
type slot struct{ system, signed, platform, predicate string }

// A slotted is what a verdict says of a slot.
type slotted struct {
	vouch []signer // those whose evidence it was that let the image pass
	sound []signer // these, and whose signatures would have done as well
}

// changed returns who vouches and is not locked. Where one signer is enough, any
// signature by a locked one that would have done as well counts: which of
// several is looked at first must not matter. Where more than one is needed, it
// is not known which of them another could stand for.
func (s slotted) changed(locked []signer) []signer {
	isLocked := func(x signer) bool { return slices.Contains(locked, x) }
	if len(s.vouch) == 1 && slices.ContainsFunc(s.sound, isLocked) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.vouch), isLocked)
}

// slots returns what v, which passed and is of one requirement, says of each
// slot.
func slots(v verify.Verdict) map[slot]slotted {
	all := map[slot]slotted{}
	add := func(list []signer, s signer) []signer {
		if slices.Contains(list, s) {
			return list
		}
		return append(list, s)
	}
	systems := map[string]bool{}
	for _, ev := range v.Evidence() {
		s := newSigner(ev.System, ev.Signer, ev.Issuer, ev.PredicateType, ev.Claims)
		at := slot{ev.System, ev.Signed, ev.Platform, s.Predicate}
		x := all[at]
		x.vouch, x.sound = add(x.vouch, s), add(x.sound, s)
		all[at] = x
		systems[ev.System] = true
	}
	if len(systems) != 1 {
		return all // a candidate does not say which system it is of
	}
	for _, c := range v.Candidates() {
		for system := range systems {
			s := newSigner(system, c.Signer, c.Issuer, c.PredicateType, c.Claims)
			at := slot{system, c.Signed, c.Platform, s.Predicate}
			if x, vouched := all[at]; vouched && c.Reason == verify.Verified && c.Signer != "" {
				x.sound = add(x.sound, s)
				all[at] = x
			}
		}
	}
	return all
}

// An UpdateLock says how a Lock is brought up to date. The zero UpdateLock adds
// images that the Lock does not know.
type UpdateLock struct {
	// Replace takes the signers of the run for those images that the Lock knows,
	// too. It is for runs that nothing was held in.
	Replace bool
	// Prune leaves out images that the run did not see. It needs Replace, and is
	// for runs that saw everything: who is no longer in the lock can change
	// unnoticed.
	Prune bool
}

// LockChanges counts the images that an update added, changed and removed.
type LockChanges struct{ Added, Changed, Removed int }

// Update returns the text of the lock after the run r, and what is different in
// it. The text is nil where there is nothing to write: r did not pass as a
// whole, or the lock says the same. What is exempt is not recorded, as nobody
// vouched for it. The error says that a lock cannot hold so much.
func (l *Lock) Update(r gate.Report, how UpdateLock) ([]byte, LockChanges, error) {
	if !r.Passed() {
		return nil, LockChanges{}, nil
	}
	seen, found := map[string]bool{}, map[string][]signer{}
	for _, f := range r.Findings() {
		key := lockKey(f.Use.Ref)
		seen[key] = true
		if f.Verified() {
			found[key] = append(found[key], signersOf(f)...)
		}
	}
	var c LockChanges
	next := maps.Clone(l.images)
	if next == nil {
		next = map[string][]signer{}
	}
	for key, signers := range found {
		slices.SortFunc(signers, compareSigners)
		signers = slices.Compact(signers)
		old, known := l.images[key]
		switch {
		case !known:
			c.Added++
		case !how.Replace || slices.Equal(old, signers):
			continue
		default:
			c.Changed++
		}
		next[key] = signers
	}
	for key := range l.images {
		if how.Replace && how.Prune && !seen[key] {
			delete(next, key)
			c.Removed++
		}
	}
	if c == (LockChanges{}) {
		return nil, c, nil
	}
	text := lockText(next)
	// Whatever is written has to be read again.
	if _, err := ReadLock("lock", text); err != nil {
		return nil, LockChanges{}, fmt.Errorf("the lock cannot be written: %w", errors.Unwrap(err))
	}
	return text, c, nil
}

// signersOf returns all who would have done, so that the order in which
// signatures are found does not matter later.
func signersOf(f gate.Finding) []signer {
	var all []signer
	for _, v := range f.Verdicts {
		for _, part := range v.Parts() {
			for _, s := range slots(part) {
				all = append(all, s.sound...)
			}
		}
	}
	return all
}

// lockText writes a lock: sorted, with a line for each image and each signer, so
// that a change of one is a change of one line.
func lockText(images map[string][]signer) []byte {
	var b bytes.Buffer
	b.WriteString("{\n  \"version\": 1,\n  \"images\": {")
	for i, key := range slices.Sorted(maps.Keys(images)) {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString("\n    " + quote(key) + ": [")
		for j, s := range images[key] {
			if j > 0 {
				b.WriteString(",")
			}
			b.WriteString("\n      {\"system\": " + quote(s.System) + ", \"signer\": " + quote(s.Signer))
			if s.Issuer != "" {
				b.WriteString(", \"issuer\": " + quote(s.Issuer))
			}
			if s.Root != "" {
				b.WriteString(", \"root\": " + quote(s.Root))
			}
			if s.Source != "" {
				b.WriteString(", \"source\": " + quote(s.Source))
			}
			if s.Predicate != "" {
				b.WriteString(", \"predicate\": " + quote(s.Predicate))
			}
			b.WriteString("}")
		}
		b.WriteString("\n    ]")
	}
	b.WriteString("\n  }\n}\n")
	return b.Bytes()
}

// quote returns s as JSON in which nothing acts on a terminal or an editor.
func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(strings.ToValidUTF8(s, "\uFFFD")) // a string is always JSON
	var out strings.Builder
	for _, r := range strings.TrimSuffix(b.String(), "\n") {
		if r < 0x7f {
			out.WriteRune(r)
		} else if r > 0xffff {
			fmt.Fprintf(&out, "\\u%04x\\u%04x", 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		} else {
			fmt.Fprintf(&out, "\\u%04x", r)
		}
	}
	return out.String()
}
