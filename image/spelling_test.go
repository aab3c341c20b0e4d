package image_test

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/distribution/reference"

	"github.com/boltseal/boltseal/image"
)

// builderSpelling returns the reference as BuildKit's frontends, buildx, bake
// and compose write it out, with the tag that is meant where there is none.
func builderSpelling(text string) (string, error) {
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return "", err
	}
	return reference.TagNameOnly(named).String(), nil
}

// sourceSpelling returns what BuildKit makes of that before it asks a policy.
// It is what Parse and Spec.String do in containerd v2.3, pkg/reference.
func sourceSpelling(text string) (string, error) {
	u, err := url.Parse("dummy://" + text)
	if err != nil {
		return "", err
	}
	object := ""
	if at := strings.IndexAny(u.Path, ":@"); at >= 0 {
		object, u.Path = u.Path[at:], u.Path[:at]
	}
	return path.Join(u.Host, u.Path) + object, nil
}

// checkSpelling holds that a reference that a builder can read is spelt here as
// the builder spells it. A policy for builders names what was verified: would
// the builder call that otherwise, it could not be used, and would it call
// another image so, that one could be. It reports whether both can read it.
func checkSpelling(t *testing.T, text string) (both bool) {
	t.Helper()
	ref, err := image.Parse(text)
	if err != nil {
		return false // the gate stays shut
	}
	theirs, err := builderSpelling(text)
	if err != nil {
		return false // nothing is built
	}
	if ref.String() != theirs {
		t.Errorf("%q is %s, a builder takes it for %s", text, ref, theirs)
	}
	if source, err := sourceSpelling(theirs); err != nil || source != theirs {
		t.Errorf("%q is %s, BuildKit makes %s of it, %v", text, theirs, source, err)
	}
	return true
}

func TestSpelling(t *testing.T) {
	t.Parallel()
	hosts := []string{
		"", "docker.io/", "index.docker.io/", "DOCKER.IO/", "Index.Docker.io/", "docker.io:443/", "docker.io./", "registry-1.docker.io/",
		"localhost/", "LOCALHOST/", "localhost:5000/", "127.0.0.1/", "127.0.0.1:05000/", "[::1]/", "[::1]:5000/", "ghcr.io/", "GHCR.IO/",
		"UPPER/", "lower/", "a_b.example/", "a..b/", "a:/", ":5/", "a.b:5:6/", "$1.example/", "a*b.example/", "h%2eio/", "user%40h.io/", "library/",
	}
	names := []string{
		"alpine", "library/alpine", "x", "a/b/c", "a__b", "a---b", "a..b", "Up", "a/Up", "a.b/c", "localhost", "docker.io/x", "localhost/x",
		"a%62", "a/../b", "/a", "a/", "", hex64, "x/" + hex64, strings.Repeat("a", 255), strings.Repeat("a", 256),
	}
	tags := []string{"", ":1", ":latest", ":5000", ":_", ":-", ":", ":a:b", ":a/b", ":a%62", ":" + strings.Repeat("t", 128), ":" + strings.Repeat("t", 129)}
	digests := []string{"", "@sha256:" + hex64, "@sha256:" + hex64[1:], "@sha256:" + hex64 + "@sha256:" + hex64}
	all, both := 0, 0
	for _, host := range hosts {
		for _, name := range names {
			for _, tag := range tags {
				for _, digest := range digests {
					all++
					if checkSpelling(t, host+name+tag+digest) {
						both++
					}
				}
			}
		}
	}
	if both < all/20 {
		t.Errorf("of %d references only %d say anything", all, both)
	}
}

// What one side alone can read is built by nobody, or admitted by nobody.
func TestSpellingOneSided(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text         string
		ours, theirs bool
	}{
		{"ghcr.io/acme/app", true, true},
		{"LOCALHOST/x", false, true}, // a host to the builder, a name with capitals here
		{"UPPER/x", false, true},
		{"ghcr.io/acme/app@sha512:" + hex64 + hex64, false, true},
		{"$1.example/x", true, false},
		{"a*b.example/x", true, false},
		{"docker.io./library/x", true, false},
		{hex64, true, false}, // an image's number to the builder
	} {
		_, err := image.Parse(tc.text)
		_, theirErr := builderSpelling(tc.text)
		if (err == nil) != tc.ours || (theirErr == nil) != tc.theirs {
			t.Errorf("%s: %v; builders: %v", tc.text, err, theirErr)
		}
	}
}

func FuzzSpelling(f *testing.F) {
	for _, s := range []string{
		"alpine", "DOCKER.IO/alpine:1", "index.docker.io/alpine", "[::1]:5000/a/b:c@sha256:" + hex64, "UPPER/x", "localhost/x@sha256:" + hex64,
		"$1.example/a*b:c", "a.b:5:6/x", "h%2eio/x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) { checkSpelling(t, text) })
}
