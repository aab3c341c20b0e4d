package sigstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	sgsign "github.com/sigstore/sigstore-go/pkg/sign"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/internal/order"
	"github.com/boltseal/boltseal/verify"
	vsig "github.com/boltseal/boltseal/verify/sigstore"
)

// Media types and annotations of bundles that refer to an image, as cosign 3
// writes them (pkg/oci/remote/write.go).
const (
	bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"
	inTotoType = "application/vnd.in-toto+json"

	statementType = "https://in-toto.io/Statement/v1"

	annotationContent   = "dev.sigstore.bundle.content"
	annotationPredicate = "dev.sigstore.bundle.predicateType"
)

// sealed is a signature that was made, logged and checked, and where it is once
// it is pushed.
type sealed struct {
	layer ocispec.Descriptor // as its manifest will describe it
	blob  []byte
	by    *signatory

	source string // where it was pushed to, as in verify.Evidence
}

// one makes an item, and checks that it is what was ordered before anything of it
// is pushed.
func (w *work) one(ctx context.Context, it item) (sealed, error) {
	who, err := w.signer.desk.who(ctx)
	if err != nil {
		return sealed{}, err
	}
	services, err := w.signer.services(ctx, it.format)
	if err != nil {
		return sealed{}, err
	}
	content, store, payload := sgsign.Content(nil), storeBundle, []byte(nil)
	if it.format == sign.Legacy {
		if payload, err = w.payload(it); err != nil {
			return sealed{}, err
		}
		content = &sgsign.PlainData{Data: payload}
		store = func(b *protobundle.Bundle) (ocispec.Descriptor, []byte, error) { return storeLegacy(b, payload, who) }
	} else {
		statement, err := w.statement(it)
		if err != nil {
			return sealed{}, err
		}
		content = &sgsign.DSSEData{Data: statement, PayloadType: inTotoType}
	}
	b, err := w.signer.signing.seal(ctx, content, who.key, who.cert, services)
	if err != nil {
		return sealed{}, err
	}
	s := sealed{by: who}
	if s.layer, s.blob, err = store(b); err == nil {
		var made vsig.Made
		made, err = vsig.CheckLayer(ctx, s.layer, s.blob, who.config, w.m.Image)
		if err == nil && !(who.made(made) && it.is(made)) {
			err = order.Refused(verify.BadSignature, "it does not say what it was to say")
		}
	}
	if err == nil {
		about := vsig.Artifact{Digest: w.m.Image.Digest()}
		if it.format == sign.Legacy {
			about = vsig.Artifact{Content: bytes.NewReader(payload)}
		}
		err = whole(ctx, b, about, who)
	}
	if err != nil {
		return sealed{}, &verify.Error{
			Op: "check the new " + it.String(), Err: err,
			Hint: "nothing was pushed; see to it that the signing config and the trusted root are of one Sigstore instance, and that the clock is right",
		}
	}
	return s, nil
}

// whole checks all that there is of a signature, and not only what verifiers need or
// the legacy format keeps: of a log that is its promise, and here it has shown
// whether it was kept.
func whole(ctx context.Context, b *protobundle.Bundle, about vsig.Artifact, who *signatory) error {
	_, body, err := storeBundle(b)
	if err == nil {
		_, err = vsig.CheckBundle(ctx, body, who.config, about)
	}
	return err
}

// A statement is an in-toto statement about one manifest.
type statement struct {
	Type          string          `json:"_type"`
	Subject       []subject       `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate"`
}

type subject struct {
	Name        string            `json:"name,omitempty"`
	Digest      map[string]string `json:"digest"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// statement returns what is signed for an item: cosign gives the subject of an
// attestation a name, and that of a signature the annotations.
func (w *work) statement(it item) ([]byte, error) {
	about := subject{Digest: map[string]string{"sha256": w.m.Subject.Digest.Encoded()}}
	st := statement{Type: statementType, PredicateType: vsig.SignPredicate, Predicate: json.RawMessage("{}")}
	if it.statement != nil {
		about.Name = dockerName(w.m.Image)
		st.PredicateType, st.Predicate = it.statement.Type, it.statement.Predicate
	} else {
		about.Annotations = it.annotations
	}
	st.Subject = []subject{about}
	return marshal(st)
}

// marshal returns v as JSON with strings as they are, not as HTML would have
// them.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// storeBundle returns the layer that b becomes.
func storeBundle(b *protobundle.Bundle) (ocispec.Descriptor, []byte, error) {
	loose, err := protojson.Marshal(b)
	if err != nil {
		return ocispec.Descriptor{}, nil, err
	}
	var body bytes.Buffer
	if err := json.Compact(&body, loose); err != nil { // protojson varies its spaces
		return ocispec.Descriptor{}, nil, err
	}
	return describe(bundleType, body.Bytes()), body.Bytes(), nil
}

// attach pushes a bundle.
func (w *work) attach(ctx context.Context, s *sealed) error {
	var st statement
	var b struct {
		DSSEEnvelope struct{ Payload []byte }
	}
	if err := errors.Join(json.Unmarshal(s.blob, &b), json.Unmarshal(b.DSSEEnvelope.Payload, &st)); err != nil {
		return err
	}
	repo := w.Home(w.m.Image)
	digest, _, err := w.opts.Store.Attach(ctx, repo, w.m.Subject, registry.Attachment{
		ArtifactType: bundleType,
		Layers:       []registry.Layer{{MediaType: s.layer.MediaType, Body: s.blob}},
		Annotations: map[string]string{
			ocispec.AnnotationCreated: w.opts.Now().UTC().Format(time.RFC3339),
			annotationContent:         "dsse-envelope",
			annotationPredicate:       st.PredicateType,
		},
	})
	if err != nil {
		return registry.Explain("push the signature of "+w.m.Image.String(), repo.Registry(), err)
	}
	s.source = repo.Name() + "@" + digest
	return nil
}
