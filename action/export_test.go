package action

import "net/http"

var (
	Heredocs = heredocs
	Plain    = plain
	Sleep    = sleep
)

// Ask has r send its requests to t.
func (r *Runner) Ask(t http.RoundTripper) { r.transport = t }
