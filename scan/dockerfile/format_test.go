package dockerfile

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/boltseal/boltseal/scan"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	f := Format()
	for name, want := range map[string]bool{
		"Dockerfile": true, "a/b/Dockerfile": true, "dockerfile": true, "Dockerfile.dev": true, "Dockerfile.a.b": true,
		"app.Dockerfile": true, "app.dockerfile": true, "Containerfile": true, "containerfile.dev": true,
		"Dockerfile.dockerignore": false, "app.Dockerfile.dockerignore": false, ".dockerignore": false, "Dockerfiles": false,
		"Dockerfile/x": false, "dockerfile.": false, ".dockerfile": false, "MyDockerfile": false, "docker-compose.yml": false,
		".github/workflows/dockerfile.yml": false, "Dockerfile.yaml": false, "Dockerfile.md": false, "Dockerfile.5.md": false, "Dockerfile.rego": false, "Dockerfile.rego.json": false, "app.Dockerfile.rego": false,
		"dockerfile.json": false, "Dockerfile.go": true, "Dockerfile.py": true, "Dockerfile.txt": true, "Dockerfile.template": true,
		"dockerfile.go": false, "a/dockerfile.py": false, "dockerfile.dev": true, "Dockerfile-dev": true, "dockerfile_windows": true, "Containerfile-x": true,
		"Dockerfile-": false, "dockerfile-lint.json": false, "containerfile.rs": false, "Containerfile.go": true,
	} {
		if got := f.Match(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	s := scan.Source{FS: fstest.MapFS{
		"a/Dockerfile": {Data: []byte("ARG V\nFROM alpine:$V\n")},
		"big":          {Data: []byte(strings.Repeat("#", scan.MaxFile+1))},
	}, Build: scan.Build{Args: map[string]string{"V": "3"}}}
	got := Format().Scan(s, "a/Dockerfile")
	if len(got.Uses) != 1 || got.Uses[0].Ref.String() != "docker.io/library/alpine:3" || got.Uses[0].At.File != "a/Dockerfile" {
		t.Errorf("got %+v", got.Uses)
	}
	for _, name := range []string{"big", "none"} {
		got := Format().Scan(s, name)
		if len(got.Uses) != 1 || got.Uses[0].Err == nil || got.Uses[0].At.File != name {
			t.Errorf("%s: got %+v", name, got.Uses)
		}
	}
	if got := Format().Scan(s, "none").Uses[0]; !errors.Is(got.Err, fs.ErrNotExist) {
		t.Errorf("got %v", got.Err)
	}
}

func TestContextName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"alpine": "alpine", "docker.io/library/alpine:latest": "alpine", "alpine:3": "alpine:3", "base": "base",
		"docker.io/o/i": "o/i", "ghcr.io/o/i:latest": "ghcr.io/o/i", "ghcr.io/library/i": "ghcr.io/library/i",
		"library/a/b": "library/a/b",
	} {
		if got, err := ContextName(name); got != want || err != nil {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	if _, err := ContextName("Base"); err == nil {
		t.Error("Base is a name")
	}
}

// Without a platform of the builder what depends on it is not known, however it
// is asked for.
func TestUnknownBuilder(t *testing.T) {
	t.Parallel()
	for body, known := range map[string]bool{
		"FROM --platform=$BUILDPLATFORM alpine:1\n":            true,
		"FROM alpine:$TARGETARCH\n":                            false,
		"FROM alpine:${BUILDVARIANT:-1}\n":                     false,
		"FROM alpine:3${TARGETVARIANT:+-x}\n":                  false,
		"ARG A=$TARGETARCH\nFROM alpine:${A:-1}\n":             false,
		"ARG A=$TARGETARCH\nARG B=${A}\nFROM alpine:${B:+1}\n": false,
		"ARG A=$TARGETARCH\nFROM alpine:1\n":                   true,
		"FROM alpine:$TARGETARCH AS a\nFROM busybox\n":         true,
		"ARG TARGETARCH=amd64\nFROM alpine:$TARGETARCH\n":      true,
		"FROM alpine:1${TARGETSTAGE:+-x}\n":                    true,
	} {
		got := Scan([]byte(body), "Dockerfile", scan.Build{})
		if len(got.Uses) != 1 || (got.Uses[0].Err == nil) != known {
			t.Errorf("%q: %+v", body, got.Uses)
		}
		if !known && !strings.Contains(got.Uses[0].Err.Error(), "--platform") {
			t.Errorf("%q: %v", body, got.Uses[0].Err)
		}
	}
}
