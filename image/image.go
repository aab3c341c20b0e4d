// Package image names container images and the places that use them.
package image

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
)

// digestPattern is the only digest form accepted anywhere: BuildKit, containerd
// and every signature format read here bind images by SHA-256.
var digestPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^sha256:[0-9a-f]{64}$`) })

// pathPattern is the grammar of a repository name (OCI distribution-spec,
// "Pulling manifests"); the name package checks only the characters.
var pathPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
})

// ValidDigest reports whether s is "sha256:" and 64 lower-case hex digits.
func ValidDigest(s string) bool { return digestPattern().MatchString(s) }

// A Ref is an image reference as somebody wrote it, with Docker's defaults
// filled in: "alpine" is docker.io/library/alpine:latest. It names a tag, a
// digest, or both; the digest then decides. The zero Ref names nothing.
type Ref struct{ registry, repository, tag, digest string }

// foreign reports whether r is in no reference. The name package takes any
// host, and the network may take it for another one.
func foreign(r rune) bool { return r <= ' ' || r > '~' }

// Parse reads a reference as docker pull does. It accepts NAME, NAME:TAG,
// NAME@sha256:HEX and NAME:TAG@sha256:HEX.
func Parse(text string) (Ref, error) {
	if strings.ContainsFunc(text, foreign) {
		return Ref{}, fmt.Errorf("reference %+q: write it as registry/repository:tag: it has spaces, or characters beyond ASCII", text)
	}
	base, digest, pinned := strings.Cut(text, "@")
	if pinned && !ValidDigest(digest) {
		return Ref{}, fmt.Errorf("reference %q: digest %q is not sha256: and 64 lower-case hex digits", text, digest)
	}
	tag, err := name.NewTag(base)
	if err != nil {
		return Ref{}, fmt.Errorf("reference %q: write it as registry/repository:tag or registry/repository@sha256:…: %w", text, err)
	}
	if !pathPattern().MatchString(tag.RepositoryStr()) {
		return Ref{}, fmt.Errorf("reference %q: %q is not a repository name", text, tag.RepositoryStr())
	}
	if strings.ContainsAny(tag.TagStr()[:1], ".-") { // OCI distribution-spec, "Pulling manifests"
		return Ref{}, fmt.Errorf("reference %q: a tag does not begin with %q", text, tag.TagStr()[:1])
	}
	r := Ref{registry: tag.RegistryStr(), repository: tag.RepositoryStr(), tag: tag.TagStr(), digest: digest}
	if pinned && !strings.HasSuffix(base, ":"+r.tag) {
		r.tag = "" // "latest" was only NewTag's default
	}
	if r.registry == name.DefaultRegistry {
		r.registry = "docker.io"
	}
	return r, nil
}

// ParseRepository reads a repository name, without tag or digest. The Ref it
// returns names no image; it serves where only [Ref.Registry] and
// [Ref.Repository] matter.
func ParseRepository(text string) (Ref, error) {
	if strings.ContainsFunc(text, foreign) {
		return Ref{}, fmt.Errorf("repository %+q: write it as registry/repository: it has spaces, or characters beyond ASCII", text)
	}
	repo, err := name.NewRepository(text)
	if err != nil {
		return Ref{}, fmt.Errorf("repository %q: write it as registry/repository, without a tag: %w", text, err)
	}
	if !pathPattern().MatchString(repo.RepositoryStr()) {
		return Ref{}, fmt.Errorf("repository %q: %q is not a repository name", text, repo.RepositoryStr())
	}
	r := Ref{registry: repo.RegistryStr(), repository: repo.RepositoryStr()}
	if r.registry == name.DefaultRegistry {
		r.registry = "docker.io"
	}
	return r, nil
}

// Registry returns the host, with a port where one was written. Docker Hub is
// "docker.io".
func (r Ref) Registry() string { return r.registry }

// Repository returns the path within the registry, such as "library/alpine".
func (r Ref) Repository() string { return r.repository }

// Name returns registry and repository, such as "docker.io/library/alpine".
func (r Ref) Name() string { return r.registry + "/" + r.repository }

// Tag returns the tag; "" where only a digest was written.
func (r Ref) Tag() string { return r.tag }

// Digest returns the digest that was written, "" where there is none.
func (r Ref) Digest() string { return r.digest }

// Familiar returns the short spelling of r, by which BuildKit looks for what
// stands in for an image: "alpine:3" for docker.io/library/alpine:3, "alpine"
// where its tag is latest.
func (r Ref) Familiar() string {
	name := strings.TrimPrefix(r.String(), "docker.io/")
	if short, ok := strings.CutPrefix(r.repository, "library/"); ok && r.registry == "docker.io" && !strings.Contains(short, "/") {
		name = strings.TrimPrefix(name, "library/")
	}
	return strings.TrimSuffix(name, ":latest")
}

// IsZero reports whether r names nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

func (r Ref) String() string {
	s := r.Name()
	if r.tag != "" {
		s += ":" + r.tag
	}
	if r.digest != "" {
		s += "@" + r.digest
	}
	return s
}

// Pin binds r to digest. It fails if r was written with another digest, names
// nothing, or digest is malformed.
func (r Ref) Pin(digest string) (Pinned, error) {
	switch {
	case r.repository == "":
		return Pinned{}, errors.New("pin: empty reference")
	case !ValidDigest(digest):
		return Pinned{}, fmt.Errorf("pin %s: %q is not a sha256 digest", r, digest)
	case r.digest != "" && r.digest != digest:
		return Pinned{}, fmt.Errorf("pin: reference says %s, registry says %s", r.digest, digest)
	}
	return Pinned{ref: r, digest: digest}, nil
}

// A Pinned is a Ref bound to the digest of its manifest or index. Only
// [Ref.Pin] and [Pinned.At] make one; the zero Pinned names nothing.
type Pinned struct {
	ref       Ref
	digest    string
	mediaType string
	size      int64
	children  []Child
}

// Platform returns "os/arch" or "os/arch/variant", spelled the way container
// runtimes understand it (containerd/platforms, Normalize): what they take for
// the same has to be the same here, or another manifest would be run than the
// one that was looked at.
func Platform(os, arch, variant string) string {
	os, arch, variant = strings.ToLower(os), strings.ToLower(arch), strings.ToLower(variant)
	if os == "macos" {
		os = "darwin"
	}
	switch arch {
	case "i386":
		arch, variant = "386", ""
	case "x86_64", "x86-64":
		arch = "amd64"
	case "aarch64":
		arch = "arm64"
	case "armhf":
		arch, variant = "arm", "v7"
	case "armel":
		arch, variant = "arm", "v6"
	}
	switch {
	case arch == "amd64" && variant == "v1", arch == "arm64" && (variant == "8" || variant == "v8"):
		variant = ""
	case arch == "arm" && variant == "":
		variant = "v7"
	case arch == "arm" && len(variant) == 1:
		variant = "v" + variant
	}
	if variant == "" {
		return os + "/" + arch
	}
	return os + "/" + arch + "/" + variant
}

// A Child is one manifest that an index lists.
type Child struct {
	Digest    string
	MediaType string
	Platform  string // as Platform spells it; "" where the index names none, or half of one
	// Attests is the digest of the platform manifest that this BuildKit
	// attestation manifest claims to be about; "" for an image. It stands in the
	// index, which the attestation's signer did not sign: a hint, not evidence.
	Attests string
}

// Ref returns the reference p was made from.
func (p Pinned) Ref() Ref { return p.ref }

// Digest returns the digest p is bound to, "" for the zero Pinned.
func (p Pinned) Digest() string { return p.digest }

// MediaType returns the manifest's media type, "" where the manifest was not
// read: a reference by digest is verified without it.
func (p Pinned) MediaType() string { return p.mediaType }

// Size returns the size of the manifest in bytes, 0 where the manifest was not
// read.
func (p Pinned) Size() int64 { return p.size }

// Children returns what the index lists, nil for a single manifest or one that
// was not read.
func (p Pinned) Children() []Child { return slices.Clone(p.children) }

// Described returns p with what its manifest says of itself. The caller must
// have checked that the manifest has p's digest.
func (p Pinned) Described(mediaType string, children []Child) Pinned {
	p.mediaType, p.children = mediaType, slices.Clone(children)
	return p
}

// Sized returns p with the size of its manifest, in bytes. The caller must have
// checked that the manifest has p's digest.
func (p Pinned) Sized(size int64) Pinned {
	p.size = size
	return p
}

// At returns the manifest with the given digest in p's repository, undescribed.
func (p Pinned) At(digest string) (Pinned, error) {
	return Ref{registry: p.ref.registry, repository: p.ref.repository}.Pin(digest)
}

// String returns "repository@digest", the only form in which an image is ever
// said to be verified.
func (p Pinned) String() string {
	if p.digest == "" {
		return ""
	}
	return p.ref.Name() + "@" + p.digest
}

// A Position is a place in a file. Line and Col start at 1; Col counts bytes.
type Position struct {
	File      string // slash-separated, relative to the workspace; "" for the command line
	Line, Col int
}

// A Kind says how a place uses an image. Its text is stable: reports have it.
type Kind string

// The Kinds.
const (
	Given        Kind = ""              // on the command line
	From         Kind = "from"          // FROM of a Dockerfile
	CopyFrom     Kind = "copy-from"     // COPY --from
	MountFrom    Kind = "mount-from"    // RUN --mount=from=
	Syntax       Kind = "syntax"        // the frontend that reads a Dockerfile
	ComposeImage Kind = "compose-image" // of a service that is pulled
	BakeContext  Kind = "bake-context"  // a named context that is an image
	Container    Kind = "container"     // of a workflow's job or an action
	Service      Kind = "service"       // of a workflow's job
	DockerUses   Kind = "docker-uses"   // uses: docker://
	Pod          Kind = "pod"           // of Kubernetes
	File         Kind = "file"          // a file that cannot be looked into: nobody knows what it uses
	Implicit     Kind = "implicit"      // in no file: the builder pulls it by itself
)

// A Use is one place that uses an image. Err is set, and Ref is zero, where
// the text could not be resolved (a variable with no value, say).
type Use struct {
	Text  string // as it is written there, variables and all
	Ref   Ref
	At    Position
	Kind  Kind
	Stage string // of a Dockerfile: its name, or its number from 0; "" elsewhere
	// Foreign is whether it is pulled for another platform than those that the
	// user says are built for: what vouches for those says nothing of it.
	Foreign bool
	// Literal is the text that the reference was read from, the zero Literal
	// where it was made of several, has escapes, or is not in a file: whoever
	// writes another reference in its place uses another image here.
	Literal Literal
	Err     error
}

// A Literal is a reference as it stands in a file, whole. Of a variable that
// nobody sets it is the default; of a kustomization, the digest that it puts
// behind the reference. Other places may read the same text.
type Literal struct {
	Text string
	At   Position // where Text begins
}
