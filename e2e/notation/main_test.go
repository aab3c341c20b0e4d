// Package notation_test runs boltseal beside notation, the command line of the
// Notary Project: what one of them signs the other verifies, and what one
// refuses the other does, too.
//
// Both are run as processes, and share nothing but the registry and the files
// that they are given.
package notation_test

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/boltseal/boltseal/internal/programtest"
)

// What all tests share. TestMain sets it before the first one.
var (
	boltseal string // path of the program

	builtPlugin func() (path string, err error)
)

func TestMain(m *testing.M) {
	programtest.Main(func(dir string) (code int, err error) {
		if boltseal, err = programtest.Boltseal(filepath.Join("..", ".."), dir); err != nil {
			return 0, err
		}
		builtPlugin = sync.OnceValues(func() (string, error) {
			return programtest.Build(".", "./plugin", filepath.Join(dir, "notation-e2e"))
		})
		return m.Run(), nil
	})
}

// notationProgram returns the path of notation.
func notationProgram(t *testing.T) string {
	t.Helper()
	return programtest.Named(t, "BOLTSEAL_NOTATION", "notation, which build.sh builds")
}
