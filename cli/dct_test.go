package cli_test

import (
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/internal/registrytest"
)

// A trustWorld is a world with a Notary server.
type trustWorld struct {
	*world
	server *dcttest.Server
}

func newTrustWorld(t *testing.T, o dcttest.ServerOptions) *trustWorld {
	t.Helper()
	server, err := dcttest.Serve(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Down)
	return &trustWorld{newWorld(t, registrytest.Options{}), server}
}

// collection makes the trust data of a repository.
func (w *trustWorld) collection(repo string, o dcttest.Options) *dcttest.Collection {
	w.t.Helper()
	c, err := dcttest.NewCollection(w.reg.Host()+"/"+repo, o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.server.Put(c.GUN(), c)
	return c
}

// signed is an image that alice has signed in the collection of its repository.
func (w *trustWorld) signed(repo string) (ocispec.Descriptor, *dcttest.Collection) {
	w.t.Helper()
	d, c := w.image(repo), w.collection(repo, dcttest.Options{})
	w.ok(c.Sign("v1", d.Digest.String(), "alice"))
	return d, c
}

func (w *trustWorld) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// by are the flags for a collection.
func (w *trustWorld) by(c *dcttest.Collection, more ...string) []string {
	return append([]string{"--dct-server", w.server.URL(), "--dct-root-key-ids", c.RootID()}, more...)
}

// verify runs boltseal verify on repo:v1.
func (w *trustWorld) verify(repo string, flags ...string) result {
	w.t.Helper()
	return run(w.t, append([]string{"verify", w.reg.Host() + "/" + repo + ":v1"}, flags...)...)
}

func (w *trustWorld) file(name string, body []byte) string {
	w.t.Helper()
	full := filepath.Join(w.t.TempDir(), name)
	w.ok(os.WriteFile(full, body, 0o600))
	return full
}

func TestPrintDCT(t *testing.T) {
	w := newTrustWorld(t, dcttest.ServerOptions{})
	_, c := w.signed("team/app")
	for _, flags := range [][]string{
		w.by(c), w.by(c, "--dct-signers", "alice"), w.by(c, "--dct-signers", "bob"), {"--dct-server", w.server.URL(), "--dct-tofu"},
		{"--dct-server", w.server.URL(), "--dct-root-key-ids", c.CanonicalRootID()}, {"--dct-server", w.server.URL(), "--dct-root-key-ids", strings.Repeat("ab", 32)},
		{"--dct-root-key-ids", strings.Repeat("ab", 32)},
	} {
		code, out := plain(t, append([]string{"verify", w.reg.Host() + "/team/app:v1"}, flags...)...)
		t.Log(code, "\n"+out)
	}
	w.image("team/none")
	code, out := plain(t, append([]string{"verify", w.reg.Host() + "/team/none:v1"}, w.by(c)...)...)
	t.Log(code, "\n"+out)
	_, _, _, _ = pem.Decode, http.StatusOK, time.Now, ocispec.AnnotationAuthors
}
