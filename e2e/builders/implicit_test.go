package builders_test

import "testing"

// What a builder pulls of its own is in no file of the workspace. It is refused
// until the command is told of it.
func TestImplicitImage(t *testing.T) {
	w := newWorld(t)
	w.put("team/base", "v1", "good")
	w.putScanner("team/scanner", "v1")
	w.sign("REGISTRY/team/base:v1", "REGISTRY/team/scanner:v1")
	b := build{dockerfile: "FROM REGISTRY/team/base:v1\n", sbom: "REGISTRY/team/scanner:v1", policy: w.path("ws", "policy.json")}
	write(t, w.path("ws", "Dockerfile"), w.words(b.dockerfile))
	args := append([]string{"verify", "--handover", "source-policy=policy.json"}, w.signer()...)
	for _, more := range [][]string{nil, {"--implicit-image", w.words(b.sbom)}} {
		if code, log := w.boltseal(w.path("ws"), append(args, more...)...); code != 0 {
			t.Fatalf("exit code %d\n%s", code, log)
		}
		for _, c := range clients() {
			if got := w.build(c, b); more == nil {
				got.denied(`source "docker-image://` + w.words(b.sbom) + `"`)
			} else {
				got.has("marker", "good")
			}
		}
	}
}
