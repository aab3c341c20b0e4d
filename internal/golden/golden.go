// Package golden compares output with a file beside the test.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files")

// Equal fails t unless got is the text of file, and shows the first line that
// differs. With -update it writes got there instead.
func Equal(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	body, err := os.ReadFile(file) //nolint:gosec // the test names it
	if err != nil {
		t.Fatalf("%v (run with -update to write it)", err)
	}
	want := string(body)
	if got == want {
		return
	}
	line, gotLine, wantLine := differ(got, want)
	t.Errorf("%s, line %d (run with -update to accept)\ngot:  %q\nwant: %q", file, line, gotLine, wantLine)
}

// differ returns the first line, from 1, in which two different texts differ.
// Where one text has ended, its line is "".
func differ(a, b string) (line int, ofA, ofB string) {
	for line = 1; ; line++ {
		var moreA, moreB bool
		ofA, a, moreA = strings.Cut(a, "\n")
		ofB, b, moreB = strings.Cut(b, "\n")
		if ofA != ofB || moreA != moreB || !moreA {
			return line, ofA, ofB
		}
	}
}
