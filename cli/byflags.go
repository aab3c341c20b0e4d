package cli

import (
	"errors"
	"slices"
	"time"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// all are the requirements that the command line makes of every image.
type all struct {
	built   []verify.Verifier // for platforms that are built for, which may vouch
	foreign []verify.Verifier // for others: the image itself has to be signed
}

func (a all) For(u image.Use) gate.Terms {
	terms := gate.Terms{Require: a.built, Rule: gate.Rule{Origin: "command line", Why: "its flags count for every image"}}
	if u.Foreign {
		terms.Require = a.foreign
	}
	return terms
}

// narrowing returns a flag that was given and only goes with signers of Sigstore
// that flags name, "" if there is none.
func (v *verifyFlags) narrowing() string {
	switch {
	case len(v.attestations) > 0:
		return "--attestation-type"
	case v.requireSignature:
		return "--require-signature"
	case v.signatureOn != verify.SignedImage:
		return "--signature-on"
	case v.signers.ignoreLog:
		return "--insecure-ignore-tlog"
	}
	return ""
}

// A sigstoreDemand is that of flags, the same for every image.
type sigstoreDemand struct {
	flags   *verifyFlags
	configs []sigstore.Config
	ignored string // the policy file that does not count, "" if there is none
}

func (v *verifyFlags) bySigstore(c Command, t *trusts) (demand, error) {
	configs, err := v.requirements(c, t)
	if err != nil {
		return nil, err
	}
	return &sigstoreDemand{v, configs, ignored(c)}, nil
}

func (d *sigstoreDemand) files() []string { return d.flags.signers.keys }

func (d *sigstoreDemand) rules(_ []image.Use, client *registry.Client, _ time.Time) (gate.Rules, []report.Warning, error) {
	rules, err := d.flags.rules(d.configs, client)
	return rules, append(d.flags.warnings(d.configs[0]), notCounted(d.ignored)...), err
}

// elsewhere returns where signatures lie if not beside each image, zero for
// there.
func (v *verifyFlags) elsewhere() (image.Ref, error) {
	if v.signatureRepo == "" {
		return image.Ref{}, nil
	}
	repo, err := image.ParseRepository(v.signatureRepo)
	if err != nil {
		return image.Ref{}, usagef("--signature-repository", "write it as registry/repository, without a tag", "%w", err)
	}
	return repo, nil
}

// rules returns the requirements that every image must meet.
func (v *verifyFlags) rules(configs []sigstore.Config, client *registry.Client) (all, error) {
	elsewhere, err := v.elsewhere()
	if err != nil {
		return all{}, err
	}
	session := sigstore.NewSession(client, elsewhere)
	var rules all
	for _, config := range configs {
		built, err := session.Require(config)
		if err != nil {
			return all{}, usagef("", "give --certificate-identity with --certificate-oidc-issuer, or --key", "%w", err)
		}
		config.Platforms = nil
		foreign, err := session.Require(config)
		if err != nil {
			return all{}, err
		}
		rules.built, rules.foreign = append(rules.built, built), append(rules.foreign, foreign)
	}
	return rules, nil
}

// requirements turns the flags into what every image must satisfy.
func (v *verifyFlags) requirements(c Command, t *trusts) ([]sigstore.Config, error) {
	ids, err := v.signers.identities()
	if err != nil {
		return nil, err
	}
	keys, err := v.signers.publicKeys(c.getenv)
	if err != nil {
		return nil, err
	}
	if len(ids) > 0 && v.signers.ignoreLog {
		return nil, usagef("--insecure-ignore-tlog", "leave it out, or use it with --key alone", "a certificate lives ten minutes and proves nothing without a log entry")
	}
	config := sigstore.Config{Identities: ids, Keys: keys, Platforms: asListed(v.platforms), On: v.signatureOn, IgnoreLog: v.signers.ignoreLog, Flags: true}
	if len(ids) > 0 || !v.signers.ignoreLog {
		if config.Trust, err = t.of(""); err != nil {
			return nil, err
		}
	}
	var configs []sigstore.Config
	if len(v.attestations) == 0 || v.requireSignature {
		configs = append(configs, config)
	}
	for _, name := range v.attestations {
		if config.Predicate, err = sigstore.PredicateType(name); err != nil {
			return nil, usagef("--attestation-type", "write one of those names, or the predicate type's URI", "%w", err)
		}
		if !slices.ContainsFunc(configs, func(have sigstore.Config) bool { return have.Predicate == config.Predicate }) {
			configs = append(configs, config)
		}
	}
	if len(configs) == 0 {
		return nil, errors.New("nothing is required")
	}
	return configs, nil
}

// warnings says which of the given patterns accept more than was likely meant.
func (v *verifyFlags) warnings(c sigstore.Config) []report.Warning {
	var out []report.Warning
	for _, id := range c.Identities {
		for _, w := range id.Warnings() {
			out = append(out, report.Warning{Text: w.Text})
		}
	}
	if v.signers.ignoreLog {
		out = append(out, report.Warning{Text: "--insecure-ignore-tlog: a stolen key cannot be noticed in a log"})
	}
	return out
}
