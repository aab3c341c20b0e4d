package program

import "testing"

func TestBeginning(t *testing.T) {
	t.Parallel()
	b := beginning{most: 3}
	for _, p := range []string{"a", "bc", "", "d", "efg"} {
		if n, err := b.Write([]byte(p)); n != len(p) || err != nil {
			t.Fatalf("Write(%q) = %d, %v", p, n, err)
		}
		if cut := p == "d" || p == "efg"; b.cut != cut {
			t.Errorf("after %q cut is %v", p, b.cut)
		}
	}
	if string(b.kept) != "abc" {
		t.Errorf("kept %q", b.kept)
	}
}
