package policy

import (
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
)

// Patterns are the items of an images list.
type Patterns struct{}

// ParsePatterns reads the items of an images list.
func ParsePatterns(texts []yamlshape.Text) (Patterns, []*yamlshape.Fault) { return Patterns{}, nil }

// Match returns the most specific pattern that matches r, and whether one does
// and none excludes it.
func (p Patterns) Match(r image.Ref) (Pattern, bool) { return Pattern{}, false }

// A Pattern is one item of an images list.
type Pattern struct{}
