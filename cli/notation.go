package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/notation"
)

// notationSigners say who must have signed with Notation: certificates and
// identities, or a trust policy of Notation's own.
type notationSigners struct {
	certificates, identities, tsa []string
	timestamp, revocation         string // "" for what holds without
	metadata                      []string
	maxSignatures                 int
	policy, store                 string
}

// defaultSignatures is how many signatures of an image are looked at.
const defaultSignatures = 100

func (n *notationSigners) register(f *pflag.FlagSet) {
	f.StringArrayVar(&n.certificates, "notation-certificate", nil, "certificate, at best a root, that Notation signatures must lead to: a PEM or DER `FILE`, env://NAME, or the PEM text; repeatable, any of them passes")
	f.StringArrayVar(&n.identities, "notation-identity", nil, "`SUBJECT` the signing certificate must have, as C=US, ST=WA, O=Acme (others may follow), or * for whoever the certificates vouch for; repeatable, any of them passes")
	f.StringArrayVar(&n.tsa, "notation-tsa-certificate", nil, "root certificate of a time stamp authority whose countersignature is then required: a `FILE` as above; repeatable")
	f.StringVar(&n.timestamp, "notation-timestamp", "", "`WHEN` a countersignature is required: always (the default), or after-expiry of a certificate")
	f.StringVar(&n.revocation, "notation-revocation", "", "what if no server says whether a certificate was revoked, `MODE`: strict refuses (the default), soft warns, skip does not ask")
	f.StringArrayVar(&n.metadata, "notation-user-metadata", nil, "`KEY=VALUE` that must be signed with the image; repeatable, all are required")
	f.IntVar(&n.maxSignatures, "notation-max-signatures", defaultSignatures, "signatures of an image to look at, `N` of 1 to 256")
	f.StringVar(&n.policy, "notation-trust-policy", "", "trustpolicy.json `FILE` of Notation, or its text, instead of certificates and identities")
	f.StringVar(&n.store, "notation-trust-store", "", "`DIR` of the trust stores that it names, which has x509/ca/NAME/*.crt and the like")
}

// given returns a flag that names a signer, or begins to; "" if none does.
func (n *notationSigners) given() string {
	switch {
	case len(n.certificates) > 0:
		return "--notation-certificate"
	case len(n.identities) > 0:
		return "--notation-identity"
	case n.policy != "":
		return "--notation-trust-policy"
	case n.store != "":
		return "--notation-trust-store"
	}
	return ""
}

// narrowing returns a flag that was given and says more of a signer, "" if none
// was.
func (n *notationSigners) narrowing() string {
	switch {
	case len(n.tsa) > 0:
		return "--notation-tsa-certificate"
	case n.timestamp != "":
		return "--notation-timestamp"
	case n.revocation != "":
		return "--notation-revocation"
	case len(n.metadata) > 0:
		return "--notation-user-metadata"
	case n.maxSignatures != defaultSignatures:
		return "--notation-max-signatures"
	}
	return ""
}

// sound checks which flags stand together.
func (n *notationSigners) sound() error {
	const instead = "leave it out; the trust policy says this"
	switch {
	case n.maxSignatures < 1 || n.maxSignatures > 256:
		return usagef("--notation-max-signatures", "write a number from 1 to 256", "%d is out of range", n.maxSignatures)
	case n.policy == "" && n.store != "":
		return usagef("--notation-trust-store", "add --notation-trust-policy with Notation's trustpolicy.json, or give the certificates with --notation-certificate", "nothing says which of its stores count, and for whom")
	case n.policy == "" && len(n.certificates) == 0:
		return usagef("--notation-identity", "add --notation-certificate with the certificate that issued the signer's, at best the root", "nothing says whose word for this name counts")
	case n.policy == "" && len(n.identities) == 0:
		return usagef("--notation-certificate", "add --notation-identity with the signer's subject, such as 'C=US, ST=WA, O=Acme', or '*' for whoever it vouches for", "nothing says who of those whom it vouches for must have signed")
	case n.policy == "" && n.timestamp != "" && len(n.tsa) == 0:
		if _, err := notation.ParseTimestamp(n.timestamp); err != nil { // what is no word is the nearer mistake
			return usagef("--notation-timestamp", "write always or after-expiry", "%w", err)
		}
		return usagef("--notation-timestamp", "add --notation-tsa-certificate with the root of the time stamp authority", "no countersignature would count, since no time stamp authority is trusted")
	case n.policy == "":
		return nil
	case len(n.certificates) > 0:
		return usagef("--notation-certificate", "leave it or --notation-trust-policy out", "the trust policy says which certificates count")
	case len(n.identities) > 0:
		return usagef("--notation-identity", "leave it or --notation-trust-policy out", "the trust policy says who must have signed")
	case len(n.tsa) > 0:
		return usagef("--notation-tsa-certificate", instead, "the trust policy names the stores of time stamp authorities")
	case n.timestamp != "":
		return usagef("--notation-timestamp", instead, "the trust policy has verifyTimestamp for it")
	case n.revocation != "":
		return usagef("--notation-revocation", instead, "the trust policy has a level, and overrides of it")
	}
	return nil
}

// config returns what the flags ask of every image; without a signer where a
// trust policy names them.
func (n *notationSigners) config(c Command) (notation.Config, error) {
	config := notation.Config{MaxSignatures: n.maxSignatures, Flags: true}
	var err error
	if config.Metadata, err = n.userMetadata(); err != nil || n.policy != "" {
		return config, err
	}
	for _, text := range n.identities {
		id, err := notation.ParseIdentity(text)
		if err != nil {
			return config, usagef("--notation-identity", cmp.Or(verify.Hint(err), "write it as 'C=US, ST=WA, O=Acme'"), "%w", err)
		}
		config.Identities = append(config.Identities, id)
	}
	if config.Certificates, err = certificatesOf(c, "--notation-certificate", n.certificates, notation.ParseCertificates); err != nil {
		return config, err
	}
	if config.TSA, err = certificatesOf(c, "--notation-tsa-certificate", n.tsa, notation.ParseTSACertificates); err != nil {
		return config, err
	}
	if config.Timestamp, err = notation.ParseTimestamp(n.timestamp); err != nil {
		return config, usagef("--notation-timestamp", "write always or after-expiry", "%w", err)
	}
	if config.Revocation, err = notation.ParseRevocation(n.revocation); err != nil {
		return config, usagef("--notation-revocation", "write strict, soft or skip", "%w", err)
	}
	return config, nil
}

// userMetadata reads the pairs.
func (n *notationSigners) userMetadata() (map[string]string, error) {
	const flag, next = "--notation-user-metadata", "write KEY=VALUE, as it was given to notation sign --user-metadata"
	var all map[string]string
	for _, text := range n.metadata {
		key, value, ok := strings.Cut(text, "=")
		switch have, twice := all[key]; {
		case !ok || key == "":
			return nil, usagef(flag, next, "%q is no key and value", text)
		case twice && have != value:
			return nil, usagef(flag, "leave one of them out", "%q is given twice, and only one of them could be met", key)
		}
		if all == nil {
			all = map[string]string{}
		}
		all[key] = value
	}
	return all, nil
}

// files returns those that the flags name.
func (n *notationSigners) files(c Command) []string {
	return filesOf(c, slices.Concat(n.certificates, n.tsa, []string{n.policy}))
}

// written reports whether a flag has the text of a document, and not the name of
// a file.
func written(text string) bool {
	return strings.ContainsFunc(strings.TrimSpace(text), endsLine) || strings.HasPrefix(strings.TrimSpace(text), "{")
}

// trustPolicy reads the trust policy, and the files of the stores that it names.
func (n *notationSigners) trustPolicy(c Command) (p *notation.TrustPolicy, read []string, err error) {
	const flag = "--notation-trust-policy"
	name, body := filepath.ToSlash(n.policy), []byte(n.policy)
	if written(n.policy) {
		name = "the trust policy"
	} else if body, err = c.readPolicy(c.path(n.policy), givenByUser); err != nil {
		return nil, nil, usagef(flag, "name Notation's trustpolicy.json", "%w", err)
	}
	var stores fs.FS
	next := "add --notation-trust-store DIR, the folder with the trust stores that it names"
	if n.store != "" {
		next = "mend the trust policy or the trust store; notation policy show and notation certificate list show what Notation makes of its own"
		root, err := os.OpenRoot(c.path(n.store))
		if err != nil {
			return nil, nil, usagef("--notation-trust-store", "name the folder of the trust stores: notation's own is truststore in its configuration directory", "%w", err)
		}
		defer root.Close() //nolint:errcheck // only read
		links, ok := root.FS().(fs.ReadLinkFS)
		if !ok {
			return nil, nil, usagef("--notation-trust-store", "use another build of this program", "links cannot be told from files here")
		}
		stores = &readFS{ReadLinkFS: links, seen: func(file string) { read = append(read, filepath.Join(c.path(n.store), filepath.FromSlash(file))) }}
	}
	p, err = notation.ReadTrustPolicy(name, body, stores)
	if err != nil {
		return nil, nil, usagef(flag, cmp.Or(verify.Hint(err), next), "%w", err)
	}
	return p, read, nil
}

// A readFS tells which files are opened.
type readFS struct {
	fs.ReadLinkFS
	seen func(name string)
}

// Open implements fs.FS.
func (r *readFS) Open(name string) (fs.File, error) {
	f, err := r.ReadLinkFS.Open(name)
	if err == nil {
		r.seen(name)
	}
	return f, err
}

// A notationDemand is that of flags.
type notationDemand struct {
	flags   *verifyFlags
	command Command
	config  notation.Config       // what is the same for every image
	policy  *notation.TrustPolicy // nil where config says everything
	read    []string
	ignored string // the policy file that does not count, "" if there is none
}

func (v *verifyFlags) byNotation(c Command, t *trusts) (demand, error) {
	if flag := t.flags.given(); flag != "" {
		return nil, usagef(flag, "leave it out; --notation-certificate or the trust store has the certificates that are trusted", "it is about Sigstore's trust root, and no signature of Sigstore is asked for")
	}
	if err := v.notation.sound(); err != nil {
		return nil, err
	}
	d := &notationDemand{flags: v, command: c, ignored: ignored(c), read: v.notation.files(c)}
	var err error
	if d.config, err = v.notation.config(c); err != nil {
		return nil, err
	}
	if d.config.Repository, err = v.elsewhere(); err != nil {
		return nil, err
	}
	if v.notation.policy != "" {
		var stores []string
		if d.policy, stores, err = v.notation.trustPolicy(c); err != nil {
			return nil, err
		}
		d.read = append(d.read, stores...)
	}
	return d, nil
}

func (d *notationDemand) files() []string { return d.read }

func (d *notationDemand) rules(uses []image.Use, client *registry.Client, _ time.Time) (gate.Rules, []report.Warning, error) {
	session := notation.NewSession(client, image.Ref{}, d.command.revocationAsker())
	warnings := notCounted(d.ignored)
	if d.policy == nil {
		built, err := d.require(session, d.config, false)
		if err != nil {
			return nil, nil, err
		}
		foreign, err := d.require(session, d.config, true)
		if err != nil {
			return nil, nil, err
		}
		return all{[]verify.Verifier{built}, []verify.Verifier{foreign}}, append(doubtsOf(d.config, ""), warnings...), nil
	}
	rules := statements{}
	for _, u := range uses {
		q := statedFor{u.Ref, u.Foreign}
		if _, again := rules[q]; again || u.Err != nil || u.Ref.IsZero() {
			continue
		}
		terms, said, err := d.terms(session, u)
		if err != nil {
			return nil, nil, err
		}
		rules[q] = terms
		for _, w := range said {
			if !slices.ContainsFunc(warnings, func(have report.Warning) bool { return have.Text == w.Text }) {
				warnings = append(warnings, w)
			}
		}
	}
	return rules, warnings, nil
}

// require makes the check of a requirement.
func (d *notationDemand) require(session *notation.Session, config notation.Config, foreign bool) (verify.Verifier, error) {
	if !foreign {
		config.Platforms = asListed(d.flags.platforms)
	}
	v, err := session.Require(config)
	if err != nil {
		return nil, usagef(d.flags.notation.given(), cmp.Or(verify.Hint(err), "give --notation-certificate with --notation-identity"), "%w", err)
	}
	return v, nil
}

// terms returns what the trust policy asks of the image of a use.
func (d *notationDemand) terms(session *notation.Session, u image.Use) (gate.Terms, []report.Warning, error) {
	origin := "trust policy"
	if name := d.flags.notation.policy; !written(name) {
		origin += " " + filepath.ToSlash(name)
	}
	config, ok := d.policy.For(u.Ref)
	if !ok {
		return gate.Terms{Rule: gate.Rule{Origin: origin}, Err: &verify.Error{
			Op:   "search the statements of the " + origin,
			Err:  errors.New("no statement has " + u.Ref.Name() + `, or "*", among its registryScopes`),
			Hint: "add " + u.Ref.Name() + " to the registryScopes of the statement for it: whole names of repositories, without patterns",
		}}, nil, nil
	}
	config.Metadata, config.MaxSignatures, config.Repository, config.Flags = d.config.Metadata, d.config.MaxSignatures, d.config.Repository, true
	v, err := d.require(session, config, u.Foreign)
	if err != nil {
		return gate.Terms{}, nil, err
	}
	rule := gate.Rule{Name: config.Statement, Origin: origin, Why: "its registryScopes name " + u.Ref.Name() + ", or all"}
	return gate.Terms{Require: []verify.Verifier{v}, Rule: rule}, doubtsOf(config, fmt.Sprintf("%s, statement %q: ", origin, config.Statement)), nil
}

// doubtsOf warns of what is allowed in a requirement and probably a mistake.
func doubtsOf(c notation.Config, of string) []report.Warning {
	var out []report.Warning
	for _, w := range c.Warnings() {
		text := w.Text
		if !strings.HasPrefix(text, "statement ") { // which says itself of what
			text = of + text
		}
		out = append(out, report.Warning{Text: text})
	}
	return out
}

// statements are the rules of a trust policy, for the images of a run.
type statements map[statedFor]gate.Terms

// statedFor is an image, and whether it is for another platform.
type statedFor struct {
	ref     image.Ref
	foreign bool
}

// For implements gate.Rules. A use that was not asked about gets Terms that let
// nothing pass.
func (s statements) For(u image.Use) gate.Terms {
	if t, ok := s[statedFor{u.Ref, u.Foreign}]; ok && u.Err == nil {
		return t
	}
	return gate.Terms{Err: errors.New("the trust policy was not asked about this image before the run")}
}
