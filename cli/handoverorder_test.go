package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/handover"
	"github.com/boltseal/boltseal/image"
)

// Of two files the second one comes first when they are opened and last when
// they are closed: the main one, which decides, is never open beside a second
// one of another run. Checks come before anything takes its place.
func TestHandoverOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	main, second := filepath.Join(dir, "p"), filepath.Join(dir, "p.data")
	read := func(name string) string {
		body, err := os.ReadFile(name)
		if err != nil {
			return err.Error()
		}
		return string(body)
	}
	checked := 0
	see := func(name, want string) func([]byte) error {
		return func([]byte) error {
			if checked++; read(name) != want {
				return errors.New(name + " is " + read(name) + ", want " + want)
			}
			return nil
		}
	}
	form := handover.Form{Name: "pair", Denies: true, Files: func(s handover.Set, _ handover.Options) ([]handover.File, error) {
		if s.Len() == 0 {
			return []handover.File{{Body: []byte("closed"), Check: see(second, "old")}, {Suffix: ".data", Body: []byte("none"), Check: see(main, "closed")}}, nil
		}
		return []handover.File{{Body: []byte("open"), Check: see(second, "none")}, {Suffix: ".data", Body: []byte("all"), Check: see(main, "closed")}}, nil
	}}
	for _, name := range []string{main, second} {
		if err := os.WriteFile(name, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	one, err := newTarget(Command{Dir: dir}, form, "p")
	if err != nil {
		t.Fatal(err)
	}
	h := &handovers{targets: []target{one}}
	if err := h.close(); err != nil || checked != 2 {
		t.Fatalf("closing: %v, %d checks", err, checked)
	}
	ref, err := image.Parse("registry.example/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	r := gate.Check(t.Context(), []image.Use{{Ref: ref}}, lenient{}, lenient{}, gate.Options{})
	if err := h.give(r); err != nil || checked != 4 || read(main) != "open" || read(second) != "all" {
		t.Fatalf("opening: %v, %d checks, %s and %s", err, checked, read(main), read(second))
	}
	// The main file cannot take its place: the second had taken its own.
	set, err := handover.New(r.Admitted())
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{os.WriteFile(second, []byte("none"), 0o600), os.Remove(main), os.MkdirAll(filepath.Join(main, "full"), 0o700)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	form.Files = func(handover.Set, handover.Options) ([]handover.File, error) {
		return []handover.File{{Body: []byte("open")}, {Suffix: ".data", Body: []byte("all")}}, nil
	}
	h.targets[0].form = form
	if err := h.replace(set); err == nil || !strings.Contains(err.Error(), main) || read(second) != "all" {
		t.Errorf("%v, %s", err, read(second))
	}
}
