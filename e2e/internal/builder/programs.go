// Package builder runs real builders, on this machine alone: BuildKit's daemon
// with its two clients, and buildah.
package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Programs are the paths of the programs that builds need.
type Programs struct {
	Buildkitd, Buildctl, Buildx string
	Frontend                    string // of docker/dockerfile
	Runc, Buildah               string
	Busybox                     string // needs no library
}

// Find returns the programs that the environment names, as .ci/run sets it. It
// fails where one is not named, and where nobody may be root.
func Find(getenv func(string) string) (Programs, error) {
	p := Programs{
		Buildkitd: getenv("BOLTSEAL_BUILDKITD"), Buildctl: getenv("BOLTSEAL_BUILDCTL"), Buildx: getenv("BOLTSEAL_BUILDX"), Frontend: getenv("BOLTSEAL_FRONTEND"),
		Runc: getenv("BOLTSEAL_RUNC"), Buildah: getenv("BOLTSEAL_BUILDAH"), Busybox: getenv("BOLTSEAL_BUSYBOX"),
	}
	for _, path := range []string{p.Buildkitd, p.Buildctl, p.Buildx, p.Frontend, p.Runc, p.Buildah, p.Busybox} {
		if path == "" {
			return p, errors.New("BOLTSEAL_BUILDKITD, _BUILDCTL, _BUILDX, _FRONTEND, _RUNC, _BUILDAH and _BUSYBOX do not all name a program, as .ci/run makes them do")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if out, err := asRoot(ctx, "true").CombinedOutput(); err != nil {
		return p, fmt.Errorf("builders run as root: sudo -n true: %w\n%s", err, out)
	}
	return p, nil
}

// asRoot prepares a command of root's.
func asRoot(ctx context.Context, name string, args ...string) *exec.Cmd {
	if os.Geteuid() == 0 {
		return exec.CommandContext(ctx, name, args...) //nolint:gosec // what the environment names
	}
	return exec.CommandContext(ctx, "sudo", append([]string{"-n", name}, args...)...) //nolint:gosec // as above
}

// environment is all that a program sees of this process's, which may itself be
// that of a workflow.
func environment(home string, more ...string) []string {
	// Debian has runc, and more, where the PATH of its users may not lead.
	path := strings.Join([]string{os.Getenv("PATH"), "/usr/sbin", "/sbin"}, string(os.PathListSeparator))
	return append([]string{"PATH=" + path, "HOME=" + home, "TMPDIR=" + filepath.Dir(home)}, more...)
}
