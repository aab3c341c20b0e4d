package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/strictjson"
)

// MaxBytes bounds a document that is read, and what is attached to one image
// together, in bytes.
const MaxBytes = 32 << 20

const (
	// maxParts bounds the materials, steps and requests of one provenance
	// together, and the names of one object. A large build has some hundreds.
	maxParts = 10_000
	// maxAll bounds the same for all that comes with one file or image, where
	// each provenance counts too.
	maxAll = 10 * maxParts
	// maxNested bounds how deep the request of a build may have others within.
	// Builds of bake that build upon each other are a few deep.
	maxNested = 16
)

// A Provenance is what BuildKit says one build used.
type Provenance struct {
	Materials []Material
	// Steps is whether the build's steps are known, as they are in mode max.
	Steps bool
	// Named are the images that steps and frontend name. BuildKit leaves an
	// image out of the materials that is named by digest where the same name and
	// tag is used without one (Capture.OptimizeImageSources), whatever the digest.
	Named []Material

	parts int // materials, steps and requests, at most maxParts
}

// count adds n parts, and fails if they are too many.
func (p *Provenance) count(n int) error {
	if p.parts += n; p.parts > maxParts {
		return flawed(Malformed, again, "the provenance has more than %d materials, steps and requests, and no more are read", maxParts)
	}
	return nil
}

// all returns the materials, and what else was named and is none of them. Of an
// image that is named by tag, the material with that tag says which one it was.
func (p *Provenance) all() []Material {
	known := map[string]bool{}
	for _, m := range p.Materials {
		if m.Kind != Image {
			known[string(m.Kind)] = true // none of its kind ever passes
			continue
		}
		known[m.Ref.Name()+"@"+m.Digest] = true
		known[m.Ref.Name()+":"+m.Ref.Tag()] = true // ":" where it has none
		known[m.Ref.Name()+":"+m.Ref.Tag()+"@"+m.Digest] = true
	}
	all := p.Materials[:len(p.Materials):len(p.Materials)]
	for _, m := range p.Named {
		key := m.Ref.Name() + "@" + m.Digest
		switch {
		case m.Kind == Image && m.Digest != "" && m.Ref.Tag() != "": // the same digest for another tag is another thing
			key = m.Ref.Name() + ":" + m.Ref.Tag() + "@" + m.Digest
		case m.Kind != Image:
			key = string(m.Kind)
		case m.Digest == "" && known[m.Ref.Name()+":"]: // a source policy can have dropped the tag
			continue
		case m.Digest == "":
			key = m.Ref.Name() + ":" + m.Ref.Tag()
		}
		if !known[key] {
			known[key] = true
			all = append(all, m)
		}
	}
	return all
}

// The build types of BuildKit's provenance. What other builders call materials
// need not be all the images that they used.
const (
	buildType02 = "https://mobyproject.org/buildkit@v1"
	buildType1  = "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md"
)

// names are the names that decide what a provenance says. In opaque values names
// are the user's, such as those of build arguments, or are not read.
func names() strictjson.Shape {
	return strictjson.Shape{
		Names: []string{
			"predicateType", "predicate", "subject", "buildType", "materials", "uri", "digest", "sha256",
			"invocation", "parameters", "frontend", "args", "inputs", "root", "request", "locals", "buildConfig", "llbDefinition",
			"identifier", "metadata", "completeness", "buildDefinition", "resolvedDependencies", "externalParameters",
			"internalParameters", "runDetails", "buildkit_completeness",
		},
		Opaque: []string{"args", "inputs", "environment", "attrs", "vcs", "buildkit_metadata", "https://mobyproject.org/buildkit@v1#metadata"},
	}
}

// A form is where the parts of a provenance are.
type form struct {
	materials object // that has them, by the name of list
	list      string
	config    object          // has llbDefinition
	request   object          // has locals
	requests  json.RawMessage // the same, with frontend, args, and the requests within; nil where there is none
	complete  object          // has completeness of the materials, by the name of whole
	whole     string
}

// readProvenance reads the predicate of a provenance. It returns an error
// unless that is known to be a list of everything that the build used, the
// local context and what docs/audit.md tells aside.
func readProvenance(raw json.RawMessage) (*Provenance, error) {
	o, err := objectOf(raw)
	if err == nil {
		err = names().Check(raw)
	}
	if err != nil {
		return nil, flawed(Malformed, again, "the provenance: %w", err)
	}
	f, err := formOf(o)
	if err != nil {
		return nil, err
	}
	p := &Provenance{}
	if err := p.readMaterials(f); err != nil {
		return nil, err
	}
	if err := p.readSteps(f.config); err != nil {
		return nil, err
	}
	if f.requests != nil {
		err := p.readRequest(json.NewDecoder(bytes.NewReader(f.requests)), 0)
		switch why := (*flaw)(nil); {
		case errors.As(err, &why):
			return nil, err
		case err != nil:
			return nil, flawed(Malformed, again, "the provenance's request: %w", err)
		}
	}
	return p, f.incomplete()
}

// formOf tells SLSA v0.2 and v1 apart.
func formOf(o object) (form, error) {
	_, v1 := o["buildDefinition"]
	_, v02 := o["materials"]
	var buildType string
	var f form
	var errs [4]error
	if v1 {
		definition, err := o.at("buildDefinition")
		if err != nil {
			return f, flawed(Malformed, again, "the provenance: %w", err)
		}
		f.materials, f.list, f.whole = definition, "resolvedDependencies", "resolvedDependencies"
		errs[0] = definition.decode("buildType", &buildType)
		f.config, errs[1] = definition.at("internalParameters", "buildConfig")
		f.request, errs[2] = definition.at("externalParameters", "request")
		if outer, err := definition.at("externalParameters"); err == nil {
			f.requests = outer["request"]
		}
		f.complete, errs[3] = o.at("runDetails", "metadata", "buildkit_completeness")
	} else {
		f.materials, f.list, f.whole = o, "materials", "materials"
		errs[0] = o.decode("buildType", &buildType)
		f.config, errs[1] = o.at("buildConfig")
		f.request, errs[2] = o.at("invocation", "parameters")
		if outer, err := o.at("invocation"); err == nil {
			f.requests = outer["parameters"]
		}
		f.complete, errs[3] = o.at("metadata", "completeness")
	}
	if err := errors.Join(errs[:]...); err != nil {
		return f, flawed(Malformed, again, "the provenance: %w", err)
	}
	switch {
	case v1 && v02:
		return f, flawed(Malformed, again, "the provenance is one of SLSA v0.2 and one of v1 at the same time")
	case buildType != buildType02 && buildType != buildType1:
		return f, flawed(NoProvenance, "audit what BuildKit says of its builds", "the provenance is of the build type %.200q, not of BuildKit, so nobody knows whether its materials are all the images that were used", buildType)
	}
	return f, nil
}

func (p *Provenance) readMaterials(f form) error {
	list, err := f.materials.list(f.list)
	if err != nil {
		return flawed(Malformed, again, "the provenance: %w", err)
	}
	if err := p.count(len(list)); err != nil {
		return err
	}
	for i, raw := range list {
		m, err := readMaterial(raw)
		if err != nil {
			return flawed(Malformed, again, "material %d, %.300q: %w", i+1, m.URI, err)
		}
		p.Materials = append(p.Materials, m)
	}
	return nil
}

func readMaterial(raw json.RawMessage) (Material, error) {
	o, err := objectOf(raw)
	if err != nil {
		return Material{}, err
	}
	var uri string
	if err := o.decode("uri", &uri); err != nil {
		return Material{}, err
	}
	digests := map[string]string{}
	all, err := o.at("digest")
	if err != nil {
		return Material{URI: uri}, err
	}
	for name := range all {
		var value string
		if err := all.decode(name, &value); err != nil {
			return Material{URI: uri}, err
		}
		digests[name] = value
	}
	return parseMaterial(uri, digests)
}

// readSteps reads the build's steps, where they are there: all of them, or it
// is an error. Each is of a kind that is known.
func (p *Provenance) readSteps(config object) error {
	steps, err := config.list("llbDefinition")
	if err != nil {
		return flawed(Malformed, again, "the provenance's steps: %w", err)
	}
	if err := p.count(len(steps)); err != nil {
		return err
	}
	ids, inputs, last := map[string]bool{}, []string{}, false
	for i, raw := range steps {
		s, err := stepOf(raw)
		if err == nil {
			err = p.readStep(s.op)
		}
		switch f := (*flaw)(nil); {
		case errors.As(err, &f):
			return err
		case err != nil:
			return flawed(Malformed, again, "step %d of the build: %w", i, err)
		}
		ids[s.id] = true
		inputs = append(inputs, s.inputs...)
		last = last || len(s.op) == 0
	}
	p.Steps = len(steps) > 0
	for _, in := range inputs {
		if id, _, _ := strings.Cut(in, ":"); !ids[id] {
			return flawed(Incomplete, again, "a step of the build uses %.40q, which is not among its steps", in)
		}
	}
	if p.Steps && !last {
		return flawed(Incomplete, again, "the build's steps have no end")
	}
	return nil
}

// A step is one of the build's.
type step struct {
	id     string
	op     object // by kind; empty for the end of the build
	inputs []string
}

func stepOf(raw json.RawMessage) (step, error) {
	var s step
	o, err := objectOf(raw)
	if err != nil {
		return s, err
	}
	op, err := o.at("op")
	if err := errors.Join(err, o.decode("id", &s.id), o.decode("inputs", &s.inputs)); err != nil {
		return s, err
	}
	what, ok := op["Op"]
	switch {
	case !ok:
		return s, errors.New("it says nothing of what it does")
	case string(what) == "null": // as older BuildKit writes it
		return s, nil
	}
	s.op, err = objectOf(what)
	return s, err
}

// readStep reads what one step does: one thing, or nothing, which is the end.
func (p *Provenance) readStep(op object) error {
	if len(op) > 1 {
		return errors.New("it does more than one thing")
	}
	for kind := range op {
		switch kind {
		case "exec", "file", "merge", "diff", "passthrough":
		case "build":
			return flawed(Incomplete, "build without nested builds", "a step of the build is a build itself, and BuildKit does not record what that one uses")
		case "source":
			source, err := op.at("source")
			if err != nil {
				return err
			}
			var identifier string
			if err := source.decode("identifier", &identifier); err != nil {
				return err
			}
			return p.readSource(identifier)
		default:
			return fmt.Errorf("it is of the kind %.40q, which is not known", kind)
		}
	}
	return nil
}

// readSource reads BuildKit's identifier of a source.
func (p *Provenance) readSource(identifier string) error {
	scheme, rest, _ := strings.Cut(identifier, "://")
	m := Material{URI: identifier, Where: InSteps}
	switch scheme {
	case "local", "git", "http", "https": // the last three are among the materials
		return nil
	case "docker-image":
		return p.name(m, rest)
	case "oci-layout":
		m.Kind = Layout
	case "docker-image+blob", "oci-layout+blob":
		m.Kind = Blob
	default:
		return fmt.Errorf("it reads %.200q, of a kind that is not known", identifier)
	}
	p.Named = append(p.Named, m)
	return nil
}

// name adds the image that text refers to.
func (p *Provenance) name(m Material, text string) error {
	ref, err := image.Parse(text)
	if err != nil {
		return err
	}
	m.Kind, m.Ref, m.Digest = Image, ref, ref.Digest()
	p.Named = append(p.Named, m)
	return nil
}

// readRequest reads which image, if one, read the Dockerfile: of the build, and
// of those that it builds upon; this one is so many requests deep. It reads them
// as they come, so that what lies deep costs no more than what does not.
func (p *Provenance) readRequest(dec *json.Decoder, depth int) error {
	if depth > maxNested {
		return flawed(Malformed, again, "the provenance's requests are nested deeper than %d", maxNested)
	}
	if err := p.count(1); err != nil {
		return err
	}
	var frontend string
	var args json.RawMessage
	err := members(dec, func(name string) error {
		switch name {
		case "frontend":
			return below(name, dec.Decode(&frontend))
		case "args":
			return below(name, dec.Decode(&args))
		case "root":
			return below(name, p.readInput(dec, depth))
		case "inputs":
			return below(name, members(dec, func(input string) error {
				return below(fmt.Sprintf("%.100q", input), p.readInput(dec, depth))
			}))
		}
		return dec.Decode(&skipped{})
	})
	if err != nil {
		return err
	}
	switch frontend {
	case "", "dockerfile.v0": // none, or BuildKit's own
		return nil
	case "gateway.v0":
		var source string
		o, err := object{}, error(nil)
		if args != nil {
			o, err = objectOf(args)
			err = below("args", err)
		}
		if err == nil {
			err = o.decode("source", &source)
		}
		if err == nil {
			err = p.name(Material{URI: source, Where: InFrontend}, source)
		}
		if err != nil {
			return flawed(Malformed, again, "the provenance's frontend: %w", err)
		}
		return nil
	}
	return flawed(Incomplete, "build with a Dockerfile", "the frontend %.100q is not known, and so is not what it uses", frontend)
}

// below says where err is; what says enough stays as it is.
func below(name string, err error) error {
	if f := (*flaw)(nil); err == nil || errors.As(err, &f) {
		return err
	}
	return fmt.Errorf("%s: %w", name, err)
}

// readInput reads the request of a build that another one builds upon, if it has
// one.
func (p *Provenance) readInput(dec *json.Decoder, depth int) error {
	return members(dec, func(name string) error {
		if name == "request" {
			return below(name, p.readRequest(dec, depth+1))
		}
		return dec.Decode(&skipped{})
	})
}

// incomplete returns an error if BuildKit says that the materials are not all,
// and a local context, which is never among them, does not explain it.
func (f form) incomplete() error {
	if f.complete == nil {
		return nil // mode min of buildx's metadata leaves it out
	}
	whole := false
	locals, err := f.request.list("locals")
	if err := errors.Join(f.complete.decode(f.whole, &whole), err); err != nil {
		return flawed(Malformed, again, "the provenance: %w", err)
	}
	if !whole && len(locals) == 0 {
		return flawed(Incomplete, "build without nested builds, and without a proxy that BuildKit cannot look into", "BuildKit says that the materials are not all that the build used, and there is no local context that would explain it")
	}
	return nil
}
