package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
)

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// texts gives each value a place of its own, on the given line.
func texts(line int, values ...string) []yamlshape.Text {
	var out []yamlshape.Text
	for i, v := range values {
		out = append(out, yamlshape.Text{Value: v, At: image.Position{File: "policy.yaml", Line: line, Col: 10 + i}})
	}
	return out
}

func patterns(t testing.TB, line int, values ...string) Patterns {
	t.Helper()
	p, faults := ParsePatterns(texts(line, values...))
	if len(faults) > 0 {
		t.Fatal(faults[0], "; ", faults[0].Next)
	}
	return p
}

func ref(t testing.TB, text string) image.Ref {
	t.Helper()
	r, err := image.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPatternMatch(t *testing.T) {
	for _, tt := range []struct{ pattern, yes, no string }{
		// docker's defaults
		{"alpine", "alpine docker.io/library/alpine index.docker.io/alpine alpine:3 alpine@" + digestA, "acme/alpine ghcr.io/library/alpine alpine2"},
		{"docker.io/alpine", "alpine", "acme/alpine"},
		{"index.docker.io/library/alpine", "alpine", "docker.io/acme/alpine"},
		{"acme/app", "acme/app docker.io/acme/app", "app ghcr.io/acme/app library/acme/app"},
		{"localhost/app", "localhost/app", "docker.io/localhost/app localhost:5000/app"},
		{"localhost:5000/app", "localhost:5000/app", "localhost/app localhost:5001/app"},
		{"GHCR.io/acme/app", "ghcr.io/acme/app GHCR.IO/acme/app", "ghcr.io/acme/app2"},
		{"ghcr.io/acme/**", "GHCR.IO/acme/app", ""},
		{"alpine", "DOCKER.io/alpine DOCKER.IO/library/alpine", ""},
		// one registry in other spellings, in patterns too
		{"ghcr.io/acme/**", "ghcr.io:443/acme/app ghcr.io./acme/app GHCR.io.:0443/acme/app", "ghcr.io:80/acme/app ghcr.io:4430/acme/app ghcr.io.evil.example/acme/app"},
		{"ghcr.io:443/acme/**", "ghcr.io/acme/app ghcr.io./acme/app", "ghcr.io:5000/acme/app"},
		{"*.gcr.io:443/acme/**", "eu.gcr.io/acme/app", "eu.gcr.io:5000/acme/app"},
		{"registry.example:5000/**", "registry.example:05000/a registry.example.:5000/a", "registry.example/a"},
		{"docker.io/**", "registry-1.docker.io/library/alpine registry.hub.docker.com/alpine docker.io:443/acme/app docker.io./acme/app index.docker.io:443/a", "hub.docker.com/library/alpine"},
		{"alpine", "registry-1.docker.io/alpine registry.hub.docker.com/library/alpine docker.io:443/alpine", ""},
		{"localhost/app", "localhost./app", "localhost:443/app"},
		// what is a registry by its port alone is not the same name at Docker Hub
		{"acme/app", "registry-1.docker.io/acme/app", "acme:443/app acme:80/app acme./app"},
		{"acme:443/app", "acme:443/app ACME:443/app", "acme/app acme:5000/app"},

		// * stays within a segment
		{"*", "alpine busybox:1", "acme/app ghcr.io/a"},
		{"*/*", "acme/app alpine", "ghcr.io/acme/app acme/a/b"},
		{"bitnami*/**", "bitnami/redis bitnamilegacy/redis bitnami/a/b", "bitnami ghcr.io/bitnami/redis xbitnami/redis"},
		{"ghcr.io/acme/*", "ghcr.io/acme/app ghcr.io/acme/a", "ghcr.io/acme ghcr.io/acme/app/sub ghcr.io/acme2/app"},
		{"ghcr.io/acme/app-*", "ghcr.io/acme/app-1 ghcr.io/acme/app-x-y", "ghcr.io/acme/app ghcr.io/acme/my-app-1"},
		{"ghcr.io/acme/*-app", "ghcr.io/acme/my-app", "ghcr.io/acme/my-app-2 ghcr.io/acme/app"},
		{"ghcr.io/acme/a*b*c", "ghcr.io/acme/abc ghcr.io/acme/axxbyyc ghcr.io/acme/abbcc", "ghcr.io/acme/ab ghcr.io/acme/acb ghcr.io/acme/abcd"},
		{"ghcr.io/acme/*b*c*", "ghcr.io/acme/abbccd ghcr.io/acme/bc", "ghcr.io/acme/acb ghcr.io/acme/cb"},
		{"ghcr.io/acme/*a*a*", "ghcr.io/acme/aa ghcr.io/acme/xaxax", "ghcr.io/acme/a ghcr.io/acme/xax"},
		{"ghcr.io/acme/ab*ba", "ghcr.io/acme/abba", "ghcr.io/acme/aba"},
		{"ghcr.io/*/app", "ghcr.io/acme/app", "ghcr.io/app ghcr.io/acme/team/app"},

		// ** takes whole segments, one at least
		{"**", "alpine ghcr.io/acme/app localhost:5000/x", ""},
		{"ghcr.io/**", "ghcr.io/a ghcr.io/a/b/c/d", "ghcr.io.evil.example/a alpine"},
		{"ghcr.io/acme/**", "ghcr.io/acme/a ghcr.io/acme/a/b/c", "ghcr.io/acme ghcr.io/acme-evil/a evil.example/ghcr.io/acme/a"},
		{"ghcr.io/**/app", "ghcr.io/a/app ghcr.io/a/b/app ghcr.io/app/app", "ghcr.io/app ghcr.io/a/app/x ghcr.io/a/app2"},
		{"ghcr.io/**/a/**/b", "ghcr.io/x/a/y/b ghcr.io/a/a/a/b ghcr.io/x/a/b/a/b/b", "ghcr.io/a/x/b ghcr.io/x/a/b ghcr.io/x/a/y/b/c"},
		{"**/app", "acme/app app ghcr.io/a/b/app", "ghcr.io/app/x"},
		{"docker.io/**", "alpine acme/app a/b/c", "ghcr.io/a"},
		{"docker.io/*", "alpine", "acme/app"},
		{"docker.io/*/*", "alpine acme/app", "a/b/c"},

		// registries
		{"*.gcr.io/acme/**", "eu.gcr.io/acme/a", "gcr.io/acme/a eu.gcr.io.evil.example/acme/a eu.gcr.io:5000/acme/a"},
		{"*.GCR.io/acme/a", "eu.gcr.io/acme/a", ""},
		{"registry.acme.com:*/a", "registry.acme.com:5000/a", "registry.acme.com/a"},

		// tags decide only where no digest is written
		{"alpine:3.22", "alpine:3.22", "alpine:3.2 alpine alpine:3.22@" + digestA + " alpine@" + digestA},
		{"alpine:latest", "alpine alpine:latest", "alpine@" + digestA + " alpine:latest@" + digestA},
		{"alpine:3.*", "alpine:3.22 alpine:3.", "alpine:33 alpine:3 alpine:3.22@" + digestA},
		{"alpine:*", "alpine alpine:X_1", "alpine@" + digestA},
		{"ghcr.io/acme/**:v*-rc*", "ghcr.io/acme/a/b:v1-rc2", "ghcr.io/acme/a:v1 ghcr.io/acme/a:v1-rc2@" + digestA},
		{"localhost:5000", "localhost:5000", "localhost:5000/app"}, // as docker reads it: an image, a tag

		// digests
		{"alpine@" + digestA, "alpine@" + digestA + " alpine:3@" + digestA, "alpine alpine@" + digestB},
		{"ghcr.io/**@" + digestA, "ghcr.io/a/b@" + digestA, "ghcr.io/a/b alpine@" + digestA},
	} {
		p := patterns(t, 1, tt.pattern)
		for _, text := range strings.Fields(tt.yes) {
			if got, ok := p.Match(ref(t, text)); !ok || got.String() != tt.pattern || !got.Match(ref(t, text)) {
				t.Errorf("%s does not match %s", tt.pattern, text)
			}
		}
		for _, text := range strings.Fields(tt.no) {
			if got, ok := p.Match(ref(t, text)); ok || got.Match(ref(t, text)) {
				t.Errorf("%s matches %s", tt.pattern, text)
			}
		}
		if _, ok := p.Match(image.Ref{}); ok {
			t.Errorf("%s matches the zero Ref", tt.pattern)
		}
	}
}

func TestPatternsMatch(t *testing.T) {
	for _, tt := range []struct{ list, ref, want string }{
		{"ghcr.io/** ghcr.io/acme/** ghcr.io/*/app", "ghcr.io/acme/app", "ghcr.io/acme/**"},
		{"ghcr.io/*/app ghcr.io/**", "ghcr.io/acme/app", "ghcr.io/*/app"},
		{"ghcr.io/acme/** !ghcr.io/acme/legacy-*", "ghcr.io/acme/legacy-a", ""},
		{"ghcr.io/acme/** !ghcr.io/acme/legacy-*", "ghcr.io/acme/legacy-a/b", "ghcr.io/acme/**"},
		{"!ghcr.io/acme/app:old ghcr.io/acme/app", "ghcr.io/acme/app:old", ""},
		{"!ghcr.io/acme/app:old ghcr.io/acme/app", "ghcr.io/acme/app:old@" + digestA, "ghcr.io/acme/app"},
		{"!ghcr.io/** ghcr.io/acme/app", "ghcr.io/acme/app", ""}, // however specific the other is
		{"docker.io/library/alpine alpine", "alpine", "alpine"},
		{"alpine docker.io/library/alpine", "alpine", "alpine"},
	} {
		got, _ := patterns(t, 1, strings.Fields(tt.list)...).Match(ref(t, tt.ref))
		if got.String() != tt.want {
			t.Errorf("[%s] and %s: %q, want %q", tt.list, tt.ref, got, tt.want)
		}
	}
	if _, ok := (Patterns{}).Match(ref(t, "alpine")); ok {
		t.Error("the zero Patterns match")
	}
	if (Pattern{}).Match(ref(t, "alpine")) || (Pattern{}).Match(image.Ref{}) {
		t.Error("the zero Pattern matches")
	}
}

func TestPatternFaults(t *testing.T) {
	for _, tt := range []struct{ pattern, want, next string }{
		{"", "names nothing", "write it as registry/repository"},
		{"!", "names nothing", "write it as registry/repository"},
		{"!!alpine", "excluded twice", "one !"},
		{"https://ghcr.io/acme/app", "no scheme", "leave out"},
		{"docker://alpine", "no scheme", "leave out"},
		{"ghcr.io/Acme/app", "lower case", "lower case"},
		{"ghcr.io/Acme/*", "lower case", "lower case"},
		{"ghcr.io/acme app", "spaces", "write it as"},
		{"ghcr.io/acme/*\n", "spaces", "write it as"},
		{"ghcr.io/äcme/*", "beyond ASCII", "write it as"},
		{"ghcr.io//app", "no image name", "write it as"},
		{"ghcr.io/", "", "write it as"},
		{"/app", "", "write it as"},
		{"ghcr.io/acme/**/", "no image name", "write it as"},
		{"ghcr.io/acme/-*", "no image name", "write it as"},
		{"ghcr.io/acme/a..*", "no image name", "write it as"},
		{"ghcr.io/acme/{a,b}", "", "write it as"},
		{"ghcr.io/acme/[ab]*", "no image name", "write it as"},
		{"ghcr.io:x*/app", "no image name", "write it as"},
		{"alpine@sha256:abc", "is not a digest", "64"},
		{"alpine@" + strings.ToUpper(digestA), "is not a digest", "64"},
		{"alpine@", "is not a digest", "64"},
		{"alpine@sha256:*", "a digest is not a pattern", "all of it"},
		{"alpine:3@" + digestA, "a tag and a digest", "leave out the tag"},
		{"*:*@" + digestA, "a tag and a digest", "leave out the tag"},
		{"alpine:", "nothing follows the colon", "leave out the colon"},
		{"alpine:-a", "is not a tag", "letters"},
		{"alpine:.*", "is not a tag", "letters"},
		{"alpine:a+b", "is not a tag", "letters"},
		{"alpine:**", "a tag has none", "letters"},
		{"alpine:" + strings.Repeat("a", 129), "is not a tag", "128"},
		{"***", "glued", "write / on both sides"},
		{"a**", "glued", "write / on both sides"},
		{"ghcr.io/**a/b", "glued", "write / on both sides"},
		{"**.gcr.io/a", "glued", "write / on both sides"},
		{strings.Repeat("a/", 256) + "a", "513 bytes", "shorten"},
		{"ghcr.io/" + strings.Repeat("*a", 33), "more than 32 *", "fewer"},
	} {
		for _, not := range []string{"", "!"} {
			if not == "!" && (tt.pattern == "" || tt.pattern[0] == '!') {
				continue
			}
			in := texts(7, "busybox", not+tt.pattern)
			_, faults := ParsePatterns(in)
			if len(faults) != 1 {
				t.Errorf("%q: %d faults", not+tt.pattern, len(faults))
				continue
			}
			if f := faults[0]; f.At != in[1].At || !strings.Contains(f.Err.Error(), tt.want) || !strings.Contains(f.Next, tt.next) {
				if !(not == "!" && len(tt.pattern) == 513) { // one byte more
					t.Errorf("%q: %v; %s", not+tt.pattern, f, f.Next)
				}
			}
			if got := faults[0].Error(); len(got) > 700 {
				t.Errorf("%q: a message of %d bytes", tt.pattern, len(got))
			}
		}
	}
	p, faults := ParsePatterns(texts(3, "!alpine", "!busybox"))
	if len(faults) != 1 || faults[0].At.Col != 10 || !strings.Contains(faults[0].Error(), "speaks of no image") || len(p.match)+len(p.not) > 0 {
		t.Error("only !:", faults)
	}
	if p, faults := ParsePatterns(nil); len(faults) > 0 || len(p.match) > 0 {
		t.Error("empty:", faults)
	}
}

// ladder is in order of specificity; those of one line are equal.
var ladder = []string{
	"**",
	"**:*",
	"**:v*",
	"**:v1",
	"**@" + digestA + " **@" + digestB,
	"**/*",
	"**/app",
	"**/app:v1",
	"*.io/**",
	"*.io/*",
	"*.gcr.io/**",
	"ghcr.io/** docker.io/** quay.io/**",
	"ghcr.io/**/**",
	"ghcr.io/**/*",
	"ghcr.io/**/app",
	"ghcr.io/*",
	"ghcr.io/*/**",
	"ghcr.io/*/*",
	"ghcr.io/*/app",
	"ghcr.io/a*/** ghcr.io/*a/** ghcr.io/b*/**",
	"ghcr.io/a*/*",
	"ghcr.io/a*a/**",
	"ghcr.io/acme",
	"ghcr.io/acme/** ghcr.io/beta/** library/** docker.io/acme/**",
	"ghcr.io/acme/*:v1",
	"ghcr.io/acme/*@" + digestA,
	"ghcr.io/acme/app-*",
	"ghcr.io/acme/app alpine docker.io/library/busybox acme/app",
	"ghcr.io/acme/app:* alpine:*",
	"ghcr.io/acme/app:v*",
	"ghcr.io/acme/app:v1.* ghcr.io/acme/app:*v1.",
	"ghcr.io/acme/app:v alpine:latest",
	"ghcr.io/acme/app@" + digestA + " alpine@" + digestB,
	"ghcr.io/acme/app/**",
	"ghcr.io/acme/app/x",
}

func TestPatternCompare(t *testing.T) {
	type rung struct {
		Pattern
		height int
	}
	var all []rung
	for i, line := range ladder {
		for _, text := range strings.Fields(line) {
			all = append(all, rung{patterns(t, 1, text).match[0], i})
		}
	}
	sign := func(n int) int { return min(1, max(-1, n)) }
	for _, a := range all {
		for _, b := range all {
			if got := sign(a.Compare(b.Pattern)); got != sign(a.height-b.height) || got != -sign(b.Compare(a.Pattern)) {
				t.Errorf("%s and %s: %d", a, b, got)
			}
			for _, c := range all {
				if a.Compare(b.Pattern) >= 0 && b.Compare(c.Pattern) >= 0 && a.Compare(c.Pattern) < 0 {
					t.Errorf("not transitive: %s, %s, %s", a, b, c)
				}
			}
		}
	}
	byName := slices.Clone(all)
	slices.SortStableFunc(byName, func(a, b rung) int { return strings.Compare(a.text, b.text) })
	slices.SortStableFunc(byName, func(a, b rung) int { return a.Compare(b.Pattern) })
	if !slices.IsSortedFunc(byName, func(a, b rung) int { return a.height - b.height }) {
		t.Error("sorting does not give the ladder")
	}
}

// What a hostile pattern may cost is bounded by its length times the name's.
// With backtracking this test would not end.
func TestPatternHostile(t *testing.T) {
	long := strings.Repeat("a", 200)
	seg := strings.Repeat("a/", 100)
	list := patterns(t, 1,
		"ghcr.io/"+strings.Repeat("*a", 32)+"b",
		"ghcr.io/"+strings.Repeat("**/a/", 16)+"b",
		"ghcr.io/a:"+strings.Repeat("*a", 32)+"b")
	for range 1000 {
		for _, text := range []string{"ghcr.io/" + long + "c", "ghcr.io/" + seg + "c", "ghcr.io/a:" + long[:100] + "c"} {
			if p, ok := list.Match(ref(t, text)); ok {
				t.Fatal(p)
			}
		}
	}
}

// FuzzPatternName holds patterns against image.Parse: what it reads, a pattern of
// the same text matches, and the name with its defaults as well.
func FuzzPatternName(f *testing.F) {
	for _, s := range []string{
		"alpine", "a/b", "docker.io/a", "index.docker.io/a", "GHCR.io/a", "Docker.io/a", "INDEX.docker.io/x", "localhost/a", "localhost:1/a:b",
		"localhost:5000", "[::1]:5000/a", "a.b/c@" + digestA, "a.b/c:d@" + digestA, "$(x).y/z", ":5/a", "1.2.3.4/a__b/c--d", "A:1/b", "x:A",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := image.Parse(text)
		base, digest, _ := strings.Cut(text, "@")
		if strings.ContainsAny(text, "*!") || len(text) > maxPattern {
			return // a glob, an exclusion
		}
		p, faults := ParsePatterns(texts(1, text))
		if err != nil {
			if len(faults) == 0 {
				t.Fatalf("%q is read as a pattern, and is no reference: %v", text, err)
			}
			return
		}
		if digest != "" && r.Tag() != "" {
			if len(faults) == 0 {
				t.Fatalf("%q: a tag beside a digest", text)
			}
			base = strings.TrimSuffix(base, ":"+r.Tag())
			p, faults = ParsePatterns(texts(1, base, base+"@"+digest))
		}
		if len(faults) > 0 {
			t.Fatalf("%q: %v", text, faults[0])
		}
		for _, list := range []Patterns{p, patterns(t, 1, r.Name()), patterns(t, 1, "**"), patterns(t, 1, strings.ToLower(r.Registry())+"/**")} {
			if _, ok := list.Match(r); !ok {
				t.Fatalf("%q: %v does not match", text, list.match)
			}
		}
	})
}

func ExampleParsePatterns() {
	p, _ := ParsePatterns([]yamlshape.Text{{Value: "ghcr.io/acme/**"}, {Value: "!ghcr.io/acme/legacy-*"}})
	for _, text := range []string{"ghcr.io/acme/app:v1", "ghcr.io/acme/legacy-app", "alpine"} {
		r, _ := image.Parse(text)
		_, ok := p.Match(r)
		fmt.Println(text, ok)
	}
	// Output:
	// ghcr.io/acme/app:v1 true
	// ghcr.io/acme/legacy-app false
	// alpine false
}
