package signing_test

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/e2e/signing/sigstack"
)

// patience is how long boltseal may take to say that a service does not answer.
const patience = 30 * time.Second

// cosignPatience is how long cosign may take to fail beside it, or is killed.
const cosignPatience = 32 * time.Second

// A fault is something that befalls a service.
type fault struct {
	name   string
	befall func(s *sigstack.Service, method string)
	kind   kind
	wait   time.Duration // what it asks to wait
}

// A kind of fault is what boltseal does about it.
type kind int

const (
	passing kind = iota // the first request gets no usable answer, and is sent again
	delayed             // it is waited for
	lasting             // no request gets a usable answer: all of them are in vain
	silent              // no request gets an answer at all
	endless             // it asks to wait for longer than anybody does
	garbled             // what is answered is nonsense, so that asking again is no use
	altered             // it looks like an answer, so that it is refused rather than asked for again
)

// lasts reports whether nothing can be signed.
func (k kind) lasts() bool { return k >= lasting }

// faults are those that befall each service, all requests of one method ("write"
// is every one that may change something, "" is all).
func faults() []fault {
	inject := func(f sigstack.Fault) func(*sigstack.Service, string) {
		return func(s *sigstack.Service, method string) {
			f := f
			f.Method = method
			s.Inject(f)
		}
	}
	return []fault{
		{name: "down", kind: lasting, befall: func(s *sigstack.Service, _ string) { s.Down() }},
		{name: "429 once", befall: inject(sigstack.Fault{Status: http.StatusTooManyRequests, RetryAfter: "2", Times: 1}), wait: 2 * time.Second},
		{name: "500 once", befall: inject(sigstack.Fault{Status: http.StatusInternalServerError, Times: 1})},
		{name: "503 once", befall: inject(sigstack.Fault{Status: http.StatusServiceUnavailable, Times: 1})},
		{name: "429, an hour", kind: endless, befall: inject(sigstack.Fault{Status: http.StatusTooManyRequests, RetryAfter: "3600"})},
		{name: "503 for long", kind: lasting, befall: inject(sigstack.Fault{Status: http.StatusServiceUnavailable})},
		{name: "slow", kind: delayed, befall: inject(sigstack.Fault{Delay: 2 * time.Second, Times: 1})},
		{name: "hangs", kind: silent, befall: inject(sigstack.Fault{Delay: time.Hour})},
		{name: "reset once", befall: inject(sigstack.Fault{Reset: true, Times: 1})},
		{name: "reset for long", kind: lasting, befall: inject(sigstack.Fault{Reset: true})},
		{name: "corrupt", kind: garbled, befall: inject(sigstack.Fault{Alter: func(b []byte) []byte {
			return append(bytes.ToUpper(b), "<html>"...)
		}})},
		{name: "altered", kind: altered, befall: inject(sigstack.Fault{Alter: alter})},
	}
}

// alter changes a bit in the middle of what is longest without a break: of a
// certificate, a signature, an entry, a token.
func alter(b []byte) []byte {
	var longest, run []byte
	for i := range b {
		run = b[i+1-len(run)-1 : i+1]
		if strings.IndexByte(" \n\"\\{}[],:", b[i]) >= 0 {
			run = nil
		}
		if len(run) > len(longest) {
			longest = run
		}
	}
	if len(longest) > 0 {
		longest[len(longest)/2] ^= 1
	}
	return b
}

// befalls reports whether f befalls s: nobody reads what a registry says to what
// it is given, so that it cannot be corrupt.
func (f fault) befalls(s sufferer) bool {
	return f.kind != garbled && f.kind != altered || s.method != "write"
}

// A sufferer is a service that faults befall.
type sufferer struct {
	name     string
	service  func(w *workplace) *sigstack.Service
	method   string // of the requests that the faults befall
	registry func(w *workplace) *sigstack.Service
	legacy   bool   // the format, and with it the log
	says     string // what the error names
	hint     string // what the next step names besides, where it is silent
	// whole is how often it is asked where nothing befalls it, and tries how often
	// for one thing, of which the first is as good as all: in vain, and without any
	// answer. 0 is as often as others ask.
	whole, tries, silent int
	garbled              int       // tries where the answer is nonsense
	altered              []refusal // of which there is one where an answer was altered: what of it was hit is chance
}

// A refusal is what is said of what is not signed.
type refusal struct{ reason, says string }

func sufferers() []sufferer {
	without := func(w *workplace) *sigstack.Service { return w.Legacy }
	with := func(w *workplace) *sigstack.Service { return w.Registry }
	unmade := refusal{"bad-signature", "check the new"}
	return []sufferer{
		{
			name: "token endpoint", service: func(w *workplace) *sigstack.Service { return w.Runner }, registry: without,
			says: "token endpoint at 127.0.0.1", whole: 1, tries: 5, silent: 2, garbled: 1,
			altered: []refusal{{"denied", "Fulcio at 127.0.0.1"}, {"unavailable", "token endpoint at 127.0.0.1"}, {"unsupported", "identity token"}},
		},
		{
			name: "Fulcio", service: func(w *workplace) *sigstack.Service { return w.Fulcio }, registry: without,
			says: "Fulcio at 127.0.0.1", hint: "transparency log", whole: 1, tries: 5, silent: 2, garbled: 1,
			altered: []refusal{{"unavailable", "Fulcio at 127.0.0.1"}, {"bad-signature", "check the certificate"}},
		},
		{ // which only Fulcio asks, as often as it likes
			name: "CT log", service: func(w *workplace) *sigstack.Service { return w.CT }, registry: without,
			says: "Fulcio at 127.0.0.1", hint: "transparency log", whole: 1,
			altered: []refusal{{"unavailable", "Fulcio at 127.0.0.1"}},
		},
		{
			name: "timestamp authority", service: func(w *workplace) *sigstack.Service { return w.TSA }, registry: without,
			says: "timestamp authority at 127.0.0.1", whole: 1, tries: 5, silent: 2, garbled: 1,
			altered: []refusal{{"unavailable", "timestamp authority at 127.0.0.1"}, unmade},
		},
		{
			name: "Rekor v2", service: func(w *workplace) *sigstack.Service { return w.Rekor }, registry: without,
			says: "Rekor at 127.0.0.1", whole: 1, tries: 5, silent: 1, garbled: 1,
			altered: []refusal{{"unavailable", "Rekor at 127.0.0.1"}, unmade},
		},
		{
			name: "Rekor v1", service: func(w *workplace) *sigstack.Service { return w.RekorV1 }, registry: without, legacy: true,
			says: "Rekor at 127.0.0.1", whole: 1, tries: 5, silent: 2, garbled: 1,
			altered: []refusal{{"unavailable", "Rekor at 127.0.0.1"}, unmade},
		},
		{
			name: "registry, read", service: without, registry: without, method: http.MethodGet,
			says: "127.0.0.1", whole: 15, tries: 4, silent: 2, garbled: 4, altered: []refusal{{"unavailable", "does not match its name"}},
		},
		{
			name: "registry, written", service: without, registry: without, method: "write",
			says: "127.0.0.1", whole: 6, tries: 4, silent: 2,
		},
		{
			name: "registry with referrers, read", service: with, registry: with, method: http.MethodGet,
			says: "127.0.0.1", whole: 10, tries: 4, silent: 2, garbled: 4, altered: []refusal{{"unavailable", "does not match its name"}},
		},
		{
			name: "registry with referrers, written", service: with, registry: with, method: "write",
			says: "127.0.0.1", whole: 5, tries: 4, silent: 2,
		},
	}
}

// tried returns how often it is to be asked in all, 0 where others decide.
func (s sufferer) tried(k kind) int {
	switch {
	case k == passing:
		return s.whole + 1
	case k == delayed:
		return s.whole
	case s.tries == 0:
		return 0
	}
	return map[kind]int{lasting: s.tries, silent: s.silent, endless: 1, garbled: s.garbled, altered: 1}[k]
}

// A trial is a fault that befalls a service while boltseal signs, and while
// cosign 3 does.
type trial struct {
	sufferer
	fault        fault
	ours, theirs outcome
}

// worse has what is known of cosign 3.1.3 beside: that it fails where boltseal
// signs, or takes longer to fail.
var worse = map[string]func(o outcome) (as bool){
	"Rekor v2, 503 once":       func(o outcome) bool { return o.code != 0 },
	"token endpoint, 500 once": func(o outcome) bool { return o.code != 0 },
	"CT log, down":             func(o outcome) bool { return o.code != 0 && o.took >= patience-time.Second },
}

// Services in trouble: what can be waited for is, and what cannot ends in time,
// names the service and leaves nothing behind that is taken for a signature.
// The same troubles befall cosign 3, to be seen beside (go test -v -run Faults);
// without -v only those of which it is known how it fares.
func TestFaults(t *testing.T) {
	t.Parallel()
	var trials []*trial
	known := 0
	for _, s := range sufferers() {
		for _, f := range faults() {
			if f.befalls(s) {
				trials = append(trials, &trial{sufferer: s, fault: f})
				if worse[s.name+", "+f.name] != nil {
					known++
				}
			}
		}
	}
	if known != len(worse) {
		t.Errorf("%d trials are known to go worse for cosign 3, and %d of them are made", len(worse), known)
	}
	t.Cleanup(func() {
		var table strings.Builder
		for _, x := range trials {
			if x.ours.took+x.theirs.took > 0 { // -run may have left it out
				fmt.Fprintf(&table, "%-31s %-15s %s | %s\n", x.name, x.fault.name, x.ours.row(), x.theirs.row())
			}
		}
		t.Logf("%-31s %-15s boltseal: exit, seconds | cosign 3: exit, seconds\n%s", "service", "fault", &table)
	})
	// What takes longest begins first.
	byDuration := slices.SortedStableFunc(slices.Values(trials), func(a, b *trial) int { return b.fault.rank() - a.fault.rank() })
	for _, x := range byDuration {
		if check := worse[x.name+", "+x.fault.name]; check != nil || testing.Verbose() {
			t.Run(x.name+"/"+x.fault.name+"/cosign", func(t *testing.T) {
				t.Parallel()
				x.theirs = cosignSuffers(t, x.sufferer, x.fault)
				if check != nil && !check(x.theirs) {
					t.Errorf("cosign 3 has become better: %s", x.theirs)
				}
			})
		}
		t.Run(x.name+"/"+x.fault.name+"/boltseal", func(t *testing.T) {
			t.Parallel()
			x.ours = boltsealSuffers(t, x.sufferer, x.fault)
		})
	}
}

// rank orders faults by how long they are waited for.
func (f fault) rank() int {
	switch f.kind {
	case silent:
		return 2
	case lasting:
		return 1
	}
	return 0
}

// row returns how a process ended, in a few columns.
func (o outcome) row() string {
	if o.code == -1 {
		return fmt.Sprintf("  killed after %.0f", o.took.Seconds())
	}
	return fmt.Sprintf("%3d %5.1f", o.code, o.took.Seconds())
}

func boltsealSuffers(t *testing.T, s sufferer, f fault) outcome {
	w := newWorkplace(t)
	img := w.push(s.registry(w), "acme/app")
	flags := []string{img.pinned(), "--signing-config", w.signingConfig(w.Rekor, w.RekorV1, w.TSA), "--bundle-dir", w.path("bundles")}
	if s.legacy {
		flags = append(flags, "--format", "legacy")
	}
	w.Forget()
	f.befall(s.service(w), s.method)
	o := w.sign(flags...)
	if o.took > patience {
		t.Errorf("took %s, of %s:\n%s", o.took, patience, o)
	}
	s.asking(t, w, f)
	check(t, s.service(w).Up())
	s.service(w).Clear()
	if f.kind.lasts() {
		s.fails(t, f, o)
		if bundles, err := os.ReadDir(w.path("bundles")); err != nil || len(bundles) > 0 {
			t.Errorf("%d bundles of what is not signed (%v)", len(bundles), err)
		}
		w.refused("unsigned", img.pinned(), byWorkflow()...)
		if f.kind == endless {
			return o.outcome // nothing is left of it that is not left of others
		}
		w.signed(flags...) // the trouble is over
	} else if o.code != 0 {
		t.Errorf("want a signature:\n%s", o)
	}
	w.signatures(img, 1, byWorkflow())
	return o.outcome
}

// asking fails the test unless the service was asked as often as it is to be, and
// was given the time that it asked for.
func (s sufferer) asking(t *testing.T, w *workplace, f fault) {
	t.Helper()
	var asked []sigstack.Request
	for _, r := range w.Requests() {
		if r.Service == s.service(w).Name && r.Is(s.method) {
			asked = append(asked, r)
		}
	}
	if f.name == "down" {
		return // nobody counts
	}
	if want := s.tried(f.kind); want > 0 && len(asked) != want {
		t.Errorf("asked %d times, want %d: %v", len(asked), want, asked)
	}
	if f.wait > 0 && (len(asked) < 2 || asked[1].At.Sub(asked[0].At) < f.wait) {
		t.Errorf("it was not given %s: %v", f.wait, asked)
	}
}

// fails fails the test unless o says that nothing is signed, and why.
func (s sufferer) fails(t *testing.T, f fault, o signing) {
	t.Helper()
	if len(o.Signed) > 0 || len(o.Failed) != 1 {
		t.Errorf("want no signature:\n%s", o)
		return
	}
	failed := o.Failed[0]
	t.Logf("%s; next: %s", failed.Message, failed.Hint)
	wanted, hint := []refusal{{"unavailable", s.says}}, ""
	switch f.kind {
	case silent:
		hint = s.hint
		if !strings.Contains(failed.Message, "no answer within ") {
			t.Errorf("it does not say that there is no answer:\n%s", o)
		}
	case altered:
		wanted = s.altered
	}
	code := map[string]int{"unavailable": 3, "denied": 3}[failed.Reason]
	if o.code != cmp.Or(code, 1) || failed.Hint == "" || !strings.Contains(failed.Hint, hint) || !slices.ContainsFunc(wanted, func(r refusal) bool {
		return failed.Reason == r.reason && strings.Contains(failed.Message, r.says)
	}) {
		t.Errorf("want one of %q, and %q next:\n%s", wanted, hint, o)
	}
}

func cosignSuffers(t *testing.T, s sufferer, f fault) outcome {
	w := newWorkplace(t)
	cosign := cosignProgram(t, 3)
	img := w.push(s.registry(w), "acme/app")
	args := []string{"sign", "--yes", "--trusted-root", stack.TrustedRoot}
	if s.legacy {
		args = append(args, classic(w)...)
	} else {
		args = append(args, "--signing-config", w.signingConfig(w.Rekor, w.TSA))
	}
	f.befall(s.service(w), s.method)
	return w.executeFor(cosignPatience, cosign, nil, append(args, img.pinned()))
}

// What no waiting helps against is told apart, and ends at once.
func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		befall func(w *workplace)
		env    []string
		code   int
		reason string   // "" where it is bad input
		says   []string // some words of the message and hint, in any case
		logged bool     // something may have got into the log
		after  string   // reason of boltseal verify then, if it is not "unsigned"
	}{
		{
			name: "expired token", code: 1, reason: "expired", says: []string{" expired at "},
			befall: func(w *workplace) { w.Tokens.Claim(map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}) },
		},
		{
			name: "token for others", code: 1, reason: "unsupported", says: []string{`is for the audience \"others\"`},
			befall: func(w *workplace) { w.Tokens.Claim(map[string]any{"aud": "others"}) },
		},
		{
			name: "token of an issuer that Fulcio does not know", code: 3, reason: "denied", says: []string{"Fulcio at 127.0.0.1", "answered 400", "https://issuer.example"},
			befall: func(w *workplace) { w.Tokens.Claim(map[string]any{"iss": "https://issuer.example"}) },
		},
		{
			name: "no id-token: write", code: 2, says: []string{"id-token: write"}, befall: func(*workplace) {},
			env: []string{"GITHUB_ACTIONS=true", "ACTIONS_ID_TOKEN_REQUEST_URL=", "ACTIONS_ID_TOKEN_REQUEST_TOKEN="},
		},
		{
			name: "token endpoint refuses", code: 3, reason: "denied", says: []string{"token endpoint at 127.0.0.1", "it answered 401", "id-token: write"}, befall: func(*workplace) {},
			env: []string{"ACTIONS_ID_TOKEN_REQUEST_TOKEN=outdated"},
		},
		{
			name: "no permission to push", code: 3, reason: "denied", says: []string{"pull,push", "403"},
			befall: func(w *workplace) {
				w.Legacy.Inject(sigstack.Fault{Method: "write", Status: http.StatusForbidden, Body: `{"errors":[{"code":"DENIED","message":"no"}]}`})
			},
		},
		{
			name: "no permission to push manifests", code: 3, reason: "denied", says: []string{"pull,push", "403"}, logged: true,
			befall: func(w *workplace) {
				w.Legacy.Inject(sigstack.Fault{
					Method: "write", Path: regexp.MustCompile("/manifests/"), Status: http.StatusForbidden, Body: `{"errors":[{"code":"DENIED","message":"no"}]}`,
				})
			},
		},
		{
			name: "registry that keeps no manifests", code: 3, reason: "unavailable", says: []string{"127.0.0.1"}, logged: true,
			befall: func(w *workplace) {
				w.Legacy.Inject(sigstack.Fault{Method: http.MethodPut, Path: regexp.MustCompile("/manifests/"), Status: http.StatusCreated})
			},
		},
		{
			name: "registry that keeps no blobs", code: 3, reason: "unavailable", says: []string{"read back"}, logged: true, after: "unavailable",
			befall: func(w *workplace) {
				w.Legacy.Inject(sigstack.Fault{Method: http.MethodPut, Path: regexp.MustCompile("/blobs/"), Status: http.StatusCreated})
			},
		},
		{
			name: "certificate that is not valid yet", code: 1, reason: "expired", says: []string{"certificate is valid from", "clock"}, logged: true,
			befall: func(w *workplace) { w.Window.Set(time.Hour, 2*time.Hour) },
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t)
			img := w.push(w.Legacy, "acme/app")
			w.Forget()
			test.befall(w)
			o := w.signWith(test.env, img.pinned(), "--signing-config", w.signingConfig(w.Rekor, w.TSA))
			if o.code != test.code || len(o.Signed) > 0 || o.took > patience {
				t.Errorf("want exit %d:\n%s", test.code, o)
			}
			reasons := []string{}
			for _, f := range o.Failed {
				reasons = append(reasons, f.Reason)
			}
			if got := strings.Join(reasons, " "); got != test.reason {
				t.Errorf("reason %q, want %q", got, test.reason)
			}
			for _, word := range test.says {
				if !strings.Contains(strings.ToLower(o.said()), strings.ToLower(word)) {
					t.Errorf("it does not say %q:\n%s", word, o)
				}
			}
			for _, r := range w.writes() {
				if !test.logged && r.Service == w.Rekor.Name {
					t.Errorf("something got into the log: %s", r)
				}
			}
			w.Legacy.Clear()
			w.refused(cmp.Or(test.after, "unsigned"), img.pinned(), byWorkflow()...)
		})
	}
}
