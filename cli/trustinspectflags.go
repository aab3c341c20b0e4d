package cli

import (
	"crypto/x509"
	"time"

	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify/dct"
)

// dctTrustFlags say which notary server is asked, and which roots it may show.
type dctTrustFlags struct {
	server, serverCA, key, ca, cache string
	roots                            []string
}

func (d *dctTrustFlags) registerTrust(f *pflag.FlagSet) {
	f.StringVar(&d.server, "dct-server", "", "`URL` of the notary server, if not the one that docker would ask")
	f.StringSliceVar(&d.roots, "dct-root-key-ids", nil, "`ID` of a root key that may vouch for the collection; repeatable")
	f.StringVar(&d.key, "dct-root-public-key", "", "PEM `FILE` of a root's public key that may vouch for it")
	f.StringVar(&d.ca, "dct-root-ca", "", "PEM `FILE` of an authority that a root certificate may lead to")
	f.StringVar(&d.serverCA, "dct-server-ca", "", "PEM `FILE` of the authority of the notary server")
	f.StringVar(&d.cache, "dct-cache-dir", "", "`DIR` that remembers what was seen, so that a rollback is noticed")
}

func (d *dctTrustFlags) config(Command) (dct.Config, error) {
	c := dct.Config{Flags: true}
	for _, text := range d.roots {
		id, err := dct.ParseRootKeyID(text)
		if err != nil {
			return c, usagef("--dct-root-key-ids", "give the ID that docker trust inspect prints under Root", "%w", err)
		}
		c.RootKeyIDs = append(c.RootKeyIDs, id)
	}
	read := func(flag, name string, parse func(string, []byte) ([]*x509.Certificate, error)) ([]*x509.Certificate, error) {
		if name == "" {
			return nil, nil
		}
		text, err := readBounded(name, maxText)
		if err != nil {
			return nil, usagef(flag, "give a PEM file", "%w", err)
		}
		return parse(name, text)
	}
	var err error
	if c.ServerCA, err = read("--dct-server-ca", d.serverCA, dct.ParseServerAuthorities); err != nil {
		return c, err
	}
	if c.RootCA, err = read("--dct-root-ca", d.ca, dct.ParseAuthorities); err != nil {
		return c, err
	}
	if d.server != "" {
		if c.Server, err = registry.ParseTrustServer(d.server, c.ServerCA...); err != nil {
			return c, usagef("--dct-server", "write https://HOST", "%w", err)
		}
	}
	return c, nil
}

// serverOf returns the address of the server that has the trust data of ref.
func serverOf(c dct.Config, ref image.Ref) string {
	switch {
	case !c.Server.IsZero():
		return c.Server.String()
	case ref.Registry() == "docker.io":
		return "https://notary.docker.io"
	}
	return "https://" + ref.Registry()
}

// serverEnds returns the day on which a server is gone.
func serverEnds(server string) (day time.Time, known bool) {
	return time.Date(2026, time.December, 8, 0, 0, 0, 0, time.UTC), server == "https://notary.docker.io"
}
