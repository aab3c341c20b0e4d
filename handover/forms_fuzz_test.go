package handover_test

import (
	"strings"
	"testing"

	"github.com/distribution/reference"

	"github.com/boltseal/boltseal/handover"
	"github.com/boltseal/boltseal/image"
)

// Whatever an image is called, and whatever contexts a build has already, the
// forms either refuse it or name it as builders do: one line, one key, one scope
// is that image at its digest, and nothing else is there.
func FuzzForms(f *testing.F) {
	for _, ref := range []string{
		"node:22", "node", "team/node", "docker.io/my.org/node:1", "docker.io/localhost/x:1", "GHCR.io/a/b:c", "[::1]:5/x:1",
		`a"b.io/x:1`, "a=b.io/x:1", "a,b.io/x", "a$b.io/x:1", "ghcr.io/a/b:c@" + digest("a"), "localhost:5000/x", "docker.io/library/a/b:1",
		"index.docker.io/x:1", strings.Repeat("a", 64) + ":1", "x.y/" + strings.Repeat("a", 300) + ":1",
		"d_cker.io/localhost/x:1",
	} {
		f.Add(ref, "base", "docker-image://"+ref)
		f.Add(ref, ref, "../src")
		f.Add(ref, "a\"=,${x}\n", "docker-image://"+ref)
	}
	f.Fuzz(func(t *testing.T, text, own, value string) {
		ref, err := image.Parse(text)
		if err != nil {
			return
		}
		d := digest("a")
		if ref.Digest() != "" {
			d = ref.Digest()
		}
		s := set(t, given{text, d, nil})
		o := handover.Options{Contexts: map[string]string{own: value}}
		o.Targets = []handover.Target{{Name: "app", Contexts: o.Contexts}}
		named, refErr := reference.ParseNormalizedNamed(text)
		if refErr == nil && reference.TagNameOnly(named).String() != ref.String() {
			t.Fatalf("%q is %s to builders, and %s here", text, named, ref)
		}

		if all, err := form(t, "build-contexts").Files(s, o); err == nil {
			pins(t, contextsOf(t, all[0].Body), o.Contexts, ref, d)
			bakes, err := form(t, "bake").Files(s, o)
			if err != nil {
				t.Fatal(err)
			}
			pins(t, targetsOf(t, bakes[0].Body)["app"], o.Contexts, ref, d)
		} else if form(t, "build-contexts").Refuses(ref) == nil {
			t.Fatalf("%s is refused late: %v", ref, err)
		}
		all, err := form(t, "containers-policy").Files(s, o)
		if err != nil {
			// The reference grammar takes a host that it has no word for, such
			// as one with "_", for the first part of a path on no host at all.
			if refErr == nil && reference.Domain(named) != "" {
				t.Fatalf("%s is refused, though builders can read it: %v", ref, err)
			}
			return
		}
		var policy struct {
			Transports map[string]map[string]any
		}
		read(t, all[0].Body, &policy)
		if len(policy.Transports) != 1 || len(policy.Transports["docker"]) != 1 || policy.Transports["docker"][ref.Name()+"@"+d] == nil {
			t.Fatalf("%s: %s", ref, all[0].Body)
		}
	})
}

// pins fails t unless contexts are that of the image, under its short name, and
// the build's own where it is that image.
func pins(t *testing.T, contexts, own map[string]string, ref image.Ref, digest string) {
	t.Helper()
	for name, value := range contexts {
		if ref.Digest() != "" || value != "docker-image://"+ref.String()+"@"+digest {
			t.Fatalf("%s: %q stands for %q", ref, name, value)
		}
		if own, ok := own[name]; ok {
			was, err := image.Parse(strings.TrimPrefix(own, "docker-image://"))
			if err != nil || was != ref {
				t.Fatalf("%s: context %q was %q, which is another", ref, name, own)
			}
			continue
		}
		named, err := reference.ParseNormalizedNamed(name)
		if err != nil || strings.TrimSuffix(reference.FamiliarString(named), ":latest") != name || reference.TagNameOnly(named).String() != ref.String() {
			t.Fatalf("%s: BuildKit does not look for it as %q (%v)", ref, name, err)
		}
		if !strings.ContainsAny(name, "/:") {
			t.Fatalf("%s: a stage can be called %q", ref, name)
		}
	}
}
