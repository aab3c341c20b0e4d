package handover

import "strings"

// pinnedLines returns the form for scripts and people: references with digests,
// one a line, each once. Lines that begin with "#" are comments.
func pinnedLines() Form {
	return Form{
		Name: "pinned",
		Doc:  "one NAME:TAG@DIGEST a line, for scripts and people",
		Files: func(s Set, _ Options) ([]File, error) {
			marks := map[string]string{}
			var order []string
			for _, e := range s.entries {
				line := e.pinned()
				if _, again := marks[line]; !again {
					order = append(order, line)
					marks[line] = ""
				}
				if e.exempt != nil {
					marks[line] = "# " + until(e.exempt) + ": not verified\n"
				}
			}
			var b strings.Builder
			for _, line := range order {
				b.WriteString(marks[line] + line + "\n")
			}
			body := []byte(b.String())
			return []File{{Body: body, Check: same(body)}}, nil
		},
	}
}
