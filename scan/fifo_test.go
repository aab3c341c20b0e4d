//go:build unix

package scan_test

import (
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/boltseal/boltseal/scan"
)

// Nobody waits for the other end of what is no file.
func TestIrregularFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "a/x", "b/x", "c/Dockerfile->../a/Dockerfile", "d/x", "d/.git/x", "z/Dockerfile")
	for _, name := range []string{"a/Dockerfile", ".gitignore", "d/.git/index"} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	socket, err := new(net.ListenConfig).Listen(t.Context(), "unix", filepath.Join(dir, "b", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	fsys := root(t, dir)
	for _, files := range [][]string{nil, words("a/Dockerfile b/* c z/Dockerfile dockerfile:d")} {
		got, err := scan.Search{Formats: formats(), Files: files, Exclude: words("x")}.Find(fsys)
		if err != nil || got.Wrong != nil {
			t.Fatal(err, got.Wrong)
		}
		equal(t, "files", written(got.Files), words("dockerfile:a/Dockerfile dockerfile:b/Dockerfile dockerfile:c/Dockerfile dockerfile:z/Dockerfile"))
		for _, u := range scan.Scan(scan.Source{FS: fsys}, got.Files).Uses {
			want := map[string]string{"a/Dockerfile": "a named pipe is no regular file", "b/Dockerfile": "a socket is no regular file", "c/Dockerfile": "a named pipe is no regular file"}[u.At.File]
			if (u.Err != nil) != (want != "") || u.Err != nil && !strings.Contains(u.Err.Error(), want) {
				t.Errorf("%s: %v, want %q", u.At.File, u.Err, want)
			}
		}
	}
	if _, err := scan.Regular(fsys).Open("a/Dockerfile"); err == nil || err.Error() != "open a/Dockerfile: a named pipe is no regular file: put one in its place, or exclude it" {
		t.Error(err)
	}
}
