package builder

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// BuildahIn prepares a command of buildah that keeps all that it has in dir.
// CloseBuildah removes it.
func (p Programs) BuildahIn(ctx context.Context, dir string, args ...string) (*exec.Cmd, error) {
	home := filepath.Join(dir, "home")
	if err := os.MkdirAll(home, 0o750); err != nil {
		return nil, err
	}
	all := append([]string{"-i"}, environment(home)...)
	all = append(all, p.Buildah, "--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "vfs")
	cmd := asRoot(ctx, "env", append(all, args...)...)
	cmd.WaitDelay = 10 * time.Second
	return cmd, nil
}

// CloseBuildah removes what buildah kept in dir, and gives the rest, which is
// root's, to who runs this.
func CloseBuildah(ctx context.Context, dir string) error {
	if err := asRoot(ctx, "rm", "-rf", filepath.Join(dir, "root"), filepath.Join(dir, "run")).Run(); err != nil {
		return err
	}
	return asRoot(ctx, "chown", "-R", fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()), dir).Run()
}
