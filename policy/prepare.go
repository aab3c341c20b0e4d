package policy

import (
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
)

// Prepare makes the check of every requirement, as [Policy.Rules] does for the
// images of a run, and returns an [*Error] that has what stands in the way, such
// as files that are not there: what would stop a run only once it has an image
// of that rule.
func (p *Policy) Prepare(systems []System, now time.Time) error {
	b := binder{systems: systems, now: now, faults: map[string]*yamlshape.Fault{}}
	for i := range p.rules {
		b.prepare(p.rules[i].require)
	}
	if len(b.faults) > 0 {
		return &Error{sortedFaults(b.faults)}
	}
	return nil
}

// prepare makes all checks, whichever of them cannot be made.
func (b *binder) prepare(all []requirement) {
	for i := range all {
		if r := &all[i]; r.form != nil {
			b.formVerifier(r, image.Use{})
		} else {
			b.prepare(r.anyOf)
			b.prepare(r.allOf)
		}
	}
}
