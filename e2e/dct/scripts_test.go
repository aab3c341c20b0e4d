package dct_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/boltseal/boltseal/e2e/internal/stage"
	"github.com/boltseal/boltseal/internal/registrytest"
)

// TestScripts runs testdata/*.txtar, each with a registry and a home of its own.
// $REGISTRY and $NOTARY are the hosts of the registry and of the notary server,
// $SERVER is the latter's URL, and $CA a file with the authority of its
// certificate. notary is configured to ask it. Besides testscript's commands
// there are:
//
//	push REPO:TAG [CONTENT]    push an image; $IMAGE is its name with the tag, $PINNED with its
//	                           digest, $GUN its collection, $DIGEST, $HEX and $SIZE what is signed
//	roots NAME                 the ID of the key that signs for the root of $GUN goes to $NAME
//	server keep                keep the root and the timestamp that $GUN has now
//	server old | new           answer with what was kept, or with what there is
//	server down STATUS | up    answer everything with that status, or as ever
//	server stop                answer nothing more
//	server forget              what it was asked for until now
//	server tokens USER:PASS    want a token, which costs that
//	server users [USER…]       who has asked for a token since then
//	asked [WHAT…]              what the notary server was asked for since this was last used
//	sigstore                   sign $PINNED with Sigstore; $TRUSTED_ROOT, $ISSUER and $SUBJECT are how
//	                           to verify it
//	exits CODE PROGRAM ARG…    run a program that ends with that code
//	fill FILE…                 variables of the script, in files
//	has FILE WANT              the JSON document in FILE has all that the one in WANT has
//	signer NAME                NAME.key and NAME.crt, its certificate; the key's ID goes to $NAME
//	certify NAME FILE [DAYS]   NAME.crt, an authority, and NAME-root.crt, its certificate for the
//	                           public key in FILE as the root of $GUN, for so many days from now
func TestScripts(t *testing.T) {
	t.Parallel()
	notary := notaryProgram(t)
	scripts, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	check(t, err)
	if len(scripts) == 0 {
		t.Fatal("there are no scripts")
	}
	for _, name := range scripts {
		// All are there until the end: a port that is used again would be that of a
		// collection that the notary server has.
		reg := registrytest.Start(registrytest.Options{})
		t.Cleanup(reg.Close)
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			s := script{ctx: t.Context(), reg: reg, proxy: startProxy(t)}
			testscript.Run(t, testscript.Params{
				Files:               []string{name},
				RequireExplicitExec: true,
				Setup:               func(e *testscript.Env) error { return s.setup(e, notary) },
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"push": s.push, "roots": s.roots, "server": s.server, "asked": s.asked, "sigstore": s.sigstore, "exits": exits, "fill": fill, "has": has, "signer": signer, "certify": certify,
				},
			})
		})
	}
}

// A script is one that runs, with what its commands share.
type script struct {
	ctx   context.Context
	reg   *registrytest.Registry
	proxy *proxy
	stage stage.Sigstore // made by the first signature
}

// password is that of all keys that notary keeps.
const password = "correct horse"

func (s *script) setup(e *testscript.Env, notary string) error {
	c, err := authority()
	if err != nil {
		return err
	}
	bin := filepath.Join(e.WorkDir, "bin")
	for _, variable := range []string{
		"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"),
		"HOME=" + e.WorkDir, "TMPDIR=" + e.WorkDir, "DOCKER_CONFIG=" + e.WorkDir, "XDG_CONFIG_HOME=" + filepath.Join(e.WorkDir, "config"), "XDG_CACHE_HOME=" + filepath.Join(e.WorkDir, "cache"),
		"REGISTRY=" + s.reg.Host(), "NOTARY=" + s.proxy.host(), "SERVER=" + s.proxy.server.URL, "CA=" + c.ca,
		"NOTARY_ROOT_PASSPHRASE=" + password, "NOTARY_TARGETS_PASSPHRASE=" + password, "NOTARY_SNAPSHOT_PASSPHRASE=" + password,
		"NOTARY_DELEGATION_PASSPHRASE=" + password, "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE=" + password,
	} {
		name, value, _ := strings.Cut(variable, "=")
		e.Setenv(name, value)
	}
	for name, program := range map[string]string{"boltseal": boltseal, "notary": notary} {
		if err := os.MkdirAll(bin, 0o700); err != nil {
			return err
		}
		if err := os.Symlink(program, filepath.Join(bin, name)); err != nil {
			return err
		}
	}
	text, err := json.Marshal(map[string]any{"remote_server": map[string]string{"url": s.proxy.server.URL, "root_ca": c.ca}})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(e.WorkDir, ".notary"), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(e.WorkDir, ".notary", "config.json"), text, 0o600)
}

// usage ends the script if a command does not have so many arguments, or is
// negated.
func usage(ts *testscript.TestScript, neg bool, args []string, least, most int) {
	if neg || len(args) < least || len(args) > most {
		ts.Fatalf("usage: see TestScripts")
	}
}

func (s *script) push(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, 2)
	repo, tag, _ := strings.Cut(args[0], ":")
	d, err := s.reg.PutImage(repo, tag, args[len(args)-1])
	ts.Check(err)
	gun := s.reg.Host() + "/" + repo
	for name, value := range map[string]string{
		"GUN": gun, "IMAGE": gun + ":" + tag, "PINNED": gun + "@" + d.Digest.String(),
		"DIGEST": d.Digest.String(), "HEX": d.Digest.Encoded(), "SIZE": strconv.FormatInt(d.Size, 10),
	} {
		ts.Setenv(name, value)
	}
}

func (s *script) roots(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, 1)
	ids, err := s.proxy.roots(s.ctx, ts.Getenv("GUN"))
	ts.Check(err)
	if len(ids) != 1 {
		ts.Fatalf("root keys: %q", ids)
	}
	ts.Setenv(args[0], ids[0])
}

func (s *script) server(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, 9)
	p := s.proxy
	switch args[0] {
	case "keep":
		ts.Check(p.keep(s.ctx, ts.Getenv("GUN")))
	case "old", "new":
		p.set(func() { p.old = args[0] == "old" })
	case "down":
		usage(ts, neg, args, 2, 2)
		status, err := strconv.Atoi(args[1])
		ts.Check(err)
		p.set(func() { p.down = status })
	case "up":
		p.set(func() { p.down = 0 })
	case "stop":
		p.server.Close()
	case "forget":
		p.asked()
	case "tokens":
		usage(ts, neg, args, 2, 2)
		p.set(func() { p.user, p.users = args[1], nil })
	case "users":
		p.set(func() {
			got := slices.Compact(slices.Sorted(slices.Values(p.users)))
			if !slices.Equal(got, args[1:]) {
				ts.Fatalf("tokens were asked for by %q, want %q", got, args[1:])
			}
			p.users = nil
		})
	default:
		ts.Fatalf("usage: see TestScripts")
	}
}

func (s *script) asked(ts *testscript.TestScript, neg bool, args []string) {
	if got := s.proxy.asked(); neg || !slices.Equal(got, args) {
		ts.Fatalf("the notary server was asked for\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(args, "\n\t"))
	}
}

func (s *script) sigstore(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 0, 0)
	if s.stage.TrustedRoot == "" {
		var err error
		s.stage, err = stage.NewSigstore(ts.MkAbs("."))
		ts.Check(err)
	}
	repo := strings.TrimPrefix(ts.Getenv("GUN"), s.reg.Host()+"/")
	body, err := s.reg.Manifest(repo, ts.Getenv("DIGEST"))
	ts.Check(err)
	_, err = s.stage.Sign(s.reg, repo, registrytest.Describe(ocispec.MediaTypeImageManifest, body), stage.Bundle, stage.Identity)
	ts.Check(err)
	for name, value := range map[string]string{"TRUSTED_ROOT": s.stage.TrustedRoot, "ISSUER": stage.Issuer, "SUBJECT": stage.Identity} {
		ts.Setenv(name, value)
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, 99)
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func fill(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, 9)
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

func has(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, 2)
	var got, want any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &got))
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &want))
	ts.Check(contains("", got, want))
}

// contains tells where got lacks what want has. Lists are of the same length.
func contains(at string, got, want any) error {
	var err error
	switch want := want.(type) {
	case map[string]any:
		fields, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s: %v is no object", at, got)
		}
		for name, value := range want {
			err = errors.Join(err, contains(at+"."+name, fields[name], value))
		}
	case []any:
		items, ok := got.([]any)
		if !ok || len(items) != len(want) {
			return fmt.Errorf("%s: %v, want %v", at, got, want)
		}
		for i := range want {
			err = errors.Join(err, contains(fmt.Sprintf("%s[%d]", at, i), items[i], want[i]))
		}
	default:
		if got != want {
			err = fmt.Errorf("%s: %v, want %v", at, got, want)
		}
	}
	return err
}

func certify(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, 3)
	name := args[0]
	block, _ := pem.Decode([]byte(ts.ReadFile(args[1])))
	if block == nil {
		ts.Fatalf("%s is no PEM file", args[1])
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	ts.Check(err)
	ca, err := newIssuer(name)
	ts.Check(err)
	template := rootCertificate(ts.Getenv("GUN"))
	if len(args) == 3 {
		days, err := strconv.Atoi(args[2])
		ts.Check(err)
		template.NotBefore, template.NotAfter = time.Now().AddDate(-1, 0, 0), time.Now().AddDate(0, 0, days)
	}
	root, err := ca.issue(key, template)
	ts.Check(err)
	for name, certificate := range map[string]*x509.Certificate{name + ".crt": ca.certificate, name + "-root.crt": root} {
		ts.Check(os.WriteFile(ts.MkAbs(name), certificatePEM(certificate), 0o600))
	}
}

func signer(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, 1)
	name := args[0]
	self, err := newIssuer(name)
	ts.Check(err)
	private, err := privatePEM(self.key)
	ts.Check(err)
	id, err := keyID(&self.key.PublicKey)
	ts.Check(err)
	ts.Setenv(strings.ToUpper(name), id)
	for name, text := range map[string][]byte{name + ".crt": certificatePEM(self.certificate), name + ".key": private} {
		ts.Check(os.WriteFile(ts.MkAbs(name), text, 0o600))
	}
}
