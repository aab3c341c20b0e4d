package policy

import "github.com/boltseal/boltseal/internal/yamlshape"

// extend adds what other policies say, behind those of from.
func (r *reader) extend(texts []extendText, from origin) {
	for _, t := range texts {
		r.fault(yamlshape.Faultf(t.At, "", "extends cannot be read yet, from %s", from.name))
	}
}
