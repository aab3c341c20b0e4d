package cli

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// trusts are the trust roots of a run, each obtained once however many
// requirements name it.
type trusts struct {
	command Command
	flags   *trustFlags
	seen    string // the folder of what was seen of Docker Content Trust, "" for none
	known   map[trustFlags]*sigstore.Trust
	order   []*sigstore.Trust // of known, as they were first asked for
}

// of returns the trust root of an instance, that of the flags where none is
// named. What flags say of their own instance is never taken for one that a
// policy names.
func (t *trusts) of(instance string) (*sigstore.Trust, error) {
	from := *t.flags
	if instance != "" {
		from = trustFlags{instance: instance, cache: from.cache}
	}
	return t.get(from, func() (*sigstore.Trust, error) { return from.trust(t.command.getenv, t.command.proxy()) })
}

// file returns the trust root of the text of a file, which stands in for what an
// instance says ("" for the public one).
func (t *trusts) file(instance, name string, body []byte) (*sigstore.Trust, error) {
	from := trustFlags{instance: cmp.Or(instance, publicGood), file: name}
	return t.get(from, func() (*sigstore.Trust, error) {
		trust, err := sigstore.TrustJSON(body, from.rules())
		if err != nil { // whose text may quote the file, which is perhaps none of the policy's author's
			return nil, errors.New("the file is not a Sigstore trusted root, as `cosign trusted-root create` writes it")
		}
		return trust, nil
	})
}

// get returns the trust root that is known for from, or else makes it.
func (t *trusts) get(from trustFlags, obtain func() (*sigstore.Trust, error)) (*sigstore.Trust, error) {
	if known, ok := t.known[from]; ok {
		return known, nil
	}
	trust, err := obtain()
	if err != nil {
		return nil, err
	}
	if t.known == nil {
		t.known = map[trustFlags]*sigstore.Trust{}
	}
	t.known[from] = trust
	t.order = append(t.order, trust)
	return trust, nil
}

// dctCache returns the folder that keeps what was seen of Docker Content Trust, ""
// where none does.
func (t *trusts) dctCache() string {
	if t.seen == "" {
		return ""
	}
	return t.command.path(t.seen)
}

// start begins to fetch all that were asked for.
func (t *trusts) start(ctx context.Context) {
	for _, trust := range t.order {
		trust.Start(ctx)
	}
}

// warnings returns what users should know of how they were obtained.
func (t *trusts) warnings() []report.Warning {
	var out []report.Warning
	for _, trust := range t.order {
		w := report.Warning{Text: trust.Warning()}
		if w.Text != "" && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}
