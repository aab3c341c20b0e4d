package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/sign"
	notary "github.com/boltseal/boltseal/sign/notation"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/notation"
)

// notationFlags are those of boltseal sign that only Notation has.
type notationFlags struct {
	chain         string
	expiry        string
	metadata      []string
	tsa, tsaRoot  string
	plugin        string
	pluginSum     string
	keyID         string
	pluginConfigs []string
}

func (n *notationFlags) register(f *pflag.FlagSet) {
	f.StringVar(&n.chain, "certificate-chain", "", "PEM `FILE` of the certificates of --key, the one that signs first and the root last (notation)")
	f.StringVar(&n.expiry, "expiry", "", "`DURATION` after which the signature is no longer valid, such as 8760h (notation; default: never)")
	f.StringArrayVar(&n.metadata, "user-metadata", nil, "`KEY=VALUE` that is signed with the signature, as --annotation (notation); repeatable")
	f.StringVar(&n.tsa, "timestamp-url", "", "`URL` of a timestamp authority (RFC 3161) that countersigns, so that the signature outlives the certificate (notation)")
	f.StringVar(&n.tsaRoot, "timestamp-root-cert", "", "PEM `FILE` of the timestamp authority's root certificate (notation)")
	f.StringVar(&n.plugin, "plugin", "", "`PATH` of a Notation plugin, a program called notation-NAME, that keeps the key, instead of --key (notation)")
	f.StringVar(&n.pluginSum, "plugin-sha256", "", "SHA-256 of the plugin, in `HEX`: nothing else is run (notation)")
	f.StringVar(&n.keyID, "key-id", "", "`ID` of the key that the plugin keeps (notation)")
	f.StringArrayVar(&n.pluginConfigs, "plugin-config", nil, "`KEY=VALUE` that the plugin is told, or KEY=env://NAME for the value of a variable, which others cannot see (notation); repeatable")
}

// Bounds of --expiry. A signature that ends sooner is over before somebody looks
// at it, and no certificate lives longer.
const (
	leastExpiry = time.Minute
	mostExpiry  = 100 * 365 * 24 * time.Hour
)

// notationMeans signs with Notation: by a key with its certificates, or by a
// plugin that keeps one.
type notationMeans struct {
	run    *signing
	key    *notary.Key           // nil where a plugin keeps it
	plugin *notary.PluginOptions // nil where none does
	expiry time.Duration
	tsa    *notary.TSA
}

func readNotation(s *signing) (means, error) {
	m := &notationMeans{run: s}
	for _, read := range []func() error{m.readMetadata, m.readExpiry, m.readTSA, m.readKey} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// readMetadata sees that the annotations can be user metadata.
func (m *notationMeans) readMetadata() error {
	flag := "--user-metadata"
	if len(m.run.flags.notation.metadata) == 0 {
		flag = "--annotation"
	}
	if err := notary.CheckMetadata(m.run.order.Annotations); err != nil {
		return usagef(flag, hintOf(err, "write KEY=VALUE"), "%w", bare(err))
	}
	for _, key := range slices.Sorted(maps.Keys(m.run.order.Annotations)) {
		if m.run.order.Annotations[key] == "" {
			return usagef(flag, "write a value, or leave it out: notation verify cannot ask for one that is empty", "%q has no value", key)
		}
	}
	return nil
}

func (m *notationMeans) readExpiry() error {
	text := m.run.flags.notation.expiry
	if text == "" {
		return nil
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return usagef("--expiry", "write a number of hours such as 8760h", "%q is no duration", text)
	case d < leastExpiry || d > mostExpiry:
		return usagef("--expiry", fmt.Sprintf("write from %s to %dh, or leave it out for a signature that does not expire", leastExpiry, mostExpiry/time.Hour), "%s is out of range", text)
	case d%time.Second != 0:
		return usagef("--expiry", "write whole seconds", "%s is no number of seconds", text)
	}
	m.expiry = d
	return nil
}

func (m *notationMeans) readTSA() error {
	f := &m.run.flags.notation
	switch {
	case f.tsa == "" && f.tsaRoot == "":
		return nil
	case f.tsa == "":
		return usagef("--timestamp-root-cert", "add --timestamp-url with the address of the timestamp authority, or leave it out", "no timestamp authority is asked")
	case f.tsaRoot == "":
		return usagef("--timestamp-url", "add --timestamp-root-cert with its root certificate, obtained from who runs it", "nothing says which timestamps count")
	}
	const next = "give its address, such as http://timestamp.example.com"
	u, err := url.Parse(f.tsa)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || len(f.tsa) > maxAddress:
		return usagef("--timestamp-url", next, "it is no http or https address")
	case u.User != nil || u.Fragment != "":
		return usagef("--timestamp-url", next, "the address on %q has a user or a fragment", u.Host)
	}
	name, text, err := m.certificates("--timestamp-root-cert", f.tsaRoot)
	if err != nil {
		return err
	}
	roots, err := notation.ParseTSACertificates(name, text)
	if err != nil {
		return usagef("--timestamp-root-cert "+name, hintOf(err, "give the root certificate of the timestamp authority, as PEM"), "%w", bare(err))
	}
	c := m.run.command
	m.tsa = &notary.TSA{URL: f.tsa, Roots: roots, Proxy: c.proxy(), UserAgent: "boltseal/" + version()}
	return nil
}

// maxAddress bounds the address of a service, in bytes.
const maxAddress = 2048

// certificates reads the file of certificates that a flag names, or, as the Action
// has them, the certificates themselves.
func (m *notationMeans) certificates(flag, given string) (name string, text []byte, err error) {
	given = strings.TrimSpace(given)
	if strings.HasPrefix(given, pemBegin) {
		return "given as PEM", []byte(given), nil
	}
	const next = "name a file of certificates in PEM"
	if strings.ContainsFunc(given, endsLine) {
		return "", nil, usagef(flag, next, "it has several lines, and does not begin with %s", strings.TrimSpace(pemBegin))
	}
	text, err = readBounded(m.run.command.path(given), maxText)
	if err != nil {
		return "", nil, usagef(flag, next, "%w", unread(given, err))
	}
	return given, text, nil
}

// readKey finds who signs: one of a key and a plugin.
func (m *notationMeans) readKey() error {
	f, by := &m.run.flags.notation, &m.run.flags.by
	if f.plugin == "" {
		for _, x := range []struct {
			flag  string
			given bool
		}{{"--plugin-sha256", f.pluginSum != ""}, {"--key-id", f.keyID != ""}, {"--plugin-config", len(f.pluginConfigs) > 0}} {
			if x.given {
				return usagef(x.flag, "add --plugin with the path of the program, or leave it out", "there is no plugin that it could be about")
			}
		}
	}
	switch {
	case by.key != "" && f.plugin != "":
		return usagef("--plugin", "leave one of --key and --plugin out", "a signature is made by a key that is given, or by one that a plugin keeps")
	case f.plugin != "":
		return m.readPlugin()
	case by.key == "":
		return usagef("--key", "give a private key with --key and its certificates with --certificate-chain, or a plugin that keeps one with --plugin, --plugin-sha256 and --key-id", "nothing says who signs: Notation signs by a key, and has no identity of the job")
	case f.chain == "":
		return usagef("--key", "add --certificate-chain with its certificates, the one that signs first and the root last", "a key alone signs nothing with Notation: consumers trust certificates")
	}
	const next = "give a private key: a file as PEM, or env://NAME for a variable that has its text"
	given, err := by.given(m.run.command, next)
	if err != nil {
		return err
	}
	if given.service != "" {
		return usagef("--key", "name the plugin that keeps the key, with --plugin, --plugin-sha256 and --key-id", "it is the address of a key service, as Sigstore has them; Notation's are plugins")
	}
	name, chain, err := m.certificates("--certificate-chain", f.chain)
	if err != nil {
		return err
	}
	if m.key, err = notary.ReadKey(given.name, given.text, chain); err != nil {
		return misread(given.flag, "--certificate-chain "+name, err)
	}
	return nil
}

// misread is about a key, or the chain that goes with it.
func misread(key, chain string, err error) error {
	if errors.Is(err, notary.ErrChain) {
		return usagef(chain, hintOf(err, "give the certificates as PEM, the one that signs first and the root last"), "%w", bare(err))
	}
	return usagef(key, hintOf(err, "give a private key as PEM, and its certificates"), "%w", bare(err))
}

// sha256Hex is a SHA-256 as sha256sum prints it.
const sha256Hex = `^[0-9a-fA-F]{64}$`

// readPlugin reads what says which plugin signs. It is not run yet.
func (m *notationMeans) readPlugin() error {
	f, c := &m.run.flags.notation, m.run.command
	sum := strings.TrimPrefix(f.pluginSum, "sha256:")
	switch {
	case f.pluginSum == "":
		return usagef("--plugin", "add --plugin-sha256 with what its publisher says, or sha256sum of the program that you trust", "nothing says that the program is the one that is meant")
	case !regexp.MustCompile(sha256Hex).MatchString(sum):
		return usagef("--plugin-sha256", "write the 64 hex digits that sha256sum prints", "it is no SHA-256")
	case f.keyID == "":
		return usagef("--plugin", "add --key-id with the name of the key, as the plugin knows it", "nothing says which of its keys signs")
	}
	o := &notary.PluginOptions{Path: c.path(f.plugin), SHA256: strings.ToLower(sum), KeyID: f.keyID, Config: map[string]string{}}
	if err := pairs("--plugin-config", f.pluginConfigs, o.Config, true); err != nil {
		return err
	}
	for key, value := range o.Config {
		variable, inEnv := strings.CutPrefix(value, "env://")
		if !inEnv {
			continue
		}
		if !isVariable(variable) {
			return usagef("--plugin-config", "write KEY=env:// and the name of the variable", "what follows env:// is no name of a variable")
		}
		if o.Config[key] = c.getenv(variable); o.Config[key] == "" {
			return usagef("--plugin-config", "set it, or write KEY=VALUE", "the variable %s is empty or not set", variable)
		}
	}
	if f.chain != "" {
		var err error
		if _, o.Chain, err = m.certificates("--certificate-chain", f.chain); err != nil {
			return err
		}
		if len(bytes.TrimSpace(o.Chain)) == 0 { // which would mean that the plugin is asked for it
			return usagef("--certificate-chain "+f.chain, "give the certificates of the key as PEM, or leave it out", "it is empty")
		}
	}
	m.plugin = o
	return nil
}

func (m *notationMeans) consumer(c *report.Consumer) {
	c.Timestamps = m.tsa != nil
	for _, ref := range m.run.refs {
		if registry.Loopback(ref.Registry()) {
			c.Local = append(c.Local, ref.Registry())
		}
	}
}

func (m *notationMeans) begin(context.Context) {}

func (m *notationMeans) signer(ctx context.Context, client *registry.Client, done func(done, of int)) (signer, error) {
	run, f := m.run, &m.run.flags
	if m.plugin != nil {
		var err error
		if m.key, err = notary.OpenPlugin(ctx, *m.plugin); err != nil {
			if unanswering(err) {
				return nil, err
			}
			return nil, misread("--plugin "+f.notation.plugin, "--certificate-chain", err)
		}
	}
	by, err := notary.New(notary.Options{
		Store: client, Key: m.key, Expiry: m.expiry, TSA: m.tsa, Repository: run.where,
		Asker: notation.NewAsker(run.command.proxy(), "boltseal/"+version()),
		Now:   run.command.now, Sleep: run.command.Sleep, Jobs: f.jobs, Done: done,
	})
	if err != nil {
		_ = m.key.Close() // what is left is a copy of a program in the folder for temporary files
		return nil, misread("", "--certificate-chain", err)
	}
	return &notationSigner{by, m.key}, nil
}

// unanswering reports whether a plugin was run, and did not get to its end or to
// whom it asks; what else is wrong with it is bad input.
func unanswering(err error) bool {
	var r interface{ Reason() verify.Reason }
	return errors.As(err, &r) && r.Reason().NoAnswer() || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// A notationSigner gives its key back when all is signed.
type notationSigner struct {
	*notary.Signer
	key *notary.Key
}

func (s *notationSigner) Sign(ctx context.Context, o sign.Order) sign.Result {
	defer s.key.Close() //nolint:errcheck // as above
	return s.Signer.Sign(ctx, o)
}

func (m *notationMeans) misconfigured([]sign.Failure) error { return nil }

// notices tells of a signature that ends before it is said to, and of a signer whom
// nobody can name.
func (m *notationMeans) notices() []string {
	if m.key == nil {
		return nil
	}
	var all []string
	leaf := m.key.Certificates()[0]
	if m.tsa == nil && m.expiry > 0 && m.run.started.Add(m.expiry).After(leaf.NotAfter) {
		all = append(all, fmt.Sprintf("the certificate ends at %s, before the signature does, and without a timestamp (--timestamp-url) nobody accepts it any longer", leaf.NotAfter.UTC().Format(time.RFC3339)))
	}
	if _, err := notation.ParseIdentity(leaf.Subject.String()); err != nil {
		all = append(all, fmt.Sprintf("the subject of the certificate cannot stand in a trust policy (%v): consumers have to trust whoever has a certificate of the same root", bare(err)))
	}
	return all
}

func (m *notationMeans) item(x sign.Record) report.SignedItem {
	item := report.SignedItem{Record: x}
	if _, err := notation.ParseIdentity(x.Identity); err != nil {
		item.Trusted = "*" // which the notices tell of
	}
	return item
}
