package cli_test

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/cli"
	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
)

// Each flag of boltseal sign is in the table of what goes with which system, and
// what does not go is refused by name, whatever it says.
func TestSignFits(t *testing.T) {
	t.Parallel()
	w := newNotaryWorld(t, registrytest.Options{})
	img := w.at("team/app")
	help := w.run(nil, "sign", "--help")
	takesValue := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z][a-z0-9-]*)( \S+)? {2,}`).FindAllStringSubmatch(help.stdout, -1) {
		takesValue[m[1]] = m[2] != ""
	}
	delete(takesValue, "help")
	table := cli.SignFits()
	delete(table, "key-password") // an input
	if got, want := slices.Sorted(maps.Keys(table)), slices.Sorted(maps.Keys(takesValue)); !slices.Equal(got, want) {
		t.Errorf("the table has %q, the program %q", got, want)
	}
	w.reset()
	refused := map[string]int{}
	for name, systems := range table {
		for _, system := range []string{"sigstore", "notation", "dct"} {
			if slices.Contains(systems, system) {
				continue
			}
			refused[system]++
			args := []string{"sign", img, "--system", system, "--" + name}
			switch {
			case name == "tlog-upload":
				args[4] += "=true" // the default
			case takesValue[name]:
				args = append(args, "x")
			}
			r := w.run(w.env, args...)
			if r.code != 2 || !strings.Contains(r.stderr, "boltseal: --"+name+": signing with "+system+" takes no --"+name+"\n  next: ") {
				t.Errorf("%q: exit %d: %s%s", args, r.code, r.stdout, r.stderr)
			}
		}
	}
	if !maps.Equal(refused, map[string]int{"sigstore": 16, "notation": 21, "dct": 27}) || len(w.reg.Requests())+w.services.Requests() != 0 {
		t.Errorf("refused %v, %d requests", refused, len(w.reg.Requests())+w.services.Requests())
	}
	// With all of them, and with what to do.
	for _, tc := range []struct {
		args []string
		says string
	}{
		{[]string{"--system", "notation", "--vsa", "--tlog-upload=false", "--identity-token", "x"}, "signing with notation takes no --vsa, --tlog-upload, --identity-token\n  next: make attestations in a run of their own, with --system sigstore"},
		{[]string{"--system", "notation", "--attest", "spdx=x"}, "next: make attestations in a run of their own, with --system sigstore"},
		{[]string{"--system", "notation", "--sign-if-possible"}, "next: leave it out: a key signs, or a plugin that keeps one; or sign with --system sigstore"},
		{[]string{"--system", "notation", "--bundle-dir", "x"}, "next: leave it out, or sign with --system sigstore"},
		{[]string{"--user-metadata", "a=b"}, "next: write --annotation, or sign with --system notation"},
		{[]string{"--expiry", "1h", "--system", "sigstore"}, "next: leave it out, or sign with --system notation"},
	} {
		if r := w.run(w.env, append([]string{"sign", img}, tc.args...)...); r.code != 2 || !strings.Contains(r.stderr, tc.says) {
			t.Errorf("%q: exit %d: %s", tc.args, r.code, r.stderr)
		}
	}
}

// Whatever is wrong with what Notation is given is said, with what to do, and
// nobody was asked and nothing written.
func TestSignNotationBadInput(t *testing.T) {
	t.Parallel()
	w := newNotaryWorld(t, registrytest.Options{})
	img := w.at("team/app")
	if _, err := os.ReadFile(w.gate()); err != nil {
		t.Fatal(err)
	}
	gate, err := os.ReadFile(filepath.Join(w.dir, "gate.json"))
	if err != nil {
		t.Fatal(err)
	}
	w.file("failed.json", []byte(strings.Replace(string(gate), `"passed": true`, `"passed": false`, 1)))
	w.scan("found.json", img, "CRITICAL")
	_, public := w.private("cosign", "")
	locked, _ := w.private("locked", "open sesame")
	w.authority("other", notationtest.AuthorityOptions{})
	w.authority("expired", notationtest.AuthorityOptions{NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	w.authority("future", notationtest.AuthorityOptions{NotBefore: time.Now().Add(time.Hour)})
	chain := w.by.Chain
	program := []byte("#!/bin/sh\necho run >'" + filepath.Join(w.dir, "ran") + "'\n")
	for name, body := range map[string][]byte{
		"empty": nil, "text": []byte("no PEM"), "leaf.pem": notationtest.PEM(chain[:1]...), "rootless.pem": notationtest.PEM(chain[:2]...), "intermediate.pem": notationtest.PEM(chain[1]),
		"reversed.pem": notationtest.PEM(chain[2], chain[1], chain[0]), "notation-fake": program,
	} {
		w.file(name, body)
	}
	sum := sha256.Sum256(program)
	fake := []string{"--plugin", "./notation-fake", "--plugin-sha256", hex.EncodeToString(sum[:]), "--key-id", "release"}
	zeros := strings.Repeat("0", 64)
	key := []string{"--key", "release.key", "--certificate-chain", "release.pem"}
	with := func(more ...string) []string { return append(slices.Clone(key), more...) }
	stamp := func(url, root string) []string { return with("--timestamp-url", url, "--timestamp-root-cert", root) }
	for _, tc := range []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"no such system", []string{"--system", "gpg"}, 2, []string{`--system: "gpg" is no system that signs`, "next: write sigstore, notation or dct"}},
		{"no system", []string{"--system", ""}, 2, []string{"--system: it is empty"}},
		{"nobody", nil, 2, []string{"--key: nothing says who signs: Notation signs by a key", "next: give a private key with --key and its certificates with --certificate-chain, or a plugin"}},
		{"certificates alone", []string{"--certificate-chain", "release.pem"}, 2, []string{"--key: nothing says who signs"}},
		{"a key alone", []string{"--key", "release.key"}, 2, []string{"--key: a key alone signs nothing with Notation", "next: add --certificate-chain"}},
		{"key that is not there", []string{"--key", "none.key", "--certificate-chain", "release.pem"}, 2, []string{"--key: open ", "name the file as it is found from the working directory"}},
		{"key of a variable that is not set", []string{"--key", "env://NONE", "--certificate-chain", "release.pem"}, 2, []string{"--key env://NONE: the variable NONE is empty or not set"}},
		{"key service", []string{"--key", "awskms:///alias/release", "--certificate-chain", "release.pem"}, 2, []string{"--key: it is the address of a key service, as Sigstore has them", "next: name the plugin that keeps the key"}},
		{"key of the web", []string{"--key", "https://acme.example/release.key", "--certificate-chain", "release.pem"}, 2, []string{"--key: a private key is not fetched from an address"}},
		{"public key", []string{"--key", public, "--certificate-chain", "release.pem"}, 2, []string{"--key " + public + ": ", "PUBLIC KEY"}},
		{"encrypted key", []string{"--key", locked, "--certificate-chain", "release.pem"}, 2, []string{"--key " + locked + ": "}},
		{"no key", []string{"--key", "text", "--certificate-chain", "release.pem"}, 2, []string{"--key text: "}},
		{"another's key", []string{"--key", "other.key", "--certificate-chain", "release.pem"}, 2, []string{"--certificate-chain release.pem: the key is not that of the signing certificate"}},
		{"chain that is not there", []string{"--key", "release.key", "--certificate-chain", "none.pem"}, 2, []string{"--certificate-chain: open ", "next: name a file of certificates in PEM"}},
		{"chain that is a folder", []string{"--key", "release.key", "--certificate-chain", "."}, 2, []string{"--certificate-chain: read ", "is a directory"}},
		{"chain that is empty", []string{"--key", "release.key", "--certificate-chain", "empty"}, 2, []string{"--certificate-chain empty: it is empty"}},
		{"chain that is none", []string{"--key", "release.key", "--certificate-chain", "text"}, 2, []string{"--certificate-chain text: it holds no PEM block"}},
		{"chain that is the key", []string{"--key", "release.key", "--certificate-chain", "release.key"}, 2, []string{"--certificate-chain release.key: it holds a PEM"}},
		{"chain of two lines", []string{"--key", "release.key", "--certificate-chain", "release.pem\nroot.pem"}, 2, []string{"--certificate-chain: it has several lines"}},
		{"chain without its root", []string{"--key", "release.key", "--certificate-chain", "rootless.pem"}, 2, []string{"--certificate-chain rootless.pem: ", "the root is missing"}},
		{"leaf alone", []string{"--key", "release.key", "--certificate-chain", "leaf.pem"}, 2, []string{"the root is missing"}},
		{"chain the other way round", []string{"--key", "release.key", "--certificate-chain", "reversed.pem"}, 2, []string{"the signing certificate has to come first"}},
		{"certificate that has ended", []string{"--key", "expired.key", "--certificate-chain", "expired.pem"}, 2, []string{"--certificate-chain: ", "is valid from", "next: renew the certificate"}},
		{"certificate that has not begun", []string{"--key", "future.key", "--certificate-chain", "future.pem"}, 2, []string{"--certificate-chain: ", "is valid from", "next: wait until it is valid"}},

		{"key and plugin", append(with(), fake...), 2, []string{"--plugin: a signature is made by a key that is given, or by one that a plugin keeps", "next: leave one of --key and --plugin out"}},
		{"plugin without its sum", []string{"--plugin", "./notation-fake", "--key-id", "x"}, 2, []string{"--plugin: nothing says that the program is the one that is meant", "next: add --plugin-sha256"}},
		{"plugin without a key", []string{"--plugin", "./notation-fake", "--plugin-sha256", zeros}, 2, []string{"--plugin: nothing says which of its keys signs", "next: add --key-id"}},
		{"sum that is none", []string{"--plugin", "./notation-fake", "--plugin-sha256", zeros[1:], "--key-id", "x"}, 2, []string{"--plugin-sha256: it is no SHA-256", "next: write the 64 hex digits"}},
		{"sum of another program", []string{"--plugin", "./notation-fake", "--plugin-sha256", zeros, "--key-id", "x"}, 2, []string{"--plugin ./notation-fake: ", "has the SHA-256 " + hex.EncodeToString(sum[:]) + ", not " + zeros + ", and was not run"}},
		{"plugin that is not there", []string{"--plugin", "./notation-none", "--plugin-sha256", zeros, "--key-id", "x"}, 2, []string{"--plugin ./notation-none: "}},
		{"plugin that is called otherwise", []string{"--plugin", "./fake", "--plugin-sha256", zeros, "--key-id", "x"}, 2, []string{"--plugin ./fake: ", "not notation-NAME"}},
		{"plugin that is a folder", []string{"--plugin", ".", "--plugin-sha256", zeros, "--key-id", "x"}, 2, []string{"--plugin .: "}},
		{"plugin that is none", fake, 3, []string{"unavailable ", "sign with the plugin fake: ", "what it writes is not what the protocol has"}},
		{"sum of no plugin", with("--plugin-sha256", zeros), 2, []string{"--plugin-sha256: there is no plugin that it could be about", "next: add --plugin"}},
		{"key of no plugin", with("--key-id", "x"), 2, []string{"--key-id: there is no plugin that it could be about"}},
		{"config of no plugin", with("--plugin-config", "a=b"), 2, []string{"--plugin-config: there is no plugin that it could be about"}},
		{"config that is none", append(slices.Clone(fake), "--plugin-config", "open-sesame"), 2, []string{"--plugin-config: what it says is no KEY=VALUE", "next: write KEY=VALUE"}},
		{"config of two lines", append(slices.Clone(fake), "--plugin-config", "a=open-sesame\nx"), 2, []string{"--plugin-config: what it says is not text"}},
		{"config twice", append(slices.Clone(fake), "--plugin-config", "a=open-sesame", "--plugin-config", "a=2"), 2, []string{`--plugin-config: "a" is given twice`}},
		{"config of a variable that is not set", append(slices.Clone(fake), "--plugin-config", "a=env://NONE"), 2, []string{"--plugin-config: the variable NONE is empty or not set"}},
		{"config of no variable", append(slices.Clone(fake), "--plugin-config", "a=env://open-sesame"), 2, []string{"--plugin-config: what follows env:// is no name of a variable"}},
		{"chain of a plugin that is not there", append(slices.Clone(fake), "--certificate-chain", "none.pem"), 2, []string{"--certificate-chain: open "}},
		{"empty chain of a plugin", append(slices.Clone(fake), "--certificate-chain", "empty"), 2, []string{"--certificate-chain empty: it is empty"}},
		{"half a chain of a plugin", append(slices.Clone(fake), "--certificate-chain", "rootless.pem"), 2, []string{"--certificate-chain: ", "the root is missing"}},

		{"format of Sigstore", with("--format", "bundle"), 2, []string{`--format: "bundle" is a format of sigstore, and notation signs`, "next: write jws or cose; for both repeat the flag, or in the Action give each a line; or sign with --system sigstore"}},
		{"format", with("--format", "pkcs7"), 2, []string{`--format: "pkcs7" is neither jws nor cose`}},
		{"format of Notation", []string{"--system", "sigstore", "--format", "jws"}, 2, []string{`--format: "jws" is a format of notation, and sigstore signs`, "or sign with --system notation"}},
		{"expiry that is none", with("--expiry", "90d"), 2, []string{`--expiry: "90d" is no duration`, "next: write a number of hours such as 8760h"}},
		{"no expiry at all", with("--expiry", "0s"), 2, []string{"--expiry: 0s is out of range", "or leave it out for a signature that does not expire"}},
		{"expiry in the past", with("--expiry", "-1h"), 2, []string{"--expiry: -1h is out of range"}},
		{"expiry at once", with("--expiry", "59s"), 2, []string{"--expiry: 59s is out of range", "next: write from 1m0s to 876000h"}},
		{"expiry in the next life", with("--expiry", "876001h"), 2, []string{"--expiry: 876001h is out of range"}},
		{"expiry beyond all clocks", with("--expiry", "99999999999h"), 2, []string{"--expiry: "}},
		{"half a second", with("--expiry", "60.5s"), 2, []string{"--expiry: 60.5s is no number of seconds"}},
		{"metadata", with("--user-metadata", "x"), 2, []string{`--user-metadata: "x" is no KEY=VALUE`, "next: write KEY=VALUE"}},
		{"metadata without a key", with("--user-metadata", "=x"), 2, []string{`--user-metadata: "=x" is no KEY=VALUE`}},
		{"metadata of two lines", with("--user-metadata", "x=1\n2"), 2, []string{`--user-metadata: "x=1\n2" is not text`}},
		{"metadata twice", with("--user-metadata", "x=1", "--user-metadata", "x=1"), 2, []string{`--user-metadata: "x" is given twice`}},
		{"metadata without a value", with("--user-metadata", "x="), 2, []string{`--user-metadata: "x" has no value`, "notation verify cannot ask for one that is empty"}},
		{"metadata and annotation", with("-a", "x=1", "--user-metadata", "x=2"), 2, []string{`--user-metadata: "x" is given twice`}},
		{"metadata of Notation's own", with("--user-metadata", "io.cncf.notary.x=1"), 2, []string{"--user-metadata: ", "io.cncf.notary"}},
		{"annotation of Notation's own", with("-a", "io.cncf.notary.x=1"), 2, []string{"--annotation: ", "io.cncf.notary"}},
		{"too much metadata", with("--user-metadata", "x="+strings.Repeat("y", 1<<20)), 2, []string{"--user-metadata: "}},

		{"authority without a root", with("--timestamp-url", w.tsa), 2, []string{"--timestamp-url: nothing says which timestamps count", "next: add --timestamp-root-cert"}},
		{"root without an authority", with("--timestamp-root-cert", "tsa-root.pem"), 2, []string{"--timestamp-root-cert: no timestamp authority is asked", "next: add --timestamp-url"}},
		{"authority that is no address", stamp("timestamp.example.com", "tsa-root.pem"), 2, []string{"--timestamp-url: it is no http or https address"}},
		{"authority of another kind", stamp("ftp://timestamp.example.com", "tsa-root.pem"), 2, []string{"--timestamp-url: it is no http or https address"}},
		{"authority with a password", stamp("https://me:open-sesame@timestamp.example.com", "tsa-root.pem"), 2, []string{`--timestamp-url: the address on "timestamp.example.com" has a user or a fragment`}},
		{"authority without end", stamp("https://timestamp.example.com/"+strings.Repeat("x", 2048), "tsa-root.pem"), 2, []string{"--timestamp-url: it is no http or https address"}},
		{"root that is not there", stamp(w.tsa, "none.pem"), 2, []string{"--timestamp-root-cert: open "}},
		{"root that is none", stamp(w.tsa, "text"), 2, []string{"--timestamp-root-cert text: "}},
		{"root that is an intermediate", stamp(w.tsa, "intermediate.pem"), 2, []string{"--timestamp-root-cert intermediate.pem: "}},

		{"gate that did not pass", with("--require-gate", "failed.json"), 1, []string{"look at the gate's report failed.json", "the run did not pass"}},
		{"scan with findings", with("--scan-report", "found.json"), 1, []string{"look at the scan report found.json", "refused: critical CVE-2026-1001"}},
		{"gate that is not there", with("--require-gate", "none.json"), 2, []string{"--require-gate: open "}},
		{"a limit without a scan", with("--fail-on", "low"), 2, []string{"--fail-on: there is no scan report"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if raced && tc.name == "encrypted key" {
				t.Skip("no key is locked")
			}
			if runtime.GOOS == "windows" && tc.name == "plugin that is none" {
				t.Skip("no scripts")
			}
			w.reset()
			args := []string{"sign", img, "--system", "notation"}
			if slices.Contains(tc.args, "--system") {
				args = args[:2]
			}
			r := w.run(w.env, append(args, tc.args...)...)
			if r.code != tc.code {
				t.Errorf("exit %d, want %d\n%s%s", r.code, tc.code, r.stdout, r.stderr)
			}
			for _, want := range tc.says {
				if !strings.Contains(r.stderr+r.stdout, want) {
					t.Errorf("nothing says %q:\n%s%s", want, r.stdout, r.stderr)
				}
			}
			if !strings.Contains(r.stderr+r.stdout, "next") || strings.Contains(r.stderr+r.stdout, "open-sesame") {
				t.Errorf("no next step, or a secret:\n%s%s", r.stdout, r.stderr)
			}
			if asked := w.services.Requests() + len(w.reg.Requests()); asked != 0 {
				t.Errorf("%d requests", asked)
			}
			_, err := os.Stat(filepath.Join(w.dir, "ran"))
			if ran := err == nil; ran != (tc.name == "plugin that is none") {
				t.Errorf("the plugin was run: %v", ran)
			}
			_ = os.Remove(filepath.Join(w.dir, "ran"))
		})
	}
}

// What only the registry or a service can tell is said before anything is written.
func TestSignNotationRefused(t *testing.T) {
	t.Parallel()
	w := newNotaryWorld(t, registrytest.Options{})
	a, b := w.at("team/a"), w.at("team/b")
	w.scan("b.json", b, "")
	down := w.reg.Host() + "/team/down"
	revoked, err := notationtest.NewRevocation()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(revoked.Down)
	by := w.authority("revoked", notationtest.AuthorityOptions{Revocation: revoked, OCSP: true})
	revoked.Say(by.Leaf(), notationtest.Revoked)
	w.file("other-root.pem", notationtest.PEM(w.by.Root()))
	for _, tc := range []struct {
		name   string
		args   []string
		code   int
		reason string
		says   []string
	}{
		{"scan of another image", []string{a, "--scan-report", "b.json"}, 1, "", []string{"look at the scan report b.json", "it is about another image"}},
		{"an image that cannot be had", []string{down + ":v1"}, 3, "unavailable", nil},
		{"an image that is not there", []string{w.reg.Host() + "/team/none:v1"}, 1, "not-found", nil},
		{"a certificate that was revoked", []string{a, "--key", "revoked.key", "--certificate-chain", "revoked.pem"}, 1, "revoked", nil},
		{"an authority that does not answer", []string{a, "--timestamp-url", "http://127.0.0.1:1", "--timestamp-root-cert", "tsa-root.pem"}, 3, "unavailable", []string{"127.0.0.1:1"}},
		{"an authority of another root", []string{a, "--timestamp-url", w.tsa, "--timestamp-root-cert", "other-root.pem"}, 1, "wrong-signer", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w.reset()
			w.reg.Break(registrytest.Fault{Path: "/v2/team/down/", Status: 503})
			r, doc := w.notationJSON(tc.args...)
			if r.code != tc.code || doc.Complete || len(doc.Signed) != 0 {
				t.Errorf("exit %d, want %d\n%s%s", r.code, tc.code, r.stdout, r.stderr)
			}
			if tc.reason != "" && (len(doc.Failed) != 1 || doc.Failed[0].Reason != tc.reason || doc.Failed[0].Hint == "") {
				t.Errorf("failed: %+v", doc.Failed)
			}
			for _, want := range tc.says {
				if !strings.Contains(r.stdout, want) {
					t.Errorf("nothing says %q:\n%s", want, r.stdout)
				}
			}
			for _, x := range w.reg.Requests() { // an empty blob shows whether pushing is allowed
				if x.Method == "PUT" && strings.Contains(x.URI, "/manifests/") {
					t.Errorf("%s %s was written", x.Method, x.URI)
				}
			}
		})
	}
}
