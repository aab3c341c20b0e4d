package audit_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/audit"
	"github.com/boltseal/boltseal/internal/registrytest"
)

// times is n times the text, with commas.
func times(n int, text string) string {
	return strings.TrimSuffix(strings.Repeat(text+",", n), ",")
}

// nested is a provenance whose request has others within, so many deep.
func nested(depth int, within string) string {
	text := `{"frontend":"dockerfile.v0"` + within + `}`
	for i := range depth {
		key := `"inputs":{"0-base":{"request":%s}}`
		if i%2 > 0 {
			key = `"root":{"request":%s}`
		}
		text = fmt.Sprintf(`{"frontend":"dockerfile.v0",`+key+`}`, text)
	}
	return requested(text)
}

// What somebody writes to make an audit take long is refused, and what a large
// build has is read.
func TestBounds(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("much data: looked at without the race detector")
	}
	const web, local, most = `{"uri":"https://x/y"}`, `{"id":"step0","op":{"Op":{}}}`, 10_000
	provenance := func(materials, steps, requests int) string {
		list := []string{}
		for i := range requests - 1 {
			list = append(list, fmt.Sprintf(`"%d":{"request":{}}`, i))
		}
		return `{` + buildType + `,"materials":[` + image1 + `,` + times(materials-1, web) + `],"buildConfig":{"llbDefinition":[` + times(steps, local) + `]},` +
			`"invocation":{"parameters":{"inputs":{` + strings.Join(list, ",") + `}}}}`
	}
	targets := func(n int, provenance string) string {
		list := []string{}
		for i := range n {
			list = append(list, fmt.Sprintf(`"t%d":%s`, i, metadata(provenance)))
		}
		return "{" + strings.Join(list, ",") + "}"
	}
	names := func(n int) string {
		list := []string{}
		for i := range n {
			list = append(list, fmt.Sprintf(`"n%d":{}`, i))
		}
		return strings.Join(list, ",")
	}
	const parts = "more than 10000 materials, steps and requests"
	for _, tc := range []struct{ name, metadata, says string }{
		{"the most of all", metadata(provenance(most-101, 50, 51)), ""},
		{"one more material", metadata(provenance(most-100, 50, 51)), parts},
		{"one more step", metadata(provenance(most-101, 51, 51)), parts},
		{"one more request", metadata(provenance(most-101, 50, 52)), parts},
		{"too many materials", metadata(provenance(most+1, 1, 1)), "materials: it lists more than 10000"},
		{"too many steps", metadata(provenance(2, most+1, 1)), "llbDefinition: it lists more than 10000"},
		{"too many inputs", metadata(requested(`{"inputs":{` + names(most+1) + `}}`)), "inputs: it has more than 10000 names"},
		{"the deepest", metadata(nested(16, "")), ""},
		{"deeper", metadata(nested(17, "")), "requests are nested deeper than 16"},
		{"much deeper", metadata(nested(3000, "")), "requests are nested deeper than 16"},
		{"many targets", targets(200, materials(image1)), ""},
		{"many targets with too much together", targets(11, provenance(most-101, 50, 50)), "more than 100000 builds, materials, steps and requests together"},
		{"too many targets", `{` + names(most+1) + `}`, "it has more than 10000 names"},
	} {
		builds, err := audit.ReadMetadata("x", []byte(tc.metadata), nil)
		for _, b := range builds {
			if b.Provenance == nil && (b.Reason != audit.Malformed || err != nil) {
				t.Errorf("%s: %s, %v", tc.name, b.Reason, err)
			}
			if b.Err != nil {
				err = b.Err
			}
		}
		if tc.says == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.says)
		}
	}
}

// What an image costs that was refused does not grow with what the gate let in
// of its repository, and a long list is not written for each.
func TestManyRefused(t *testing.T) {
	const refused = 3000
	list := make([]string, refused)
	for i := range list {
		list[i] = material(appURI, fmt.Sprintf("%064x", i))
	}
	builds, err := audit.ReadMetadata("x", []byte(metadata(materials(list...))), nil)
	if err != nil {
		t.Fatal(err)
	}
	gate := func(n int) audit.Gate {
		all := make([]audit.Admission, n)
		for i := range all {
			all[i] = admission(t, fmt.Sprintf("%s/base/app:%d", host, i+2), fmt.Sprintf("%064x", 1<<20+i))
		}
		return audit.NewGate(all)
	}
	few, many := gate(2), gate(2000)
	cost := func(g audit.Gate) float64 {
		return testing.AllocsPerRun(2, func() { g.Audit(builds, audit.Options{}) })
	}
	if a, b := cost(few), cost(many); b > 1.5*a {
		t.Errorf("%.0f allocations where the gate let in 2, and %.0f where it let in 2000", a, b)
	}
	lists, longest := 0, 0
	for _, u := range many.Audit(builds, audit.Options{}).Findings[0].Used {
		if u.Passed() || u.Err == nil {
			t.Fatalf("%s passed", u.URI)
		}
		if n := len(u.Instead); n > 0 {
			lists, longest = lists+1, max(longest, n)
		}
	}
	if lists != 1000 || longest != 100 {
		t.Errorf("%d lists, the longest of %d", lists, longest)
	}
	// The one that the tag led to stands first, wherever it would.
	builds, err = audit.ReadMetadata("x", []byte(metadata(materials(material(strings.Replace(appURI, "@1?", "@999?", 1), otherHex)))), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := many.Audit(builds, audit.Options{}).Findings[0].Used[0].Instead
	if len(got) != 100 || !strings.HasSuffix(got[0], "/base/app:999)") || slices.Contains(got[1:], got[0]) {
		t.Errorf("%d, the first is %q", len(got), got[:1])
	}
}

// What is deep in a request costs no more than what is not: it is read once.
// No other test of this package may run meanwhile.
func TestDeepIsNoCopy(t *testing.T) {
	if raced {
		t.Skip("much data: looked at without the race detector")
	}
	large := `,"x":"` + strings.Repeat("x", 1<<20) + `"`
	room := func(depth int) uint64 {
		body := []byte(metadata(nested(depth, large)))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		builds, err := audit.ReadMetadata("x", body, nil)
		runtime.ReadMemStats(&after)
		if err != nil || builds[0].Provenance == nil {
			t.Fatal(err, builds[0].Err)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	if a, b := room(1), room(16); b > 2*a {
		t.Errorf("%d bytes where it is 1 deep, and %d where it is 16 deep", a, b)
	}
}

// So it is with what is attached to an image: the second provenance, which would
// be too much, is not asked for.
func TestAttachedBytes(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("much data: looked at without the race detector")
	}
	p := push(t)
	a := p.platform("amd64")
	large := layer(slsa02, a, materials(image1)+strings.Repeat(" ", audit.MaxBytes/2))
	p.attest(a, large, large)
	f := everything(t).Audit(p.attached(), audit.Options{}).Findings
	if len(f) != 1 || f[0].Reason != audit.Malformed || !strings.Contains(f[0].Err.Error(), "more than 33554432 bytes") {
		t.Errorf("%d findings, %s: %v", len(f), f[0].Reason, f[0].Err)
	}
	asked := 0
	for _, r := range p.reg.Requests() {
		if strings.Contains(fmt.Sprint(r), "/blobs/") {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("%d blobs were asked for", asked)
	}
}

// So it is with how many parts it has together.
func TestAttachedParts(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("much data: looked at without the race detector")
	}
	p := push(t)
	a := p.platform("amd64")
	var layers []registrytest.Layer
	for i := range 11 {
		layers = append(layers, layer(slsa02, a, materials(image1, times(9_100+i, `{"uri":"git://a"}`))))
	}
	p.attest(a, layers...)
	f := everything(t).Audit(p.attached(), audit.Options{}).Findings
	if len(f) != 1 || f[0].Reason != audit.Malformed || !strings.Contains(f[0].Err.Error(), "what is attached: it has more than 100000 builds") {
		t.Errorf("%d findings, %s: %v", len(f), f[0].Reason, f[0].Err)
	}
}
