package dct

import (
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/verify"
)

// required returns which of the signers of c have signed the same as t, and the
// first that has not; "" if all have. Against is whether one of them has signed
// something else by the name of t.
func (l *loaded) required(c Config, t Target) (have []string, lack string, against bool) {
	for _, s := range c.Signers {
		i := slices.IndexFunc(l.of(t.Tag), func(o Target) bool { return o.Role == "targets/"+s })
		switch {
		case i >= 0 && l.of(t.Tag)[i].Digest == t.Digest:
			have = append(have, s)
			continue
		case i >= 0:
			against = true
		}
		if lack == "" {
			lack = s
		}
	}
	return have, lack, against
}

// instead returns how t, whose role c does not require, differs from what c lacks,
// and what would let it count. There is neither where all have signed that c
// requires, as then nothing lacks what t could stand for, nor of what only says
// what tags mean. Where somebody who is required has signed another image, that is
// for people to find out: nothing is told that would leave them out.
func (l *loaded) instead(c Config, t, decided Target) (*verify.Difference, *verify.Acceptance) {
	have, lack, against := l.required(c, t)
	if lack == "" || isReleasing(t.Role) {
		return nil, nil
	}
	differs := &verify.Difference{What: "signer", Found: t.Role, Expected: "targets/" + lack}
	if decided.Digest != t.Digest || against {
		return differs, nil
	}
	return differs, c.accept(append(have, strings.TrimPrefix(t.Role, targets+"/")))
}

// isReleasing reports whether a role says what tags mean, and is no signer's.
func isReleasing(role string) bool { return role == releases || role == targets }

// accept returns what would let the signatures of those signers count. All else is
// as c says.
func (c Config) accept(signers []string) *verify.Acceptance {
	certificates := func(all []*x509.Certificate) []string {
		var texts []string
		for _, cert := range all {
			texts = append(texts, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})))
		}
		return texts
	}
	roots := slices.Clone(c.RootKeyIDs)
	for _, key := range c.RootKeys {
		roots = append(roots, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: key})))
	}
	var pairs []string
	list := func(key string, items []string) {
		if len(items) == 0 {
			return
		}
		quoted := make([]string, len(items))
		for i, item := range items {
			quoted[i] = yamlshape.Quote(item)
		}
		pairs = append(pairs, key+": ["+strings.Join(quoted, ", ")+"]")
	}
	list("roots", roots)
	list("ca", certificates(c.RootCA))
	list("signers", signers)
	if !c.Server.IsZero() {
		pairs = append(pairs, "server: "+yamlshape.Quote(c.Server.String()))
	}
	list("server-ca", certificates(c.ServerCA))
	a := &verify.Acceptance{List: "require", OfRule: c.String(), InRule: "put it in the place of the requirement that names other signers"}
	if c.TOFU {
		pairs = append(pairs, "tofu: true")
		a.Unwise = "no root is pinned: whoever answers for the server decides who may sign"
	}
	a.Alone = "{dct: {" + strings.Join(pairs, ", ") + "}}"
	a.Line = a.Alone
	return a
}
