package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// A signer who satisfies a part of what is required does not excuse one that the
// lock does not have, in whatever order the registry lists their signatures.
func TestLockOfGroups(t *testing.T) {
	t.Parallel()
	workflow := func(name string) string {
		return "https://github.com/acme/" + name + "/.github/workflows/release.yml@refs/heads/main"
	}
	ids := func(names ...string) string {
		var all []string
		for _, n := range names {
			all = append(all, `{issuer: "`+issuer+`", subject: "`+workflow(n)+`"}`)
		}
		return "sigstore: {identities: [" + strings.Join(all, ", ") + "]"
	}
	for name, require := range map[string]string{
		"any of two together, and another":   "any-of: [" + ids("a", "b") + ", at-least: 2}, " + ids("c") + "}]",
		"any of two requirements, and one":   "any-of: [all-of: [" + ids("a") + "}, " + ids("b") + "}], " + ids("c") + "}]",
		"all of two, each or another":        "all-of: [" + ids("a", "c") + "}, " + ids("b", "c") + "}]",
		"a list of two, each or another":     ids("a", "c") + "}}, {" + ids("b", "c") + "}",
		"any of all of two, each or another": "any-of: [all-of: [" + ids("a", "c") + "}, " + ids("b", "c") + "}]]",
	} {
		w := newWorld(t, registrytest.Options{})
		sign := func(content string, names ...string) {
			d := w.must(w.reg.PutImage("team/app", "v1", content))
			for _, n := range names {
				w.signBundle("team/app", d, signType, by(func(o *sigstoretest.Options) { o.Identity = workflow(n) }))
			}
		}
		dir := workspaceOf(t, map[string]string{".boltseal.yaml": w.policy("version: 1\nrules: [{images: ['REGISTRY/team/**'], require: [{" + require + "}]}]\n")})
		step := func(what string, code int, reason string) {
			t.Helper()
			got, doc, errs := w.judge(dir, env, "--lock", "boltseal.lock", "REGISTRY/team/app:v1")
			if got != code || len(doc.Images) != 1 || doc.Images[0].Reason != reason {
				t.Errorf("%s: %s: exit %d, want %d: %+v %s", name, what, got, code, doc.Images, errs)
				return
			}
			for _, c := range doc.Images[0].Checks {
				if code == 1 && c.Reason == reason && (!strings.HasPrefix(c.Message, "changed: ") || !strings.HasSuffix(c.Message, "is now signed by "+workflow("c")+" ("+issuer+")")) {
					t.Errorf("%s: %s: %s", name, what, c.Message)
				}
			}
		}
		sign("first", "a", "b")
		step("the first run", 0, "verified")
		lock, err := os.ReadFile(filepath.Join(dir, "boltseal.lock"))
		if err != nil || strings.Count(string(lock), `"signer"`) != 2 {
			t.Fatalf("%s: %v\n%s", name, err, lock)
		}
		for i := range 4 { // the digests, and with them the order, differ
			sign(fmt.Sprintf("changed %d", i), "a", "c")
			step("changed", 1, "wrong-signer")
		}
		sign("again", "b", "a")
		step("as it was", 0, "verified")
	}
}

// A workflow that others call has one name for all of them: who called it is
// locked too.
func TestLockOfCalledWorkflow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	const workflow = "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_container_slsa3.yml@refs/tags/"
	sign := func(content, version, source string) {
		w.signBundle("team/app", w.must(w.reg.PutImage("team/app", "v1", content)), signType, by(func(o *sigstoretest.Options) {
			o.Identity, o.Claims = workflow+version, map[string]string{"1.12": source}
		}))
	}
	dir := workspaceOf(t, map[string]string{".boltseal.yaml": w.policy(
		"version: 1\nrules: [{images: ['REGISTRY/team/**'], require: [sigstore: {identities: [{issuer: '" + issuer + "', subject: '" + workflow + "*'}]}]}]\n")})
	step := func(code int, reason string) {
		t.Helper()
		got, doc, errs := w.judge(dir, env, "--lock", "boltseal.lock", "REGISTRY/team/app:v1")
		if got != code || len(doc.Images) != 1 || doc.Images[0].Reason != reason {
			t.Fatalf("exit %d, want %d: %+v %s", got, code, doc.Images, errs)
		}
	}
	sign("first", "v2.0.0", "https://github.com/acme/app")
	step(0, "verified")
	sign("second", "v2.1.0", "https://github.com/acme/app")
	step(0, "verified")
	sign("evil", "v2.1.0", "https://github.com/evil/app")
	step(1, "wrong-signer")
}
