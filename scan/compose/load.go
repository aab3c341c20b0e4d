package compose

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlnode"
)

// A loading is of files that are merged with each other: those of the project,
// or those that one include names.
type loading struct {
	dir    string // the project directory, that paths are relative to
	env    *environment
	within []string          // the files whose include led here
	bases  map[string]*bases // by file, of extends
	resets [][]string        // of the documents that were read
}

// opened parses the files of a project, which name it in its environment.
func (p *project) opened(names []string, env *environment) *loading {
	dir, written := path.Dir(names[0]), ""
	for _, name := range names {
		for _, doc := range p.parsed(name).Docs {
			if n := yamlnode.Find(doc, "name"); !yamlnode.IsNull(n) && n.Value != "" {
				written = n.Value
			}
		}
	}
	env.name(interpolate(written, env).text, dir)
	return &loading{dir: dir, env: env, bases: map[string]*bases{}}
}

// load returns the model that the files are when they are merged, in their
// order. It is a mapping, or nil where they say nothing.
func (p *project) load(names []string, in *loading) *value {
	var m *value
	for _, name := range names {
		src := p.open(name, in.dir, in.env)
		for _, doc := range src.Docs {
			m = p.document(m, src, doc, in)
		}
	}
	return m
}

// document returns m with a document merged into it. As in compose-go, what it
// includes is there before extends looks for services, and both come before the
// merge with other files.
func (p *project) document(m *value, src *source, doc *yaml.Node, in *loading) *value {
	if yamlnode.IsNull(doc) {
		return m
	}
	p.firstFormat(src, doc)
	cfg, resets := p.model(src, doc)
	if cfg == nil {
		return m
	}
	cfg = p.include(cfg, resets, in)
	m = p.reset(m, resets)
	cfg = p.extend(cfg, resets, in)
	in.resets = append(in.resets, resets...)
	return p.merge(m, cfg)
}

// model reads a document whose services and jobs are mappings of mappings; what
// is something else is reported and left out.
func (p *project) model(src *source, doc *yaml.Node) (*value, [][]string) {
	r := &reader{p: p, src: src}
	cfg := r.read(doc)
	if cfg == nil || cfg.kind != mapping {
		p.fail(src.At(doc), image.ComposeImage, "", errors.New("a Compose file is a mapping with services; this is none"))
		return nil, nil
	}
	for _, key := range sections() {
		section := cfg.get(key)
		if section == nil {
			cfg = cfg.with(key, nil)
			continue
		}
		if section.kind != mapping {
			p.fail(section.at(), image.ComposeImage, section.written(), fmt.Errorf("%s is %v, not a mapping", key, section.kind))
			cfg = cfg.with(key, nil)
			continue
		}
		cfg = cfg.with(key, section.each(func(name string, s *value) *value {
			if s.kind == mapping || s.kind == null {
				return s
			}
			p.fail(s.at(), image.ComposeImage, s.written(), fmt.Errorf("%s.%s is %v, not a mapping", key, name, s.kind))
			return nil
		}))
	}
	return cfg, r.resets
}

// sections are the keys of a Compose file that hold what runs in containers.
func sections() []string { return []string{"services", "jobs"} }

// firstFormat reports services at the top level, as Compose had them before
// version 2 of its format. Compose refuses them now.
func (p *project) firstFormat(src *source, doc *yaml.Node) {
	if yamlnode.Find(doc, "services") != nil {
		return
	}
	for _, pair := range yamlnode.Pairs(doc) {
		if len(pair.Key.Value) > 1 && pair.Key.Value[:2] == "x-" {
			continue
		}
		for _, key := range []string{"image", "build"} {
			if n := yamlnode.Find(pair.Value, key); n != nil && n.Kind == yaml.ScalarNode {
				s, _ := src.Scalar(n)
				p.fail(s.At, image.ComposeImage, s.Text, fmt.Errorf("the service %s is at the top level, as in version 1 of the format: write it under services", pair.Key.Value))
			}
		}
	}
}

// defaults gives every build without a context that of its project's
// directory.
func (p *project) defaults(m *value, dir string) *value {
	return m.eachService(func(_, _ string, s *value) *value {
		b := s.get("build")
		if b == nil || b.kind != mapping || b.get("context") != nil {
			return s
		}
		src := *b.src
		src.dir = dir
		return s.with("build", b.with("context", &value{src: &src, node: b.node, kind: text, filled: filled{text: "."}}))
	})
}

// each returns the mapping v with what f makes of its values; nil takes one
// away.
func (v *value) each(f func(key string, v *value) *value) *value {
	out := *v
	out.keys, out.of = nil, make(map[string]*value, len(v.of))
	for _, key := range v.keys {
		if sub := f(key, v.of[key]); sub != nil {
			out.keys = append(out.keys, key)
			out.of[key] = sub
		}
	}
	return &out
}

// eachService returns the model v with what f makes of its services and jobs.
func (v *value) eachService(f func(section, name string, s *value) *value) *value {
	for _, key := range sections() {
		if section := v.get(key); section != nil {
			v = v.with(key, section.each(func(name string, s *value) *value { return f(key, name, s) }))
		}
	}
	return v
}

// complete returns m, the model of a file that Compose does not look for by
// itself (or, unchanged, of several files), and what its services come to that have a build without a context:
// each is merged into the one of that name in the folder's default file. By
// itself such a service counts only if there is a Dockerfile for it.
func (p *project) complete(m *value, group []string, in *loading) (own, merged *value) {
	base := p.first(in.dir, defaultNames())
	if base == "" || len(group) > 1 || base == group[0] {
		return m, nil
	}
	var under *value
	merged = m.eachService(func(section, name string, s *value) *value {
		b := s.get("build")
		if b == nil || b.kind != mapping || b.get("context") != nil || b.get("dockerfile_inline") != nil {
			return nil
		}
		if under == nil {
			p.found.opened(base)
			// What is wrong with that file is reported where it is scanned.
			other := newProject(p.source, p.dockerfile)
			under = other.load([]string{base}, other.opened([]string{base}, other.environment(in.dir)))
		}
		theirs := p.reset(under.get(section, name), in.resets, section, name)
		if theirs.get("build") == nil {
			return nil
		}
		return p.merge(theirs, s, section, name)
	})
	own = m.eachService(func(section, name string, s *value) *value {
		if merged.get(section, name) == nil || p.hasDockerfile(s.get("build"), in.dir) {
			return s
		}
		return nil
	})
	return own, merged
}

// hasDockerfile reports whether there is a Dockerfile for a build in dir.
func (p *project) hasDockerfile(b *value, dir string) bool {
	name := "Dockerfile"
	if v := b.get("dockerfile"); v.says() {
		name = v.text
	}
	full, err := within(dir, name)
	return err == nil && p.first(".", []string{full, path.Join(path.Dir(full), strings.ToLower(path.Base(full)))}) != ""
}
