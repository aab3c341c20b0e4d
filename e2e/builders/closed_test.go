package builders_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/e2e/internal/stage"
)

// Where the gate has not passed, no image is built from: not those that are
// signed either.
func TestClosed(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.put("team/base", "v1", "good")
			w.put("team/unsigned", "v1", "unsigned")
			for _, form := range c.forms() {
				open := w.handOver(form, "REGISTRY/team/base:v1")
				signed := build{dockerfile: "FROM REGISTRY/team/base:v1\n", policy: open}
				w.build(c, signed).has("marker", "good")
				code, file, log := w.verify(form, "REGISTRY/team/base:v1", "REGISTRY/team/unsigned:v1")
				if code != 1 || file != open || !strings.Contains(log, "unsigned") {
					t.Fatalf("exit code %d\n%s", code, log)
				}
				w.build(c, signed).denied(`source "docker-image://` + w.words("REGISTRY/team/base:v1"))
				w.build(c, build{dockerfile: "FROM REGISTRY/team/unsigned:v1\n", policy: file}).denied(`source "docker-image://` + w.words("REGISTRY/team/unsigned:v1"))
				local := build{dockerfile: "FROM scratch\nCOPY marker /\n", files: map[string]string{"marker": "local"}, policy: file}
				w.build(c, local).has("marker", "local")
			}
		})
	}
}

// The other forms that refuse, refuse all as well; those that only pin are gone.
func TestClosedOtherForms(t *testing.T) {
	w := newWorld(t)
	w.extra = []string{"GOOD", w.put("team/base", "v1", "good")}
	w.put("team/unsigned", "v1", "unsigned")
	closed := func(form string) string {
		t.Helper()
		open := w.handOver(form, "REGISTRY/team/base:v1")
		if _, err := os.Stat(open); err != nil {
			t.Fatal(err)
		}
		if code, file, log := w.verify(form, "REGISTRY/team/base:v1", "REGISTRY/team/unsigned:v1"); code != 1 || file != open {
			t.Fatalf("exit code %d\n%s", code, log)
		}
		return open
	}
	const base = "FROM REGISTRY/team/base@GOOD\n"
	w.buildah(closed("containers-policy"), base).refused("is rejected by policy")
	file := closed("rego")
	files := map[string]string{"Dockerfile.rego": w.program(file), "verified.rego.json": w.program(file + ".json")}
	w.build(clients()[1], build{dockerfile: base, files: files}).refused("not allowed by policy: action DENY")
	for _, form := range []string{"build-contexts", "bake", "pinned", "images-lock"} {
		if _, err := os.Stat(closed(form)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there still: %v", form, err)
		}
	}
}

// What is exempt is built by the digest that it had then.
func TestExempt(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.put("team/base", "v1", "good")
			w.sign("REGISTRY/team/base:v1")
			w.put("team/old", "v1", "old")
			w.put("team/other", "v1", "other")
			until := time.Now().AddDate(0, 1, 0).Format(time.DateOnly)
			write(t, w.path("policy.yaml"), w.words(`version: 1
rules:
  - images: [REGISTRY/team/*]
    require:
      - sigstore:
          identities:
            - {issuer: "`+stage.Issuer+`", subject: "`+stage.Identity+`"}
exceptions:
  - images: [REGISTRY/team/old:v1]
    until: `+until+`
    owner: platform
    reason: it is built anew in spring
`))
			for _, form := range c.forms() {
				file := w.path(form + ".json")
				code, log := w.boltseal(w.dir, "verify", "--policy", "policy.yaml", "--trusted-root", w.sig.TrustedRoot, "--handover", form+"="+file,
					w.words("REGISTRY/team/base:v1"), w.words("REGISTRY/team/old:v1"))
				if code != 0 || !strings.Contains(log, "exempt") {
					t.Fatalf("exit code %d\n%s", code, log)
				}
				w.put("team/old", "v1", "evil")
				w.build(c, build{dockerfile: "FROM REGISTRY/team/old:v1\n", policy: file}).has("marker", "old")
				w.build(c, build{dockerfile: "FROM REGISTRY/team/other:v1\n", policy: file}).denied("team/other:v1")
				w.put("team/old", "v1", "old")
			}
		})
	}
}
