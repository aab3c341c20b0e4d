package sigstore

import (
	"strings"
	"testing"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify/condition"
)

// A condition sees one name of an image, however its registry is written.
func TestWhereName(t *testing.T) {
	t.Parallel()
	where, err := condition.Compile(`image.name == "ghcr.io/acme/app"`)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"ghcr.io/acme/app": true, "GHCR.io/acme/app:v1": true, "ghcr.io/acme/app2": false} {
		ref, err := image.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		img, err := ref.Pin("sha256:" + strings.Repeat("a", 64))
		if err != nil {
			t.Fatal(err)
		}
		if err := (Config{Where: where}).where(t.Context(), facts{statement: []byte(`{"predicate": {}}`)}, img); (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}
