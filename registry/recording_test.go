package registry_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// An answering registry is given what it answers.
type answering struct {
	manifest  func() (registry.Manifest, error)
	referrers func() ([]ocispec.Descriptor, error)
	blob      func() ([]byte, error)
	trustData func() ([]byte, error)
}

func (a answering) Manifest(context.Context, image.Ref, string) (registry.Manifest, error) {
	return a.manifest()
}

func (a answering) Referrers(context.Context, image.Ref, string) ([]ocispec.Descriptor, error) {
	return a.referrers()
}

func (a answering) Blob(context.Context, image.Ref, ocispec.Descriptor) ([]byte, error) {
	return a.blob()
}

func (a answering) TrustData(context.Context, registry.TrustServer, string, string, int64) ([]byte, error) {
	return a.trustData()
}

func replay(t *testing.T, r *registry.Recorder) (*registry.Replayer, string) {
	t.Helper()
	text, err := r.Text()
	if err != nil {
		t.Fatal(err)
	}
	p, err := registry.Replay(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return p, string(text)
}

// What was verified is verified again from the recording, and what was refused
// is refused for the same reason, without a registry.
func TestReplayVerifies(t *testing.T) {
	t.Parallel()
	reg := start(t, registrytest.Options{Tokens: true, User: user, Password: password})
	c, _ := client(registry.Options{Keychain: registry.Keychain(map[string]authn.AuthConfig{reg.Host(): {Username: user, Password: password}})})
	in, err := sigstoretest.New(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	root, err := in.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	trust, err := sigstore.TrustJSON(root, sigstore.PublicRules())
	if err != nil {
		t.Fatal(err)
	}
	signedImage := put(t)(reg.PutImage("app", "v1", "1"))
	bundle, err := in.Bundle("https://sigstore.dev/cosign/sign/v1", signedImage.Digest.Encoded(), []byte("{}"), sigstoretest.Options{Identity: "me@example.com", Issuer: "https://issuer.example"})
	if err != nil {
		t.Fatal(err)
	}
	put(t)(reg.PutBundle("app", signedImage, bundle))
	put(t)(reg.PutImage("bare", "v1", "2"))

	ask := func(store interface {
		sigstore.Store
		Resolve(context.Context, image.Ref) (image.Pinned, error)
	}) string {
		var said []string
		for _, name := range []string{"/app:v1", "/bare:v1", "/none:v1"} {
			img, err := store.Resolve(t.Context(), ref(t, reg.Host()+name))
			if err != nil {
				said = append(said, string(registry.Reason(err)))
				continue
			}
			for _, subject := range []string{"me@example.com", "you@example.com"} {
				who, _ := sigstore.Pattern(subject)
				issuer, _ := sigstore.Pattern("https://issuer.example")
				id, err := sigstore.NewIdentity(who, issuer, nil)
				if err != nil {
					t.Fatal(err)
				}
				v, err := sigstore.NewSession(store, image.Ref{}).Require(sigstore.Config{Trust: trust, Identities: []sigstore.Identity{id}})
				if err != nil {
					t.Fatal(err)
				}
				said = append(said, string(v.Verify(t.Context(), img).Reason()))
			}
		}
		return strings.Join(said, " ")
	}
	const want = "verified wrong-signer unsigned unsigned not-found"
	recorder := registry.Record(c)
	if got := ask(recorder); got != want {
		t.Fatalf("recorded: %s", got)
	}
	player, text := replay(t, recorder)
	reg.Close()
	if got := ask(player); got != want {
		t.Errorf("replayed: %s", got)
	}
	if again := registry.Record(player); ask(again) != want {
		t.Error("recorded again: another answer")
	} else if _, same := replay(t, again); same != text {
		t.Errorf("recorded again: another text\n%s\n%s", same, text)
	}
}

// Whatever a registry echoes in its errors, a recording has no credentials.
func TestRecordingHasNoCredentials(t *testing.T) {
	t.Parallel()
	basic := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	const token = "a-bearer-token"
	for _, o := range []registrytest.Options{{User: user, Password: password}, {Tokens: true, User: user, Password: password}} {
		reg := start(t, o)
		c, _ := client(registry.Options{Keychain: registry.Keychain(map[string]authn.AuthConfig{reg.Host(): {Username: user, Password: password}})})
		d := put(t)(reg.PutImage("app", "v1", "1"))
		reg.Break(registrytest.Fault{Path: "/manifests/echo", Status: 500, Detail: "got Basic " + basic + ", " + user + ":" + password})
		reg.Break(registrytest.Fault{Path: "/manifests/store", Redirect: "http://" + user + ":" + password + "@" + reg.Host() + "/x?X-Signature=" + token})
		reg.Break(registrytest.Fault{Path: "/referrers/", Status: 403, Detail: "Bearer " + token + " may not"})
		recorder := registry.Record(c)
		at := ref(t, reg.Host()+"/app:v1")
		for _, reference := range []string{"v1", "echo", "store", d.Digest.String()} {
			_, _ = recorder.Manifest(t.Context(), at, reference)
		}
		_, _ = recorder.Referrers(t.Context(), at, d.Digest.String())
		_, text := replay(t, recorder)
		if n := strings.Count(text, `"ask"`); n != 5 {
			t.Errorf("%d answers", n)
		}
		for _, secret := range []string{password, basic, token, "X-Signature", "Bearer", "Basic", "uthorization"} {
			if strings.Contains(text, secret) {
				t.Errorf("the recording has %q:\n%s", secret, text)
			}
		}
	}
}

// Every kind of failure is replayed as what it was.
func TestReplayFailures(t *testing.T) {
	t.Parallel()
	at := ref(t, "ghcr.io/acme/app:v1")
	e := func(status int, kind, err error) error {
		return fmt.Errorf("outside: %w", &registry.Error{Op: "x", Status: status, Detail: "secret", Kind: kind, Err: err})
	}
	for _, tc := range []struct {
		name   string
		err    error
		is     []error
		isNot  []error
		status int
	}{
		{"not found", e(404, registry.ErrNotFound, nil), []error{registry.ErrNotFound}, []error{registry.ErrUnavailable}, 404},
		{"denied", e(401, registry.ErrDenied, errors.New("secret")), []error{registry.ErrDenied}, []error{registry.ErrUnavailable}, 401},
		{"unavailable", e(503, registry.ErrUnavailable, nil), []error{registry.ErrUnavailable}, []error{registry.ErrNotFound, registry.ErrNotRecorded}, 503},
		{"too many", e(0, registry.ErrUnavailable, registry.ErrTooMany), []error{registry.ErrUnavailable, registry.ErrTooMany}, nil, 0},
		{"too large", e(0, registry.ErrUnavailable, registry.ErrTooLarge), []error{registry.ErrUnavailable, registry.ErrTooLarge}, nil, 0},
		{"corrupt", e(0, registry.ErrUnavailable, registry.ErrCorrupt), []error{registry.ErrUnavailable, registry.ErrCorrupt}, nil, 0},
		{"of another package", errors.New("secret"), []error{registry.ErrUnavailable}, []error{registry.ErrNotFound, registry.ErrDenied}, 0},
		{"not recorded", e(0, registry.ErrUnavailable, registry.ErrNotRecorded), []error{registry.ErrUnavailable}, []error{registry.ErrNotFound}, 0},
	} {
		recorder := registry.Record(answering{
			manifest:  func() (registry.Manifest, error) { return registry.Manifest{}, tc.err },
			referrers: func() ([]ocispec.Descriptor, error) { return nil, tc.err },
			blob:      func() ([]byte, error) { return nil, tc.err },
			trustData: func() ([]byte, error) { return nil, tc.err },
		})
		d := ocispec.Descriptor{Digest: digest.FromString("x"), Size: 1}
		ask := func(a registry.Asker) []error {
			_, m := a.Manifest(t.Context(), at, "v1")
			_, r := a.Referrers(t.Context(), at, d.Digest.String())
			_, b := a.Blob(t.Context(), at, d)
			_, td := a.TrustData(t.Context(), trusted(t, "https://notary.test"), gun, "root", 10)
			return []error{m, r, b, td}
		}
		ask(recorder)
		player, text := replay(t, recorder)
		for i, err := range ask(player) {
			got := (*registry.Error)(nil)
			if !errors.As(err, &got) || got.Status != tc.status || got.Op == "" || got.Op == "x" {
				t.Errorf("%s, %d: %v", tc.name, i, err)
			}
			for _, kind := range tc.is {
				if !errors.Is(err, kind) {
					t.Errorf("%s, %d: %v is not %v", tc.name, i, err, kind)
				}
			}
			for _, kind := range tc.isNot {
				if errors.Is(err, kind) {
					t.Errorf("%s, %d: %v is %v", tc.name, i, err, kind)
				}
			}
		}
		if strings.Contains(text, "secret") {
			t.Errorf("%s: the words of the error are in\n%s", tc.name, text)
		}
	}
	recorder := registry.Record(answering{referrers: func() ([]ocispec.Descriptor, error) { return nil, registry.ErrNoReferrersAPI }})
	_, _ = recorder.Referrers(t.Context(), at, digest.FromString("x").String())
	player, _ := replay(t, recorder)
	if _, err := player.Referrers(t.Context(), at, digest.FromString("x").String()); err != registry.ErrNoReferrersAPI { //nolint:errorlint // exactly it
		t.Errorf("no API: %v", err)
	}
}

// What was not asked is not answered: least of all with "there is none".
func TestReplayNotRecorded(t *testing.T) {
	t.Parallel()
	player, err := registry.Replay([]byte(`{"version": 1, "answers": []}`))
	if err != nil {
		t.Fatal(err)
	}
	at := ref(t, "ghcr.io/acme/app:v1")
	img, err := at.Pin(digest.FromString("x").String())
	if err != nil {
		t.Fatal(err)
	}
	_, resolved := player.Resolve(t.Context(), at)
	_, described := player.Describe(t.Context(), img)
	_, manifest := player.Manifest(t.Context(), at, "v1")
	_, referrers := player.Referrers(t.Context(), at, img.Digest())
	_, blob := player.Blob(t.Context(), at, ocispec.Descriptor{Digest: digest.FromString("x"), Size: 1})
	_, trustData := player.TrustData(t.Context(), trusted(t, "https://notary.test"), gun, "root", 10)
	for i, err := range []error{resolved, described, manifest, referrers, blob, trustData} {
		wantErr(t, err, verify.Unavailable, registry.ErrUnavailable, registry.ErrNotRecorded)
		if !strings.Contains(err.Error(), "the recording does not have it") || !strings.Contains(verify.Hint(registry.Explain("x", "ghcr.io", err)), "record it again") {
			t.Errorf("%d: %v", i, err)
		}
	}
	// Nor is a blob that nobody would be asked for.
	nonsense := registry.Record(answering{blob: func() ([]byte, error) { return nil, registry.ErrCorrupt }})
	_, _ = nonsense.Blob(t.Context(), at, ocispec.Descriptor{Digest: "../x", Size: 1})
	if _, text := replay(t, nonsense); strings.Contains(text, "../x") {
		t.Errorf("recorded:\n%s", text)
	}
	// The program's own end is no answer of the registry's.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	recorder := registry.Record(answering{manifest: func() (registry.Manifest, error) { return registry.Manifest{}, ctx.Err() }})
	_, _ = recorder.Manifest(ctx, at, "v1")
	if _, text := replay(t, recorder); strings.Contains(text, "v1") {
		t.Errorf("recorded:\n%s", text)
	}
}

// Of several answers to one question one counts, always the same.
func TestRecordAgain(t *testing.T) {
	t.Parallel()
	at := ref(t, "ghcr.io/acme/app:v1")
	no := &registry.Error{Op: "x", Kind: registry.ErrUnavailable}
	none := &registry.Error{Op: "x", Kind: registry.ErrNotFound}
	type step struct {
		body string
		err  error
	}
	for _, tc := range []struct {
		name           string
		steps          []step
		manifest, list string // what is replayed
	}{
		{"an answer after none", []step{{"", no}, {"a", nil}}, "a", "a"},
		{"none after an answer", []step{{"a", nil}, {"", no}}, "a", "a"},
		{"two answers", []step{{"a", nil}, {"b", nil}}, "a", "b"},
		{"two failures", []step{{"", no}, {"", none}}, "not found", "not found"},
	} {
		i := 0
		recorder := registry.Record(answering{
			manifest: func() (registry.Manifest, error) {
				return registry.Manifest{Body: []byte(tc.steps[i].body)}, tc.steps[i].err
			},
			referrers: func() ([]ocispec.Descriptor, error) {
				return []ocispec.Descriptor{{Digest: digest.FromString(tc.steps[i].body), Size: 1}}, tc.steps[i].err
			},
		})
		for i = range tc.steps {
			_, _ = recorder.Manifest(t.Context(), at, "v1")
			_, _ = recorder.Referrers(t.Context(), at, digest.FromString("x").String())
		}
		player, _ := replay(t, recorder)
		m, err := player.Manifest(t.Context(), at, "v1")
		if got := string(m.Body); got != tc.manifest && !(errors.Is(err, registry.ErrNotFound) && tc.manifest == "not found") {
			t.Errorf("%s: manifest %q, %v", tc.name, got, err)
		}
		list, err := player.Referrers(t.Context(), at, digest.FromString("x").String())
		if !errors.Is(err, registry.ErrNotFound) && (len(list) != 1 || list[0].Digest != digest.FromString(tc.list)) || errors.Is(err, registry.ErrNotFound) != (tc.list == "not found") {
			t.Errorf("%s: list %v, %v", tc.name, list, err)
		}
	}
}

// The text does not depend on the order in which was asked, and has bodies as
// they are.
func TestRecordingText(t *testing.T) {
	t.Parallel()
	at, other := ref(t, "ghcr.io/acme/app:v1"), ref(t, "docker.io/library/alpine:3")
	binary := []byte{0xff, 0, 1}
	subject := digest.FromString("<manifest>\n").String()
	a := answering{
		manifest: func() (registry.Manifest, error) {
			return registry.Manifest{MediaType: "a/b", Body: []byte("<manifest>\n")}, nil
		},
		referrers: func() ([]ocispec.Descriptor, error) { return nil, nil },
		blob:      func() ([]byte, error) { return binary, nil },
	}
	d := ocispec.Descriptor{Digest: digest.FromBytes(binary), Size: 3}
	steps := []func(r *registry.Recorder){
		func(r *registry.Recorder) { _, _ = r.Manifest(t.Context(), at, "v1") },
		func(r *registry.Recorder) { _, _ = r.Manifest(t.Context(), at, subject) },
		func(r *registry.Recorder) { _, _ = r.Referrers(t.Context(), at, subject) },
		func(r *registry.Recorder) { _, _ = r.Blob(t.Context(), other, d) },
	}
	one, two := registry.Record(a), registry.Record(a)
	for _, s := range steps {
		s(one)
	}
	var wg sync.WaitGroup
	for _, s := range slices.Backward(steps) {
		wg.Go(func() { s(two) })
	}
	wg.Wait()
	player, text := replay(t, one)
	if _, again := replay(t, two); again != text {
		t.Errorf("another order gives another text:\n%s\n%s", text, again)
	}
	want := `{
  "version": 1,
  "answers": [
    {
      "ask": "blob",
      "repository": "docker.io/library/alpine",
      "reference": "` + d.Digest.String() + `",
      "base64": "/wAB"
    },
    {
      "ask": "manifest",
      "repository": "ghcr.io/acme/app",
      "reference": "` + subject + `",
      "mediaType": "a/b",
      "text": "<manifest>\n"
    },
    {
      "ask": "referrers",
      "repository": "ghcr.io/acme/app",
      "reference": "` + subject + `",
      "list": []
    },
    {
      "ask": "manifest",
      "repository": "ghcr.io/acme/app",
      "reference": "v1",
      "mediaType": "a/b",
      "text": "<manifest>\n"
    }
  ]
}
`
	if text != want {
		t.Errorf("got\n%s", text)
	}
	if body, err := player.Blob(t.Context(), other, d); err != nil || !slices.Equal(body, binary) {
		t.Errorf("blob: %q, %v", body, err)
	}
	if list, err := player.Referrers(t.Context(), at, subject); err != nil || len(list) != 0 {
		t.Errorf("referrers: %v, %v", list, err)
	}
	if m, err := player.Manifest(t.Context(), at, "v1"); err != nil || !reflect.DeepEqual(m, registry.Manifest{Digest: subject, MediaType: "a/b", Body: []byte("<manifest>\n")}) {
		t.Errorf("manifest: %+v, %v", m, err)
	}
	d.Size = 2
	if _, err := player.Blob(t.Context(), other, d); !errors.Is(err, registry.ErrCorrupt) {
		t.Errorf("blob of another size: %v", err)
	}
	d.Size = registry.MaxBlob + 1
	if _, err := player.Blob(t.Context(), other, d); !errors.Is(err, registry.ErrTooLarge) {
		t.Errorf("blob that is too large: %v", err)
	}
}

// Trust data are answered by server, collection and file; whoever vouches for the
// server's certificate has done so when they were recorded.
func TestReplayTrustData(t *testing.T) {
	t.Parallel()
	n := newNotary(t, func(w http.ResponseWriter, req *http.Request) {
		if strings.Contains(req.URL.Path, "targets/none") {
			http.NotFound(w, req)
			return
		}
		_, _ = io.WriteString(w, "\xff"+req.URL.Path)
	})
	c, _ := client(registry.Options{})
	recorder := registry.Record(c)
	server := trusted(t, n.URL)
	ask := func(a registry.Asker, s registry.TrustServer, gun, file string, limit int64) string {
		body, err := a.TrustData(t.Context(), s, gun, file, limit)
		if err != nil {
			wantNoSecret(t, err)
			return fmt.Sprintf("%s %t %t", registry.Reason(err), errors.Is(err, registry.ErrNotRecorded), errors.Is(err, registry.ErrTooLarge))
		}
		return string(body)
	}
	type question struct {
		s         registry.TrustServer
		gun, file string
	}
	var want []string
	asked := []question{
		{server, gun, "root"}, {server, gun, "targets/a." + hex64}, {server, "docker.io/library/alpine", "root"}, {server, gun, "targets/none"},
		{trusted(t, n.URL+"/base"), gun, "root"}, {server, "..", "root"}, {server, gun, "nothing"},
	}
	for _, q := range asked {
		want = append(want, ask(recorder, q.s, q.gun, q.file, 200))
	}
	n.Close()
	player, text := replay(t, recorder)
	for i, q := range asked {
		if got := ask(player, q.s, q.gun, q.file, 200); got != want[i] || got == "" {
			t.Errorf("%v: %q, want %q", q, got, want[i])
		}
	}
	if want[3] != "not-found false false" || want[5] != "unsupported false false" || want[6] != want[5] {
		t.Errorf("%q", want)
	}
	if got := ask(player, trusted(t, n.URL, authority(t).cert), gun, "root", 200); got != want[0] {
		t.Errorf("with another authority: %q", got)
	}
	if got := ask(player, server, gun, "root", 3); got != "unavailable false true" {
		t.Errorf("too large: %q", got)
	}
	for _, q := range []question{{server, gun, "timestamp"}, {server, gun, "targets/a"}, {server, "acme/app", "root"}, {trusted(t, "https://notary.test"), gun, "root"}} {
		if got := ask(player, q.s, q.gun, q.file, 200); got != "unavailable true false" {
			t.Errorf("%v: %q", q, got)
		}
	}
	if strings.Contains(text, `".."`) || strings.Contains(text, "nothing") || !strings.Contains(text, `"server": "`+n.URL+`"`) {
		t.Errorf("recorded:\n%s", text)
	}
}

func TestReplayRefuses(t *testing.T) {
	t.Parallel()
	sum := digest.FromString("x").String()
	doc := func(answers string) string { return `{"version": 1, "answers": [` + answers + `]}` }
	m := `{"ask": "manifest", "repository": "ghcr.io/a/b", "reference": "v1", "text": "x"}`
	manyListed := strings.TrimSuffix(strings.Repeat(`{"digest": "`+sum+`", "size": 1},`, 257), ",")
	for _, tc := range []struct{ text, want string }{
		{"", "EOF"},
		{"{}", "version 0"},
		{`{"version": 2, "answers": []}`, "version 2"},
		{`{"version": 1, "answers": [], "more": 1}`, "more"},
		{`{"version": 1, "Answers": []}`, "Answers"},
		{`{"version": 1, "answers": []} {}`, "follows"},
		{`{"version": 1, "answers": [], "answers": []}`, "twice"},
		{"{\"version\": 1, \"answers\": [\"\xff\"]}", "UTF-8"},
		{doc(m + "," + m), "answer 2 (manifest ghcr.io/a/b v1): it is there twice"},
		{doc(`{"ask": "manifest", "repository": "ghcr.io/a/b", "reference": "v1"}`), "exactly one"},
		{doc(`{"ask": "manifest", "repository": "ghcr.io/a/b", "reference": "v1", "text": "x", "base64": "eA=="}`), "exactly one"},
		{doc(`{"ask": "manifest", "repository": "ghcr.io/a/b", "reference": "v1", "text": "x", "failure": "not-found"}`), "exactly one"},
		{doc(`{"ask": "manifest", "repository": "ghcr.io/a/b", "reference": "v1", "text": null}`), "exactly one"},
		{doc(`{"ask": "manifest", "repository": "ghcr.io/a/b", "reference": "v1", "list": []}`), "another kind"},
		{doc(`{"ask": "manifest", "repository": "ghcr.io/a/b", "reference": "", "text": "x"}`), "no reference"},
		{doc(`{"ask": "manifest", "repository": "ghcr.io/a/b", "reference": "v1", "text": "x", "status": 200}`), "only a failure"},
		{doc(`{"ask": "manifest", "repository": "ghcr.io/a/b", "reference": "v1", "text": "x", "token": "y"}`), "token"},
		{doc(`{"ask": "manifest", "repository": "b", "reference": "v1", "text": "x"}`), "written docker.io/library/b"},
		{doc(`{"ask": "manifest", "repository": "user:pass@ghcr.io/b", "reference": "v1", "text": "x"}`), "repository"},
		{doc(`{"ask": "manifest", "repository": "ghcr.io/a/b", "reference": "` + sum + `", "text": "y"}`), "does not match its name"},
		{doc(`{"ask": "manifest", "repository": "ghcr.io/a/b", "reference": "v1", "failure": "gone"}`), `no failure "gone"`},
		{doc(`{"ask": "blob", "repository": "ghcr.io/a/b", "reference": "` + sum + `", "text": "y"}`), "does not match its name"},
		{doc(`{"ask": "blob", "repository": "ghcr.io/a/b", "reference": "` + sum + `", "list": []}`), "another kind"},
		{doc(`{"ask": "blob", "repository": "ghcr.io/a/b", "reference": "v1", "text": "x"}`), "not a sha256 digest"},
		{doc(`{"ask": "blob", "repository": "ghcr.io/a/b", "reference": "` + sum + `", "mediaType": "a/b", "text": "x"}`), "media type"},
		{doc(`{"ask": "referrers", "repository": "ghcr.io/a/b", "reference": "` + sum + `", "text": "[]"}`), "another kind"},
		{doc(`{"ask": "referrers", "repository": "ghcr.io/a/b", "reference": "` + sum + `", "list": [{"digest": "x", "size": 1}]}`), "lists the digest"},
		{doc(`{"ask": "referrers", "repository": "ghcr.io/a/b", "reference": "` + sum + `", "list": [` + manyListed + `]}`), "more than 256"},
		{doc(`{"ask": "ping", "repository": "ghcr.io/a/b", "reference": "` + sum + `", "text": "x"}`), "no such question"},
		{doc(`{"ask": "manifest", "repository": "ghcr.io/a/b", "reference": "v1", "text": "` + strings.Repeat("x", 4<<20+1) + `"}`), "larger than the limit"},
		{doc(`{"ask": "manifest", "server": "https://notary.test", "repository": "ghcr.io/a/b", "reference": "v1", "text": "x"}`), "only trust data"},
		{doc(`{"ask": "trust-data", "repository": "a/b", "reference": "root", "text": "x"}`), "the server: "},
		{doc(`{"ask": "trust-data", "server": "https://user:pass@notary.test", "repository": "a/b", "reference": "root", "text": "x"}`), "user name"},
		{doc(`{"ask": "trust-data", "server": "https://Notary.test:443/", "repository": "a/b", "reference": "root", "text": "x"}`), "written https://notary.test"},
		{doc(`{"ask": "trust-data", "server": "https://notary.test", "repository": "a/../b", "reference": "root", "text": "x"}`), "no name of a collection"},
		{doc(`{"ask": "trust-data", "server": "https://notary.test", "repository": "a/b", "reference": "root.json", "text": "x"}`), "no file of trust data"},
		{doc(`{"ask": "trust-data", "server": "https://notary.test", "repository": "a/b", "reference": "root", "list": []}`), "another kind"},
		{doc(`{"ask": "trust-data", "server": "https://notary.test", "repository": "a/b", "reference": "root", "mediaType": "a/b", "text": "x"}`), "media type"},
		{doc(`{"ask": "trust-data", "server": "https://notary.test", "repository": "a/b", "reference": "root", "text": "` + strings.Repeat("x", 32<<20+1) + `"}`), "larger than the limit"},
		{strings.Repeat(" ", 64<<20+1), "larger than 64 MiB"},
	} {
		if raced && len(tc.text) > 32<<20 {
			continue // it takes a third of the package's time then
		}
		if p, err := registry.Replay([]byte(tc.text)); p != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%.200s: %v, want %q", tc.text, err, tc.want)
		}
	}
}

// More than a recording may hold is not written, rather than half of it.
func TestRecordingIsBounded(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("it takes long, and nothing in it runs beside something else")
	}
	t.Parallel()
	body := []byte(strings.Repeat("x", 4<<20))
	recorder := registry.Record(answering{manifest: func() (registry.Manifest, error) { return registry.Manifest{Body: body}, nil }})
	at := ref(t, "ghcr.io/acme/app:v1")
	for i := range 17 {
		_, _ = recorder.Manifest(t.Context(), at, fmt.Sprint("v", i))
	}
	if text, err := recorder.Text(); text != nil || err == nil || !strings.Contains(err.Error(), "64 MiB") {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

func FuzzReplay(f *testing.F) {
	f.Add([]byte(`{"version": 1, "answers": [{"ask": "manifest", "repository": "ghcr.io/a/b", "reference": "v1", "text": "{}"}]}`))
	f.Add([]byte(`{"version": 1, "answers": [{"ask": "referrers", "repository": "ghcr.io/a/b", "reference": "` + digest.FromString("x").String() + `", "failure": "denied", "status": 401}]}`))
	f.Add([]byte(`{"version": 1, "answers": [{"ask": "trust-data", "server": "https://notary.test/x", "repository": "127.0.0.1:5000/a", "reference": "targets/a", "text": "{}"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := registry.Replay(text)
		if err != nil {
			return
		}
		var doc struct {
			Answers []struct{ Ask, Server, Repository, Reference string }
		}
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		for _, a := range doc.Answers {
			var repo image.Ref
			if a.Ask != "trust-data" {
				if repo, err = image.ParseRepository(a.Repository); err != nil {
					t.Fatal(err)
				}
			}
			switch a.Ask {
			case "trust-data":
				_, err = p.TrustData(t.Context(), trusted(t, a.Server), a.Repository, a.Reference, registry.MaxTrustData)
			case "manifest":
				_, err = p.Manifest(t.Context(), repo, a.Reference)
			case "referrers":
				_, err = p.Referrers(t.Context(), repo, a.Reference)
			case "blob":
				_, err = p.Blob(t.Context(), repo, ocispec.Descriptor{Digest: digest.Digest(a.Reference)})
			}
			if errors.Is(err, registry.ErrNotRecorded) {
				t.Fatalf("%v of\n%s", err, text)
			}
		}
	})
}
