package sigstore

import (
	"testing"

	"github.com/boltseal/boltseal/internal/yamlshape"
)

// What is written for a value is read back as exactly that value, on one line.
func FuzzExactly(f *testing.F) {
	for _, s := range []string{"https://github.com/acme/app", "*", "**/x", `"\`, "a\nb\r\t\x00", "é\u2028\U0001f600\ufeff", "'#: {}[],&!|>%@`", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		pair, ok := exactly("subject", s)
		if !ok {
			return
		}
		for _, r := range pair {
			if r < ' ' || r > '~' {
				t.Fatalf("%q", pair)
			}
		}
		var got struct {
			Subject *yamlshape.Text `yaml:"subject"`
			Regexp  *yamlshape.Text `yaml:"subject-regexp"`
		}
		if faults := yamlshape.Read("x", []byte("{"+pair+"}"), &got); len(faults) > 0 {
			t.Fatalf("%q: %v", pair, faults)
		}
		m, err := Matcher{}, error(nil)
		if got.Subject != nil {
			m, err = Pattern(got.Subject.Value)
		} else {
			m, err = Regexp(got.Regexp.Value)
		}
		if err != nil || !m.Match(s) || m.Match(s+"x") || m.Match("x"+s) || m.glob {
			t.Fatalf("%q: %v", pair, err)
		}
	})
}
