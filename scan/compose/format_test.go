package compose

import (
	"reflect"
	"testing"
	"testing/fstest"

	"github.com/boltseal/boltseal/scan"
)

// What a scan of a Dockerfile is told, whatever it makes of it.
func TestParameters(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"compose.yaml": {Data: []byte(`
services:
  a:
    build:
      context: .
      target: x
      args: {A: file, B: "${B}", C: , D: }
      platforms: [linux/amd64]
      additional_contexts: {base: docker-image://b, own: ./own}
`)},
		"compose.override.yaml": {Data: []byte(`
services:
  a: {build: {platforms: [linux/amd64, linux/arm64]}}
`)},
		"Dockerfile": {Data: []byte("FROM x\n")},
	}
	var got []scan.Build
	format := Format(func(_ []byte, _ string, b scan.Build) scan.Found {
		got = append(got, b)
		return scan.Found{}
	})
	env := map[string]string{"B": "env", "C": "env"}
	format.Scan(scan.Source{
		FS:     files,
		Getenv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		Build: scan.Build{
			Args: map[string]string{"A": "line", "Z": "line"}, Targets: []string{"y"}, Contexts: map[string]string{"c": "d"},
			Platforms: []string{"linux/386"}, BuildPlatform: "linux/s390x", AllStages: true,
		},
	}, "compose.yaml")
	want := []scan.Build{{
		Targets: []string{"x"}, AllStages: true,
		Args:      map[string]string{"A": "line", "B": "env", "C": "env", "Z": "line"},
		Contexts:  map[string]string{"base": "docker-image://b", "own": "./own"},
		Platforms: []string{"linux/amd64", "linux/arm64"}, BuildPlatform: "linux/s390x",
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"compose.yaml": true, "compose.yml": true, "a/docker-compose.yml": true, "a/b/docker-compose.yaml": true,
		"compose.override.yml": true, "docker-compose.prod.yaml": true, "compose.a.b.yml": true,
		"compose.json": false, "compose..yml": false, "compose.prod": false, "my-compose.yml": false, "composed.yml": false,
		"docker-compose-prod.yml": false, "compose": false, "yaml": false, "compose.yaml/x": false, "compose.yaml.bak": false,
	} {
		if got := Format(lines).Match(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
