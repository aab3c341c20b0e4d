// Package notation_test runs boltseal beside notation, the command line of the
// Notary Project: what one of them signs the other verifies, and what one
// refuses the other does, too.
//
// Both are run as processes, and share nothing but the registry and the files
// that they are given.
package notation_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// What all tests share. TestMain sets it before the first one.
var (
	boltseal string // path of the program

	builtPlugin func() (path string, err error)
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "boltseal-notation-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	build := func(folder, name, program string) (string, error) {
		program = filepath.Join(dir, program)
		cmd := exec.Command("go", "build", "-tags", "grpcnotrace", "-o", program, name) //nolint:gosec,noctx // our own programs
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
		return program, nil
	}
	if boltseal, err = build(filepath.Join("..", ".."), ".", "boltseal"); err != nil {
		return 0, err
	}
	builtPlugin = sync.OnceValues(func() (string, error) { return build(".", "./plugin", "notation-e2e") })
	return m.Run(), nil
}

// notationProgram returns the path of the program that BOLTSEAL_NOTATION names.
// Without it the test is skipped, but not in CI.
func notationProgram(t *testing.T) string {
	t.Helper()
	program := os.Getenv("BOLTSEAL_NOTATION")
	if program == "" {
		const text = "not checked: BOLTSEAL_NOTATION does not name notation, which build.sh builds"
		if os.Getenv("CI") == "true" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	return program
}
