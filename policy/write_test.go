package policy_test

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/policy"
)

// An asked requirement keeps what the text of a policy says.
type asked struct {
	Type       *yamlshape.Text `yaml:"type"`
	Identities []struct {
		Issuer        yamlshape.Text            `yaml:"issuer,required"`
		Subject       *yamlshape.Text           `yaml:"subject"`
		SubjectRegexp *yamlshape.Text           `yaml:"subject-regexp"`
		Claims        map[string]yamlshape.Text `yaml:"claims"`
	} `yaml:"identities"`
	Keys []struct {
		File   yamlshape.Text `yaml:"file"`
		SHA256 yamlshape.Text `yaml:"sha256"`
	} `yaml:"keys"`
}

func (*asked) Check() []*yamlshape.Fault { return nil }
func (*asked) Doubts() []policy.Doubt    { return nil }

// readAsked reads a policy, and returns what its rules require.
func readAsked(text []byte) (got []*asked, err error) {
	made := func() policy.Form {
		got = append(got, &asked{})
		return got[len(got)-1]
	}
	_, err = policy.Read("p", text, policy.Options{Systems: []policy.System{{Name: "sigstore", New: made}, {Name: "attestation", New: made}}})
	return got, err
}

// hostile are names that somebody may give themselves.
var hostile = []string{
	"plain", "a b", "a: b", "a #b", "# a", "- a", `"`, `'`, `\`, `\n`, "*", "&a", "!a", "|", ">", "%YAML", "@a", "`", "{a", "[a", "]", "}", ",", "? a", "~", "null", "yes", "1e3", "2026-01-01", "<<",
	"a\nb", "a\r\nb", "\n- images: ['**']", "\t", "\x00a", "\x1b[31m", "a\u0085b", "a\u2028b", "a\u2029b", "\ufeffa", "\u202ea", "\U000e0001a", "é", "日本", "\U0001f600",
	"##[error]a", "##vso[a]", "::error::a", "a\"\n  - images: ['**']\n    allow-unsigned: {reason: x}\n#", "--- a", "... ", strings.Repeat("x", 3000),
}

var (
	commentBlock = regexp.MustCompile(`(?m)(?:^ *#.*\n)+`)
	commentMark  = regexp.MustCompile(`(?m)^( *)# ?`)
)

// toggled takes the comments of all suggestions away as editors do: of each line
// of a block the first # and the blank behind it.
func toggled(text []byte) []byte {
	return commentBlock.ReplaceAllFunc(text, func(block []byte) []byte {
		if !bytes.Contains(block, []byte("## ")) {
			return block
		}
		return commentMark.ReplaceAll(block, []byte("$1"))
	})
}

var twoMarks = regexp.MustCompile(`##[^ ]`)

// Nothing that comes from outside is anything but a part of its own text: what
// is read back is what was written, and comments stay comments.
func TestDraftHostile(t *testing.T) {
	t.Parallel()
	for _, h := range hostile {
		claim := h[:min(len(h), 900)] // of a key YAML has no more than 1,024
		signer := policy.DraftSigner{Comments: []string{h}, Issuer: h, Subject: h, Claims: map[string]string{claim: h}}
		expression := policy.DraftSigner{Issuer: "https://issuer.example", Subject: h, Expression: true}
		open := policy.DraftRule{Comments: []string{h}, Images: []string{"ghcr.io/acme/open"}, Signers: []policy.DraftSigner{signer}}
		d := policy.Draft{
			Head: []string{h},
			Rules: []policy.DraftRule{{
				Comments: []string{h}, Images: []string{"ghcr.io/acme/app"}, Signers: []policy.DraftSigner{signer, expression},
				Attested: []policy.DraftAttestation{{Type: h, Signers: []policy.DraftSigner{signer}}},
			}},
			Open: []policy.DraftOpen{
				{Comments: []string{h}},
				{Comments: []string{h}, Signed: &open},
				{Comments: []string{h}, Attested: &policy.DraftRule{Images: []string{"ghcr.io/acme/att"}, Attested: []policy.DraftAttestation{{Type: h, Signers: []policy.DraftSigner{signer}}}}},
			},
		}
		text := d.Text()
		if string(d.Text()) != string(text) || strings.ContainsFunc(string(text), func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }) || twoMarks.Match(text) {
			t.Fatalf("%q:\n%s", h, text)
		}
		got, err := readAsked(text)
		if strings.TrimSpace(h) == "" {
			if err == nil {
				t.Errorf("%q is read", h)
			}
			continue
		}
		if err != nil || len(got) != 1 || len(got[0].Identities) != 2 {
			t.Fatalf("%q: %v\n%s", h, err, text)
		}
		one, two := got[0].Identities[0], got[0].Identities[1]
		if one.Issuer.Value != h || one.Subject.Value != h || one.SubjectRegexp != nil || one.Claims[claim].Value != h || two.Subject != nil || two.SubjectRegexp.Value != h {
			t.Errorf("%q is read as %+v", h, got[0])
		}
		// Suggestions are as safe as what counts.
		got, err = readAsked(toggled(text))
		if err != nil || len(got) != 4 {
			t.Fatalf("%q with its suggestions: %v\n%s", h, err, text)
		}
		for _, a := range got {
			for _, id := range a.Identities {
				if s := id.Subject; s != nil && s.Value != h || a.Type != nil && a.Type.Value != h {
					t.Errorf("%q is suggested as %q", h, s)
				}
			}
		}
	}
}

// What is not a rule or a publisher does not become one, and nothing is not a
// policy.
func TestDraftParts(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("a", 64)
	open := []policy.DraftOpen{
		{Comments: []string{"nobody"}, Unsigned: &policy.DraftUnsigned{ByDigest: "ghcr.io/acme/a@" + digest, AsWritten: "ghcr.io/acme/a:v1"}},
		{Comments: []string{"a key"}, Key: &policy.DraftKey{Image: "ghcr.io/acme/b:v1", SHA256: strings.Repeat("b", 64)}},
	}
	for name, d := range map[string]policy.Draft{"nothing": {}, "comments": {Head: []string{"a"}, Open: open}} {
		if _, err := readAsked(d.Text()); err == nil {
			t.Errorf("%s is a policy:\n%s", name, d.Text())
		}
	}
	d := policy.Draft{Publishers: []policy.DraftPublisher{{Name: "distroless", Comments: []string{"why"}}}, Open: open}
	_, err := policy.Read("p", d.Text(), policy.Options{Systems: []policy.System{{Name: "sigstore", New: func() policy.Form { return &asked{} }}}})
	if err != nil {
		t.Fatalf("%v\n%s", err, d.Text())
	}
	if text := string(policy.Draft{Rules: []policy.DraftRule{{Images: []string{"a/b"}, Instance: "github", Signers: []policy.DraftSigner{{Issuer: "i", Subject: "s"}}}}}.Text()); !strings.Contains(text, "      - sigstore:\n          instance: \"github\"\n          identities:\n") {
		t.Error(text)
	}
	long := policy.Draft{Head: []string{strings.Repeat("x", 1000)}, Publishers: d.Publishers}.Text()
	if n := strings.Count(string(long), "x"); n != 500 || !strings.Contains(string(long), "x...\n") {
		t.Errorf("a comment has %d characters", n)
	}
	full := string(toggled(d.Text()))
	_, err = readAsked([]byte(full))
	if err == nil || strings.Count(err.Error(), "empty text") != 3 || strings.Count(err.Error(), "no date") != 1 {
		t.Errorf("unfilled: %v\n%s", err, full)
	}
	d.Rules = []policy.DraftRule{{
		Comments: []string{"a"}, Images: []string{"ghcr.io/acme/c"}, Signers: []policy.DraftSigner{{Issuer: "i", Subject: "s", Comments: []string{"seen"}}},
		Attested: []policy.DraftAttestation{{Type: "spdx", Signers: []policy.DraftSigner{{Issuer: "i", Subject: "s", Comments: []string{"seen"}}}}},
	}}
	// With rules and without any, each suggestion stands where it counts.
	for n, d := range []policy.Draft{{Head: []string{"a"}, Open: open}, d} {
		full := string(toggled(d.Text()))
		full = strings.NewReplacer(`until: ""`, "until: 2027-01-31", `: ""`, `: "because"`).Replace(full)
		got, err := readAsked([]byte(full))
		if err != nil || len(got) != 1+3*n || !slices.ContainsFunc(got, func(a *asked) bool { return len(a.Keys) == 1 && a.Keys[0].SHA256.Value == strings.Repeat("b", 64) }) {
			t.Errorf("filled in: %v\n%s", err, full)
		}
	}
}

func TestWritable(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"a": true, "a b": true, "é": true, "*": true, "#": true, "": false, " ": false, "a\nb": false, "a\u2028": false, "\u202ea": false, "\x7f": false, "\xff": false, "\ufffd": false,
		strings.Repeat("x", 2048): true, strings.Repeat("x", 2049): false,
	} {
		if policy.Writable(s) != want {
			t.Errorf("%.20q: %v", s, !want)
		}
	}
}

// Whatever a text is, it is written on one line of ASCII and read back.
func FuzzQuote(f *testing.F) {
	for _, h := range hostile {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "?")
		if !yamlshape.Seen(s) || len(s) > 10_000 {
			return
		}
		quoted := policy.Quote(s)
		if strings.ContainsFunc(quoted, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("%q is written as %q", s, quoted)
		}
		var got struct {
			At    image.Position
			Value yamlshape.Text `yaml:"value,required"`
		}
		faults := yamlshape.Read("f", fmt.Appendf(nil, "value: %s # and\n", quoted), &got)
		if len(faults) > 0 || got.Value.Value != s {
			t.Fatalf("%q is written as %s and read as %q (%v)", s, quoted, got.Value.Value, faults)
		}
	})
}
