package differential_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/scan/dockerfile"
)

var (
	randomSeed  = flag.Int("seed", 4, "of the first random Dockerfile; each has the next one")
	randomCount = flag.Int("dockerfiles", 2000, "number of random Dockerfiles")
)

// Random Dockerfiles, few words in all combinations, find what nobody thought
// of. BuildKit may refuse what the scan can read: then nothing is pulled.
func TestRandomDockerfile(t *testing.T) {
	t.Parallel()
	y := newTally(t, nil)
	for seed := *randomSeed; seed < *randomSeed+*randomCount; seed++ {
		y.cases++
		c := newChance(seed)
		text, b := c.dockerfile(), c.build()
		for _, w := range ways([]byte(text), b) {
			ours := found(dockerfile.Scan([]byte(text), "Dockerfile", w.build))
			theirs := w.pulls(t.Context(), []byte(text))
			if o := compare(ours, theirs); o == theyFail || (o == weFail || o == failShort) && w.open(t.Context(), text, theirs) {
				y.outcomes[o]++
				continue
			}
			y.judge(t, fmt.Sprintf("seed %d", seed), fmt.Sprintf("%s, %+v of\n%s", w.name, w.build, text), ours, theirs)
		}
		if t.Failed() {
			break // one is enough to look at
		}
	}
	t.Logf("-seed %d -dockerfiles %d", *randomSeed, *randomCount)
	y.close(t, *randomCount, *randomCount)
}

// open reports whether BuildKit's answer hangs on variables that have no value
// where they are used: declaring them first, with a value, brings other images
// or none.
func (w way) open(ctx context.Context, text string, theirs answer) bool {
	unset := w.unset(text)
	choices := [][]string{unset}
	for _, name := range unset {
		choices = append(choices, []string{name})
	}
	for _, names := range choices {
		for _, value := range []string{"img7", "7"} {
			body, set := w.with(text, names, value)
			if a := set.pulls(ctx, body); (a.err != nil) != (theirs.err != nil) || !slices.Equal(a.images, theirs.images) {
				return true
			}
		}
	}
	return false
}

// unset returns the variables that the build gives no value, or the text does
// not declare.
func (w way) unset(text string) []string {
	var names []string
	for _, name := range []string{"A", "B", "C", "D"} {
		if _, given := w.build.Args[name]; !given || !strings.Contains(text, "ARG "+name) {
			names = append(names, name)
		}
	}
	return names
}

// with declares variables before anything else but a directive, and gives them
// a value.
func (w way) with(text string, names []string, value string) ([]byte, way) {
	w.build.Args = maps.Clone(w.build.Args)
	for _, name := range names {
		w.build.Args[name] = value
	}
	args := "ARG " + strings.Join(names, " ") + "\n"
	if first, rest, _ := strings.Cut(text, "\n"); strings.HasPrefix(first, "#") {
		return []byte(first + "\n" + args + rest), w
	}
	return []byte(args + text), w
}

// A chance makes Dockerfiles that are mostly right.
type chance struct{ *rand.Rand }

func newChance(seed int) chance {
	return chance{rand.New(rand.NewPCG(uint64(seed), 0))} //nolint:gosec // any number will do
}

// one returns one of several texts, each as likely.
func (c chance) one(of ...string) string { return of[c.IntN(len(of))] }

// in reports true once in n times.
func (c chance) in(n int) bool { return c.IntN(n) == 0 }

func (c chance) dockerfile() string {
	var b strings.Builder
	if c.in(8) {
		b.WriteString(c.one("# syntax=docker/dockerfile:1", "# escape=`", "#syntax = example.com/frontend", "# comment") + "\n")
	}
	for range c.IntN(4) {
		b.WriteString(c.arg())
	}
	var names []string
	for range 1 + c.IntN(5) {
		name := c.one("", "", "st0", "st1", "st2", "st3", "St0", "img1", "ctx", "scratch", "context")
		b.WriteString(c.from(names, name))
		if name != "" {
			names = append(names, strings.ToLower(name))
		}
		for range c.IntN(4) {
			b.WriteString(c.instruction())
		}
	}
	return b.String()
}

func (c chance) arg() string {
	name := c.one("A", "B", "C", "TARGETARCH")
	if c.in(5) {
		return "ARG " + name + "\n"
	}
	return "ARG " + name + "=" + c.one("img1", "1", "st0", "", "$A", "${B:-st1}", "a-1", `"$C"`, "$TARGETSTAGE") + "\n"
}

func (c chance) from(names []string, name string) string {
	from := c.one("FROM ", "FROM ", "FROM ", "from ", "FROM \\\n  ", "FROM --platform=linux/arm64 ", "FROM --platform=$BUILDPLATFORM ")
	base := c.base()
	if len(names) > 0 && c.in(4) {
		base = names[c.IntN(len(names))]
	}
	if name != "" {
		name = c.one(" AS ", " as ") + name
	}
	return from + base + name + "\n"
}

// base returns what may follow FROM.
func (c chance) base() string {
	name := c.one("A", "B", "C", "D", "TARGETARCH", "TARGETSTAGE")
	other := c.one("img1", "st0", "st1", "x:2", "", "$A", "${B}", "${C:-img9}", "amd64")
	switch c.IntN(20) {
	case 0:
		return "$" + name
	case 1:
		return "${" + name + ":-" + other + "}"
	case 2:
		return "img:1${" + name + ":+-" + other + "}"
	case 3:
		return "${" + name + "-" + other + "}"
	case 4:
		return "${" + name + "+" + other + "}"
	case 5:
		return "img${" + name + c.one("#", "##", "%", "%%") + c.one("*", "?", "a*", "*1", "i") + "}"
	case 6:
		return "img${" + name + c.one("/", "//") + c.one("a", "?", "m*", "1") + "/" + c.one("b", "", "$B") + "}"
	case 7:
		return `"` + c.one("img:$A", "img", "${B:-q}") + `"`
	}
	if c.in(40) {
		return "Img" // no reference, but maybe a stage
	}
	return c.one("img1", "img2:3", "ghcr.io/a/b:1", "scratch", "img1:latest", "docker.io/library/img1", "ctx")
}

func (c chance) instruction() string {
	from := c.one("img1", "img5:1", "img6", "0", "scratch", "ctx", "context", "img1:latest", "st0")
	if c.in(8) {
		from = c.one("1", "2", "3", "5", "St1", "st2") // which may not be there yet
	}
	trigger := ""
	if c.in(4) {
		trigger = "ONBUILD "
	}
	switch c.IntN(6) {
	case 0, 1:
		return trigger + "COPY --from=" + from + " /a /b\n"
	case 2, 3:
		return trigger + "RUN --mount=type=" + c.one("bind", "cache") + ",target=/x,from=" + from + " true\n"
	case 4:
		return trigger + "RUN --mount=type=cache,target=/c true\n"
	}
	return "RUN <<EOF\nFROM evil\nEOF\n"
}

// build returns what is said with the Dockerfile.
func (c chance) build() scan.Build {
	b := scan.Build{BuildPlatform: builderPlatform, Args: map[string]string{}, Contexts: map[string]string{}}
	for range c.IntN(3) {
		b.Args[c.one("A", "B", "C", "TARGETARCH", "Z")] = c.one("img7", "st1", "", "2")
	}
	for range c.IntN(3) {
		name := c.one("st0", "st1", "ctx", "img1", "img2:3", "scratch", "context", "img1::linux/arm64", "docker.io/library/img1", "docker/dockerfile:1")
		b.Contexts[name] = c.one(dockerImage+"other:1", dockerImage+scratch, dockerImage+"img1", "dir")
	}
	if c.in(4) {
		b.Platforms = []string{"linux/arm64", "linux/amd64"}
	}
	return b
}
