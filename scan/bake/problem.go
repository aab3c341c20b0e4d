package bake

import (
	"errors"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/boltseal/boltseal/image"
)

// A problem is something that bake would stop at, or that cannot be known, at
// the place where it is written.
type problem struct {
	at  place
	err error
}

func (p *problem) use() image.Use {
	return image.Use{Kind: image.BakeContext, Text: p.at.unquoted().first(), At: p.at.unquoted().start(), Err: p.err}
}

// problem returns the first error that HCL found in the file.
func (s *source) problem(diags hcl.Diagnostics) *problem {
	at := place{src: s}
	for _, d := range diags {
		if d.Severity == hcl.DiagError && d.Subject != nil {
			at = s.place(*d.Subject)
			break
		}
	}
	return &problem{at: at, err: summary(diags)}
}

// summary returns what HCL says as one error in our style: its first error, or
// the doubt or bound behind it. HCL's own text has capitals, stops and lines,
// and a guess at a misspelt name: of several that are as near it takes any.
func summary(diags hcl.Diagnostics) error {
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		text := d.Summary
		if d.Detail != "" {
			text += ": " + d.Detail
		}
		text = strings.Join(strings.Fields(text), " ")
		if i := strings.LastIndex(text, " Did you mean "); i >= 0 && strings.HasSuffix(text, "?") {
			text = text[:i]
		}
		if len(text) > 300 {
			text = strings.ToValidUTF8(text[:300], "") + "…"
		}
		return errors.New(lowered(strings.TrimSuffix(text, ".")))
	}
	return errors.New("the file cannot be read")
}

// lowered writes the first letter small, unless the word is an abbreviation.
func lowered(s string) string {
	if len(s) > 1 && s[0] >= 'A' && s[0] <= 'Z' && (s[1] < 'A' || s[1] > 'Z') {
		return string(s[0]+'a'-'A') + s[1:]
	}
	return s
}
