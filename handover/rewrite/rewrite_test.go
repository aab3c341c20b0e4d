package rewrite_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/handover/rewrite"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/golden"
	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/scan/bake"
	"github.com/boltseal/boltseal/scan/compose"
	"github.com/boltseal/boltseal/scan/dockerfile"
	"github.com/boltseal/boltseal/scan/kubernetes"
	"github.com/boltseal/boltseal/scan/workflow"
	"github.com/boltseal/boltseal/verify"
)

func formats() []*scan.Format {
	return []*scan.Format{
		dockerfile.Format(),
		compose.Format(dockerfile.Scan),
		bake.Format(dockerfile.Scan),
		workflow.Format(dockerfile.Scan),
		kubernetes.Format(),
	}
}

// A world is a registry: it resolves every reference, to a digest made of its
// name and tag. Images of the repository "exempt" are let in without a check.
type world struct{}

func digestOf(ref image.Ref) string {
	sum := sha256.Sum256([]byte(ref.Name() + ":" + ref.Tag()))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (world) Resolve(_ context.Context, ref image.Ref) (image.Pinned, error) {
	if ref.Digest() != "" {
		return ref.Pin(ref.Digest())
	}
	return ref.Pin(digestOf(ref))
}

func (world) For(u image.Use) gate.Terms {
	if strings.HasSuffix(u.Ref.Repository(), "exempt") {
		return gate.Terms{Exempt: &gate.Exemption{Unsigned: true, Reason: "a test"}}
	}
	return gate.Terms{Require: []verify.Verifier{signed{}}}
}

// signed finds every image signed.
type signed struct{}

func (signed) Verify(_ context.Context, img image.Pinned) verify.Verdict {
	return verify.Pass(img, verify.Evidence{System: "test", Format: "test", Digest: img.Digest(), Signer: "me"})
}

func (signed) String() string { return "signed" }

// tagged returns ref without a digest, where there is a tag.
func tagged(t testing.TB, ref image.Ref) image.Ref {
	t.Helper()
	if ref.Tag() == "" || ref.Digest() == "" {
		return ref
	}
	r, err := image.Parse(ref.Name() + ":" + ref.Tag())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// targetsOf returns what is to be written for uses without an error. With update
// those that have a digest get the one that their tag has now.
func targetsOf(t testing.TB, uses []image.Use, update bool) []rewrite.Target {
	t.Helper()
	var asked []image.Use
	var targets []rewrite.Target
	for _, u := range uses {
		if u.Err != nil {
			continue
		}
		targets = append(targets, rewrite.Target{Use: u})
		if update {
			u.Ref = tagged(t, u.Ref)
		}
		asked = append(asked, u)
	}
	report := gate.Check(context.Background(), asked, world{}, world{}, gate.Options{})
	if len(asked) > 0 && !report.Passed() {
		t.Fatalf("the gate is shut: %v", report.Reason())
	}
	admitted := map[image.Ref]gate.Admitted{}
	for _, a := range report.Admitted() {
		admitted[a.Pinned().Ref()] = a
	}
	for i, u := range asked {
		targets[i].To = admitted[u.Ref]
	}
	return targets
}

// A sample is a file of testdata: files, what becomes of them, and what is
// refused. Its first lines may say "update", "kubernetes", which is not looked
// for otherwise, "errors", where some places have no image, "arg NAME=VALUE" or
// "context NAME=VALUE".
func TestGolden(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) < 38 {
		t.Fatalf("%d samples (%v)", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			a := txtar.Parse(text)
			a.Files = slices.DeleteFunc(a.Files, func(f txtar.File) bool { return strings.HasPrefix(f.Name, "want") })
			files, quoted := unquote(t, name, a)
			s := settings{build: scan.Build{BuildPlatform: "linux/amd64", AllStages: true, Args: map[string]string{}, Contexts: map[string]string{}}}
			s.read(t, string(a.Comment))
			uses := s.scan(files)
			for _, u := range uses {
				if u.Err != nil && !s.errors {
					t.Errorf("%v: %v", u.At, u.Err)
				}
			}
			changes, refused := rewrite.Plan(reader(files), s.targets(t, files))
			check(t, files, uses, changes, refused, s)
			if want, got := rescanned(t, files, uses, changes, refused, s); !slices.Equal(want, got) {
				t.Errorf("scanned again:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			a.Files = append(a.Files, wanted(changes, refused, quoted)...)
			golden.Equal(t, name, string(txtar.Format(a)))
		})
	}
}

// settings say how files are scanned.
type settings struct {
	update, kubernetes bool
	errors             bool // some places have no image
	build              scan.Build
	only               string // this format; "" for all
}

func (s *settings) read(t *testing.T, comment string) {
	for line := range strings.Lines(comment) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		key, value, _ := strings.Cut(rest, "=")
		switch word {
		case "update":
			s.update = true
		case "errors":
			s.errors = true
		case "kubernetes":
			s.kubernetes = true
		case "arg":
			s.build.Args[key] = value
		case "context":
			s.build.Contexts[key] = value
		case "":
		default:
			t.Fatalf("a sample says %q", line)
		}
	}
}

// targets returns what is to be written, and the places that contexts stand in
// for.
func (s *settings) targets(t testing.TB, files fstest.MapFS) []rewrite.Target {
	t.Helper()
	found := s.found(files)
	targets := targetsOf(t, found.Uses, s.update)
	for _, u := range found.Replaced {
		targets = append(targets, rewrite.Target{Use: u, Replaced: true})
	}
	return targets
}

// scan returns the uses of all files.
func (s *settings) scan(files fstest.MapFS) []image.Use { return s.found(files).Uses }

func (s *settings) found(files fstest.MapFS) scan.Found {
	var list []scan.File
	for _, path := range slices.Sorted(maps.Keys(files)) {
		for _, f := range formats() {
			if (!f.Asked || s.kubernetes || s.only == f.Name) && (s.only == "" || s.only == f.Name) && f.Match(path) {
				list = append(list, scan.File{Path: path, Format: f})
			}
		}
	}
	return scan.Scan(scan.Source{FS: files, Build: s.build}, list)
}

func unquote(t *testing.T, name string, a *txtar.Archive) (files fstest.MapFS, quoted map[string]bool) {
	t.Helper()
	files, quoted = fstest.MapFS{}, map[string]bool{}
	for _, f := range a.Files {
		path, data := f.Name, f.Data
		if body, ok := strings.CutSuffix(f.Name, ".quoted"); ok {
			text, err := strconv.Unquote(strings.TrimSpace(string(f.Data)))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			path, data = body, []byte(text)
			quoted[path] = true
		}
		files[path] = &fstest.MapFile{Data: data}
	}
	return files, quoted
}

func reader(files fstest.MapFS) func(string) ([]byte, error) {
	read := map[string]bool{}
	return func(name string) ([]byte, error) {
		if read[name] {
			return nil, errors.New("it was read before")
		}
		read[name] = true
		f := files[name]
		if f == nil {
			return nil, fs.ErrNotExist
		}
		return bytes.Clone(f.Data), nil
	}
}

// wanted returns what a sample says that comes of its files.
func wanted(changes []rewrite.Change, refused []rewrite.Refusal, quoted map[string]bool) []txtar.File {
	var out []txtar.File
	for _, c := range changes {
		f := txtar.File{Name: "want/" + c.File, Data: c.New}
		if quoted[c.File] {
			f.Name += ".quoted"
			f.Data = []byte(strconv.Quote(string(c.New)) + "\n")
		}
		out = append(out, f)
	}
	var b strings.Builder
	for _, c := range changes {
		for _, e := range c.Edits {
			if e.Exempt {
				fmt.Fprintf(&b, "exempt %s:%d:%d\n", e.At.File, e.At.Line, e.At.Col)
			}
		}
	}
	for _, r := range refused {
		fmt.Fprintf(&b, "%s:%d:%d %v\n\t%s\n", r.Use.At.File, r.Use.At.Line, r.Use.At.Col, r.Err, verify.Hint(r.Err))
	}
	if b.Len() > 0 {
		out = append(out, txtar.File{Name: "want", Data: []byte(b.String())})
	}
	return out
}

// applied returns the files as changes leave them.
func applied(files fstest.MapFS, changes []rewrite.Change) fstest.MapFS {
	after := maps.Clone(files)
	for _, c := range changes {
		after[c.File] = &fstest.MapFile{Data: c.New}
	}
	return after
}

// check fails t unless the changes are what they say, and a second time there is
// nothing to do.
func check(t *testing.T, files fstest.MapFS, uses []image.Use, changes []rewrite.Change, refused []rewrite.Refusal, s settings) {
	t.Helper()
	last := ""
	for _, c := range changes {
		if c.File <= last {
			t.Errorf("%s comes behind %s", c.File, last)
		}
		last = c.File
		if !bytes.Equal(c.Old, files[c.File].Data) || len(c.Edits) == 0 {
			t.Errorf("%s: it is another file, or there is no edit", c.File)
		}
		if got := replayed(t, c); !bytes.Equal(got, c.New) {
			t.Errorf("%s: the edits make %q, New is %q", c.File, got, c.New)
		}
		if got := patched(t, c.Old, c.Diff()); !bytes.Equal(got, c.New) {
			t.Errorf("%s: the diff makes %q, New is %q", c.File, got, c.New)
		}
		for _, e := range c.Edits {
			onlyDigest(t, e)
			for _, r := range refused {
				if r.Use.Literal.At == e.At {
					t.Errorf("%v is refused, and changed: %v", e.At, r.Err)
				}
			}
		}
	}
	for _, r := range refused {
		if verify.Hint(r.Err) == "" {
			t.Errorf("%v: %v: without a hint", r.Use.At, r.Err)
		}
	}
	after := applied(files, changes)
	if more, _ := rewrite.Plan(reader(after), s.targets(t, after)); len(more) > 0 {
		t.Errorf("the second time there is more to do: %s", more[0].Diff())
	}
}

// onlyDigest fails t unless e leaves the repository and the tag as they are
// spelled, and adds no more than a digest, and a tag where there is none.
func onlyDigest(t *testing.T, e rewrite.Edit) {
	t.Helper()
	old, _, _ := strings.Cut(e.Old, "@")
	name, digest, ok := strings.Cut(e.New, "@")
	if image.ValidDigest(e.Old) {
		name, old, digest, ok = "", "", e.New, true
	}
	if !ok || !image.ValidDigest(digest) || name != old && name != old+":latest" {
		t.Errorf("%q became %q", e.Old, e.New)
	}
}

// rescanned returns what the files use after changes, and what they should: the
// same, with digests where no place was refused.
func rescanned(t *testing.T, files fstest.MapFS, uses []image.Use, changes []rewrite.Change, refused []rewrite.Refusal, s settings) (want, got []string) {
	t.Helper()
	edited := map[image.Position]rewrite.Edit{}
	for _, c := range changes {
		for _, e := range c.Edits {
			edited[e.At] = e
		}
	}
	no := map[string]bool{}
	for _, r := range refused {
		no[identity(r.Use)] = true
	}
	for _, u := range uses {
		e, changed := edited[u.Literal.At]
		switch {
		case u.Err != nil, no[identity(u)]:
		case changed:
			u.Ref = withDigest(t, u.Ref, e.New[strings.LastIndex(e.New, "sha256:"):])
		case u.Ref.Digest() == "":
			t.Errorf("%v %q is not changed, and not refused", u.At, u.Text)
		}
		want = append(want, meaning(u))
	}
	for _, u := range s.scan(applied(files, changes)) {
		got = append(got, meaning(u))
	}
	slices.Sort(want)
	slices.Sort(got)
	return slices.Compact(want), slices.Compact(got)
}

// identity is what tells uses apart.
func identity(u image.Use) string {
	return fmt.Sprint(u.At, u.Kind, u.Stage, u.Ref, u.Foreign, u.Err)
}

// meaning is what a use is, wherever its line has got to.
func meaning(u image.Use) string {
	return fmt.Sprint(u.At.File, u.At.Line, u.Kind, u.Stage, u.Ref, u.Foreign, u.Err)
}

func withDigest(t *testing.T, ref image.Ref, digest string) image.Ref {
	t.Helper()
	text := ref.Name()
	if ref.Tag() != "" {
		text += ":" + ref.Tag()
	}
	r, err := image.Parse(text + "@" + digest)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// replayed applies the edits of c, in another way than the code under test: from
// the last to the first.
func replayed(t *testing.T, c rewrite.Change) []byte {
	t.Helper()
	text := string(c.Old)
	for _, e := range slices.Backward(c.Edits) {
		lines := strings.SplitAfter(text, "\n")
		head := strings.Join(lines[:e.At.Line-1], "") + lines[e.At.Line-1][:e.At.Col-1]
		tail, ok := strings.CutPrefix(text[len(head):], e.Old)
		if !ok || e.At.File != c.File {
			t.Fatalf("%q is not at %v", e.Old, e.At)
		}
		text = head + e.New + tail
	}
	return []byte(text)
}

// patched applies a unified diff as patch does, without any fuzz.
func patched(t *testing.T, old, diff []byte) []byte {
	t.Helper()
	rest := bytes.SplitAfter(old, []byte("\n"))
	var out []byte
	take := func(want []byte) []byte {
		if len(rest) == 0 || !bytes.Equal(rest[0], want) {
			t.Fatalf("the diff has %q, the file %q\n%s", want, rest, diff)
		}
		l := rest[0]
		rest = rest[1:]
		return l
	}
	line := 1
	lines := bytes.SplitAfter(diff, []byte("\n"))
	for i, l := range lines[2:] {
		if i+3 < len(lines) && bytes.HasPrefix(lines[i+3], []byte("\\ No newline")) {
			l = bytes.TrimSuffix(l, []byte("\n"))
		}
		if len(l) == 0 {
			continue
		}
		switch l[0] {
		case '@':
			var at, n int
			if _, err := fmt.Sscanf(string(l), "@@ -%d,%d", &at, &n); err != nil {
				if _, err := fmt.Sscanf(string(l), "@@ -%d ", &at); err != nil {
					t.Fatalf("%q: %v", l, err)
				}
			}
			for ; line < at; line++ {
				out = append(out, take(rest[0])...)
			}
		case ' ':
			out = append(out, take(l[1:])...)
			line++
		case '-':
			take(l[1:])
			line++
		case '+':
			out = append(out, l[1:]...)
		case '\\':
		default:
			t.Fatalf("the diff has %q", l)
		}
	}
	return append(out, bytes.Join(rest, nil)...)
}
