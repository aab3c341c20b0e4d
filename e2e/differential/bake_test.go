package differential_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/containerd/platforms"
	buildx "github.com/docker/buildx/bake"
	buildxbuild "github.com/docker/buildx/build"
	"github.com/docker/buildx/util/urlutil"

	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/scan/bake"
	"github.com/boltseal/boltseal/scan/dockerfile"
)

// bakeDifferences are those that testdata's README has reasons for.
func bakeDifferences() []difference {
	return []difference{
		{
			why:   "which of two Dockerfiles is built depends on the folder in which bake is run, and the file was not named",
			is:    weFail,
			cases: []string{"root_besides_folder"},
		},
		{
			why: "bake goes on without a value for a variable that is not set; what names the image is not known before somebody sets it",
			is:  weFail,
			cases: []string{
				"context_unset", "group_unset", "inherits_unset", "matrix_unset", "name_unset",
				"remote_context_unset", "stage_unset", "variable_unset", "variable_unset_arg",
			},
		},
		{
			why:   "BuildKit takes a build argument without a value for an empty one, which a target has that only others are to inherit from",
			is:    weFail,
			cases: []string{"inherits_order", "inherits_two_blocks", "reference_attribute", "reference_many", "reference_whole"},
		},
		{
			why:   "the same, while another target has no Dockerfile",
			is:    failShort,
			cases: []string{"inherits_order, all targets"},
		},
		{
			why:   "a clock, and functions that the scan does not evaluate",
			is:    weFail,
			cases: []string{"context_unset_all", "function_unsupported"},
		},
		{
			why:   "the scan is not told what platform builds",
			is:    weFail,
			cases: []string{"platforms_unknown"},
		},
		{
			why: "bake evaluates all of the file, also what is not built or names no image",
			is:  theyFail,
			cases: []string{
				"group_bad_in_group, all targets", "group_no_targets, all targets", "problem_other_target, default target",
				"problem_unused_attribute", "problem_unused_function",
			},
		},
		{
			why:   "BuildKit wants a number of SOURCE_DATE_EPOCH",
			is:    theyFail,
			cases: []string{"date_epoch_empty"},
		},
		{
			why:   "the OCI layout is not there, which pulls nothing if it is",
			is:    theyFail,
			cases: []string{"context_kinds"},
		},
		{
			why:   "bake takes paths from the folder it runs in, which here is the file's and not the root",
			is:    theyFail,
			cases: []string{"root_instead_of_folder"},
		},
	}
}

// bake looks variables up in the environment of the process, unless this is
// set; it looks only once.
const withoutEnvironment = "BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP"

func TestBake(t *testing.T) {
	t.Setenv(withoutEnvironment, "true") // the cases have their own
	format := bake.Format(dockerfile.Scan)
	y := newTally(t, bakeDifferences())
	for _, s := range samples(t, "bake") {
		t.Run(s.name, func(t *testing.T) {
			y.cases++
			b := newBaking(t, s)
			t.Chdir(filepath.Join(b.root, filepath.Dir(b.scan)))
			for _, c := range b.choices() {
				y.judge(t, s.name, c.how(), found(format.Scan(c.source, c.scan)), c.pulls(t.Context()))
			}
		})
	}
	y.close(t, 240, 500)
}

// A baking is a workspace with a bake file, and what bake is told.
type baking struct {
	root   string // folder of the workspace
	scan   string // the file, relative to root
	env    map[string]string
	source scan.Source

	override *buildx.File // is read after the others; nil for none
}

// bakeFiles are those that bake looks for, in the order in which it reads them.
func bakeFiles() []string {
	return []string{"docker-bake.json", "docker-bake.hcl", "docker-bake.override.json", "docker-bake.override.hcl"}
}

func newBaking(t *testing.T, s sample) baking {
	t.Helper()
	b := baking{root: t.TempDir()}
	b.source.Build.BuildPlatform = builderPlatform
	for _, part := range s.parts {
		lines := strings.Split(strings.TrimSuffix(string(part.Data), "\n"), "\n")
		switch part.Name {
		case "env":
			b.env = settings(part.Data)
		case "targets":
			if b.source.Build.AllStages = lines[0] == "*all*"; !b.source.Build.AllStages {
				b.source.Build.Targets = lines
			}
		case "scan":
			b.scan = lines[0]
		case "builder":
			b.source.Build.BuildPlatform = strings.TrimPrefix(lines[0], "-")
		default:
			write(t, filepath.Join(b.root, part.Name), part.Data)
		}
	}
	for _, name := range bakeFiles() {
		if _, err := os.Stat(filepath.Join(b.root, name)); err == nil && b.scan == "" {
			b.scan = name
		}
	}
	b.source.FS = os.DirFS(b.root)
	b.source.Getenv = func(name string) (string, bool) { v, ok := b.env[name]; return v, ok }
	return b
}

// choices returns b as it is, and with each choice of targets.
func (b baking) choices() []baking {
	all := []baking{b}
	b.source.Build.Targets, b.source.Build.AllStages = nil, false
	all = append(all, b)
	for _, name := range b.names() {
		b.source.Build.Targets = []string{name}
		all = append(all, b)
	}
	b.source.Build.Targets, b.source.Build.AllStages = nil, true
	return append(all, b)
}

// how says which targets are built.
func (b baking) how() string {
	switch {
	case b.source.Build.AllStages:
		return "all targets"
	case len(b.source.Build.Targets) == 0:
		return "default target"
	}
	return fmt.Sprint("targets ", b.source.Build.Targets)
}

// names returns the targets and groups of a definition, none if bake cannot
// read it.
func (b baking) names() []string {
	files, err := b.read()
	if err != nil {
		return nil
	}
	config, _, err := buildx.ParseFiles(files, b.defaults(), b.vars())
	if err != nil {
		return nil
	}
	var names []string
	for _, t := range config.Targets {
		names = append(names, t.Name)
	}
	for _, g := range config.Groups {
		names = append(names, g.Name)
	}
	return names
}

// pulls returns what docker buildx bake pulls, run in the folder of the file,
// which has to be the test's.
func (b baking) pulls(ctx context.Context) answer {
	builds, err := b.builds(ctx)
	if err != nil {
		return answer{err: err}
	}
	var a answer
	for _, o := range builds {
		a = a.add(b.build(ctx, o))
	}
	return a
}

// builds returns what bake asks buildx to build.
func (b baking) builds(ctx context.Context) (map[string]buildxbuild.Options, error) {
	files, err := b.read()
	if err != nil {
		return nil, err
	}
	names, err := b.targets(files)
	if err != nil {
		return nil, err
	}
	targets, _, err := buildx.ReadTargets(ctx, files, names, nil, b.defaults(), b.vars(), &buildx.EntitlementConf{})
	if err != nil {
		return nil, err
	}
	for _, t := range targets {
		b.date(t)
		for i, names := range t.Platforms { // buildx would take this machine's for the builder's
			t.Platforms[i] = strings.ReplaceAll(names, "local", b.platform())
		}
	}
	return buildx.TargetsToBuildOpt(targets, nil)
}

// date hands the date of the sources over: buildx, commands/bake.go, runBake.
func (b baking) date(t *buildx.Target) {
	const name = "SOURCE_DATE_EPOCH"
	_, own := t.Args[name]
	value := b.env[name]
	if own || value == "" {
		return
	}
	if t.Args == nil {
		t.Args = map[string]*string{}
	}
	t.Args[name] = &value
}

// platform returns the builder's; some one where the scan does not know it.
func (b baking) platform() string { return cmp.Or(b.source.Build.BuildPlatform, builderPlatform) }

// read returns the files of the definition.
func (b baking) read() ([]buildx.File, error) {
	names := []string{path.Base(b.scan)}
	if slices.Contains(bakeFiles(), names[0]) {
		names = bakeFiles()
	}
	var files []buildx.File
	for _, name := range names {
		text, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, buildx.File{Name: name, Data: text})
	}
	if b.override != nil {
		files = append(files, *b.override)
	}
	return files, nil
}

// targets returns what is to be built: by name, or all targets there are.
func (b baking) targets(files []buildx.File) ([]string, error) {
	if !b.source.Build.AllStages {
		if len(b.source.Build.Targets) == 0 {
			return []string{"default"}, nil
		}
		return slices.Clone(b.source.Build.Targets), nil
	}
	config, _, err := buildx.ParseFiles(files, b.defaults(), b.vars())
	if err != nil {
		return nil, err
	}
	var names []string
	for _, t := range config.Targets {
		names = append(names, t.Name)
	}
	return names, nil
}

// defaults returns the values of bake's own variables.
func (b baking) defaults() map[string]string {
	return map[string]string{"BAKE_CMD_CONTEXT": "cwd://", "BAKE_LOCAL_PLATFORM": b.platform()}
}

// vars returns the environment that bake looks variables up in.
func (b baking) vars() map[string]string {
	if off, err := strconv.ParseBool(b.env[withoutEnvironment]); err == nil && off {
		return nil
	}
	return b.env
}

// build returns what one build pulls: buildx, build/opt.go, toSolveOpt and
// loadInputs.
func (b baking) build(ctx context.Context, o buildxbuild.Options) answer {
	body, err := b.dockerfile(o.Inputs)
	if err != nil {
		return answer{err: err}
	}
	s := scan.Build{Args: o.BuildArgs, Contexts: map[string]string{}, BuildPlatform: b.platform()}
	for name, c := range o.Inputs.NamedContexts {
		s.Contexts[name] = c.Path
	}
	for _, p := range o.Platforms {
		s.Platforms = append(s.Platforms, platforms.FormatAll(p))
	}
	if o.Target != "" {
		s.Targets = []string{o.Target}
	}
	return way{build: s}.pulls(ctx, body)
}

// dockerfile returns the text that a build reads.
func (b baking) dockerfile(in buildxbuild.Inputs) ([]byte, error) {
	if in.DockerfileInline != "" {
		return []byte(in.DockerfileInline), nil
	}
	if urlutil.IsRemoteURL(in.ContextPath) && !filepath.IsAbs(in.DockerfilePath) {
		return nil, errors.New(in.DockerfilePath + " is not in the workspace")
	}
	file, err := filepath.Abs(in.DockerfilePath)
	if err != nil {
		return nil, err
	}
	return readLocal(b.root, file)
}
