package signing_test

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
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
	lasts  bool // so that nothing can be signed
	subtle bool // it looks like an answer, so that it is refused rather than asked for again
}

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
		{name: "down", lasts: true, befall: func(s *sigstack.Service, _ string) { s.Down() }},
		{name: "429 once", befall: inject(sigstack.Fault{Status: http.StatusTooManyRequests, RetryAfter: "1", Times: 1})},
		{name: "500 once", befall: inject(sigstack.Fault{Status: http.StatusInternalServerError, Times: 1})},
		{name: "503 once", befall: inject(sigstack.Fault{Status: http.StatusServiceUnavailable, Times: 1})},
		{name: "503 for long", lasts: true, befall: inject(sigstack.Fault{Status: http.StatusServiceUnavailable})},
		{name: "slow", befall: inject(sigstack.Fault{Delay: 2 * time.Second, Times: 1})},
		{name: "hangs", lasts: true, befall: inject(sigstack.Fault{Delay: time.Hour})},
		{name: "reset once", befall: inject(sigstack.Fault{Reset: true, Times: 1})},
		{name: "reset for long", lasts: true, befall: inject(sigstack.Fault{Reset: true})},
		{name: "corrupt", lasts: true, befall: inject(sigstack.Fault{Alter: func(b []byte) []byte {
			return append(bytes.ToUpper(b), "<html>"...)
		}})},
		{name: "altered", lasts: true, subtle: true, befall: inject(sigstack.Fault{Alter: alter})},
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
	return f.name != "corrupt" && f.name != "altered" || s.method != "write"
}

// A sufferer is a service that faults befall.
type sufferer struct {
	name    string
	service func(w *workplace) *sigstack.Service
	method  string // of the requests that the faults befall
	legacy  bool   // the format, and with it the log
	says    string // what the error names
}

func sufferers() []sufferer {
	return []sufferer{
		{name: "token endpoint", service: func(w *workplace) *sigstack.Service { return w.Runner }, says: "get an identity token"},
		{name: "Fulcio", service: func(w *workplace) *sigstack.Service { return w.Fulcio }, says: "Fulcio at 127.0.0.1"},
		// Only Fulcio asks it.
		{name: "CT log", service: func(w *workplace) *sigstack.Service { return w.CT }, says: "Fulcio at 127.0.0.1"},
		{name: "timestamp authority", service: func(w *workplace) *sigstack.Service { return w.TSA }, says: "timestamp authority at 127.0.0.1"},
		{name: "Rekor v2", service: func(w *workplace) *sigstack.Service { return w.Rekor }, says: "Rekor at 127.0.0.1"},
		{name: "Rekor v1", service: func(w *workplace) *sigstack.Service { return w.RekorV1 }, legacy: true, says: "Rekor at 127.0.0.1"},
		{name: "registry, read", service: func(w *workplace) *sigstack.Service { return w.Legacy }, method: http.MethodGet, says: "127.0.0.1"},
		{name: "registry, written", service: func(w *workplace) *sigstack.Service { return w.Legacy }, method: "write", says: "127.0.0.1"},
	}
}

// A trial is a fault that befalls a service while boltseal signs, and while
// cosign 3 does.
type trial struct {
	sufferer
	fault        fault
	ours, theirs outcome
}

// Services in trouble: what can be waited for is, and what cannot ends in time,
// names the service and leaves nothing behind that is taken for a signature.
// The same troubles befall cosign 3, to be seen beside (go test -v -run Faults).
func TestFaults(t *testing.T) {
	t.Parallel()
	var trials []*trial
	for _, s := range sufferers() {
		for _, f := range faults() {
			if f.befalls(s) {
				trials = append(trials, &trial{sufferer: s, fault: f})
			}
		}
	}
	t.Cleanup(func() {
		var table strings.Builder
		for _, x := range trials {
			if x.ours.took+x.theirs.took > 0 { // -run may have left it out
				fmt.Fprintf(&table, "%-20s %-15s %s | %s\n", x.name, x.fault.name, x.ours.row(), x.theirs.row())
			}
		}
		t.Logf("%-20s %-15s boltseal: exit, seconds | cosign 3: exit, seconds\n%s", "service", "fault", &table)
	})
	// What takes longest begins first.
	byDuration := slices.SortedStableFunc(slices.Values(trials), func(a, b *trial) int { return b.fault.rank() - a.fault.rank() })
	for _, x := range byDuration {
		t.Run(x.name+"/"+x.fault.name+"/boltseal", func(t *testing.T) {
			t.Parallel()
			x.ours = boltsealSuffers(t, x.sufferer, x.fault)
		})
		t.Run(x.name+"/"+x.fault.name+"/cosign", func(t *testing.T) {
			t.Parallel()
			x.theirs = cosignSuffers(t, x.sufferer, x.fault)
		})
	}
}

// rank orders faults by how long they are waited for.
func (f fault) rank() int {
	switch {
	case f.name == "hangs":
		return 2
	case f.lasts:
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
	img := w.push(w.Legacy, "acme/app")
	flags := []string{img.pinned(), "--signing-config", w.signingConfig(w.Rekor, w.RekorV1, w.TSA)}
	if s.legacy {
		flags = append(flags, "--format", "legacy")
	}
	f.befall(s.service(w), s.method)
	o := w.sign(flags...)
	if o.took > patience {
		t.Errorf("took %s, of %s:\n%s", o.took, patience, o)
	}
	check(t, s.service(w).Up())
	s.service(w).Clear()
	if f.lasts {
		if o.code != 3 && (o.code != 1 || !f.subtle) || len(o.Signed) > 0 || len(o.Failed) != 1 {
			t.Errorf("want exit 3 and no signature:\n%s", o)
		}
		for _, failed := range o.Failed {
			t.Logf("%s; next: %s", failed.Message, failed.Hint)
			if f.subtle {
				continue // what it is taken for depends on what was altered
			}
			if failed.Reason != "unavailable" || !strings.Contains(failed.Message, s.says) || failed.Hint == "" {
				t.Errorf("want unavailable, and %q said:\n%s", s.says, o)
			}
		}
		w.refused("unsigned", img.pinned(), byWorkflow()...)
		w.signed(flags...) // the trouble is over
	} else if o.code != 0 {
		t.Errorf("want a signature:\n%s", o)
	}
	w.signatures(img, 1, byWorkflow())
	return o.outcome
}

func cosignSuffers(t *testing.T, s sufferer, f fault) outcome {
	w := newWorkplace(t)
	cosign := cosignProgram(t, 3)
	img := w.push(w.Legacy, "acme/app")
	args := []string{"sign", "--yes", "--trusted-root", stack.TrustedRoot}
	if s.legacy {
		args = append(args, classic(w)...)
	} else {
		args = append(args, "--signing-config", w.signingConfig(w.Rekor, w.TSA))
	}
	f.befall(s.service(w), s.method)
	o := w.executeFor(cosignPatience, cosign, nil, append(args, img.pinned()))
	switch s.name + ", " + f.name {
	case "Rekor v2, 503 once", "token endpoint, 500 once":
		if o.code == 0 {
			t.Errorf("cosign 3 has become better: it tries again. %s", o)
		}
	case "CT log, down":
		if o.took < patience-time.Second {
			t.Errorf("cosign 3 has become better: it does not wait as long. %s", o)
		}
	}
	return o
}

// What no waiting helps against is told apart, and ends at once.
func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		befall func(w *workplace)
		env    []string
		code   int
		says   []string // some words of the message and hint, in any case
		logged bool     // something may have got into the log
		after  string   // reason of boltseal verify then, if it is not "unsigned"
	}{
		{
			name: "expired token", code: 1, says: []string{"expired"},
			befall: func(w *workplace) { w.Tokens.Claim(map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}) },
		},
		{
			name: "token for others", code: 1, says: []string{"audience", "others"},
			befall: func(w *workplace) { w.Tokens.Claim(map[string]any{"aud": "others"}) },
		},
		{
			name: "token of an issuer that Fulcio does not know", code: 3, says: []string{"Fulcio", "issuer"},
			befall: func(w *workplace) { w.Tokens.Claim(map[string]any{"iss": "https://issuer.example"}) },
		},
		{
			name: "no id-token: write", code: 2, says: []string{"id-token: write"}, befall: func(*workplace) {},
			env: []string{"GITHUB_ACTIONS=true", "ACTIONS_ID_TOKEN_REQUEST_URL=", "ACTIONS_ID_TOKEN_REQUEST_TOKEN="},
		},
		{
			name: "token endpoint refuses", code: 3, says: []string{"token"}, befall: func(*workplace) {},
			env: []string{"ACTIONS_ID_TOKEN_REQUEST_TOKEN=outdated"},
		},
		{
			name: "no permission to push", code: 3, says: []string{"pull,push", "403"},
			befall: func(w *workplace) {
				w.Legacy.Inject(sigstack.Fault{Method: "write", Status: http.StatusForbidden, Body: `{"errors":[{"code":"DENIED","message":"no"}]}`})
			},
		},
		{
			name: "no permission to push manifests", code: 3, says: []string{"pull,push", "403"}, logged: true,
			befall: func(w *workplace) {
				w.Legacy.Inject(sigstack.Fault{
					Method: "write", Path: regexp.MustCompile("/manifests/"), Status: http.StatusForbidden, Body: `{"errors":[{"code":"DENIED","message":"no"}]}`,
				})
			},
		},
		{
			name: "registry that keeps no manifests", code: 3, says: []string{"127.0.0.1"}, logged: true,
			befall: func(w *workplace) {
				w.Legacy.Inject(sigstack.Fault{Method: http.MethodPut, Path: regexp.MustCompile("/manifests/"), Status: http.StatusCreated})
			},
		},
		{
			name: "registry that keeps no blobs", code: 3, says: []string{"read back"}, logged: true, after: "unavailable",
			befall: func(w *workplace) {
				w.Legacy.Inject(sigstack.Fault{Method: http.MethodPut, Path: regexp.MustCompile("/blobs/"), Status: http.StatusCreated})
			},
		},
		{
			name: "certificate that is not valid yet", code: 1, says: []string{"certificate is valid from", "clock"}, logged: true,
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
