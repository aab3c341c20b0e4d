package action

import (
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/sethvargo/go-githubactions"
)

// A Level is how much an annotation matters. The zero Level is an Error.
type Level string

// The levels that the runner knows. It shows ten annotations of each for a step.
const (
	Error   Level = "error"
	Warning Level = "warning"
	Notice  Level = "notice"
)

// A Note is a message about a place in the workspace.
type Note struct {
	Level  Level  // any other than the three is an Error
	File   string // relative to the workspace; "" if the note is about no file
	Line   int    // from 1; 0 leaves it out
	Column int    // from 1; 0 leaves it out, and so does a Line of 0
	Title  string // one line of at most MaxTitle; "" leaves it out
	Text   string // may have several lines; at most MaxText
}

// Annotate writes n, which the runner shows beside the file and above the log.
// It is one line of the log whatever n holds; what is too long is cut, and ends
// in an ellipsis.
//
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions#setting-an-error-message
func (r *Runner) Annotate(n Note) {
	level := n.Level
	if level != Warning && level != Notice {
		level = Error
	}
	at := githubactions.CommandProperties{} // its keys are not escaped: constants only
	if n.File != "" {
		at["file"] = plain(filepath.ToSlash(n.File), MaxText, false)
		if n.Line > 0 {
			at["line"] = strconv.Itoa(n.Line)
		}
		if n.Line > 0 && n.Column > 0 {
			at["col"] = strconv.Itoa(n.Column)
		}
	}
	if n.Title != "" {
		at["title"] = plain(n.Title, MaxTitle, false)
	}
	r.command(string(level), at, plain(n.Text, MaxText, true))
}

// Mask has the runner write *** for secret wherever it would show it. A secret
// of several lines is masked line by line, as the log is; blank lines are not.
//
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions#masking-a-value-in-a-log
func (r *Runner) Mask(secret string) {
	for line := range strings.FieldsFuncSeq(secret, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if strings.TrimSpace(line) != "" {
			r.command("add-mask", nil, line)
		}
	}
}

// Group folds what is written until end is called under title, of which
// MaxTitle is shown. Groups do not nest. Only the first call of end counts.
//
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions#grouping-log-lines
func (r *Runner) Group(title string) (end func()) {
	r.command("group", nil, plain(title, MaxTitle, false))
	return sync.OnceFunc(func() { r.command("endgroup", nil, "") })
}

// Debug writes text, at most MaxText of it, for those who run the workflow with
// debug logging; see [Runner.Debugging].
//
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions#setting-a-debug-message
func (r *Runner) Debug(text string) { r.command("debug", nil, plain(text, MaxText, true)) }

// command writes one line. go-githubactions escapes data and the values of
// properties as @actions/core does, which keeps them in it; its Infof escapes
// nothing, and is not for text from outside.
func (r *Runner) command(name string, properties githubactions.CommandProperties, data string) {
	if !r.Running() {
		return
	}
	r.log.IssueCommand(&githubactions.Command{Name: name, Properties: properties, Message: data})
}
