package action_test

import (
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/action"
)

// runner returns a Runner whose log is the Builder, in a workflow with env.
func runner(env map[string]string) (*action.Runner, *strings.Builder) {
	all := map[string]string{"GITHUB_ACTIONS": "true"}
	maps.Copy(all, env)
	var log strings.Builder
	return action.New(&log, func(name string) string { return all[name] }), &log
}

// file makes a file with text and returns a Runner that finds it in variable.
func file(t *testing.T, variable, text string) (r *action.Runner, read func() string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r, _ = runner(map[string]string{variable: name})
	return r, func() string {
		t.Helper()
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
}

// hostile returns what may come from a registry, a certificate or a file.
func hostile() []string {
	return []string{
		"", " ", "no signature", "two\nlines", "=", "a=b", "50%", "a,line=1::x", "a::b", "\t tab",
		"x\n::set-output name=passed::true",
		"x\r::set-output name=passed::true\r\n::add-mask::a",
		"\r::add-mask::a", "##[add-mask]a", "x ##[set-output name=passed]true", "###[add-mask]a", "##\u200d[add-mask]a",
		"\n##[endgroup]\n##[group]gate passed",
		"%0A::add-mask::a", "%250A", "%3A%3Ax", "%0D%0A",
		"::stop-commands::x", "\n::stop-commands::x\n",
		"x\n_GitHubActionsFileCommandDelimeter_\nverified=true\nzz<<_GitHubActionsFileCommandDelimeter_\ny",
		"x\r_GitHubActionsFileCommandDelimeter_\rverified=true\r", "x\r\nverified=true\r\n", "verified<<\n\n", "a<<b",
		"\u2028::add-mask::a\u2029\u0085", "\u202etxt.exe\u202c", "\u200b::add-mask::a", "\ufeff::add-mask::a", "\U000e0001", "\u00ad",
		"\xff\xfe\xc3", "a\x00b", "\x1b[2J\x1b]0;x\a", "\ufffd", "😀",
	}
}

// long returns what is to be cut.
func long() []string {
	return []string{
		strings.Repeat("a", 10_000), strings.Repeat("😀", 10_000), strings.Repeat("\x00", 10_000), strings.Repeat("::error::x\n", 1000),
		strings.Repeat("a", 4095) + "\x00", strings.Repeat("a", 4095) + "😀", strings.Repeat("a", 255) + "😀",
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	r, _ := runner(map[string]string{"RUNNER_DEBUG": "1", "GITHUB_EVENT_NAME": "pull_request", "RUNNER_TEMP": "/tmp/x"})
	if !r.Running() || !r.Debugging() || r.Event() != "pull_request" || r.TempDir() != "/tmp/x" {
		t.Errorf("%v, %v, %q, %q", r.Running(), r.Debugging(), r.Event(), r.TempDir())
	}
	for _, value := range []string{"", "false", "True", "1", "true "} {
		r, _ := runner(map[string]string{"GITHUB_ACTIONS": value, "RUNNER_DEBUG": value + "0"})
		if r.Running() || r.Debugging() {
			t.Errorf("%q: running %v, debugging %v", value, r.Running(), r.Debugging())
		}
	}
}

// Where no runner is, nothing is written and nothing fails but the token.
func TestNoRunner(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	for name, r := range map[string]*action.Runner{
		"zero":           {},
		"no environment": action.New(&log, nil),
		"elsewhere":      action.New(&log, func(string) string { return "" }),
		"GitLab":         action.New(&log, func(name string) string { return map[string]string{"CI": "true", "GITLAB_CI": "true"}[name] }),
	} {
		if r.Running() || r.Debugging() || r.Event() != "" || r.TempDir() != "" {
			t.Errorf("%s: there is a runner", name)
		}
		r.Mask("secret")
		r.Group("title")()
		r.Debug("text")
		r.Annotate(action.Note{Text: "text"})
		if err := errors.Join(r.SetOutputs(action.Pair{Name: "a"}), r.SetEnv(action.Pair{Name: "a"}), r.AppendSummary("# a")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if token, err := r.IDToken(t.Context(), "x"); token != "" || err == nil {
			t.Errorf("%s: token %q, %v", name, token, err)
		}
	}
	if log.Len() != 0 {
		t.Errorf("written: %q", log.String())
	}
}

// A log that nobody reads stops nothing.
func TestLogClosed(t *testing.T) {
	t.Parallel()
	reader, writer := io.Pipe()
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	running := func(name string) string { return map[string]string{"GITHUB_ACTIONS": "true"}[name] }
	for _, r := range []*action.Runner{action.New(writer, running), action.New(nil, running)} {
		r.Annotate(action.Note{Text: "text"})
		r.Group("title")()
	}
}
