package dockerfile

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
	"github.com/containerd/platforms"
)

// A setting is one build of the file: for one platform, and one target where
// the file looks at that.
type setting struct {
	build, target *platforms.Platform // nil: not known
	stage         string              // TARGETSTAGE
}

// platform reads one as BuildKit does (dockerui/attr.go), and as buildx does
// before it, which says "local" for the builder's.
func platform(text, builder string) (*platforms.Platform, error) {
	if strings.EqualFold(text, "local") {
		text = builder
	}
	if text == "" {
		return nil, nil
	}
	p, err := platforms.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("platform %q: write it as os/arch or os/arch/variant: %w", text, brief(err))
	}
	p = platforms.Normalize(p)
	return &p, nil
}

// predefine gives s the variables that every build has: dockerfile2llb/platform.go,
// defaultArgs.
func (s *scope) predefine(t setting, args map[string]string) {
	set := func(name, text string, known bool) {
		v := plain(text)
		if !known {
			v.unknown = []string{name}
		}
		if given, ok := args[name]; ok {
			v = plain(given)
		}
		s.vars[name] = v
	}
	for prefix, p := range map[string]*platforms.Platform{"BUILD": t.build, "TARGET": t.target} {
		known := p != nil
		if !known {
			p = &platforms.Platform{}
		}
		format := platforms.FormatAll
		if prefix == "BUILD" {
			format = platforms.Format
		}
		set(prefix+"PLATFORM", format(*p), known)
		set(prefix+"OS", p.OS, known)
		set(prefix+"OSVERSION", p.OSVersion, known)
		set(prefix+"ARCH", p.Architecture, known)
		set(prefix+"VARIANT", p.Variant, known)
	}
	set("TARGETSTAGE", t.stage, true)
}

// declare gives s the ARGs before the first FROM: convert.go, buildMetaArgs. It
// returns what is wrong with them, at their places.
func (s *scope) declare(args []arg, given map[string]string) []image.Use {
	var wrong []image.Use
	for _, a := range args {
		if len(wrong) > maxUses {
			break
		}
		if text, ok := given[a.key]; ok {
			s.vars[a.key] = plain(text)
			continue
		}
		if a.value == nil {
			continue
		}
		_, again := s.defaults[a.key]
		s.defaults[a.key] = image.Literal{}
		v, err := s.expand(*a.value)
		if err != nil {
			wrong = append(wrong, image.Use{Text: a.place.text, At: a.place.at, Kind: image.From, Err: fmt.Errorf("ARG %s: %w", a.key, err)})
			v = value{traced: s.trace(a.key)}
		}
		s.vars[a.key] = v
		if !again {
			s.defaults[a.key] = a.given.unquoted().literal(v.text)
		}
	}
	return wrong
}

// unresolved returns why v is not to be relied on, nil if it is.
func (s *scope) unresolved(v value, args []arg, b scan.Build) error {
	if len(v.unknown) > 0 {
		return fmt.Errorf("the reference depends on %s, which only the builder knows: give --platform", v.unknown[0])
	}
	var all []error
	for _, name := range s.absent(v) {
		all = append(all, valueless(name, args, b))
	}
	return errors.Join(all...)
}

func valueless(name string, args []arg, b scan.Build) error {
	declared := false
	for _, a := range args {
		declared = declared || a.key == name
	}
	_, given := b.Args[name]
	switch {
	case !unicode.IsLetter([]rune(name + "$")[0]) && name[0] != '_':
		return fmt.Errorf("the reference depends on $%s, which has no value in a Dockerfile", name)
	case declared && given:
		return fmt.Errorf("the reference depends on ARG %s, which is used before the line that declares it: move ARG %s up", name, name)
	case declared:
		return fmt.Errorf("the reference depends on ARG %s, which has no value: give it with --build-arg %s=…", name, name)
	}
	return fmt.Errorf("the reference depends on %s, which no ARG before the first FROM declares: declare it there, and give it with --build-arg %s=…", name, name)
}
