// Command coldstart measures what the Action adds to a job: how long its two
// steps take on a runner that has never seen it, and on one that has the
// program in its tool cache. The release is that of this tree; mirror, registry
// and signature are on loopback, so the network's own time is not in it.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/boltseal/boltseal/e2e/internal/stage"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/runnertest"
)

const (
	runs = 10
	aim  = 500 * time.Millisecond // for both steps, with an empty tool cache

	// The steps of action.yml.
	installStep = `bash "$GITHUB_ACTION_PATH/scripts/install.sh"`
	gateStep    = `exec "$BOLTSEAL" action`
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "coldstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "boltseal-coldstart-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // only a temporary directory
	r, err := newRunner(ctx, dir)
	if err != nil {
		return err
	}
	defer r.close()
	cold, err := r.measure(ctx, func() error { return os.RemoveAll(r.path("tools")) })
	if err != nil {
		return err
	}
	warm, err := r.measure(ctx, func() error { return nil })
	if err != nil {
		return err
	}
	if n := len(r.mirror.Requests()); n != runs {
		return fmt.Errorf("%d downloads, want %d: one for each empty tool cache", n, runs)
	}
	return show(w, r.release, cold, warm)
}

// A runner has the Action, a release of it, and an image to verify.
type runner struct {
	dir     string
	release stage.Release
	mirror  *stage.Mirror
	reg     *registrytest.Registry
	env     []string // of the steps
}

func newRunner(ctx context.Context, dir string) (*runner, error) {
	release, err := stage.Build(ctx, "..", filepath.Join(dir, "dist"))
	if err != nil {
		return nil, err
	}
	sigstore, err := stage.NewSigstore(dir)
	if err != nil {
		return nil, err
	}
	r := &runner{dir: dir, release: release, mirror: stage.NewMirror(release), reg: registrytest.Start(registrytest.Options{})}
	if err := r.prepare(sigstore); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *runner) close() {
	r.mirror.Close()
	r.reg.Close()
}

func (r *runner) path(name string) string { return filepath.Join(r.dir, name) }

func (r *runner) prepare(sigstore stage.Sigstore) error {
	if err := r.release.Checkout(r.path("action")); err != nil {
		return err
	}
	action, err := os.ReadFile(r.path("action/action.yml"))
	if err != nil {
		return err
	}
	// The runner runs each from a file.
	for name, text := range map[string]string{"install": installStep, "gate": gateStep} {
		if !strings.Contains(string(action), "      run: "+text+"\n") {
			return fmt.Errorf("action.yml does not run %s", text)
		}
		if err := os.WriteFile(r.path(name+".sh"), []byte(text+"\n"), 0o600); err != nil {
			return err
		}
	}
	if _, err := sigstore.Push(r.reg, "team/app", stage.Bundle, stage.Identity); err != nil {
		return err
	}
	inputs, err := json.Marshal(map[string]string{
		"images": r.reg.Host() + "/team/app:v1", "certificate-identity": stage.Identity, "certificate-oidc-issuer": stage.Issuer,
		"trusted-root": sigstore.TrustedRoot,
	})
	if err != nil {
		return err
	}
	r.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.path("home"), "GITHUB_ACTIONS=true", "GITHUB_EVENT_NAME=push",
		"GITHUB_ACTION_PATH=" + r.path("action"), "RUNNER_TEMP=" + r.path("temp"), "RUNNER_TOOL_CACHE=" + r.path("tools"),
		"GITHUB_OUTPUT=" + r.path("output"), "GITHUB_ENV=" + r.path("env"), "GITHUB_STEP_SUMMARY=" + r.path("summary"),
		"BOLTSEAL_DOWNLOAD_BASE=" + r.mirror.URL(), "BOLTSEAL_INPUTS=" + string(inputs),
	}
	return os.Mkdir(r.path("temp"), 0o750)
}

// times are those of one part, or of both together, in each run.
type times []time.Duration

func (t times) median() time.Duration {
	t = slices.Sorted(slices.Values(t))
	return (t[(len(t)-1)/2] + t[len(t)/2]) / 2
}

func (t times) String() string {
	return fmt.Sprintf("%8d%8d", slices.Min(t).Milliseconds(), t.median().Milliseconds())
}

type measured struct{ install, gate, total times }

// measure runs the Action some times, each time after before.
func (r *runner) measure(ctx context.Context, before func() error) (m measured, err error) {
	for range runs {
		if err := before(); err != nil {
			return m, err
		}
		install, outputs, err := r.step(ctx, "install")
		if err != nil {
			return m, err
		}
		gate, outputs, err := r.step(ctx, "gate", "BOLTSEAL="+outputs["binary"])
		if err != nil {
			return m, err
		}
		if outputs["passed"] != "true" {
			return m, fmt.Errorf("the gate did not open: %v", outputs)
		}
		m.install, m.gate, m.total = append(m.install, install), append(m.gate, gate), append(m.total, install+gate)
	}
	return m, nil
}

// step runs one of the Action's steps as the runner does.
func (r *runner) step(ctx context.Context, name string, env ...string) (time.Duration, map[string]string, error) {
	for _, file := range []string{"output", "env", "summary"} {
		if err := os.WriteFile(r.path(file), nil, 0o600); err != nil {
			return 0, nil, err
		}
	}
	cmd := exec.CommandContext(ctx, "bash", "--noprofile", "--norc", "-e", "-o", "pipefail", r.path(name+".sh")) //nolint:gosec // what action.yml says
	cmd.Env = slices.Concat(r.env, env)
	from := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(from)
	if err != nil {
		return 0, nil, fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	body, err := os.ReadFile(r.path("output"))
	if err != nil {
		return 0, nil, err
	}
	outputs, err := runnertest.File(string(body))
	return took, outputs, err
}

func show(w io.Writer, release stage.Release, cold, warm measured) error {
	verdict := "reached"
	if cold.total.median() > aim {
		verdict = "missed"
	}
	_, err := fmt.Fprintf(w, `boltseal %s, %s/%s, %.1f MB; one image, signed with a bundle; %d runs each

                 install, ms          gate, ms         total, ms
tool cache       min  median       min  median       min  median
empty       %s  %s  %s
filled      %s  %s  %s

aim: %d ms for the total, as median, with an empty tool cache: %s
`,
		release.Version, runtime.GOOS, runtime.GOARCH, float64(len(release.Program))/1e6, runs,
		cold.install, cold.gate, cold.total, warm.install, warm.gate, warm.total, aim.Milliseconds(), verdict)
	return err
}
