package cli_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// A badSign is input that signs nothing.
type badSign struct {
	name string
	args []string          // IMAGE and TAG stand for an image that could be signed
	env  map[string]string // besides that of a job with a token; "-" takes a variable away
	code int
	says []string // behind "boltseal: " and "  next: ", or in the report
}

// Whatever is wrong with what is given is said, with what to do, and nobody was
// asked and nothing written.
func TestSignBadInput(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	img := w.at("team/app")
	other := w.at("team/other")
	w.private("cosign", "")
	_, public := w.private("locked", "open sesame")
	gate, err := os.ReadFile(w.gate())
	if err != nil {
		t.Fatal(err)
	}
	change := func(from, to string) []byte {
		if !strings.Contains(string(gate), from) {
			t.Fatalf("the report has no %s", from)
		}
		return []byte(strings.Replace(string(gate), from, to, 1))
	}
	at := func(d time.Duration) []byte {
		return change(now.Format(time.RFC3339), now.Add(d).Format(time.RFC3339))
	}
	token := func(claims map[string]any) string {
		text, err := w.services.Token(claims)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	good := token(nil)
	without := func(x sigstoretest.Without) []byte {
		body, err := w.services.SigningConfig(x)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	for name, body := range map[string][]byte{
		"empty": nil, "text": []byte("no JSON"), "array.json": []byte("[]"), "sbom.json": []byte(spdx), "statement.json": []byte(`{"_type": "https://in-toto.io/Statement/v1", "subject": [], "predicateType": "x", "predicate": {}}`),
		"failed.json":      change(`"passed": true`, `"passed": false`),
		"cut.json":         gate[:len(gate)/2],
		"stranger.json":    change(`"name": "boltseal"`, `"name": "other"`),
		"contradicts.json": change(`"reason": "verified"`, `"reason": "unsigned"`),
		"old.json":         at(-24*time.Hour - time.Second), "future.json": at(5*time.Minute + time.Second),
		"newest.json": at(5 * time.Minute), "oldest.json": at(-24 * time.Hour),
		"expired.jwt": []byte(token(map[string]any{"exp": now.Add(-time.Second).Unix()})), "audience.jwt": []byte(token(map[string]any{"aud": "somebody"})), "access.jwt": []byte("ghp_0123456789"),
		"no-rekor1.json": without(sigstoretest.Without{Rekor1: true}), "no-fulcio.json": without(sigstoretest.Without{Fulcio: true}), "no-log.json": without(sigstoretest.Without{Rekor1: true, Rekor2: true}),
		"allow.yaml":   []byte("version: 1\nallow:\n  - {id: CVE-2026-1001, until: 2026-02-28, reason: known}\n"),
		"typo.yaml":    []byte("version: 1\nallow:\n  - {id: CVE-2026-1001, util: 2026-12-31, reason: known}\n"),
		"nothing.json": []byte(`{"SchemaVersion": 2, "ArtifactName": "` + img + `", "ArtifactType": "container_image", "Metadata": {"RepoDigests": ["` + img + `"]}}`),
		"fs.json":      []byte(`{"SchemaVersion": 2, "ArtifactName": ".", "ArtifactType": "filesystem", "Results": []}`),
		"event.json":   []byte(`{"pull_request": {"head": {"repo": {"full_name": "evil/app"}}, "base": {"repo": {"full_name": "acme/app"}}}}`),
		"own.json":     []byte(`{"pull_request": {"head": {"repo": {"full_name": "Acme/app"}}, "base": {"repo": {"full_name": "acme/app"}}}}`),
	} {
		w.file(name, body)
	}
	w.scan("clean.json", img, "")
	w.scan("found.json", img, "CRITICAL")
	w.scan("other.json", other, "")
	noToken := map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": "-", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "-"}
	elsewhere := map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": "-", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "-", "GITHUB_ACTIONS": "-"}
	with := func(env map[string]string, name, value string) map[string]string {
		env = maps.Clone(env)
		env[name] = value
		return env
	}
	fork := with(with(noToken, "GITHUB_EVENT_NAME", "pull_request"), "GITHUB_EVENT_PATH", filepath.Join(w.dir, "event.json"))
	for _, tc := range []badSign{
		{"no image", nil, nil, 2, []string{"there is nothing to sign", "name the images that were pushed"}},
		{"an address", []string{"https://ghcr.io/acme/app"}, nil, 2, []string{"is an address"}},
		{"a list", []string{"ghcr.io/acme/app:v1,ghcr.io/acme/app:v2"}, nil, 2, []string{"is a list"}},
		{"no digest behind @", []string{"ghcr.io/acme/app@"}, nil, 2, []string{`IMAGE[@DIGEST]: "ghcr.io/acme/app@" has no digest behind its @`, "next: write the digest behind it, sha256:…", "is a variable not set?"}},
		{"format", []string{"IMAGE", "--format", "both"}, nil, 2, []string{"--format: ", "write bundle or legacy"}},
		{"annotation", []string{"IMAGE", "-a", "x"}, nil, 2, []string{"--annotation: ", "write KEY=VALUE"}},
		{"annotation that is no UTF-8", []string{"IMAGE", "-a", "x=\xff"}, nil, 2, []string{`--annotation: "x=\xff" is not text`, "write it as UTF-8"}},
		{"annotation of two lines", []string{"IMAGE", "-a", "x=1\n2"}, nil, 2, []string{`--annotation: "x=1\n2" is not text`}},
		{"a digest alone", []string{"sha256:" + strings.Repeat("a", 64)}, nil, 2, []string{"is a digest, and nothing says of which repository", "write registry/repository@ in front of it"}},
		{"value of a switch", []string{"IMAGE", "--key", "cosign.key", "--tlog-upload", "false"}, nil, 2, []string{`"false" is a flag's value, not a reference`, "as in --tlog-upload=false"}},
		{"empty key", []string{"IMAGE", "--key", ""}, nil, 2, []string{"--key: it is empty; is a variable not set?", "next: give it a value, or leave the flag out"}},
		{"blank token", []string{"IMAGE", "--identity-token", " "}, nil, 2, []string{"--identity-token: it is empty; is a variable not set?"}},
		{"one empty gate of two", []string{"IMAGE", "--require-gate", "oldest.json", "--require-gate", ""}, nil, 2, []string{"--require-gate: it is empty; is a variable not set?"}},
		{"limit without a scan", []string{"IMAGE", "--fail-on", "low"}, nil, 2, []string{"--fail-on: there is no scan report that it could be about", "next: add --scan-report"}},
		{"the usual limit without a scan", []string{"IMAGE", "--fail-on", "high"}, nil, 2, []string{"--fail-on: there is no scan report that it could be about"}},
		{"annotation twice", []string{"IMAGE", "-a", "x=1", "-a", "x=2"}, nil, 2, []string{"--annotation: \"x\" is given twice"}},
		{"jobs", []string{"IMAGE", "--jobs", "0"}, nil, 2, []string{"--jobs: 0 is out of range"}},
		{"timeout", []string{"IMAGE", "--timeout", "0s"}, nil, 2, []string{"--timeout: "}},
		{"output", []string{"IMAGE", "--output", "yaml"}, nil, 2, []string{"--output: "}},
		{"insecure registry", []string{"IMAGE", "--insecure-registry", "a/b"}, nil, 2, []string{"--insecure-registry: "}},
		{"repository", []string{"IMAGE", "--signature-repository", "ghcr.io/acme/app:v1"}, nil, 2, []string{"--signature-repository: "}},
		{"bundle folder", []string{"IMAGE", "--bundle-dir", "sbom.json"}, nil, 2, []string{"--bundle-dir: ", "name a folder that may be written"}},
		{"no such flag", []string{"IMAGE", "--sbom", "x"}, nil, 2, []string{"unknown flag: --sbom"}},

		{"key that is not there", []string{"IMAGE", "--key", "none.key"}, nil, 2, []string{"--key: open ", "none.key: no such file", "name the file as it is found from the working directory"}},
		{"key that is a folder", []string{"IMAGE", "--key", "."}, nil, 2, []string{"--key: read ", "is a directory", "give a private key"}},
		{"empty key", []string{"IMAGE", "--key", "empty"}, nil, 2, []string{"--key empty: ", "it is empty"}},
		{"no key", []string{"IMAGE", "--key", "text"}, nil, 2, []string{"--key text: "}},
		{"public key", []string{"IMAGE", "--key", public}, nil, 2, []string{"--key " + public + ": it is a PEM PUBLIC KEY, which cannot sign"}},
		{"wrong password", []string{"IMAGE", "--key", "locked.key"}, map[string]string{"COSIGN_PASSWORD": "wrong"}, 2, []string{"--key locked.key: ", "the password does not open it", "set COSIGN_PASSWORD to the password that the key was made with"}},
		{"empty password", []string{"IMAGE", "--key", "locked.key"}, map[string]string{"COSIGN_PASSWORD": ""}, 2, []string{"the password does not open it", "; the one that is there is empty"}},
		{"password of a file with CRLF", []string{"IMAGE", "--key", "locked.key"}, map[string]string{"COSIGN_PASSWORD": "open sesame\r"}, 2, []string{"the password does not open it", "; the one that is there has a line break, as from a file with CRLF"}},
		{"password in quotes", []string{"IMAGE", "--key", "locked.key"}, map[string]string{"COSIGN_PASSWORD": `"open sesame"`}, 2, []string{"the password does not open it", "; the one that is there stands in quotes, which are a part of it"}},
		{"password with a blank", []string{"IMAGE", "--key", "locked.key"}, map[string]string{"COSIGN_PASSWORD": "open sesame "}, 2, []string{"the password does not open it", "; the one that is there has blanks around it"}},
		{"key on a hardware token", []string{"IMAGE", "--key", "pkcs11:token=x"}, nil, 2, []string{"--key: it is a key on a hardware token, which is not read", "next: name a key service whose plugin can use the token"}},
		{"key of cosign's in a cluster", []string{"IMAGE", "--key", "k8s://ns/cosign"}, nil, 2, []string{"--key k8s://ns/cosign: there is no program sigstore-kms-k8s on PATH", "give the key as env://NAME"}},
		{"variable of cosign's that is not set", []string{"IMAGE", "--key", "COSIGN_PRIVATE_KEY"}, nil, 2, []string{"--key: there is no file of that name, and the variable COSIGN_PRIVATE_KEY is empty or not set"}},
		{"no password", []string{"IMAGE", "--key", "locked.key"}, nil, 2, []string{"--key locked.key: ", "it is encrypted, and no password is given", "next: set COSIGN_PASSWORD to its password"}},
		{"key of a variable that is not set", []string{"IMAGE", "--key", "env://NONE"}, nil, 2, []string{"--key env://NONE: the variable NONE is empty or not set"}},
		{"key of the web", []string{"IMAGE", "--key", "https://acme.example/cosign.key"}, nil, 2, []string{"--key: a private key is not fetched from an address"}},
		{"key service without a plugin", []string{"IMAGE", "--key", "nobody://key"}, nil, 2, []string{"--key nobody://key: there is no program sigstore-kms-nobody on PATH", "install the program"}},
		{"key service without a plugin, and a tag", []string{"TAG", "--sign-tags", "--key", "nobody://key"}, nil, 2, []string{"--key nobody://key: there is no program sigstore-kms-nobody on PATH", "install the program"}},
		{"key service that is no name", []string{"TAG", "--sign-tags", "--key", "../nobody://key"}, nil, 2, []string{"it is not a name, :// and a key without spaces"}},
		{"key in base64", []string{"IMAGE", "--key", base64.StdEncoding.EncodeToString([]byte("-----BEGIN EC PRIVATE KEY-----"))}, nil, 2, []string{"--key: it looks like a key in base64", "next: decode it first"}},
		{"key in quotes", []string{"IMAGE", "--key", `"-----BEGIN EC PRIVATE KEY-----\n"`}, nil, 2, []string{"--key: it has a key in it, and does not begin with one", "next: give the text as the file has it"}},
		{"name that may be a key", []string{"IMAGE", "--key", strings.Repeat("MIGHAgEA", 10)}, nil, 2, []string{"--key: it is not the name of a file that can be read (no such file or directory), and it is not shown", "next: give a private key"}},
		{"name that is too long", []string{"IMAGE", "--key", strings.Repeat("a.b/", 100)}, nil, 2, []string{"--key: it is not the name of a file that can be read"}},
		{"no variable of a key", []string{"IMAGE", "--key", "env://a.b"}, nil, 2, []string{"--key: what follows env:// is no name of a variable", "such as env://COSIGN_PRIVATE_KEY"}},
		{"no variable of a token", []string{"IMAGE", "--identity-token", "env://a.b"}, nil, 2, []string{"--identity-token: what follows env:// is no name of a variable"}},
		{"access token on the command line", []string{"IMAGE", "--identity-token", "ghp_0123456789"}, nil, 2, []string{"--identity-token: it is an access token (ghp_…), not an identity token"}},
		{"lines that are no PEM", []string{"IMAGE", "--key", "secret\nsecret"}, nil, 2, []string{"--key: it has several lines"}},
		{"key and token", []string{"IMAGE", "--key", "cosign.key", "--identity-token", "x"}, nil, 2, []string{"--key: ", "leave one of --key and --identity-token out"}},

		{"expired token", []string{"IMAGE", "--identity-token", "expired.jwt"}, nil, 2, []string{"--identity-token expired.jwt: ", " expired at 2026-03-01 11:59:59", "ask for a new one right before signing"}},
		{"token for others", []string{"IMAGE", "--identity-token", "audience.jwt"}, nil, 2, []string{"--identity-token audience.jwt: ", `is for the audience "somebody", not for "sigstore"`, `ask for it with the audience "sigstore"`}},
		{"token for sigstore, where others are meant", []string{"IMAGE", "--oidc-client-id", "acme"}, map[string]string{"SIGSTORE_ID_TOKEN": good}, 2, []string{"SIGSTORE_ID_TOKEN: ", `not for "acme"`}},
		{"access token", []string{"IMAGE", "--identity-token", "access.jwt"}, nil, 2, []string{"it is an access token (ghp_…)"}},
		{"token on the command line", []string{"IMAGE", "--identity-token", good}, nil, 2, []string{"--identity-token: it looks like the token itself", "name a file that has the token"}},
		{"token file", []string{"IMAGE", "--identity-token", "none"}, nil, 2, []string{"--identity-token: open "}},
		{"token of a variable that is not set", []string{"IMAGE", "--identity-token", "env://NONE"}, nil, 2, []string{"the variable NONE is empty or not set"}},
		{"no token", []string{"IMAGE"}, elsewhere, 2, []string{"nothing says who signs: there is no identity token", "on GitLab: id_tokens: SIGSTORE_ID_TOKEN: aud: sigstore"}},
		{"no token, but a key", []string{"IMAGE"}, with(elsewhere, "COSIGN_PRIVATE_KEY", "x"), 2, []string{"nothing says who signs", "write --key env://COSIGN_PRIVATE_KEY"}},
		{"no permission", []string{"IMAGE"}, noToken, 2, []string{"--identity-token: the runner gives this job no identity token", "give the job `permissions: id-token: write`"}},
		{"no permission, whatever is possible", []string{"IMAGE", "--sign-if-possible"}, noToken, 2, []string{"the runner gives this job no identity token"}},
		{"a pull request of the repository's own", []string{"IMAGE", "--sign-if-possible"}, with(fork, "GITHUB_EVENT_PATH", filepath.Join(w.dir, "own.json")), 2, []string{"the runner gives this job no identity token"}},
		{"a pull request of which nothing is known", []string{"IMAGE", "--sign-if-possible"}, with(fork, "GITHUB_EVENT_PATH", "none"), 2, []string{"the runner gives this job no identity token"}},
		{"a fork", []string{"IMAGE"}, fork, 2, []string{"a pull request from a fork gets no identity token", "write --sign-if-possible"}},
		{"a fork, and a gate that is closed", []string{"IMAGE", "--sign-if-possible", "--require-gate", "failed.json"}, fork, 1, []string{"look at the gate's report failed.json"}},

		{"predicate that is not there", []string{"IMAGE", "--attest", "spdx=none.json"}, nil, 2, []string{"--attest: open "}},
		{"predicate of no type", []string{"IMAGE", "--attest", "sbom.json"}, nil, 2, []string{"--attest: ", "write TYPE=FILE"}},
		{"predicate of an unknown type", []string{"IMAGE", "--attest", "sbom=sbom.json"}, nil, 2, []string{"--attest: ", "write one of cosign's short names"}},
		{"predicate that is no JSON", []string{"IMAGE", "--attest", "spdx=text"}, nil, 2, []string{"--attest spdx=text: ", "JSON"}},
		{"predicate that is no object", []string{"IMAGE", "--attest", "https://acme.example/x=array.json"}, nil, 2, []string{"--attest https://acme.example/x=array.json: "}},
		{"predicate of another type", []string{"IMAGE", "--attest", "cyclonedx=sbom.json"}, nil, 2, []string{"--attest cyclonedx=sbom.json: ", "next: "}},
		{"a whole statement", []string{"IMAGE", "--attest", "https://acme.example/x=statement.json"}, nil, 2, []string{"statement", "next: "}},
		{"attestations of nothing", []string{"IMAGE", "--attest-only"}, nil, 2, []string{"--attest-only: there is nothing to attest"}},
		{"attestations and a format", []string{"IMAGE", "--attest-only", "--attest", "spdx=sbom.json", "--format", "bundle"}, nil, 2, []string{"--attest-only: no signature is made"}},

		{"gate that is not there", []string{"IMAGE", "--require-gate", "none.json"}, nil, 2, []string{"--require-gate: open "}},
		{"gate that did not pass", []string{"IMAGE", "--require-gate", "failed.json"}, nil, 1, []string{"look at the gate's report failed.json", "the run did not pass"}},
		{"gate that did not pass, for a tag", []string{"TAG", "--require-gate", "failed.json"}, nil, 1, []string{"the run did not pass"}},
		{"gate that was killed", []string{"IMAGE", "--require-gate", "empty"}, nil, 1, []string{"it is empty: the run that was to write it did not come to its end"}},
		{"gate that is cut off", []string{"IMAGE", "--require-gate", "cut.json"}, nil, 1, []string{"it is cut off"}},
		{"gate of another program", []string{"IMAGE", "--require-gate", "stranger.json"}, nil, 1, []string{"it is no JSON report of boltseal verify"}},
		{"gate that contradicts itself", []string{"IMAGE", "--require-gate", "contradicts.json"}, nil, 1, []string{"the report contradicts itself"}},
		{"gate that is too old", []string{"IMAGE", "--require-gate", "old.json"}, nil, 1, []string{"it is 24h0m0s old, and at most 24h0m0s are taken", "run the gate again, in this job"}},
		{"gate of the future", []string{"IMAGE", "--require-gate", "future.json"}, nil, 1, []string{"which is yet to come"}},
		{"two gates", []string{"IMAGE", "--require-gate", "failed.json", "--require-gate", "cut.json"}, nil, 1, []string{
			"refused        gate failed.json: it does not show that the gate passed\nrefused        gate cut.json: it does not show that the gate passed\n               note      read the report: it is cut off: the document has no end\n" +
				"refused        look at the gate's report failed.json: read the report: the run did not pass",
		}},
		{"one gate of two", []string{"IMAGE", "--require-gate", "gate.json", "--require-gate", "failed.json"}, nil, 1, []string{"look at the gate's report failed.json", "passed at 2026-03-01T12:00:00Z, 1 image"}},

		{"scan that is not there", []string{"IMAGE", "--scan-report", "none.json"}, nil, 2, []string{"--scan-report: open "}},
		{"scan that is none", []string{"IMAGE", "--scan-report", "sbom.json"}, nil, 2, []string{"--scan-report sbom.json: ", "next: "}},
		{"scan that is no JSON", []string{"IMAGE", "--scan-report", "text"}, nil, 2, []string{"--scan-report text: "}},
		{"scan of no image", []string{"IMAGE", "--scan-report", "fs.json"}, nil, 2, []string{"--scan-report fs.json: "}},
		{"scan with findings", []string{"IMAGE", "--scan-report", "found.json"}, nil, 1, []string{"look at the scan report found.json", "refused: critical CVE-2026-1001 in openssl 3.0, fixed in 3.1", "in a file for --scan-allow"}},
		{"scan with findings that were allowed", []string{"IMAGE", "--scan-report", "found.json", "--scan-allow", "allow.yaml"}, nil, 1, []string{"refused: critical CVE-2026-1001", "CVE-2026-1001"}},
		{"scan of nothing", []string{"IMAGE", "--scan-report", "nothing.json"}, nil, 1, []string{"look at the scan report nothing.json", "does not show that anything was scanned"}},
		{"severity", []string{"IMAGE", "--scan-report", "clean.json", "--fail-on", "worst"}, nil, 2, []string{`--fail-on: "worst" is no severity`, "next: write critical, high, medium"}},
		{"severities", []string{"IMAGE", "--scan-report", "clean.json", "--fail-on", "CRITICAL,HIGH"}, nil, 2, []string{`--fail-on: "CRITICAL,HIGH" is no severity`, "next: write the least of them alone: what is worse refuses, too"}},
		{"list that is none", []string{"IMAGE", "--scan-report", "clean.json", "--scan-allow", "typo.yaml"}, nil, 2, []string{"typo.yaml:3:", "docs/scan-report.md"}},
		{"list for nothing", []string{"IMAGE", "--scan-allow", "allow.yaml"}, nil, 2, []string{"--scan-allow: ", "add --scan-report"}},
		{"unfixed of nothing", []string{"IMAGE", "--ignore-unfixed"}, nil, 2, []string{"--ignore-unfixed: "}},
		{"empty scan of nothing", []string{"IMAGE", "--allow-empty-scan"}, nil, 2, []string{"--allow-empty-scan: "}},
		{"summary of nothing", []string{"IMAGE", "--vsa"}, nil, 2, []string{"--vsa: nothing was checked that could be attested"}},

		{"GitHub's instance", []string{"IMAGE", "--sigstore", "github"}, nil, 2, []string{"--sigstore: the instance github signs for GitHub's own actions only"}},
		{"no log, no key", []string{"IMAGE", "--tlog-upload=false"}, nil, 2, []string{"--tlog-upload: ", "sign with --key"}},
		{"services that are not asked", []string{"IMAGE", "--tlog-upload=false", "--key", "cosign.key", "--signing-config", "text"}, nil, 2, []string{"--signing-config: ", "without the log no service is asked", "leave --tlog-upload=false out"}},
		{"services that are none", []string{"IMAGE", "--signing-config", "text"}, nil, 2, []string{"--signing-config: not a signing config"}},
		{"services that are not there", []string{"IMAGE", "--signing-config", "none"}, nil, 2, []string{"--signing-config: open "}},
		{"no log of version 1", []string{"IMAGE", "--format", "legacy", "--signing-config", "no-rekor1.json"}, nil, 2, []string{"--signing-config: ", "Rekor", "of version 1, which the legacy format needs"}},
		{"no log", []string{"IMAGE", "--signing-config", "no-log.json"}, nil, 2, []string{"--signing-config: ", "names no transparency log (Rekor)"}},
		{"trust root", []string{"IMAGE", "--trusted-root", "text"}, nil, 2, []string{"--trusted-root text: "}},
		{"password without a user", []string{"IMAGE", "--registry-password-stdin"}, nil, 2, []string{"--registry-password-stdin: "}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if raced && strings.Contains(tc.name, "password") {
				t.Skip("no key is locked")
			}
			w.reset()
			env := maps.Clone(w.env)
			for name, value := range tc.env {
				if env[name] = value; value == "-" {
					delete(env, name)
				}
			}
			args := []string{"sign", "--trusted-root", w.root, "--signing-config", w.config}
			if strings.Contains(strings.Join(tc.args, " "), "--tlog-upload=false") {
				args = args[:1]
			}
			for _, a := range tc.args {
				args = append(args, strings.NewReplacer("IMAGE", img, "TAG", w.reg.Host()+"/team/app:v1").Replace(a))
			}
			r := w.run(env, args...)
			if r.code != tc.code {
				t.Errorf("exit %d, want %d\n%s%s", r.code, tc.code, r.stdout, r.stderr)
			}
			for _, want := range tc.says {
				if !strings.Contains(r.stderr+r.stdout, want) {
					t.Errorf("nothing says %q:\n%s%s", want, r.stdout, r.stderr)
				}
			}
			if !strings.Contains(r.stderr+r.stdout, "next") || strings.Contains(r.stderr+r.stdout, good) {
				t.Errorf("no next step, or a secret:\n%s%s", r.stdout, r.stderr)
			}
			if asked := w.services.Requests() + len(w.reg.Requests()); asked != 0 {
				t.Errorf("%d requests", asked)
			}
		})
	}
}

// What only the registry can tell is said before anything is written, and before
// any service is asked.
func TestSignRefused(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	a, b := w.at("team/a"), w.at("team/b")
	w.scan("a.json", a, "")
	w.scan("b.json", b, "")
	w.file("name.json", []byte(`{"SchemaVersion": 2, "ArtifactName": "`+w.reg.Host()+`/team/a:v1", "ArtifactType": "container_image", "Results": [{"Target": "app", "Class": "os-pkgs", "Type": "debian"}]}`))
	body, err := w.services.SigningConfig(sigstoretest.Without{Fulcio: true})
	if err != nil {
		t.Fatal(err)
	}
	w.file("no-fulcio.json", body)
	w.reg.Break(registrytest.Fault{Path: "/v2/team/down/", Status: 503})
	down := w.reg.Host() + "/team/down"
	for _, tc := range []badSign{
		{"scan of another image", []string{a, "--scan-report", "b.json"}, nil, 1, []string{"refused        scan b.json: nothing says that it is about what is signed\n", "look at the scan report b.json", "it is about another image", "next"}},
		{"one scan for two images", []string{a, b, "--scan-report", "a.json"}, nil, 1, []string{"none of them is about " + b}},
		{"a scan without a digest, for two images", []string{a, b, "--scan-report", "name.json"}, nil, 1, []string{"look at the scan report name.json", "it has no digest of the image that was scanned, and there are several", "next"}},
		{"a scan, and an image that cannot be had", []string{a, down + ":v1", "--scan-report", "a.json"}, nil, 3, []string{"another image could not be resolved", "unavailable"}},
		{"a scan, and a manifest that cannot be had", []string{down + "@sha256:" + strings.Repeat("a", 64), "--scan-report", "a.json"}, nil, 3, []string{"unavailable"}},
		{"no Fulcio", []string{a, "--signing-config", "no-fulcio.json"}, nil, 2, []string{"--signing-config: ", "names no certificate authority (Fulcio)", "or sign with a key"}},
	} {
		w.services.Reset()
		w.reg.Reset(0)
		w.reg.Break(registrytest.Fault{Path: "/v2/team/down/", Status: 503})
		r := w.run(w.env, append([]string{"sign", "--trusted-root", w.root, "--signing-config", w.config}, tc.args...)...)
		if r.code != tc.code {
			t.Errorf("%s: exit %d, want %d\n%s%s", tc.name, r.code, tc.code, r.stdout, r.stderr)
		}
		for _, want := range tc.says {
			if !strings.Contains(r.stderr+r.stdout, want) {
				t.Errorf("%s: nothing says %q:\n%s%s", tc.name, want, r.stdout, r.stderr)
			}
		}
		services, writes := w.asked()
		if tc.name == "no Fulcio" {
			services -= len(w.services.Runner.Requests())
		}
		if services != 0 || writes != 0 {
			t.Errorf("%s: %d requests to services, %d writes", tc.name, services, writes)
		}
	}
}

// Reports at the edge of what is taken are, and a fork may go on without.
func TestSignAccepted(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	img := w.at("team/app")
	gate, err := os.ReadFile(w.gate())
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]time.Duration{"oldest.json": -24 * time.Hour, "newest.json": 5 * time.Minute} {
		w.file(name, []byte(strings.Replace(string(gate), now.Format(time.RFC3339), now.Add(d).Format(time.RFC3339), 1)))
	}
	w.scan("found.json", img, "CRITICAL")
	w.scan("medium.json", img, "MEDIUM")
	w.file("allow.yaml", []byte("version: 1\nallow:\n  - {id: CVE-2026-1001, until: 2026-03-01, reason: known}\n"))
	w.file("nothing.json", []byte(`{"SchemaVersion": 2, "ArtifactName": "`+img+`", "ArtifactType": "container_image", "Metadata": {"RepoDigests": ["`+img+`"]}}`))
	token, err := w.services.Token(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.file("token", []byte(token+"\n"))
	private, _ := w.private("cosign", "open sesame")
	text, err := os.ReadFile(private)
	if err != nil {
		t.Fatal(err)
	}
	w.env["MY_TOKEN"], w.env["COSIGN_PRIVATE_KEY"], w.env["COSIGN_PASSWORD"] = token, string(text), "open sesame"
	for name, args := range map[string][]string{
		"oldest gate":                 {"--require-gate", "oldest.json"},
		"newest gate":                 {"--require-gate", "newest.json"},
		"finding below the limit":     {"--scan-report", "medium.json"},
		"finding that is let through": {"--scan-report", "found.json", "--scan-allow", "allow.yaml"},
		"nothing scanned":             {"--scan-report", "nothing.json", "--allow-empty-scan"},
		"token of a file":             {"--identity-token", "token"},
		"token of a variable":         {"--identity-token", "env://MY_TOKEN"},
		"key of a variable":           {"--key", "env://COSIGN_PRIVATE_KEY"},
		"key of cosign's variable":    {"--key", "COSIGN_PRIVATE_KEY"},
		"key as text":                 {"--key", string(text)},
	} {
		if r, doc := w.signJSON(append(args, img)...); r.code != 0 || !doc.Complete {
			t.Errorf("%s: exit %d: %s%s", name, r.code, r.stdout, r.stderr)
		}
	}
	// Without a log no service is asked.
	w.services.Reset()
	r := w.run(w.env, "sign", img, "--key", private, "--tlog-upload=false", "--output", "json", "--force")
	var doc signedJSON
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || r.code != 0 || len(doc.Signed) != 1 || doc.Signed[0].LogIndex != nil || w.services.Requests() != 0 {
		t.Errorf("exit %d, %d requests (%v): %s%s", r.code, w.services.Requests(), err, r.stdout, r.stderr)
	}

	w.file("event.json", []byte(`{"pull_request": {"head": {"repo": null}, "base": {"repo": {"full_name": "acme/app"}}}}`))
	env := map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": filepath.Join(w.dir, "event.json")}
	w.reset()
	r = w.run(env, append([]string{"sign", "ghcr.io/acme/app@", "--sign-if-possible", "--attest", "spdx=none.json", "--scan-report", "none.json", "--require-gate", "newest.json", "--output", "json"}, w.flags()...)...)
	doc = signedJSON{}
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || r.code != 0 || doc.Complete || doc.Skipped == "" || len(doc.Signed) != 0 || len(w.reg.Requests())+w.services.Requests() != 0 {
		t.Errorf("a fork: exit %d (%v): %s%s", r.code, err, r.stdout, r.stderr)
	}
}
