// Package dct_test runs boltseal beside notary, the command line of Docker
// Content Trust, and a real notary-server with its signer: what one of them
// signs the other verifies, and what one has taken back both refuse.
//
// All of them are processes, which share nothing but a registry, the server and
// the files that they are given.
package dct_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/boltseal/boltseal/internal/programtest"
)

// What all tests share. TestMain sets it before the first one.
var (
	boltseal string // path of the program

	authority     func() (*certificates, error)
	notaryService func() (*service, error) // started when the first test asks for it
)

func TestMain(m *testing.M) {
	programtest.Main(func(dir string) (int, error) { return run(m, dir) })
}

func run(m *testing.M, dir string) (code int, err error) {
	if boltseal, err = programtest.Boltseal(filepath.Join("..", ".."), dir); err != nil {
		return 0, err
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

// notaryProgram returns the path of notary.
func notaryProgram(t *testing.T) string {
	t.Helper()
	return filepath.Join(programtest.Named(t, programs, "the folder that build.sh builds"), "notary")
}

// check ends the test on an error of what it only prepares or reads.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
