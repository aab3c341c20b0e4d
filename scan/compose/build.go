package compose

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

// toBuild returns the services that are built: the active ones that can be, and
// those that their builds name as additional contexts, active or not
// (docker compose, pkg/compose/build.go, addBuildDependencies).
func (p *project) toBuild(all []service) []service {
	byName := map[string]int{}
	var queue, out []service
	for i, s := range all {
		byName[s.name] = i
		if s.active {
			queue = append(queue, s)
		}
	}
	queued := map[string]bool{}
	for ; len(queue) > 0; queue = queue[1:] {
		s := queue[0]
		if s.get("build") == nil {
			continue
		}
		out = append(out, s)
		contexts := p.asPairs(asBuild(s.get("build")).get("additional_contexts"))
		if contexts == nil {
			continue
		}
		for _, key := range contexts.keys {
			name, ok := strings.CutPrefix(contexts.of[key].text, "service:")
			if i, there := byName[name]; ok && there && !all[i].active && !queued[name] {
				queued[name] = true
				queue = append(queue, all[i])
			}
		}
	}
	return out
}

// build finds what the build of a service uses.
func (p *project) build(s service) {
	b := asBuild(s.get("build"))
	if b.kind != mapping {
		p.fail(b.at(), image.From, "", fmt.Errorf("build is %v", b.kind))
		return
	}
	p.caches(b)
	p.extras(b)
	given, ok := p.parameters(s, b)
	if !ok {
		return
	}
	p.found.targets = append(p.found.targets, scan.Target{
		Name: strings.ReplaceAll(s.name, ".", "_"), At: b.at(), Contexts: given.Contexts, Service: true, // bake/compose.go, sanitizeTargetName
	})
	inline, name := b.get("dockerfile_inline"), b.get("dockerfile")
	switch {
	case inline.says() && name.says():
		p.fail(inline.at(), image.From, "", errors.New("a build has either dockerfile or dockerfile_inline, not both"))
	case inline.says():
		p.inline(b, inline, given)
	default:
		p.dockerfileOf(b, given)
	}
}

// says reports whether v is there, and not known to be an empty text.
func (v *value) says() bool {
	return v != nil && (v.kind != text || v.text != "" || v.err != nil || len(v.lacking) > 0)
}

// caches warns of images that a build takes its cache from. Their layers can
// end up in what is built, where the builder takes them to be what a step gives.
func (p *project) caches(b *value) {
	for _, v := range b.get("cache_from").list() {
		if v.kind == text && v.text != "" {
			p.warn(v, "%s is used as a build cache: it is not verified")
		}
	}
}

// extras tells of what else can bring an image into a build: the scanner that
// writes an SBOM, which is run, and what only docker buildx bake reads.
func (p *project) extras(b *value) {
	if v := b.get("sbom"); v != nil && v.kind == text && strings.Contains(v.text, "generator=") {
		p.warn(v, "%s names an image that the builder runs: it is not verified")
	}
	if v := b.get("x-bake", "contexts"); v != nil {
		p.fail(v.at(), image.From, "", errors.New("docker buildx bake takes contexts from x-bake, and docker compose does not: write additional_contexts, which both read"))
	}
}

// dockerfileOf scans the Dockerfile that a build names.
func (p *project) dockerfileOf(b *value, given *parameters) {
	context := b.get("context")
	if context == nil { // written as null
		context = &value{src: b.src, node: b.node, kind: text, filled: filled{text: "."}}
	}
	dir, err := context.resolved()
	if err == nil {
		dir, err = within(context.src.dir, dir)
	}
	if err != nil {
		p.fail(context.at(), image.From, context.written(), fmt.Errorf("build context %w", err))
		return
	}
	at, name := context, "Dockerfile"
	if v := b.get("dockerfile"); v.says() {
		at = v
		if name, err = v.resolved(); err != nil {
			p.fail(at.at(), image.From, at.written(), fmt.Errorf("dockerfile: %w", err))
			return
		}
	}
	file, err := within(dir, name)
	if err != nil {
		p.fail(at.at(), image.From, at.written(), fmt.Errorf("dockerfile %w", err))
		return
	}
	p.run(b, at, given, file, func() (dockerText, error) { return p.readDockerfile(file) })
}

// readDockerfile reads a Dockerfile. BuildKit takes "dockerfile" where there is
// no "Dockerfile" (frontend/dockerui/config.go).
func (p *project) readDockerfile(name string) (dockerText, error) {
	body, err := p.readAll(name)
	if lower := strings.ToLower(path.Base(name)); errors.Is(err, fs.ErrNotExist) && path.Base(name) == "Dockerfile" {
		lower = path.Join(path.Dir(name), lower)
		if body, err := p.readAll(lower); err == nil {
			return dockerText{file: lower, body: body}, nil
		}
	}
	return dockerText{file: name, body: body}, err
}

// run scans what read returns, unless that was done with the same parameters.
func (p *project) run(b, at *value, given *parameters, key string, read func() (dockerText, error)) {
	if key = fmt.Sprintf("%q %v", key, given); p.builds[key] {
		return
	}
	p.builds[key] = true
	if !take(&p.budget.builds, max(1, len(given.Platforms))) {
		p.fail(at.at(), image.From, at.written(), fmt.Errorf("more than %d builds in one project, each platform of each counted", maxBuilds))
		return
	}
	body, err := read()
	if err != nil {
		p.fail(at.at(), image.From, at.written(), fmt.Errorf("dockerfile: %w", err))
		return
	}
	found := given.scan(p.dockerfile, body)
	for _, u := range found.Uses {
		p.found.use(b.at(), p.argument(b, u))
	}
	for _, u := range found.Replaced {
		p.found.instead(p.argument(b, u))
	}
	for _, w := range found.Warnings {
		p.found.warn(b.at(), w)
	}
}

// argument gives a use that a build argument makes, BUILDKIT_SYNTAX, the place of
// that.
func (p *project) argument(b *value, u image.Use) image.Use {
	if u.At.File != "" {
		return u
	}
	u.At = b.at()
	if arg := p.asPairs(b.get("args")).get("BUILDKIT_SYNTAX"); arg != nil {
		u.At, u.Text, u.Literal = arg.at(), arg.written(), arg.literal()
	}
	return u
}
