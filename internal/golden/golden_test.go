package golden

import (
	"os"
	"path/filepath"
	"testing"
)

func TestEqual(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "file.txt")
	*update = true
	Equal(t, file, "a\nb\n")
	*update = false
	Equal(t, file, "a\nb\n")
	if got, err := os.ReadFile(file); err != nil || string(got) != "a\nb\n" {
		t.Errorf("-update wrote %q (%v)", got, err)
	}
}

func TestDiffer(t *testing.T) {
	for _, tc := range []struct {
		a, b     string
		line     int
		ofA, ofB string
	}{
		{"x\n", "y\n", 1, "x", "y"},
		{"a\nx\n", "a\ny\n", 2, "x", "y"},
		{"a\n", "a\nb\n", 2, "", "b"},
		{"a\n", "a", 1, "a", "a"},
		{"", "a", 1, "", "a"},
	} {
		if line, ofA, ofB := differ(tc.a, tc.b); line != tc.line || ofA != tc.ofA || ofB != tc.ofB {
			t.Errorf("differ(%q, %q) = %d, %q, %q", tc.a, tc.b, line, ofA, ofB)
		}
	}
}
