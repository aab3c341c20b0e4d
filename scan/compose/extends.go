package compose

import (
	"fmt"
	"path"
	"slices"

	"github.com/boltseal/boltseal/image"
)

// bases are services that others can extend: those of one file.
type bases struct {
	file     string
	services map[string]*value
	resets   [][]string // of the file
	section  string
}

// A link is a service that extends another.
type link struct{ file, service string }

// extend returns cfg with every service merged into the one that it extends
// (Compose Specification, 05-services.md, extends).
func (p *project) extend(cfg *value, resets [][]string, in *loading) *value {
	for _, key := range sections() {
		section := cfg.get(key)
		if section == nil {
			continue
		}
		// A service that another one extends is worked out once.
		b := &bases{file: cfg.src.Name, services: map[string]*value{}, resets: resets, section: key}
		for name, s := range section.of {
			b.services[name] = s
		}
		cfg = cfg.with(key, section.each(func(name string, _ *value) *value {
			return p.extended(name, b, in, nil)
		}))
	}
	return cfg
}

// extended returns a service of b with all that it extends.
func (p *project) extended(name string, b *bases, in *loading, chain []link) *value {
	s := b.services[name]
	ext := s.get("extends")
	if ext == nil {
		return s
	}
	s = s.with("extends", nil)
	from, base := p.base(name, ext, b, in)
	if from == nil {
		b.services[name] = s // so that it is reported once
		return s
	}
	this := link{b.file + " " + b.section, name}
	switch {
	case slices.Contains(chain, this):
		p.fail(ext.at(), image.ComposeImage, ext.written(), fmt.Errorf("the services extend each other, %s itself", name))
		return s
	case len(chain) >= maxNested:
		p.fail(ext.at(), image.ComposeImage, ext.written(), fmt.Errorf("extends more than %d services in a row", maxNested))
		return s
	}
	under := p.extended(base, from, in, append(chain[:len(chain):len(chain)], this))
	if under.get() != nil {
		s = p.merge(p.reset(under, b.resets, b.section, name), s, b.section, name)
	}
	b.services[name] = s
	return s
}

// base returns what ext names: a service, and those it is among. It returns nil
// where there is no such service, which is reported.
func (p *project) base(name string, ext *value, b *bases, in *loading) (*bases, string) {
	ref, from := ext, b
	if ext.kind == mapping {
		ref = ext.get("service")
		if file := ext.get("file"); file != nil {
			if from = p.basesOf(file, in); from == nil {
				return nil, ""
			}
		}
	}
	if ref == nil || ref.kind != text {
		p.fail(ext.at(), image.ComposeImage, ext.written(), fmt.Errorf("%s extends no service", name))
		return nil, ""
	}
	base, err := ref.resolved()
	if _, ok := from.services[base]; err == nil && !ok {
		err = fmt.Errorf("%s extends the service %q, which is not in %s", name, base, from.file)
	}
	if err != nil {
		p.fail(ref.at(), image.ComposeImage, ref.written(), err)
		return nil, ""
	}
	return from, base
}

// basesOf returns the services of another file, whose paths are relative to its
// own folder. As in compose-go, its variables are those of the project, and
// what it includes is not there.
func (p *project) basesOf(v *value, in *loading) *bases {
	name, ok := p.located(v, v.src.dir)
	if !ok {
		return nil
	}
	if b, done := in.bases[name]; done {
		return b
	}
	b := &bases{file: name, services: map[string]*value{}, section: "services"}
	in.bases[name] = b
	src := p.open(name, path.Dir(name), in.env)
	var m *value
	for _, doc := range src.Docs {
		if cfg, resets := p.model(src, doc); cfg != nil {
			m, b.resets = p.merge(p.reset(m, resets), cfg), resets
		}
	}
	if services := m.get("services"); services != nil {
		for key, s := range services.of {
			b.services[key] = s
		}
	}
	return b
}
