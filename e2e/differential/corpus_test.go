package differential_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/boltseal/boltseal/scan"
)

// A sample is a case of a format's testdata, whose README says how it is
// written, without what the scan is wanted to find.
type sample struct {
	name  string
	parts []txtar.File
}

// samples returns the cases of a format, less those that go too far to be
// followed: they take all the memory or the minutes that a builder can get.
func samples(t *testing.T, format string) []sample {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "scan", format, "testdata", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	var all []sample
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		if strings.HasPrefix(name, "bound_") || name == "matrix_huge" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, _, ok := strings.Cut(string(text), "-- want --\n")
		if !ok {
			t.Fatalf("%s has no want", file)
		}
		all = append(all, sample{name: name, parts: txtar.Parse([]byte(head)).Files})
	}
	return all
}

// settings returns NAME=value lines as a map.
func settings(text []byte) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		all[name] = value
	}
	return all
}

// readBuild returns what a part called "build" says.
func readBuild(t *testing.T, text []byte) scan.Build {
	t.Helper()
	b := scan.Build{BuildPlatform: builderPlatform, Args: map[string]string{}, Contexts: map[string]string{}}
	for line := range strings.Lines(string(text)) {
		key, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		name, value, _ := strings.Cut(rest, "=")
		option, stated, _ := strings.Cut(key, "=")
		switch {
		case key == "arg":
			b.Args[name] = value
		case key == "context":
			b.Contexts[name] = value
		case key == "all-stages":
			b.AllStages = true
		case option == "target":
			b.Targets = append(b.Targets, stated)
		case option == "platform":
			b.Platforms = append(b.Platforms, stated)
		case option == "builder":
			b.BuildPlatform = stated
		default:
			t.Fatalf("build says %q", line)
		}
	}
	return b
}

// attributes returns what buildx makes of a build's options but for targets.
func attributes(b scan.Build) map[string]string {
	attrs := map[string]string{}
	for name, value := range b.Args {
		attrs["build-arg:"+name] = value
	}
	for name, value := range b.Contexts {
		attrs["context:"+name] = contextAttribute(name, value)
	}
	if len(b.Platforms) > 0 {
		attrs["platform"] = strings.ReplaceAll(strings.Join(b.Platforms, ","), "local", b.BuildPlatform) // as buildx does
	}
	return attrs
}

// contextAttribute returns what buildx makes of a named context: what is not
// remote is a folder, or the result of another build, which pulls nothing here.
func contextAttribute(name, value string) string {
	for _, remote := range []string{dockerImage, "oci-layout://", "https://", "http://", "git@"} {
		if strings.HasPrefix(value, remote) {
			return value
		}
	}
	return "local:" + name
}

// readLocal returns a Dockerfile of a workspace. BuildKit takes "dockerfile"
// where there is no "Dockerfile" (frontend/dockerui/config.go).
func readLocal(root, file string) ([]byte, error) {
	if rel, err := filepath.Rel(root, file); err != nil || !filepath.IsLocal(rel) {
		return nil, errors.New(file + " is not in the workspace")
	}
	body, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) && filepath.Base(file) == "Dockerfile" {
		return os.ReadFile(filepath.Join(filepath.Dir(file), "dockerfile"))
	}
	return body, err
}

func write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
