package main

import (
	"strings"
	"testing"
)

// The demo shows what it says, scene by scene; run itself checks each.
func TestDemo(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if strings.Contains(out.String(), "127.0.0.1") && strings.Count(out.String(), "127.0.0.1") > 1 {
		t.Error("the registry's address is not replaced everywhere")
	}
}
