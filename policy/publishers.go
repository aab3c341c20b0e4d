package policy

import "github.com/boltseal/boltseal/internal/yamlshape"

// publishers adds the rules of the built-in publishers that a policy lists.
func (r *reader) publishers(raws []yamlshape.Raw, from origin) {
	for _, raw := range raws {
		r.fault(yamlshape.Faultf(raw.At, "", "publishers cannot be read yet, from %s", from.name))
	}
}
