package dct

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	canonical "github.com/docker/go/canonical/json"
	"github.com/theupdateframework/notary/tuf/data"

	"github.com/boltseal/boltseal/internal/strictjson"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

const (
	// maxSignatures bounds the signatures of one file: each costs its checking.
	maxSignatures = 64
	// maxKeys bounds the keys of one file, and those of one role.
	maxKeys = 1024
	// maxDelegations bounds what one file delegates: the client compares each with
	// all others.
	maxDelegations = 1024
	// maxPaths bounds the paths of one delegation: the client compares each with
	// all of those above.
	maxPaths = 256
	// maxName bounds the name of a role, in bytes.
	maxName = 256
	// maxTargets bounds the tags of one file, and those of all roles together.
	maxTargets = 50_000
)

// shape returns what trust data look like. The client reads the signed part
// twice, once into what it checks the signatures of and once into what it goes
// by: where a name stands twice, the one has the last value and the other both.
// A server could add its own targets to those of others by that. In the file of
// root targets is a role, in all others tags by names that somebody chose.
func shape(role string) strictjson.Shape {
	s := strictjson.Shape{
		Names: []string{
			"signed", "signatures", "keyid", "method", "sig",
			"_type", "expires", "version", "keys", "roles", "consistent_snapshot", "meta", "targets", "delegations",
			"keytype", "keyval", "public", "private", "keyids", "threshold", "name", "paths", "length", "hashes", "custom",
		},
		Maps:   []string{"targets", "meta", "hashes", "keys"},
		Opaque: []string{"custom"},
	}
	if role == "root" {
		s.Maps, s.Opaque = []string{"keys"}, nil
	}
	return s
}

// An outline is what is looked at before the client reads a file.
type outline struct {
	Signed *struct {
		Type  string              `json:"_type"`
		Keys  map[string]struct{} `json:"keys"`
		Roles map[string]*role    `json:"roles"`

		Targets map[string]struct{} `json:"targets"`

		Delegations struct {
			Keys  map[string]struct{} `json:"keys"`
			Roles []*role             `json:"roles"`
		} `json:"delegations"`
	} `json:"signed"`
	Signatures []signature `json:"signatures"`
}

type signature struct {
	Method string `json:"method"`
	Sig    string `json:"sig"`
}

// sound reports whether a signature is written in the one way in which it is: the
// client reads base64 with bits that mean nothing, and any case.
func (s signature) sound() bool {
	sig, err := base64.StdEncoding.DecodeString(s.Sig)
	return err == nil && base64.StdEncoding.EncodeToString(sig) == s.Sig && strings.ToLower(s.Method) == s.Method
}

type role struct {
	Name   string   `json:"name"`
	KeyIDs []string `json:"keyids"`
	Paths  []string `json:"paths"`
}

// sound refuses bytes that are no trust data, that two readers may read
// differently, or that would keep the client busy for long.
func sound(f file, body []byte) error {
	// Whoever knows the digest of what he announced has written it himself.
	reason := verify.BadSignature
	if !json.Valid(body) && f.sha256 == nil {
		reason = verify.Unavailable
	}
	bad := func(err error) error {
		return refuse(reason, "the file of %s is no trust data: %w", f.role, clipped{err})
	}
	if err := shape(f.role).Check(body); err != nil {
		return bad(err)
	}
	var o outline
	if err := json.Unmarshal(body, &o); err != nil {
		return bad(err)
	}
	if o.Signed == nil {
		return bad(errors.New("nothing in it is signed"))
	}
	if want := typeOf(f.role); o.Signed.Type != want {
		return refuse(verify.BadSignature, "the file of %s calls itself %s, not %s", f.role, hostile.Quoted(o.Signed.Type), want)
	}
	return o.bounded(f.role)
}

// typeOf is what the file of a role calls itself.
func typeOf(role string) string {
	if strings.HasPrefix(role, "targets") {
		return "Targets"
	}
	return strings.ToUpper(role[:1]) + role[1:]
}

// bounded refuses what would keep the client busy, and lists with nothing in a
// place where there must be something.
func (o outline) bounded(name string) error {
	d := o.Signed.Delegations
	switch {
	case len(o.Signatures) > maxSignatures:
		return refuse(verify.Unsupported, "the file of %s has %d signatures, at most %d are checked", name, len(o.Signatures), maxSignatures)
	case len(o.Signed.Keys) > maxKeys || len(d.Keys) > maxKeys:
		return refuse(verify.Unsupported, "the file of %s has more than %d keys", name, maxKeys)
	case len(d.Roles) > maxDelegations || len(o.Signed.Roles) > maxDelegations:
		return refuse(verify.Unsupported, "the file of %s has more than %d roles", name, maxDelegations)
	}
	if len(o.Signed.Targets) > maxTargets {
		return tooMany(name, len(o.Signed.Targets))
	}
	for _, s := range o.Signatures {
		if !s.sound() {
			return refuse(verify.BadSignature, "a signature of the file of %s is not written as signatures are", name)
		}
	}
	seen := map[string]bool{}
	for _, r := range d.Roles {
		if r == nil || seen[r.Name] {
			return refuse(verify.BadSignature, "the file of %s delegates to nobody, or to somebody twice", name)
		}
		seen[r.Name] = true
		if len(r.Name) > maxName {
			return refuse(verify.Unsupported, "the file of %s delegates to a role whose name has %d bytes, at most %d are read", name, len(r.Name), maxName)
		}
		if len(r.KeyIDs) > maxKeys || len(r.Paths) > maxPaths {
			return refuse(verify.Unsupported, "the role %s has more than %d keys or %d paths", hostile.Quoted(r.Name), maxKeys, maxPaths)
		}
	}
	for _, r := range o.Signed.Roles {
		if r != nil && len(r.KeyIDs) > maxKeys {
			return refuse(verify.Unsupported, "a role of the file of %s has more than %d keys", name, maxKeys)
		}
	}
	return nil
}

// tooMany says that somebody has signed more tags than are read.
func tooMany(who string, n int) error {
	return refuse(verify.Unsupported, "%s has %d tags, at most %d are read", who, n, maxTargets)
}

// parseSigned splits a file into what is signed and the signatures.
func parseSigned(raw []byte) (*data.Signed, error) {
	s := &data.Signed{}
	if err := canonical.Unmarshal(raw, s); err != nil {
		return nil, err
	}
	if s.Signed == nil {
		return nil, errors.New("nothing in it is signed")
	}
	return s, nil
}
