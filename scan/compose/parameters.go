package compose

import (
	"fmt"
	"maps"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

// parameters are what a service says of the build of its Dockerfile.
type parameters struct {
	scan.Build
	trial   map[string]string // Args, with noValue for those that lack one
	lacking []string          // variables without a value that args took
	env     *environment
}

// parameters returns those of the build b; false where one is not known, which
// is reported.
func (p *project) parameters(s service, b *value) (*parameters, bool) {
	given := &parameters{env: b.src.env, Build: scan.Build{
		AllStages: p.source.Build.AllStages, BuildPlatform: p.source.Build.BuildPlatform, Given: p.source.Build.Given,
	}}
	ok := p.args(given, p.asPairs(b.get("args")))
	ok = p.contexts(given, p.asPairs(b.get("additional_contexts"))) && ok
	ok = p.platforms(given, s, b) && ok
	if v := b.get("target"); v != nil {
		target, known := p.known(v)
		if ok = known && ok; target != "" {
			given.Targets = []string{target}
		}
	}
	return given, ok
}

// known returns a text that a build needs; that it is not known is reported.
func (p *project) known(v *value) (string, bool) {
	s, err := v.resolved()
	if err != nil {
		p.fail(v.at(), image.From, v.written(), err)
	}
	return s, err == nil
}

// args sets the build arguments: those of the command line, then those of the
// service. One without a value has that of a variable, or is not given.
func (p *project) args(given *parameters, args *value) bool {
	given.Args, given.trial = maps.Clone(p.source.Build.Args), maps.Clone(p.source.Build.Args)
	if args == nil {
		return true
	}
	if given.Args == nil {
		given.Args, given.trial = map[string]string{}, map[string]string{}
	}
	ok := true
	for _, name := range args.keys {
		if _, overridden := p.source.Build.Args[name]; overridden {
			continue
		}
		v := args.of[name]
		arg, set := v.filled, true
		if v.kind == null {
			arg = filled{}
			arg.text, set, arg.lacking = p.env.lookup(name)
		}
		switch {
		case v.kind != text && v.kind != null:
			arg.err = fmt.Errorf("the build argument %s is %v", name, v.kind)
			fallthrough
		case arg.err != nil:
			p.fail(v.at(), image.From, v.written(), arg.err)
			ok = false
			continue
		case !set:
			continue
		case !take(&p.budget.texts, len(arg.text)):
			return false
		}
		given.Args[name], given.trial[name] = arg.text, arg.text
		if len(arg.lacking) > 0 {
			given.trial[name] = noValue
			given.lacking = append(given.lacking, arg.lacking...)
		}
	}
	return ok
}

// contexts sets the named contexts.
func (p *project) contexts(given *parameters, contexts *value) bool {
	if contexts == nil {
		return true
	}
	given.Contexts = map[string]string{}
	ok := true
	for _, name := range contexts.keys {
		if v := contexts.of[name]; v.kind != null {
			to, known := p.known(v)
			given.Contexts[name] = to
			ok = known && ok
		}
	}
	return ok
}

// platforms sets those of the target: of the build, of the service, of Docker's
// variable, or of the command line (docker compose, cmd/compose/options.go,
// applyPlatforms).
func (p *project) platforms(given *parameters, s service, b *value) bool {
	list := b.get("platforms").list()
	if v := s.get("platform"); len(list) == 0 && v != nil {
		list = []*value{v}
	}
	ok := true
	for _, v := range list {
		platform, known := p.known(v)
		if ok = known && ok; platform != "" {
			given.Platforms = append(given.Platforms, platform)
		}
	}
	if platform := p.env.value("DOCKER_DEFAULT_PLATFORM"); len(given.Platforms) == 0 && platform != "" {
		given.Platforms = []string{platform}
	}
	if len(given.Platforms) == 0 {
		given.Platforms = p.source.Build.Platforms
	}
	return ok
}

// String returns what tells parameters apart.
func (g *parameters) String() string {
	return fmt.Sprintf("%q %q %q %q %q", g.Targets, g.Args, g.Contexts, g.Platforms, g.trial)
}
