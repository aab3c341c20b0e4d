package audit

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/boltseal/boltseal/image"
)

// A Kind says what a build used.
type Kind string

// The Kinds.
const (
	Image  Kind = "image"
	Layout Kind = "oci-layout" // an image from an OCI layout on a disk
	Blob   Kind = "blob"       // one blob of a repository
	Git    Kind = "git"
	Web    Kind = "web" // a file from the web
)

// A Where says which part of the provenance names a Material.
type Where string

// The places, in the order in which they are read.
const (
	InMaterials Where = "materials" // materials, or resolvedDependencies
	InSteps     Where = "steps"     // a step of the build, which is known in mode max
	InFrontend  Where = "frontend"  // the image that read the Dockerfile (# syntax=)
)

// A Material is one thing that a build used.
type Material struct {
	URI      string // as it is written: hostile text
	Kind     Kind
	Ref      image.Ref // of an Image
	Digest   string    // of an Image; "" where only its tag is named, never so InMaterials
	Platform string    // as it is written; hostile text
	Where    Where
}

// sources are addresses of things that are no images, and that BuildKit writes
// as they were given to it.
var sources = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:(https?)|(git|ssh))://[^/]|^([A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:.)`)
})

// parseMaterial reads a material: its address, and its digests by algorithm. It
// fails on whatever could be an image and does not name exactly one.
func parseMaterial(uri string, digests map[string]string) (Material, error) {
	m := Material{URI: uri, Where: InMaterials}
	if !strings.HasPrefix(uri, "pkg:") {
		switch found := sources().FindStringSubmatch(uri); {
		case found == nil:
			return m, errors.New("it is not of a kind that is known: a package URL of an image, or an address of Git or the web")
		case found[1] == "" || digests["sha1"] != "":
			m.Kind = Git
		default:
			m.Kind = Web
		}
		return m, nil
	}
	p, err := parsePURL(uri)
	if err != nil {
		return m, err
	}
	if m.Kind, m.Ref, err = p.image(); err != nil {
		return m, err
	}
	m.Platform = p.qualifiers["platform"]
	if m.Kind != Image {
		return m, nil
	}
	hex, ok := digests["sha256"]
	if !ok {
		return m, errors.New("it has no sha256 digest: nobody knows which image it was")
	}
	m.Digest = "sha256:" + hex
	switch {
	case !image.ValidDigest(m.Digest):
		return m, fmt.Errorf("its digest %.100q is not 64 lower-case hex digits", hex)
	case m.Ref.Digest() != "" && m.Ref.Digest() != m.Digest:
		return m, fmt.Errorf("it has two digests: %s in its name, and %s", m.Ref.Digest(), m.Digest)
	}
	return m, nil
}

// A purl is a package URL (github.com/package-url/purl-spec), decoded.
type purl struct {
	kind       string
	path       []string // namespace and name
	version    string
	qualifiers map[string]string
}

// segment is what a part of an image's name may have, port and all. What is
// written otherwise could mean one image here and another one elsewhere.
var segment = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:\[\]-]*$`) })

// tags are what a tag may be (OCI distribution-spec, "Pulling manifests").
var tags = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`) })

// parsePURL reads a package URL. It knows those of images only, and refuses what
// has more than one reading: a name with an encoded slash, empty parts, dots for
// a folder, a qualifier that stands twice.
func parsePURL(uri string) (purl, error) {
	p := purl{qualifiers: map[string]string{}}
	rest, ok := strings.CutPrefix(uri, "pkg:")
	if !ok {
		return p, errors.New("it is no package URL")
	}
	if strings.Contains(rest, "#") {
		return p, errors.New("its package URL has a subpath, and images have none")
	}
	rest, query, qualified := strings.Cut(rest, "?")
	p.kind, rest, _ = strings.Cut(rest, "/")
	if p.kind != "docker" && p.kind != "oci" {
		return p, fmt.Errorf("its package URL is of the type %.40q, not docker or oci", p.kind)
	}
	rest, version, tagged := strings.Cut(rest, "@")
	var err error
	if p.version, err = url.PathUnescape(version); err != nil || tagged && p.version == "" {
		return p, fmt.Errorf("its package URL has the version %.100q", version)
	}
	for part := range strings.SplitSeq(rest, "/") {
		name, err := url.PathUnescape(part)
		if err != nil {
			return p, noName(part)
		}
		p.path = append(p.path, name)
	}
	if err := named(p.path); err != nil {
		return p, err
	}
	if !qualified {
		return p, nil
	}
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		text, err := url.PathUnescape(value)
		_, again := p.qualifiers[key]
		if err != nil || text == "" || again || !slices.Contains([]string{"digest", "platform", "ref_type", "repository_url", "tag", "vcs_url"}, key) {
			return p, fmt.Errorf("its package URL has %.100q, which is not known there, or stands there twice", pair)
		}
		p.qualifiers[key] = text
	}
	return p, nil
}

// named says which part is in no image's name.
func named(parts []string) error {
	for _, part := range parts {
		if !segment().MatchString(part) {
			return noName(part)
		}
	}
	return nil
}

func noName(part string) error {
	return fmt.Errorf("its package URL has the part %.100q, which is in no image's name", part)
}

// image returns the reference of the image that p names, with a digest where p
// has one.
func (p purl) image() (Kind, image.Ref, error) {
	name, tag, digest := strings.Join(p.path, "/"), p.version, p.qualifiers["digest"]
	repository := p.qualifiers["repository_url"]
	switch {
	case p.qualifiers["ref_type"] != "": // a blob, or a bundle of Git objects
		return Blob, image.Ref{}, nil
	case p.kind == "oci" && repository == "": // as BuildKit writes it
		return Layout, image.Ref{}, nil
	case p.kind == "oci": // it has the whole name
		name = repository
	case repository != "":
		name = repository + "/" + name
	}
	if image.ValidDigest(tag) { // purl-spec has digests as versions
		if digest != "" && digest != tag {
			return Image, image.Ref{}, fmt.Errorf("its package URL has two digests: %.100s and %.100s", tag, digest)
		}
		tag, digest = p.qualifiers["tag"], tag
	} else if p.qualifiers["tag"] != "" {
		return Image, image.Ref{}, errors.New("its package URL has two tags")
	}
	if err := named(strings.Split(name, "/")); err != nil { // repository_url has parts, too
		return Image, image.Ref{}, err
	}
	// Part by part: what stands in one of them cannot move the end of another.
	if _, err := image.ParseRepository(name); err != nil {
		return Image, image.Ref{}, err
	}
	if tag != "" && !tags().MatchString(tag) {
		return Image, image.Ref{}, fmt.Errorf("its package URL has the tag %.100q", tag)
	}
	if tag != "" {
		name += ":" + tag
	}
	if digest != "" {
		name += "@" + digest
	}
	ref, err := image.Parse(name)
	return Image, ref, err
}
