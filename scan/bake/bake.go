// Package bake finds the images of a Docker Bake definition: those that its
// targets' Dockerfiles use, and those that stand in as named contexts. What a
// file means is what `docker buildx bake` takes it to mean.
package bake

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

// A Dockerfile scans the text of a Dockerfile, as package dockerfile does.
type Dockerfile func(body []byte, file string, b scan.Build) scan.Found

// Format returns the format of bake files. The scan of the Dockerfiles that
// they lead to is the caller's.
//
// Paths in a bake file are relative to the folder of the command that reads
// it. Of a file that was asked for by its path that is the current one, of
// another its own. Where there is no such Dockerfile, it is the other of the
// two.
func Format(dockerfile func(body []byte, file string, b scan.Build) scan.Found) *scan.Format {
	return &scan.Format{
		Name:  "bake",
		Doc:   "docker-bake.hcl, docker-bake.json and their overrides: the Dockerfiles and image contexts of the targets that are built",
		Match: func(name string) bool { return slices.Contains(defaultFiles(), path.Base(name)) },
		Scan: func(s scan.Source, name string) scan.Found {
			return scanFile(s, name, dockerfile)
		},
	}
}

// defaultFiles are the files that bake reads when it is not told which, in
// its order. It merges them, and the later ones decide. (Before them it reads
// Compose files, which are another format's.)
func defaultFiles() []string {
	return []string{"docker-bake.json", "docker-bake.hcl", "docker-bake.override.json", "docker-bake.override.hcl"}
}

// definition returns the files that are read together with name: those that
// bake reads by itself where it finds this one, or, where this one was asked for
// by its path, those that were, as bake -f reads them. Each of them has the same
// definition, so that none can keep another from being read.
func definition(s scan.Source, name string) []string {
	if together := s.Together(name); together != nil {
		return together
	}
	if !slices.Contains(defaultFiles(), path.Base(name)) {
		return []string{name}
	}
	var names []string
	for _, base := range defaultFiles() {
		n := path.Join(path.Dir(name), base)
		if info, err := fs.Stat(s.FS, n); n == name || err == nil && !info.IsDir() {
			names = append(names, n)
		}
	}
	return names
}

// scanFile scans the definition that a file is, or begins.
func scanFile(s scan.Source, name string, dockerfile Dockerfile) (found scan.Found) {
	r := &report{}
	// HCL's evaluator panics where it has bugs, and files that find one are
	// not to end the run.
	defer func() {
		if p := recover(); p != nil {
			r.problem(&problem{place{src: newSource(name, nil)}, fmt.Errorf("the file cannot be evaluated: %v", p)})
			found = r.found()
		}
	}()
	m := &meter{}
	var files []*file
	for _, n := range definition(s, name) {
		text, err := scan.ReadFile(s.FS, n)
		src := newSource(n, text)
		r.files = append(r.files, n)
		if err != nil {
			r.problem(&problem{place{src: src}, err})
			continue
		}
		f, p := parse(src, m)
		if p != nil {
			r.problem(p)
			continue
		}
		files = append(files, f)
	}
	if len(files) > 0 && len(r.uses) == 0 {
		bake(s, files, m, dockerfile, r)
	}
	return r.found()
}

// bake reports what building the definition pulls.
func bake(s scan.Source, files []*file, m *meter, dockerfile Dockerfile, r *report) {
	first := place{src: files[0].src}
	sc := newScope(files, m, environment(s), hidden(s), builtins(s.Build))
	bs, p := expand(sc, files)
	if p != nil {
		r.problem(p)
		return
	}
	plan := newPlan(bs)
	names := s.Build.Targets
	if s.Build.AllStages {
		names = plan.order
		if len(names) == 0 {
			return
		}
	}
	wishes, problems := plan.wanted(names, first)
	flat, more := plan.flatten(wishes)
	for _, p := range append(problems, more...) {
		r.problem(p)
	}
	b := &builder{
		source: s, plan: plan, dockerfile: dockerfile, report: r, dir: path.Dir(first.src.name), mentioned: mentioned(files),
		built: map[string]bool{}, done: map[string]scan.Found{}, compose: map[string]map[string]bool{},
	}
	for _, w := range flat {
		b.want(w, nil)
	}
	if m.err != nil && !slices.ContainsFunc(r.uses, func(u image.Use) bool { return errors.Is(u.Err, m.err) }) {
		r.problem(&problem{first, m.err})
	}
}

// builtins are the variables that bake defines itself, and files cannot.
func builtins(b scan.Build) map[string]cty.Value {
	local := cty.StringVal(b.BuildPlatform)
	if b.BuildPlatform == "" {
		local = cty.StringVal("linux/amd64").Mark(unforeseen("BAKE_LOCAL_PLATFORM", "say which platform builds"))
	}
	return map[string]cty.Value{
		"BAKE_CMD_CONTEXT":    cty.StringVal(localScheme),
		"BAKE_LOCAL_PLATFORM": local,
	}
}

func isBuiltin(name string) bool { return name == "BAKE_CMD_CONTEXT" || name == "BAKE_LOCAL_PLATFORM" }

// hidden tells which variables are set and withheld.
func hidden(s scan.Source) func(string) bool {
	if s.Withheld == nil || s.Getenv != nil && isolated(s) {
		return func(string) bool { return false }
	}
	return s.Withheld
}

// environment returns the environment as bake sees it: it can be told not to
// look.
func environment(s scan.Source) func(string) (string, bool) {
	if s.Getenv == nil || isolated(s) {
		return func(string) (string, bool) { return "", false }
	}
	return s.Getenv
}

// isolated reports whether bake is told not to look at the environment.
func isolated(s scan.Source) bool {
	switch v, _ := s.Getenv("BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP"); v {
	case "1", "t", "T", "true", "TRUE", "True":
		return true
	}
	return false
}
