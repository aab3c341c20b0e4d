package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/boltseal/boltseal/scan"
)

// An overlay is a file system like any other, and like the real one once the
// texts are written.
func TestOverlay(t *testing.T) {
	t.Parallel()
	texts := map[string][]byte{"a/Dockerfile": []byte("FROM alpine@sha256:…\n"), "Dockerfile": nil}
	before, after := t.TempDir(), t.TempDir()
	for i, dir := range []string{before, after} {
		body := func(name string) []byte {
			if i == 1 {
				return texts[name]
			}
			return []byte("FROM alpine")
		}
		if err := errors.Join(
			os.MkdirAll(filepath.Join(dir, "a", "b"), 0o750),
			os.WriteFile(filepath.Join(dir, "a", "Dockerfile"), body("a/Dockerfile"), 0o600),
			os.WriteFile(filepath.Join(dir, "Dockerfile"), body("Dockerfile"), 0o600),
			os.WriteFile(filepath.Join(dir, "other"), []byte("other"), 0o600),
			os.Symlink("a", filepath.Join(dir, "folder")),
			os.Symlink("../../Dockerfile", filepath.Join(dir, "a", "b", "up")),
			os.Symlink("folder/Dockerfile", filepath.Join(dir, "link")),
			os.Symlink("/etc/passwd", filepath.Join(dir, "out")),
			os.Symlink("../x", filepath.Join(dir, "above")),
			os.Symlink("round", filepath.Join(dir, "round")),
			os.Symlink("none", filepath.Join(dir, "nowhere")),
		); err != nil {
			t.Skip(err)
		}
	}
	over, plain := overlay{os.DirFS(before), texts}, os.DirFS(after)
	if root, err := os.OpenRoot(before); err == nil {
		defer root.Close() //nolint:errcheck // only read
		over.FS = root.FS()
	}
	for _, name := range []string{
		"Dockerfile", "a/Dockerfile", "folder/Dockerfile", "link", "a/b/up", "folder/b/up", "other", "a", "folder", "round", "nowhere", "none", "a/b", ".",
	} {
		got, gotErr := fs.ReadFile(over, name)
		want, wantErr := fs.ReadFile(plain, name)
		if string(got) != string(want) || (gotErr == nil) != (wantErr == nil) {
			t.Errorf("%s: %q, %v; want %q, %v", name, got, gotErr, want, wantErr)
		}
		scanned, scanErr := scan.ReadFile(over, name)
		if (scanErr == nil) != (wantErr == nil) || string(scanned) != string(want) {
			t.Errorf("%s: a scan reads %q, %v", name, scanned, scanErr)
		}
		for what, stat := range map[string]func(fs.FS, string) (fs.FileInfo, error){"stat": fs.Stat, "lstat": fs.Lstat} {
			got, gotErr := stat(over, name)
			want, wantErr := stat(plain, name)
			if (gotErr == nil) != (wantErr == nil) {
				t.Errorf("%s %s: %v, want %v", what, name, gotErr, wantErr)
			} else if wantErr == nil && (got.Mode() != want.Mode() || !got.IsDir() && got.Size() != want.Size()) {
				t.Errorf("%s %s: %v %d, want %v %d", what, name, got.Mode(), got.Size(), want.Mode(), want.Size())
			}
		}
		gotLink, gotErr := fs.ReadLink(over, name)
		wantLink, wantErr := fs.ReadLink(plain, name)
		if gotLink != wantLink || (gotErr == nil) != (wantErr == nil) {
			t.Errorf("readlink %s: %q, %v; want %q, %v", name, gotLink, gotErr, wantLink, wantErr)
		}
		gotDir, gotErr := fs.ReadDir(over, name)
		wantDir, wantErr := fs.ReadDir(plain, name)
		if len(gotDir) != len(wantDir) || (gotErr == nil) != (wantErr == nil) {
			t.Errorf("readdir %s: %v, %v; want %v, %v", name, gotDir, gotErr, wantDir, wantErr)
		}
	}
	for _, name := range []string{"out", "above", "../x", "/x"} {
		if body, err := fs.ReadFile(over, name); err == nil {
			t.Errorf("%s: %q", name, body)
		}
	}
	// What fstest asks for cannot be had with links that lead nowhere.
	for _, name := range []string{"out", "above", "round", "nowhere"} {
		if err := os.Remove(filepath.Join(before, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := fstest.TestFS(over, "Dockerfile", "a/Dockerfile", "link", "folder", "a/b/up"); err != nil {
		t.Error(err)
	}
}
