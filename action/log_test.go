package action_test

import (
	"bytes"
	"maps"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/sethvargo/go-githubactions"

	"github.com/boltseal/boltseal/action"
	"github.com/boltseal/boltseal/internal/runnertest"
)

func TestAnnotate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		note action.Note
		want string
	}{
		{"all", action.Note{Level: action.Warning, File: "a/Dockerfile", Line: 3, Column: 6, Title: "unsigned", Text: "no signature"},
			"::warning col=6,file=a/Dockerfile,line=3,title=unsigned::no signature\n"},
		{"notice", action.Note{Level: action.Notice, Text: "x"}, "::notice::x\n"},
		{"zero", action.Note{}, "::error::\n"},
		{"another level", action.Note{Level: "set-output name=a", Text: "x"}, "::error::x\n"},
		{"level in another case", action.Note{Level: "Notice", Text: "x"}, "::error::x\n"},
		{"no file, no line", action.Note{Line: 3, Column: 6, Text: "x"}, "::error::x\n"},
		{"no line, no column", action.Note{File: "a", Column: 6, Text: "x"}, "::error file=a::x\n"},
		{"below one", action.Note{File: "a", Line: -1, Column: math.MinInt, Text: "x"}, "::error file=a::x\n"},
		{"no column", action.Note{File: "a", Line: math.MaxInt, Column: -1}, "::error file=a,line=9223372036854775807::\n"},
		{"lines of text", action.Note{Title: "a\nb", Text: "a\nb\r\n%0A"}, "::error title=a\\u000ab::a%0Ab\\u000d%0A%250A\n"},
		{"separators", action.Note{File: "a,line=9::b", Line: 1, Title: "100%,c:d"}, "::error file=a%2Cline=9%3A%3Ab,line=1,title=100%25%2Cc%3Ad::\n"},
		{"the older syntax", action.Note{File: "##[add-mask]a", Title: "###[x]", Text: "## ##[add-mask]a"},
			"::error file=##\\[add-mask]a,title=###\\[x]::## ##\\[add-mask]a\n"},
		{"not to be seen", action.Note{File: "\u202ea", Title: "\u2028\t\u00a0", Text: "\xff\x00\x1b[0m\u200b\U000e0001\u0085é😀\ufffd"},
			"::error file=\\u202ea,title=\\u2028\\u0009\\u00a0::\\ufffd\\u0000\\u001b[0m\\u200b\\U000e0001\\u0085é😀\ufffd\n"},
	} {
		r, log := runner(nil)
		r.Annotate(tc.note)
		if got := log.String(); got != tc.want {
			t.Errorf("%s\ngot  %q\nwant %q", tc.name, got, tc.want)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text string
		most int
		want string
	}{
		{"", 1, ""}, {"a", 1, "a"}, {"ab", 1, "…"}, {"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"a\nbc", 3, "a\n…"},
		{"😀", 2, "😀"}, {"😀😀", 3, "😀…"}, {"😀😀", 4, "😀😀"}, {"a😀😀", 4, "a😀…"}, {"aa😀b", 4, "aa…"},
		{"a\x00", 7, `a\u0000`}, {"a\x00", 6, "a…"}, {"a\x00b", 7, "a…"}, {"a\x00b", 8, `a\u0000b`},
		{"##[", 4, `##\[`}, {"##[", 3, "##…"},
	} {
		if got := action.Plain(tc.text, tc.most, true); got != tc.want {
			t.Errorf("%q in %d: %q, want %q", tc.text, tc.most, got, tc.want)
		}
	}
	r, log := runner(nil)
	long := strings.Repeat("é", 10_000)
	r.Annotate(action.Note{File: long, Title: long, Text: long})
	r.Group(long)
	r.Debug(long)
	title, text := strings.Repeat("é", action.MaxTitle-1)+"…", strings.Repeat("é", action.MaxText-1)+"…"
	if want := "::error file=" + text + ",title=" + title + "::" + text + "\n::group::" + title + "\n::debug::" + text + "\n"; log.String() != want {
		t.Errorf("long values give %q", log.String())
	}
}

func TestMask(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ secret, want string }{
		{"", ""}, {" \t\u3000", ""}, {"\n\r\n", ""},
		{"a", "::add-mask::a\n"},
		{" a b ", "::add-mask:: a b \n"},
		{"a\n\n b\r\nc\rd\n \n", "::add-mask::a\n::add-mask:: b\n::add-mask::c\n::add-mask::d\n"},
		{"100%\u202e\x00::x##[y]", "::add-mask::100%25\u202e\x00::x##[y]\n"}, // as it is, or it would not be found
	} {
		r, log := runner(nil)
		r.Mask(tc.secret)
		if got := log.String(); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.secret, got, tc.want)
		}
	}
	for _, secret := range append(hostile(), long()...) {
		r, log := runner(nil)
		r.Mask(secret)
		var want []runnertest.Command
		for line := range strings.SplitSeq(strings.ReplaceAll(secret, "\r", "\n"), "\n") {
			if strings.TrimSpace(line) != "" {
				want = append(want, runnertest.Command{Name: "add-mask", Data: string([]rune(line)), Syntax: 2})
			}
		}
		if got := runnertest.Commands(log.String()); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %#v", secret, got)
		}
	}
}

func TestGroup(t *testing.T) {
	t.Parallel()
	r, log := runner(nil)
	end := r.Group("a\nb %")
	r.Debug("c\nd %")
	end()
	end()
	if want := "::group::a\\u000ab %25\n::debug::c%0Ad %25\n::endgroup::\n"; log.String() != want {
		t.Errorf("got %q, want %q", log.String(), want)
	}
}

func FuzzAnnotate(f *testing.F) {
	for _, s := range hostile() {
		f.Add(s, s, s, "error")
		f.Add("Dockerfile", "unsigned", s, "notice")
		f.Add(s, "unsigned", "no signature", s)
	}
	f.Fuzz(annotates)
}

// annotates fails t unless a note is one command that shows what is in it.
func annotates(t *testing.T, file, title, text, level string) {
	r, log := runner(nil)
	r.Annotate(action.Note{Level: action.Level(level), File: file, Line: 7, Column: 3, Title: title, Text: text})
	got := oneLine(t, log.String())
	want := "error"
	if level == "warning" || level == "notice" {
		want = level
	}
	if got.Name != want {
		t.Errorf("%s is executed, want %s", got.Name, want)
	}
	shows(t, "text", got.Data, text, action.MaxText, true)
	// The runner drops "=" at the start of a property, spaces at the end of
	// the last one, and what is empty then.
	shows(t, "title", got.Properties["title"], strings.TrimLeft(title, "="), action.MaxTitle, false)
	shows(t, "file", got.Properties["file"], strings.TrimLeft(file, "="), action.MaxText, false)
	place := map[string]string{"line": "7", "col": "3"}
	if file == "" {
		place = map[string]string{}
	}
	delete(got.Properties, "title")
	delete(got.Properties, "file")
	if !maps.Equal(got.Properties, place) {
		t.Errorf("more properties: %q, want %q", got.Properties, place)
	}
}

func FuzzGroup(f *testing.F) {
	for _, s := range hostile() {
		f.Add(s, s)
	}
	f.Fuzz(groups)
}

// groups fails t unless a title and a text for debugging are one command each.
func groups(t *testing.T, title, text string) {
	r, log := runner(nil)
	r.Group(title)
	got := oneLine(t, log.String())
	if got.Name != "group" || got.Properties != nil {
		t.Errorf("executed: %#v", got)
	}
	shows(t, "title", got.Data, title, action.MaxTitle, false)

	log.Reset()
	r.Debug(text)
	got = oneLine(t, log.String())
	if got.Name != "debug" || got.Properties != nil {
		t.Errorf("executed: %#v", got)
	}
	shows(t, "text", got.Data, text, action.MaxText, true)
}

// What holds of short values holds of long ones; as seeds they would keep the
// fuzzer busy with making them shorter.
func TestLong(t *testing.T) {
	t.Parallel()
	for _, s := range long() {
		annotates(t, s, s, s, "error")
		annotates(t, "Dockerfile", "unsigned", s, s)
		groups(t, s, s)
	}
}

// oneLine returns the only command of a log that is one line of characters
// that can be seen.
func oneLine(t *testing.T, log string) runnertest.Command {
	t.Helper()
	line, ok := strings.CutSuffix(log, "\n")
	if !ok || !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.Contains(line, "##[") {
		t.Fatalf("not one clean line: %q", log)
	}
	got := runnertest.Commands(log)
	if len(got) != 1 {
		t.Fatalf("%q executes %#v", log, got)
	}
	return got[0]
}

// shows fails t unless what the runner shows is what was given, escaped and
// cut.
func shows(t *testing.T, what, shown, given string, most int, lines bool) {
	t.Helper()
	if n := units(shown); n > most {
		t.Errorf("%d units of %s, the most are %d", n, what, most)
	}
	var want strings.Builder
	for i, r := range given {
		switch {
		case r == '\n' && lines, unicode.IsPrint(r) && r != unicode.ReplacementChar:
			want.WriteRune(r)
		case strings.HasPrefix(given[i:], "\ufffd"):
			want.WriteRune(r)
		case r > 0xffff:
			want.WriteString(`\U` + hex(r, 8))
		default:
			want.WriteString(`\u` + hex(r, 4))
		}
	}
	full := strings.ReplaceAll(want.String(), "##[", `##\[`)
	if !lines { // properties lose what the runner trims
		full, shown = strings.TrimRight(full, " "), strings.TrimRight(shown, " ")
	}
	if shown == full && units(full) <= most {
		return
	}
	head, cut := strings.CutSuffix(shown, "…")
	if !cut || units(want.String()) <= most-len(`\[`) && units(full) <= most || !strings.HasPrefix(full, head) || units(head) < most-12 {
		t.Errorf("%s\nshown %q\nwant  %q", what, shown, full)
	}
}

func hex(r rune, digits int) string {
	s := ""
	for ; digits > 0; digits-- {
		s = "0123456789abcdef"[r&15:r&15+1] + s
		r >>= 4
	}
	return s
}

func units(s string) int { return len(utf16.Encode([]rune(s))) }

// This is why text from outside never goes through go-githubactions' Infof.
func TestLibraryLogsRawText(t *testing.T) {
	t.Parallel()
	const evil = "no signature\n::set-output name=verified::true\r::add-mask::sha256 ##[add-mask]a"
	var log bytes.Buffer
	githubactions.New(githubactions.WithWriter(&log)).Infof("subject: %s", evil)
	got := runnertest.Commands(log.String())
	want := []runnertest.Command{
		{Name: "set-output", Properties: map[string]string{"name": "verified"}, Data: "true", Syntax: 2},
		{Name: "add-mask", Data: "sha256 ##[add-mask]a", Syntax: 2},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Infof executes %#v", got)
	}

	r, ours := runner(nil)
	r.Annotate(action.Note{Level: action.Notice, Text: "subject: " + evil})
	if c := oneLine(t, ours.String()); c.Name != "notice" {
		t.Errorf("Annotate executes %#v", c)
	}
}
