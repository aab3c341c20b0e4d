package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/handover/rewrite"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/verify"
)

// pinSpace returns the workspace that files are rewritten in: the repository
// around the current folder, or else that folder. What is asked for elsewhere is
// not this run's to write.
func pinSpace(c Command, asked, exclude []string) (workspace, error) {
	own, err := workspaces(c.Dir, nil, exclude)
	if err != nil {
		return workspace{}, err
	}
	all, err := workspaces(c.Dir, asked, exclude)
	if err != nil {
		return workspace{}, err
	}
	w := own[0]
	for _, o := range all {
		if o.dir != w.dir {
			return workspace{}, usagef("PATH", "change to the folder that it is in, and run boltseal pin there", "%s is outside of %s, and nothing is written there", o.shown(o.files[0]), w.dir)
		}
		w.files = append(w.files, o.files...)
	}
	return w, nil
}

// A pinRun is ready to verify what is to be pinned.
type pinRun struct {
	*verification

	flags pinFlags
	space workspace
	fsys  fs.FS // of the workspace
	build scan.Build
	found found
	asked []image.Ref   // for each use of found: what is resolved and verified for it
	kept  map[int]error // uses whose digest cannot be updated, and why

	// judge says by which rules images would be judged; nil: by the same.
	judge func([]image.Use) (gate.Rules, error)
}

// scan finds the images.
func (p *pinRun) scan(c Command) error {
	var err error
	if p.build, err = p.flags.scan.build(c, p.flags.platforms); err == nil {
		p.found, err = p.flags.scan.over(c, p.space, p.fsys, p.build)
	}
	return err
}

// tagged returns a reference without its digest; ok is false where it has none,
// or nothing else.
func tagged(r image.Ref) (ref image.Ref, ok bool) {
	if r.Digest() == "" || r.Tag() == "" {
		return r, false
	}
	ref, err := image.Parse(r.Name() + ":" + r.Tag())
	return ref, err == nil
}

// byTag returns those uses that an update asks for by their tags.
func (p *pinRun) byTag() []image.Use {
	if !p.flags.update {
		return nil
	}
	var uses []image.Use
	for _, u := range p.found.uses {
		if ref, ok := tagged(u.Ref); ok {
			u.Ref = ref
			uses = append(uses, u)
		}
	}
	return uses
}

// ask returns the uses to verify: those that were found, in an update with their
// tags only. A digest stays where the tag alone would be judged otherwise.
func (p *pinRun) ask() []image.Use {
	uses := slices.Clone(p.found.uses)
	p.kept = map[int]error{}
	for i, u := range uses {
		if p.flags.update && u.Ref.Digest() != "" {
			if err := p.fixed(u); err != nil {
				p.kept[i] = err
			} else {
				uses[i].Ref, _ = tagged(u.Ref)
			}
		}
		p.asked = append(p.asked, uses[i].Ref)
	}
	return uses
}

// fixed says why the digest of a use cannot be updated.
func (p *pinRun) fixed(u image.Use) error {
	keep := func(why, hint string) error {
		return &verify.Error{Op: "update " + u.Ref.String(), Err: errors.New(why), Hint: hint}
	}
	ref, ok := tagged(u.Ref)
	if !ok {
		return keep("it has no tag that could have another digest now", "write a tag before the digest, or update it by hand")
	}
	by := u
	by.Ref = ref
	has, without := p.rules.For(u), p.rules.For(by)
	switch {
	case has.Exempt != nil && has.Exempt.NeedDigest:
		return keep("nobody signs it, and its rule lets it through by digest only", "update it by hand, after a look at what it is")
	case !sameRule(has, without):
		return keep("the rule that decides about it is another one without the digest", "write a rule for the repository, or update it by hand")
	case has.Exempt != nil:
		return keep("nobody verifies what its tag has now: its rule lets it through as it is", "update it by hand, after a look at what it is")
	}
	return nil
}

// sameRule reports whether a and b come from one rule of a policy.
func sameRule(a, b gate.Terms) bool {
	return a.Rule.Origin == b.Rule.Origin && a.Rule.At == b.Rule.At && (a.Rule.At.File != "" || a.Rule.Name == b.Rule.Name)
}

// A pinPlan is what to write, and what not. Nothing has been written.
type pinPlan struct {
	changes []pinChange
	kept    []report.Left
	refused []report.Left
	whole   int // places with the digest already
}

// A pinChange is the new text of one file.
type pinChange struct {
	rewrite.Change
	name  string // in the workspace
	info  fs.FileInfo
	spans []span
}

// replacements returns the files to write.
func (p pinPlan) replacements() []replacement {
	var all []replacement
	for _, x := range p.changes {
		all = append(all, replacement{name: x.name, old: x.Old, new: x.New, info: x.info})
	}
	return all
}

// plan says what to write after a run that passed. An error says why nothing may
// be written at all.
func (p *pinRun) plan(c Command, r gate.Report) (pinPlan, error) {
	var plan pinPlan
	admitted, err := admittedBy(r)
	if err != nil {
		return plan, err
	}
	uses := p.found.uses
	draft := &pinDraft{
		uses: uses, want: make([]image.Ref, len(uses)), left: map[int]error{},
		files: newPinFiles(p.space, p.fsys), index: map[image.Use]int{}, dropped: map[image.Position]error{},
	}
	var targets []rewrite.Target
	for i, u := range uses {
		a, ok := admitted[pinQuestion{p.asked[i], u.Foreign}]
		switch {
		case u.Err != nil: // and no run passes
			draft.left[i] = u.Err
			continue
		case !ok:
			return plan, fmt.Errorf("%s was not verified: nothing was written: please report this", u.Ref)
		case p.kept[i] != nil:
			plan.kept = append(plan.kept, report.Left{Use: u, Err: p.kept[i]})
			continue
		case a.Pinned().Digest() == u.Ref.Digest():
			plan.whole++
			continue
		}
		if draft.want[i], err = pinnedRef(p.asked[i], a); err != nil {
			return plan, err
		}
		draft.index[u] = i
		targets = append(targets, rewrite.Target{Use: u, To: a})
	}
	if targets, err = p.judgedAlike(targets, draft); err != nil {
		return pinPlan{}, err
	}
	for _, u := range p.found.replaced {
		targets = append(targets, rewrite.Target{Use: u, Replaced: true})
	}
	changes, refusals := rewrite.Plan(draft.files.text, targets)
	for _, x := range refusals {
		if i, ok := draft.index[x.Use]; ok { // and not one of those that are replaced
			draft.left[i] = draft.files.explain(x)
		}
	}
	for _, x := range changes {
		f, err := draft.files.changed(x)
		if err != nil {
			return pinPlan{}, err
		}
		draft.changes = append(draft.changes, f)
	}
	if err := p.sift(c, draft); err != nil {
		return pinPlan{}, err
	}
	plan.changes = draft.written()
	for i, u := range uses {
		if err := draft.why(i); err != nil {
			plan.refused = append(plan.refused, report.Left{Use: u, Err: err})
		}
	}
	return plan, nil
}

// A pinDraft is a plan, and what is wrong with parts of it.
type pinDraft struct {
	uses    []image.Use
	want    []image.Ref       // with the digest that was admitted; zero where nothing is to be done
	left    map[int]error     // why a use is not rewritten
	index   map[image.Use]int // of the uses that are to be rewritten
	files   *pinFiles
	changes []pinChange
	dropped map[image.Position]error // edits that are not made, and why
}

// why says why a use is not rewritten, nil where it is, or need not be.
func (d *pinDraft) why(i int) error {
	u := d.uses[i]
	if d.left[i] == nil {
		if d.want[i].IsZero() {
			return nil
		}
		return d.dropped[u.Literal.At]
	}
	// What is reached by a link may be rewritten under its own name.
	if j, ok := d.index[d.files.unlinked(u)]; ok && d.left[j] == nil {
		return d.dropped[d.uses[j].Literal.At]
	}
	return d.left[i]
}

// expected returns for each use the image that is to be found in the new text.
func (d *pinDraft) expected() []image.Ref {
	refs := make([]image.Ref, len(d.uses))
	for i, u := range d.uses {
		if refs[i] = u.Ref; !d.want[i].IsZero() && d.why(i) == nil {
			refs[i] = d.want[i]
		}
	}
	return refs
}

// written returns the changes, less what is dropped.
func (d *pinDraft) written() []pinChange {
	var all []pinChange
	for _, x := range d.changes {
		if x = x.without(d.dropped); len(x.Edits) > 0 {
			all = append(all, x)
		}
	}
	return all
}

// only returns d with those edits alone that pick picks.
func (d *pinDraft) only(pick func(rewrite.Edit) bool) *pinDraft {
	one := *d
	one.dropped = map[image.Position]error{}
	for _, x := range d.changes {
		for _, e := range x.Edits {
			if !pick(e) {
				one.dropped[e.At] = errDropped
			}
		}
	}
	return &one
}

var errDropped = errors.New("it is left out")

// maxSifted bounds the edits of a file that are tried one by one, each by a scan
// of the workspace. Of a file that has more, all are dropped.
const maxSifted = 200

// sift drops the edits with which the files would no longer use the same images.
// A named context may stand in for a name in one build, but not for that with a
// digest, and the rewriting of one file knows nothing of what others make of it.
// What is left has been proven.
func (p *pinRun) sift(c Command, d *pinDraft) error {
	if len(d.changes) == 0 {
		return nil
	}
	all := p.proven(c, d)
	if all == nil {
		return nil
	}
	if err := p.proven(c, d.only(func(rewrite.Edit) bool { return false })); err != nil {
		return &verify.Error{Op: "look at the workspace again", Err: fmt.Errorf("somebody changes it meanwhile, so that nothing was written: %w", err), Hint: "run it again"}
	}
	bad := map[image.Position]error{}
	for _, x := range d.changes {
		if p.proven(c, d.only(func(e rewrite.Edit) bool { return e.At.File == x.File })) == nil {
			continue
		}
		for _, e := range x.Edits {
			err := all
			if len(x.Edits) <= maxSifted {
				err = p.proven(c, d.only(func(o rewrite.Edit) bool { return o.At == e.At }))
			}
			if err != nil {
				bad[e.At] = &verify.Error{Op: "pin " + e.Old, Err: err, Hint: "look at what else uses this text, such as a build with a context of that name, and write the digest by hand where it does no harm"}
			}
		}
	}
	d.dropped = bad
	if err := p.proven(c, d); err != nil {
		return &verify.Error{Op: "look at the new text", Err: fmt.Errorf("%w, so that nothing was written", err), Hint: "report this bug of boltseal, with the files, at https://github.com/boltseal/boltseal/issues"}
	}
	return nil
}

// judgedAlike returns those targets that the same rule decides about with their
// digest: others would pass now, and not, or for another reason, when they are
// verified again. Why goes to the draft.
func (p *pinRun) judgedAlike(targets []rewrite.Target, d *pinDraft) ([]rewrite.Target, error) {
	if p.judge == nil || len(targets) == 0 {
		return targets, nil
	}
	pinned := make([]image.Use, len(targets))
	for i, t := range targets {
		pinned[i] = t.Use
		pinned[i].Ref = d.want[d.index[t.Use]]
	}
	rules, err := p.judge(pinned)
	if err != nil {
		return nil, err
	}
	var alike []rewrite.Target
	for i, t := range targets {
		at := d.index[t.Use]
		by := t.Use
		by.Ref = p.asked[at]
		has, will := p.rules.For(by), rules.For(pinned[i])
		if sameRule(has, will) {
			alike = append(alike, t)
			continue
		}
		why := fmt.Errorf("%s is let through by the rule for %s, and with its digest that is not the rule for it", by.Ref, has.Rule.Name)
		d.left[at] = &verify.Error{Op: "pin " + t.Use.Text, Err: why, Hint: "have the rule name the repository, without a tag, so that it holds for references with a digest"}
	}
	return alike, nil
}

// A pinQuestion is what was asked of the gate for one use.
type pinQuestion struct {
	ref     image.Ref
	foreign bool
}

// admittedBy returns what r lets in, by what was asked.
func admittedBy(r gate.Report) (map[pinQuestion]gate.Admitted, error) {
	digests := map[image.Ref]string{}
	by := map[pinQuestion]gate.Admitted{}
	admitted := r.Admitted()
	for i, f := range r.Findings() {
		if i >= len(admitted) {
			return nil, errors.New("the run did not pass: nothing was written")
		}
		ref, d := f.Use.Ref, admitted[i].Pinned().Digest()
		if known, again := digests[ref]; again && known != d {
			return nil, &verify.Error{Op: "pin " + ref.String(), Err: fmt.Errorf("it was %s and then %s within one run, so that nothing was written", known, d), Hint: "run it again"}
		}
		digests[ref] = d
		by[pinQuestion{ref, f.Use.Foreign}] = admitted[i]
	}
	return by, nil
}

// pinnedRef returns ref with the digest of a.
func pinnedRef(ref image.Ref, a gate.Admitted) (image.Ref, error) {
	pinned, err := ref.Pin(a.Pinned().Digest())
	if err != nil {
		return image.Ref{}, err
	}
	text := ref.String()
	if ref.Digest() == "" {
		text += "@" + pinned.Digest()
	}
	return image.Parse(text)
}
