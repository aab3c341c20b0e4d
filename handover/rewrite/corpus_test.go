package rewrite_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/boltseal/boltseal/handover/rewrite"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/verify"
)

// entangled are cases in which the new text of one place is another name for
// what stands in for images by name: a context of bake that is for one platform
// or one target, an override of kustomize that leaves the tag. Only who scans
// them again can tell, so that Plan leaves it to its caller.
func entangled() []string {
	return []string{
		"bake/testdata/context_platform.txtar",
		"bake/testdata/inherits_context_removed.txtar",
		"bake/testdata/reference_many.txtar",
		"kubernetes/testdata/kustomize_name.txtar",
	}
}

// Every place in every case of all formats' tests is rewritten, or refused for
// one of few reasons; the files scanned again give the same uses.
func TestCorpus(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob(filepath.Join("..", "..", "scan", "*", "testdata", "*.txtar"))
	if err != nil || len(cases) < 700 {
		t.Fatalf("%d cases (%v)", len(cases), err)
	}
	tally := map[string]int{}
	rewritten, pinned := map[image.Kind]int{}, 0
	for i, name := range cases {
		if strings.HasPrefix(filepath.Base(name), "bound_") || raced && i%10 != 0 { // nothing in them runs at the same time
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		a := txtar.Parse(text)
		a.Files = slices.DeleteFunc(a.Files, func(f txtar.File) bool { return f.Name == "want" })
		files, _ := unquote(t, name, a)
		name := strings.TrimPrefix(filepath.ToSlash(name), "../../scan/")
		t.Run(name, func(t *testing.T) {
			s := settings{only: name[:strings.IndexByte(name, '/')], build: scan.Build{AllStages: true, BuildPlatform: "linux/amd64"}}
			uses := s.scan(files)
			targets := targetsOf(t, uses, false)
			changes, refused := rewrite.Plan(reader(files), targets)
			check(t, files, uses, changes, refused, s)
			if want, got := rescanned(t, files, uses, changes, refused, s); slices.Equal(want, got) == slices.Contains(entangled(), name) {
				t.Errorf("scanned again:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			for _, r := range refused {
				_, why, _ := strings.Cut(strings.TrimPrefix(r.Err.Error(), "pin "+r.Use.Ref.String()), ": ")
				tally[strings.TrimSuffix(cutBefore(why, ": the first of them"), ",")]++
				if testing.Verbose() {
					t.Logf("%v %q %v\n%s", r.Use.At, r.Use.Text, r.Err, verify.Hint(r.Err))
				}
			}
			for _, x := range targets {
				no := slices.ContainsFunc(refused, func(r rewrite.Refusal) bool { return r.Use == x.Use })
				switch {
				case no:
				case x.Use.Ref.Digest() != "":
					pinned++
				default:
					rewritten[x.Use.Kind]++
				}
			}
		})
	}
	t.Logf("rewritten %v, pinned already %d", rewritten, pinned)
	for _, why := range slices.Sorted(maps.Keys(tally)) {
		t.Logf("%4d %s", tally[why], why)
		if !slices.ContainsFunc(reasons(), func(r string) bool { return strings.HasPrefix(why, r) }) {
			t.Errorf("refused: %s", why)
		}
	}
	for _, kind := range []image.Kind{image.From, image.CopyFrom, image.MountFrom, image.Syntax, image.ComposeImage, image.BakeContext, image.Container, image.Service, image.DockerUses, image.Pod} {
		if rewritten[kind] < 5 && !raced {
			t.Errorf("%d of kind %s are rewritten", rewritten[kind], kind)
		}
	}
}

// reasons are those for which places of the corpus may be refused: what a
// scanner says of the text is never wrong.
func reasons() []string {
	return []string{
		"it is made of variables",
		"an expression makes it",
		"a kustomization puts the reference together",
		"a service that is built has this name",
		"something else stands in for what is written there",
		"it is not written in one piece",
		"it is the default of ARG",
		"it has the anchor",
		"the file is not UTF-8",
	}
}

// cutBefore returns what comes before sep in s.
func cutBefore(s, sep string) string {
	s, _, _ = strings.Cut(s, sep)
	return s
}
