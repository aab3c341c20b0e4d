package cli

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/dct"
)

// maxShownTags bounds the signed tags of a repository that are shown. The trust
// data of one may have hundreds of thousands.
const maxShownTags = 5000

// inspect looks at all subjects at once. There is one answer for each, in order,
// however much of it could not be had.
func (v *inspector) inspect(ctx context.Context, subjects []subject) []report.Inspection {
	found := make([]report.Inspection, len(subjects))
	var wait sync.WaitGroup
	for i, s := range subjects {
		wait.Go(func() { found[i] = v.one(ctx, s) })
	}
	wait.Wait()
	return found
}

// turn waits until a request may be made, and returns what ends it.
func (v *inspector) turn(ctx context.Context) (done func(), err error) {
	select {
	case v.turns <- struct{}{}:
		return func() { <-v.turns }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (v *inspector) one(ctx context.Context, s subject) report.Inspection {
	out := report.Inspection{Name: s.text}
	var (
		wait  sync.WaitGroup
		trust *dct.Collection
	)
	// The image does not wait for the trust data, unless these say which it is.
	if !s.repo {
		wait.Go(func() {
			out.Images = []report.InspectedImage{v.image(ctx, s.ref)}
		})
	}
	out.Trust, trust = v.contentTrust(ctx, s.ref)
	wait.Wait()
	if trust != nil {
		v.tags(ctx, s, trust, &out)
	}
	if s.repo && len(out.Trust.Tags) == 0 {
		if latest, err := image.Parse(s.ref.Name() + ":latest"); err == nil {
			out.Images = []report.InspectedImage{v.image(ctx, latest)}
			if trust != nil && out.Images[0].Reason == verify.NotFound { // a collection that was begun, and no image yet
				out.Images = nil
			}
		}
	}
	out.Vouched = vouched(s, &out)
	return out
}

// contentTrust asks the notary server, when it is its turn.
func (v *inspector) contentTrust(ctx context.Context, ref image.Ref) (report.ContentTrust, *dct.Collection) {
	done, err := v.turn(ctx)
	if err != nil {
		return report.ContentTrust{GUN: dct.GUN(ref), Reason: verify.Unavailable, Err: err}, nil
	}
	defer done()
	return v.trust.of(ctx, ref)
}

// tags adds the signed tags that s is about, and asks the registry whether it
// serves what was signed: for a repository, of the last ones alone.
func (v *inspector) tags(ctx context.Context, s subject, found *dct.Collection, out *report.Inspection) {
	trust := &out.Trust
	trust.Tags, trust.Others = sortTargets(found.Targets, s.about)
	trust.Omitted = max(0, len(trust.Tags)-maxShownTags)
	trust.Tags = trust.Tags[trust.Omitted:]
	trust.Unshown = max(0, len(trust.Others)-maxShownTags)
	trust.Others = trust.Others[trust.Unshown:]
	ask := trust.Tags[max(0, len(trust.Tags)-v.flags.maxTags):]
	if s.named() {
		for i := range trust.Tags {
			trust.Tags[i].Served = servedAs(trust.Tags[i].Digest, out.Images[0])
		}
		return
	}
	var wait sync.WaitGroup
	for i := range ask {
		wait.Go(func() { ask[i].Served = v.served(ctx, s.ref, ask[i]) })
	}
	wait.Wait()
}

// named reports whether s is a tag alone, which the registry was asked for.
func (s subject) named() bool { return !s.repo && s.ref.Digest() == "" }

// about reports whether s is about a signed tag: the one that it names, or any
// with the digest that it names.
func (s subject) about(t dct.Target) bool {
	return s.repo || s.ref.Tag() != "" && t.Tag == s.ref.Tag() || s.ref.Digest() != "" && t.Digest == s.ref.Digest()
}

// served asks the registry what is behind a signed tag.
func (v *inspector) served(ctx context.Context, repo image.Ref, t report.SignedTag) report.Served {
	ref, err := image.Parse(repo.Name() + ":" + t.Tag)
	if err != nil || ref.Tag() != t.Tag { // no registry can have it
		return report.Served{State: report.ServedMissing}
	}
	done, err := v.turn(ctx)
	if err != nil {
		return report.Served{State: report.ServedNoAnswer, Err: err}
	}
	defer done()
	img, err := v.client.Resolve(ctx, ref)
	return servedAs(t.Digest, report.InspectedImage{Digest: img.Digest(), Reason: reasonOf(err), Err: err})
}

// servedAs compares what was signed with what the registry has behind its tag.
func servedAs(signed string, img report.InspectedImage) report.Served {
	switch {
	case img.Err != nil && img.Reason == verify.NotFound:
		return report.Served{State: report.ServedMissing, Err: img.Err}
	case img.Err != nil:
		return report.Served{State: report.ServedNoAnswer, Err: img.Err}
	case img.Digest == "":
		return report.Served{State: report.ServedNotAsked}
	case img.Digest != signed:
		return report.Served{State: report.ServedMoved, Digest: img.Digest}
	}
	return report.Served{State: report.ServedSame, Digest: img.Digest}
}

// sortTargets returns the tags that were released, by name and digest, with
// whoever else has signed just that, and those that were signed and not released,
// as docker sorts them.
func sortTargets(all []dct.Target, wanted func(dct.Target) bool) (tags []report.SignedTag, others []report.UnreleasedTag) {
	type key struct{ tag, digest string }
	released, unreleased := map[key]int{}, map[key]int{}
	counts := map[string]string{} // the digest that clients take, by tag
	for _, t := range all {
		if t.Role == releases || t.Role == "targets" && counts[t.Tag] == "" {
			counts[t.Tag] = t.Digest
		}
	}
	for _, t := range all {
		k := key{t.Tag, t.Digest}
		if !wanted(t) || !isReleased(t.Role) {
			continue
		}
		i, seen := released[k]
		if !seen {
			i, released[k] = len(tags), len(tags)
			tags = append(tags, report.SignedTag{Tag: t.Tag, Digest: t.Digest, Role: t.Role, Counts: counts[t.Tag] == t.Digest && t.Digest != ""})
		}
		if t.Role == releases {
			tags[i].Role = releases
		}
	}
	for _, t := range all {
		k := key{t.Tag, t.Digest}
		if !wanted(t) || isReleased(t.Role) {
			continue
		}
		name := strings.TrimPrefix(t.Role, "targets/")
		if i, ok := released[k]; ok {
			tags[i].Signers = append(tags[i].Signers, name)
			continue
		}
		i, seen := unreleased[k]
		if !seen {
			i, unreleased[k] = len(others), len(others)
			others = append(others, report.UnreleasedTag{Tag: t.Tag, Digest: t.Digest})
		}
		others[i].Signers = append(others[i].Signers, name)
	}
	slices.SortStableFunc(tags, func(a, b report.SignedTag) int {
		return cmp.Or(natural(a.Tag, b.Tag), cmp.Compare(a.Digest, b.Digest))
	})
	slices.SortStableFunc(others, func(a, b report.UnreleasedTag) int {
		return cmp.Or(natural(a.Tag, b.Tag), cmp.Compare(a.Digest, b.Digest))
	})
	return tags, others
}

// natural compares names as people do: v9 comes before v10.
func natural(a, b string) int {
	digits := func(s string) int {
		n := 0
		for n < len(s) && '0' <= s[n] && s[n] <= '9' {
			n++
		}
		return n
	}
	x, y := a, b
	for x != "" && y != "" {
		n, m := digits(x), digits(y)
		if n == 0 || m == 0 {
			if x[0] != y[0] {
				return cmp.Compare(x[0], y[0])
			}
			x, y = x[1:], y[1:]
			continue
		}
		one, other := strings.TrimLeft(x[:n], "0"), strings.TrimLeft(y[:m], "0")
		if c := cmp.Or(cmp.Compare(len(one), len(other)), cmp.Compare(one, other)); c != 0 {
			return c
		}
		x, y = x[n:], y[m:]
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(a, b))
}

// image looks at what every system has signed of an image.
func (v *inspector) image(ctx context.Context, ref image.Ref) report.InspectedImage {
	out := report.InspectedImage{Reference: ref.String()}
	done, err := v.turn(ctx)
	if err != nil {
		out.Reason, out.Err = verify.Unavailable, err
		return out
	}
	defer done()
	img, err := v.client.Resolve(ctx, ref)
	if err != nil {
		out.Reason, out.Err = reasonOf(err), err
		return out
	}
	out.Digest, out.Pinned = img.Digest(), img.String()
	for _, one := range v.each {
		found, err := one.look(ctx, img, asListed(v.flags.platforms))
		s := report.InspectedSystem{System: one.system, Signatures: found, Err: err}
		if err != nil {
			if s.Reason = reasonOf(err); s.Reason == verify.NotFound { // a digest that nobody asked about before
				out.Reason, out.Err, out.Systems = s.Reason, err, nil
				return out
			}
			if one.system == "sigstore" && s.Reason.NoAnswer() && verify.Hint(err) == "" {
				s.Err = &verify.Error{Op: "look at the signatures of " + out.Pinned, Hint: "see that the trust root of Sigstore can be reached, or give it with --trusted-root", Err: err}
			}
		}
		out.Systems = append(out.Systems, s)
	}
	return out
}

// vouched reports whether somebody vouches for what s names, and nothing that was
// found speaks against it. It notes what was signed by docker's rule.
func vouched(s subject, out *report.Inspection) bool {
	t := &out.Trust
	if !t.Found() && t.Reason != verify.Unsigned || t.Void != "" {
		return false
	}
	somebody := false
	for _, tag := range t.Tags {
		switch digest := s.ref.Digest(); {
		case !tag.Counts:
		case digest != "": // whatever a tag leads to now
			somebody = somebody || tag.Digest == digest
		case tag.Served.State == report.ServedMoved:
			return false
		case tag.Served.State != report.ServedMissing:
			somebody = true
		}
	}
	for i := range out.Images {
		img := &out.Images[i]
		if img.Err != nil {
			return false // whoever vouches, there is no such image
		}
		for _, tag := range t.Tags {
			if tag.Counts && tag.Digest == img.Digest {
				img.Trusted = append(img.Trusted, tag)
			}
		}
		for _, system := range img.Systems {
			somebody = somebody || slices.ContainsFunc(system.Signatures, report.Sound)
		}
	}
	return somebody
}
