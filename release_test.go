package main_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// sources copies what a release is built from, and its script.
func sources(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // somebody else's temporary file
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if rel == "dist" || rel == "testdata" || strings.HasPrefix(rel, ".") && rel != "." {
				return fs.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, rel), 0o750)
		}
		if !d.Type().IsRegular() || strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		body, err := os.ReadFile(name) //nolint:gosec // our own checkout
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), body, 0o600) //nolint:gosec // in a test's folder
	})
	if err != nil {
		t.Fatal(err)
	}
}

// release runs a checkout's release.sh in dir.
func release(t *testing.T, root, dir string, env []string, args ...string) (code int, out string) {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil || runtime.GOOS == "windows" {
		t.Skip("not checked: releases are built with bash")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bash, append([]string{filepath.Join(root, "scripts", "release.sh")}, args...)...) //nolint:gosec // the script under test
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		t.Fatal(err)
	}
	return code, string(text)
}

// The same sources give the same bytes: in another folder, under another name
// of the folder's and with other settings of the user's.
func TestReleaseReproducible(t *testing.T) {
	t.Parallel()
	if raced || testing.Short() {
		t.Skip("builds boltseal twice, without the race detector")
	}
	host := runtime.GOOS + "/" + runtime.GOARCH
	name := "boltseal_" + runtime.GOOS + "_" + runtime.GOARCH
	if !slices.Contains(releaseFiles, name) {
		t.Skip("not checked: there is no release for", host)
	}
	here, there := filepath.Join(t.TempDir(), "here"), filepath.Join(t.TempDir(), "a", "folder there")
	sources(t, ".", here)
	sources(t, here, there)

	// Both ways to be called: from the root, and from elsewhere.
	if code, out := release(t, here, here, nil, "--only", host); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	settings := filepath.Join(t.TempDir(), "goenv")
	write(t, settings, "GOFLAGS=-tags=another\nGOAMD64=v3\nGOEXPERIMENT=jsonv2\nGOFIPS140=latest\n", 0o600)
	elsewhere := t.TempDir()
	env := []string{"GOENV=" + settings, "GOFLAGS=-tags=other", "GOAMD64=v2", "GOARM64=v8.1", "CGO_ENABLED=1", "GOOS=plan9", "GOARCH=386", "GOEXPERIMENT=none such", "GOFIPS140=latest"}
	if code, out := release(t, there, elsewhere, env, "--only", host, "some dist"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	first, second := filepath.Join(here, "dist"), filepath.Join(elsewhere, "some dist")
	for _, file := range []string{name, "checksums.txt"} {
		a, err := os.ReadFile(filepath.Join(first, file))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(second, file))
		if err != nil {
			t.Fatal(err)
		}
		if string(a) != string(b) || len(a) == 0 {
			t.Errorf("%s: %d bytes with sha256 %s, and %d bytes with sha256 %s", file, len(a), sha256Hex(string(a)), len(b), sha256Hex(string(b)))
		}
		if want := sha256Hex(string(a)) + "  " + name + "\n"; file == name {
			if sums, err := os.ReadFile(filepath.Join(first, "checksums.txt")); err != nil || string(sums) != want {
				t.Errorf("checksums.txt is %q (%v), want %q", sums, err, want)
			}
		}
	}
	version, err := exec.CommandContext(t.Context(), filepath.Join(first, name), "version").Output() //nolint:gosec // what was built
	if err != nil || !strings.HasPrefix(string(version), "boltseal ") {
		t.Errorf("boltseal version: %q (%v)", version, err)
	}
}

// The committed checksums are those of the six programs, in the form that
// install.sh accepts.
func TestReleaseChecksums(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("checksums.txt")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	form := regexp.MustCompile(`^[0-9a-f]{64}  ([0-9A-Za-z._]+)$`)
	sums := map[string]bool{}
	for line := range strings.Lines(string(body)) {
		text, ended := strings.CutSuffix(line, "\n")
		match := form.FindStringSubmatch(text)
		if match == nil || !ended {
			t.Fatalf("%q is not a sha256, two spaces and a name", line)
		}
		names = append(names, match[1])
		sums[text[:64]] = true
	}
	if !slices.Equal(names, releaseFiles) {
		t.Errorf("checksums of %q, want %q", names, releaseFiles)
	}
	if len(sums) != len(releaseFiles) {
		t.Errorf("%d different checksums, want %d", len(sums), len(releaseFiles))
	}
}

// A go command that builds a file of three words, and writes down how.
const fakeGo = `case $1 in
env) if [ "$2" = GOVERSION ]; then echo "${FAKE_GO:-$GOTOOLCHAIN}"; fi ;;
build)
  echo "$GOOS/$GOARCH $GOAMD64 $GOARM64 cgo=$CGO_ENABLED flags=$GOFLAGS work=$GOWORK env=$GOENV experiment=$GOEXPERIMENT: $@" >>"$FAKE_LOG"
  while [ "$1" != -o ]; do shift; done
  echo "$GOOS $GOARCH $(cat cli/VERSION)" >"$2" ;;
*) exit 9 ;;
esac
`

// Everything but the compiler.
func TestReleaseScript(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("not checked: the tests' go command is a shell script")
	}
	root := filepath.Join(t.TempDir(), "a root")
	for _, name := range []string{"scripts/release.sh", "cli/VERSION", "go.mod"} {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, name), string(body), 0o600)
	}
	dist, committed := filepath.Join(root, "dist"), filepath.Join(root, "checksums.txt")
	path, log := "PATH="+before(t, "go", fakeGo), filepath.Join(t.TempDir(), "log")
	version := `go1\.[0-9]+\.[0-9]+`

	run := func(wantCode int, want string, env []string, args ...string) {
		t.Helper()
		code, out := release(t, root, t.TempDir(), append([]string{path, "FAKE_LOG=" + log}, env...), args...)
		if code != wantCode || !regexp.MustCompile(want).MatchString(out) {
			t.Fatalf("release.sh %q: exit code %d, want %d and %s\n%s", args, code, wantCode, want, out)
		}
	}
	run(0, `^Usage: scripts/release\.sh .*\n`, nil, "--help")
	run(2, `^release\.sh: there is no flag --chekc; see --help\n$`, nil, "--chekc")
	run(2, `^release\.sh: --only wants one of linux/amd64 `, nil, "--only")
	run(2, `^release\.sh: --only wants one of linux/amd64 `, nil, "--only", "linux/386")
	run(2, `^release\.sh: --only wants one of linux/amd64 `, nil, "--only", "linux/amd64 linux/arm64")
	run(2, `^release\.sh: name one folder\n$`, nil, "a", "b")
	run(2, `^release\.sh: name one folder\n$`, nil, "")
	run(2, `^release\.sh: --check and --update exclude each other\n$`, nil, "--check", "--update")
	run(2, `^release\.sh: --update wants all platforms: `, nil, "--update", "--only", "linux/amd64")
	run(2, `^release\.sh: `+version+` is needed, this is go1\.26\.7: another compiler gives other bytes\n$`, []string{"FAKE_GO=go1.26.7"}, "--update")
	run(2, `this is go1\.26\.8-custom: another compiler`, []string{"FAKE_GO=go1.26.8-custom"}, "--update")
	if _, err := os.Stat(dist); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("something was built: %v", err)
	}

	run(0, `(?s)^boltseal_linux_amd64\n.*\n[0-9a-f]{64}  boltseal_windows_arm64\.exe\n$`, nil, "--update")
	how := "linux/amd64 v1 v8.0 cgo=0 flags= work=off env=off experiment=: build -tags grpcnotrace -trimpath -buildvcs=false -ldflags -s -w -buildid= -o " +
		filepath.Join(dist, linux64) + " .\n"
	if got := read(t, log); !strings.HasPrefix(got, how) {
		t.Errorf("built\n%swant one to be\n%s", got, how)
	}
	sums := read(t, committed)
	var want strings.Builder
	for _, name := range releaseFiles {
		want.WriteString(sha256Hex(read(t, filepath.Join(dist, name))) + "  " + name + "\n")
	}
	if sums != want.String() || sums != read(t, filepath.Join(dist, "checksums.txt")) {
		t.Fatalf("committed\n%swant\n%s", sums, &want)
	}
	run(0, "", nil, "--check")
	if err := os.Remove(committed); err != nil {
		t.Fatal(err)
	}
	run(1, `the committed checksums\.txt cannot be read\n$`, nil, "--check")
	write(t, committed, sums, 0o600)
	run(0, "", nil, "--check", "--only", "windows/arm64", "--only", "linux/amd64", filepath.Join(t.TempDir(), "other"))

	// A difference is shown, and only where it was looked for.
	lines := strings.SplitAfter(sums, "\n")
	other := strings.Repeat("0", 64) + lines[2][64:]
	write(t, committed, strings.Replace(sums, lines[2], other, 1), 0o600)
	differ := `< ` + regexp.QuoteMeta(other) + `---\n> ` + regexp.QuoteMeta(lines[2]) + `release\.sh: checksums\.txt differs: `
	run(1, differ, nil, "--check")
	run(1, differ, nil, "--check", "--only", "linux/amd64")
	run(0, "", nil, "--check", "--only", "linux/arm64")
	write(t, committed, strings.Replace(sums, lines[2], "", 1), 0o600)
	run(1, `> `+regexp.QuoteMeta(lines[2])+`release\.sh: `, nil, "--check")
	write(t, committed, sums+strings.Repeat("0", 64)+"  boltseal_plan9_386\n", 0o600)
	run(1, `< 0{64}  boltseal_plan9_386\n`, nil, "--check")
	write(t, committed, sums+lines[0], 0o600)
	run(1, `< `+regexp.QuoteMeta(lines[0]), nil, "--check")

	// go.mod's toolchain is the one, where it names one.
	write(t, filepath.Join(root, "go.mod"), "module x\n\ngo 1.99.0\n\ntoolchain go1.99.1\n", 0o600)
	run(2, `go1\.99\.1 is needed, this is go1\.26\.8`, []string{"FAKE_GO=go1.26.8"}, "--check")
	run(0, "", nil, "--update")

	// A build that fails leaves no checksums of another one.
	write(t, filepath.Join(strings.TrimPrefix(filepath.SplitList(path)[0], "PATH="), "go"),
		"#!/bin/sh\ncase $1 in env) [ $2 != GOVERSION ] || echo $GOTOOLCHAIN ;; *) exit 1 ;; esac\n", 0o700)
	write(t, committed, sums, 0o600)
	run(1, "", nil, "--update")
	if _, err := os.Stat(filepath.Join(dist, "checksums.txt")); !errors.Is(err, fs.ErrNotExist) || read(t, committed) != sums {
		t.Errorf("a build that failed wrote checksums: %v", err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
