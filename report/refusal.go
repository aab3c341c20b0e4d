package report

// Refusal returns the summary of a job whose input was refused, so that nothing
// was asked of anybody: what is wrong with it, and the next step.
func Refusal(cause, next string) string {
	text := "### Image signature gate: NOT RUN — the input is wrong\n\n" + code(cause, 1000) + "\n"
	if next != "" {
		text += "\n**Fix:** " + code(next, 1000) + "\n"
	}
	return text
}
