package report_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/runnertest"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
)

func TestImages(t *testing.T) {
	t.Parallel()
	r := run{subjects: []subject{
		tagged("ghcr.io/acme/app:v1", "a", pass(keyed), pass(bundled)).at("Dockerfile", 3),
		{use: image.Use{Text: "a##<${X}>\n\u202e", Err: errors.New("no value")}},
		tagged("alpine", "b", pass()),
		{use: ref("ghcr.io/acme/down@" + digest("c")), checks: []check{pass()}, missing: errAnswer},
	}}.report()
	name := "ghcr.io/acme/app@" + digest("a")
	app := `{"reference":"ghcr.io/acme/app:v1","digest":"` + digest("a") + `","pinned":"` + name + `","passed":true,"reason":"verified","signer":"key ` + digest("5") + `","file":"Dockerfile","line":3}`
	bad := `{"reference":"a#\u0023\u003c${X}\u003e\n\u202e","passed":false,"reason":"unresolved"}`
	alpine := `{"reference":"docker.io/library/alpine:latest","digest":"` + digest("b") + `","pinned":"docker.io/library/alpine@` + digest("b") + `","passed":true,"reason":"verified","signer":"` + signer + `","issuer":"` + issuer + `"}`
	down := `{"reference":"ghcr.io/acme/down@` + digest("c") + `","passed":false,"reason":"unavailable"}`
	list := func(all ...string) string { return "[" + strings.Join(all, ",") + "]" }
	left := func(n int) string { return fmt.Sprintf(`{"omitted":%d}`, n) }
	for _, tc := range []struct {
		name    string
		limit   int
		want    string
		omitted int
	}{
		{"all", len(list(app, bad, alpine, down)), list(app, bad, alpine, down), 0},
		{"one byte less", len(list(app, bad, alpine, down)) - 1, list(app, bad, down, left(1)), 1},
		{"no pass fits", len(list(app, bad, down, left(1))) - 1, list(bad, down, left(2)), 2},
		{"failures", len(list(bad, down, left(2))), list(bad, down, left(2)), 2},
		{"a failure is missing, so no pass is there", len(list(bad, down, left(2))) - 1, list(bad, left(3)), 3},
		{"one", len(list(bad, left(3))), list(bad, left(3)), 3},
		{"none", len(list(bad, left(3))) - 1, list(left(4)), 4},
		{"only a number", len(list(left(4))), list(left(4)), 4},
		{"nothing", len(list(left(4))) - 1, "[]", 4},
		{"no room", 0, "[]", 4},
		{"less than that", -5, "[]", 4},
	} {
		if got, omitted := report.Images(r, tc.limit); got != tc.want || omitted != tc.omitted {
			t.Errorf("%s: %d omitted of\n%s\nwant %d of\n%s", tc.name, omitted, got, tc.omitted, tc.want)
		}
	}
	// A pass that would fit does not take the place of a failure that does not.
	large := run{subjects: []subject{tagged("a.io/x:v1", "a", pass()), {use: image.Use{Text: strings.Repeat("x", 1000), Err: errors.New("x")}}}}.report()
	if got, omitted := report.Images(large, 900); got != list(left(2)) || omitted != 2 {
		t.Errorf("a large failure: %d omitted of %s", omitted, got)
	}
	for _, none := range []gate.Report{{}, gateReport(context.Background(), nil)} {
		if got, omitted := report.Images(none, 100); got != "[]" || omitted != 0 {
			t.Errorf("without images: %q, %d", got, omitted)
		}
	}
}

// What is undecided is so in words.
func TestImagesUndecided(t *testing.T) {
	t.Parallel()
	ended, end := context.WithCancel(context.Background())
	end()
	got, _ := report.Images(gateReport(ended, []subject{tagged("alpine", "a", pass())}), 1000)
	if want := `[{"reference":"docker.io/library/alpine:latest","passed":false,"reason":"undecided"}]`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func FuzzImages(f *testing.F) {
	for i, s := range hostilePieces() {
		if len(s) < 1000 {
			f.Add(s, i*37)
		}
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		subjects := hostile(s, s, s)
		for i := range subjects {
			subjects[i] = subjects[i].at(s, i)
		}
		subjects = append(subjects, unsigned("alpine"), tagged("busybox", "c", pass()))
		r := gateReport(context.Background(), subjects)
		whole, _ := report.Images(r, 1<<30)
		limit %= len(whole) + 2 // so that there is something to leave out
		text, omitted := report.Images(r, limit)
		if len(text) > max(limit, len("[]")) {
			t.Errorf("%d bytes, limit %d", len(text), limit)
		}
		if !inert(text) || len(runnertest.Commands(text)) > 0 {
			t.Errorf("%q can act", text)
		}
		var all, some []map[string]any
		if err := errors.Join(json.Unmarshal([]byte(whole), &all), json.Unmarshal([]byte(text), &some)); err != nil {
			t.Fatal(err)
		}
		checkOmitted(t, all, some, omitted)
	})
}

// checkOmitted fails unless some is what was kept of all.
func checkOmitted(t *testing.T, all, some []map[string]any, omitted int) {
	t.Helper()
	if omitted > 0 && len(some) > 0 {
		if n := some[len(some)-1]["omitted"]; n != float64(omitted) {
			t.Errorf("omitted %v, want %d", n, omitted)
		}
		some = some[:len(some)-1]
	}
	if len(some)+omitted != len(all) {
		t.Fatalf("%d and %d omitted, of %d", len(some), omitted, len(all))
	}
	failures := func(docs []map[string]any) (n int) {
		for _, d := range docs {
			if d["passed"] == false {
				n++
			}
		}
		return n
	}
	if passes := len(some) - failures(some); passes > 0 && failures(some) < failures(all) {
		t.Errorf("%d passes in the place of failures", passes)
	}
	at := 0
	for _, d := range some { // in order
		for at < len(all) && fmt.Sprint(all[at]) != fmt.Sprint(d) {
			at++
		}
		if at == len(all) {
			t.Fatalf("%v is out of order", d)
		}
		at++
	}
}

func TestPinned(t *testing.T) {
	t.Parallel()
	app, base := tagged("ghcr.io/acme/app:v1", "a", pass()), tagged("ghcr.io/acme/base:v1", "b", pass())
	again := tagged("ghcr.io/acme/app:v2", "a", pass()) // another tag of the same digest
	ended, end := context.WithCancel(context.Background())
	end()
	for _, tc := range []struct {
		name     string
		ctx      context.Context
		subjects []subject
		want     []string
	}{
		{"passed", context.Background(), []subject{base, app, again, base}, []string{"ghcr.io/acme/base@" + digest("b"), "ghcr.io/acme/app@" + digest("a")}},
		{"one failed", context.Background(), []subject{base, app, unsigned("ghcr.io/acme/x:v1")}, nil},
		{"no answer", context.Background(), []subject{base, {use: ref("a.io/x:1"), checks: []check{pass()}, missing: errAnswer}}, nil},
		{"failed a check", context.Background(), []subject{tagged("a.io/x:1", "a", pass(), fail(verify.Unsigned, "x", ""))}, nil},
		{"interrupted", ended, []subject{base}, nil},
		{"nothing", context.Background(), nil, nil},
	} {
		if got := report.Pinned(gateReport(tc.ctx, tc.subjects)); !slices.Equal(got, tc.want) || (got == nil) != (tc.want == nil) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	if report.Pinned(gate.Report{}) != nil {
		t.Error("the zero Report hands something over")
	}
}
