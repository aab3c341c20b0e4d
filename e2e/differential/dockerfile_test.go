package differential_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/scan/dockerfile"
)

// dockerfileDifferences are those that testdata's README has reasons for.
func dockerfileDifferences() []difference {
	return []difference{
		{
			why: "BuildKit takes a variable without a value for an empty one; what names the image is not known before somebody sets it",
			is:  weFail,
			cases: []string{
				"arg_dollar_digit", "arg_missing_chain", "arg_missing_unreached", "arg_missing_valid", "arg_order", "arg_order_given",
				"form_cut_missing", "form_default_missing", "form_prefix_missing", "form_replace_any_missing", "form_replace_missing",
				"nasty_stage_missing",
			},
		},
		{
			why: "BuildKit refuses a file for a FROM that cannot be read, also where no target needs it",
			is:  theyFail,
			cases: []string{
				"arg_stage, target a", "arg_stage_name_case, target a", "nasty_everything, target build", "nasty_everything, target config",
				"nasty_everything, target run", "stage_case_from, target build", "target_unreached_error, as stated",
				"target_unreached_error, target a",
			},
		},
		{
			why:   "the classic builder took the number of a stage for a target, BuildKit knows names only",
			is:    theyFail,
			cases: []string{"target_number, as stated"},
		},
	}
}

func TestDockerfile(t *testing.T) {
	t.Parallel()
	y := newTally(t, dockerfileDifferences())
	for _, s := range samples(t, "dockerfile") {
		y.cases++
		body, b := readDockerfile(t, s)
		for _, w := range ways(body, b) {
			ours := found(dockerfile.Scan(body, "Dockerfile", w.build))
			y.judge(t, s.name, w.name, ours, w.pulls(t.Context(), body))
		}
	}
	y.close(t, 250, 500)
}

// The image of a file's first lines is pulled before anything else is looked at,
// and whatever becomes of the build.
func TestSyntax(t *testing.T) {
	t.Parallel()
	y := newTally(t, nil)
	for _, s := range samples(t, "dockerfile") {
		y.cases++
		body, _ := readDockerfile(t, s)
		var theirs answer
		if name, _, _, ok := parser.DetectSyntax(body); ok {
			theirs = pulled(name)
		}
		y.judge(t, s.name, "syntax", found(frontend(body)), theirs)
	}
	y.close(t, 250, 15)
}

// frontend returns what the scan says of a file's first lines.
func frontend(body []byte) scan.Found {
	f := dockerfile.Scan(body, "Dockerfile", scan.Build{BuildPlatform: builderPlatform})
	f.Uses = slices.DeleteFunc(f.Uses, func(u image.Use) bool { return u.Kind != image.Syntax })
	return f
}

func readDockerfile(t *testing.T, s sample) ([]byte, scan.Build) {
	t.Helper()
	b := scan.Build{BuildPlatform: builderPlatform}
	var body []byte
	for _, part := range s.parts {
		switch part.Name {
		case "Dockerfile":
			body = part.Data
		case "Dockerfile.quoted":
			text, err := strconv.Unquote(strings.TrimSpace(string(part.Data)))
			if err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			body = []byte(text)
		case "build":
			b = readBuild(t, part.Data)
		}
	}
	return body, b
}

// A way is one of those to build a Dockerfile.
type way struct {
	name  string
	build scan.Build
}

// ways returns all ways to build a Dockerfile with what b says: as it says, and
// each choice of stages.
func ways(body []byte, b scan.Build) []way {
	all := []way{{"as stated", b}}
	b.Targets, b.AllStages = nil, false
	all = append(all, way{"default target", b})
	for _, name := range stageNames(body) {
		b.Targets = []string{name}
		all = append(all, way{"target " + name, b})
	}
	b.Targets, b.AllStages = nil, true
	return append(all, way{"all stages", b})
}

func stageNames(body []byte) []string {
	var names []string
	for _, st := range stages(body) {
		if st.Name != "" && !slices.Contains(names, st.Name) {
			names = append(names, st.Name)
		}
	}
	return names
}

// stages returns those of a Dockerfile; none if BuildKit cannot read it. Its own
// ListTargets has no linter for comments that begin with "check=", and panics.
func stages(body []byte) []instructions.Stage {
	file, err := parser.Parse(bytes.NewReader(body))
	if err != nil {
		return nil
	}
	all, _, err := instructions.Parse(file.AST, linter.New(&linter.Config{}))
	if err != nil {
		return nil
	}
	return all
}

// pulls returns what BuildKit pulls for all that is to be built.
func (w way) pulls(ctx context.Context, body []byte) answer {
	all := stages(body)
	if w.build.AllStages && len(all) > 0 {
		var a answer
		for n := range all {
			b := stageBuild(body, all, n, attributes(w.build))
			b.builder = w.build.BuildPlatform
			a = a.add(b.pulls(ctx))
		}
		return a
	}
	names := w.build.Targets
	if len(names) == 0 {
		names = []string{""}
	}
	var a answer
	for _, name := range names {
		attrs := attributes(w.build)
		attrs["target"] = name
		a = a.add(build{body, attrs, w.build.BuildPlatform}.pulls(ctx))
	}
	return a
}

// stageBuild returns the build of one stage. BuildKit's targets are names, and
// of several stages with one name, the last: any other one gets a name for the
// purpose, which TARGETSTAGE does not show.
func stageBuild(body []byte, all []instructions.Stage, n int, attrs map[string]string) build {
	st := all[n]
	last := !slices.ContainsFunc(all[n+1:], func(later instructions.Stage) bool { return later.Name == st.Name })
	if last && (st.Name != "" || n == len(all)-1) {
		attrs["target"] = st.Name
		return build{dockerfile: body, attrs: attrs}
	}
	name := fmt.Sprintf("target-%d", n)
	attrs["target"] = name
	if _, given := attrs["build-arg:TARGETSTAGE"]; !given {
		attrs["build-arg:TARGETSTAGE"] = cmp.Or(st.Name, "default")
	}
	if st.Name != "" && st.Name != "context" && st.Name != scratch { // which no context stands in for
		moveContexts(attrs, st.Name, name)
	}
	return build{dockerfile: rename(body, st, name), attrs: attrs}
}

// moveContexts lets what stands in for a stage stand in for it under a new name.
func moveContexts(attrs map[string]string, from, to string) {
	for key, value := range maps.Clone(attrs) {
		if platform, ok := strings.CutPrefix(key, "context:"+from); ok && (platform == "" || strings.HasPrefix(platform, "::")) {
			attrs["context:"+to+platform] = value
		}
	}
}

// rename returns the Dockerfile with another name for a stage.
func rename(body []byte, st instructions.Stage, name string) []byte {
	from := "FROM "
	if st.Platform != "" {
		from += "--platform=" + st.Platform + " "
	}
	from += st.BaseName + " AS " + name + "\n"
	lines := bytes.SplitAfter(body, []byte("\n"))
	first, last := st.Location[0].Start.Line, st.Location[len(st.Location)-1].End.Line
	return bytes.Join(slices.Concat(lines[:first-1], [][]byte{[]byte(from)}, lines[last:]), nil)
}
