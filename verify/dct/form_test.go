package dct_test

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/dct"
)

// files gives Forms the files of a map.
func files(all map[string][]byte) dct.Env {
	return dct.Env{ReadFile: func(file yamlshape.Text) ([]byte, error) {
		if body, ok := all[file.Value]; ok {
			return body, nil
		}
		return nil, &verify.Error{Op: "read " + file.Value, Hint: "look for it", Err: errors.New("no such file")}
	}}
}

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func readForm(t testing.TB, text string) (*dct.Form, []*yamlshape.Fault) {
	t.Helper()
	f := &dct.Form{}
	faults := append(yamlshape.Read("policy.yaml", []byte(text), f), f.Check()...)
	return f, faults
}

// pins are the texts of the roots of a collection.
type pins struct {
	id               string
	key, ca, leaf    []byte
	keyText, caText  string // as they stand in a policy
	leafText, idText string
}

func pinsOf(t testing.TB, o dcttest.Options) pins {
	t.Helper()
	o.Certificate.Issued = true
	c, err := dcttest.NewCollection("registry.example/app", o)
	if err != nil {
		t.Fatal(err)
	}
	p := pins{id: c.RootID(), key: c.RootKeyPEM(), ca: pemOf(c.RootCA().Raw), leaf: pemOf(c.Root().Raw)}
	p.keyText, p.caText, p.leafText, p.idText = strconv.Quote(string(p.key)), strconv.Quote(string(p.ca)), strconv.Quote(string(p.leaf)), strconv.Quote(p.id)
	return p
}

func TestFormFaults(t *testing.T) {
	t.Parallel()
	p := pinsOf(t, dcttest.Options{})
	roots := "\nroots: [" + p.idText + "]"
	for _, tc := range []struct{ text, want string }{ // want is LINE:COL and a part of the message
		{"signers: [alice]", "1:1 there are no roots and no ca"},
		{"tofu: false", "1:1 there are no roots and no ca"},
		{"tofu: true" + roots, "1:7 tofu: it believes what roots and ca"},
		{"tofu: true\nca: [a.crt]", "1:7 tofu: it believes what roots and ca"},
		{"tofu: maybe", "1:7 tofu"},
		{"roots: []", "1:8 empty list"},
		{"roots: " + p.idText, "1:9 roots"},
		{"roots: [" + p.idText + ", " + p.idText + "]", "1:78 the same root stands twice"},
		{"roots: [sha256:" + p.id + "]", "1:9 sha256: is part of a digest"},
		{"roots: [" + strconv.Quote(strings.ToUpper(p.id)) + "]", "1:10 it is in upper case"},
		{"roots: [abcd]", "1:9 it is not 64 hexadecimal digits"},
		{"roots: [https://acme.example/root.pem]", "1:9 whoever answers there would decide"},
		{"roots: [" + p.leafText + "]", "1:10 it is a certificate"},
		{`roots: ["-----BEGIN PUBLIC KEY-----\nAA"]`, "1:10 it is not PEM"},
		{`roots: ["-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]`, "1:10 private key"},
		{"ca: [a.crt, a.crt]", "1:13 the same certificate stands twice"},
		{"ca: [" + p.leafText + "]", "1:7 is not an authority's"},
		{"ca: [https://acme.example/ca.crt]", "1:6 whoever answers there would decide"},
		{`ca: ["MIIB\nAAAA"]`, "1:7 this is neither"},
		{"server-ca: [https://acme.example/ca.crt]" + roots, "1:13 whoever answers there would decide"},
		{"server: notary.example" + roots, "1:9 server: it does not begin with https://"},
		{"server: \"https://me:secret@notary.example\"" + roots, "1:10 docker login"},
		{"server: https://docker.io" + roots, "1:9 notary.docker.io"},
		{"signers: [Alice]" + roots, "1:11 names are of a-z"},
		{"signers: [releases]" + roots, "1:11 nobody's own"},
		{"signers: [\"../alice\"]" + roots, "1:12 names are of a-z"},
		{"signers: [\"\"]" + roots, "1:12 "},
		{"signers: [alice, targets/alice]" + roots, "1:18 alice stands twice"},
		{"signers: []" + roots, "1:10 empty list"},
		{"signer: [alice]" + roots, "1:1 signer"},
	} {
		f, faults := readForm(t, tc.text)
		place, message, _ := strings.Cut(tc.want, " ")
		switch {
		case len(faults) != 1:
			t.Errorf("%.80s: %d faults, want %s: %v", tc.text, len(faults), tc.want, faults)
		case fmt.Sprintf("%d:%d", faults[0].At.Line, faults[0].At.Col) != place || !strings.Contains(faults[0].Err.Error(), message) || faults[0].Next == "":
			t.Errorf("%.80s:\n%s (next: %q), want %s", tc.text, faults[0], faults[0].Next, tc.want)
		}
		for _, fault := range faults {
			if strings.Contains(fault.Error(), "secret") {
				t.Errorf("%.80s: tells the password: %s", tc.text, fault)
			}
		}
		if _, err := f.Config(files(map[string][]byte{"a.crt": p.ca})); err == nil {
			t.Errorf("%.80s: made a requirement", tc.text)
		}
	}
	if _, err := (&dct.Form{}).Config(files(nil)); err == nil {
		t.Error("the zero Form made a requirement")
	}
}

func TestFormConfig(t *testing.T) {
	t.Parallel()
	p, other := pinsOf(t, dcttest.Options{}), pinsOf(t, dcttest.Options{})
	all := map[string][]byte{"root.pem": p.key, "keys/other.pub": other.key, "ca.crt": p.ca, "both.pem": append(bytes.Clone(p.ca), other.ca...), "leaf.crt": p.leaf}
	config := func(text string) (dct.Config, error) {
		t.Helper()
		f, faults := readForm(t, text)
		for _, fault := range faults {
			t.Errorf("%s: %v", text, fault)
		}
		return f.Config(files(all))
	}
	for _, tc := range []struct{ text, want, next string }{
		{"roots: [none.pem]", `1:9 roots: read none.pem: no such file`, "look for it"},
		{"roots: [leaf.crt]", `1:9 roots: read the root key of "leaf.crt": it is a certificate`, "give its public key"},
		{"ca: [leaf.crt]", `1:6 ca: read certificates of "leaf.crt": certificate`, "give the certificate of the authority"},
		{"roots: [root.pem]\nserver-ca: [root.pem]", `2:13 server-ca: read certificates of "root.pem": PEM block 1 is a "PUBLIC KEY"`, "give the certificate"},
	} {
		_, err := config(tc.text)
		fault := (*yamlshape.Fault)(nil)
		ok := errors.As(err, &fault)
		place, message, _ := strings.Cut(tc.want, " ")
		if !ok || fmt.Sprintf("%d:%d", fault.At.Line, fault.At.Col) != place || !strings.Contains(fault.Error(), message) || !strings.HasPrefix(fault.Next, tc.next) {
			t.Errorf("%s: %v, want %s", tc.text, err, tc.want)
		}
	}
	c, err := config("roots: [" + p.idText + ", root.pem, " + p.keyText + ", keys/other.pub]\nca: [both.pem, ca.crt, " + p.caText + "]\nsigners: [targets/alice, bob]\nserver: https://Notary.example:443\nserver-ca: [leaf.crt]")
	if err != nil || len(c.RootKeyIDs) != 1 || c.RootKeyIDs[0] != p.id || len(c.RootKeys) != 2 || len(c.RootCA) != 2 || strings.Join(c.Signers, " ") != "alice bob" || c.TOFU || c.Flags ||
		c.Server.String() != "https://notary.example" || len(c.ServerCA) != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = config("tofu: true")
	if err != nil || !c.TOFU || len(c.RootKeyIDs)+len(c.RootKeys)+len(c.RootCA)+len(c.Signers) > 0 || !c.Server.IsZero() {
		t.Errorf("%+v, %v", c, err)
	}
}

// A Form of which a part is missing makes nothing, and what is wrong with the
// rest is said all the same.
func TestWrongForm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"roots: [1]":                    "",
		"roots: [1]\nsigners: [Alice]":  "signers",
		"roots: 5\nserver: notary":      "server",
		"roots: [a.pem]\nsigners: 5":    "",
		"signers: [alice]\nroots: true": "",
	} {
		f := &dct.Form{}
		if faults := yamlshape.Read("policy.yaml", []byte(text), f); len(faults) == 0 {
			t.Errorf("%s: no fault", text)
		}
		faults := f.Check()
		if want == "" && len(faults) > 0 || want != "" && (len(faults) != 1 || !strings.Contains(faults[0].Err.Error(), want)) {
			t.Errorf("%s: %v", text, faults)
		}
		if _, err := f.Config(files(map[string][]byte{"a.pem": nil})); err == nil {
			t.Errorf("%s: made a requirement", text)
		}
	}
}

func TestFormDoubts(t *testing.T) {
	t.Parallel()
	p := pinsOf(t, dcttest.Options{})
	ends := time.Date(2026, 12, 8, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		now  time.Time // of the bubble, which begins in 2000
		text string
		want string // lints
		says string
	}{
		{time.Time{}, "roots: [" + p.idText + "]", "", ""},
		{time.Time{}, "roots: [" + p.idText + "]\ntofu: false", "", ""},
		{time.Time{}, "tofu: true", "first-use", "whoever answers"},
		{time.Time{}, "roots: [a.pem]\nserver: https://notary.docker.io", "", ""},
		{ends.AddDate(0, 0, -16), "roots: [a.pem]\nserver: https://notary.docker.io", "server-ends", "notary.docker.io ends on 2026-12-08"},
		{ends, "roots: [a.pem]\nserver: https://notary.docker.io", "server-ends", "notary.docker.io has ended on 2026-12-08"},
		{ends, "roots: [a.pem]\nserver: https://acme.azurecr.io", "", ""},
		{ends, "roots: [a.pem]\nserver: https://azurecr.io.acme.example", "", ""},
		{ends.AddDate(1, 0, 0), "roots: [a.pem]\nserver: https://acme.azurecr.io", "server-ends", "ends on 2028-03-31"},
		{time.Time{}, "roots: [a.pem]\nserver: http://notary.example", "plain-http", "without encryption"},
		{time.Time{}, "roots: [a.pem]\nserver: http://127.0.0.1:4443", "", ""},
		{time.Time{}, "roots: [a.pem]\nserver: http://localhost:4443", "", ""},
		{ends, "ca: [" + p.caText + "]", "", ""},
		{ends.AddDate(30, 0, 0), "ca: [" + p.caText + "]", "expired-certificate", "ca: certificate"},
		{ends.AddDate(30, 0, 0), "roots: [a.pem]\nserver-ca: [" + p.caText + "]", "expired-certificate", "server-ca: certificate"},
	} {
		synctest.Test(t, func(t *testing.T) {
			if !tc.now.IsZero() {
				time.Sleep(time.Until(tc.now))
			}
			f, faults := readForm(t, tc.text)
			if len(faults) > 0 {
				t.Fatalf("%.80s: %v", tc.text, faults)
			}
			var lints []string
			for _, d := range f.Doubts() {
				lints = append(lints, d.Lint)
				if d.At.Line == 0 || d.Next == "" || !strings.Contains(d.Err.Error(), tc.says) {
					t.Errorf("%.80s: %+v", tc.text, d)
				}
			}
			if got := strings.Join(lints, " "); got != tc.want {
				t.Errorf("%.80s at %s: %q, want %q", tc.text, time.Now().Format(time.DateOnly), got, tc.want)
			}
			// Flags warn of the same.
			c, err := f.Config(files(map[string][]byte{"a.pem": p.key}))
			if err != nil {
				t.Fatal(err)
			}
			c.Flags = true
			lints = nil
			for _, w := range c.Warnings() {
				lints = append(lints, w.Lint)
				if w.Text == "" {
					t.Errorf("%.80s: %s has no text", tc.text, w.Lint)
				}
			}
			if got := strings.Join(lints, " "); got != tc.want {
				t.Errorf("%.80s: warnings %q, want %q", tc.text, got, tc.want)
			}
		})
	}
}

// What is doubtful of a requirement for the images of its rule.
func TestFormDoubtsOf(t *testing.T) {
	t.Parallel()
	p := pinsOf(t, dcttest.Options{})
	id, other := p.idText, strings.Repeat("ab", 32)
	near := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		now   time.Time
		text  string
		names []string
		want  string // lints
		says  string
	}{
		{near, "roots: [a.pem]", []string{"docker.io/acme/**"}, "server-ends", "https://notary.docker.io is asked for images of docker.io: notary.docker.io ends on 2026-12-08"},
		{near, "roots: [a.pem]", []string{"docker.io/acme/a", "docker.io/acme/b"}, "server-ends", "2026-12-08"},
		{near, "roots: [a.pem]\nserver: https://notary.acme.example", []string{"docker.io/acme/**"}, "", ""},
		{near, "roots: [a.pem]", []string{"*.azurecr.io/**", "ghcr.io/a"}, "", ""},
		{near.AddDate(1, 0, 0), "roots: [a.pem]", []string{"ghcr.io/a", "*.azurecr.io/**"}, "server-ends", "content trust of Azure Container Registry ends on 2028-03-31"},
		{near.AddDate(1, 0, 0), "roots: [a.pem]", []string{"docker.io/a/b", "acme.azurecr.io/b"}, "server-ends server-ends", ""},
		{near, "roots: [a.pem]", nil, "", ""},
		{near, "roots: [" + id + "]", []string{"ghcr.io/acme/app"}, "", ""},
		{near, "roots: [" + id + "]", []string{"ghcr.io/acme/*"}, "one-root", "too few"},
		{near, "roots: [" + id + "]", []string{"ghcr.io/acme/app", "ghcr.io/acme/web"}, "one-root", "too few"},
		{near, "roots: [" + id + ", " + other + "]", []string{"ghcr.io/acme/app", "ghcr.io/acme/web"}, "", ""},
		{near, "roots: [" + id + ", a.pem]", []string{"ghcr.io/acme/**"}, "", ""},
		{near, "roots: [a.pem]", []string{"ghcr.io/acme/**"}, "", ""},
		{near, "roots: [" + id + "]\nca: [ca.pem]", []string{"ghcr.io/acme/**"}, "", ""},
		{near, "tofu: true", []string{"ghcr.io/acme/**"}, "", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(tc.now))
			f, faults := readForm(t, tc.text)
			if len(faults) > 0 {
				t.Fatalf("%.80s: %v", tc.text, faults)
			}
			var lints []string
			for _, d := range f.DoubtsOf(tc.names) {
				lints = append(lints, d.Lint)
				if d.At.Line == 0 || d.Next == "" || !strings.Contains(d.Err.Error(), tc.says) {
					t.Errorf("%.80s of %q: %+v", tc.text, tc.names, d)
				}
			}
			if got := strings.Join(lints, " "); got != tc.want {
				t.Errorf("%.80s of %q: %q, want %q", tc.text, tc.names, got, tc.want)
			}
		})
	}
}
