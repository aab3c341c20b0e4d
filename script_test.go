package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

var updateScripts = flag.Bool("update-scripts", false, "rewrite the golden parts of the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"boltseal": main})
}

// A world is the registry and the Sigstore instance of one script.
type world struct {
	reg         *registrytest.Registry
	sig         *sigstoretest.Instance
	authorities map[string]*notationtest.Authority // of Notation, by name
	notary      *dcttest.Server                    // nil before something is in it
	collections map[string]*dcttest.Collection     // by repository
}

type worldKey struct{}

// TestScript runs the stories in testdata/script, each against a registry of
// its own. Besides testscript's commands they have:
//
//	push REPO:TAG [SEED]          push an image; its digest goes to $DIGEST
//	sign legacy|bundle REPO@DIGEST [IDENTITY]
//	attest TYPE REPO@DIGEST
//	authority NAME                an authority of Notation; its root goes to NAME.crt
//	notation jws|cose REPO@DIGEST NAME [expired|plugin=PLUGIN|metadata=KEY=VALUE]
//	trust REPO TAG=DIGEST SIGNER…  sign a tag with Docker Content Trust; $NOTARY is the server, $ROOTKEY the ID of the root
//	move-tag REPO:TAG REPO@DIGEST
//	metadata [TARGET=]FILE REPO:TAG@DIGEST    buildx's of a build that used it; of bake in mode min
//	built REPO:TAG REPO:TAG@DIGEST            push what BuildKit built of it; its digest goes to $BUILT
//	requests N                    that many were sent since the last time
//	fill NAME… -- FILE…           variables of the script, written %NAME%, in files
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *updateScripts,
		Setup: func(e *testscript.Env) error {
			sig, err := sigstoretest.New(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
			if err != nil {
				return err
			}
			root, err := sig.TrustedRoot()
			if err != nil {
				return err
			}
			w := &world{reg: registrytest.Start(registrytest.Options{}), sig: sig, authorities: map[string]*notationtest.Authority{}, collections: map[string]*dcttest.Collection{}}
			e.Defer(w.reg.Close)
			e.Values[worldKey{}] = w
			// A program with the race detector sleeps before it exits, by default for a second.
			e.Setenv("GORACE", "atexit_sleep_ms=50")
			e.Setenv("REGISTRY", w.reg.Host())
			e.Setenv("ROOT", filepath.Join(e.WorkDir, "trusted_root.json"))
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("IDENTITY", "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main")
			e.Setenv("ISSUER", "https://token.actions.githubusercontent.com")
			return os.WriteFile(filepath.Join(e.WorkDir, "trusted_root.json"), root, 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"push": push, "sign": sign, "attest": attest, "move-tag": moveTag, "requests": requests, "fill": fill,
			"metadata": metadata, "built": built, "authority": authority, "notation": notation, "trust": trust,
		},
	})
}

func worldOf(ts *testscript.TestScript) *world {
	w, ok := ts.Value(worldKey{}).(*world)
	if !ok {
		ts.Fatalf("no world")
	}
	return w
}

func push(ts *testscript.TestScript, _ bool, args []string) {
	repo, tag, _ := strings.Cut(args[0], ":")
	seed := repo
	if len(args) > 1 {
		seed = args[1]
	}
	d, err := worldOf(ts).reg.PutImage(repo, tag, seed)
	ts.Check(err)
	ts.Setenv("DIGEST", d.Digest.String())
}

// subject reads REPO@DIGEST.
func subject(ts *testscript.TestScript, arg string) (string, ocispec.Descriptor) {
	repo, digest, ok := strings.Cut(arg, "@")
	if !ok {
		ts.Fatalf("%s: write REPO@DIGEST", arg)
	}
	body, err := worldOf(ts).reg.Manifest(repo, digest)
	ts.Check(err)
	return repo, registrytest.Describe(ocispec.MediaTypeImageManifest, body)
}

func sign(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	repo, d := subject(ts, args[1])
	o := sigstoretest.Options{Identity: ts.Getenv("IDENTITY"), Issuer: ts.Getenv("ISSUER")}
	if len(args) > 2 {
		o.Identity = args[2]
	}
	if args[0] == "bundle" {
		b, err := w.sig.Bundle("https://sigstore.dev/cosign/sign/v1", d.Digest.Encoded(), nil, o)
		ts.Check(err)
		_, err = w.reg.PutBundle(repo, d, b)
		ts.Check(err)
		return
	}
	payload := sigstoretest.Payload(w.reg.Host()+"/"+repo, d.Digest.String())
	annotations, err := w.sig.Legacy(payload, o)
	ts.Check(err)
	_, err = w.reg.PutTagged(repo, d.Digest.String(), ".sig", registrytest.Layer{MediaType: registrytest.SimpleSigning, Blob: payload, Annotations: annotations})
	ts.Check(err)
}

func attest(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	repo, d := subject(ts, args[1])
	b, err := w.sig.Bundle(args[0], d.Digest.Encoded(), nil, sigstoretest.Options{Identity: ts.Getenv("IDENTITY"), Issuer: ts.Getenv("ISSUER")})
	ts.Check(err)
	_, err = w.reg.PutBundle(repo, d, b)
	ts.Check(err)
}

func authority(ts *testscript.TestScript, _ bool, args []string) {
	a, err := notationtest.NewAuthority(notationtest.AuthorityOptions{CA: args[0]})
	ts.Check(err)
	worldOf(ts).authorities[args[0]] = a
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".crt"), notationtest.PEM(a.Root()), 0o600))
}

func trust(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	c := w.collections[args[0]]
	var err error
	if c == nil {
		c, err = dcttest.NewCollection(w.reg.Host()+"/"+args[0], dcttest.Options{})
		ts.Check(err)
		w.collections[args[0]] = c
	}
	tag, digest, _ := strings.Cut(args[1], "=")
	ts.Check(c.Sign(tag, digest, args[2:]...))
	if w.notary == nil {
		w.notary, err = dcttest.Serve(dcttest.ServerOptions{})
		ts.Check(err)
		ts.Defer(w.notary.Down)
	}
	w.notary.Put(c.GUN(), c)
	ts.Setenv("NOTARY", w.notary.URL())
	ts.Setenv("ROOTKEY", c.RootID())
}

func notation(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	repo, d := subject(ts, args[1])
	o := notationtest.SignOptions{Envelope: map[string]string{"jws": notationtest.JWS, "cose": notationtest.COSE}[args[0]]}
	for _, how := range args[3:] {
		what, value, _ := strings.Cut(how, "=")
		switch what {
		case "expired":
			o.Time, o.Expiry = time.Now().Add(-30*time.Minute), time.Minute
		case "plugin":
			o.Plugin = value
		case "metadata":
			key, text, _ := strings.Cut(value, "=")
			o.Metadata = map[string]string{key: text}
		default:
			ts.Fatalf("there is no %s", how)
		}
	}
	envelope, err := w.authorities[args[2]].Sign(d, o)
	ts.Check(err)
	_, err = notationtest.Push(w.reg, repo, d, envelope, o.Envelope)
	ts.Check(err)
}

func moveTag(ts *testscript.TestScript, _ bool, args []string) {
	repo, tag, _ := strings.Cut(args[0], ":")
	_, digest, _ := strings.Cut(args[1], "@")
	w := worldOf(ts)
	body, err := w.reg.Manifest(repo, digest)
	ts.Check(err)
	_, err = w.reg.PutManifest(repo, tag, ocispec.MediaTypeImageManifest, body)
	ts.Check(err)
}

func requests(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	got := w.reg.Requests()
	w.reg.Reset(0)
	if fmt.Sprint(len(got)) != args[0] {
		ts.Fatalf("%d requests, want %s: %v", len(got), args[0], got)
	}
}

func fill(ts *testscript.TestScript, _ bool, args []string) {
	at := slices.Index(args, "--")
	if at < 0 {
		ts.Fatalf("write fill NAME… -- FILE…")
	}
	names, files := args[:at], args[at+1:]
	for _, file := range files {
		text := ts.ReadFile(file)
		for _, name := range names {
			text = strings.ReplaceAll(text, "%"+name+"%", ts.Getenv(name))
		}
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o600))
	}
}
