package cli

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
)

// A demand says what is asked of images. It was found to be sound, and knows no
// image yet.
type demand interface {
	// rules binds it to the images of a run and to whom is asked about them.
	rules(uses []image.Use, client *registry.Client, now time.Time) (gate.Rules, []report.Warning, error)
	// files returns the paths of the files that it was read from.
	files() []string
}

// A flagged is what flags say of signers of one system, for all images alike.
type flagged struct {
	system  string // as people call it
	how     string // the flags that name a signer
	names   string // one of them that was given, "" if none was
	narrows string // one that was given and says more of a signer, "" if none was
	demand  func(Command, *trusts) (demand, error)
}

// flagged returns what flags say of the signers of each system.
func (v *verifyFlags) flagged() []flagged {
	return []flagged{
		{"Sigstore", "--certificate-identity with --certificate-oidc-issuer, or --key", v.signers.given(), v.narrowing(), v.bySigstore},
		{"Notation", "--notation-certificate with --notation-identity", v.notation.given(), v.notation.narrowing(), v.byNotation},
		{"Docker Content Trust", howDCT, v.dct.given(), v.dct.narrowing(), v.byDCT},
	}
}

// demand returns what the flags, or else a policy, ask of images.
func (v *verifyFlags) demand(ctx context.Context, c Command, t *trusts) (demand, error) {
	if err := v.policy.sound(); err != nil {
		return nil, err
	}
	all := v.flagged()
	i := slices.IndexFunc(all, func(f flagged) bool { return f.names != "" })
	if i < 0 {
		if err := v.unnamed(all); err != nil {
			return nil, err
		}
		return v.byPolicy(ctx, c, t)
	}
	by := all[i]
	switch {
	case v.policy.policy != "":
		return nil, usagef("--policy", "write the identity or key into the policy, or leave the policy out", "with it, the policy says who must have signed, and flags say so, too")
	case len(v.policy.publishers) > 0:
		return nil, usagef("--publisher", "write both into a policy file; boltseal policy init writes a first one", "flags name one signer for all images, and the publisher is another")
	}
	for _, other := range all {
		if flag := cmp.Or(other.names, other.narrows); flag != "" && other.system != by.system {
			return nil, usagef(flag, "leave it out, or write a policy that asks for both, with all-of or any-of", "it is about signatures of %s, and %s names a signer of %s", other.system, by.names, by.system)
		}
	}
	return by.demand(c, t)
}

// unnamed reports an error if a flag says more of signers that no flag names.
func (v *verifyFlags) unnamed(all []flagged) error {
	var hows []string
	for _, f := range all {
		if hows = append(hows, f.how); f.narrows != "" {
			return nobodyNamed(f.narrows, f.how)
		}
	}
	if v.signatureRepo != "" {
		return nobodyNamed("--signature-repository", strings.Join(hows, ", or "))
	}
	return nil
}

func nobodyNamed(flag, how string) error {
	return usagef(flag, "write it into the policy, or add "+how, "it says more of a signer that flags name, and they name none")
}

// ignored returns the policy file that does not count as flags say who must have
// signed, "" if there is none.
func ignored(c Command) string {
	name, _, _ := defaultPolicy(c)
	return name
}

// notCounted warns of a policy file that does not count.
func notCounted(name string) []report.Warning {
	if name == "" {
		return nil
	}
	return []report.Warning{{Text: name + " does not count, since flags say who must have signed"}}
}

// A policyDemand is a policy's.
type policyDemand struct {
	flags    *policyFlags
	policy   *policy.Policy
	systems  *systems
	read     []string // the policy's own files
	warnings []report.Warning
}

func (d *policyDemand) files() []string { return append(slices.Clone(d.read), d.systems.files...) }

func (d *policyDemand) rules(uses []image.Use, client *registry.Client, now time.Time) (gate.Rules, []report.Warning, error) {
	// Also what no image of this run asks for is read: a mistake that is found
	// when it matters is found too late.
	unused := newSystems(d.systems.command, &trusts{command: d.systems.command, flags: d.systems.trusts.flags}, nil)
	unused.bind(client, now)
	if err := d.policy.Prepare(unused.list(), now); err != nil {
		return nil, nil, d.flags.bad(err)
	}
	d.systems.bind(client, now)
	rules, err := d.policy.Rules(uses, d.systems.list(), now)
	if err != nil {
		return nil, nil, d.flags.bad(err)
	}
	warnings := slices.Clone(d.warnings)
	for _, f := range rules.Warnings() {
		warnings = append(warnings, report.Warning{At: f.At, Text: f.Err.Error()})
	}
	return rules, warnings, nil
}

// byPolicy returns what a policy file asks, or else the built-in rules of
// publishers.
func (v *verifyFlags) byPolicy(ctx context.Context, c Command, t *trusts) (demand, error) {
	name, body, err := v.policy.source(c)
	if err != nil {
		return nil, err
	}
	ignored := ""
	if len(v.policy.publishers) > 0 {
		ignored, _, _ = defaultPolicy(c)
	}
	d := &policyDemand{flags: &v.policy, systems: newSystems(c, t, v.platforms)}
	switch {
	case body != nil:
		if c.anybodys() && c.inRepository(name) {
			d.warnings = append(d.warnings, report.Warning{Text: "on pull_request_target, " + name + " is that of whatever was checked out; name a policy that is not part of a proposal"})
		}
		d.read = append(d.read, c.path(filepath.FromSlash(name)))
		d.policy, err = v.load(ctx, c, d.systems, name, body)
	case len(v.policy.publishers) > 0:
		if ignored != "" {
			d.warnings = append(d.warnings, report.Warning{Text: ignored + " does not count, since --publisher says whose rules do"})
		}
		d.policy, err = policy.FromPublishers(v.policy.publishers, d.systems.list())
	default:
		d.policy, err = policy.BuiltIn(d.systems.list())
	}
	if err != nil {
		return nil, v.policy.bad(err)
	}
	return d, nil
}

// load reads a policy with those that it extends. Whoever serves those is asked
// without the credentials of flags, which are for the registry of the images.
func (v *verifyFlags) load(ctx context.Context, c Command, s *systems, name string, body []byte) (*policy.Policy, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, v.timeout, timeoutError{v.timeout})
	defer cancel()
	if _, err := v.registry.authorities(); err != nil {
		return nil, err
	}
	access := v.registry
	access.username, access.passwordStdin = "", false
	client, err := access.client(c, nil)
	if err != nil {
		return nil, err
	}
	s.bind(client, c.now())
	asking := func() error {
		if v.asking == nil {
			return nil
		}
		return v.asking(append(slices.Clone(s.files), c.path(filepath.FromSlash(name))))
	}
	return policy.Load(ctx, name, body, policy.Options{Systems: s.list()}, policy.Sources{
		File: func(name string) ([]byte, error) {
			file := c.path(filepath.FromSlash(name))
			s.files = append(s.files, file)
			return c.readPolicy(file, givenByPolicy)
		},
		URL: func(ctx context.Context, address string) ([]byte, error) {
			if err := asking(); err != nil {
				return nil, err
			}
			return client.Get(ctx, address, policy.MaxText)
		},
		Artifact: func(ctx context.Context, img image.Pinned) ([]byte, error) {
			if err := asking(); err != nil {
				return nil, err
			}
			return client.Artifact(ctx, img, policy.MaxText, policy.ArtifactTypes()...)
		},
		Reason: registry.Reason,
	})
}

// bad makes bad input of what is wrong with a policy.
func (p *policyFlags) bad(err error) error {
	mend := "mend the policy; boltseal policy check looks at all of it"
	if policy.NoAnswer(err) {
		mend = "run it again; if it lasts, see that what the policy extends can be reached"
	}
	switch {
	case len(p.publishers) > 0:
		return usagef("--publisher", cmp.Or(verify.Hint(err), "boltseal policy publishers lists them, and what they need to know"), "%w", err)
	case p.policy != "":
		return usagef("--policy", mend, "%w", err)
	}
	return usagef("", mend, "%w", err)
}
