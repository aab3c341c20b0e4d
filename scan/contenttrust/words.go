package contenttrust

import (
	"path"
	"strings"
)

// logical looks at the words of a line, with those that it goes on with.
func (r *reader) logical() {
	ws := r.words
	r.words = r.words[:0]
	r.continued = false
	if len(ws) == 0 {
		return
	}
	r.pending, r.named = r.named, word{}
	if r.style.hcl {
		r.block(ws)
	}
	value := r.key(ws)
	r.rows = append(r.rows, r.line)
	r.show(value)
	r.document(ws)
	for i := range ws {
		if !ws[i].shown {
			r.look(ws, i)
		}
	}
}

// block reads what begins a block of a bake file.
func (r *reader) block(ws []word) {
	switch ws[0].text {
	case "variable", "target", "group", "function":
		r.variable = word{}
		if ws[0].text == "variable" && len(ws) > 1 && isVariable(ws[1].text) {
			r.variable = ws[1]
		}
	}
}

// key reads the YAML key that a line begins with, and returns the words of its
// value: all, where there is none.
func (r *reader) key(ws []word) []word {
	if !r.style.yaml {
		return ws
	}
	for len(ws) > 1 && ws[0].text == "-" {
		ws = ws[1:]
		r.line.item, r.line.key = true, ws[0].at-ws[0].begin
	}
	name, ok := strings.CutSuffix(ws[0].text, ":")
	switch {
	case ok:
	case len(ws) > 1 && ws[1].text == ":" && ws[1].at == ws[0].at+len(ws[0].text)+1: // in quotes
		name, ws = ws[0].text, ws[1:]
	default:
		return ws
	}
	value := ws[1:]
	raw := strings.TrimLeft(r.text[ws[0].at+len(ws[0].text):ws[0].end], " \t")
	switch {
	case name == "steps":
		r.line.name = keySteps
	case name == "before_script":
		r.line.name = keyBefore
	case name == "run" || name == "script":
		r.line.name = keyRun
	case name == "name" && len(value) == 1 && isVariable(value[0].text):
		r.named = value[0]
	case isProse(name) && raw != "":
		r.prose = r.line.key
		show(value)
	}
	return value
}

// isProse reports whether a YAML key's value is for people.
func isProse(key string) bool {
	switch key {
	case "name", "run-name", "displayName", "description", "desc", "summary", "title", "message", "msg", "body", "comment", "help", "usage", "prompt", "label":
		return true
	}
	return false
}

// show marks text for people: what is only printed, and what is searched for.
func (r *reader) show(ws []word) {
	if r.style.dockerfile && len(ws) > 0 && (strings.EqualFold(ws[0].text, "LABEL") || strings.EqualFold(ws[0].text, "MAINTAINER")) {
		show(ws)
		return
	}
	for i := 0; i < len(ws); i++ {
		if !r.begins(ws, i) || !prints(ws[i].text) {
			continue
		}
		end := i + 1
		for end < len(ws) && (ws[end].quoted || !ws[end].apart) {
			end++
		}
		if !r.stored(ws[i+1:end], ws[end:]) {
			show(ws[i+1 : end])
		}
		i = end - 1
	}
}

func show(ws []word) {
	for i := range ws {
		ws[i].shown = true
	}
}

// prints reports whether a command only shows its arguments, or looks for them.
func prints(command string) bool {
	switch strings.TrimLeft(command, "@-+") {
	case "echo", "printf", "print", "println", "log", "info", "warn", "warning", "error", "err", "die", "fail", "msg", "Write-Host", "Write-Output", "Write-Warning", "Write-Error", "grep", "egrep", "rg", "sed", "awk":
		return true
	}
	return false
}

// stored reports whether what a command prints goes to a file, or sets a variable
// for later steps of a CI system. Then is what comes after the command.
func (r *reader) stored(args, then []word) bool {
	for _, w := range args {
		switch {
		case strings.HasPrefix(w.text, "##vso"), strings.HasPrefix(w.text, "::set-env"):
			return true
		case w.target && w.text != "1" && w.text != "2" && !strings.HasPrefix(w.text, "/dev/"):
			return true
		}
	}
	if len(then) > 0 && then[0].piped {
		if then[0].text == "sudo" && len(then) > 1 {
			then = then[1:]
		}
		return then[0].text == "tee"
	}
	// { echo "NAME=1"; echo "OTHER=2"; } >> "$GITHUB_ENV"
	if !r.envFile || len(args) == 0 || len(args) > 2 {
		return false
	}
	name, _, ok := strings.Cut(args[0].text, "=")
	return ok && isVariable(name)
}

// document skips a text that is only printed: cat <<EOF, with nowhere to go.
func (r *reader) document(ws []word) {
	if r.unended {
		return
	}
	for i := range ws {
		if !r.begins(ws, i) || strings.TrimLeft(ws[i].text, "@") != "cat" || i+1 >= len(ws) {
			continue
		}
		w := ws[i+1]
		raw := r.text[ws[i].at+len(ws[i].text) : w.at]
		if strings.Count(raw, "<") != 2 || w.line != ws[i].line {
			continue
		}
		if i+2 < len(ws) && (ws[i+2].target || ws[i+2].piped) {
			continue
		}
		r.heredoc = strings.ReplaceAll(strings.TrimPrefix(w.text, "-"), `\`, "")
	}
}

// begins reports whether a command begins with the word i.
func (r *reader) begins(ws []word, i int) bool {
	if ws[i].first || i == 0 {
		return true
	}
	before := ws[i-1].text
	if strings.HasSuffix(before, ":") || strings.Contains(before, "=") {
		return true
	}
	switch before {
	case "-", "-c", "-lc", "-ec", "sudo", "env", "exec", "time", "then", "do", "else", "if", "elif", "while", "until", "!", "xargs", "eval", "command", "nohup", "retry", "sh", "bash", "script",
		"RUN", "CMD", "ENTRYPOINT", "run":
		return true
	}
	return false
}

// look says what is to be said of the word i.
func (r *reader) look(ws []word, i int) {
	w := ws[i]
	r.variables(ws, i)
	if at := hub(w.text); at >= 0 && w.line != r.client {
		r.say(w, w.at+at, serverHub)
	}
	switch {
	case strings.HasPrefix(w.text, "--disable-content-trust"):
		r.flag(w)
	case w.text == "uses:" && i+1 < len(ws):
		r.action(ws[i+1])
	case w.text == "content-trust" && i >= 3 && ws[i-1].text == "config" && ws[i-2].text == "acr":
		r.azure(ws, i)
	case isCommand(w.text, "docker"):
		r.docker(ws, i)
	case isCommand(w.text, "docker-compose"):
		if j := next(ws, i, dockerValue); j > 0 && pulls(ws[j].text) {
			r.build(w, composed)
		}
	case isCommand(w.text, "notary") && r.begins(ws, i):
		r.notary(ws, i)
	}
}

// isCommand reports whether a word is a command, by its name or path, or by that
// of a variable that has it: $(DOCKER), ${DOCKER:-docker}.
func isCommand(text, name string) bool {
	text = strings.TrimSuffix(path.Base(strings.TrimLeft(text, "@+")), ".exe")
	if len(text) < len(name) || !strings.EqualFold(text[len(text)-len(name):], name) {
		return false
	}
	before := text[:len(text)-len(name)]
	return before == "" || before == "-" || before == "$" || strings.HasSuffix(before, ":-")
}

// next returns where the first word after i is that is no flag, and no value of
// one, of the same command; -1 if there is none.
func next(ws []word, i int, valued func(string) bool) int {
	for j := i + 1; j < min(len(ws), i+maxAround) && !ws[j].apart; j++ {
		switch text := ws[j].text; {
		case valued(text):
			j++
		case !strings.HasPrefix(text, "-"):
			return j
		}
	}
	return -1
}

// dockerValue reports whether a flag of docker's own has its value behind it.
func dockerValue(flag string) bool {
	switch flag {
	case "--config", "-c", "--context", "-H", "--host", "-l", "--log-level", "--tlscacert", "--tlscert", "--tlskey", "-f", "--file", "-p", "--project-name", "--profile", "--env-file", "--project-directory":
		return true
	}
	return false
}

// docker looks at a command of docker's.
func (r *reader) docker(ws []word, i int) {
	j := next(ws, i, dockerValue)
	if j < 0 {
		return
	}
	command := ws[j].text
	k := next(ws, j, dockerValue)
	sub := ""
	if k > 0 {
		sub = ws[k].text
	}
	switch command {
	case "trust":
		if text := trusts(sub); text != "" {
			r.say(ws[i], ws[i].at, text)
		}
	case "buildx":
		if sub == "build" || sub == "bake" {
			r.build(ws[i], built)
		}
	case "build":
		r.build(ws[i], plain)
	case "image", "builder":
		if sub == "build" {
			r.build(ws[i], plain)
		}
	case "compose":
		if pulls(sub) {
			r.build(ws[i], composed)
		}
	}
}

// pulls reports whether a command of Compose's may pull images.
func pulls(command string) bool {
	return command == "build" || command == "pull" || command == "up" || command == "run" || command == "create"
}

// notary looks at a command of notary's own client.
func (r *reader) notary(ws []word, i int) {
	server, named := "", false
	for j := i + 1; j < min(len(ws), i+maxAround) && !ws[j].apart; j++ {
		switch text := ws[j].text; {
		case (text == "-s" || text == "--server") && j+1 < len(ws):
			server, named = plainValue(r.text[ws[j+1].at:ws[j+1].end]), true
		case strings.HasPrefix(text, "--server="):
			server, named = strings.TrimPrefix(text, "--server="), true
		}
	}
	j := next(ws, i, func(flag string) bool {
		switch flag {
		case "-s", "--server", "-d", "--trustDir", "-c", "--configFile", "--tlscacert", "--tlscert", "--tlskey":
			return true
		}
		return false
	})
	if named || j > 0 && notaryCommand(ws[j].text) {
		r.say(ws[i], ws[i].at, notaryText(server))
		r.client = ws[i].line
	}
}

// notaryCommand reports whether notary's client has a command of that name
// (notary v0.7.0, cmd/notary).
func notaryCommand(name string) bool {
	switch name {
	case "init", "list", "lookup", "add", "addhash", "remove", "reset", "status", "publish", "verify", "witness", "key", "delegation", "delete":
		return true
	}
	return false
}

// azure looks at az acr config content-trust.
func (r *reader) azure(ws []word, i int) {
	start := i - 3
	for j := i + 1; j < min(len(ws), i+maxAround) && !ws[j].apart; j++ {
		if text := strings.TrimPrefix(ws[j].text, "--status="); strings.EqualFold(text, "disabled") {
			return // as it should be
		}
	}
	r.say(ws[start], ws[start].at, azureTrust)
}

// action looks at the action of a workflow's step.
func (r *reader) action(w word) {
	name, _, _ := strings.Cut(strings.ToLower(w.text), "@")
	switch name {
	case "sudo-bot/action-docker-sign":
		r.say(w, w.at, actionSigns)
	case "docker/build-push-action", "docker/bake-action":
		r.build(w, built)
	}
}

// flag looks at docker's flag that is for one command what DOCKER_CONTENT_TRUST
// is for all.
func (r *reader) flag(w word) {
	switch value, given := strings.CutPrefix(w.text, "--disable-content-trust="); {
	case given && isOff(value):
		r.say(w, w.at, flagOn)
	case given || w.text == "--disable-content-trust":
		r.say(w, w.at, flagOff)
	}
}

// hub returns where a word names Docker Hub's notary, -1 if it does not.
func hub(text string) int {
	const host = "notary.docker.io"
	at := strings.Index(text, host)
	if at < 0 || at > 0 && partOfHost(text[at-1]) {
		return -1
	}
	if rest := text[at+len(host):]; rest != "" && partOfHost(rest[0]) && (rest[0] != '.' || len(rest) > 1 && partOfHost(rest[1])) {
		return -1
	}
	return at
}

func partOfHost(c byte) bool {
	return c == '-' || c == '.' || c == '_' || '0' <= c && c <= '9' || 'a' <= c|' ' && c|' ' <= 'z'
}
