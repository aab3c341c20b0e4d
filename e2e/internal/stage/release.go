// Package stage builds what a run of the whole Action needs, on this machine
// alone: a release of the program as it is in this tree, a mirror that serves
// it, and images in a registry that a Sigstore in memory signs.
package stage

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// A Release is the program as scripts/release.sh builds it for this machine.
type Release struct {
	Name    string // of the program's file in the release
	Path    string // of that file
	Version string
	Program []byte // the bytes of that file

	root string // of the tree
	sums string // path of checksums.txt
}

// Build builds the release of the tree at root, in dir.
func Build(ctx context.Context, root, dir string) (Release, error) {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	cmd := exec.CommandContext(ctx, "bash", filepath.Join(root, "scripts", "release.sh"), "--only", platform, dir) //nolint:gosec // our own script
	if out, err := cmd.CombinedOutput(); err != nil {
		return Release{}, fmt.Errorf("scripts/release.sh: %w\n%s", err, out)
	}
	r := Release{root: root, sums: filepath.Join(dir, "checksums.txt"), Name: "boltseal_" + strings.ReplaceAll(platform, "/", "_")}
	if runtime.GOOS == "windows" {
		r.Name += ".exe"
	}
	r.Path = filepath.Join(dir, r.Name)
	var err error
	if r.Program, err = os.ReadFile(r.Path); err != nil {
		return Release{}, err
	}
	version, err := os.ReadFile(filepath.Join(root, "cli", "VERSION")) //nolint:gosec // our own tree
	r.Version = strings.TrimSpace(string(version))
	return r, err
}

// Checkout makes dir what a runner has of the Action at the commit of the
// release: its files, with the checksum of the program.
func (r Release) Checkout(dir string) error {
	if err := os.CopyFS(filepath.Join(dir, "scripts"), os.DirFS(filepath.Join(r.root, "scripts"))); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(dir, "cli"), 0o750); err != nil {
		return err
	}
	for to, from := range map[string]string{
		"action.yml":    filepath.Join(r.root, "action.yml"),
		"cli/VERSION":   filepath.Join(r.root, "cli", "VERSION"),
		"checksums.txt": r.sums,
	} {
		body, err := os.ReadFile(from) //nolint:gosec // our own tree
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, to), body, 0o600); err != nil { //nolint:gosec // the caller's own folder
			return err
		}
	}
	return nil
}

// Cached returns where the installer keeps the program in a tool cache.
func (r Release) Cached(toolCache string) string {
	label := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if label == "" {
		label = runtime.GOARCH
	}
	return filepath.Join(toolCache, "boltseal", r.Version, label, r.Name)
}
