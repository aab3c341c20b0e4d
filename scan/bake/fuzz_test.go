package bake_test

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/boltseal/boltseal/scan"
)

// Whatever a file says, the scan ends, with uses that stand in the file and
// have an image or an error. HCL's own panics are caught, and looked for here.
func FuzzScan(f *testing.F) {
	for _, s := range samples(f) {
		for name, file := range s.source.FS.(fstest.MapFS) {
			if strings.Contains(name, "docker-bake") {
				f.Add(string(file.Data), "", strings.HasSuffix(name, ".json"), s.source.Build.AllStages)
			}
		}
	}
	f.Add("variable \"A\" {}\ntarget \"default\" {\n  args = { A = A }\n}\n", "variable \"A\" {\n  default = [1]\n}\n", false, true)
	f.Fuzz(func(t *testing.T, text, override string, json, all bool) {
		files := fstest.MapFS{
			"docker-bake.hcl": {Data: []byte(text)},
			"Dockerfile":      {Data: []byte("ARG A\nARG X\nFROM alpine:$A\nCOPY --from=base / /\nCOPY --from=x /\n")},
			"sub/Dockerfile":  {Data: []byte("FROM a\n")},
		}
		if override != "" {
			files["docker-bake.override.hcl"] = &fstest.MapFile{Data: []byte(override)}
		}
		name := "docker-bake.hcl"
		if json {
			name = "docker-bake.json"
			files[name] = files["docker-bake.hcl"]
			delete(files, "docker-bake.hcl")
		}
		got := format().Scan(scan.Source{
			FS:     fs.FS(files),
			Build:  scan.Build{AllStages: all, BuildPlatform: "linux/amd64"},
			Getenv: func(name string) (string, bool) { return "env", name == "E" },
		}, name)
		check(t, files, got)
		for _, u := range got.Uses {
			if u.Err != nil && strings.Contains(u.Err.Error(), "the file cannot be evaluated: ") {
				t.Error(u.Err)
			}
		}
	})
}
