package sigstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/internal/order"
	"github.com/boltseal/boltseal/verify"
	vsig "github.com/boltseal/boltseal/verify/sigstore"
)

// An item is one thing that an Order makes of a manifest: a signature in one
// format, or an attestation.
type item struct {
	format      sign.Format
	annotations map[string]string // of a signature
	statement   *sign.Statement   // of an attestation; nil for a signature
	predicate   any               // of statement, decoded
}

// signatures returns what an Order makes of each manifest, each once.
func signatures(o sign.Order) ([]item, error) {
	for k, v := range o.Annotations {
		if !utf8.ValidString(k) || !utf8.ValidString(v) { // JSON has no other text
			return nil, order.Refused(verify.Unsupported, "the annotation %.100q is not UTF-8", k+"="+v)
		}
	}
	var items []item
	for _, f := range o.Formats {
		if f.System() != vsig.System {
			return nil, order.Refused(verify.Unsupported, "format %.100q is neither %q nor %q", f, sign.Bundle, sign.Legacy)
		}
		if !slices.ContainsFunc(items, func(it item) bool { return it.format == f }) {
			items = append(items, item{format: f, annotations: o.Annotations})
		}
	}
	return items, nil
}

// attestations returns items and what statements make of a manifest besides, each
// once.
func attestations(items []item, statements []sign.Statement) ([]item, error) {
	for _, st := range statements {
		if full, err := vsig.PredicateType(st.Type); err != nil || full != st.Type {
			return nil, order.Refused(verify.Unsupported, "attestation: predicate type %q is not the URI of one", st.Type)
		}
		predicate, err := decode(st.Predicate)
		if err != nil {
			return nil, order.Refused(verify.Unsupported, "attestation of type %s: %w", st.Type, err)
		}
		if _, ok := predicate.(map[string]any); !ok { // in-toto Statement v1, "predicate"
			return nil, order.Refused(verify.Unsupported, "attestation of type %s: the predicate is not a JSON object", st.Type)
		}
		if !slices.ContainsFunc(items, func(other item) bool {
			return other.statement != nil && other.statement.Type == st.Type && reflect.DeepEqual(other.predicate, predicate)
		}) {
			items = append(items, item{format: sign.Bundle, statement: &st, predicate: predicate})
		}
	}
	return items, nil
}

// decode returns a JSON value such that reflect.DeepEqual compares it. Numbers
// are compared as they are written.
func decode(body []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return v, nil
}

// String is what the item is called in messages.
func (it item) String() string {
	if it.statement != nil {
		return "attestation of type " + it.statement.Type
	}
	return string(it.format) + " signature"
}

// is reports whether m says what it should, whoever made it and wherever it is.
func (it item) is(m vsig.Made) bool {
	if it.statement != nil {
		if m.Signature() || m.Bundle == nil || m.Evidence.PredicateType != it.statement.Type {
			return false
		}
		said, err := decode(m.Predicate)
		return err == nil && reflect.DeepEqual(said, it.predicate)
	}
	return m.Signature() && (m.Bundle != nil) == (it.format == sign.Bundle) && sameAnnotations(it.annotations, m.Annotations)
}

// isThere reports whether m, as it was found, is the item: where consumers look for
// it, and in a form that they read. What is read here and not by cosign does not
// count: it takes no bundle before v0.3, and none that has other layers beside it.
func (it item) isThere(m vsig.Made) bool {
	switch {
	case !it.is(m):
		return false
	case it.format == sign.Legacy:
		return m.Evidence.Storage == "sig-tag" && readable(m.Layer)
	}
	return m.Evidence.Storage != "sig-tag" && m.Evidence.Storage != "att-tag" && m.Beside == 0 && m.Evidence.Format == "bundle-v0.3"
}

// readable reports whether cosign can read what a layer says of certificates: it
// fails where it cannot, also of a chain that it does not need.
func readable(layer ocispec.Descriptor) bool {
	for _, name := range []string{annotationCertificate, annotationChain} {
		if _, err := cryptoutils.LoadCertificatesFromPEM(strings.NewReader(layer.Annotations[name])); err != nil {
			return false
		}
	}
	return true
}

func sameAnnotations(ordered map[string]string, said map[string]any) bool {
	if len(ordered) != len(said) {
		return false
	}
	for k, v := range ordered {
		if said[k] != any(v) {
			return false
		}
	}
	return true
}

// look decides every item that is there already: a sound one of the same
// identity or key that says the same. Whether an item is there has to be known
// before it is made; what is listed and still not there a moment later is not.
func (w *work) look(ctx context.Context, who *signatory) error {
	made, err := w.findings(ctx, who)
	if vsig.Unserved(err) {
		if err := w.opts.Sleep(ctx, order.Patience); err != nil {
			return err
		}
		if made, err = w.findings(ctx, who); vsig.Unserved(err) {
			err = nil
		}
	}
	for i := range w.results {
		res := &w.results[i]
		for _, m := range made {
			if who.made(m) && res.item.isThere(m) && !(w.hides(m) && w.opts.Services.logVersion() == 1) { // else another is no better
				*res = result{item: res.item, made: m, existed: true}
				break
			}
		}
	}
	w.heed(made)
	return err
}

// findings are what is stored of the manifest by who.
func (w *work) findings(ctx context.Context, who *signatory) (made []vsig.Made, err error) {
	err = w.Slot(ctx, func() (err error) {
		made, err = vsig.NewSession(w.opts.Store, w.opts.Repository).Made(ctx, who.config, w.m.Image)
		return err
	})
	return made, err
}

// hides reports whether m keeps cosign 2 from a signature in the legacy format that
// is ordered too: it takes an image's bundles first, and accepts one with a
// certificate only if the log itself says when it was made, which Rekor v2 does not.
func (r *run) hides(m vsig.Made) bool {
	return slices.Contains(r.Order.Formats, sign.Legacy) && r.opts.Key == nil && m.Bundle != nil && !promised(m.Bundle)
}

// heed remembers whether all bundles among made hide what is signed.
func (w *work) heed(made []vsig.Made) {
	bundles := slices.DeleteFunc(slices.Clone(made), func(m vsig.Made) bool { return m.Bundle == nil })
	w.hidden = len(bundles) > 0 && !slices.ContainsFunc(bundles, func(m vsig.Made) bool { return !w.hides(m) })
}

// promised reports whether a bundle has an entry of a log that says when it was
// made: one of version 1.
func promised(bundle []byte) bool {
	var doc struct {
		VerificationMaterial struct {
			TlogEntries []struct {
				InclusionPromise *struct{ SignedEntryTimestamp []byte }
			}
		}
	}
	_ = json.Unmarshal(bundle, &doc) // it was read and verified as one
	for _, e := range doc.VerificationMaterial.TlogEntries {
		if e.InclusionPromise != nil && len(e.InclusionPromise.SignedEntryTimestamp) > 0 {
			return true
		}
	}
	return false
}

// made reports whether m is by who, to the letter.
func (s *signatory) made(m vsig.Made) bool {
	if s.cert == nil {
		return m.Evidence.Issuer == "" && m.Evidence.Signer == "key sha256:"+s.config.Keys[0].Fingerprint()
	}
	unlike, _ := s.cert.unlike(m.Evidence.Signer, m.Evidence.Issuer, m.Evidence.Claims)
	return m.Evidence.System == vsig.System && unlike == ""
}
