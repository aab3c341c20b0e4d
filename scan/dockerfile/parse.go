package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// A file is what a Dockerfile says of images, before any variable is expanded.
type file struct {
	escape byte
	args   []arg // before the first FROM
	stages []stage
}

// An arg is an ARG that FROM can use.
type arg struct {
	key   string
	value *string // its default
	place place
	given place // where value stands
}

// A stage is a FROM and what in the stage names other stages or images.
type stage struct {
	name, label string // label is the name, or the number
	base        string
	platform    string
	place       place
	commands    []command
}

// A command is a COPY or a RUN, or an ONBUILD of one. Err says why BuildKit
// cannot read it.
type command struct {
	onbuild bool
	from    []from
	err     error
	place   place
}

// A from is what a command names: a stage, a named context or an image.
type from struct {
	name  string
	kind  image.Kind
	place place
	err   error
}

// A lineError is an error of BuildKit's parser, and the line it is about.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return e.err.Error() }
func (e *lineError) Unwrap() error { return e.err }

// parse reads the whole file. Its error is a lineError.
func parse(s *source) (*file, error) {
	if n, err := refusal(s, "\\`"); err != nil {
		return nil, &lineError{line: n, err: err}
	}
	result, err := parser.Parse(bytes.NewReader(s.body))
	if err != nil {
		return nil, located(s, err)
	}
	// It needs a linter to hand to instructions whose comment is "check=…".
	stages, args, err := instructions.Parse(result.AST, linter.New(&linter.Config{}))
	if err != nil {
		return nil, located(s, err)
	}
	if len(stages) == 0 {
		return nil, &lineError{line: 1, err: errors.New("the Dockerfile has no FROM")}
	}
	if len(stages) > maxStages {
		return nil, &lineError{line: first(stages[maxStages].Location), err: fmt.Errorf("the Dockerfile has more than %d stages", maxStages)}
	}
	f := &file{escape: parser.DefaultEscapeToken}
	if result.EscapeToken == '`' { // there is no third
		f.escape = '`'
	}
	r := reader{src: s, escape: f.escape, lex: shell.NewLex(result.EscapeToken)}
	for _, cmd := range args {
		l := s.logical(first(cmd.Location()), f.escape)
		_, end := l.word(0)
		for _, kv := range cmd.Args {
			a := arg{key: kv.Key, value: kv.Value, place: l.head()}
			if i := strings.Index(l.text[end:], kv.Key); i >= 0 {
				a.place = l.place(end+i, end+i+len(kv.Key))
				end += i + len(kv.Key)
			}
			if a.given = l.head(); kv.Value != nil && strings.HasPrefix(l.text[end:], "="+*kv.Value) {
				a.given = l.place(end+1, end+1+len(*kv.Value))
			}
			f.args = append(f.args, a)
		}
	}
	for i, st := range stages {
		f.stages = append(f.stages, r.stage(i, st))
	}
	return f, nil
}

// located returns err with its line, without the prefix that names it again.
func located(s *source, err error) error {
	at := &lineError{line: 1, err: err}
	var l *parser.LocationError
	if errors.As(err, &l) {
		at.line, at.err = s.errorLine(l.Locations), l.Unwrap()
	}
	at.err = brief(at.err)
	return at
}

func first(r []parser.Range) int {
	if len(r) == 0 {
		return 1
	}
	return r[0].Start.Line
}

// A reader finds places for what BuildKit's parser has read.
type reader struct {
	src    *source
	escape byte
	lex    *shell.Lex
}

func (r reader) stage(n int, st instructions.Stage) stage {
	s := stage{name: st.Name, label: st.Name, base: st.BaseName, platform: st.Platform}
	if s.label == "" {
		s.label = strconv.Itoa(n)
	}
	l := r.src.logical(first(st.Location), r.escape)
	_, end := l.word(0)
	_, rest := l.flags(end, r.escape)
	s.place = l.named(rest, st.BaseName)
	for _, cmd := range st.Commands {
		if c, ok := r.command(cmd); ok {
			s.commands = append(s.commands, c)
		}
	}
	return s
}

// named returns the place of a name that ought to stand at i.
func (l logical) named(i int, name string) place {
	if !strings.HasPrefix(l.text[i:], name) {
		return l.head()
	}
	return l.place(i, i+len(name))
}

// command returns what cmd names; ok is false if that is nothing.
func (r reader) command(cmd instructions.Command) (c command, ok bool) {
	switch cmd := cmd.(type) {
	case *instructions.OnbuildCommand:
		return r.trigger(cmd)
	case *instructions.CopyCommand:
		if cmd.From == "" {
			return command{}, false
		}
		l := r.src.logical(first(cmd.Location()), r.escape)
		return command{from: r.copied(l, 0, cmd.From), place: l.head()}, true
	case *instructions.RunCommand:
		mounts := instructions.GetMounts(cmd)
		if len(mounts) == 0 {
			return command{}, false
		}
		l := r.src.logical(first(cmd.Location()), r.escape)
		return command{from: r.mounted(l, 0, mounts), place: l.head()}, true
	}
	return command{}, false
}

// trigger reads an ONBUILD as dockerfile2llb does once a stage is built on it:
// as a file of one line (convert.go, initOnBuildTriggers).
func (r reader) trigger(cmd *instructions.OnbuildCommand) (command, bool) {
	l := r.src.logical(first(cmd.Location()), r.escape)
	c := command{onbuild: true, place: l.head()}
	fail := func(err error) (command, bool) {
		c.err = brief(err)
		return c, true
	}
	result, err := parser.Parse(strings.NewReader(cmd.Expression))
	if err != nil {
		return fail(err)
	}
	if len(result.AST.Children) != 1 {
		return fail(errors.New("ONBUILD takes one instruction"))
	}
	ic, err := instructions.ParseCommand(result.AST.Children[0])
	if err != nil {
		return fail(err)
	}
	// There the escape character is always a backslash.
	inner := reader{src: r.src, escape: parser.DefaultEscapeToken, lex: r.lex}
	_, begin := l.word(0)
	begin, _ = l.word(begin)
	switch ic := ic.(type) {
	case *instructions.CopyCommand:
		if ic.From != "" {
			c.from = inner.copied(l, begin, ic.From)
		}
	case *instructions.RunCommand:
		c.from = inner.mounted(l, begin, instructions.GetMounts(ic))
	}
	return c, len(c.from) > 0
}

// copied returns what the COPY at i takes from.
func (r reader) copied(l logical, i int, name string) []from {
	f := from{name: name, kind: image.CopyFrom, place: l.head()}
	_, end := l.word(i)
	flags, _ := l.flags(end, r.escape)
	for _, fl := range flags {
		if value, ok := strings.CutPrefix(fl.text, "--from="); ok && value == name {
			f.place = l.within(fl, len("--from="), len(fl.text))
		}
	}
	// convert.go, toCommand: it takes what a lexer without variables leaves as
	// it is, and nothing else.
	switch literal, _, err := r.lex.ProcessWord(name, nothing{}); {
	case err != nil:
		f.err = brief(err)
	case literal != name:
		f.err = errors.New("COPY --from takes no variables: give the image a stage of its own, FROM … AS name, and copy from that")
	}
	return []from{f}
}

// mounted returns what the mounts of the RUN at i take from. One that names
// nothing is made from scratch: convert_runmount.go, detectRunMount.
func (r reader) mounted(l logical, i int, mounts []*instructions.Mount) []from {
	_, end := l.word(i)
	flags, _ := l.flags(end, r.escape)
	var all []from
	for _, m := range mounts {
		f := from{name: m.From, kind: image.MountFrom, place: l.head()}
		if f.name == "" {
			f.name = scratch
		}
		var fl flag
		for len(flags) > 0 && !strings.HasPrefix(fl.text, "--mount=") {
			fl, flags = flags[0], flags[1:]
		}
		if at := mountFrom(fl.text); m.From != "" && strings.HasPrefix(fl.text[at:], m.From) {
			f.place = l.within(fl, at, at+len(m.From))
		}
		all = append(all, f)
	}
	return all
}

// within returns the place of the bytes from i to j of a flag.
func (l logical) within(f flag, i, j int) place {
	if i >= j || j > len(f.at) {
		return l.head()
	}
	return l.place(f.at[i], f.at[j-1]+1)
}

// mountFrom returns where in a --mount flag the value of the last "from" is.
func mountFrom(text string) int {
	at := 0
	for i := len("--mount="); i < len(text); i++ {
		end := strings.IndexByte(text[i:], ',')
		begin := i
		if text[i] == '"' { // a field that has a comma, say: csvvalue
			begin++
			end = strings.Index(text[begin:], `",`) + 2
			if end == 1 {
				end = -1
			}
		}
		if len(text)-begin >= len("from=") && strings.EqualFold(text[begin:begin+len("from=")], "from=") {
			at = begin + len("from=")
		}
		if end < 0 {
			break
		}
		i += end
	}
	return at
}

// scratch is the name of the image without anything in it.
const scratch = "scratch"

// nothing is an environment without variables.
type nothing struct{}

func (nothing) Get(string) (string, bool) { return "", false }
func (nothing) Keys() []string            { return nil }
