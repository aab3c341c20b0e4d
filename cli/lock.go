package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/report"
)

// A lockFile is the trust lock of a run. The zero lockFile is none.
type lockFile struct {
	name  string // "" where there is no lock
	lock  *policy.Lock
	how   policy.UpdateLock
	isNew bool
}

// openLock reads the lock, which may not be there yet. all is whether the run
// sees every image of the workspace.
func (p *policyFlags) openLock(c Command, all bool) (lockFile, error) {
	const next = "name the lock's own file, in a folder that exists"
	if p.lock == "" {
		return lockFile{}, nil
	}
	l := lockFile{name: c.path(p.lock), lock: &policy.Lock{}, how: policy.UpdateLock{Replace: p.updateLock, Prune: p.updateLock && all}}
	if leads(l.name) {
		return l, usagef("--lock", next, "%s is a link, and whoever wrote it chose the file that would be overwritten", p.lock)
	}
	body, err := readPolicy(l.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.isNew = true
		if info, err := os.Stat(filepath.Dir(l.name)); err != nil || !info.IsDir() {
			return l, usagef("--lock", next, "there is no folder for %s", p.lock)
		}
		return l, nil
	case err != nil:
		return l, usagef("--lock", next, "%w", err)
	}
	if l.lock, err = policy.ReadLock(p.lock, body); err != nil {
		return l, usagef("--lock", "take the file from the last commit, or remove it and lock again with --update-lock after a look at who signs", "%w", err)
	}
	return l, nil
}

// hold returns rules that hold images to the lock, unless it is to be updated.
func (l lockFile) hold(rules gate.Rules) gate.Rules {
	if l.name == "" || l.how.Replace {
		return rules
	}
	return l.lock.Hold(rules)
}

// keep writes what a run that passed saw. A lock is replaced as a whole: a half
// one would let others change unnoticed.
func (l lockFile) keep(r gate.Report) ([]report.Warning, error) {
	if l.name == "" {
		return nil, nil
	}
	text, changes, err := l.lock.Update(r, l.how)
	if err != nil || text == nil {
		return nil, err
	}
	file, err := os.CreateTemp(filepath.Dir(l.name), ".boltseal-lock-")
	if err != nil {
		return nil, fmt.Errorf("write the lock: %w", err)
	}
	_, err = file.Write(text)
	err = errors.Join(err, file.Chmod(0o644), file.Close()) // it is committed, and others read it
	if err == nil {
		err = os.Rename(file.Name(), l.name)
	}
	if err != nil {
		return nil, fmt.Errorf("write the lock: %w", errors.Join(err, os.Remove(file.Name())))
	}
	said := fmt.Sprintf("the lock %s is new: commit it", filepath.Base(l.name))
	if !l.isNew {
		said = fmt.Sprintf("the lock %s was written (%d added, %d changed, %d removed): look at the difference, and commit it", filepath.Base(l.name), changes.Added, changes.Changed, changes.Removed)
	}
	return []report.Warning{{Text: said}}, nil
}
