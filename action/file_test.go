package action_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sethvargo/go-githubactions"

	"github.com/boltseal/boltseal/action"
	"github.com/boltseal/boltseal/internal/runnertest"
)

func TestSetOutputs(t *testing.T) {
	t.Parallel()
	type m = map[string]string
	for _, tc := range []struct {
		name, before string
		pairs        []action.Pair
		want         m
	}{
		{"none", "", nil, m{}},
		{"several", "", []action.Pair{{"verified", "true"}, {"json-report", "{\n}"}, {"_a1", ""}}, m{"verified": "true", "json-report": "{\n}", "_a1": ""}},
		{"behind others", "a=1\nb=2\n", []action.Pair{{"b", "3"}}, m{"a": "1", "b": "3"}},
		{"behind an open line", "a=1", []action.Pair{{"b", "x\ny=1"}}, m{"a": "1", "b": "x\ny=1"}},
		{"behind an open line with a CR", "a=1\r", []action.Pair{{"b", "2"}}, m{"a": "1\r", "b": "2"}},
		{"no UTF-8", "", []action.Pair{{"a", "\xff\xfex\xc3"}}, m{"a": "\ufffdx\ufffd"}},
		{"line ends", "", []action.Pair{{"a", "\n1\r2\r\n3\n\n"}}, m{"a": "\n1\r2\r\n3\n\n"}},
		{"as long as may be", "", []action.Pair{{"a", strings.Repeat("x", action.MaxOutputs-100)}}, m{"a": strings.Repeat("x", action.MaxOutputs-100)}},
	} {
		for variable, set := range map[string]func(*action.Runner, ...action.Pair) error{
			"GITHUB_OUTPUT": (*action.Runner).SetOutputs,
			"GITHUB_ENV":    (*action.Runner).SetEnv,
		} {
			r, read := file(t, variable, tc.before)
			if err := set(r, tc.pairs...); err != nil {
				t.Errorf("%s, %s: %v", tc.name, variable, err)
			}
			if got, err := runnertest.File(read()); err != nil || !maps.Equal(got, tc.want) {
				t.Errorf("%s, %s: the runner reads %q, %v", tc.name, variable, got, err)
			}
		}
	}
}

func TestSetOutputsRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		pairs []action.Pair
		err   string
	}{
		{"no name", []action.Pair{{"", "x"}}, "no name"},
		{"a digit first", []action.Pair{{"1a", "x"}}, "no name"},
		{"a dash first", []action.Pair{{"-a", "x"}}, "no name"},
		{"a heredoc in the name", []action.Pair{{"a<<b", "x"}}, "no name"},
		{"a value in the name", []action.Pair{{"a=b", "x"}}, "no name"},
		{"two lines in the name", []action.Pair{{"a\nb", "x"}}, "no name"},
		{"a line end behind the name", []action.Pair{{"a\n", "x"}}, "no name"},
		{"a space", []action.Pair{{"a ", "x"}}, "no name"},
		{"not ASCII", []action.Pair{{"ä", "x"}}, "no name"},
		{"twice", []action.Pair{{"verified", "false"}, {"b", "x"}, {"Verified", "true"}}, "twice"},
		{"the last is wrong", []action.Pair{{"a", "x"}, {"b", "x"}, {"c d", "x"}}, `"c d"`},
		{"too long", []action.Pair{{"a", strings.Repeat("x", action.MaxOutputs)}}, "too many"},
		{"too long after repair", []action.Pair{{"a", strings.Repeat("\xffx", action.MaxOutputs/3)}}, "too many"},
	} {
		r, read := file(t, "GITHUB_OUTPUT", "a=1\n")
		err := r.SetOutputs(tc.pairs...)
		if err == nil || !strings.Contains(err.Error(), tc.err) || !strings.Contains(err.Error(), "GITHUB_OUTPUT") || len(err.Error()) > 200 {
			t.Errorf("%s: %.300v", tc.name, err)
		}
		if read() != "a=1\n" {
			t.Errorf("%s: written: %q", tc.name, read())
		}
	}
	r, read := file(t, "GITHUB_ENV", "")
	if err := r.SetEnv(action.Pair{"a", "b"}, action.Pair{"c", "d\x00e"}); err == nil || !strings.Contains(err.Error(), "NUL") || read() != "" {
		t.Errorf("NUL in a variable: %v, written: %q", err, read())
	}
	r, read = file(t, "GITHUB_OUTPUT", "a="+strings.Repeat("x", action.MaxOutputs-3))
	if err := r.SetOutputs(action.Pair{"b", "x"}); err == nil || !strings.Contains(err.Error(), "too many") || len(read()) != action.MaxOutputs-1 {
		t.Errorf("a full file: %v", err)
	}
	if text, err := action.Heredocs([]action.Pair{{"a", "x"}, {"b", "1\nEND\nc=2"}}, "END"); err == nil || text != "" || !strings.Contains(err.Error(), `"b"`) {
		t.Errorf("the delimiter in a value: %q, %v", text, err)
	}
}

// The delimiter is new for every write.
func TestDelimiters(t *testing.T) {
	t.Parallel()
	r, read := file(t, "GITHUB_OUTPUT", "")
	for range 2 {
		if err := r.SetOutputs(action.Pair{"a", "x"}); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.Split(read(), "\n")
	if len(lines) != 7 || lines[2] == lines[5] || len(lines[2]) < len("boltseal_")+26 {
		t.Errorf("written: %q", lines)
	}
}

// Where the runner made no file, none is made; what else is there is an error.
func TestFileIsNotThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	gone, below := filepath.Join(dir, "gone"), filepath.Join(dir, "gone", "file")
	for _, name := range []string{"", gone, below} {
		r, _ := runner(map[string]string{"GITHUB_OUTPUT": name, "GITHUB_ENV": name, "GITHUB_STEP_SUMMARY": name})
		for _, err := range []error{r.SetOutputs(action.Pair{"a", "x"}), r.SetEnv(action.Pair{"a", "x"}), r.AppendSummary("x")} {
			if err != nil {
				t.Errorf("%q: %v", name, err)
			}
		}
		if r.TakesEnv() {
			t.Errorf("%q: variables are said to reach the steps that follow", name)
		}
	}
	if _, err := os.Lstat(gone); err == nil {
		t.Error("a file was made")
	}
	if (&action.Runner{}).TakesEnv() {
		t.Error("no runner takes variables")
	}
	r, _ := runner(map[string]string{"GITHUB_OUTPUT": dir, "GITHUB_STEP_SUMMARY": dir, "GITHUB_ENV": filepath.Join(dir, "env")})
	if err := os.WriteFile(filepath.Join(dir, "env"), nil, 0o600); err != nil || !r.TakesEnv() {
		t.Errorf("variables are said not to reach the steps that follow (%v)", err)
	}
	for _, err := range []error{r.SetOutputs(action.Pair{"a", "x"}), r.AppendSummary("x")} {
		if err == nil || !strings.HasPrefix(err.Error(), "write GITHUB_") {
			t.Errorf("a folder: %v", err)
		}
	}
}

func TestAppendSummary(t *testing.T) {
	t.Parallel()
	full := strings.Repeat("x", action.MaxSummary-1)
	for _, tc := range []struct {
		name, before, markdown, want string
	}{
		{"first", "", "### a\n", "### a\n"},
		{"nothing", "a", "", "a"},
		{"no line end", "", "a", "a\n"},
		{"behind others", "a\n", "b\n", "a\nb\n"},
		{"behind an open line", "a", "b", "a\nb\n"},
		{"no UTF-8", "", "a\xff\n", "a\ufffd\n"},
		{"as long as may be", "", full, full + "\n"},
		{"too long", "", full + "xx", ""},
		{"too long with its line end", "", full + "x", ""},
		{"too long with others", "a\n", full, "a\n"},
		{"as long as may be with others", "a", full[2:], "a\n" + full[2:] + "\n"},
		{"too long with a line end between", "a", full[1:], "a"},
		{"already too long", full + "xx", "a", full + "xx"},
	} {
		r, read := file(t, "GITHUB_STEP_SUMMARY", tc.before)
		err := r.AppendSummary(tc.markdown)
		if got := read(); got != tc.want {
			t.Errorf("%s: %d bytes, want %d; starts with %.20q", tc.name, len(got), len(tc.want), got)
		}
		if refused := strings.Contains(tc.name, "too long"); refused != (err != nil) || refused && !strings.Contains(err.Error(), "too many") {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func FuzzSetOutputs(f *testing.F) {
	for _, s := range hostile() {
		f.Add("signer", s, "")
		f.Add(s, "x", "a=1")
		f.Add("signer", s, s)
	}
	f.Fuzz(sets)
}

func TestSetOutputsLong(t *testing.T) {
	t.Parallel()
	for _, s := range long() {
		sets(t, "signer", s, "")
		sets(t, s, s, "a=1\n")
	}
}

// sets fails t unless a value becomes that of its name, and of no other, in a
// file that had something before.
func sets(t *testing.T, key, value, before string) {
	want, err := runnertest.File(before)
	if err != nil {
		t.Skip("the runner would not read the file anyhow")
	}
	r, read := file(t, "GITHUB_OUTPUT", before)
	err = r.SetOutputs(action.Pair{"verified", "false"}, action.Pair{key, value}, action.Pair{"reason", "unsigned"})
	if err == nil {
		set(want, "verified", "false")
		set(want, key, strings.ToValidUTF8(value, "\ufffd"))
		set(want, "reason", "unsigned")
	}
	const first = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
	proper := key != "" && strings.Contains(first, key[:1]) && strings.Trim(key, first+"0123456789-") == "" &&
		!strings.EqualFold(key, "verified") && !strings.EqualFold(key, "reason")
	if proper != (err == nil) && len(value)+len(before) < action.MaxOutputs/4 {
		t.Errorf("%q: %v", key, err)
	}
	text := read()
	if err != nil && text != before {
		t.Errorf("%v, but something was written: %q", err, text)
	}
	if got, err := runnertest.File(text); err != nil || !maps.Equal(got, want) {
		t.Errorf("the runner reads %q, %v, want %q", got, err, want)
	}
}

// set sets a value as the runner does, to which A and a are one name.
func set(m map[string]string, name, value string) {
	for k := range m {
		if strings.EqualFold(k, name) {
			name = k
		}
	}
	m[name] = value
}

// This is why outputs are not written by go-githubactions: what a stranger put
// into a certificate says whether the image was verified.
func TestLibraryIsFooled(t *testing.T) {
	t.Parallel()
	const evil = "x\n_GitHubActionsFileCommandDelimeter_\nverified=true\nzz<<_GitHubActionsFileCommandDelimeter_\ny"
	name := filepath.Join(t.TempDir(), "output")
	library := githubactions.New(githubactions.WithGetenv(func(string) string { return name }))
	library.SetOutput("verified", "false")
	library.SetOutput("subject", evil)
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	got, err := runnertest.File(string(body))
	if err != nil || got["verified"] != "true" || got["subject"] != "x" || got["zz"] != "y" {
		t.Errorf("go-githubactions writes %q, %v", got, err)
	}

	r, read := file(t, "GITHUB_OUTPUT", "")
	if err := r.SetOutputs(action.Pair{"verified", "false"}, action.Pair{"subject", evil}); err != nil {
		t.Fatal(err)
	}
	got, err = runnertest.File(read())
	if err != nil || !maps.Equal(got, map[string]string{"verified": "false", "subject": evil}) {
		t.Errorf("SetOutputs writes %q, %v", got, err)
	}
}

// And it panics where there is no runner.
func TestLibraryPanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("go-githubactions does not panic any more")
		}
	}()
	githubactions.New(githubactions.WithGetenv(func(string) string { return "" })).SetOutput("verified", "false")
}
