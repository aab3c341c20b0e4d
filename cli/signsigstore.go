package cli

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/sign"
	maker "github.com/boltseal/boltseal/sign/sigstore"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// A sigstoreMeans signs with Sigstore: keyless, or by a key.
type sigstoreMeans struct {
	run     *signing
	by      credentials
	trust   *sigstore.Trust // nil where no log is asked
	bundles maker.Services  // for bundles and attestations
	legacy  maker.Services
	chosen  bool // they are
}

func readSigstore(s *signing) (means, error) {
	m := &sigstoreMeans{run: s}
	if err := m.readServices(); err != nil {
		return nil, err
	}
	var err error
	if m.by, err = s.flags.by.read(s.command, s.flags.upload); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *sigstoreMeans) consumer(c *report.Consumer) {
	f := &m.run.flags
	c.TrustedRoot, c.IgnoreLog = f.trust.file != "" || f.trust.mirror != "", !f.upload
	if f.trust.instance != publicGood {
		c.Instance = f.trust.instance
	}
}

func (m *sigstoreMeans) begin(ctx context.Context) {
	if m.trust != nil {
		m.trust.Start(ctx)
	}
}

func (m *sigstoreMeans) signer(ctx context.Context, client *registry.Client, done func(done, of int)) (signer, error) {
	run, f := m.run, &m.run.flags
	o := maker.Options{
		Store: client, Trust: m.trust, Client: run.command.asker(), Key: m.by.key, Token: m.by.token,
		Repository: run.where, IgnoreLog: !f.upload, Now: run.command.now, Sleep: run.command.Sleep, Jobs: f.jobs, Done: done,
	}
	err := m.services(ctx)
	if err != nil {
		return nil, err
	}
	o.Services, o.Legacy = m.bundles, m.legacy
	if m.by.service != "" {
		if m.by.key, err = maker.KMSKey(ctx, m.by.service); err != nil {
			if sign.Reason(err).NoAnswer() {
				return nil, err
			}
			return nil, noService(m.by.service, err)
		}
		o.Key = m.by.key
	}
	by, err := maker.New(o)
	if err != nil {
		return nil, usagef("", hintOf(err, "boltseal sign --help lists the flags"), "%w", bare(err))
	}
	return by, nil
}

// misconfigured is about a certificate authority that is not there, which shows
// when a certificate is needed.
func (m *sigstoreMeans) misconfigured(failures []sign.Failure) error {
	for _, f := range failures {
		if errors.Is(f.Err, maker.ErrNoCA) {
			return usagef("--signing-config", hintOf(f.Err, "give a signing config that names a Fulcio, or sign with a key"), "%w", f.Err)
		}
	}
	return nil
}

func (m *sigstoreMeans) notices() []string {
	if m.trust == nil || m.trust.Warning() == "" {
		return nil
	}
	return []string{m.trust.Warning()}
}

func (m *sigstoreMeans) item(x sign.Record) report.SignedItem {
	item := report.SignedItem{Record: x, Hash: m.by.hash(x)}
	if m.public() && x.LogIndex != nil && searchable(x) {
		item.Log = fmt.Sprintf("%s%d", report.SearchAddress, *x.LogIndex)
	}
	return item
}

// public reports whether signatures go to the log that everybody can search.
func (m *sigstoreMeans) public() bool {
	f := &m.run.flags
	t := f.trust
	return t.instance == publicGood && t.file == "" && t.mirror == "" && f.config == "" && f.upload
}

// hash is that of a signature in Rekor v2 by a key on a larger curve, which cosign
// has to be told of.
func (c credentials) hash(x sign.Record) string {
	if c.key == nil || x.Format == sign.Legacy || x.LogIndex == nil || searchable(x) {
		return ""
	}
	if public, ok := c.key.GetPublicKey().(*ecdsa.PublicKey); ok {
		switch public.Curve {
		case elliptic.P384():
			return "sha384"
		case elliptic.P521():
			return "sha512"
		}
	}
	return ""
}

// searchable reports whether the public search knows the log entry: Rekor v2 has
// no search, and promises no inclusion either.
func searchable(x sign.Record) bool {
	if x.Format == sign.Legacy {
		return true
	}
	var doc struct {
		VerificationMaterial struct {
			TlogEntries []struct {
				InclusionPromise *json.RawMessage `json:"inclusionPromise"`
			} `json:"tlogEntries"`
		} `json:"verificationMaterial"`
	}
	err := json.Unmarshal(x.Bundle, &doc)
	entries := doc.VerificationMaterial.TlogEntries
	return err == nil && len(entries) == 1 && entries[0].InclusionPromise != nil
}
