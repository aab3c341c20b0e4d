package action

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"sync"
)

// What the runner takes from one step, in bytes of the file.
const (
	// MaxSummary is 1 MiB; the runner shows nothing of a larger summary.
	//
	// https://docs.github.com/actions/reference/workflow-commands-for-github-actions#step-isolation-and-limits
	MaxSummary = 1 << 20
	// MaxOutputs is the least that the 1 MB for all outputs of a job can come
	// to: they are counted in UTF-16.
	//
	// https://docs.github.com/actions/reference/workflow-syntax-for-github-actions#jobsjob_idoutputs
	MaxOutputs = 1 << 19
)

// A Pair is an output or a variable. Name matches [A-Za-z_][A-Za-z0-9_-]*;
// Value may hold anything.
type Pair struct{ Name, Value string }

// SetOutputs sets outputs of the step: all of them or, with an error, none. It
// does nothing where GITHUB_OUTPUT is not set or its file is not there. What is
// no UTF-8 in a value becomes U+FFFD. A name that no output can have, a name
// given twice and more than MaxOutputs are errors.
//
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions#setting-an-output-parameter
func (r *Runner) SetOutputs(pairs ...Pair) error { return r.set("GITHUB_OUTPUT", pairs) }

// SetEnv sets environment variables of the steps that follow, through
// GITHUB_ENV and as SetOutputs does. A value with a NUL is an error: no process
// could be started with it.
//
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions#setting-an-environment-variable
func (r *Runner) SetEnv(pairs ...Pair) error {
	for _, p := range pairs {
		if strings.ContainsRune(p.Value, 0) {
			return fmt.Errorf("write GITHUB_ENV: the value of %q holds a NUL", p.Name)
		}
	}
	return r.set("GITHUB_ENV", pairs)
}

// AppendSummary adds markdown to the summary of the job. It does nothing where
// GITHUB_STEP_SUMMARY is not set or its file is not there. A summary that would
// be larger than MaxSummary, with what the step has written already, is an
// error, and nothing is written. What is no UTF-8 becomes U+FFFD.
//
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions#adding-a-job-summary
func (r *Runner) AppendSummary(markdown string) error {
	return r.extend("GITHUB_STEP_SUMMARY", markdown, MaxSummary)
}

// set does not use go-githubactions: the delimiter of its SetOutput and SetEnv
// is the same in every program, so a value that holds it can add names of its
// own (CVE-2022-35954), and they panic where the variable is not set.
func (r *Runner) set(variable string, pairs []Pair) error {
	text, err := heredocs(pairs, "boltseal_"+rand.Text())
	if err != nil {
		return fmt.Errorf("write %s: %w", variable, err)
	}
	return r.extend(variable, text, MaxOutputs)
}

var pairName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`) })

// heredocs returns pairs in the runner's grammar. Where a line ends depends on
// the runner's platform, which may take \r\n for \n. Nothing does: a value ends
// at a line that is the delimiter, and cannot hold what it cannot know.
func heredocs(pairs []Pair, delimiter string) (string, error) {
	var b strings.Builder
	seen := map[string]bool{}
	for _, p := range pairs {
		name := strings.ToLower(p.Name) // the runner does not tell A from a
		switch {
		case !pairName().MatchString(p.Name):
			return "", fmt.Errorf("%q is no name", p.Name)
		case seen[name]:
			return "", fmt.Errorf("%q is set twice", p.Name)
		case strings.Contains(p.Value, delimiter):
			return "", fmt.Errorf("the value of %q holds the delimiter", p.Name)
		}
		seen[name] = true
		fmt.Fprintf(&b, "%s<<%s\n%s\n%s\n", p.Name, delimiter, p.Value, delimiter)
	}
	return b.String(), nil
}

// extend adds text to the file that variable names, in one write and in lines
// of its own, unless that has then more than most bytes.
func (r *Runner) extend(variable, text string, most int64) (err error) {
	name := r.env(variable)
	if name == "" || text == "" {
		return nil
	}
	// The runner makes the file. Where it is not there, this is a container
	// into which it was not mounted, and nobody would read another.
	f, err := os.OpenFile(name, os.O_APPEND|os.O_RDWR, 0) //nolint:gosec // the runner names it
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", variable, err)
		}
	}()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, open, err := end(f)
	if err != nil {
		return err
	}
	text = strings.ToValidUTF8(text, "\ufffd")
	if open {
		text = "\n" + text
	}
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	if int64(len(text)) > most-size {
		return fmt.Errorf("%d bytes are too many: the file has %d, and may have %d", len(text), size, most)
	}
	_, err = f.WriteString(text)
	return err
}

// end returns how long f is, and whether its last line is still open. What is
// added to an open line would become part of its value, and what follows would
// be read as names.
func end(f *os.File) (size int64, open bool, err error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return 0, false, err
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, info.Size()-1); err != nil {
		return 0, false, err
	}
	return info.Size(), last[0] != '\n', nil
}
