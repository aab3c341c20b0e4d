package dct

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify/internal/certfile"
)

// A Warning is about a requirement that is allowed and probably a mistake.
type Warning struct {
	Lint string // its stable name: docs/dct.md lists them
	Text string

	next string // what to do, in a policy file
}

// Warnings names what c accepts beyond what was likely meant, and what of it will
// not last. The clock is this machine's.
func (c Config) Warnings() []Warning {
	var out []Warning
	if c.TOFU {
		w := firstUse()
		w.Text = c.called("tofu") + ": " + w.Text
		out = append(out, w)
	}
	if !c.Server.IsZero() {
		out = append(out, serverWarnings(c.Server.String(), time.Now())...)
	}
	for _, cert := range slices.Concat(c.RootCA, c.ServerCA) {
		out = append(out, expired(cert, time.Now())...)
	}
	return out
}

func firstUse() Warning {
	return Warning{"first-use", "whoever answers for the server at first decides who may sign", "pin the root: add roots with the ID that boltseal trust inspect prints under \"Root\", once you know that it is the right one"}
}

// serverWarnings are those about an address.
func serverWarnings(address string, now time.Time) []Warning {
	var out []Warning
	if day, known := Ends(address); known && now.After(day.Add(-soon)) {
		out = append(out, Warning{"server-ends", Ending(address, now), "sign with Sigstore or Notation, and ask for that"})
	}
	if u, err := url.Parse(address); err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		out = append(out, Warning{"plain-http", address + " is asked without encryption: whoever is on the way can keep back that a tag was signed anew, or is no longer signed", "write https://"})
	}
	return out
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// soon is how long before its end a server is doubtful.
const soon = 180 * 24 * time.Hour

// Ends returns the day, at midnight UTC, from which the server at an address is
// gone; known is false where no such day was announced.
func Ends(server string) (day time.Time, known bool) {
	_, day, known = ends(server)
	return day, known
}

func ends(server string) (who string, day time.Time, known bool) {
	u, err := url.Parse(server)
	if err != nil {
		return "", time.Time{}, false
	}
	switch host := strings.ToLower(u.Hostname()); {
	case host == "notary.docker.io": // https://docs.docker.com/engine/security/trust/
		return host, time.Date(2026, time.December, 8, 0, 0, 0, 0, time.UTC), true
	case strings.HasSuffix(host, ".azurecr.io"): // https://github.com/Azure/acr/issues/837
		return "content trust of Azure Container Registry", time.Date(2028, time.March, 31, 0, 0, 0, 0, time.UTC), true
	}
	return "", time.Time{}, false
}

// Ending says when the server at an address is shut down, or was; "" where that is
// not known.
func Ending(server string, now time.Time) string {
	who, day, known := ends(server)
	switch {
	case !known:
		return ""
	case now.Before(day):
		return who + " ends on " + day.Format(time.DateOnly)
	}
	return who + " has ended on " + day.Format(time.DateOnly)
}

func expired(cert *x509.Certificate, now time.Time) []Warning {
	if !now.After(cert.NotAfter) {
		return nil
	}
	return []Warning{{"expired-certificate", fmt.Sprintf("%s has expired on %s", certfile.Title(cert), cert.NotAfter.UTC().Format(time.DateOnly)), "replace it by the certificate that follows it"}}
}

// Doubts returns what is allowed in the Form and probably a mistake. The Form has
// been checked. Of certificates it knows those that stand in the policy itself.
func (f *Form) Doubts() []yamlshape.Doubt {
	var out []yamlshape.Doubt
	doubt := func(at image.Position, prefix string, warnings ...Warning) {
		for _, w := range warnings {
			out = append(out, yamlshape.Doubt{Fault: *yamlshape.Faultf(at, w.next, "%s%s", prefix, w.Text), Lint: w.Lint})
		}
	}
	now := time.Now()
	if f.TOFU.Value {
		doubt(f.TOFU.At, "tofu: ", firstUse())
	}
	if f.Server != nil {
		if s, err := registry.ParseTrustServer(f.Server.Value); err == nil {
			doubt(f.Server.At, "server: ", serverWarnings(s.String(), now)...)
		}
	}
	for _, l := range f.lists() {
		for _, t := range l.Texts {
			for _, cert := range f.made.inline[t.At] {
				doubt(t.At, l.Key+": ", expired(cert, now)...)
			}
		}
	}
	return out
}

// DoubtsOf returns what is doubtful besides where the Form is asked of images of
// those names, the registry first, in which * and ** stand for any: the server
// that is asked of itself ends, or there are fewer roots than repositories.
func (f *Form) DoubtsOf(names []string) []yamlshape.Doubt {
	var out []yamlshape.Doubt
	doubt := func(at image.Position, w Warning) {
		out = append(out, yamlshape.Doubt{Fault: *yamlshape.Faultf(at, w.next, "%s", w.Text), Lint: w.Lint})
	}
	if f.Server == nil {
		said := map[string]bool{}
		for _, name := range names {
			registry, _, _ := strings.Cut(name, "/")
			address := defaultServer(registry)
			for _, w := range serverWarnings(address, time.Now()) {
				if !said[w.Text] {
					said[w.Text] = true
					w.Text = "there is no server, so that " + address + " is asked for images of " + registry + ": " + w.Text
					doubt(f.At, w)
				}
			}
		}
	}
	if len(f.made.ids) > 0 && len(f.made.ids) == len(f.Roots) && len(f.CA) == 0 && several(names) > len(f.made.ids) {
		doubt(f.Roots[0].At, Warning{
			"one-root", "roots: each repository has a root certificate of its own, and with it a key ID of its own: these are too few for all that the rule is for",
			"add the ID of each repository, or give the public key that all of the certificates are of in the place of the IDs",
		})
	}
	return out
}

// several returns how many repositories there are at least under patterns of
// names: a pattern with a * is hardly there for one.
func several(names []string) int {
	n := len(names)
	if slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, "*") }) {
		n++
	}
	return n
}
