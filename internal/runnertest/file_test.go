package runnertest

import (
	"maps"
	"strings"
	"testing"
)

func TestFile(t *testing.T) {
	t.Parallel()
	type m = map[string]string
	for _, tc := range []struct {
		name, text string
		want       m
		err        string // of the error, "" for none
	}{
		{"empty", "", m{}, ""},
		{"blank lines", "\n\na=1\n\n", m{"a": "1"}, ""},
		{"single lines", "a=1\nb=2=3\nc=\nd=x<<y\n", m{"a": "1", "b": "2=3", "c": "", "d": "x<<y"}, ""},
		{"no line end", "a=1", m{"a": "1"}, ""},
		{"spaces stay", " a = 1 \n", m{" a ": " 1 "}, ""},
		{"the last one wins", "a=1\nb=1\nA=2\n", m{"a": "2", "b": "1"}, ""},
		{"byte order mark", "\ufeffa=1\n", m{"a": "1"}, ""},
		{"no UTF-8", "a=\xff\n", m{"a": "\ufffd"}, ""},

		{"heredoc", "a<<E\n1\n2\nE\nb=3\n", m{"a": "1\n2", "b": "3"}, ""},
		{"heredoc at the end", "a<<E\n1\nE", m{"a": "1"}, ""},
		{"empty heredocs", "a<<E\nE\nb<<E\n\nE\nc<<E\n\n\nE\n", m{"a": "", "b": "", "c": "\n"}, ""},
		{"like a delimiter", "a<<E\n E\nE \nEE\nE\n", m{"a": " E\nE \nEE"}, ""},
		{"like a name", "a<<E\nb=1\nc<<F\nE\n", m{"a": "b=1\nc<<F"}, ""},
		{"an equals sign in the delimiter", "a<<E=\n1\nE=\n", m{"a": "1"}, ""},
		{"a delimiter that is an equals sign", "a<<=\n1\n=\n", m{"a": "1"}, ""},
		{"two heredoc signs", "a<<b<<c\n1\nb<<c\n", m{"a": "1"}, ""},
		{"a fixed delimiter", "a<<E\nx\nE\nb=1\nc<<E\ny\nE\n", m{"a": "x", "b": "1", "c": "y"}, ""},

		{"no delimiter", "a<<E\n1\n", nil, "does not come again"},
		{"no delimiter but its start", "a<<E\n1\nE \n", nil, "does not come again"},
		{"an empty delimiter", "a<<\n\n", nil, "no NAME"},
		{"an empty name", "=1\n", nil, "no name"},
		{"an empty name of a heredoc", "<<E\nE\n", nil, "no NAME"},
		{"neither", "a=1\nfalse\n", nil, "line 2"},
		{"UTF-16", "\xff\xfea\x00=\x00", nil, "UTF-16"},

		{"line ends of Windows", "a=1\r\nb<<E\r\n2\r\n3\r\nE\r\n", m{"a": "1\r", "b": "2\r\n3\r"}, ""},
		{"line ends in a value", "a<<E\n1\r2\r\n3\r\nE\n", m{"a": "1\r2\r\n3\r"}, ""},
		{"a name for those who see a bare CR", "a=1\rb=2\n", nil, `\r ends a line`},
		{"a delimiter for Windows", "a<<E\n1\nE\r\nb=2\nc<<E\n3\nE\n", nil, `\r\n ends a line`},
		{"a delimiter for those who see a bare CR", "a<<E\n1\rE\rb=2\rc<<E\r3\nE\n", nil, `\r ends a line`},
		{"the same names", "v=false\na<<E\nx\rE\rv=true\ra<<E\ry\nE\n", nil, `\r ends a line`},
		{"a delimiter with a CR", "a<<E\r\n1\nE\nb=2\nc<<E\r\n3\nE\r\n", nil, `\r\n ends a line`},
	} {
		got, err := File(tc.text)
		if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) || !maps.Equal(got, tc.want) {
			t.Errorf("%s: %q gives %q, %v, want %q, error %q", tc.name, tc.text, got, err, tc.want, tc.err)
		}
	}
}
