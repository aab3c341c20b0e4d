package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// everybody signs every image, in the tests of what is written.
type everybody struct{}

func (everybody) For(image.Use) gate.Terms {
	return gate.Terms{Rule: gate.Rule{Origin: "test"}, Require: []verify.Verifier{everybody{}}}
}

func (everybody) Verify(_ context.Context, img image.Pinned) verify.Verdict {
	return verify.Pass(img, verify.Evidence{System: "test", Format: "f", Signer: "everybody", Digest: img.Digest()})
}

// Resolve gives each tag a digest of its own.
func (everybody) Resolve(_ context.Context, ref image.Ref) (image.Pinned, error) {
	if ref.Digest() != "" {
		return ref.Pin(ref.Digest())
	}
	return ref.Pin(fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(ref.String()))))
}

// pinIn plans to pin what one file of a workspace in memory uses, as boltseal pin
// --all-stages does, and returns nil where it uses nothing that is known.
func pinIn(t *testing.T, files fstest.MapFS, file string) (*pinRun, pinPlan) {
	t.Helper()
	p := &pinRun{
		verification: &verification{rules: everybody{}},
		space:        workspace{dir: "/ws", base: "/ws", inside: ".", files: []string{file}},
		fsys:         files,
	}
	p.flags.scan.allStages, p.flags.scan.gate = true, true
	c := Command{LookupEnv: func(string) (string, bool) { return "", false }}
	if p.scan(c) != nil {
		return nil, pinPlan{} // a name that is none
	}
	var known []image.Use
	p.asked = nil
	for _, u := range p.found.uses {
		p.asked = append(p.asked, u.Ref)
		if u.Err == nil {
			known = append(known, u)
		}
	}
	if len(known) == 0 {
		return nil, pinPlan{}
	}
	r := gate.Check(t.Context(), known, everybody{}, everybody{}, gate.Options{})
	plan, err := p.plan(c, r)
	if err != nil {
		t.Errorf("%s: %v\n%s", file, err, files["docker-bake.hcl"])
		return nil, pinPlan{}
	}
	return p, plan
}

// pinnedText matches what pinning puts into a text.
var pinnedText = regexp.MustCompile(`(:latest)?@sha256:[0-9a-f]{64}`)

// Of every case of all formats' tests: a scan of what was written finds the same
// uses, in their places, with their digests; nothing but references has changed;
// and to pin that once more changes nothing.
func TestPinProperties(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob(filepath.Join("..", "scan", "*", "testdata", "*.txtar"))
	if err != nil || len(cases) < 700 {
		t.Fatalf("%d cases (%v)", len(cases), err)
	}
	pinned, refused := map[image.Kind]int{}, 0
	sifted := map[string]bool{} // cases in which a build would use another image
	for i, name := range cases {
		if strings.HasPrefix(filepath.Base(name), "bound_") || Raced && i%10 != 0 { // nothing in them runs at the same time
			continue
		}
		files := caseFiles(t, name)
		for _, f := range files {
			f.Mode = 0o644
		}
		for path := range files {
			for _, f := range formats() {
				asked := f.Name + ":" + path
				p, plan := pinIn(t, files, asked)
				if p == nil {
					continue
				}
				refused += len(plan.refused)
				for _, x := range plan.refused {
					if strings.Contains(x.Err.Error(), "with it, there would") {
						sifted[filepath.Base(name)] = true
					}
				}
				for kind, n := range pinnedOnce(t, name+" "+asked, files, asked, p, plan) {
					pinned[kind] += n
				}
			}
		}
	}
	if Raced {
		return
	}
	for _, kind := range []image.Kind{image.From, image.CopyFrom, image.MountFrom, image.Syntax, image.ComposeImage, image.BakeContext, image.Container, image.Service, image.DockerUses, image.Pod} {
		if pinned[kind] < 5 {
			t.Errorf("%d uses of kind %s were pinned", pinned[kind], kind)
		}
	}
	// What is not known of one file alone. Anything more is a mistake of package
	// rewrite.
	want := []string{"reference_many.txtar"}
	if got := slices.Sorted(maps.Keys(sifted)); !slices.Equal(got, want) {
		t.Errorf("dropped in %q, want %q", got, want)
	}
	t.Logf("pinned %v, refused %d", pinned, refused)
}

// pinnedOnce checks one plan, and returns how many uses of which kind it pins.
func pinnedOnce(t *testing.T, where string, files fstest.MapFS, asked string, p *pinRun, plan pinPlan) map[image.Kind]int {
	t.Helper()
	next := maps.Clone(files)
	for _, x := range plan.changes {
		file := files[x.name]
		if file == nil || !bytes.Equal(file.Data, x.Old) || bytes.Equal(x.Old, x.New) {
			t.Errorf("%s: %s is not what was there, or is no change", where, x.name)
		}
		if less := pinnedText.ReplaceAll(x.New, nil); !bytes.Equal(less, pinnedText.ReplaceAll(x.Old, nil)) && !bytes.Equal(less, bytes.ReplaceAll(pinnedText.ReplaceAll(x.Old, nil), []byte(":latest"), nil)) {
			t.Errorf("%s: more than digests has changed:\n%s\n%s", where, x.Old, x.New)
		}
		next[x.name] = &fstest.MapFile{Data: x.New, Mode: 0o644}
	}
	again, second := pinIn(t, next, asked)
	if again == nil {
		t.Errorf("%s: nothing is found in what was written", where)
		return nil
	}
	if len(second.changes) > 0 || len(second.refused) != len(plan.refused) {
		t.Errorf("%s: pinned twice, %d files change, and %d places are refused, not %d", where, len(second.changes), len(second.refused), len(plan.refused))
	}
	left := map[image.Use]bool{}
	for _, x := range plan.refused {
		left[x.Use] = true
	}
	counts := map[image.Kind]int{}
	if len(again.found.uses) != len(p.found.uses) {
		t.Errorf("%s: %d uses, then %d", where, len(p.found.uses), len(again.found.uses))
		return counts
	}
	for i, before := range p.found.uses {
		after := again.found.uses[i]
		if before.Err != nil || after.Err != nil {
			if (before.Err == nil) != (after.Err == nil) {
				t.Errorf("%s: %v, then %v", where, before, after)
			}
			continue
		}
		want := before.Ref
		if !left[before] && want.Digest() == "" {
			img, err := everybody{}.Resolve(t.Context(), want)
			if err == nil {
				want, err = image.Parse(want.String() + "@" + img.Digest())
			}
			if err != nil {
				t.Fatal(err)
			}
			counts[before.Kind]++
		}
		if after.Ref != want || after.At.File != before.At.File || after.At.Line != before.At.Line || after.Kind != before.Kind || after.Stage != before.Stage {
			t.Errorf("%s: %v, then %v, want %v", where, before, after, want)
		}
	}
	return counts
}
