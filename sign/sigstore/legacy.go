package sigstore

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/strictjson"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/sign/internal/order"
	"github.com/boltseal/boltseal/verify"
)

// Media type and annotations of the layers behind a .sig tag
// (https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md).
const (
	simpleSigningType = "application/vnd.dev.cosign.simplesigning.v1+json"

	annotationSignature   = "dev.cosignproject.cosign/signature"
	annotationCertificate = "dev.sigstore.cosign/certificate"
	annotationChain       = "dev.sigstore.cosign/chain"
	annotationBundle      = "dev.sigstore.cosign/bundle"
	annotationTimestamp   = "dev.sigstore.cosign/rfc3161timestamp"
)

// maxLayers bounds the signatures behind one tag: more are never read.
const maxLayers = 256

// dockerName is the repository of img as cosign spells it in what it signs.
func dockerName(img image.Pinned) string {
	ref := img.Ref()
	if ref.Registry() == "docker.io" {
		return "index.docker.io/" + ref.Repository()
	}
	return ref.Name()
}

// payload returns the simple-signing claim that is signed for an item, byte for
// byte as cosign writes it (sigstore/sigstore, pkg/signature/payload).
func (w *work) payload(it item) ([]byte, error) {
	type (
		identity struct {
			Reference string `json:"docker-reference"`
		}
		manifest struct {
			Digest string `json:"docker-manifest-digest"`
		}
		critical struct {
			Identity identity `json:"identity"`
			Image    manifest `json:"image"`
			Type     string   `json:"type"`
		}
	)
	return json.Marshal(struct {
		Critical critical          `json:"critical"`
		Optional map[string]string `json:"optional"`
	}{
		critical{identity{dockerName(w.m.Image)}, manifest{w.m.Image.Digest()}, "cosign container image signature"},
		it.annotations,
	})
}

// storeLegacy returns the layer that b, which signs payload, becomes.
func storeLegacy(b *protobundle.Bundle, payload []byte, who *signatory) (ocispec.Descriptor, []byte, error) {
	layer := describe(simpleSigningType, payload)
	sig := b.GetMessageSignature().GetSignature()
	if len(sig) == 0 {
		return layer, nil, errors.New("there is no signature")
	}
	layer.Annotations = map[string]string{annotationSignature: base64.StdEncoding.EncodeToString(sig)}
	if who.cert != nil {
		layer.Annotations[annotationCertificate] = certificates(who.cert.leaf)
		layer.Annotations[annotationChain] = certificates(who.chain...)
	}
	material := b.GetVerificationMaterial()
	if entries := material.GetTlogEntries(); len(entries) > 0 {
		promise, err := setAnnotation(entries[0])
		if err != nil {
			return layer, nil, err
		}
		layer.Annotations[annotationBundle] = promise
	}
	if stamps := material.GetTimestampVerificationData().GetRfc3161Timestamps(); len(stamps) > 0 {
		text, err := json.Marshal(struct{ SignedRFC3161Timestamp []byte }{stamps[0].GetSignedTimestamp()})
		if err != nil {
			return layer, nil, err
		}
		layer.Annotations[annotationTimestamp] = string(text)
	}
	return layer, payload, nil
}

// setAnnotation returns a log entry with its promise as cosign's annotation has
// it (pkg/cosign/bundle.RekorBundle).
func setAnnotation(e *protorekor.TransparencyLogEntry) (string, error) {
	promise := e.GetInclusionPromise().GetSignedEntryTimestamp()
	if len(promise) == 0 {
		return "", order.Refused(verify.Unsupported, "the log entry has no signed entry timestamp, without which the legacy format cannot hold it; it takes a Rekor v1 log")
	}
	type payload struct {
		Body           []byte `json:"body"`
		IntegratedTime int64  `json:"integratedTime"`
		LogIndex       int64  `json:"logIndex"`
		LogID          string `json:"logID"`
	}
	text, err := json.Marshal(struct {
		SignedEntryTimestamp []byte
		Payload              payload
	}{promise, payload{e.GetCanonicalizedBody(), e.GetIntegratedTime(), e.GetLogIndex(), hex.EncodeToString(e.GetLogId().GetKeyId())}})
	return string(text), err
}

func certificates(certs ...*x509.Certificate) string {
	var text strings.Builder
	for _, c := range certs {
		_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a Builder takes everything
	}
	return text.String()
}

func describe(mediaType string, body []byte) ocispec.Descriptor {
	sum := sha256.Sum256(body)
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.NewDigestFromBytes(digest.SHA256, sum[:]), Size: int64(len(body))}
}

func (w *work) sigTag() string { return strings.Replace(w.m.Image.Digest(), ":", "-", 1) + ".sig" }

// appendable returns an error where no signature could be added to what the .sig
// tag leads to.
func (w *work) appendable(ctx context.Context) error {
	repo := w.Home(w.m.Image)
	old, err := w.opts.Store.Manifest(ctx, repo, w.sigTag())
	if errors.Is(err, registry.ErrNotFound) {
		return nil
	}
	if err != nil {
		return registry.Explain("read the signatures behind "+repo.Name()+":"+w.sigTag(), repo.Registry(), err)
	}
	_, _, err = cosignManifest(&old)
	return err
}

// append adds a signature to those behind the image's .sig tag.
func (w *work) append(ctx context.Context, s *sealed) error {
	repo, tag := w.Home(w.m.Image), w.sigTag()
	err := w.appendTo(ctx, repo, tag, s)
	if err != nil {
		return registry.Explain("add the signature to "+repo.Name()+":"+tag, repo.Registry(), err)
	}
	s.source = repo.Name() + ":" + tag
	return nil
}

func (w *work) appendTo(ctx context.Context, repo image.Ref, tag string, s *sealed) error {
	if _, err := w.opts.Store.PushBlob(ctx, repo, s.layer.MediaType, s.blob); err != nil {
		return err
	}
	return w.opts.Store.Update(ctx, repo, tag, func(old *registry.Manifest) ([]byte, string, func(registry.Manifest) bool, error) {
		if old != nil && lists(*old, s.layer) { // only the answer got lost
			return nil, "", nil, nil
		}
		body, config, err := w.with(ctx, repo, old, s.layer)
		if err != nil {
			return nil, "", nil, err
		}
		if config != nil {
			if _, err := w.opts.Store.PushBlob(ctx, repo, ocispec.MediaTypeImageConfig, config); err != nil {
				return nil, "", nil, err
			}
		}
		return body, ocispec.MediaTypeImageManifest, func(m registry.Manifest) bool { return lists(m, s.layer) }, nil
	})
}

// lists reports whether the manifest has the layer, annotations and all.
func lists(m registry.Manifest, layer ocispec.Descriptor) bool {
	var doc ocispec.Manifest
	if json.Unmarshal(m.Body, &doc) != nil {
		return false
	}
	return slices.ContainsFunc(doc.Layers, func(l ocispec.Descriptor) bool { return sameLayer(l, layer) })
}

// sameLayer compares what a signature is made of: the signature alone is not
// enough, since an RSA key makes the same one each time, and what proves it may
// have been left out or removed.
func sameLayer(a, b ocispec.Descriptor) bool {
	return a.Digest == b.Digest && maps.Equal(a.Annotations, b.Annotations)
}

// lacking returns the first of the layers that is the same signature with nothing
// to prove it that the new layer does not have; -1 where there is none. Another
// time stamp is as good.
func lacking(layers []json.RawMessage, layer ocispec.Descriptor) int {
	return slices.IndexFunc(layers, func(text json.RawMessage) bool {
		var l ocispec.Descriptor
		if json.Unmarshal(text, &l) != nil || l.Digest != layer.Digest || l.Annotations[annotationSignature] != layer.Annotations[annotationSignature] {
			return false
		}
		for name, value := range l.Annotations {
			if has, ok := layer.Annotations[name]; !ok || has != value && name != annotationTimestamp {
				return false
			}
		}
		return true
	})
}

// An object is a JSON object whose values are kept as they are.
type object = map[string]json.RawMessage

// with returns the manifest old with one more layer, and its config. Where old has
// the same signature with less to prove it, such as no log entry, the layer takes
// its place, and config is nil: it stays. Whatever else old says stays. A manifest
// that is not one of cosign's is an error.
func (w *work) with(ctx context.Context, repo image.Ref, old *registry.Manifest, layer ocispec.Descriptor) (body, config []byte, err error) {
	doc, layers, conf := object{}, []json.RawMessage{}, object{}
	if old != nil {
		if doc, layers, err = cosignManifest(old); err != nil {
			return nil, nil, err
		}
		if i := lacking(layers, layer); i >= 0 {
			if layers[i], err = marshal(layer); err != nil {
				return nil, nil, err
			}
			if doc["layers"], err = marshal(layers); err != nil {
				return nil, nil, err
			}
			body, err = marshal(doc)
			return body, nil, err
		}
		if conf, err = w.config(ctx, repo, doc); err != nil {
			return nil, nil, err
		}
	}
	config, err = configWith(conf, layer)
	if err != nil {
		return nil, nil, err
	}
	added, err := marshal(layer)
	if err != nil {
		return nil, nil, err
	}
	set := func(name string, v any) {
		text, failure := marshal(v)
		err = errors.Join(err, failure)
		doc[name] = text
	}
	if old == nil {
		set("schemaVersion", specs.Versioned{SchemaVersion: 2}.SchemaVersion)
	}
	set("mediaType", ocispec.MediaTypeImageManifest)
	set("layers", append(layers, added))
	set("config", describe(ocispec.MediaTypeImageConfig, config))
	if err != nil {
		return nil, nil, err
	}
	body, err = marshal(doc)
	return body, config, err
}

// cosignManifest reads a manifest that holds signatures as cosign writes them,
// and nothing else.
func cosignManifest(m *registry.Manifest) (doc object, layers []json.RawMessage, err error) {
	foreign := func(format string, args ...any) error {
		return &verify.Error{
			Op:   "read the signatures that are there",
			Err:  order.Refused(verify.Unsupported, "what the tag leads to is not a manifest of cosign's, and is left as it is: "+format, args...),
			Hint: "look at it; delete the tag if it is not needed, or sign with --format bundle",
		}
	}
	shape := strictjson.Shape{Names: []string{"schemaVersion", "mediaType", "config", "layers", "digest", "size", "annotations", "artifactType", "subject", "manifests"}}
	if err := shape.Check(m.Body); err != nil {
		return nil, nil, foreign("%w", err)
	}
	if err := json.Unmarshal(m.Body, &doc); err != nil {
		return nil, nil, foreign("%w", err)
	}
	if m.MediaType != ocispec.MediaTypeImageManifest && m.MediaType != order.DockerManifest || doc["manifests"] != nil {
		return nil, nil, foreign("its media type is %.100q", m.MediaType)
	}
	var typed []ocispec.Descriptor
	if err := errors.Join(json.Unmarshal(doc["layers"], &layers), json.Unmarshal(doc["layers"], &typed)); err != nil {
		return nil, nil, foreign("%w", err)
	}
	if len(layers) == 0 {
		return nil, nil, foreign("it has no layers")
	}
	for _, l := range typed {
		if l.MediaType != simpleSigningType {
			return nil, nil, foreign("it has a layer of type %.100q", l.MediaType)
		}
	}
	if len(layers) >= maxLayers {
		return nil, nil, &verify.Error{
			Op: "read the signatures that are there", Err: order.Refused(verify.Unsupported, "there are %d, and no more than %d are ever read", len(layers), maxLayers),
			Hint: "delete those that are not needed, or sign with --format bundle",
		}
	}
	return doc, layers, nil
}

// config reads the config that a manifest of cosign's names. It lists the layers
// again, and says nothing else that matters: one that cannot be read is made
// anew.
func (w *work) config(ctx context.Context, repo image.Ref, doc object) (object, error) {
	var d ocispec.Descriptor
	if json.Unmarshal(doc["config"], &d) != nil || d.MediaType != ocispec.MediaTypeImageConfig || d.Size > maxConfig {
		return object{}, nil
	}
	body, err := w.opts.Store.Blob(ctx, repo, d)
	if errors.Is(err, registry.ErrNotFound) {
		return object{}, nil
	}
	if err != nil {
		return nil, err
	}
	conf := object{}
	if json.Unmarshal(body, &conf) != nil {
		return object{}, nil
	}
	return conf, nil
}

// maxConfig bounds a config that is read, in bytes: 256 layers take 20 KiB.
const maxConfig = 1 << 20

// configWith returns the config conf with one more layer, as go-containerregistry
// would write it for cosign.
func configWith(conf object, layer ocispec.Descriptor) ([]byte, error) {
	fs := ocispec.RootFS{Type: "layers"}
	var history []json.RawMessage
	_ = json.Unmarshal(conf["rootfs"], &fs) // what is no list is begun anew
	_ = json.Unmarshal(conf["history"], &history)
	fs.Type, fs.DiffIDs = "layers", append(fs.DiffIDs, layer.Digest)
	history = append(history, json.RawMessage(`{"created":"0001-01-01T00:00:00Z"}`))
	for name, fallback := range map[string]string{"architecture": `""`, "os": `""`, "config": `{}`, "created": `"0001-01-01T00:00:00Z"`} {
		if conf[name] == nil {
			conf[name] = json.RawMessage(fallback)
		}
	}
	var err error
	if conf["rootfs"], err = marshal(fs); err != nil {
		return nil, err
	}
	if conf["history"], err = marshal(history); err != nil {
		return nil, err
	}
	body, err := marshal(conf)
	if err == nil && len(body) > maxConfig {
		err = fmt.Errorf("a config of %d bytes", len(body))
	}
	return body, err
}
