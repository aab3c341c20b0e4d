package notation_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/notation"
)

// env gives Forms the files of a map.
func env(files map[string][]byte) notation.Env {
	return notation.Env{ReadFile: func(file yamlshape.Text) ([]byte, error) {
		if body, ok := files[file.Value]; ok {
			return body, nil
		}
		return nil, &verify.Error{Op: "read " + file.Value, Hint: "look for it", Err: errors.New("no such file")}
	}}
}

func readForm(t testing.TB, text string) (*notation.Form, []*yamlshape.Fault) {
	t.Helper()
	f := &notation.Form{}
	faults := append(yamlshape.Read("policy.yaml", []byte(text), f), f.Check()...)
	return f, faults
}

const acme = `"x509.subject: C=US, ST=WA, O=Acme, CN=release"`

func TestFormFaults(t *testing.T) {
	t.Parallel()
	a := certified(t, notationtest.AuthorityOptions{})
	root, leaf := strconv.Quote(string(notationtest.PEM(a.Root()))), strconv.Quote(string(notationtest.PEM(a.Leaf())))
	who := "\nidentities: [" + acme + "]"
	for _, tc := range []struct{ text, want string }{ // want is LINE:COL and a part of the message
		{"identities: [" + acme + "]", "1:1 there are no certificates"},
		{"tsa: [a.crt]" + who, "1:1 there are no certificates"},
		{"certificates: [a.crt]", "1:1 identities"},
		{"certificates: a.crt" + who, "1:15 certificates"},
		{"certificates: []" + who, "1:15 empty list"},
		{"certificates: [a.crt, a.crt]" + who, "1:23 the same certificate stands twice"},
		{"certificates: [https://acme.example/ca.crt]" + who, "1:16 whoever answers there would decide"},
		{`certificates: ["MIIB\nAAAA"]` + who, "1:17 this is neither"},
		{"certificates: [" + leaf + "]" + who, "1:17 neither a CA's nor self-signed"},
		{`certificates: ["-----BEGIN CERTIFICATE-----\nAA"]` + who, "1:17 damaged"},
		{"certificates: [" + root + ", " + root + "]" + who, fmt.Sprintf("1:%d stands twice", 19+len(root))},
		{"certificates: [a.crt]\ntsa: [" + strconv.Quote(string(notationtest.PEM(certified(t, notationtest.AuthorityOptions{Intermediates: 1}).Chain[1]))) + "]" + who, "2:8 tsa: certificate"},
		{"certificates: [a.crt]\nidentities: [Acme]", `2:14 identity "Acme": `},
		{"certificates: [a.crt]\nidentities: [\"*\", " + acme + "]", "2:15 accepts everybody"},
		{"certificates: [a.crt]\nidentities: [" + acme + ", " + acme + "]", fmt.Sprintf("2:%d the same identity stands twice", 17+len(acme))},
		{"certificates: [a.crt]\nidentities: [" + acme + `, "C=US, ST=WA, O=Acme"]`, fmt.Sprintf("2:%d accepts everybody whom", 17+len(acme))},
		{"certificates: [a.crt]\nidentities: [" + acme + `, "C=US, S=WA, CN=release, O=Acme"]`, fmt.Sprintf("2:%d the same identity", 17+len(acme))},
		{"certificates: [a.crt]\ntimestamp: always" + who, "2:12 no countersignature could count"},
		{"certificates: [a.crt]\ntimestamp: never" + who, "2:12 must be always or after-expiry"},
		{"certificates: [a.crt]\nrevocation: maybe" + who, "2:13 must be strict or soft or skip"},
		{"certificates: [a.crt]\nrevocation: off" + who, "2:13 "},
		{"certificates: [a.crt]\nmax-signatures: 0" + who, "2:17 max-signatures"},
		{"certificates: [a.crt]\nmax-signatures: 257" + who, "2:17 max-signatures"},
		{"certificates: [a.crt]\nsignature-repository: \"a b\"" + who, "2:24 signature-repository"},
		{"certificates: [a.crt]\nmetadata: {build: " + strings.Repeat("x", 5000) + "}" + who, "2:19 longer than 4096"},
		{"certificates: [a.crt]\ncerts: [a.crt]" + who, "2:1 certs"},
	} {
		f, faults := readForm(t, tc.text)
		place, message, _ := strings.Cut(tc.want, " ")
		switch {
		case len(faults) != 1:
			t.Errorf("%.80s: %d faults, want %s: %v", tc.text, len(faults), tc.want, faults)
		case fmt.Sprintf("%d:%d", faults[0].At.Line, faults[0].At.Col) != place || !strings.Contains(faults[0].Err.Error(), message) || faults[0].Next == "" && !strings.Contains(message, "must be"):
			t.Errorf("%.80s:\n%s (next: %q), want %s", tc.text, faults[0], faults[0].Next, tc.want)
		}
		if _, err := f.Config(env(map[string][]byte{"a.crt": notationtest.PEM(a.Root())})); err == nil {
			t.Errorf("%.80s: made a requirement", tc.text)
		}
	}
	if _, err := (&notation.Form{}).Config(env(nil)); err == nil {
		t.Error("the zero Form made a requirement")
	}
}

func TestFormConfig(t *testing.T) {
	t.Parallel()
	a, own := certified(t, notationtest.AuthorityOptions{}), certified(t, notationtest.AuthorityOptions{SelfSigned: true})
	files := map[string][]byte{
		"a.crt": notationtest.PEM(a.Root()), "both.pem": notationtest.PEM(a.Root(), own.Leaf()), "leaf.crt": notationtest.PEM(a.Leaf()),
		"intermediate.crt": notationtest.PEM(certified(t, notationtest.AuthorityOptions{Intermediates: 1}).Chain[1]),
		"tsa.der":          stampRoot(t).Raw, "key.pem": []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
	}
	config := func(text string) (notation.Config, error) {
		f, faults := readForm(t, text)
		for _, fault := range faults {
			t.Errorf("%s: %v", text, fault)
		}
		return f.Config(env(files))
	}
	for _, tc := range []struct{ text, want, next string }{
		{"certificates: [b.crt]", `1:16 certificates: read b.crt: no such file`, "look for it"},
		{"certificates: [leaf.crt]", `1:16 certificates: read certificates of "leaf.crt": certificate "CN=release`, "give the certificate of the authority"},
		{"certificates: [a.crt, key.pem]", `1:23 certificates: read certificates of "key.pem": it holds a private key`, "give the certificate alone"},
		{"certificates: [a.crt]\ntsa: [intermediate.crt]", `2:7 tsa: read certificates of "intermediate.crt": certificate`, "give the root certificate of the time stamp authority"},
	} {
		_, err := config(tc.text + "\nidentities: [" + acme + "]")
		fault := (*yamlshape.Fault)(nil)
		ok := errors.As(err, &fault)
		place, message, _ := strings.Cut(tc.want, " ")
		if !ok || fmt.Sprintf("%d:%d", fault.At.Line, fault.At.Col) != place || !strings.Contains(fault.Error(), message) || !strings.HasPrefix(fault.Next, tc.next) {
			t.Errorf("%s: %v, want %s", tc.text, err, tc.want)
		}
	}
	c, err := config("certificates: [both.pem, a.crt, " + strconv.Quote(string(files["a.crt"])) + "]\nsigning-authority: [a.crt]\ntsa: [tsa.der]\ntimestamp: after-expiry\nrevocation: soft\n" +
		"metadata: {build: \"7\"}\nmax-signatures: 7\nsignature-repository: ghcr.io/acme/signatures\nidentities: [" + acme + ", \"C=DE, ST=BY, O=Acme\"]")
	if err != nil || len(c.Certificates) != 2 || len(c.SigningAuthority) != 1 || len(c.TSA) != 1 || len(c.Identities) != 2 || !c.Identities[0].Match(a.Leaf()) ||
		c.Timestamp != notation.AfterExpiry || c.Revocation != notation.Soft || c.Metadata["build"] != "7" || c.MaxSignatures != 7 || c.Repository.Name() != "ghcr.io/acme/signatures" || c.Flags || c.Statement != "" {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = config("certificates: [a.crt]\nidentities: [\"*\"]")
	if err != nil || c.Timestamp != notation.Always || c.Revocation != notation.Strict || c.MaxSignatures != 0 || !c.Identities[0].Any() || c.Level != "" {
		t.Errorf("%+v, %v", c, err)
	}
}

// A Form of which a part is missing makes nothing, and what is wrong with the
// rest is said all the same.
func TestWrongForm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"certificates: [1]\nidentities: [" + acme + "]":                    "",
		"certificates: [1]\ntimestamp: always\nidentities: [" + acme + "]": "",
		"certificates: [1]\nidentities: [Acme]":                            "identity",
		"certificates: [a.crt]\nidentities: 5":                             "",
	} {
		f := &notation.Form{}
		if faults := yamlshape.Read("policy.yaml", []byte(text), f); len(faults) == 0 {
			t.Errorf("%s: no fault", text)
		}
		faults := f.Check()
		if want == "" && len(faults) > 0 || want != "" && (len(faults) != 1 || !strings.Contains(faults[0].Err.Error(), want)) {
			t.Errorf("%s: %v", text, faults)
		}
		if _, err := f.Config(env(nil)); err == nil {
			t.Errorf("%s: made a requirement", text)
		}
	}
}

func TestFormDoubts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // begins in 2000
		past := certified(t, notationtest.AuthorityOptions{NotBefore: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(1991, 1, 1, 0, 0, 0, 0, time.UTC), CANotAfter: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)})
		now := certified(t, notationtest.AuthorityOptions{})
		root, expired := strconv.Quote(string(notationtest.PEM(now.Root()))), strconv.Quote(string(notationtest.PEM(past.Root())))
		who := "\nidentities: [" + acme + "]"
		for _, tc := range []struct{ text, want string }{ // want is of the lints
			{"certificates: [a.crt]" + who, ""},
			{"certificates: [" + root + "]" + who, ""},
			{"certificates: [" + expired + ", " + root + "]" + who, "expired-certificate"},
			{"certificates: [a.crt]\ntsa: [" + expired + "]" + who, "expired-certificate"},
			{"certificates: [a.crt]\nidentities: [\"*\"]", "any-identity"},
			{"certificates: [a.crt]\nidentities: [\"C=US, ST=WA, O=Acme, OU=Builds\"]", "no-common-name"},
			{"certificates: [a.crt]\nrevocation: skip" + who, "revocation-skip"},
			{"certificates: [a.crt]\nrevocation: soft" + who, "revocation-soft"},
			{"certificates: [a.crt]\nrevocation: strict" + who, ""},
			{"certificates: [a.crt]\ntimestamp: after-expiry" + who, "no-tsa"},
			{"certificates: [a.crt]\ntsa: [b.crt]\ntimestamp: after-expiry" + who, ""},
			{"certificates: [a.crt]\ntsa: [b.crt]\ntimestamp: always" + who, ""},
		} {
			f, faults := readForm(t, tc.text)
			if len(faults) > 0 {
				t.Errorf("%.80s: %v", tc.text, faults)
				continue
			}
			var lints []string
			for _, d := range f.Doubts() {
				lints = append(lints, d.Lint)
				if d.At.Line == 0 || d.Err == nil || d.Next == "" {
					t.Errorf("%.80s: %s has no place, text or next step", tc.text, d.Lint)
				}
			}
			if got := strings.Join(lints, " "); got != tc.want {
				t.Errorf("%.80s: %q, want %q", tc.text, got, tc.want)
			}
		}
	})
}
