package memo

import "testing"

func TestMemo(t *testing.T) {
	t.Parallel()
	m := New[int](2)
	a := m.At("a")
	*a = 1
	if m.At("a") != a {
		t.Error("a is forgotten at once")
	}
	m.At("b")
	if m.At("a") != a {
		t.Error("a is forgotten before the Memo is full")
	}
	m.At("c")
	if *m.At("a") != 0 {
		t.Error("the oldest is kept although the Memo is full")
	}
	b := New[int](2)
	*b.At("x") = 1
	b.Forget("x")
	b.Forget("x")
	if *b.At("x") != 0 {
		t.Error("x is kept although it was to be forgotten")
	}
	for i := range 10 {
		b.At(string(rune('a' + i)))
		b.Forget(string(rune('a' + i)))
	}
	if len(b.known) > 2 || len(b.order) > 2 {
		t.Errorf("%d values and %d keys are kept, at most 2 allowed", len(b.known), len(b.order))
	}
}
