package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/boltseal/boltseal/registry"
)

// maxEvidence bounds an evidence file, in bytes.
const maxEvidence = 64 << 20

// A tape is an evidence file.
type tape struct {
	name     string // relative to the suite's dir
	replayer *registry.Replayer
	recorder *registry.Recorder
	useless  bool // nothing was answered that a case expects
}

// tape returns the evidence file of a case. Cases may share one.
func (s *suite) tape(t caseText, client *registry.Client, record bool) (*tape, error) {
	name := filepath.Clean(filepath.FromSlash(t.Evidence.Value))
	for _, have := range s.tapes {
		if have.name == name {
			return have, nil
		}
	}
	one := &tape{name: name}
	body, err := s.load(name)
	switch {
	case err == nil:
		if one.replayer, err = registry.Replay(body); err != nil {
			return nil, usagef(place(t.Evidence.At), "take it out of the way, and write it anew with --record", "%w", err)
		}
	case errors.Is(err, fs.ErrNotExist) && !record:
		return nil, usagef(place(t.Evidence.At), "write it with --record", "there is no file %s", t.Evidence)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, usagef(place(t.Evidence.At), "take it out of the way, and write it anew with --record", "%w", err)
	}
	if record {
		one.recorder = registry.Record(client)
	}
	s.tapes = append(s.tapes, one)
	return one, nil
}

// load reads an evidence file. It is within the folder of the cases, whatever
// links there are.
func (s *suite) load(name string) ([]byte, error) {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // only read
	info, err := root.Stat(name)
	if wrong := (*fs.PathError)(nil); errors.As(err, &wrong) {
		err = fmt.Errorf("read %s: %w", name, wrong.Err) // its Op is the name of a system call
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxEvidence {
		return nil, fmt.Errorf("%s is no file of at most %d bytes", name, maxEvidence)
	}
	return root.ReadFile(name)
}

// save writes what was recorded. A recording in which a registry gave no answer
// does not take the place of one in which it did.
func (s *suite) save() error {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // the files are closed
	for _, t := range s.tapes {
		if t.useless && t.replayer != nil {
			continue
		}
		body, err := t.recorder.Text()
		if err == nil {
			err = root.MkdirAll(filepath.Dir(t.name), 0o755)
		}
		if err == nil {
			err = root.WriteFile(t.name, body, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
