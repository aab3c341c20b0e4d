package cli

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/sign"
	notary "github.com/boltseal/boltseal/sign/dct"
	"github.com/boltseal/boltseal/verify/dct"
)

// delegationPassword is the variable that docker has the password of a signer's key
// in.
const delegationPassword = "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE" //nolint:gosec // the name

// registerSigning registers what says in whose collections a key signs. Who must
// have signed is not asked here: the key says who does.
func (d *dctSigners) registerSigning(f *pflag.FlagSet) {
	d.registerTrust(f)
	f.BoolVar(&d.tofu, "dct-tofu", false, "believe whatever the server shows at first, in the place of a root")
}

// collections returns whose collections are believed.
func (d *dctSigners) collections(c Command) (dct.Config, error) {
	if len(d.ids)+len(d.keys)+len(d.authorities) == 0 && !d.tofu {
		return dct.Config{}, usagef("--dct-root-key-ids", "add the ID that docker trust inspect prints under \"Root\", or "+howDCT[len("--dct-root-key-ids, "):]+"; --dct-tofu believes what the server shows", "nothing says which root the trust data must have, and nobody's but the right ones are to be changed")
	}
	if err := d.sound(); err != nil {
		return dct.Config{}, err
	}
	return d.config(c)
}

// dctMeans signs with Docker Content Trust, by the key of a delegation.
type dctMeans struct {
	run    *signing
	key    *notary.Key
	config dct.Config
}

func readDCT(s *signing) (means, error) {
	m := &dctMeans{run: s}
	for i, ref := range s.refs {
		switch {
		case ref.Tag() == "":
			return nil, usagef(signedImage, "write "+ref.Name()+":TAG@"+ref.Digest()+", with the tag that was pushed", "%s has no tag, and Docker Content Trust signs tags", ref)
		case s.untagged[ref.String()]:
			return nil, usagef(signedImage, "write the tag that was pushed, such as "+ref.Name()+":"+ref.Tag(), "%s has no tag, and Docker Content Trust signs tags", ref.Name())
		}
		for _, other := range s.refs[:i] {
			if other.Name() == ref.Name() && other.Tag() == ref.Tag() {
				return nil, usagef(signedImage, "name each tag once, with the digest that was pushed", "%s and %s are one tag", other, ref)
			}
		}
	}
	var err error
	if m.config, err = s.flags.dct.collections(s.command); err != nil {
		return nil, err
	}
	m.key, err = s.flags.by.readDelegation(s.command)
	return m, err
}

// readDelegation reads --key as the key of a delegation.
func (s *signerChoice) readDelegation(c Command) (*notary.Key, error) {
	const next = "give the private key of a delegation: a file as PEM, such as ~/.docker/trust/private/ID.key, or env://NAME for a variable that has its text"
	if s.key == "" {
		return nil, usagef("--key", next, "nothing says who signs: Docker Content Trust signs by the key of a delegation")
	}
	given, err := s.given(c, next)
	if err != nil {
		return nil, err
	}
	if given.service != "" {
		return nil, usagef("--key", next, "it is the address of a key service, and Docker Content Trust signs by a key that is given")
	}
	where := cmp.Or(s.passwordName, delegationPassword)
	password := []byte(cmp.Or(s.password, c.getenv(delegationPassword)))
	key, err := notary.ReadKey(given.name, given.text, password)
	switch {
	case errors.Is(err, notary.ErrNoPassword):
		return nil, usagef(given.flag, "set "+where+" to its password", "%w", bare(err))
	case errors.Is(err, notary.ErrPassword):
		return nil, usagef(given.flag, "set "+where+" to the password that the key was made with"+oddly(password), "%w", bare(err))
	case err != nil:
		return nil, usagef(given.flag, hintOf(err, next), "%w", bare(err))
	}
	return key, nil
}

func (m *dctMeans) consumer(c *report.Consumer) {
	c.TrustServer, c.TrustServerCA = m.config.Server.String(), len(m.config.ServerCA) > 0
}

func (m *dctMeans) begin(context.Context) {}

func (m *dctMeans) signer(_ context.Context, client *registry.Client, done func(done, of int)) (signer, error) {
	f := &m.run.flags
	return m.run.command.delegationSigner(&f.dct, notary.Options{Store: client, Key: m.key, Config: m.config, Jobs: f.jobs, Done: done})
}

// delegationSigner returns what signs by o, which has no clock yet.
func (c Command) delegationSigner(d *dctSigners, o notary.Options) (*notary.Signer, error) {
	o.Now, o.Sleep = c.now, c.Sleep
	if d.cache != "" {
		o.Cache = c.path(d.cache)
	}
	by, err := notary.New(o)
	if err != nil {
		return nil, usagef("", hintOf(err, "give "+howDCT), "%w", bare(err))
	}
	return by, nil
}

func (m *dctMeans) misconfigured([]sign.Failure) error { return nil }

func (m *dctMeans) notices() []string {
	return changed(m.config, m.run.flags.dct.cache, m.run.refs, m.run.command.now())
}

// changed says, of collections to which something was published, what verify warns
// of where it believes them: a root that nobody has named, a rollback that nobody
// sees, and a server that ends. Whoever adds a tag to what a role says, or takes one
// out, signs all the rest of it anew.
func changed(config dct.Config, cache string, refs []image.Ref, now time.Time) []string {
	const anew = "; what else the roles of the key say of tags there is signed anew with each change"
	var all []string
	add := func(text string) {
		if text != "" && !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	for _, ref := range refs {
		server, err := config.ServerOf(ref)
		if err != nil {
			continue
		}
		if ends := dct.Ending(server.String(), now); ends != "" {
			add(ends + ": sign with Sigstore or Notation, too; " + docs + "dct.md says how")
		}
		if config.TOFU {
			add(onlyShown("root", dct.GUN(ref), server.String()) + " with --dct-root-key-ids" + anew)
		}
		if cache == "" {
			add(unremembered(dct.GUN(ref), "") + anew + ", what was revoked since, too")
		}
	}
	return all
}

func (m *dctMeans) item(x sign.Record) report.SignedItem { return report.SignedItem{Record: x} }
