// Package action speaks the GitHub Actions runner's protocol: masks, groups and
// annotations in the log, the files for outputs, variables and the summary, and
// identity tokens. It knows nothing of images.
//
// What it is given may come from a registry, a certificate or a pull request.
// Whatever that holds, a log command stays one line and one command, and a file
// gets the names it was meant to get and no others.
//
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions
package action

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/sethvargo/go-githubactions"
)

// A Runner is the GitHub Actions runner around this process. The zero Runner
// is none: nothing is written, and no token is given. A Runner is for one
// goroutine at a time.
type Runner struct {
	// Proxy says through which proxy the identity token is asked for; nil or a
	// nil URL: none.
	Proxy func(*url.URL) (*url.URL, error)
	// Sleep waits between attempts; nil means until d has passed or ctx ends.
	Sleep func(ctx context.Context, d time.Duration) error

	getenv    func(string) string
	log       *githubactions.Action
	transport http.RoundTripper // for tests; nil: one that asks servers
}

// New returns the Runner that reads commands from stdout and describes itself
// in the environment that getenv gives. Nil stands for a log that nobody reads
// and for an empty environment.
func New(stdout io.Writer, getenv func(string) string) *Runner {
	r := &Runner{getenv: getenv}
	r.log = githubactions.New(githubactions.WithWriter(patient{stdout}), githubactions.WithGetenv(r.env))
	return r
}

// patient hides the errors of a log that cannot be written: go-githubactions
// panics on them, and nobody is left to tell.
type patient struct{ w io.Writer }

func (p patient) Write(b []byte) (int, error) {
	if p.w != nil {
		_, _ = p.w.Write(b)
	}
	return len(b), nil
}

func (r *Runner) env(name string) string {
	if r.getenv == nil {
		return ""
	}
	return r.getenv(name)
}

// Running reports whether this process is a step of a workflow. Where it is
// not, nobody reads log commands, and none is written: a mask would show what
// it should hide.
func (r *Runner) Running() bool { return r.log != nil && r.env("GITHUB_ACTIONS") == "true" }

// Debugging reports whether somebody runs the workflow with debug logging.
func (r *Runner) Debugging() bool { return r.env("RUNNER_DEBUG") == "1" }

// Event returns what started the workflow, such as "pull_request", "" outside
// of one.
func (r *Runner) Event() string { return r.env("GITHUB_EVENT_NAME") }

// TempDir returns the folder that the runner empties after the job, "" outside
// of one.
func (r *Runner) TempDir() string { return r.env("RUNNER_TEMP") }

// TakesEnv reports whether what SetEnv sets reaches the steps that follow. It
// does not where GITHUB_ENV is not set or its file is not there, as in a
// container that the runner's files are not mounted into.
func (r *Runner) TakesEnv() bool {
	name := r.env("GITHUB_ENV")
	if name == "" {
		return false
	}
	_, err := os.Stat(name)
	return !errors.Is(err, fs.ErrNotExist)
}
