package compose

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

// collect finds what the services use.
func (p *project) collect(all []service) {
	built := map[label]bool{}
	for _, s := range all {
		if v := s.get("image"); v != nil && s.active && s.get("build") != nil {
			built[v.label()] = true
		}
	}
	for _, s := range all {
		if s.active {
			p.image(s, built)
			p.hooks(s, built)
			p.volumes(s, built)
		}
	}
	for _, s := range p.toBuild(all) {
		p.build(s)
	}
}

// image finds the image of a service.
func (p *project) image(s service, built map[label]bool) {
	if v := s.get("image"); v != nil {
		p.pulled(v, s, s.policy(), built)
	}
}

// hooks finds the images of containers that run before a service. They have
// their service's policy; docker compose builds none of them.
func (p *project) hooks(s service, built map[label]bool) {
	for _, hook := range s.get("pre_start").list() {
		if v := hook.get("image"); v != nil {
			p.pulled(v, s, s.policy(), built)
		}
	}
}

// volumes finds the images that a service mounts. Of two mounts at the same
// place the last one counts.
func (p *project) volumes(s service, built map[label]bool) {
	mounts := s.get("volumes").list()
	last := map[string]int{}
	for i, v := range mounts {
		last[target(v)] = i
	}
	for i, v := range mounts {
		kind := v.get("type")
		if kind == nil || last[target(v)] != i {
			continue
		}
		switch name, err := kind.resolved(); {
		case err != nil:
			p.fail(kind.at(), image.ComposeImage, kind.written(), err)
		case name != "image":
		case v.get("source") == nil:
			p.fail(kind.at(), image.ComposeImage, kind.written(), errors.New("an image volume without a source"))
		default:
			p.pulled(v.get("source"), s, unsaid, built)
		}
	}
}

// target returns where in the container a volume is mounted.
func target(v *value) string {
	if v.kind == text {
		return shortTarget(v.text)
	}
	if t := v.get("target"); t != nil {
		return path.Clean(t.text)
	}
	return ""
}

// pulled finds the image that v names, if Compose pulls it. It is no news that
// a name is not known where it only names what is built.
func (p *project) pulled(v *value, s service, said policy, built map[label]bool) {
	switch {
	case said == never && built[v.label()]:
	case said == never:
		p.warn(v, "%s is never pulled, as pull_policy says: it is not verified")
	case said == unsaid && built[v.label()]:
		p.found.warn(v.at(), scan.Warning{At: v.at(), Text: "docker compose up asks the registry for the image that this service builds, before it does: set pull_policy: build on every service that uses it"})
	default:
		ref, err := v.ref()
		u := image.Use{Text: v.written(), Ref: ref, At: v.at(), Kind: image.ComposeImage, Foreign: p.foreign(s), Literal: v.literal(), Err: err}
		if built[v.label()] {
			u.Literal = image.Literal{} // what is built gets this name, which must not have a digest
		}
		p.found.use(v.at(), u)
	}
}

// foreign reports whether a service runs on a platform that the user does not
// build for.
func (p *project) foreign(s service) bool {
	platform, err := "", error(nil)
	if v := s.get("platform"); v != nil {
		platform, err = v.resolved()
	}
	if platform == "" {
		platform = p.env.value("DOCKER_DEFAULT_PLATFORM")
	}
	return err != nil && len(p.source.Build.Given) > 0 || platform != "" && p.source.Build.Foreign(platform)
}

func (p *project) warn(v *value, format string) {
	p.found.warn(v.at(), scan.Warning{At: v.at(), Text: fmt.Sprintf(format, cut(v.written()))})
}

// shortTarget returns the target of a volume in short form, SOURCE:TARGET or
// TARGET.
func shortTarget(spec string) string {
	fields := strings.Split(spec, ":")
	if len(fields[0]) == 1 && unicode.IsLetter(rune(fields[0][0])) && len(fields) > 2 { // C:\data:/data
		fields = fields[1:]
	}
	return path.Clean(fields[min(1, len(fields)-1)])
}
