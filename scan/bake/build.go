package bake

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

const (
	maxBuilds  = 1024     // scans of Dockerfiles for one definition
	maxScanned = 64 << 20 // bytes of Dockerfiles for one definition
	imageKind  = "docker-image://"
	targetKind = "target:"
)

// A builder follows targets into their Dockerfiles.
type builder struct {
	source     scan.Source
	plan       *plan
	dockerfile Dockerfile
	report     *report
	dir        string // of the definition
	mentioned  mention
	built      map[string]bool

	builds, scanned int
	done            map[string]scan.Found      // by all that a scan depends on
	compose         map[string]map[string]bool // keys of Compose files, by name
}

// want builds a target, and before it those that its contexts name. Within has
// the targets that wait for it.
func (b *builder) want(w wish, within []string) {
	t, err := b.plan.target(w.name)
	switch {
	case err != nil:
		b.report.problem(&problem{w.at, err})
		return
	case t == nil:
		b.report.problem(&problem{w.at, b.missing(w.name)})
		return
	case b.built[w.name]:
		return
	}
	within = append(slices.Clip(within), w.name)
	for _, name := range slices.Sorted(maps.Keys(t.contexts)) {
		s := t.contexts[name]
		link, ok := strings.CutPrefix(s.text, targetKind)
		switch {
		case !ok || len(s.doubts) > 0:
		case slices.Contains(within, link):
			b.report.problem(&problem{s.at, fmt.Errorf("target %s needs itself", quote(link))})
		case len(within) > maxNesting:
			b.report.problem(&problem{s.at, tooMuch("a chain of targets")})
		default:
			b.want(wish{link, s.at}, within)
		}
	}
	b.built[w.name] = true
	b.report.targets = append(b.report.targets, b.told(t))
	b.build(t)
}

// told returns what others are told of a target.
func (b *builder) told(t *target) scan.Target {
	contexts := make(map[string]string, len(t.contexts))
	for name, s := range t.contexts {
		contexts[name] = ""
		if len(s.doubts) == 0 {
			contexts[name] = s.text
		}
	}
	return scan.Target{Name: t.name, At: t.at.unquoted().start(), Contexts: contexts, Mentioned: b.mentioned.of(t.name)}
}

// missing says that there is no target of a name.
func (b *builder) missing(name string) error {
	if name == "default" && len(b.source.Build.Targets) == 0 {
		return errors.New("there is no group or target named default, which bake builds when it is not told what; name targets with --target, or take all with --all-stages")
	}
	return fmt.Errorf("there is no target %s in the bake files%s", quote(name), elsewhere)
}

// build scans the Dockerfile of a target.
func (b *builder) build(t *target) {
	for _, w := range t.warnings {
		b.report.warn(w)
	}
	if file := b.composed(t.name); file != "" {
		b.report.warn(scan.Warning{At: t.at.unquoted().start(), Text: "bake merges target " + quote(t.name) + " with the service of that name in " + file + " unless it is run with -f; that is not done here"})
	}
	if len(t.problems) > 0 { // bake stops; of the Dockerfile nothing is known that holds
		for _, p := range t.problems {
			b.report.problem(p)
		}
		return
	}
	p := b.params(t)
	if t.stage != nil {
		stage, err := t.stage.settled("stage")
		if err != nil {
			b.report.problem(&problem{t.stage.at, err})
			return
		}
		if stage != "" {
			p.Targets = []string{stage}
		}
	}
	if t.inline != nil && (t.inline.text != "" || len(t.inline.doubts) > 0) {
		b.inline(t, p)
		return
	}
	file, at, err := b.locate(t)
	var body []byte
	if err == nil {
		body, err = scan.ReadFile(b.source.FS, file)
	}
	if err != nil {
		if doubt := (*doubtError)(nil); !errors.As(err, &doubt) {
			err = fmt.Errorf("the Dockerfile of target %s cannot be read: %w", quote(t.name), err)
		}
		b.report.problem(&problem{at, err})
		return
	}
	found := b.run(t, p, body, file, false)
	b.add(t, found, nil)
}

// inline scans a Dockerfile that is written in the bake file. What it uses is
// found again there, as far as that can be.
func (b *builder) inline(t *target, p scan.Build) {
	text, err := t.inline.settled("dockerfile-inline")
	if err != nil {
		b.report.problem(&problem{t.inline.at, err})
		return
	}
	at := t.inline.at
	found := b.run(t, p, []byte(text), at.src.name, true)
	b.add(t, found, newTracer(b.plan.blocks.scope, t.inline))
}

// params returns what a target says to its Dockerfile. Image contexts get
// stand-ins, by which they are known in what is found.
func (b *builder) params(t *target) scan.Build {
	p := scan.Build{
		Given:         b.source.Build.Given,
		Args:          map[string]string{},
		Contexts:      map[string]string{},
		Platforms:     b.source.Build.Platforms,
		BuildPlatform: b.source.Build.BuildPlatform,
	}
	if v, ok := environment(b.source)(sourceDateEpoch); ok && v != "" {
		p.Args[sourceDateEpoch] = v
	}
	for name, s := range t.args {
		p.Args[name] = s.text
	}
	for i, name := range slices.Sorted(maps.Keys(t.contexts)) {
		s := t.contexts[name]
		p.Contexts[name] = s.text
		if s.image() || len(s.doubts) > 0 {
			p.Contexts[name] = imageKind + contextImage(i)
		}
	}
	if t.platforms != nil {
		t.platforms.apply(&p)
	}
	return p
}

// apply says which platforms are built for. "local" is the builder's; where
// that is not known, unresolved is what depends on it.
func (ps *platforms) apply(p *scan.Build) {
	var list []string
	local := false
	for _, entry := range ps.list {
		for name := range strings.SplitSeq(entry, ",") {
			switch {
			case strings.EqualFold(name, "local"):
				local = true
				list = append(list, p.BuildPlatform)
			case name != "":
				list = append(list, name)
			}
		}
	}
	switch {
	case len(ps.doubts) > 0 || local && p.BuildPlatform == "":
		p.Platforms, p.BuildPlatform = nil, ""
	case len(list) > 0:
		p.Platforms = list
	}
}

// sourceDateEpoch is a build argument that bake takes from the environment.
const sourceDateEpoch = "SOURCE_DATE_EPOCH"

// image reports whether a context is one that is pulled; "scratch" is not.
func (s *setting) image() bool {
	name, ok := strings.CutPrefix(s.text, imageKind)
	return ok && name != "scratch"
}

// contextImage is the image that stands in for a context. No registry can have
// the name (RFC 6761). Its end is one that package dockerfile expects of an
// image that reads Dockerfiles.
func contextImage(i int) string {
	return fmt.Sprintf("boltseal.invalid/context/%d/dockerfile:stands-in", i)
}

// run scans a Dockerfile, unless that was done already.
func (b *builder) run(t *target, p scan.Build, body []byte, file string, inline bool) scan.Found {
	key := fmt.Sprintf("%q %t %#v", file, inline, p)
	if inline {
		key += string(body)
	}
	doubtful := t.doubtfulArgs()
	key += fmt.Sprintf("%q", doubtful)
	if found, ok := b.done[key]; ok {
		return found
	}
	found := doubtfully(t, doubtful, p, func(p scan.Build) scan.Found {
		b.builds++
		if b.scanned += len(body); b.builds > maxBuilds || b.scanned > maxScanned {
			at := image.Position{File: file, Line: 1, Col: 1}
			return scan.Found{Uses: []image.Use{{Kind: image.From, At: at, Err: tooMuch("scanning the Dockerfiles of all targets")}}}
		}
		return b.dockerfile(body, file, p)
	})
	b.done[key] = found
	return found
}

// add reports what a target's Dockerfile uses: for a stand-in the context that
// it stands for, where the bake file has it, and not a second time where the
// Dockerfile names it.
func (b *builder) add(t *target, found scan.Found, trace *tracer) {
	names := slices.Sorted(maps.Keys(t.contexts))
	for _, u := range found.Uses {
		i := slices.IndexFunc(names, func(name string) bool {
			return u.Err == nil && u.Ref.String() == contextImage(slices.Index(names, name))
		})
		switch {
		case i >= 0:
			b.report.use(contextUse(names[i], t.contexts[names[i]]))
			continue
		}
		b.report.use(t.place(u, trace))
	}
	for _, u := range found.Replaced {
		b.report.instead(t.place(u, trace))
	}
	for _, w := range found.Warnings {
		switch {
		case w.At.File == "":
			w.At = t.argument(image.Use{}).At
		case trace != nil:
			_, w.At = trace.find("", w.At)
		}
		b.report.warn(w)
	}
}

// place gives a use of a Dockerfile its place, where that is in a bake file.
func (t *target) place(u image.Use, trace *tracer) image.Use {
	switch {
	case u.At.File == "": // BUILDKIT_SYNTAX
		u = t.argument(u)
	case trace != nil:
		u.Literal = trace.literal(u.Literal)
		u.Text, u.At = trace.find(u.Text, u.At)
	}
	return u
}

// argument gives a use that is not in the Dockerfile the place of the argument
// that makes it.
func (t *target) argument(u image.Use) image.Use {
	at := t.at
	if s := t.args["BUILDKIT_SYNTAX"]; s != nil {
		at = s.at
	}
	at = at.unquoted()
	u.Text, u.At = at.first(), at.start()
	if s := t.args["BUILDKIT_SYNTAX"]; s != nil && string(at.bytes()) == s.text {
		u.Literal = image.Literal{Text: u.Text, At: u.At}
	}
	return u
}

// contextUse is the use of an image that is a named context.
func contextUse(name string, s *setting) image.Use {
	at := s.at.unquoted().after(imageKind)
	u := image.Use{Kind: image.BakeContext, Text: at.first(), At: at.start()}
	text, err := s.settled("context " + quote(name))
	if err == nil {
		u.Ref, err = image.Parse(strings.TrimPrefix(text, imageKind))
	}
	if string(s.at.unquoted().bytes()) == text && err == nil { // no variable has such a name
		u.Literal = image.Literal{Text: u.Text, At: u.At}
	}
	u.Err = err
	return u
}
