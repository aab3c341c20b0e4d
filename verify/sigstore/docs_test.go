package sigstore_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// The requirements of docs/identities.md are sound, and doubtful exactly where
// their comments say so. The page names every lint and every claim.
func TestDocsIdentities(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("../../docs/identities.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(body)
	fences := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(text, -1)
	requirements := 0
	for _, fence := range fences {
		requirements += documented(t, fence[1])
	}
	if len(fences) < 6 || requirements < 7 {
		t.Errorf("%d examples with %d requirements", len(fences), requirements)
	}
	for _, name := range sigstore.ClaimNames() {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("the page does not name the claim %s", name)
		}
	}
	var known []string
	for _, name := range []string{"doubts.go", "warn.go"} {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?:doubt\([a-z.A-Z]+, |warn\(|Warning\{|\t\{)"([a-z]+-[a-z-]+)"`).FindAllStringSubmatch(string(src), -1) {
			known = append(known, m[1])
		}
	}
	slices.Sort(known)
	var listed []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+-[a-z-]+)` \\|.*\\|.*\\|$").FindAllStringSubmatch(text[strings.Index(text, "## What is doubtful"):], -1) {
		listed = append(listed, m[1])
	}
	slices.Sort(listed)
	if known = slices.Compact(known); !slices.Equal(known, listed) || len(known) < 12 {
		t.Errorf("lints\n%v, the page has\n%v", known, listed)
	}
}

// documented checks the requirements of a policy and says how many there are.
func documented(t *testing.T, policy string) int {
	t.Helper()
	var doc struct {
		Version int `yaml:"version"`
		Rules   []struct {
			Images  []yamlshape.Text           `yaml:"images"`
			Require []map[string]yamlshape.Raw `yaml:"require"`
		} `yaml:"rules"`
	}
	for _, f := range yamlshape.Read("page", []byte(policy), &doc) {
		t.Errorf("%v\n%s", f, policy)
	}
	want := map[string]string{} // lints by line
	for i, line := range strings.Split(policy, "\n") {
		if _, lints, ok := strings.Cut(line, "# lint: "); ok {
			want[fmt.Sprint(i+1)] = lints
		}
	}
	got := map[string]string{}
	count := 0
	for _, rule := range doc.Rules {
		for _, item := range rule.Require {
			for system, raw := range item {
				var f form = &sigstore.SignatureForm{}
				if system == "attestation" {
					f = &sigstore.AttestationForm{}
				}
				for _, fault := range append(raw.Decode(f), f.Check()...) {
					t.Errorf("%v\n%s", fault, policy)
				}
				for _, d := range f.Doubts() {
					line := fmt.Sprint(d.At.Line)
					got[line] = strings.TrimSpace(got[line] + " " + d.Lint)
				}
				count++
			}
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("doubts %v, the page says %v\n%s", got, want, policy)
	}
	return count
}
