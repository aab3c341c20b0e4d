package policy

import "github.com/boltseal/boltseal/internal/yamlshape"

// publishers adds the rules of built-in publishers.
func (r *reader) publishers(raws []yamlshape.Raw) {
	for _, raw := range raws {
		r.fault(yamlshape.Faultf(raw.At, "", "publishers cannot be read yet"))
	}
}
