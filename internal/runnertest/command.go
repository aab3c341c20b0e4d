// Package runnertest reads what a step of GitHub Actions writes as the runner
// does: the commands in its log, and the files of its outputs and variables.
// Where the runner's reading depends on its platform or its locale, the reading
// counts that gives an attacker more.
//
// The grammar is that of github.com/actions/runner: ActionCommand.cs,
// ActionCommandManager.cs and FileCommandManager.cs.
package runnertest

import (
	"regexp"
	"strings"
	"unicode"
)

// A Command is a workflow command as the runner executes it.
type Command struct {
	Name       string            // in lower case, such as "set-output"
	Properties map[string]string // unescaped; nil if there are none
	Data       string            // unescaped
	Syntax     int               // 1: ##[name], 2: ::name::
}

// live are the commands that the runner obeys. It obeys set-env and add-path
// only with ACTIONS_ALLOW_UNSECURE_COMMANDS, and internal-set-repo-path only
// during a checkout; here it always does.
var live = []string{
	"add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "internal-set-repo-path",
	"notice", "remove-matcher", "save-state", "set-env", "set-output", "stop-commands", "warning",
}

const stop = "stop-commands"

// Commands returns what the runner executes when a step writes output, to
// standard output or standard error. A stop-commands is one of them; the token
// that ends it is not.
func Commands(output string) []Command {
	known := map[string]bool{}
	for _, name := range live {
		known[name] = true
	}
	var (
		found []Command
		token string // while not "", only its command is obeyed
	)
	for line := range strings.SplitSeq(unixLines(utf8Text(output)), "\n") {
		c, sure, ok := parse(line, known)
		switch {
		case !ok:
		case token != "":
			if c.Name == token {
				delete(known, token)
				token = ""
			}
		default:
			found = append(found, c)
			// The runner refuses weak tokens and goes on obeying.
			if t := strings.ToLower(c.Data); c.Name == stop && sure && t != "" && t != "pause-logging" && !known[t] {
				token, known[t] = t, true
			}
		}
	}
	return found
}

// unixLines ends every line with \n: .NET's reader of a process's output also
// ends them at \r\n and at a bare \r.
func unixLines(s string) string {
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
}

// utf8Text decodes as .NET does: what is no UTF-8 becomes U+FFFD.
func utf8Text(s string) string { return string([]rune(s)) }

// parse reads a line in the newer syntax, then in the older. It is not sure
// where only some runners find a command.
func parse(line string, known map[string]bool) (c Command, sure, ok bool) {
	if c, sure, ok := parse2(line, known); ok {
		return c, sure, true
	}
	// String.IndexOf(string) compares by culture: a combining character behind
	// the first "##[" hides it, and the next one counts.
	sure = true
	for {
		_, rest, ok := strings.Cut(line, "##[")
		if !ok {
			return Command{}, false, false
		}
		if c, ok := parse1(rest, known); ok {
			return c, sure, true
		}
		line, sure = rest, false
	}
}

// closing ends the name and the properties. By culture, characters that have
// no weight may stand between the colons.
var closing = regexp.MustCompile(`:[\p{Cc}\p{Cf}]*:`)

// parse2 reads ::name key=value,key=value::data behind white space.
func parse2(line string, known map[string]bool) (c Command, sure, ok bool) {
	line = strings.TrimLeftFunc(line, func(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' })
	rest, ok := strings.CutPrefix(line, "::")
	if !ok {
		return Command{}, false, false
	}
	at := closing.FindStringIndex(rest)
	if at == nil {
		return Command{}, false, false
	}
	name, props, _ := strings.Cut(rest[:at[0]], " ")
	name = strings.ToLower(name)
	if !known[name] {
		return Command{}, false, false
	}
	data := strings.NewReplacer("%0D", "\r", "%0A", "\n", "%25", "%")
	property := strings.NewReplacer("%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",", "%25", "%")
	return Command{
		Name:       name,
		Properties: properties(strings.TrimFunc(props, unicode.IsSpace), ",", property),
		Data:       data.Replace(rest[at[1]:]),
		Syntax:     2,
	}, at[1]-at[0] == len("::"), true
}

// parse1 reads name key=value;key=value]data, which stood behind "##[".
func parse1(rest string, known map[string]bool) (Command, bool) {
	info, data, ok := strings.Cut(rest, "]")
	if !ok {
		return Command{}, false
	}
	name, props, _ := strings.Cut(info, " ")
	name = strings.ToLower(name)
	if !known[name] {
		return Command{}, false
	}
	escapes := strings.NewReplacer("%3B", ";", "%0D", "\r", "%0A", "\n", "%5D", "]", "%25", "%")
	return Command{Name: name, Properties: properties(props, ";", escapes), Data: escapes.Replace(data), Syntax: 1}, true
}

// properties splits key=value pairs as String.Split does that removes empty
// entries: "=" before a key or a value is dropped, and so is a pair without
// either.
func properties(s, separator string, unescape *strings.Replacer) map[string]string {
	var m map[string]string
	for pair := range strings.SplitSeq(s, separator) {
		key, value, _ := strings.Cut(strings.TrimLeft(pair, "="), "=")
		value = strings.TrimLeft(value, "=")
		if key == "" || value == "" {
			continue
		}
		if m == nil {
			m = map[string]string{}
		}
		m[strings.ToLower(key)] = unescape.Replace(value) // compared without regard to case
	}
	return m
}
