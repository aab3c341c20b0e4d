// Package gate decides whether the images a workspace uses may pass.
package gate

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// Rules gives the terms on which the image of a use may pass. They may depend on
// the Ref and on Foreign only.
type Rules interface {
	For(image.Use) Terms
}

// A Resolver turns what was written into what the registry serves.
type Resolver interface {
	Resolve(context.Context, image.Ref) (image.Pinned, error)
}

// DefaultJobs is how many images are checked at a time.
const DefaultJobs = 16

// Options say how Check runs. The zero Options are good.
type Options struct {
	Jobs   int                         // images at a time; 0 means DefaultJobs
	Reason func(error) verify.Reason   // of an error of Resolve; nil: Unavailable
	Now    func() time.Time            // nil: time.Now
	Done   func(done, of int)          // called after each image, one call at a time
	Meter  func(context.Context) Meter // counts the requests of one image; nil: not counted
}

// A Meter counts the requests made with its Context.
type Meter struct {
	Context  context.Context //nolint:containedctx // it is what carries the count
	Requests func() int
}

// A Finding is one image and what every required check said of it.
type Finding struct {
	Use      image.Use
	Also     []image.Use  // the other places that use the image, in their order
	Pinned   image.Pinned // zero if the reference was not resolved
	Rule     Rule         // zero where none was chosen
	Verdicts []verify.Verdict
	Elapsed  time.Duration
	Requests int // HTTP requests for this image

	exemption *Exemption // set by check alone
}

// Uses returns all places that use the image, the first of them first.
func (f Finding) Uses() []image.Use { return append([]image.Use{f.Use}, f.Also...) }

// Verified reports whether at least one check ran and every check passed, all of
// them on the image that would be handed over.
func (f Finding) Verified() bool {
	for _, v := range f.Verdicts {
		if !v.Passed() || v.Image().Digest() != f.Pinned.Digest() {
			return false
		}
	}
	return len(f.Verdicts) > 0 && f.Pinned.Digest() != ""
}

// Exemption returns what let the image through without a check; ok is false
// where nothing did.
func (f Finding) Exemption() (e Exemption, ok bool) {
	if f.exemption == nil || len(f.Verdicts) > 0 || f.Pinned.Digest() == "" {
		return Exemption{}, false
	}
	return *f.exemption, true
}

// Passed reports whether the image does not keep the gate shut: it is verified,
// or exempt, which is not the same.
func (f Finding) Passed() bool {
	_, exempt := f.Exemption()
	return f.Verified() || exempt
}

// Reason returns Verified or Exempt if f passed, else the Reason of the first
// check that failed for good: no answer to another question would help. Where
// there is none, it is that of the first that failed.
func (f Finding) Reason() verify.Reason {
	if f.Verified() {
		return verify.Verified
	}
	if _, exempt := f.Exemption(); exempt {
		return verify.Exempt
	}
	return verify.Decisive(f.Verdicts).Reason()
}

// A Report is the whole run. The zero Report does not pass.
type Report struct {
	findings []Finding
	complete bool // set by Check once every Use has been looked at
	cause    error
	started  time.Time
	elapsed  time.Duration
}

// Findings returns what was found of each image, in the order in which they are
// first used.
func (r Report) Findings() []Finding { return slices.Clone(r.findings) }

// Complete reports whether every use was looked at; a run that was interrupted
// leaves some Undecided.
func (r Report) Complete() bool { return r.complete }

// Cause returns why the run ended early, nil if it is complete.
func (r Report) Cause() error { return r.cause }

// Interrupted reports whether somebody ended the run, as opposed to its time.
func (r Report) Interrupted() bool {
	return !r.complete && !errors.Is(r.cause, context.DeadlineExceeded)
}

// Started returns when the run began.
func (r Report) Started() time.Time { return r.started }

// Elapsed returns how long the run took.
func (r Report) Elapsed() time.Duration { return r.elapsed }

// Passed reports whether the run ended, saw an image, and all of them passed,
// verified or exempt.
func (r Report) Passed() bool {
	for _, f := range r.findings {
		if !f.Passed() {
			return false
		}
	}
	return r.complete && len(r.findings) > 0
}

// NoAnswer reports whether the report fails only because questions were not
// answered: another run, or access, may change that. Where an image was
// refused, no answer about another one helps.
func (r Report) NoAnswer() bool {
	unanswered := !r.complete
	for _, f := range r.findings {
		switch reason := f.Reason(); {
		case f.Passed():
		case reason.NoAnswer(), reason == verify.Undecided && !r.complete:
			unanswered = true
		default:
			return false
		}
	}
	return unanswered
}

// Reason returns Verified if every image is verified, Exempt if the others are
// exempt; else in one word why r did not pass: the Reason of the first image that
// was refused; where none was, of the first that registry or log gave no answer
// about; Undecided where no image has either.
func (r Report) Reason() verify.Reason {
	switch {
	case r.Passed() && slices.ContainsFunc(r.findings, func(f Finding) bool { return !f.Verified() }):
		return verify.Exempt
	case r.Passed():
		return verify.Verified
	}
	silent := verify.Undecided
	for _, f := range r.findings {
		switch reason := f.Reason(); {
		case f.Passed(), reason == verify.Undecided && !r.complete:
		case !reason.NoAnswer():
			return reason
		case silent == verify.Undecided:
			silent = reason
		}
	}
	return silent
}

// Admitted is an image that the build may use: it was in a run that passed,
// verified there or exempt. Only [Report.Admitted] makes a non-zero one; package
// handover takes nothing else.
type Admitted struct {
	pinned    image.Pinned
	exemption *Exemption
}

// Pinned returns the image, bound to the digest that was verified, or that was
// looked at where it is exempt. It is zero for the zero Admitted, which nothing
// may take for an image.
func (a Admitted) Pinned() image.Pinned { return a.pinned }

// Exemption returns what let the image in without a check; ok is false where it
// was verified. Whoever hands the image over has to say so.
func (a Admitted) Exemption() (e Exemption, ok bool) {
	if a.exemption == nil {
		return Exemption{}, false
	}
	return *a.exemption, true
}

// Admitted returns the images that the build may use, in the order of the
// findings, none unless the whole run passed. A reference can be there more than
// once.
func (r Report) Admitted() []Admitted {
	if !r.Passed() {
		return nil
	}
	out := make([]Admitted, 0, len(r.findings))
	for _, f := range r.findings {
		a := Admitted{pinned: f.Pinned}
		if e, exempt := f.Exemption(); exempt {
			a.exemption = &e
		}
		out = append(out, a)
	}
	return out
}

// Check resolves and verifies the image of every use, several at a time. It
// always returns a Report that can be shown; ctx's end leaves it incomplete,
// hence failing. A reference that is used more than once is resolved and
// verified once, and has one Finding; so has a text that cannot be resolved for
// one cause.
func Check(ctx context.Context, uses []image.Use, rules Rules, reg Resolver, o Options) Report {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Jobs <= 0 {
		o.Jobs = DefaultJobs
	}
	r := Report{findings: distinct(uses), started: o.Now()}
	var (
		mu    sync.Mutex
		done  int
		group errgroup.Group
	)
	group.SetLimit(o.Jobs)
	for i := range r.findings {
		group.Go(func() error {
			check(ctx, &r.findings[i], rules, reg, o)
			mu.Lock()
			defer mu.Unlock()
			if done++; o.Done != nil {
				o.Done(done, len(r.findings))
			}
			return nil
		})
	}
	_ = group.Wait() // failures are findings
	r.complete, r.cause = ctx.Err() == nil, context.Cause(ctx)
	r.elapsed = o.Now().Sub(r.started)
	return r
}

// distinct returns a Finding for each image, of which nothing is known yet.
func distinct(uses []image.Use) []Finding {
	type question struct {
		ref       image.Ref
		foreign   bool
		text, err string
	}
	var findings []Finding
	first := map[question]int{}
	for _, u := range uses {
		q := question{ref: u.Ref, foreign: u.Foreign}
		if u.Err != nil {
			q = question{text: u.Text, err: u.Err.Error()}
		}
		if i, again := first[q]; again {
			findings[i].Also = append(findings[i].Also, u)
			continue
		}
		first[q] = len(findings)
		findings = append(findings, Finding{Use: u})
	}
	return findings
}

// check fills in f.
func check(ctx context.Context, f *Finding, rules Rules, reg Resolver, o Options) {
	start := o.Now()
	defer func() { f.Elapsed = o.Now().Sub(start) }()
	fail := func(reason verify.Reason, err error) {
		f.Verdicts = []verify.Verdict{verify.Fail(f.Pinned, reason, err)}
	}
	if f.Use.Err != nil {
		fail(verify.Unresolved, f.Use.Err)
		return
	}
	ref := f.Use.Ref
	terms := rules.For(f.Use)
	f.Rule = terms.Rule
	if err := terms.unfit(start); err != nil {
		hint := verify.Hint(err)
		if hint == "" {
			hint = "say who must have signed it"
		}
		fail(verify.NoRule, &verify.Error{Op: "choose a rule for " + ref.String(), Err: err, Hint: hint})
		return
	}
	if ctx.Err() != nil {
		fail(verify.Undecided, cutShort(ctx))
		return
	}
	if o.Meter != nil {
		m := o.Meter(ctx)
		ctx = m.Context
		defer func() { f.Requests = m.Requests() }()
	}
	img, err := reg.Resolve(ctx, ref)
	switch {
	case err != nil && interrupted(ctx):
		fail(verify.Undecided, cutShort(ctx))
		return
	case err != nil:
		reason := verify.Unavailable
		if o.Reason != nil {
			reason = o.Reason(err)
		}
		fail(reason, err)
		return
	}
	f.Pinned = img
	if len(terms.Require) == 0 {
		if err := terms.Exempt.refuses(img); err != nil {
			fail(verify.Unsigned, err)
			return
		}
		f.exemption = terms.Exempt
		return
	}
	for _, v := range terms.Require {
		verdict := v.Verify(ctx, img)
		if interrupted(ctx) && verdict.Reason() == verify.Unavailable {
			verdict = verify.Fail(img, verify.Undecided, cutShort(ctx)).For(verdict.Requirement()).With(verdict.Candidates())
		}
		f.Verdicts = append(f.Verdicts, verdict)
		if seen := verdict.Image(); f.Pinned.MediaType() == "" && seen.Digest() == img.Digest() {
			f.Pinned = seen // the check had to read the manifest; reports can tell its platforms
		}
	}
}

// interrupted reports whether somebody ended the run. No server is to blame for
// what was not answered then.
func interrupted(ctx context.Context) bool {
	return ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded)
}

func cutShort(ctx context.Context) error {
	return &verify.Error{Op: "the run ended before this was known", Err: context.Cause(ctx), Hint: "run it again, with a longer --timeout if that was too short"}
}
