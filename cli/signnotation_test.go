package cli_test

import (
	"crypto/x509/pkix"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// A notaryWorld is one with a key of Notation: release.key, its chain release.pem
// and root.pem, and a timestamp authority, whose root is tsa-root.pem.
type notaryWorld struct {
	*signWorld
	by  *notationtest.Authority
	tsa string // its address
}

func newNotaryWorld(t *testing.T, o registrytest.Options) *notaryWorld {
	t.Helper()
	w := &notaryWorld{signWorld: newSignWorld(t, o, sigstoretest.Without{})}
	w.env, w.clock = map[string]string{}, time.Now // as notation-go has it
	w.by = w.authority("release", notationtest.AuthorityOptions{Intermediates: 1})
	w.file("root.pem", notationtest.PEM(w.by.Root()))
	tsa, err := notationtest.NewTSA(notationtest.TSAOptions{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(tsa)
	t.Cleanup(server.Close)
	w.tsa = server.URL
	w.file("tsa-root.pem", notationtest.PEM(tsa.Root()))
	return w
}

// authority makes one, and writes its key and chain.
func (w *notaryWorld) authority(name string, o notationtest.AuthorityOptions) *notationtest.Authority {
	w.t.Helper()
	by, err := notationtest.NewAuthority(o)
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := by.KeyPEM()
	if err != nil {
		w.t.Fatal(err)
	}
	w.file(name+".key", key)
	w.file(name+".pem", notationtest.PEM(by.Chain...))
	return by
}

// notation runs boltseal sign --system notation with the usual key.
func (w *notaryWorld) notation(args ...string) result {
	w.t.Helper()
	return w.run(w.env, append([]string{"sign", "--system", "notation", "--key", "release.key", "--certificate-chain", "release.pem"}, args...)...)
}

// A notationJSON is what the document says of a Notation signature.
type notationJSON struct {
	Complete bool
	Signed   []struct {
		Reference, Digest, Pinned, Platform, System, Format, Storage, Source string
		Identity, Issuer, Certificate, Bundle                                string
		SignedAt                                                             *time.Time `json:"signed_at"`
		Expiry                                                               *time.Time
		Existed                                                              bool
	}
	Failed  []struct{ Reference, Digest, Reason, Message, Hint string }
	Notices []string
	Verify  []string
}

// notationJSON is notation with --output json.
func (w *notaryWorld) notationJSON(args ...string) (result, notationJSON) {
	w.t.Helper()
	r := w.notation(append(args, "--output", "json")...)
	var doc notationJSON
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil {
		w.t.Fatalf("exit %d, %v\n%s%s", r.code, err, r.stdout, r.stderr)
	}
	return r, doc
}

const (
	releaser = "x509.subject: CN=release,OU=Builds,O=Acme,L=Seattle,ST=WA,C=US"
	acmeCA   = "CN=Acme CA,O=Acme,ST=WA,C=US"
)

// What was signed is said, and boltseal's command line that is printed verifies it.
func TestSignNotation(t *testing.T) {
	t.Parallel()
	w := newNotaryWorld(t, registrytest.Options{})
	w.file("rsa-root.pem", notationtest.PEM(w.authority("rsa", notationtest.AuthorityOptions{Key: notationtest.RSA2048}).Root()))
	key, err := os.ReadFile(filepath.Join(w.dir, "release.key"))
	if err != nil {
		t.Fatal(err)
	}
	w.env["NOTATION_KEY"] = string(key)
	stamp := []string{"--timestamp-url", w.tsa, "--timestamp-root-cert", "tsa-root.pem"}
	for _, tc := range []struct {
		name    string
		args    []string
		want    []string // formats
		stamped bool
		expires time.Duration
	}{
		{name: "jws", want: []string{"jws"}},
		{name: "cose", args: []string{"--format", "cose"}, want: []string{"cose"}},
		{name: "both", args: []string{"--format=cose", "--format=jws", "--format=cose"}, want: []string{"cose", "jws"}},
		{name: "expiry and metadata", args: []string{"--expiry", "8760h", "--user-metadata", "it's=a b", "-a", "run=1"}, want: []string{"jws"}, expires: 8760 * time.Hour},
		{name: "timestamp", args: stamp, want: []string{"jws"}, stamped: true},
		{name: "timestamp in COSE", args: append([]string{"--format", "cose", "--expiry", "1m"}, stamp...), want: []string{"cose"}, stamped: true, expires: time.Minute},
		{name: "RSA", args: []string{"--key", "rsa.key", "--certificate-chain", "rsa.pem"}, want: []string{"jws"}},
		{name: "key of a variable", args: []string{"--key", "env://NOTATION_KEY"}, want: []string{"jws"}},
		{name: "key as text", args: []string{"--key", string(key)}, want: []string{"jws"}},
		{name: "elsewhere", args: []string{"--signature-repository", w.reg.Host() + "/team/signatures"}, want: []string{"jws"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			at := w.at("team/" + strings.ReplaceAll(strings.ToLower(tc.name), " ", "-"))
			begun := time.Now().Add(-time.Minute)
			r, doc := w.notationJSON(append(tc.args, at)...)
			if r.code != 0 || !doc.Complete || len(doc.Failed) != 0 || r.stderr != "" {
				t.Fatalf("exit %d: %s%s", r.code, r.stdout, r.stderr)
			}
			root, certificate := "root.pem", notationtest.Fingerprint(w.by.Leaf())
			if tc.name == "RSA" {
				root, certificate = "rsa-root.pem", ""
			}
			home, _, _ := strings.Cut(at, "@")
			if tc.name == "elsewhere" {
				home = w.reg.Host() + "/team/signatures"
			}
			var got []string
			for _, s := range doc.Signed {
				got = append(got, s.Format)
				switch {
				case s.Reference != at || s.Pinned != at || s.Existed || s.System != "notation" || s.Storage != "referrer" || !strings.HasPrefix(s.Source, home+"@sha256:") || s.Bundle != "":
					t.Errorf("%+v", s)
				case s.Identity != releaser || s.Issuer != acmeCA || len(s.Certificate) != 64 || certificate != "" && s.Certificate != certificate:
					t.Errorf("signed by %q (%q), certificate %s", s.Identity, s.Issuer, s.Certificate)
				case (s.SignedAt != nil) != tc.stamped || s.SignedAt != nil && s.SignedAt.Before(begun):
					t.Errorf("signed at %v", s.SignedAt)
				case (s.Expiry != nil) != (tc.expires > 0) || s.Expiry != nil && (s.Expiry.Before(begun.Add(tc.expires)) || s.Expiry.After(time.Now().Add(tc.expires))):
					t.Errorf("expires at %v", s.Expiry)
				}
			}
			if stamped := strings.Contains(strings.Join(doc.Verify, "\n"), "tsa-root.pem"); !slices.Equal(got, tc.want) || stamped != tc.stamped {
				t.Errorf("signed %q, want %q; %q", got, tc.want, doc.Verify)
			}
			files := strings.NewReplacer(" root.pem", " "+filepath.Join(w.dir, root), "tsa-root.pem", filepath.Join(w.dir, "tsa-root.pem"))
			ours := 0
			for _, command := range doc.Verify {
				args, isOurs := strings.CutPrefix(files.Replace(command), "boltseal ")
				if !isOurs {
					continue
				}
				ours++
				if v := w.run(nil, shellWords(t, args)...); v.code != 0 {
					t.Errorf("%s: exit %d: %s%s", command, v.code, v.stdout, v.stderr)
				}
			}
			theirs := slices.ContainsFunc(doc.Verify, func(c string) bool { return strings.HasPrefix(c, "notation verify ") })
			if ours != 1 || theirs == (tc.name == "elsewhere") || theirs && !strings.Contains(doc.Verify[len(doc.Verify)-1], " --insecure-registry 127.0.0.1:") {
				t.Errorf("%q", doc.Verify)
			}

			w.reg.Reset(0)
			again, doc := w.notationJSON(append(tc.args, at)...)
			if again.code != 0 || !doc.Complete || len(doc.Signed) != len(tc.want) {
				t.Errorf("again: exit %d: %s%s", again.code, again.stdout, again.stderr)
			}
			for _, s := range doc.Signed {
				if !s.Existed {
					t.Errorf("again: %+v", s)
				}
			}
		})
	}
	t.Cleanup(func() {
		if asked := w.services.Requests(); asked != 0 {
			t.Errorf("%d requests to Sigstore's services", asked)
		}
	})
}

// shellWords splits a command line of words in single quotes, and without.
func shellWords(t *testing.T, line string) []string {
	t.Helper()
	var (
		words  []string
		word   strings.Builder
		inside bool
	)
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'':
			inside = !inside
		case inside:
			word.WriteByte(c)
		case c == '\\':
			i++
			word.WriteByte(line[i])
		case c == ' ':
			words = append(words, word.String())
			word.Reset()
		default:
			word.WriteByte(c)
		}
	}
	if inside {
		t.Fatalf("a quote is left open: %s", line)
	}
	return append(words, word.String())
}

// A tag is signed by the digest that it has, and told of; a second run writes
// nothing, a forced one does; each manifest of an index is signed with --recursive.
func TestSignNotationAgain(t *testing.T) {
	t.Parallel()
	w := newNotaryWorld(t, registrytest.Options{NoReferrers: true})
	amd, arm := w.must(w.reg.PutImage("team/app", "amd64", "amd64")), w.must(w.reg.PutImage("team/app", "arm64", "arm64"))
	amd.Platform, arm.Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}, &ocispec.Platform{OS: "linux", Architecture: "arm64"}
	index := w.must(w.reg.PutIndex("team/app", "v1", amd, arm))
	tag := w.reg.Host() + "/team/app:v1"
	r, doc := w.notationJSON(tag)
	if r.code != 0 || len(doc.Signed) != 1 || doc.Signed[0].Digest != index.Digest.String() || doc.Signed[0].Reference != tag || doc.Signed[0].Storage != "fallback-tag" || doc.Signed[0].Existed {
		t.Fatalf("exit %d: %s", r.code, r.stdout)
	}
	if len(doc.Notices) != 1 || !strings.Contains(doc.Notices[0], tag+" is a tag") {
		t.Errorf("notices %q", doc.Notices)
	}
	for _, tc := range []struct {
		args   []string
		want   []string
		writes bool
	}{
		{[]string{"--sign-tags"}, []string{"  true"}, false},
		{[]string{"--sign-tags", "--force"}, []string{"  false"}, true},
		{[]string{"--sign-tags", "-a", "run=2"}, []string{"  false"}, true},
		{[]string{"--sign-tags", "--recursive"}, []string{"  true", " linux/amd64 false", " linux/arm64 false"}, true},
	} {
		w.reset()
		r, doc := w.notationJSON(append(tc.args, tag)...)
		var got []string
		for _, s := range doc.Signed {
			got = append(got, " "+s.Platform+" "+map[bool]string{true: "true", false: "false"}[s.Existed])
		}
		if _, writes := w.asked(); r.code != 0 || len(doc.Notices) != 0 || !slices.Equal(got, tc.want) || (writes > 0) != tc.writes {
			t.Errorf("%q: exit %d, %d writes, %q, want %q: %s", tc.args, r.code, writes, got, tc.want, r.stdout)
		}
	}
	text := w.notation(tag)
	for _, want := range []string{"signed by " + releaser + " (under " + acmeCA + ")\n", "certificate sha256:" + notationtest.Fingerprint(w.by.Leaf()) + "\n", "notation jws (fallback-tag), no timestamp, was there already, at ", "\nto verify:\n  boltseal verify --notation-certificate root.pem --notation-identity '" + releaser + "' "} {
		if text.code != 0 || !strings.Contains(text.stdout, want) {
			t.Errorf("exit %d, nothing says %q: %s%s", text.code, want, text.stdout, text.stderr)
		}
	}
	if r, doc := w.notationJSON(tag, "--sign-tags", "--expiry", "876000h", "--force"); r.code != 0 || len(doc.Notices) != 1 || !strings.Contains(doc.Notices[0], "the certificate ends at "+w.by.Leaf().NotAfter.UTC().Format(time.RFC3339)) {
		t.Errorf("exit %d: %q", r.code, doc.Notices)
	}
}

// notationInputs are those of a step that signs images with Notation, changed by
// change.
func (w *notaryWorld) notationInputs(images string, change ...func(map[string]string)) map[string]string {
	return w.signInputs(images, append([]func(map[string]string){
		with("system", "notation"), with("trusted-root", ""), with("signing-config", ""), with("key", "release.key"), with("certificate-chain", "release.pem"),
	}, change...)...)
}

// The Action signs with Notation, by files or by what they have in them, and says
// so in its output and its summary.
func TestActionSignNotation(t *testing.T) {
	t.Parallel()
	w := newNotaryWorld(t, registrytest.Options{})
	text := func(name string) string {
		body, err := os.ReadFile(filepath.Join(w.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	for _, tc := range []struct {
		name string
		in   map[string]string
		want int
	}{
		{"files", nil, 1},
		{"texts", map[string]string{"key": text("release.key"), "certificate-chain": text("release.pem"), "timestamp-url": w.tsa, "timestamp-root-cert": text("tsa-root.pem")}, 1},
		{"files with blanks", map[string]string{"certificate-chain": "release.pem\n", "timestamp-url": " " + w.tsa + "\n", "timestamp-root-cert": "tsa-root.pem\n"}, 1},
		{"all the rest", map[string]string{"format": "jws\ncose", "expiry": "12h", "user-metadata": "run=1\nby=acme", "recursive": "true", "signature-repository": w.reg.Host() + "/team/signatures"}, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			img := w.at("team/" + strings.ReplaceAll(tc.name, " ", "-"))
			in := w.notationInputs(img)
			for name, value := range tc.in {
				in[name] = value
			}
			j := w.job()
			s := j.run(in)
			s.wantSign(t, 0, tc.want)
			var list []map[string]any
			if err := json.Unmarshal([]byte(s.outputs["signed"]), &list); err != nil {
				t.Fatal(err)
			}
			for _, x := range list {
				if x["reference"] != img || x["system"] != "notation" || x["identity"] != releaser || x["certificate"] != notationtest.Fingerprint(w.by.Leaf()) || x["storage"] != "referrer" || x["bundle"] != nil ||
					(x["expiry"] != nil) != (tc.in["expiry"] != "") || (x["signed_at"] != nil) != (tc.in["timestamp-url"] != "") {
					t.Errorf("%v", x)
				}
			}
			if !strings.HasPrefix(s.summary, "### Image signing: SIGNED — 1 image\n") || !strings.Contains(s.summary, "<pre>boltseal verify ") || len(s.titles("notice"))+len(s.titles("warning")) != 0 {
				t.Errorf("notices %q, summary\n%s", s.titles("notice"), s.summary)
			}
			folders, err := filepath.Glob(filepath.Join(j.dir, "signed-by-boltseal-*", "*"))
			if err != nil || len(folders) != 0 {
				t.Errorf("written: %q (%v)", folders, err)
			}
		})
	}
	if asked := w.services.Requests(); asked != 0 {
		t.Errorf("%d requests to Sigstore's services", asked)
	}
}

// A gate of the job that did not pass keeps Notation from signing, too, and what is
// wrong with the inputs is said in their names.
func TestActionSignNotationBadInput(t *testing.T) {
	t.Parallel()
	w := newNotaryWorld(t, registrytest.Options{})
	img := w.at("team/app")
	w.image("team/unsigned")
	in := func(change ...func(map[string]string)) map[string]string { return w.notationInputs(img, change...) }
	for _, tc := range []struct {
		name   string
		inputs map[string]string
		vars   map[string]string
		title  string
		says   []string
	}{
		{"no such system", in(with("system", "gpg")), nil, "boltseal: input system", []string{`input system: "gpg" is no system that signs`, "next: write sigstore, notation or dct"}},
		{"inputs of Sigstore", in(with("vsa", "true"), with("signing-config", "x")), nil, "boltseal: input vsa", []string{"signing with notation takes no vsa, signing-config", "with system sigstore"}},
		{"inputs of Notation", w.signInputs(img, with("certificate-chain", "release.pem"), with("plugin-sha256", "x")), nil, "boltseal: input certificate-chain", []string{"signing with sigstore takes no certificate-chain, plugin-sha256", "or sign with system notation"}},
		{"inputs of Notation, at the gate", w.inputs(w.reg.Host()+"/team/app:v1", with("system", "notation"), with("expiry", "1h")), nil, "boltseal: input system", []string{"a step that does not sign takes no system, expiry"}},
		{"a token", in(with("identity-token", "token")), nil, "boltseal: input identity-token", []string{"signing with notation takes no identity-token"}},
		{"a password", in(with("key-password", "open-sesame")), nil, "boltseal: input key-password", []string{"signing with notation takes no key-password", "give a key that is not encrypted"}},
		{"a key that came to nothing", in(with("key", "")), nil, "boltseal: input key", []string{"nothing says who signs", "certificate-chain"}},
		{"no chain", in(with("certificate-chain", "")), nil, "boltseal: input key", []string{"a key alone signs nothing with Notation", "next: add certificate-chain"}},
		{"a chain of blanks", in(with("certificate-chain", " \n")), nil, "boltseal: input certificate-chain", []string{"it is there, and has nothing but blanks"}},
		{"half an authority", in(with("timestamp-url", w.tsa)), nil, "boltseal: input timestamp-url", []string{"add timestamp-root-cert"}},
		{"sum of no plugin", in(with("plugin-sha256", "x")), nil, "boltseal: input plugin-sha256", []string{"input plugin-sha256: there is no plugin", "next: add plugin"}},
		{"expiry", in(with("expiry", "a year")), nil, "boltseal: input expiry", []string{`input expiry: "a year" is no duration`}},
		{"metadata twice", in(with("user-metadata", "a=1\na=2")), nil, "boltseal: input user-metadata", []string{`"a" is given twice`}},
		{"a tag", w.notationInputs(w.reg.Host() + "/team/app:v1"), nil, "boltseal: input sign", []string{"names a tag"}},
		{"pull_request_target", in(), map[string]string{"GITHUB_EVENT_NAME": "pull_request_target"}, "boltseal: input sign", []string{"no key and no token was read"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w.reset()
			j := w.job()
			for name, value := range tc.vars {
				j.vars[name] = value
			}
			s := j.run(tc.inputs)
			if tc.inputs["sign"] != "" {
				s.wantSign(t, 2, 0)
			} else if s.want(t, 2, "false", "undecided"); s.outputs["signed"] != "[]" {
				t.Errorf("signed %s", s.outputs["signed"])
			}
			if errs := s.titles("error"); len(errs) != 1 || errs[0] != tc.title {
				t.Errorf("errors %q, want %q", errs, tc.title)
			}
			for _, want := range tc.says {
				if !strings.Contains(s.log, want) {
					t.Errorf("nothing says %q:\n%s", want, s.log)
				}
			}
			if asked := w.services.Requests() + len(w.reg.Requests()); asked != 0 || strings.Contains(shown(s.log)+s.summary, "open-sesame") {
				t.Errorf("%d requests, or a secret:\n%s", asked, s.log)
			}
		})
	}

	j := w.job()
	j.runOnly(w.inputs(w.reg.Host() + "/team/unsigned:v1"))
	for variable, name := range map[string]string{"GITHUB_OUTPUT": "output", "GITHUB_ENV": "env", "GITHUB_STEP_SUMMARY": "summary"} {
		j.vars[variable] = filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(j.vars[variable], nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.reset()
	s := j.run(in())
	s.wantSign(t, 1, 0)
	if asked := len(w.reg.Requests()); asked != 0 || !strings.Contains(s.log, "the run did not pass") {
		t.Errorf("%d requests: %s", asked, s.log)
	}
}

// Whom no trust policy can name is trusted by the root alone, and that is told.
func TestSignNotationNameless(t *testing.T) {
	t.Parallel()
	w := newNotaryWorld(t, registrytest.Options{})
	for _, tc := range []struct {
		subject pkix.Name
		trusted string
		says    string
	}{
		{pkix.Name{Organization: []string{"Acme"}, CommonName: "release"}, "*", "it has no C"},
		{pkix.Name{Country: []string{"US"}, Province: []string{"WA"}, Organization: []string{"Acme"}, OrganizationalUnit: []string{"a", "b"}}, "*", `joined by "+"`},
		{pkix.Name{Country: []string{"US"}, Province: []string{"WA"}, Organization: []string{`Acme, "Inc." + co`}}, `x509.subject: O=Acme\, \"Inc.\" \+ co,ST=WA,C=US`, ""},
	} {
		w.authority("odd", notationtest.AuthorityOptions{Subject: tc.subject})
		r, doc := w.notationJSON(w.at("team/odd"), "--key", "odd.key", "--certificate-chain", "odd.pem")
		if r.code != 0 || len(doc.Verify) == 0 || !strings.HasPrefix(doc.Verify[0], "boltseal verify --notation-certificate root.pem --notation-identity '"+tc.trusted+"' ") {
			t.Errorf("exit %d: %q", r.code, doc.Verify)
		}
		if (len(doc.Notices) > 0) != (tc.says != "") || tc.says != "" && !strings.Contains(doc.Notices[0], tc.says) {
			t.Errorf("%s: %q", tc.trusted, doc.Notices)
		}
	}
}
