package notation_test

import (
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/notation"
)

// release is who signs, and acme whom the requirements expect.
const release = "x509.subject: C=US, ST=WA, O=Acme, CN=release"

const day = 24 * time.Hour

// A world is a registry with one repository, team/app, and an image in it.
type world struct {
	t      testing.TB
	reg    *registrytest.Registry
	client *registry.Client
	desc   ocispec.Descriptor
	img    image.Pinned // by digest, undescribed
}

func newWorld(t testing.TB, o registrytest.Options) *world {
	t.Helper()
	w := &world{t: t, reg: registrytest.Start(o)}
	t.Cleanup(w.reg.Close)
	w.fresh()
	w.desc = must[ocispec.Descriptor](t)(w.reg.PutImage("team/app", "v1", "world"))
	w.img = w.pinned(w.desc)
	return w
}

// fresh gives the world a client that has asked nothing, and forgets what was
// asked.
func (w *world) fresh() {
	w.client = registry.New(registry.Options{})
	w.reg.Reset(0)
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (w *world) name() string { return w.reg.Host() + "/team/app" }

func (w *world) pinned(d ocispec.Descriptor) image.Pinned {
	w.t.Helper()
	return must[image.Pinned](w.t)(ref(w.t, w.name()).Pin(d.Digest.String()))
}

// sign pushes a signature of the world's image.
func (w *world) sign(a *notationtest.Authority, o notationtest.SignOptions) ocispec.Descriptor {
	w.t.Helper()
	return w.signOther(a, w.desc, w.desc, o)
}

// signOther pushes a signature of one manifest as if it were of another.
func (w *world) signOther(a *notationtest.Authority, signed, subject ocispec.Descriptor, o notationtest.SignOptions) ocispec.Descriptor {
	w.t.Helper()
	if o.Envelope == "" {
		o.Envelope = notationtest.JWS
	}
	envelope := must[[]byte](w.t)(a.Sign(signed, o))
	return must[ocispec.Descriptor](w.t)(notationtest.Push(w.reg, "team/app", subject, envelope, o.Envelope))
}

func (w *world) session() *notation.Session {
	return notation.NewSession(w.client, image.Ref{}, notation.NewAsker(nil, "test"))
}

func (w *world) verify(c notation.Config) verify.Verdict {
	w.t.Helper()
	return must[verify.Verifier](w.t)(w.session().Require(c)).Verify(w.t.Context(), w.img)
}

// trusting is the requirement of a signature by release, for whom a vouches.
func trusting(t testing.TB, a *notationtest.Authority) notation.Config {
	t.Helper()
	return notation.Config{Certificates: []*x509.Certificate{a.Root()}, Identities: []notation.Identity{identity(t, release)}}
}

func identity(t testing.TB, text string) notation.Identity {
	t.Helper()
	return must[notation.Identity](t)(notation.ParseIdentity(text))
}

// wantVerdict checks how v ended, and that it says each of the texts. A refusal
// says what to do next.
func wantVerdict(t testing.TB, v verify.Verdict, want verify.Reason, texts ...string) {
	t.Helper()
	if v.Reason() != want || v.Passed() != (want == verify.Verified) {
		t.Fatalf("%q: %v, want %q", v.Reason(), v.Err(), want)
	}
	said := fmt.Sprintf("%v", v.Err())
	if v.Passed() {
		if len(v.Evidence()) == 0 {
			t.Fatal("passed without evidence")
		}
		said = fmt.Sprintf("%+v", v.Evidence())
	} else if verify.Hint(v.Err()) == "" {
		t.Errorf("%v: no next step", v.Err())
	}
	for _, text := range texts {
		if !strings.Contains(said, text) {
			t.Errorf("%s\nsays nothing of %q", said, text)
		}
	}
	if len(said) > 8000 {
		t.Errorf("%d bytes of text", len(said))
	}
}

// asked are the requests that the registry has answered, without what is the
// same in all of them.
func (w *world) asked() []string {
	var out []string
	for _, r := range w.reg.Requests() {
		out = append(out, strings.TrimPrefix(r.String(), "GET /v2/team/app/"))
	}
	return out
}
