package builders_test

import (
	"path/filepath"
	"testing"
)

// What boltseal pin has rewritten is built as it was verified, wherever the tags
// have moved.
func TestPin(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.put("team/base", "v1", "good")
			w.put("team/other", "v1", "other")
			w.sign("REGISTRY/team/base:v1", "REGISTRY/team/other:v1")
			before := w.words("FROM REGISTRY/team/base:v1 AS base\r\n\r\nCOPY   --from=REGISTRY/team/other:v1 /marker /other\n")
			file := filepath.Join(w.dir, "ws", "Dockerfile")
			write(t, file, before)
			args := append([]string{"pin"}, w.signer()...)
			code, log := w.boltseal(filepath.Dir(file), append(args, "--check")...)
			if now := w.program(file); code != 1 || now != before {
				t.Fatalf("pin --check: exit code %d, the file is %q\n%s", code, now, log)
			}
			if code, log = w.boltseal(filepath.Dir(file), args...); code != 0 {
				t.Fatalf("pin: exit code %d\n%s", code, log)
			}
			after := w.program(file)
			w.put("team/base", "v1", "evil")
			w.put("team/other", "v1", "evil")
			w.build(c, build{dockerfile: before}).has("marker", "evil")
			got := w.build(c, build{dockerfile: after})
			got.has("marker", "good")
			got.has("other", "other")
		})
	}
}
