package notation_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/boltseal/boltseal/internal/registrytest"
)

// TestTutorial runs testdata/tutorial.txtar, which is what somebody does who
// begins, against both kinds and one that wants a token for each repository. Besides testscript's commands it has:
//
//	push REPO:TAG            push an image of its own; it goes to $IMAGE and $DIGEST
//	fingerprint NAME FILE    the SHA-256 of a certificate goes to $NAME
//	fill FILE                variables of the script, in a file
func TestTutorial(t *testing.T) {
	t.Parallel()
	notation := notationProgram(t)
	kinds := append(slices.Clip(registries), registries[0])
	last := &kinds[len(kinds)-1]
	last.name, last.options.Tokens = "tokens", true
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.Start(kind.options)
			t.Cleanup(reg.Close)
			testscript.Run(t, testscript.Params{
				Files:               []string{filepath.Join("testdata", "tutorial.txtar")},
				RequireExplicitExec: true,
				Setup: func(e *testscript.Env) error {
					p := place{dir: e.WorkDir, reg: reg}
					bin := p.path("bin")
					for _, variable := range append(p.env(),
						"PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
						"REGISTRY="+reg.Host(), "CONFIG="+p.config(), "STORAGE="+kind.storage,
						"NAME=x509.subject: C=US, ST=WA, L=Seattle, O=Notary, CN=wabbit-networks.io",
					) {
						name, value, _ := strings.Cut(variable, "=")
						e.Setenv(name, value)
					}
					if err := os.Mkdir(bin, 0o700); err != nil {
						return err
					}
					if err := os.Symlink(boltseal, filepath.Join(bin, "boltseal")); err != nil {
						return err
					}
					if err := os.Symlink(notation, filepath.Join(bin, "notation")); err != nil {
						return err
					}
					return p.configure()
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"push": func(ts *testscript.TestScript, _ bool, args []string) {
						repo, tag, _ := strings.Cut(args[0], ":")
						d, err := reg.PutImage(repo, tag, args[0])
						ts.Check(err)
						ts.Setenv("DIGEST", d.Digest.String())
						ts.Setenv("IMAGE", reg.Host()+"/"+repo+"@"+d.Digest.String())
					},
					"fingerprint": func(ts *testscript.TestScript, _ bool, args []string) {
						sum, err := fingerprint([]byte(ts.ReadFile(args[1])))
						ts.Check(err)
						ts.Setenv(args[0], sum)
					},
					"fill": func(ts *testscript.TestScript, _ bool, args []string) {
						text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
						ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
					},
				},
			})
		})
	}
}
