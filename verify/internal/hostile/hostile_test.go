package hostile

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClip(t *testing.T) {
	t.Parallel()
	if got := Clip("short"); got != "short" {
		t.Errorf("%q", got)
	}
	if got := Clip(strings.Repeat("x", 199) + "ü" + strings.Repeat("y", 100)); len(got) > 210 || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
		t.Errorf("%q", got)
	}
}

func TestSafely(t *testing.T) {
	t.Parallel()
	want := errors.New("wrong")
	if err := Safely(func() error { return want }); !errors.Is(err, want) {
		t.Errorf("%v", err)
	}
	if err := Safely(func() error { return nil }); err != nil {
		t.Errorf("%v", err)
	}
	if err := Safely(func() error { panic("tripped") }); err == nil || !strings.HasPrefix(err.Error(), "malformed: ") {
		t.Errorf("%v", err)
	}
}
