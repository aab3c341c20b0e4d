package builders_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/handover"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/verify"
)

// An anyone has signed all images at one registry.
type anyone struct{ serve func(image.Ref) string }

// Resolve implements gate.Resolver.
func (a anyone) Resolve(_ context.Context, ref image.Ref) (image.Pinned, error) {
	return ref.Pin(a.serve(ref))
}

// For implements gate.Rules.
func (a anyone) For(image.Use) gate.Terms { return gate.Terms{Require: []verify.Verifier{a}} }

// Verify implements verify.Verifier.
func (anyone) Verify(_ context.Context, img image.Pinned) verify.Verdict {
	return verify.Pass(img, verify.Evidence{System: "fake", Format: "fake", Digest: img.Digest(), Signer: "anyone"})
}

// admit writes as form what a run hands over that has asked nobody: for images
// of hosts that are not on this machine.
func (w *world) admit(form string, serve func(image.Ref) string, refs ...string) string {
	w.t.Helper()
	var uses []image.Use
	for _, text := range refs {
		ref, err := image.Parse(text)
		check(w.t, err)
		uses = append(uses, image.Use{Text: text, Ref: ref})
	}
	a := anyone{serve}
	report := gate.Check(w.t.Context(), uses, a, a, gate.Options{})
	set, err := handover.New(report.Admitted())
	check(w.t, err)
	for _, f := range handover.Forms() {
		if f.Name != form {
			continue
		}
		files, err := f.Files(set, handover.Options{})
		check(w.t, err)
		for _, file := range files {
			write(w.t, w.path(form+".json"+file.Suffix), string(file.Body))
		}
		return w.path(form + ".json")
	}
	w.t.Fatalf("there is no form %q", form)
	return ""
}

// served returns the digest of what a registry serves for a tag.
func served(t *testing.T, reg *registrytest.Registry, ref image.Ref) string {
	t.Helper()
	_, path, _ := strings.Cut(ref.Name(), "/")
	body, err := reg.Manifest(path, ref.Tag())
	check(t, err)
	return registrytest.Digest(body)
}

// What is admitted is so in each spelling that BuildKit takes for the same.
func TestDockerHub(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.reg = hub()
			name := "of-" + c.name // the registry is the other tests', too
			good := w.put("library/"+name, "latest", "good")
			w.put("library/"+name, "v1", "good")
			policy := w.admit("source-policy", func(r image.Ref) string { return served(t, w.reg, r) }, name, name+":v1")
			w.put("library/"+name, "latest", "evil")
			w.put("library/"+name, "v1", "evil")
			w.put("library/"+name, "v2", "evil")
			w.put("someone/"+name, "latest", "evil")
			for _, tc := range []struct{ from, has, source string }{
				{from: name, has: "good"},
				{from: name + " AS " + name, has: "good"},
				{from: name + ":latest", has: "good"},
				{from: "docker.io/" + name, has: "good"},
				{from: "index.docker.io/library/" + name + ":v1", has: "good"},
				{from: "library/" + name + ":v1", has: "good"},
				{from: name + "@" + good, has: "good"},
				{from: name + ":v2", source: "docker-image://docker.io/library/" + name + ":v2"},
				{from: "someone/" + name, source: "docker-image://docker.io/someone/" + name + ":latest"},
			} {
				b := build{dockerfile: "FROM " + tc.from + "\n", policy: policy}
				if got := w.build(c, b); tc.source == "" {
					got.has("marker", tc.has)
				} else {
					got.denied(`source "` + tc.source + `"`)
				}
			}
		})
	}
}

// What builders pull of their own is refused until it is listed: the usual
// frontend, and the scanner for SBOMs.
func TestImplicit(t *testing.T) {
	w := newWorld(t)
	w.reg = hub()
	const base, syntax, scanner = "implicit:v1", "docker/dockerfile:1", "docker/buildkit-syft-scanner:stable-1"
	serve := func(r image.Ref) string { return served(t, w.reg, r) }
	w.put("library/implicit", "v1", "good")
	w.putFrontend("docker/dockerfile", "1")
	w.putScanner("docker/buildkit-syft-scanner", "stable-1")
	with, without := build{dockerfile: "# syntax=" + syntax + "\nFROM " + base + "\n"}, build{dockerfile: "FROM " + base + "\n"}
	scanned := client{"sbom", func(w *world, b build, dir, out string) *exec.Cmd {
		cmd := buildx(w, b, dir, out)
		cmd.Args = append(cmd.Args, "--sbom=true")
		return cmd
	}}
	plain := clients()[1]
	with.policy = w.admit("source-policy", serve, base)
	without.policy = with.policy
	w.build(plain, without).has("marker", "good")
	w.build(plain, with).denied(`source "docker-image://docker.io/` + syntax + `"`)
	w.build(scanned, without).denied(`source "docker-image://docker.io/` + scanner + `"`)
	with.policy = w.admit("source-policy", serve, base, syntax, scanner)
	w.build(scanned, with).has("marker", "good")
}
