// Package dct_test runs boltseal beside notary, the command line of Docker
// Content Trust, and a real notary-server with its signer: what one of them
// signs the other verifies, and what one has taken back both refuse.
//
// All of them are processes, which share nothing but a registry, the server and
// the files that they are given.
package dct_test

import (
	"context"
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

	authority     func() (*certificates, error)
	notaryService func() (*service, error) // started when the first test asks for it
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
	dir, err := os.MkdirTemp("", "boltseal-dct-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	boltseal = filepath.Join(dir, "boltseal")
	cmd := exec.Command("go", "build", "-tags", "grpcnotrace", "-o", boltseal, ".") //nolint:gosec,noctx // our own program
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build boltseal: %w\n%s", err, out)
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var started *service
	authority = sync.OnceValues(func() (*certificates, error) { return newCertificates(filepath.Join(dir, "certificates")) })
	notaryService = sync.OnceValues(func() (*service, error) {
		c, err := authority()
		if err != nil {
			return nil, err
		}
		s, err := startService(ctx, os.Getenv(programs), dir, c)
		if err == nil {
			started = s
		}
		return s, err
	})
	code = m.Run()
	if started != nil {
		if code != 0 {
			fmt.Fprintln(os.Stderr, started.logs())
		}
		err = started.close()
	}
	return code, err
}

// programs names the folder of notary, notary-server and notary-signer.
const programs = "BOLTSEAL_NOTARY"

// notaryProgram returns the path of notary. Without it the test is skipped, but
// not in CI.
func notaryProgram(t *testing.T) string {
	t.Helper()
	dir := os.Getenv(programs)
	if dir == "" {
		const text = "not checked: " + programs + " does not name the folder that build.sh builds"
		if os.Getenv("CI") == "true" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	return filepath.Join(dir, "notary")
}

// check ends the test on an error of what it only prepares or reads.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
