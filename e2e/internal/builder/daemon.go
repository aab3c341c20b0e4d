package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A Daemon is a buildkitd, and a buildx that has no builder but it. All methods
// may be called at once.
type Daemon struct {
	programs Programs
	dir      string
	cmd      *exec.Cmd
	alive    io.Closer // the daemon ends when it is closed, by whomever
	log      bytes.Buffer
}

// config is buildkitd's. The snapshotter needs no file system of a kind, and
// steps of a build get no network but this machine's.
const config = `root = "DIR/root"
[grpc]
  address = ["unix://DIR/socket"]
  uid = UID
  gid = GID
[otel]
  socketPath = "DIR/otel"
[cdi]
  disabled = true
[worker.oci]
  enabled = true
  binary = "RUNC"
  snapshotter = "native"
  networkMode = "host"
  gc = false
[worker.containerd]
  enabled = false
[registry."docker.io"]
  mirrors = ["HUB"]
[registry."HUB"]
  http = true
`

// The daemon is in namespaces of its own, so that of its processes and mounts
// none outlives the shell, which is the first process there. The shell ends with
// its standard input: also when this process is killed.
const guard = `mount -t proc proc /proc || exit; "$0" --config "$1" </dev/null & read -r _; kill $! && { wait $! || true; }`

// Start starts a daemon that keeps all that it has in dir, whose name is short.
// What Docker Hub has is asked for at the registry hub.
func Start(ctx context.Context, p Programs, dir, hub string) (*Daemon, error) {
	d := &Daemon{programs: p, dir: dir}
	toml := strings.NewReplacer("DIR", dir, "HUB", hub, "RUNC", p.Runc, "UID", fmt.Sprint(os.Getuid()), "GID", fmt.Sprint(os.Getgid())).Replace(config)
	if err := os.MkdirAll(d.home(), 0o750); err != nil {
		return nil, err
	}
	if err := os.WriteFile(d.path("buildkitd.toml"), []byte(toml), 0o600); err != nil {
		return nil, err
	}
	args := append([]string{"-i"}, environment(d.home())...)
	args = append(args, "unshare", "--mount", "--pid", "--fork", "sh", "-c", guard, p.Buildkitd, d.path("buildkitd.toml"))
	d.cmd = asRoot(context.WithoutCancel(ctx), "env", args...)
	d.cmd.Dir = dir
	d.cmd.Stdout, d.cmd.Stderr = &d.log, &d.log
	stdin, err := d.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	d.alive = stdin
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start buildkitd: %w", err)
	}
	for _, cmd := range []*exec.Cmd{
		d.Buildctl(ctx, "--wait", "debug", "workers"),
		d.Buildx(ctx, "create", "--name", "real", "--driver", "remote", "unix://"+d.path("socket")),
	} {
		if out, err := cmd.CombinedOutput(); err != nil {
			err = fmt.Errorf("%s: %w\n%s", cmd, err, out)
			return nil, errors.Join(err, d.Close())
		}
	}
	return d, nil
}

func (d *Daemon) path(name string) string { return filepath.Join(d.dir, name) }
func (d *Daemon) home() string            { return d.path("home") }

// Env returns the variables that make buildx use the daemon.
func (d *Daemon) Env() []string {
	return []string{"BUILDX_CONFIG=" + d.path("buildx"), "BUILDX_BUILDER=real"}
}

// Buildctl prepares a command of buildctl.
func (d *Daemon) Buildctl(ctx context.Context, args ...string) *exec.Cmd {
	return d.client(ctx, d.programs.Buildctl, append([]string{"--addr", "unix://" + d.path("socket")}, args...)...)
}

// Buildx prepares a command of buildx.
func (d *Daemon) Buildx(ctx context.Context, args ...string) *exec.Cmd {
	return d.client(ctx, d.programs.Buildx, args...)
}

func (d *Daemon) client(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // what the environment names
	cmd.Env = environment(d.home(), d.Env()...)
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// Close ends the daemon and removes what it kept. It returns what the daemon
// wrote, if it did not end as it should.
func (d *Daemon) Close() error {
	err := d.alive.Close()
	// The shell's exit code is the daemon's, which is told to end by a signal.
	if wait := d.cmd.Wait(); wait != nil && d.cmd.ProcessState.ExitCode() != 143 {
		err = errors.Join(err, fmt.Errorf("buildkitd: %w\n%s", wait, &d.log))
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if out, rm := asRoot(ctx, "rm", "-rf", d.path("root")).CombinedOutput(); rm != nil {
		err = errors.Join(err, fmt.Errorf("remove what buildkitd kept: %w\n%s", rm, out))
	}
	return err
}
