// Package signing_test runs boltseal against the servers that people sign with,
// and beside cosign, which people sign and verify with.
//
// The program and cosign are run as processes. Each test has a front of the one
// stack to itself, so that most of them run at the same time.
package signing_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/boltseal/boltseal/e2e/signing/sigstack"
)

// What all tests share. TestMain sets it before the first one.
var (
	stack    *sigstack.Stack
	boltseal string // path of the program

	generatedKey func() (dir string, err error) // a folder with cosign.key and cosign.pub
)

func TestMain(m *testing.M) {
	if sigstack.Child() {
		return
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if err := waitTogether(); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "boltseal-signing-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if boltseal, err = program(dir); err != nil {
		return 0, err
	}
	generatedKey = sync.OnceValues(func() (string, error) { return generateKey(filepath.Join(dir, "key")) })
	if stack, err = sigstack.Start(context.Background(), dir); err != nil {
		return 0, err
	}
	defer stack.Close()
	return m.Run(), nil
}

// program returns the path of boltseal: the one that .ci/run has built, or one
// that it builds into dir.
func program(dir string) (string, error) {
	if path := os.Getenv("BOLTSEAL_PROGRAM"); path != "" {
		return path, nil
	}
	path := filepath.Join(dir, "boltseal")
	build := exec.Command("go", "build", "-tags", "grpcnotrace", "-o", path, ".") //nolint:gosec,noctx // our own program
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return path, nil
}

// waitTogether lets more tests run at the same time than there are processors:
// what they do is mostly to wait for timeouts. Who says -parallel is obeyed.
func waitTogether() error {
	const name = "test.parallel"
	flag.Parse()
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == name })
	if said {
		return nil
	}
	return flag.Set(name, "64")
}

// generateKey has cosign 3 generate a key, which takes it a second to encrypt.
func generateKey(dir string) (string, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	command := exec.Command(os.Getenv("BOLTSEAL_COSIGN3"), "generate-key-pair") //nolint:gosec,noctx // what the tests run anyway
	command.Dir = dir
	command.Env = append(os.Environ(), "COSIGN_PASSWORD="+password)
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cosign generate-key-pair: %w\n%s", err, out)
	}
	return dir, nil
}
