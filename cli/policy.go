package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
)

// policyName is the policy file that is read where nothing else says who must
// have signed.
const policyName = ".boltseal.yaml"

// policyFlags say by which rules images are judged, and what was seen before.
type policyFlags struct {
	policy     string // a file, or the text of one
	publishers []string
	lock       string
	updateLock bool
}

func (p *policyFlags) register(f *pflag.FlagSet) {
	f.StringVar(&p.policy, "policy", "", "policy `FILE` that says who must have signed which image, or its text (default: "+policyName+" of the workspace)")
	f.StringArrayVar(&p.publishers, "publisher", nil, "built-in rules of the publisher `NAME`, without a policy file; boltseal policy publishers lists them; repeatable")
}

func (p *policyFlags) registerLock(f *pflag.FlagSet) {
	f.StringVar(&p.lock, "lock", "", "`FILE` that remembers who signed each image; another signer fails, even if the policy would accept it")
	f.BoolVar(&p.updateLock, "update-lock", false, "write into the lock whom this run finds, instead of holding it to what it says")
}

// sound checks the flags that stand for themselves.
func (p *policyFlags) sound() error {
	switch {
	case p.updateLock && p.lock == "":
		return usagef("--update-lock", "add --lock FILE", "there is no lock to update")
	case p.policy != "" && strings.TrimSpace(p.policy) == "":
		return usagef("--policy", "name a policy file, or leave the flag out", "it has nothing but blanks")
	case p.policy != "" && len(p.publishers) > 0:
		return usagef("--publisher", "list the publisher in the policy, as publishers: [NAME]", "with --policy, the policy says which publishers count")
	}
	return nil
}

// source returns the name and the text of the policy file, "" for both where
// there is none.
func (p *policyFlags) source(c Command) (name string, body []byte, err error) {
	given := strings.TrimSpace(p.policy)
	switch {
	case strings.ContainsFunc(given, endsLine), strings.HasPrefix(given, "{"):
		return "policy", []byte(p.policy), nil
	case given != "":
		if body, err = c.readPolicy(c.path(given), givenByUser); err != nil {
			return "", nil, usagef("--policy", "name a policy file; boltseal policy init writes a first one", "%w", err)
		}
		return filepath.ToSlash(given), body, nil
	}
	if len(p.publishers) > 0 {
		return "", nil, nil
	}
	return defaultPolicy(c)
}

// path returns a path that is relative to the workspace as one that can be
// opened.
func (c Command) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.Dir, name)
}

// defaultPolicy reads the policy file of the workspace: that of the current
// folder, or else that of the repository around it.
func defaultPolicy(c Command) (name string, body []byte, err error) {
	base, err := filepath.Abs(cmp.Or(c.Dir, "."))
	if err != nil {
		return "", nil, err
	}
	for _, dir := range []string{base, repository(base, base)} {
		misnamed := filepath.Join(dir, ".boltseal.yml")
		if _, err := os.Lstat(misnamed); err == nil {
			return "", nil, usagef(slashed(base, misnamed), "rename it to "+policyName, "a policy file of this name is not read, and whoever wrote it may believe that it is")
		}
		file := filepath.Join(dir, policyName)
		if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		body, err := c.readPolicy(file, givenByPolicy)
		if err != nil {
			return "", nil, usagef(policyName, "see whether the policy file may be read, or name another one with --policy", "%w", err)
		}
		return slashed(base, file), body, nil
	}
	return "", nil, nil
}

// A giver is who gave the name of a file that is read.
type giver int

const (
	givenByUser   giver = iota
	givenByPolicy       // or by nobody: it was looked for
)

// within returns the repository around the workspace, and the path of a file in
// it, "" for one that is elsewhere.
func (c Command) within(name string) (dir, inside string, err error) {
	base, err := filepath.Abs(cmp.Or(c.Dir, "."))
	if err != nil {
		return "", "", err
	}
	full, err := filepath.Abs(name)
	if err != nil {
		return "", "", err
	}
	dir = repository(base, base)
	if inside, err = filepath.Rel(dir, full); err != nil || !filepath.IsLocal(inside) {
		inside = ""
	}
	return dir, inside, nil
}

// inRepository reports whether a policy of that name is a file of the
// repository.
func (c Command) inRepository(name string) bool {
	full := c.path(filepath.FromSlash(name))
	_, inside, err := c.within(full)
	if _, there := os.Lstat(full); there != nil {
		return false // it was written out, and has a name of ours
	}
	return err == nil && inside != ""
}

// readPolicy reads a policy, or a file that a policy names. Where anybody may
// have written the policy, it is one of the repository, whatever links there
// are: messages quote what cannot be read as a policy, and the runner has files
// that are nobody's business.
func (c Command) readPolicy(name string, by giver) ([]byte, error) {
	if !c.anybodys() {
		return readPolicy(name)
	}
	dir, inside, err := c.within(name)
	if err != nil {
		return nil, err
	}
	if inside == "" {
		if by == givenByUser {
			return readPolicy(name)
		}
		return nil, fmt.Errorf("%s is no file of the repository, and others are not read on pull_request_target", name)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // only read
	info, err := root.Stat(inside)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file", name)
	}
	if err == nil && info.Size() > maxText {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxText)
	}
	if err != nil {
		return nil, err
	}
	return root.ReadFile(inside)
}

// readPolicy reads a regular file: one that never ends is no policy.
func readPolicy(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file", name)
	}
	if err != nil {
		return nil, err
	}
	return readBounded(name, maxText)
}
