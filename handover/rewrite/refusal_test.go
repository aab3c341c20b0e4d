package rewrite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/handover/rewrite"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/verify"
)

// at is a use of what stands in the file "f".
func at(t testing.TB, text string, line, col int) image.Use {
	t.Helper()
	ref, err := image.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	p := image.Position{File: "f", Line: line, Col: col}
	return image.Use{Text: text, Ref: ref, At: p, Kind: image.From, Literal: image.Literal{Text: text, At: p}}
}

// split is a use of one digest, whose literal has another.
func split(t testing.TB) image.Use {
	t.Helper()
	u, v := at(t, "alpine:3@sha256:"+strings.Repeat("1", 64), 1, 6), at(t, "alpine:3@sha256:"+strings.Repeat("2", 64), 1, 6)
	u.Ref = v.Ref
	return u
}

// The bound is that of package scan.
func TestMaxFile(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{scan.MaxFile: "", scan.MaxFile + 1: "larger than 4 MiB"} {
		body := append([]byte("FROM alpine\n#"), bytes.Repeat([]byte("x"), n-13)...)
		changes, refused := rewrite.Plan(reader(fstest.MapFS{"f": {Data: body}}), targetsOf(t, []image.Use{at(t, "alpine", 1, 6)}, false))
		refusedFor(t, changes, refused, want)
	}
}

// refusedFor fails t unless all targets are refused for what want says, with a
// hint, or none is for "".
func refusedFor(t *testing.T, changes []rewrite.Change, refused []rewrite.Refusal, want string) {
	t.Helper()
	if want == "" {
		if len(refused) > 0 || len(changes) == 0 {
			t.Errorf("refused %v", refused)
		}
		return
	}
	if len(changes) > 0 || len(refused) == 0 {
		t.Fatalf("changes %+v", changes)
	}
	for _, r := range refused {
		if !strings.Contains(r.Err.Error(), want) || !strings.HasPrefix(r.Err.Error(), "pin ") || verify.Hint(r.Err) == "" {
			t.Errorf("%v (%s), want %q", r.Err, verify.Hint(r.Err), want)
		}
	}
}

// What is not sure is refused, whatever the scanner said.
func TestRefusals(t *testing.T) {
	t.Parallel()
	with := func(change func(*rewrite.Target), x rewrite.Target) rewrite.Target { change(&x); return x }
	one := func(u image.Use) rewrite.Target { return targetsOf(t, []image.Use{u}, false)[0] }
	alpine := one(at(t, "alpine:3", 1, 6))
	argument := func(line int, text string) image.Use {
		u := at(t, "alpine", 1, 7)
		u.At, u.Text = image.Position{File: "f", Line: line, Col: 6}, text
		return u
	}
	const file = "FROM alpine:3\nFROM debian\n"
	for _, tc := range []struct {
		name    string
		file    string
		targets []rewrite.Target
		want    string
	}{
		{"nothing", file, []rewrite.Target{alpine}, ""},
		{"not admitted", file, []rewrite.Target{with(func(x *rewrite.Target) { x.To = gate.Admitted{} }, alpine)}, "no run admitted"},
		{"an error", file, []rewrite.Target{with(func(x *rewrite.Target) { x.Use.Err = errors.New("unresolved") }, alpine)}, "unresolved"},
		{"no file", file, []rewrite.Target{with(func(x *rewrite.Target) { x.Use.At.File = "" }, alpine)}, "in no file"},
		{"no literal", file, []rewrite.Target{with(func(x *rewrite.Target) { x.Use.Literal = image.Literal{} }, alpine)}, "not written in one piece"},
		{"a literal in no file", file, []rewrite.Target{with(func(x *rewrite.Target) { x.Use.Literal.At.File = "" }, alpine)}, "not written in one piece"},
		{"a literal of who knows what", "A: alpine:3\nB: x", []rewrite.Target{with(func(x *rewrite.Target) { x.Use.Text, x.Use.At.Line = "x", 2 }, alpine)}, "something else stands in"},
		{"a literal on another line", "FROM alpine:3\nFROM alpine:3\n", []rewrite.Target{with(func(x *rewrite.Target) { x.Use.At.Line = 2 }, alpine)}, "not written in one piece"},
		{"a literal that is not in the text", file, []rewrite.Target{with(func(x *rewrite.Target) { x.Use.At.Col = 1; x.Use.Text = "FROM debian:3" }, alpine)}, "not written in one piece"},
		{"the literal has another digest", "FROM alpine:3@sha256:" + strings.Repeat("1", 64), []rewrite.Target{{Use: split(t), To: alpine.To}}, "the text there is another reference"},
		{"a literal before the place", file, []rewrite.Target{with(func(x *rewrite.Target) { x.Use.At.Col = 7 }, alpine)}, "not written in one piece"},
		{"a literal behind the text", file, []rewrite.Target{with(func(x *rewrite.Target) { x.Use.At.Col = 1; x.Use.Text = "FROM" }, alpine)}, "not written in one piece"},
		{"a literal in another file", file, []rewrite.Target{with(func(x *rewrite.Target) { x.Use.At.File = "g" }, alpine)}, "not written in one piece"},
		{"the default of an ARG that is written with escapes", "ARG A=alpine\nFROM \\\n$A", []rewrite.Target{one(argument(3, "\\$A"))}, "made of variables"},
		{"another tag", file, []rewrite.Target{with(func(x *rewrite.Target) { x.To = one(at(t, "alpine:4", 1, 6)).To }, alpine)}, "docker.io/library/alpine:4, another reference"},
		{"another repository", file, []rewrite.Target{with(func(x *rewrite.Target) { x.To = one(at(t, "evil:3", 1, 6)).To }, alpine)}, "evil:3, another reference"},
		{"another host", file, []rewrite.Target{with(func(x *rewrite.Target) { x.To = one(at(t, "evil.example/library/alpine:3", 1, 6)).To }, alpine)}, "another reference"},
		{"a digest that nobody asked for", file, []rewrite.Target{with(func(x *rewrite.Target) {
			x.To = one(at(t, "alpine:3@sha256:"+strings.Repeat("0", 64), 1, 6)).To
		}, alpine)}, "another reference"},
		{"the literal is another reference", "FROM alpine:4\n", []rewrite.Target{with(func(x *rewrite.Target) { x.Use.Literal.Text = "alpine:4"; x.Use.Text = x.Use.Literal.Text }, alpine)}, "another reference"},
		{"the literal is none", "FROM al ine:3\n", []rewrite.Target{with(func(x *rewrite.Target) { x.Use.Literal.Text = "al ine:3"; x.Use.Text = x.Use.Literal.Text }, alpine)}, "another reference"},
		{"the literal is a digest", "FROM sha256:" + strings.Repeat("0", 64), []rewrite.Target{with(func(x *rewrite.Target) {
			x.Use.Literal.Text = "sha256:" + strings.Repeat("0", 64)
			x.Use.Text = x.Use.Literal.Text
		}, alpine)}, "another reference"},
		{"other text", "FROM alpine:4\n", []rewrite.Target{alpine}, "not at its place any more"},
		{"shorter", "FROM alpine:", []rewrite.Target{alpine}, "not at its place any more"},
		{"empty", "", []rewrite.Target{alpine}, "not at its place any more"},
		{"behind the end", file, []rewrite.Target{one(at(t, "alpine:3", 4, 1))}, "not at its place any more"},
		{"line 0", file, []rewrite.Target{one(at(t, "alpine:3", 0, 6))}, "not at its place any more"},
		{"column 0", file, []rewrite.Target{one(at(t, "alpine:3", 1, 0))}, "not at its place any more"},
		{"before the line", file, []rewrite.Target{one(at(t, "alpine:3", 2, -8))}, "not at its place any more"},
		{"part of a tag", "FROM alpine:3.20\n", []rewrite.Target{alpine}, `'.' goes on behind it`},
		{"part of a longer tag", "FROM alpine:32\n", []rewrite.Target{alpine}, `'2' goes on behind it`},
		{"it has a digest", "FROM alpine:3@sha256:00\n", []rewrite.Target{alpine}, `'@' goes on behind it`},
		{"part of a name", "FROM xalpine:3\n", []rewrite.Target{one(at(t, "alpine:3", 1, 7))}, `'x' stands before it`},
		{"not UTF-8", "FROM alpine:3\n\xff", []rewrite.Target{alpine}, "not UTF-8"},
		{"two digests", file, []rewrite.Target{alpine, with(func(x *rewrite.Target) { x.To = other(t, x.Use) }, alpine)}, "would have to be both"},
		{"another build finds another image there", file, []rewrite.Target{alpine, one(image.Use{Text: "alpine:3", Kind: image.From, At: alpine.Use.At, Ref: at(t, "mirror.example/alpine:3", 1, 6).Ref})}, ""},
		{"the default of another ARG", "ARG B=alpine\nFROM $A\n", []rewrite.Target{one(argument(2, "$A"))}, "default of ARG A, at f:1:7, which line 1 uses, too"},
		{"a stage that is called as the ARG", "ARG A=alpine\nFROM $A\nFROM $B AS A\n", []rewrite.Target{one(argument(2, "$A"))}, "which line 3 uses, too"},
		{"the ARG twice on one line", "ARG A=alpine\nFROM $A AS A\n", []rewrite.Target{one(argument(2, "$A"))}, "which line 2 uses, too"},
		{"no FROM", "ARG A=alpine\nFROM $A\nFROMAGE $A\n", []rewrite.Target{one(argument(2, "$A"))}, "which line 3 uses, too"},
		{"a variable that is no ARG", "ARG A=alpine\nRUN $A\n", []rewrite.Target{with(func(x *rewrite.Target) { x.Use.Kind = image.Pod }, one(argument(2, "$A")))}, "made of variables"},
		{"one of them reads what is not there", "FROM alpine\n", []rewrite.Target{one(at(t, "alpine", 1, 6)), one(at(t, "alpine:latest", 1, 6))}, "not at its place any more"},
		{"another use of the default is not admitted", "ARG A=alpine\nFROM $A\nFROM ${A}\n", []rewrite.Target{one(argument(2, "$A")), {Use: argument(3, "${A}")}}, ""},
		{"overlap", "FROM alpine/alpine\n", []rewrite.Target{one(at(t, "alpine/alpine", 1, 6)), one(at(t, "alpine", 1, 13))}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			changes, refused := rewrite.Plan(reader(fstest.MapFS{"f": {Data: []byte(tc.file)}}), tc.targets)
			switch tc.name {
			case "another build finds another image there":
				refusedEach(t, changes, refused, "another build finds mirror.example/alpine:3 there", "something else stands in")
			case "another use of the default is not admitted":
				refusedEach(t, changes, refused, "no run admitted", "no run admitted")
			case "overlap":
				refusedEach(t, changes, refused, "alpine, at f:1:13, is part of the same text", "alpine/alpine, at f:1:6, is part of the same text")
			default:
				refusedFor(t, changes, refused, tc.want)
			}
		})
	}
}

// A place that is not there takes no other with it.
func TestOthersStay(t *testing.T) {
	t.Parallel()
	gone := at(t, "registry.example.com/a/long/name:1", 2, 6)
	changes, refused := rewrite.Plan(reader(fstest.MapFS{"f": {Data: []byte("FROM alpine:3\nFROM b\n")}}), targetsOf(t, []image.Use{at(t, "alpine:3", 1, 6), gone, at(t, "b", 2, 6)}, false))
	if len(changes) != 1 || len(changes[0].Edits) != 1 || len(refused) != 2 {
		t.Errorf("changes %+v, refused %v", changes, refused)
	}
	gone.At.Line, gone.Literal.At.Line = 3, 3
	changes, refused = rewrite.Plan(reader(fstest.MapFS{"f": {Data: []byte("FROM alpine:3\nFROM b\n")}}), targetsOf(t, []image.Use{at(t, "alpine:3", 1, 6), gone, at(t, "b", 2, 6)}, false))
	if len(changes) != 1 || len(changes[0].Edits) != 2 || len(refused) != 1 {
		t.Errorf("changes %+v, refused %v", changes, refused)
	}
}

// refusedEach fails t unless each target is refused for what want says of it.
func refusedEach(t *testing.T, changes []rewrite.Change, refused []rewrite.Refusal, want ...string) {
	t.Helper()
	if len(changes) > 0 || len(refused) != len(want) {
		t.Fatalf("changes %+v, refused %v", changes, refused)
	}
	for i, r := range refused {
		if !strings.Contains(r.Err.Error(), want[i]) {
			t.Errorf("%v, want %q", r.Err, want[i])
		}
	}
}

// other returns what u's reference is admitted as when the tag has moved.
func other(t testing.TB, u image.Use) gate.Admitted {
	t.Helper()
	r := gate.Check(t.Context(), []image.Use{u}, world{}, moved{}, gate.Options{})
	if len(r.Admitted()) != 1 {
		t.Fatal(r.Reason())
	}
	return r.Admitted()[0]
}

// moved is a registry where every tag has another digest.
type moved struct{ world }

func (moved) Resolve(_ context.Context, ref image.Ref) (image.Pinned, error) {
	return ref.Pin("sha256:" + strings.Repeat("e", 64))
}

// A file that cannot be read is a refusal of each of its places; others are
// rewritten.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	u := at(t, "alpine:3", 1, 6)
	v := at(t, "debian:12", 1, 6)
	v.At.File, v.Literal.At.File = "g", "g"
	changes, refused := rewrite.Plan(reader(fstest.MapFS{"g": {Data: []byte("FROM debian:12")}}), targetsOf(t, []image.Use{u, v}, false))
	if len(changes) != 1 || changes[0].File != "g" || len(refused) != 1 || !errors.Is(refused[0].Err, fs.ErrNotExist) || refused[0].Use != u {
		t.Errorf("changes %+v, refused %v", changes, refused)
	}
}

// One place that many uses read is one edit; that nobody has verified it in one
// of them is said.
func TestOneEdit(t *testing.T) {
	t.Parallel()
	u := at(t, "alpine:3", 1, 6)
	v := u
	v.Foreign = true
	targets := targetsOf(t, []image.Use{u, v}, false)
	targets[1].To = exempted(t, v)
	changes, refused := rewrite.Plan(reader(fstest.MapFS{"f": {Data: []byte("FROM alpine:3")}}), targets)
	if len(refused) > 0 || len(changes) != 1 || len(changes[0].Edits) != 1 || !changes[0].Edits[0].Exempt {
		t.Errorf("changes %+v, refused %v", changes, refused)
	}
	targets[0], targets[1] = targets[1], targets[0]
	if changes, _ := rewrite.Plan(reader(fstest.MapFS{"f": {Data: []byte("FROM alpine:3")}}), targets); !changes[0].Edits[0].Exempt {
		t.Error("what is exempt in one use is not marked")
	}
	if changes, _ := rewrite.Plan(reader(fstest.MapFS{"f": {Data: []byte("FROM alpine:3")}}), targets[1:]); changes[0].Edits[0].Exempt {
		t.Error("what was verified is marked as exempt")
	}
}

func exempted(t testing.TB, u image.Use) gate.Admitted {
	t.Helper()
	r := gate.Check(t.Context(), []image.Use{u}, anything{}, world{}, gate.Options{})
	if len(r.Admitted()) != 1 {
		t.Fatal(r.Reason())
	}
	return r.Admitted()[0]
}

// anything exempts every image.
type anything struct{}

func (anything) For(image.Use) gate.Terms {
	return gate.Terms{Exempt: &gate.Exemption{Unsigned: true, Reason: "a test"}}
}

// A file of which thousands of places are in doubt is looked through a few times,
// not once for each: its words are counted for comparison.
func TestBounds(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("it is about time: looked at without the race detector")
	}
	var args, anchors strings.Builder
	var uses, scalars []image.Use
	for i := range 2000 {
		fmt.Fprintf(&args, "ARG A%d=alpine:%d\n", i, i)
		u := at(t, fmt.Sprintf("alpine:%d", i), i+1, len(fmt.Sprintf("ARG A%d=", i))+1)
		u.Text, u.At.Line = fmt.Sprintf("$A%d", i), 2000+i
		uses = append(uses, u)
		fmt.Fprintf(&anchors, "- &a%d alpine:%d\n", i, i)
		u = at(t, fmt.Sprintf("alpine:%d", i), i+1, len(fmt.Sprintf("- &a%d ", i))+1)
		u.Kind = image.Pod
		scalars = append(scalars, u)
	}
	for i := 0; args.Len() < 1<<19; i++ {
		fmt.Fprintf(&args, "RUN $A%d\n", i%2000)
		fmt.Fprintf(&anchors, "- *a%d\n", i%2000)
	}
	for name, tc := range map[string]struct {
		file string
		uses []image.Use
		want string
	}{
		"args":    {args.String(), uses, "it is the default of ARG A"},
		"anchors": {anchors.String(), scalars, "it has the anchor &a"},
		"one line": {strings.Repeat("alpine ", 1<<16), func() (all []image.Use) {
			for i := range 500 {
				u := at(t, "alpine", 1, 1+7*i*128)
				u.Kind = image.Pod
				all = append(all, u)
			}
			return all
		}(), ""},
	} {
		targets := targetsOf(t, tc.uses, false)
		start := time.Now()
		regexp.MustCompile(`\w+`).FindAllStringIndex(tc.file, -1)
		once := time.Since(start)
		start = time.Now()
		changes, refused := rewrite.Plan(reader(fstest.MapFS{"f": {Data: []byte(tc.file)}}), targets)
		took := time.Since(start)
		t.Logf("%s: %v, its words %v", name, took, once)
		if took > 30*once {
			t.Errorf("%s: %v, and its words are counted in %v", name, took, once)
		}
		refusedFor(t, changes, refused, tc.want)
	}
}

// One byte that two places share is enough.
func TestOverlapOfOneByte(t *testing.T) {
	t.Parallel()
	uses := []image.Use{at(t, "alpine:3", 1, 1), at(t, "3", 1, 8)}
	changes, refused := rewrite.Plan(reader(fstest.MapFS{"f": {Data: []byte("alpine:3\n")}}), targetsOf(t, uses, false))
	refusedEach(t, changes, refused, "is part of the same text", "is part of the same text")
}
