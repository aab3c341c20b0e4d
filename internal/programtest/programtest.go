// Package programtest has what tests run as processes: programs that are built
// for them, and those of others, which the environment names.
package programtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// prebuilt names boltseal, where it was built before: by .ci/run, once for all
// tests of one checkout.
const prebuilt = "BOLTSEAL_PROGRAM"

// Boltseal returns the path of boltseal, built into dir as releases are but for the
// names that debuggers need. root is the folder of its module.
func Boltseal(root, dir string) (string, error) {
	if program := os.Getenv(prebuilt); program != "" {
		return program, nil
	}
	return Build(root, ".", filepath.Join(dir, "boltseal"))
}

// Build builds the program of the package name, which is relative to folder, and
// returns its path.
func Build(folder, name, program string) (string, error) {
	cmd := exec.Command("go", "build", "-tags", "grpcnotrace", "-o", program, name) //nolint:gosec,noctx // our own programs
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return program, nil
}

// NotChecked leaves a test out, of which why says what this machine lacks. In CI
// that is a failure.
func NotChecked(t testing.TB, why error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("not checked: ", why)
	}
	t.Skip("not checked: ", why)
}

// Found returns the path of a program of this machine.
func Found(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		NotChecked(t, err)
	}
	return path
}

// Named returns what a variable of the environment names, such as a program, or
// the folder of some. what says what it has to be.
func Named(t testing.TB, variable, what string) string {
	t.Helper()
	named := os.Getenv(variable)
	if named == "" {
		NotChecked(t, fmt.Errorf("%s does not name %s", variable, what))
	}
	return named
}

// Main runs tests as run does, which gets a folder that is gone afterwards, and
// ends the process with their exit code, or 1 and the error.
func Main(run func(dir string) (code int, err error)) {
	code, err := inFolder(run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func inFolder(run func(dir string) (int, error)) (code int, err error) {
	dir, err := os.MkdirTemp("", "boltseal-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return run(dir)
}
