package cli

import (
	"context"
	"strings"

	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/verify/dct"
	"github.com/boltseal/boltseal/verify/notation"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// A fit says with which systems a flag of boltseal sign goes.
type fit int

const (
	withSigstore fit = 1 << iota
	withNotation
	withDCT
	withAny      = withSigstore | withNotation | withDCT
	withEnvelope = withSigstore | withNotation // what signs a document of its own
)

// fits returns it of every flag, in alphabetical order.
func fits() map[string]fit {
	return map[string]fit{
		"allow-empty-scan":        withAny,
		"allow-partial-scan":      withAny,
		"annotation":              withEnvelope,
		"attest":                  withSigstore,
		"attest-only":             withSigstore,
		"bundle-dir":              withSigstore,
		"cache-dir":               withSigstore,
		"certificate-chain":       withNotation,
		"dct-cache-dir":           withDCT,
		"dct-root-ca":             withDCT,
		"dct-root-key-ids":        withDCT,
		"dct-root-public-key":     withDCT,
		"dct-server":              withDCT,
		"dct-server-ca":           withDCT,
		"dct-tofu":                withDCT,
		"expiry":                  withNotation,
		"fail-on":                 withAny,
		"force":                   withAny,
		"format":                  withEnvelope,
		"ignore-unfixed":          withAny,
		"identity-token":          withSigstore,
		"insecure-registry":       withAny,
		"jobs":                    withAny,
		"key":                     withAny,
		"key-id":                  withNotation,
		"key-password":            withSigstore | withDCT, // an input of the Action, and no flag
		"oidc-client-id":          withSigstore,
		"output":                  withAny,
		"plugin":                  withNotation,
		"plugin-config":           withNotation,
		"plugin-sha256":           withNotation,
		"recursive":               withEnvelope,
		"registry-cacert":         withAny,
		"registry-password-stdin": withAny,
		"registry-username":       withAny,
		"require-gate":            withAny,
		"scan-allow":              withAny,
		"scan-report":             withAny,
		"sign-if-possible":        withSigstore,
		"sign-tags":               withAny,
		"signature-repository":    withEnvelope,
		"signing-config":          withSigstore,
		"sigstore":                withSigstore,
		"system":                  withAny,
		"timeout":                 withAny,
		"timestamp-root-cert":     withNotation,
		"timestamp-url":           withNotation,
		"tlog-upload":             withSigstore,
		"trusted-root":            withSigstore,
		"tuf-mirror":              withSigstore,
		"tuf-root":                withSigstore,
		"user-metadata":           withNotation,
		"vsa":                     withSigstore,
	}
}

// A signSystem is a way of signing that boltseal sign knows.
type signSystem struct {
	name    string
	fit     fit           // of the flags that it takes
	formats []sign.Format // of its signatures; the first is the default
	// read finds what is signed with, and everything that can be wrong with it. It
	// asks nobody. The order is read.
	read func(*signing) (means, error)
}

// signSystems returns them all. Whoever adds a system adds a line; the first is
// the default.
func signSystems() []signSystem {
	return []signSystem{
		{sigstore.System, withSigstore, []sign.Format{sign.Bundle, sign.Legacy}, readSigstore},
		{notation.System, withNotation, []sign.Format{sign.JWS, sign.COSE}, readNotation},
		{dct.System, withDCT, []sign.Format{sign.NotaryV1}, readDCT},
	}
}

// chosen returns the system that is to sign.
func (f *signFlags) chosen() (signSystem, error) {
	var names []string
	for _, s := range signSystems() {
		if s.name == f.system {
			return s, nil
		}
		names = append(names, s.name)
	}
	return signSystem{}, usagef("--system", "write "+strings.Join(names[:len(names)-1], ", ")+" or "+names[len(names)-1], "%q is no system that signs", f.system)
}

// format returns the format that text names, if the system has it.
func (s signSystem) format(text string) (sign.Format, error) {
	var names []string
	for _, f := range s.formats {
		if string(f) == text {
			return f, nil
		}
		names = append(names, string(f))
	}
	next := "write " + strings.Join(names, " or ") + "; for both repeat the flag, or in the Action give each a line"
	if other := sign.Format(text).System(); other != "" {
		return "", usagef("--format", next+"; or sign with --system "+other, "%q is a format of %s, and %s signs", text, other, s.name)
	}
	return "", usagef("--format", next, "%q is neither %s", text, strings.Join(names, " nor "))
}

// suit refuses flags that were given and go with another system than the one that
// signs. An input of the Action that is at its default was not given.
func (f *signFlags) suit(flags *pflag.FlagSet) error {
	s, err := f.chosen()
	if err != nil {
		return err
	}
	var names []string
	flags.Visit(func(x *pflag.Flag) {
		if fits()[x.Name]&s.fit == 0 && x.Name != "help" && !(f.step && x.Value.String() == x.DefValue) {
			names = append(names, x.Name)
		}
	})
	return s.unfit(names)
}

// unfit returns the error that s takes no flags of these names, nil where there is
// none.
func (s signSystem) unfit(names []string) error {
	if len(names) == 0 {
		return nil
	}
	return usagef("--"+names[0], s.instead(names[0]), "signing with %s takes no --%s", s.name, strings.Join(names, ", --"))
}

// instead says what to do about a flag that does not go with s.
func (s signSystem) instead(name string) string {
	switch {
	case name == "attest" || name == "attest-only" || name == "vsa":
		return "make attestations in a run of their own, with --system " + sigstore.System
	case name == "key-password":
		return "give a key that is not encrypted, kept as a secret, or a plugin that keeps it"
	case name == "user-metadata" && s.fit == withSigstore:
		return "write --annotation, or sign with --system " + notation.System
	case (name == "identity-token" || name == "oidc-client-id" || name == "sign-if-possible") && s.fit == withDCT:
		return "leave it out: the key of a delegation signs; or sign with --system " + sigstore.System
	case name == "identity-token" || name == "oidc-client-id" || name == "sign-if-possible":
		return "leave it out: a key signs, or a plugin that keeps one; or sign with --system " + sigstore.System
	}
	for _, other := range signSystems() {
		if fits()[name]&other.fit != 0 {
			return "leave it out, or sign with --system " + other.name
		}
	}
	return "leave it out"
}

// A means is what a run signs with, by one system.
type means interface {
	// consumer adds what consumers have to say for all of what is signed.
	consumer(*report.Consumer)
	// begin fetches what takes time, beside the requests to the registry.
	begin(context.Context)
	// signer makes the signer of the run. An error is bad input, or no answer.
	signer(ctx context.Context, client *registry.Client, done func(done, of int)) (signer, error)
	// misconfigured returns the bad input that failures come from, nil if they come
	// from something else: some of it shows only when it is used.
	misconfigured(failures []sign.Failure) error
	// notices are what users should know when all is done, a sentence each.
	notices() []string
	// item adds to a record what only the system knows of it.
	item(sign.Record) report.SignedItem
}

// A signer signs.
type signer interface {
	Sign(context.Context, sign.Order) sign.Result
}
