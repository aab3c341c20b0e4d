package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/cli"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// now is when the tests sign.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A signWorld is a world with the services of its Sigstore instance.
type signWorld struct {
	*world
	services *sigstoretest.Services
	config   string // signing_config.json
	dir      string
	env      map[string]string
}

func newSignWorld(t *testing.T, o registrytest.Options, without sigstoretest.Without) *signWorld {
	t.Helper()
	w := &signWorld{world: newWorld(t, o), dir: t.TempDir()}
	var err error
	if w.services, err = w.sig.Serve(sigstoretest.ServeOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.services.Close)
	body, err := w.services.SigningConfig(without)
	if err != nil {
		t.Fatal(err)
	}
	w.config = w.file("signing_config.json", body)
	w.env = map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push",
		"ACTIONS_ID_TOKEN_REQUEST_URL": w.services.TokenURL(), "ACTIONS_ID_TOKEN_REQUEST_TOKEN": sigstoretest.RequestToken,
	}
	return w
}

// file writes a file of the world's folder.
func (w *signWorld) file(name string, body []byte) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, body, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// flags are those that lead to the world's services.
func (w *signWorld) flags() []string {
	return []string{"--trusted-root", w.root, "--signing-config", w.config}
}

// sign runs boltseal sign.
func (w *signWorld) sign(args ...string) result {
	w.t.Helper()
	return w.run(w.env, append([]string{"sign"}, append(args, w.flags()...)...)...)
}

// run runs boltseal with an environment.
func (w *signWorld) run(env map[string]string, args ...string) result {
	w.t.Helper()
	var out, errs bytes.Buffer
	noWait := func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	c := cli.Command{
		Dir: w.dir, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Sleep: noWait, Now: func() time.Time { return now },
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	}
	code := c.Main(w.t.Context(), append([]string{"boltseal"}, args...))
	return result{code: code, stdout: out.String(), stderr: errs.String()}
}

// A signedJSON is the document of boltseal sign --output json.
type signedJSON struct {
	Complete bool
	Checks   []struct {
		What, File, Summary string
		Passed              bool
		Details             []string
	}
	Refused *struct{ Message, Hint string }
	Skipped string
	Signed  []struct {
		Reference, Digest, Pinned, Platform, Format, Storage, Source string
		PredicateType                                                string `json:"predicate_type"`
		Identity, Issuer                                             string
		LogIndex                                                     *int64 `json:"log_index"`
		Log, Bundle                                                  string
		Existed                                                      bool
	}
	Failed  []struct{ Reference, Digest, Reason, Message, Hint string }
	Notices []string
	Verify  []string
}

// signJSON runs boltseal sign --output json.
func (w *signWorld) signJSON(args ...string) (result, signedJSON) {
	w.t.Helper()
	r := w.sign(append(args, "--output", "json")...)
	var doc signedJSON
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil {
		w.t.Fatalf("exit %d, %v\n%s%s", r.code, err, r.stdout, r.stderr)
	}
	return r, doc
}

// What was signed is said, verifies, and is there when it is signed again.
func TestSign(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	at := w.reg.Host() + "/team/app@" + w.image("team/app").Digest.String()
	r, doc := w.signJSON(at, "--format", "bundle", "--format", "legacy", "--bundle-dir", "bundles", "-a", "run=1")
	if r.code != 0 || !doc.Complete || len(doc.Signed) != 2 || len(doc.Failed) != 0 {
		t.Fatalf("exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
	t.Log(r.stdout)
	r = w.sign(at)
	t.Log(r.stdout, r.stderr)
}
