package cli

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/dct"
)

// dctSigners say who must have signed with Docker Content Trust: roots of
// collections, and delegations of these.
type dctSigners struct {
	server, cache          string
	ids, keys, authorities []string // of roots
	signers, serverCA      []string
	tofu                   bool
}

// howDCT are the flags that name a root.
const howDCT = "--dct-root-key-ids, --dct-root-public-key or --dct-root-ca"

func (d *dctSigners) register(f *pflag.FlagSet) {
	d.registerTrust(f)
	f.StringArrayVar(&d.signers, "dct-signers", nil, "`NAME` of a signer, such as alice for the delegation targets/alice; separated by commas or repeatable, all must have signed the same digest")
	f.BoolVar(&d.tofu, "dct-tofu", false, "believe whatever the server shows at first, in the place of a root: whoever answers for it then decides who may sign")
}

// registerTrust registers what says whose word on a collection is believed.
func (d *dctSigners) registerTrust(f *pflag.FlagSet) {
	f.StringArrayVar(&d.ids, "dct-root-key-ids", nil, "key `ID` of the root of a collection of Docker Content Trust, as docker trust inspect prints it; separated by commas or repeatable, any of them passes")
	f.StringArrayVar(&d.keys, "dct-root-public-key", nil, "the same by its public key: a PEM `FILE`, env://NAME, or the PEM text; repeatable")
	f.StringArrayVar(&d.authorities, "dct-root-ca", nil, "certificate of an authority that issued the root's: a PEM or DER `FILE` as above; repeatable")
	f.StringVar(&d.server, "dct-server", "", "`URL` of the Notary server (default: https://notary.docker.io for Docker Hub, else the registry's host)")
	f.StringArrayVar(&d.serverCA, "dct-server-ca", nil, "certificate of an authority of the server's own, if it is not the system's: a PEM or DER `FILE` as above; repeatable")
	f.StringVar(&d.cache, "dct-cache-dir", "", "`DIR` that keeps what was seen of collections between runs, so that older data are refused; it counts for a policy, too")
}

// given returns a flag that names a signer, or begins to; "" if none does.
func (d *dctSigners) given() string {
	switch {
	case len(d.ids) > 0:
		return "--dct-root-key-ids"
	case len(d.keys) > 0:
		return "--dct-root-public-key"
	case len(d.authorities) > 0:
		return "--dct-root-ca"
	case d.tofu:
		return "--dct-tofu"
	case len(d.signers) > 0:
		return "--dct-signers"
	}
	return ""
}

// narrowing returns a flag that was given and says more of a signer, "" if none
// was.
func (d *dctSigners) narrowing() string {
	switch {
	case d.server != "":
		return "--dct-server"
	case len(d.serverCA) > 0:
		return "--dct-server-ca"
	}
	return ""
}

// keeping returns the flag of what is kept between runs, "" if it was not given.
func (d *dctSigners) keeping() string {
	if d.cache == "" {
		return ""
	}
	return "--dct-cache-dir"
}

// sound checks which flags stand together.
func (d *dctSigners) sound() error {
	pinned := slices.Concat(d.ids, d.keys, d.authorities)
	switch {
	case d.tofu && len(pinned) > 0:
		return usagef("--dct-tofu", "leave it out", "it believes what %s is there to tell apart", d.given())
	case !d.tofu && len(pinned) == 0:
		return usagef("--dct-signers", "add --dct-root-key-ids with the ID that docker trust inspect prints under \"Root\", or "+strings.TrimPrefix(howDCT, "--dct-root-key-ids, "), "nothing says in whose collection these names count")
	}
	return nil
}

// config returns what the flags ask of every image. That there is a root is for
// sound to say.
func (d *dctSigners) config(c Command) (dct.Config, error) {
	config := dct.Config{TOFU: d.tofu, Flags: true}
	const nextID, nextSigner = "copy the 64 digits that docker trust inspect prints under \"Root\"", "name a signer, such as alice for targets/alice"
	err := eachOf("--dct-root-key-ids", d.ids, nextID, func(text string) error {
		id, err := dct.ParseRootKeyID(text)
		if !slices.Contains(config.RootKeyIDs, id) {
			config.RootKeyIDs = append(config.RootKeyIDs, id)
		}
		return err
	})
	if err != nil {
		return config, err
	}
	err = eachOf("--dct-signers", d.signers, nextSigner, func(text string) error {
		name, err := dct.ParseSigner(text)
		if !slices.Contains(config.Signers, name) {
			config.Signers = append(config.Signers, name)
		}
		return err
	})
	if err != nil {
		return config, err
	}
	err = textFlag{
		name: "--dct-root-public-key", next: "give the public key of the root: a PEM file, or env://NAME for a variable that holds the PEM text",
		fetched: "download the key once, see that it is the right one, and keep it with the project",
		why:     "a key is not fetched: whoever answers there could exchange it",
		other:   "export the public key to a file",
	}.each(c, d.keys, func(title string, text []byte) error {
		key, err := dct.ParseRootKey(title, text)
		if err == nil && !slices.ContainsFunc(config.RootKeys, func(have []byte) bool { return bytes.Equal(have, key) }) {
			config.RootKeys = append(config.RootKeys, key)
		}
		return err
	})
	if err != nil {
		return config, err
	}
	if config.RootCA, err = certificatesOf(c, "--dct-root-ca", d.authorities, dct.ParseAuthorities); err != nil {
		return config, err
	}
	if config.ServerCA, err = certificatesOf(c, "--dct-server-ca", d.serverCA, dct.ParseServerAuthorities); err != nil {
		return config, err
	}
	if d.server != "" {
		if config.Server, err = registry.ParseTrustServer(d.server, config.ServerCA...); err != nil {
			return config, usagef("--dct-server", "write its address as https://HOST or https://HOST:PORT", "%q: %w", publicPart(d.server), err)
		}
	}
	return config, nil
}

// eachOf gives take what the values of a flag list, with commas between. What is
// empty is no list of nothing: a variable was not set.
func eachOf(flag string, values []string, next string, take func(text string) error) error {
	for _, value := range values {
		for text := range strings.SplitSeq(value, ",") {
			if text = strings.TrimSpace(text); text == "" {
				return usagef(flag, next, "it is empty; is a variable not set?")
			}
			if err := take(text); err != nil {
				return usagef(flag, cmp.Or(verify.Hint(err), next), "%w", err)
			}
		}
	}
	return nil
}

// files returns those that the flags name.
func (d *dctSigners) files(c Command) []string {
	return filesOf(c, slices.Concat(d.keys, d.authorities, d.serverCA))
}

// A dctDemand is that of flags, the same for every image.
type dctDemand struct {
	flags   *verifyFlags
	config  dct.Config
	read    []string
	cache   string // the folder, "" for none
	ignored string // the policy file that does not count, "" if there is none
}

func (v *verifyFlags) byDCT(c Command, t *trusts) (demand, error) {
	switch flag := t.flags.given(); {
	case flag != "":
		return nil, usagef(flag, "leave it out; "+howDCT+" says whose collection is trusted", "it is about Sigstore's trust root, and no signature of Sigstore is asked for")
	case v.signatureRepo != "":
		return nil, usagef("--signature-repository", "leave it out; --dct-server says which server has the trust data", "Docker Content Trust has them by the name of the image alone")
	}
	if err := v.dct.sound(); err != nil {
		return nil, err
	}
	config, err := v.dct.config(c)
	if err != nil {
		return nil, err
	}
	return &dctDemand{flags: v, config: config, read: v.dct.files(c), cache: t.dctCache(), ignored: ignored(c)}, nil
}

func (d *dctDemand) files() []string { return d.read }

func (d *dctDemand) rules(_ []image.Use, client *registry.Client, _ time.Time) (gate.Rules, []report.Warning, error) {
	v, err := dct.NewSession(client, d.cache).Require(d.config)
	if err != nil {
		return nil, nil, usagef(d.flags.dct.given(), cmp.Or(verify.Hint(err), "give "+howDCT), "%w", err)
	}
	var warnings []report.Warning
	for _, w := range d.config.Warnings() {
		warnings = append(warnings, report.Warning{Text: w.Text})
	}
	return all{[]verify.Verifier{v}, []verify.Verifier{v}}, append(warnings, notCounted(d.ignored)...), nil
}
