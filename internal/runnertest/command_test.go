package runnertest

import (
	"reflect"
	"testing"
)

func TestCommands(t *testing.T) {
	t.Parallel()
	mask := func(data string, syntax int) []Command {
		return []Command{{Name: "add-mask", Data: data, Syntax: syntax}}
	}
	type props = map[string]string
	for _, tc := range []struct {
		name, output string
		want         []Command
	}{
		{"nothing", "", nil},
		{"text", "add-mask: a\n", nil},

		{"double colon", "::add-mask::a\n", mask("a", 2)},
		{"no line end", "::add-mask::a", mask("a", 2)},
		{"no data", "::add-mask::\n", mask("", 2)},
		{"colons in data", "::add-mask::a::b:c\n", mask("a::b:c", 2)},
		{"case", "::Add-MASK::a\n", mask("a", 2)},
		{"white space before", " \t\v\f\u0085\u00a0\u2003\u2028\u3000::add-mask::a\n", mask("a", 2)},
		{"byte order mark before", "\ufeff::add-mask::a\n", mask("a", 2)},
		{"text before", "x ::add-mask::a\n", nil},
		{"an escape sequence before", "\x1b[0m::add-mask::a\n", nil},
		{"an invisible character before", "\u200b::add-mask::a\n", nil},
		{"one colon", ":add-mask::a\n", nil},
		{"not closed", "::add-mask:a\n", nil},
		{"closed, by culture", "::add-mask:\u00ad:a\n", mask("a", 2)},
		{"unknown", "::mask-add::a\n", nil},
		{"space before the name", ":: add-mask::a\n", nil},

		{"data is unescaped", "::add-mask::%25%0D%0A%3A%2C%3B%5D\n", mask("%\r\n%3A%2C%3B%5D", 2)},
		{"once", "::add-mask::%250A%2525\n", mask("%0A%25", 2)},
		{"escapes know their case", "::add-mask::%0a\n", mask("%0a", 2)},
		{"no UTF-8", "::add-mask::a\xff\xfe\n", mask("a\ufffd\ufffd", 2)},

		{"properties", "::error file=a.go,line=1,title=b c::d\n", []Command{
			{Name: "error", Properties: props{"file": "a.go", "line": "1", "title": "b c"}, Data: "d", Syntax: 2}}},
		{"properties are unescaped", "::error title=%25%0D%0A%3A%2C%3B%250A::d\n", []Command{
			{Name: "error", Properties: props{"title": "%\r\n:,%3B%0A"}, Data: "d", Syntax: 2}}},
		{"properties are trimmed", "::error  file=a,title=b \u3000::\n", []Command{
			{Name: "error", Properties: props{"file": "a", "title": "b"}, Syntax: 2}}},
		{"odd properties", "::error a,=,b=,=c,==d==e=f,,FILE=1,file=2::\n", []Command{
			{Name: "error", Properties: props{"d": "e=f", "file": "2"}, Syntax: 2}}},
		{"a colon ends no properties", "::error file=a:b::c\n", []Command{
			{Name: "error", Properties: props{"file": "a:b"}, Data: "c", Syntax: 2}}},
		{"two colons do", "::error file=a::b,title=c::d\n", []Command{
			{Name: "error", Properties: props{"file": "a"}, Data: "b,title=c::d", Syntax: 2}}},

		{"brackets", "##[add-mask]a\n", mask("a", 1)},
		{"brackets in text", "x y ##[add-mask]a\n", mask("a", 1)},
		{"brackets, no data", "##[add-mask]\n", mask("", 1)},
		{"brackets, case", "##[ADD-mask]a\n", mask("a", 1)},
		{"brackets, not closed", "##[add-mask a\n", nil},
		{"brackets, unknown", "##[section]a\n", nil},
		{"the second bracket, by culture", "##[\u0301x ##[add-mask]a\n", mask("a", 1)},
		{"brackets, properties", "##[set-output name=a%3B%5D;b=%25%0D%0A%3A,]c%3B%0D%0A%5D%25%2C\n", []Command{
			{Name: "set-output", Properties: props{"name": "a;]", "b": "%\r\n%3A,"}, Data: "c;\r\n]%%2C", Syntax: 1}}},
		{"double colon first", "::error::##[add-mask]a\n", []Command{{Name: "error", Data: "##[add-mask]a", Syntax: 2}}},
		{"brackets behind no command", "::nothing::##[add-mask]a\n", mask("a", 1)},

		{"line ends", "a\n::add-mask::1\r\n::add-mask::2\rx\r::add-mask::3\n\r::add-mask::4", []Command{
			{Name: "add-mask", Data: "1", Syntax: 2}, {Name: "add-mask", Data: "2", Syntax: 2},
			{Name: "add-mask", Data: "3", Syntax: 2}, {Name: "add-mask", Data: "4", Syntax: 2}}},
		{"no line ends", "x\u2028::add-mask::1\u0085::add-mask::2\v::add-mask::3\x00::add-mask::4\n", nil},

		{"stopped", "::stop-commands::Tok\n::add-mask::a\n##[add-mask]b\n::other::\n##[stop-commands]c\n", []Command{
			{Name: "stop-commands", Data: "Tok", Syntax: 2}}},
		{"stopped and going on", "::stop-commands::Tok\n::add-mask::a\n::tOK::\n::add-mask::b\n::tok::\n", []Command{
			{Name: "stop-commands", Data: "Tok", Syntax: 2}, {Name: "add-mask", Data: "b", Syntax: 2}}},
		{"stopped, brackets go on", "##[stop-commands]tok\n::add-mask::a\nx ##[tok]\n##[add-mask]b\n", []Command{
			{Name: "stop-commands", Data: "tok", Syntax: 1}, {Name: "add-mask", Data: "b", Syntax: 1}}},
		{"the token in another command", "::stop-commands::tok\n::add-mask::##[tok]\n::add-mask::b\n", []Command{
			{Name: "stop-commands", Data: "tok", Syntax: 2}}},
		{"weak tokens stop nothing", "::stop-commands::\n::stop-commands::pause-logging\n::stop-commands::Add-Mask\n::add-mask::a\n", []Command{
			{Name: "stop-commands", Syntax: 2}, {Name: "stop-commands", Data: "pause-logging", Syntax: 2},
			{Name: "stop-commands", Data: "Add-Mask", Syntax: 2}, {Name: "add-mask", Data: "a", Syntax: 2}}},
		{"what only some runners obey stops nothing", "::stop-commands:\u00ad:t\n##[\u0301##[stop-commands]t\n::add-mask::a\n", []Command{
			{Name: "stop-commands", Data: "t", Syntax: 2}, {Name: "stop-commands", Data: "t", Syntax: 1},
			{Name: "add-mask", Data: "a", Syntax: 2}}},
	} {
		if got := Commands(tc.output); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %q\ngot  %#v\nwant %#v", tc.name, tc.output, got, tc.want)
		}
	}
}

func TestLive(t *testing.T) {
	t.Parallel()
	for _, name := range live {
		for _, output := range []string{"::" + name + "::", "##[" + name + "]"} {
			if got := Commands(output); len(got) != 1 || got[0].Name != name {
				t.Errorf("%q: %#v", output, got)
			}
		}
	}
}
