package builders_test

import "github.com/boltseal/boltseal/image"

// handOver returns the file that is handed over as form for what the references
// stand for now.
func (w *world) handOver(form string, refs ...string) string {
	var all []string
	for _, r := range refs {
		all = append(all, w.words(r))
	}
	return w.admit(form, func(r image.Ref) string { return served(w.t, w.reg, r) }, all...)
}
