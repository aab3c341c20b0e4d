package scanreport

import (
	"fmt"
	"strings"

	"github.com/boltseal/boltseal/internal/spelling"
)

// A Severity says how bad a finding is, as its scanner rates it. The greater is
// the worse. The zero Severity is Unknown, the least; as a threshold it is the
// strictest.
type Severity int

// The Severities.
const (
	Unknown Severity = iota // nobody has rated it
	Negligible
	Low
	Medium
	High
	Critical
)

// Severities are all of them, the worst first.
func Severities() []Severity {
	return []Severity{Critical, High, Medium, Low, Negligible, Unknown}
}

// String returns the word for s, in lower case.
func (s Severity) String() string {
	switch s {
	case Unknown:
		return "unknown"
	case Negligible:
		return "negligible"
	case Low:
		return "low"
	case Medium:
		return "medium"
	case High:
		return "high"
	case Critical:
		return "critical"
	}
	return fmt.Sprintf("severity(%d)", int(s))
}

// ParseSeverity reads a word for a severity in any case: unknown, negligible,
// low, medium or moderate, high or important, critical. Any other word is an
// error: nobody knows how bad it is.
func ParseSeverity(word string) (Severity, error) {
	switch strings.ToLower(word) {
	case "unknown":
		return Unknown, nil
	case "negligible":
		return Negligible, nil
	case "low":
		return Low, nil
	case "medium", "moderate":
		return Medium, nil
	case "high", "important":
		return High, nil
	case "critical":
		return Critical, nil
	}
	words := []string{"unknown", "negligible", "low", "medium", "high", "critical"}
	if near := spelling.Nearest(strings.ToLower(word), words); near != "" {
		return Unknown, fmt.Errorf("%.40q is no severity: did you mean %s?", word, near)
	}
	return Unknown, fmt.Errorf("%.40q is no severity", word)
}

// exceeds reports whether a finding of severity s is refused at a threshold.
// What nobody has rated yet could be anything. As with Trivy and Grype it does
// not count at a threshold that tells ratings apart; who refuses even the
// negligible wants no finding at all. What is no threshold lets nothing through.
func (s Severity) exceeds(threshold Severity) bool {
	return s >= threshold || s == Unknown && threshold <= Negligible || threshold > Critical
}
