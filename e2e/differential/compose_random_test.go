package differential_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/scan/compose"
	"github.com/boltseal/boltseal/scan/dockerfile"
)

var randomProjects = flag.Int("projects", 300, "number of random Compose projects")

// Random projects, each of several files that extend, include and override each
// other. Compose may refuse what the scan can read: then nothing is pulled.
func TestRandomCompose(t *testing.T) {
	t.Parallel()
	discardWarnings(t)
	format := compose.Format(dockerfile.Scan)
	y := newTally(t, nil)
	for seed := *randomSeed; seed < *randomSeed+*randomProjects && !t.Failed(); seed++ {
		y.cases++
		p := randomProject(seed)
		c := p.composition(t)
		ours, theirs := found(format.Scan(c.source, c.scan)), c.pulls(t.Context())
		if o := compare(ours, theirs); o == theyFail || (o == weFail || o == failShort) && c.open(t.Context(), theirs) {
			y.outcomes[o]++
			continue
		}
		y.judge(t, fmt.Sprintf("seed %d", seed), p.String(), ours, theirs)
	}
	t.Logf("-seed %d -projects %d", *randomSeed, *randomProjects)
	y.close(t, *randomProjects, *randomProjects)
}

// open reports whether Compose's answer hangs on a variable that has no value:
// giving those one brings other images, or none.
func (c composition) open(ctx context.Context, theirs answer) bool {
	c.env = maps.Clone(c.env)
	for _, name := range []string{"UNSET", "UNSET2"} {
		c.env[name] = "set"
	}
	a := c.pulls(ctx)
	return (a.err != nil) != (theirs.err != nil) || !slices.Equal(a.images, theirs.images)
}

// A project is the files of a random one, by name, and how it is used.
type project struct {
	files    map[string]string
	profiles []string
	args     map[string]string
}

func (p project) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "profiles %q, args %v\n", p.profiles, p.args)
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		if !strings.HasSuffix(name, "Dockerfile") {
			fmt.Fprintf(&b, "-- %s --\n%s", name, p.files[name])
		}
	}
	return b.String()
}

func (p project) composition(t *testing.T) composition {
	t.Helper()
	c := composition{root: t.TempDir(), scan: "compose.yaml", env: map[string]string{"SET": "set", "EMPTY": ""}}
	for name, text := range p.files {
		write(t, filepath.Join(c.root, name), []byte(text))
	}
	c.source = scan.Source{
		FS: os.DirFS(c.root), Profiles: p.profiles,
		Build:  scan.Build{BuildPlatform: builderPlatform, Args: p.args},
		Getenv: func(name string) (string, bool) { v, ok := c.env[name]; return v, ok },
	}
	return c
}

func randomProject(seed int) project {
	w := writer{chance: newChance(seed)}
	p := project{files: map[string]string{".env": "DOT=dot\nSET=dot\n", "my.env": "DOT=my\n"}}
	for _, dir := range []string{".", "a", "b", "common", "common/a", "common/b", "sub", "sub/a", "sub/b", "a/a", "a/b"} {
		p.files[filepath.Join(dir, "Dockerfile")] = randomProjectDockerfile(dir, "plain")
		p.files[filepath.Join(dir, "x.Dockerfile")] = randomProjectDockerfile(dir, "x")
	}
	if w.in(3) {
		p.files["sub/.env"] = "DOT=sub\n"
	}
	if w.in(2) {
		p.profiles = []string{w.one("p", "q", "*", "set")}
	}
	if w.in(10) {
		p.args = map[string]string{"A": "cli"}
	}
	p.files["compose.yaml"] = w.file(1+w.IntN(4), "other.yml", []string{"sub/compose.yaml", "inc.yaml"}[:w.IntN(3)])
	p.files["sub/compose.yaml"] = w.file(1+w.IntN(2), "../other.yml", nil)
	p.files["inc.yaml"] = w.file(1+w.IntN(2), "other.yml", []string{"sub/compose.yaml"}[:w.IntN(2)])
	p.files["other.yml"] = w.file(3, "common/base.yml", nil)
	p.files["common/base.yml"] = w.file(3, "", nil)
	if w.in(2) {
		w.overrides = true
		p.files["compose.override.yaml"] = w.file(1+w.IntN(4), "other.yml", nil)
	}
	return p
}

// randomProjectDockerfile shows in its images where it lies, and all it is
// given.
func randomProjectDockerfile(dir, name string) string {
	return "ARG A=0\nARG B=0\nARG C=0\nARG SET=0\nARG DOT=0\nARG TARGETARCH\n" +
		"FROM in/" + strings.ReplaceAll(dir, ".", "root") + "/" + name + ":$A-$B-$C-$SET-$DOT-$TARGETARCH AS t\n" +
		"COPY --from=x / /\nFROM t AS u\nCOPY --from=y / /\n"
}

// A writer writes Compose files that are mostly right.
type writer struct {
	chance
	overrides bool // the file is merged into another one
}

// file returns one with this many services, which may extend those of another
// file and include further ones.
func (w *writer) file(services int, other string, includes []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "x-base: &base {image: base:%s, profiles: [%s]}\n", w.one("1", "2"), w.one("p", "q"))
	b.WriteString("name: " + w.one("proj", "My-Proj", "${DOT}") + "\n")
	if len(includes) > 0 && w.in(2) {
		b.WriteString("include:\n")
		for _, name := range includes {
			b.WriteString(w.include(name))
		}
	}
	b.WriteString("services:\n")
	for n := range services {
		fmt.Fprintf(&b, "  s%d: %s\n", n, w.service(n, other))
	}
	if w.in(7) {
		fmt.Fprintf(&b, "jobs:\n  j: {image: %s, triggers: {manual: true}}\n", w.image())
	}
	if w.in(7) && !strings.Contains(b.String(), "include:") {
		fmt.Fprintf(&b, "---\nservices:\n  s0: {image: %s}\n", w.image())
	}
	return b.String()
}

func (w *writer) include(name string) string {
	switch w.IntN(4) {
	case 0:
		return fmt.Sprintf("  - {path: %s, env_file: my.env}\n", name)
	case 1:
		return fmt.Sprintf("  - {path: [%s], project_directory: %s}\n", name, w.one(".", "a"))
	}
	return "  - " + name + "\n"
}

// service returns the service of this number, which may extend those before it.
func (w *writer) service(number int, other string) string {
	var f []string
	if w.in(2) {
		f = append(f, "image: "+w.tag(w.image()))
	}
	if w.in(2) || len(f) == 0 {
		f = append(f, "build: "+w.build())
	}
	if w.in(5) {
		f = append(f, "profiles: "+w.tag("["+w.one("p", "q", "p, q", `"${SET}"`)+"]"))
	}
	if w.in(6) {
		f = append(f, "pull_policy: "+w.tag(w.one("always", "missing", "never", "build", "daily", `"${UNSET:-always}"`)))
	}
	if w.in(5) {
		f = append(f, "volumes: "+w.tag("["+w.one("{type: image, source: vol:1, target: /v}", "./x:/v", "{type: bind, source: ./x, target: /v}", "{type: image, source: 'vol:${DOT}', target: /w}")+"]"))
	}
	if w.in(10) {
		f = append(f, "pre_start: [{image: "+w.image()+"}]")
	}
	if w.in(10) {
		f = append(f, "platform: linux/arm64")
	}
	if w.in(6) && number > 0 {
		f = append(f, w.one("extends: s0", "extends: {service: s0}"))
	} else if w.in(4) && other != "" {
		f = append(f, "extends: {file: "+other+", service: "+w.one("s0", "s1", "s2")+"}")
	}
	if w.in(7) {
		f = append(f, "<<: *base")
	}
	s := "{" + strings.Join(f, ", ") + "}"
	if w.in(4) {
		s = w.tag(s)
	}
	return s
}

func (w *writer) build() string {
	if w.in(4) {
		return w.one("./a", "b", ".", `"./${DIR:-a}"`)
	}
	var f []string
	if !w.in(3) {
		f = append(f, "context: "+w.one("a", "./b", ".", `"${UNSET:-b}"`))
	}
	switch w.IntN(5) {
	case 0:
		f = append(f, "dockerfile: "+w.one("Dockerfile", "x.Dockerfile", "../x.Dockerfile", `"${UNSET:-x.Dockerfile}"`))
	case 1:
		f = append(f, `dockerfile_inline: "FROM inline:`+w.value()+`"`)
	}
	if w.in(2) {
		f = append(f, "args: "+w.args())
	}
	if w.in(4) {
		f = append(f, "target: "+w.one("t", `"${UNSET:-u}"`, `""`))
	}
	if w.in(4) {
		f = append(f, "additional_contexts: "+w.one(
			"{x: docker-image://x:1, y: ./y}", "{x: docker-image://x:2}", "[x=docker-image://x:3, 'y=https://a/b']", "{y: service:s0}"))
	}
	if w.in(5) {
		f = append(f, "platforms: ["+w.one("linux/amd64", "linux/amd64, linux/arm64")+"]")
	}
	return w.tag("{" + strings.Join(f, ", ") + "}")
}

func (w *writer) args() string {
	switch w.IntN(3) {
	case 0:
		return fmt.Sprintf("['A=%s', 'B=%s', SET]", w.one("1", "2", "${SET}"), w.value())
	case 1:
		return fmt.Sprintf("{A: '%s', C: %s, DOT: }", w.value(), w.one("3.10", "1", "true", "0x10", "010", "1e3", "1_000", "~", "no", "1.0"))
	}
	return "[UNSET, C=3]"
}

// image returns a name in quotes.
func (w *writer) image() string {
	return `"` + w.one("app", "web", "acme/x", "ghcr.io/a/b") + ":" + w.value() + `"`
}

func (w *writer) value() string {
	if w.in(20) {
		return w.one("$UNSET", "a${UNSET}", "${UNSET2:-${UNSET}}b")
	}
	return w.one("1", "x", "$SET", "${SET}", "${DOT}", "${DOT:-d}", "${UNSET:-d}", "${UNSET-d}", "${EMPTY:-e}", "a${EMPTY-e}", "${SET:+s}",
		"z${UNSET:+s}", "${EMPTY+p}", "${UNSET:-${SET}}-${DOT}", "${UNSET:-${UNSET2:-${DOT}x}}", "${COMPOSE_PROJECT_NAME:-n}")
}

// tag says how a value is merged into that of another file.
func (w *writer) tag(s string) string {
	if w.overrides && w.in(10) {
		return w.one("!override ", "!reset ") + s
	}
	return s
}
