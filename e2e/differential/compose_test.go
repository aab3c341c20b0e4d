package differential_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"

	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/scan/compose"
	"github.com/boltseal/boltseal/scan/dockerfile"
)

// composeDifferences are those that package compose, or testdata's README, has
// reasons for.
func composeDifferences() []difference {
	return []difference{
		{
			why:   "compose-go looks for what COMPOSE_FILE names in the process's folder, which a user's is the project's, and the test's is not",
			is:    theyFail,
			cases: []string{"compose_file"},
		},
		{
			why:   "what only docker buildx bake reads in a Compose file is refused",
			is:    weFail,
			cases: []string{"build_extras"},
		},
		{
			why:   "Compose goes on with an empty text for a variable without a value; what names the image is not known before somebody sets it",
			is:    weFail,
			cases: []string{"build_args_valueless_default", "build_args_valueless_stage", "inline_valueless", "policy_valueless"},
		},
		{
			why:   "the same, while BuildKit refuses an empty platform",
			is:    failShort,
			cases: []string{"build_valueless"},
		},
		{
			why:   "a project without a name has that of its folder, which is not known in a workspace",
			is:    weFail,
			cases: []string{"project_name_default", "project_name_unknown"},
		},
		{
			why:   "defaults within more than 50 others are too much for the scan",
			is:    weFail,
			cases: []string{"variables_deep"},
		},
		{
			why:   "Compose refuses the file, by its schema or for what a service depends on; the scan does not validate",
			is:    theyFail,
			cases: []string{"build_null_context", "empty", "null_things", "policy_pulls", "profiles_depends_on, profiles []"},
		},
		{
			why:   "a build without a context is read together with the default file of the folder: here there is no other Dockerfile",
			is:    theyFail,
			cases: []string{"override_alone"},
		},
		{
			why:   "and here there is another Dockerfile: both count",
			is:    moreFound,
			cases: []string{"override_both"},
		},
	}
}

func TestCompose(t *testing.T) {
	discardWarnings(t)
	format := compose.Format(dockerfile.Scan)
	y := newTally(t, composeDifferences())
	for _, s := range samples(t, "compose") {
		t.Run(s.name, func(t *testing.T) {
			y.cases++
			c := newComposition(t, s)
			for _, profiles := range [][]string{c.source.Profiles, nil, {"*"}} {
				c.source.Profiles = profiles
				how := fmt.Sprint("profiles ", profiles)
				y.judge(t, s.name, how, found(format.Scan(c.source, c.scan)), c.pulls(t.Context()))
			}
		})
	}
	y.close(t, 100, 200)
}

// discardWarnings keeps compose-go's warnings to itself.
func discardWarnings(t *testing.T) {
	t.Helper()
	was := logrus.StandardLogger().Out
	logrus.SetOutput(io.Discard)
	t.Cleanup(func() { logrus.SetOutput(was) })
}

// A composition is a workspace with a Compose file, and how it is used.
type composition struct {
	root   string // folder of the workspace
	scan   string // the file, relative to root
	env    map[string]string
	source scan.Source
}

func newComposition(t *testing.T, s sample) composition {
	t.Helper()
	c := composition{root: t.TempDir()}
	c.source.Build = scan.Build{BuildPlatform: builderPlatform}
	for _, part := range s.parts {
		switch part.Name {
		case "env":
			c.env = settings(part.Data)
		case "profiles":
			c.source.Profiles = strings.Fields(string(part.Data))
		case "build":
			c.source.Build = readBuild(t, part.Data)
		case "scan":
			c.scan = strings.TrimSpace(string(part.Data))
		default:
			write(t, filepath.Join(c.root, part.Name), part.Data)
			if c.scan == "" && strings.Contains(filepath.Base(part.Name), "compose.") {
				c.scan = part.Name
			}
		}
	}
	c.source.FS = os.DirFS(c.root)
	c.source.Getenv = func(name string) (string, bool) { v, ok := c.env[name]; return v, ok }
	// compose-go does not ask the environment it is given for this one.
	const disable = "COMPOSE_DISABLE_ENV_FILE"
	t.Setenv(disable, cmp.Or(c.env[disable], "false"))
	return c
}

// pulls returns what docker compose build and up pull.
func (c composition) pulls(ctx context.Context) answer {
	p, err := c.load(ctx)
	if err != nil {
		return answer{err: err}
	}
	a := answer{}
	for _, name := range images(p) {
		a = a.add(pulled(name))
	}
	for _, s := range built(p) {
		a = a.add(c.build(ctx, p, s))
	}
	return a
}

// load reads the project as docker compose does: the default file of a folder
// with its override, any other file by itself.
func (c composition) load(ctx context.Context) (*types.Project, error) {
	file := filepath.Join(c.root, c.scan)
	files := []string{file}
	if isDefault(file) {
		files = nil
	}
	var env []string
	for name, value := range c.env {
		env = append(env, name+"="+value)
	}
	o, err := cli.NewProjectOptions(files,
		cli.WithWorkingDirectory(filepath.Dir(file)),
		cli.WithEnv(env), cli.WithEnvFiles(), cli.WithDotEnv,
		cli.WithConfigFileEnv, cli.WithDefaultConfigPath, cli.WithDefaultProfiles(c.source.Profiles...))
	if err != nil {
		return nil, err
	}
	return o.LoadProject(ctx)
}

// isDefault reports whether docker compose picks the file by itself: the first
// of its names that is there.
func isDefault(file string) bool {
	for _, name := range cli.DefaultFileNames {
		if _, err := os.Stat(filepath.Join(filepath.Dir(file), name)); err == nil {
			return name == filepath.Base(file)
		}
	}
	return false
}

// images returns what is pulled to run a project: an image that a service
// builds only where pull_policy says so, docker compose, pkg/compose/pull.go.
func images(p *types.Project) []string {
	own := map[string]bool{}
	for _, s := range p.Services {
		own[s.Image] = own[s.Image] || s.Build != nil
	}
	var all []string
	pull := func(name, policy string) {
		switch {
		case name == "", policy == types.PullPolicyNever, policy == types.PullPolicyBuild, policy == "" && own[name]:
		default:
			all = append(all, name)
		}
	}
	for _, s := range runnable(p) {
		pull(s.Image, s.PullPolicy)
		for _, hook := range s.PreStart {
			pull(hook.Image, s.PullPolicy)
		}
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeImage {
				pull(v.Source, "")
			}
		}
	}
	return all
}

// runnable returns active services, and jobs as if they were some.
func runnable(p *types.Project) []types.ServiceConfig {
	all := slices.Collect(maps.Values(p.Services))
	for name, j := range p.Jobs {
		all = append(all, types.ServiceConfig{Name: name, ContainerSpec: j.ContainerSpec, WorkloadSpec: j.WorkloadSpec})
	}
	return all
}

// built returns the services that are built: active ones, and those that are an
// additional context of one, docker compose, pkg/compose/build.go,
// addBuildDependencies.
func built(p *types.Project) []types.ServiceConfig {
	queue := runnable(p)
	disabled := maps.Clone(p.DisabledServices)
	var all []types.ServiceConfig
	for ; len(queue) > 0; queue = queue[1:] {
		s := queue[0]
		if s.Build == nil {
			continue
		}
		all = append(all, s)
		for _, from := range s.Build.AdditionalContexts {
			name, isService := strings.CutPrefix(from, types.ServicePrefix)
			if needed, ok := disabled[name]; ok && isService {
				queue = append(queue, needed)
				delete(disabled, name)
			}
		}
	}
	return all
}

// build returns what the build of a service pulls.
func (c composition) build(ctx context.Context, p *types.Project, s types.ServiceConfig) answer {
	body, err := c.dockerfile(s.Build)
	if err != nil {
		return answer{err: err}
	}
	b := scan.Build{Args: map[string]string{}, Contexts: s.Build.AdditionalContexts, AllStages: c.source.Build.AllStages}
	for name, value := range s.Build.Args {
		if value != nil {
			b.Args[name] = *value
		}
	}
	maps.Copy(b.Args, c.source.Build.Args)
	if s.Build.Target != "" {
		b.Targets = []string{s.Build.Target}
	}
	if b.Platforms = servicePlatforms(p, s); len(b.Platforms) == 0 {
		b.Platforms = c.source.Build.Platforms
	}
	return way{build: b}.pulls(ctx, body)
}

// servicePlatforms returns those a service is built for, docker compose,
// cmd/compose/options.go, applyPlatforms.
func servicePlatforms(p *types.Project, s types.ServiceConfig) []string {
	switch platform := p.Environment["DOCKER_DEFAULT_PLATFORM"]; {
	case len(s.Build.Platforms) > 0:
		return s.Build.Platforms
	case s.Platform != "":
		return []string{s.Platform}
	case platform != "":
		return []string{platform}
	}
	return nil
}

// dockerfile returns the text that a build reads.
func (c composition) dockerfile(b *types.BuildConfig) ([]byte, error) {
	if b.DockerfileInline != "" {
		return []byte(b.DockerfileInline), nil
	}
	file := b.Dockerfile
	if !filepath.IsAbs(file) {
		file = filepath.Join(b.Context, file)
	}
	return readLocal(c.root, file)
}
