package image_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/image"
)

const hex64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want string }{
		{"alpine", "docker.io/library/alpine:latest"},
		{"alpine:3.22", "docker.io/library/alpine:3.22"},
		{"index.docker.io/library/alpine", "docker.io/library/alpine:latest"},
		{"moby/buildkit:v1", "docker.io/moby/buildkit:v1"},
		{"gcr.io/distroless/static", "gcr.io/distroless/static:latest"},
		{"127.0.0.1:5000/team/app", "127.0.0.1:5000/team/app:latest"},
		{"ghcr.io/acme/app@sha256:" + hex64, "ghcr.io/acme/app@sha256:" + hex64},
		{"ghcr.io/acme/app:latest@sha256:" + hex64, "ghcr.io/acme/app:latest@sha256:" + hex64},
		{"ghcr.io/acme/app:v2@sha256:" + hex64, "ghcr.io/acme/app:v2@sha256:" + hex64},
	} {
		got, err := image.Parse(tc.in)
		if err != nil || got.String() != tc.want {
			t.Errorf("Parse(%q) = %q, %v; want %q", tc.in, got, err, tc.want)
		}
	}
	for _, bad := range []string{
		"alpine:-x", "alpine:.x", "ghcr.io/acme/app:-v1",
		"", "UPPER/case", "a b", "app@sha256:short", "app@sha512:" + hex64 + hex64, "app@sha256:" + strings.ToUpper(hex64),
		"${BASE}", "app:", "app@", "app:tag:tag", "http://ghcr.io/a/b", "app@sha256:" + hex64 + "@sha256:" + hex64, "app\nb",
	} {
		if got, err := image.Parse(bad); err == nil {
			t.Errorf("Parse(%q) = %q, want an error", bad, got)
		}
	}
}

func TestPin(t *testing.T) {
	t.Parallel()
	ref, err := image.Parse("ghcr.io/acme/app:v1@sha256:" + hex64)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ref.Pin("sha256:" + strings.Repeat("0", 64)); err == nil {
		t.Error("bound to another digest than the one written")
	}
	if _, err := ref.Pin(""); err == nil {
		t.Error("bound to an empty digest")
	}
	if _, err := (image.Ref{}).Pin("sha256:" + hex64); err == nil {
		t.Error("the zero Ref was bound")
	}
	p, err := ref.Pin("sha256:" + hex64)
	if err != nil || p.String() != "ghcr.io/acme/app@sha256:"+hex64 {
		t.Errorf("Pin = %q, %v", p, err)
	}
	if (image.Pinned{}).String() != "" {
		t.Error("the zero Pinned names something")
	}
}

func TestPlatform(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ os, arch, variant, want string }{
		{"linux", "amd64", "", "linux/amd64"},
		{"Linux", "AMD64", "", "linux/amd64"},
		{"linux", "x86_64", "", "linux/amd64"},
		{"linux", "x86-64", "v1", "linux/amd64"},
		{"linux", "amd64", "v3", "linux/amd64/v3"},
		{"linux", "aarch64", "", "linux/arm64"},
		{"linux", "arm64", "v8", "linux/arm64"},
		{"linux", "arm64", "8", "linux/arm64"},
		{"linux", "arm", "", "linux/arm/v7"},
		{"linux", "arm", "7", "linux/arm/v7"},
		{"linux", "armhf", "", "linux/arm/v7"},
		{"linux", "armel", "", "linux/arm/v6"},
		{"linux", "i386", "", "linux/386"},
		{"macos", "arm64", "", "darwin/arm64"},
	} {
		if got := image.Platform(tc.os, tc.arch, tc.variant); got != tc.want {
			t.Errorf("Platform(%q, %q, %q) = %q, want %q", tc.os, tc.arch, tc.variant, got, tc.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"alpine", "ghcr.io/a/b:c@sha256:" + hex64, "localhost:1/x", "a@b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := image.Parse(s)
		if err != nil {
			return
		}
		again, err := image.Parse(r.String())
		if err != nil || again != r {
			t.Fatalf("Parse(%q) = %q, which parses as %q, %v", s, r, again, err)
		}
	})
}

func ExampleParse() {
	ref, err := image.Parse("alpine:3.22")
	fmt.Println(ref, err)
	// Output: docker.io/library/alpine:3.22 <nil>
}

func TestFamiliar(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"docker.io/library/alpine:latest": "alpine",
		"alpine:3":                        "alpine:3",
		"alpine@sha256:" + hex64:          "alpine@sha256:" + hex64,
		"alpine:latest@sha256:" + hex64:   "alpine:latest@sha256:" + hex64,
		"docker.io/library/a/b":           "library/a/b",
		"docker.io/team/app":              "team/app",
		"ghcr.io/library/app":             "ghcr.io/library/app",
		"docker.io.example/library/app:1": "docker.io.example/library/app:1",
		"localhost:5000/app:latest":       "localhost:5000/app",
	} {
		ref, err := image.Parse(in)
		if err != nil || ref.Familiar() != want {
			t.Errorf("%s is familiar as %s (%v), want %s", in, ref.Familiar(), err, want)
		}
	}
}
