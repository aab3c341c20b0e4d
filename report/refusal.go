package report

// Refusal returns the summary of a job whose input was refused, so that nothing
// was asked of anybody: what is wrong with it, the next step, and what builders
// get all the same, a sentence each.
func Refusal(cause, next string, handover ...string) string {
	text := "### Image signature gate: NOT RUN — the input is wrong\n\n" + code(cause, 1000) + "\n"
	if next != "" {
		text += "\n**Fix:** " + code(next, 1000) + "\n"
	}
	for _, line := range handover {
		text += "\n" + code(line, 1000) + "\n"
	}
	return text
}
