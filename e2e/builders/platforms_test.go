package builders_test

import (
	"testing"

	"github.com/boltseal/boltseal/e2e/internal/stage"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// putIndex pushes an index for two platforms as repo:tag, whose /marker is the
// text and the architecture. It returns the digests of the index and of its
// first image.
func (w *world) putIndex(repo, tag, text string) (index, child string) {
	w.t.Helper()
	var images []ocispec.Descriptor
	for _, arch := range []string{"amd64", "arm64"} {
		d, err := stage.PushFiles(w.reg, repo, "", "linux/"+arch, stage.Files{"marker": text + " " + arch}, nil)
		check(w.t, err)
		images = append(images, d)
	}
	d, err := w.reg.PutIndex(repo, tag, images...)
	check(w.t, err)
	return d.Digest.String(), images[0].Digest.String()
}

// An index that was verified is built for each of its platforms. The digest of
// one of its images, written out, is another image.
func TestPlatforms(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			_, child := w.putIndex("team/base", "v1", "good")
			w.extra = []string{"CHILD", child}
			policies := map[string]string{}
			for _, form := range c.forms() {
				policies[form] = w.handOver(form, "REGISTRY/team/base:v1")
			}
			w.putIndex("team/base", "v1", "evil")
			b := build{dockerfile: "FROM REGISTRY/team/base:v1\n", platforms: "linux/amd64,linux/arm64"}
			w.build(c, b).has("linux_arm64/marker", "evil arm64")
			for _, b.policy = range policies {
				b.dockerfile = "FROM REGISTRY/team/base:v1\n"
				got := w.build(c, b)
				got.has("linux_amd64/marker", "good amd64")
				got.has("linux_arm64/marker", "good arm64")
				b.dockerfile = "FROM REGISTRY/team/base@CHILD\n"
				w.build(c, b).denied(`source "docker-image://` + w.words("REGISTRY/team/base@CHILD"))
			}
		})
	}
}
