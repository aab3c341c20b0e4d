package builders_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/e2e/internal/admit"
	"github.com/boltseal/boltseal/handover"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/registrytest"
)

// admit returns the file of the form with what the references stand for at the
// registry: for images of a host that is not on this machine, which boltseal can
// ask nobody about.
func (w *world) admit(form string, refs ...string) string {
	w.t.Helper()
	var images []admit.Image
	for _, text := range refs {
		ref, err := image.Parse(text)
		check(w.t, err)
		_, path, _ := strings.Cut(ref.Name(), "/")
		body, err := w.reg.Manifest(path, ref.Tag())
		check(w.t, err)
		images = append(images, admit.Image{Ref: text, Digest: registrytest.Digest(body)})
	}
	for suffix, body := range admit.Files(w.t, form, admit.Set(w.t, images...), handover.Options{}) {
		write(w.t, w.path(form+suffix), string(body))
	}
	return w.path(form)
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
			policy := w.admit("source-policy", name, name+":v1")
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
	with.policy = w.admit("source-policy", base)
	without.policy = with.policy
	w.build(plain, without).has("marker", "good")
	w.build(plain, with).denied(`source "docker-image://docker.io/` + syntax + `"`)
	w.build(scanned, without).denied(`source "docker-image://docker.io/` + scanner + `"`)
	with.policy = w.admit("source-policy", base, syntax, scanner)
	w.build(scanned, with).has("marker", "good")
}
