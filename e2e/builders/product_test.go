package builders_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/e2e/internal/stage"
	"github.com/boltseal/boltseal/internal/registrytest"
)

// boltseal runs the program in the folder dir and returns its exit code and all
// that it wrote.
func (w *world) boltseal(dir string, args ...string) (int, string) {
	w.t.Helper()
	r, err := release()
	check(w.t, err)
	cmd := exec.CommandContext(w.t.Context(), r.Path, args...) //nolint:gosec // our own program
	cmd.Env, cmd.Dir = []string{"HOME=" + w.dir, "PATH=" + os.Getenv("PATH")}, dir
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// signer are the flags that say who has to have signed.
func (w *world) signer() []string {
	return []string{"--certificate-identity", stage.Identity, "--certificate-oidc-issuer", stage.Issuer, "--trusted-root", w.sig.TrustedRoot}
}

// sign signs what the references stand for now.
func (w *world) sign(refs ...string) {
	w.t.Helper()
	for _, ref := range refs {
		repo, tag, _ := strings.Cut(strings.TrimPrefix(ref, "REGISTRY/"), ":")
		body, err := w.reg.Manifest(repo, tag)
		check(w.t, err)
		_, err = w.sig.Sign(w.reg, repo, registrytest.Describe(ocispec.MediaTypeImageManifest, body), stage.Legacy, stage.Identity)
		check(w.t, err)
	}
}

// handOver signs what the references stand for now, and has boltseal verify it.
// It returns the file that is handed over as form.
func (w *world) handOver(form string, refs ...string) string {
	w.t.Helper()
	w.sign(refs...)
	code, file, log := w.verify(form, refs...)
	if code != 0 {
		w.t.Fatalf("boltseal verify: exit code %d\n%s", code, log)
	}
	return file
}

// verify has boltseal verify images, and returns its exit code, the file that it
// hands over as form, and what it wrote.
func (w *world) verify(form string, refs ...string) (code int, file, log string) {
	w.t.Helper()
	name := form + ".json"
	if form == "rego" {
		name = "verified.rego"
	}
	args := append([]string{"verify", "--handover", form + "=" + name}, w.signer()...)
	for _, ref := range refs {
		args = append(args, w.words(ref))
	}
	code, log = w.boltseal(w.dir, args...)
	return code, w.path(name), log
}
