package cli

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/boltseal/boltseal/handover"
)

// Services count as bake targets only where there is no bake file: bake builds
// what that says.
func TestBakeTargets(t *testing.T) {
	t.Parallel()
	const (
		composed = "services:\n  web.api:\n    build:\n      context: .\n      additional_contexts: {base: docker-image://node:22}\n  db: {image: 'postgres:17'}\n  off: {build: ., profiles: [off]}\n"
		baked    = "target \"default\" {\n  contexts = { base = \"docker-image://node:22\" }\n  tags = target.lib.tags\n}\ntarget \"lib\" {}\n"
	)
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  []handover.Target
	}{
		{"none", nil, nil},
		{"Compose", map[string]string{"compose.yaml": composed}, []handover.Target{{Name: "web_api", Contexts: map[string]string{"base": "docker-image://node:22"}}}},
		{"both", map[string]string{"compose.yaml": composed, "docker-bake.hcl": baked}, []handover.Target{{Name: "default", Contexts: map[string]string{"base": "docker-image://node:22"}}}},
	} {
		dir := t.TempDir()
		for name, text := range tc.files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM base:1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c := Command{Dir: dir, LookupEnv: func(string) (string, bool) { return "", false }}
		all, err := (&scanFlags{contexts: []string{"docker.io/library/x=../x"}}).find(c, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		same := func(a, b handover.Target) bool {
			return a.Name == b.Name && a.Mentioned == b.Mentioned && a.Contexts["base"] == b.Contexts["base"] && len(a.Contexts) == len(b.Contexts)
		}
		if !slices.EqualFunc(all.targets, tc.want, same) {
			t.Errorf("%s: %+v, want %+v", tc.name, all.targets, tc.want)
		}
		if all.contexts["x"] != "../x" {
			t.Errorf("%s: contexts %v", tc.name, all.contexts)
		}
	}
}
