package contenttrust

import (
	"strconv"
	"strings"
)

// The variables of Docker's client. Those of passphrases have more names, and
// those of notary's client begin otherwise.
const (
	switched   = "DOCKER_CONTENT_TRUST"
	serverName = "DOCKER_CONTENT_TRUST_SERVER"
)

// isVariable reports whether a name is that of one of the variables.
func isVariable(name string) bool {
	return name == switched || name == serverName || isPassphrase(name)
}

func isPassphrase(name string) bool {
	return strings.HasSuffix(name, "_PASSPHRASE") && (strings.HasPrefix(name, switched+"_") || strings.HasPrefix(name, "NOTARY_"))
}

// variables looks at the variables that the word i sets.
func (r *reader) variables(ws []word, i int) {
	w := ws[i]
	if r.pending.text != "" && w.text == "value:" && i < 2 { // name: and value: of one item
		value := plainValue(r.text[w.at+len(w.text) : w.end])
		r.set(r.pending, r.pending.at, r.pending.text, value, byKey)
		return
	}
	if r.variable.text != "" && w.text == "default" && i+1 < len(ws) && strings.HasPrefix(ws[i+1].text, "=") {
		if value := plainValue(strings.TrimLeft(r.text[w.at+len(w.text):w.end], " \t=")); value != "null" {
			r.set(r.variable, r.variable.at, r.variable.text, value, byDefault)
		}
		return
	}
	for from := 0; from < len(w.text); {
		at, end := identifier(w.text, from)
		from = end
		name := w.text[at:end]
		if glued, ok := strings.CutPrefix(name, "e"); ok && at == 1 && w.text[0] == '-' { // -eNAME
			name, at = glued, at+1
		}
		if !isVariable(name) {
			continue
		}
		if value, how := r.assigned(ws, i, at, end); how != notSet {
			r.set(w, w.at+at, name, value, how)
		}
	}
}

// identifier returns where the next name in text begins and ends.
func identifier(text string, from int) (at, end int) {
	part := func(c byte) bool { return c != '-' && c != '.' && partOfHost(c) }
	for from < len(text) && !part(text[from]) {
		from++
	}
	end = from
	for end < len(text) && part(text[end]) {
		end++
	}
	return from, end
}

// A way is how a variable is set.
type way byte

const (
	notSet      way = iota
	byCommand       // for the commands after it
	forOne          // for one command, before which it stands
	byKey           // as a YAML key, for what belongs to its parent
	forSteps        // for the later steps of a job
	byDefault       // where nothing else sets it
	inContainer     // for what runs in a container
	inImage         // by a Dockerfile, for what runs in the image
)

// assigned returns the value that the variable in the word i, at an offset of it,
// is given.
func (r *reader) assigned(ws []word, i, at, end int) (string, way) {
	w := ws[i]
	rest := r.text[w.at+end : min(w.end, w.at+end+maxValue)]
	if r.isRead(w.at + at) {
		for _, operator := range []string{":=", "="} { // : ${NAME:=1}
			if value, ok := strings.CutPrefix(rest, operator); ok && firstOf(ws, i) == ":" {
				return plainValue(value), byDefault
			}
		}
		return "", notSet
	}
	switch {
	case strings.HasPrefix(rest, "::"), strings.HasSuffix(w.text[:at], "variable=") && strings.HasPrefix(rest, "]"):
		return plainValue(strings.TrimLeft(rest, ":]")), forSteps
	case strings.HasSuffix(w.text[:at], "variable="): // task.setvariable variable=NAME;isSecret=true
		return "$", forSteps
	}
	if rest != "" && (rest[0] == '"' || rest[0] == '\'') {
		rest = rest[1:] // it stands in quotes
	}
	trimmed := strings.TrimLeft(rest, " \t")
	operator := trimmed[:len(trimmed)-len(strings.TrimLeft(trimmed, ":?+="))]
	value := trimmed[len(operator):]
	switch operator {
	case "=", ":=", "::=", "?=", "+=":
		if strings.HasPrefix(value, "~") {
			return "", notSet
		}
		adjacent := rest == trimmed && operator == "="
		if plain := plainValue(value); !adjacent || value == "" || value[0] != ' ' || plain == "0" || plain == "1" || plain == "true" {
			return plain, r.place(ws, i, adjacent)
		}
		return "", r.place(ws, i, adjacent) // NAME= COMMAND
	case ":":
		if value == "" || strings.IndexByte(" \t\"'", value[0]) >= 0 {
			return plainValue(value), byKey
		}
	case "":
		if name := strings.ToLower(previous(ws, i)); strings.HasSuffix(name, "setenvironmentvariable") { // PowerShell's [Environment]::…("NAME", "1")
			value, ok := strings.CutPrefix(trimmed, ",")
			return lasts(strings.TrimLeft(value, " \t"), ok)
		}
		if strings.EqualFold(strings.TrimRight(w.text[:at], `\/`), "env:") && end == len(w.text) {
			return r.item(ws, i)
		}
		return r.passed(ws, i, at, end)
	}
	return "", notSet
}

// lasts returns a value that PowerShell sets: with none, the variable is removed.
func lasts(text string, ok bool) (string, way) {
	value := plainValue(text)
	if !ok || value == "" || len(text) >= 5 && strings.EqualFold(text[:5], "$null") {
		return "", notSet
	}
	return value, byCommand
}

// item returns what a command of PowerShell sets the variable Env:NAME, the word i,
// to: Set-Item Env:NAME 1, New-Item -Path Env:\NAME -Value 1.
func (r *reader) item(ws []word, i int) (string, way) {
	sets := false
	for j := i - 1; j >= max(0, i-maxAround) && !ws[j+1].apart && !sets; j-- {
		switch strings.ToLower(ws[j].text) {
		case "set-item", "si", "new-item", "ni", "set-content", "sc":
			sets = true
		}
	}
	for j := i + 1; sets && j < min(len(ws), i+maxAround) && !ws[j].apart; j++ {
		if !strings.HasPrefix(ws[j].text, "-") {
			return lasts(ws[j].text, true)
		}
	}
	return "", notSet
}

// previous returns the word before the word i, "" if there is none.
func previous(ws []word, i int) string {
	if i == 0 {
		return ""
	}
	return ws[i-1].text
}

// isRead reports whether a variable's name at an offset of the file stands for
// its value: $NAME, ${NAME}, $(NAME), %NAME%.
func (r *reader) isRead(at int) bool {
	before := r.text[max(0, at-2):at]
	return strings.HasSuffix(before, "$") || before == "${" || before == "$(" || strings.HasSuffix(before, "%") || strings.HasSuffix(before, "!")
}

// maxAround bounds the words of a command that are looked at around one of them.
const maxAround = 32

// place returns for whom an assignment in the word i is. Adjacent is whether
// there is no blank before its sign, as in a shell.
func (r *reader) place(ws []word, i int, adjacent bool) way {
	if r.style.dockerfile {
		if strings.EqualFold(ws[0].text, "ENV") || strings.EqualFold(ws[0].text, "ARG") {
			return inImage
		}
		return inContainer
	}
	for j := i; j >= max(0, i-maxAround); j-- {
		if j < i {
			switch ws[j].text {
			case "-e", "--env", "--build-arg", "--opt":
				if j == i-1 {
					return inContainer
				}
			case "export", "declare", "typeset", "set", "setx":
				return r.lasting(ws, i)
			}
			if prints(ws[j].text) {
				return r.lasting(ws, i)
			}
		}
		if ws[j].apart {
			break
		}
	}
	if strings.HasPrefix(ws[i].text, "-e") || strings.HasPrefix(ws[i].text, "--env=") {
		return inContainer
	}
	if adjacent && !r.style.slashes {
		for j := i + 1; j < len(ws) && !ws[j].apart; j++ {
			if ws[j].at > ws[i].at+len(ws[i].text)+1 || ws[j].line != ws[i].line { // it is no value in quotes
				return forOne
			}
		}
	}
	return r.lasting(ws, i)
}

// lasting returns for whom it is that the word i sets a variable for more than
// one command.
func (r *reader) lasting(ws []word, i int) way {
	for j := i + 1; j < min(len(ws), i+maxAround); j++ {
		if ws[j].target && strings.Contains(ws[j].text, "GITHUB_ENV") || ws[j].target && strings.Contains(ws[j].text, "BASH_ENV") {
			return forSteps
		}
	}
	if r.style.yaml && prints(firstOf(ws, i)) {
		return forSteps
	}
	return byCommand
}

// firstOf returns the command that the word i is an argument of.
func firstOf(ws []word, i int) string {
	j := i
	for j > max(0, i-maxAround) && (!ws[j].apart || ws[j].quoted) {
		j--
	}
	return ws[j].text
}

// passed returns what is set by a name without a sign behind it: ENV NAME 1,
// export NAME, -e NAME, a list item of Compose's environment.
func (r *reader) passed(ws []word, i, at, end int) (string, way) {
	before := previous(ws, i)
	following := ""
	if i+1 < len(ws) && !ws[i+1].apart {
		following = ws[i+1].text
	}
	whole := at == 0 && end == len(ws[i].text)
	switch {
	case whole && r.style.dockerfile && strings.EqualFold(before, "ENV") && following != "":
		return following, inImage
	case whole && (before == "setenv" || before == "setx" || i > 1 && ws[i-2].text == "set" && strings.HasPrefix(before, "-") && strings.Contains(before, "x")):
		return following, byCommand
	case whole && before == "unset":
		r.keep(setting{row: len(r.rows) - 1, at: ws[i].at, how: byCommand, off: true})
	case whole && (before == "export" || before == "variable:" && r.style.slashes): // withCredentials([string(variable: 'NAME')])
		return "$", byCommand
	case whole && (before == "-e" || before == "--env"), strings.HasPrefix(ws[i].text, "--env="), strings.HasPrefix(ws[i].text, "-e") && at == 2:
		return "$", inContainer
	case whole && before == "-" && r.style.yaml && len(ws) == i+1 && i == 1:
		return "$", inContainer
	}
	return "", notSet
}

// maxValue bounds a value that is looked at, in bytes, with what stands before it.
const maxValue = 512

// plainValue returns the value that text begins with, without quotes.
func plainValue(text string) string {
	text = strings.TrimLeft(text[:min(len(text), maxValue)], " \t\"'\\")
	if end := strings.IndexAny(text, " \t\"'`,;)]&|<>\\"); end >= 0 {
		text = text[:end]
	}
	if strings.HasPrefix(text, "$") { // ${{ … }}, ${NAME}, $NAME
		return "$"
	}
	return strings.TrimRight(text, "}")
}

// isOff reports whether docker's client takes a value of DOCKER_CONTENT_TRUST for
// none: what it cannot read switches it on (docker/cli v28, cli/command/trust.go).
func isOff(value string) bool {
	on, err := strconv.ParseBool(value)
	return value == "" || err == nil && !on
}

// set says what it means that a variable is set.
func (r *reader) set(w word, at int, name, value string, how way) {
	switch {
	case name == serverName:
		if value != "" {
			r.say(w, at, serverText(value))
		}
	case isPassphrase(name):
		if (value != "" || how == byKey) && !r.signs {
			r.say(w, at, passphrase)
		}
	case value == "" && (how == byKey || how == byDefault): // an input of that name, or the value of somewhere else
	default:
		off := isOff(value)
		switch {
		case off:
			r.say(w, at, switchedOff)
		case how == inImage:
			r.say(w, at, imageBlind)
		default:
			r.say(w, at, switchedOn)
		}
		r.keep(setting{row: len(r.rows) - 1, at: at, how: how, off: off, inside: at-w.begin > r.line.key && w.line == r.line.line})
	}
}
