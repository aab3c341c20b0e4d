package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/dct"
)

// serverCAFile is what the authority of a notary server is to be called beside a
// policy.
const serverCAFile = "notary-ca.crt"

// A contentTrusted is what Docker Content Trust has signed of the repositories of
// a run. A nil one knows nothing.
type contentTrusted struct {
	repositories map[string]*trustedRepository // by name
	ownCA        bool                          // flags give the authority of the servers
}

// A trustedRepository is what it has signed of one.
type trustedRepository struct {
	trust   report.ContentTrust // without its tags
	tags    []report.SignedTag  // that count
	whole   bool                // it was named as a whole
	unasked int                 // tags that were signed and not looked at
}

// of returns what is known of the repository of ref, nil if nothing was asked.
func (t *contentTrusted) of(ref image.Ref) *trustedRepository {
	if t == nil {
		return nil
	}
	return t.repositories[ref.Name()]
}

// signed returns the tags by which an image was signed: the one that it is named
// by, or any with its digest.
func (r *trustedRepository) signed(ref image.Ref) []report.SignedTag {
	var out []report.SignedTag
	for _, t := range r.tags {
		if ref.Digest() != "" && t.Digest == ref.Digest() || ref.Digest() == "" && t.Tag == ref.Tag() {
			out = append(out, t)
		}
	}
	return out
}

// maxTrustedTags bounds the tags of a repository whose signatures are looked for.
const maxTrustedTags = 1000

// trusted asks the notary servers which tags of the repositories were signed, and
// returns the images to look at: the highest tags of a repository.
func (d trustData) trusted(ctx context.Context, subjects []subject, mostTags, jobs int) (*contentTrusted, []image.Use) {
	known := &contentTrusted{repositories: map[string]*trustedRepository{}, ownCA: len(d.config.ServerCA) > 0}
	turns := make(chan struct{}, jobs)
	var wait sync.WaitGroup
	for _, s := range subjects {
		r := known.repositories[s.ref.Name()]
		if r == nil {
			r = &trustedRepository{}
			known.repositories[s.ref.Name()] = r
			wait.Go(func() {
				turns <- struct{}{}
				defer func() { <-turns }()
				r.ask(ctx, d, s.ref)
			})
		}
		r.whole = r.whole || s.repo
	}
	wait.Wait()
	var uses []image.Use
	seen := map[string]bool{}
	add := func(ref image.Ref, err error) {
		if err == nil && !seen[ref.String()] {
			seen[ref.String()] = true
			uses = append(uses, image.Use{Text: ref.String(), Ref: ref})
		}
	}
	for _, s := range subjects {
		r := known.repositories[s.ref.Name()]
		switch {
		case !s.repo:
			add(s.ref, nil)
		case len(r.tags) == 0:
			add(image.Parse(s.ref.Name() + ":latest"))
		default:
			r.unasked = max(0, len(r.tags)-mostTags)
			for _, t := range r.tags[r.unasked:] {
				add(image.Parse(s.ref.Name() + ":" + t.Tag))
			}
		}
	}
	return known, uses
}

func (r *trustedRepository) ask(ctx context.Context, d trustData, ref image.Ref) {
	trust, found := d.of(ctx, ref)
	r.trust = trust
	if found == nil || trust.Void != "" {
		return
	}
	tags, _ := sortTargets(found.Targets, func(dct.Target) bool { return true })
	for _, t := range tags {
		// What no registry can have behind a tag is no image.
		if ref, err := image.Parse(ref.Name() + ":" + t.Tag); err == nil && ref.Tag() == t.Tag && t.Counts {
			r.tags = append(r.tags, t)
		}
	}
}

// moved returns an error if the image that is behind a tag now is not the one
// that was signed for it: whoever has signed that is not who should have.
func (t *contentTrusted) moved(img image.Pinned) error {
	r := t.of(img.Ref())
	if r == nil || img.Ref().Digest() != "" {
		return nil
	}
	for _, tag := range r.signed(img.Ref()) {
		if tag.Digest != img.Digest() {
			return &verify.Error{
				Op:   "compare " + img.Ref().String() + " with what Docker Content Trust has signed",
				Err:  fmt.Errorf("the registry serves %s, and %s was signed for the tag: it was moved after that, or somebody has changed what the registry serves", img.Digest(), tag.Digest),
				Hint: "find out who moved it; name the image by its digest to look at it all the same",
			}
		}
	}
	return nil
}

// An unmoved lets a seeker look at images that are still those that were signed.
type unmoved struct {
	seeker verify.Verifier
	known  *contentTrusted
}

// Verify implements verify.Verifier.
func (u unmoved) Verify(ctx context.Context, img image.Pinned) verify.Verdict {
	if err := u.known.moved(img); err != nil {
		return verify.Fail(img, verify.BadSignature, err)
	}
	return u.seeker.Verify(ctx, img)
}

// remark says what Docker Content Trust has signed of an image, "" where that was
// not asked.
func (t *contentTrusted) remark(f gate.Finding) string {
	r := t.of(f.Use.Ref)
	if r == nil {
		return ""
	}
	if !r.trust.Found() {
		return fmt.Sprintf("Docker Content Trust does not vouch for it: %s, %s.", r.trust.Reason, errorText(r.trust.Err))
	}
	if r.trust.Void != "" {
		return "Docker Content Trust does not vouch for it: " + r.trust.Void + "."
	}
	signed := r.signed(f.Use.Ref)
	if len(signed) == 0 {
		return "Docker Content Trust has not signed it."
	}
	return "Docker Content Trust has signed it for the tag " + tagList(signed) + byAll(signed) + "."
}

// tagList returns the names of tags, as many as fit into a sentence.
func tagList(tags []report.SignedTag) string {
	const most = 12
	var names []string
	for _, t := range tags[max(0, len(tags)-most):] {
		names = append(names, t.Tag)
	}
	if more := len(tags) - most; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// byAll names those who have signed all of tags.
func byAll(tags []report.SignedTag) string {
	if all := signersOfAll(tags); len(all) > 0 {
		return ", by " + strings.Join(all, ", ")
	}
	return ""
}

func signersOfAll(tags []report.SignedTag) []string {
	if len(tags) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(tags[0].Signers), func(name string) bool {
		return slices.ContainsFunc(tags, func(t report.SignedTag) bool { return !slices.Contains(t.Signers, name) })
	})
}

// trustedOnly reports whether Docker Content Trust is all that vouches for an
// image.
func (t *contentTrusted) trustedOnly(s seenImage) bool {
	r := t.of(s.finding.Use.Ref)
	return r != nil && len(r.signed(s.finding.Use.Ref)) > 0 &&
		len(s.signers)+len(s.suspect)+len(s.keys)+len(s.notation)+len(s.attested) == 0
}

// leaveTrusted leaves the images of a repository for which nobody vouches in
// another system, with the rule that would hold them to Docker Content Trust for
// as long as that lasts. The pattern is of the whole repository unless there are
// others in it.
func (f *foundSigners) leaveTrusted(name string, group []seenImage, alone bool) {
	r := f.trusted.of(group[0].finding.Use.Ref)
	var o policy.DraftOpen
	var signed []report.SignedTag
	for _, s := range group {
		o.Comments = append(o.Comments, told(s.finding))
		o.Comments = append(o.Comments, s.remarks...)
		signed = append(signed, r.signed(s.finding.Use.Ref)...)
	}
	slices.SortFunc(signed, func(a, b report.SignedTag) int { return natural(a.Tag, b.Tag) })
	signed = slices.CompactFunc(signed, func(a, b report.SignedTag) bool { return a.Tag == b.Tag })
	said := "Nobody has signed " + them(group) + " with Sigstore or Notation. Docker Content Trust has: the " + tags(signed) + byAll(signed) + "."
	o.Comments = append(o.Comments, said)
	if r.unasked > 0 {
		o.Comments = append(o.Comments, fmt.Sprintf("It has signed %d more, which were not looked at.", r.unasked))
	}
	until := r.trust.Server
	if r.trust.Ending != "" {
		until = r.trust.Ending
		o.Comments = append(o.Comments, strings.ToUpper(until[:1])+until[1:]+". Have "+them(group)+" signed with Sigstore or Notation before.")
	}
	rule := policy.DraftDCT{Images: []string{name}, Server: r.trust.Server, Signers: signersOfAll(signed)}
	if !alone || !r.whole {
		rule.Images = patternsOf(group)
	}
	for _, role := range r.trust.Roles {
		if role.Name == "root" {
			rule.Roots = role.KeyIDs
		}
	}
	if f.trusted.ownCA {
		rule.ServerCA = serverCAFile
		o.Comments = append(o.Comments, "Put the authority of its server beside the policy, as "+serverCAFile+".")
	}
	if r.trust.Pinned {
		o.Comments = append(o.Comments, "Its root is one that was given. This would hold "+them(group)+" to it:")
	} else {
		o.Comments = append(o.Comments, "Nobody has checked its root. Compare the key ID with its publisher's before you use this:")
	}
	o.DCT = &rule
	f.leave(o)
	f.open += len(group) - 1
	f.notes = append(f.notes, fmt.Sprintf("%s has no signature of Sigstore or Notation: Docker Content Trust alone vouches for the %s (%s)", name, tags(signed), until))
}

func them(group []seenImage) string {
	if len(group) == 1 {
		return "it"
	}
	return "them"
}

// tags names tags in a sentence.
func tags(all []report.SignedTag) string {
	if len(all) == 1 {
		return "tag " + all[0].Tag
	}
	return "tags " + tagList(all)
}

// prepareTrusted is prepareInit for images that Docker Content Trust vouched for:
// it asks for them first.
func (c Command) prepareTrusted(ctx context.Context, v initFlags, args []string) (*initRun, error) {
	switch {
	case len(v.scan.files) > 0:
		return nil, usagef("--from-dct", "give the images as arguments", "files are not read for it")
	case v.maxTags < 1 || v.maxTags > maxTrustedTags:
		return nil, usagef("--max-tags", fmt.Sprintf("write a number from 1 to %d", maxTrustedTags), "%d is out of range", v.maxTags)
	}
	if err := v.sound(); err != nil {
		return nil, err
	}
	subjects, err := c.subjects(slices.Concat(args, v.images))
	if err != nil {
		return nil, err
	}
	run := &initRun{verification: verification{flags: v.verifyFlags, trusts: &trusts{command: c, flags: &v.trust, seen: v.dct.cache}, now: c.Now}}
	var given []image.Use
	for _, s := range subjects {
		given = append(given, image.Use{Text: s.text, Ref: s.ref})
	}
	if run.client, err = v.registry.client(c, given); err != nil {
		return nil, err
	}
	data, err := c.trustData(&v.dct, run.client, run.trusts)
	if err != nil {
		return nil, err
	}
	if _, err := run.trusts.of(""); err != nil { // before anybody is asked
		return nil, err
	}
	run.trusted, run.uses = data.trusted(ctx, subjects, v.maxTags, v.jobs)
	for _, name := range run.trusted.names() {
		if w := unverified(run.trusted.repositories[name].trust); w.Text != "" {
			run.warnings = append(run.warnings, w)
		}
	}
	run.rules, err = run.seekers(c)
	return run, err
}

// names returns the repositories in order.
func (t *contentTrusted) names() []string {
	if t == nil {
		return nil
	}
	var out []string
	for name := range t.repositories {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// unanswered reports whether trust data of some repository could not be had.
func (t *contentTrusted) unanswered() bool {
	for _, name := range t.names() {
		if t.repositories[name].trust.NoAnswer() {
			return true
		}
	}
	return false
}

// untold returns why trust data could not be had, or do not count, one line for
// each repository.
func (t *contentTrusted) untold() []string {
	var out []string
	for _, name := range t.names() {
		trust := t.repositories[name].trust
		switch {
		case !trust.Found():
			text := fmt.Sprintf("%s does not say what Docker Content Trust has of %s: %s, %s", trust.Server, name, trust.Reason, errorText(trust.Err))
			if trust.NoAnswer() {
				text = fmt.Sprintf("%s could not be asked what Docker Content Trust has of %s: %s, %s", trust.Server, name, trust.Reason, errorText(trust.Err))
			}
			if next := verify.Hint(trust.Err); next != "" {
				text += "; next: " + next
			}
			out = append(out, text)
		case trust.Void != "":
			out = append(out, "Docker Content Trust does not vouch for "+name+": "+trust.Void)
		}
	}
	return out
}
