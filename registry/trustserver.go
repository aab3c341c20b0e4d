package registry

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// maxAddress bounds the address of a server, in bytes.
const maxAddress = 1024

// A TrustServer is where Notary (v1) keeps trust data. The zero TrustServer is
// none. Two are equal if they are asked in the same way.
type TrustServer struct {
	scheme, host string // the host in lower case, with a port where it is not the scheme's own
	base         string // of its paths, "" or such as "/notary"
	ca           string // PEM texts in their own order, "" for the system's authorities
}

// hostPattern is a host as it is asked, with or without a port: a name, or an
// address of IPv4 or IPv6.
var hostPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:[a-z0-9_](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$`)
})

// ParseTrustServer returns the server at an address such as
// https://notary.docker.io or https://example.com:4443/notary, whose certificate
// one of ca has to vouch for; none are those of the system. An address that
// begins with http:// is one, but it is asked only on this machine, and where
// [Options].Insecure has its host. Errors do not repeat the address.
func ParseTrustServer(address string, ca ...*x509.Certificate) (TrustServer, error) {
	u, err := url.Parse(address)
	switch {
	case len(address) > maxAddress || err != nil || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' }):
		return TrustServer{}, errors.New("it is no address such as https://notary.example.com")
	case u.User != nil:
		return TrustServer{}, errors.New("leave out the user name and password: they come from the docker configuration (docker login)")
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Opaque != "":
		return TrustServer{}, errors.New("it does not begin with https:// and a host")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(address, "#"):
		return TrustServer{}, errors.New("leave out what follows the path: an address of a server has no ? and no #")
	}
	s := TrustServer{scheme: u.Scheme, host: strings.ToLower(u.Host), base: strings.TrimRight(u.Path, "/")}
	s.host = strings.TrimSuffix(s.host, ":")
	s.host = strings.TrimSuffix(s.host, ":"+port(&url.URL{Scheme: s.scheme}))
	n, err := strconv.Atoi(cmp.Or(u.Port(), port(u)))
	switch {
	case !hostPattern().MatchString(s.host) || strings.HasPrefix(s.host, "[") && net.ParseIP(u.Hostname()) == nil:
		return TrustServer{}, errors.New("what follows https:// is no host")
	case err != nil || n == 0 || n > 65535:
		return TrustServer{}, errors.New("its port is not one of 1 to 65535")
	case s.host == "docker.io" || s.host == name.DefaultRegistry:
		return TrustServer{}, errors.New("that is Docker Hub's registry, whose trust data are at https://notary.docker.io")
	case s.base != "" && (u.RawPath != "" || !elements(s.base[1:])):
		return TrustServer{}, errors.New("its path may have letters, digits and . _ ~ : - only, and no . or .. by themselves")
	}
	s.ca = pemOf(ca)
	return s, nil
}

// pemOf returns the same text for the same certificates.
func pemOf(ca []*x509.Certificate) string {
	texts := make([]string, 0, len(ca))
	for _, c := range ca {
		texts = append(texts, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})))
	}
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), "")
}

// IsZero reports whether s is no server.
func (s TrustServer) IsZero() bool { return s == TrustServer{} }

// Host returns the host, with a port where it is not the scheme's own: what
// docker login takes.
func (s TrustServer) Host() string { return s.host }

// String returns the address, "" for the zero TrustServer.
func (s TrustServer) String() string {
	if s.IsZero() {
		return ""
	}
	return s.scheme + "://" + s.host + s.base
}

// prepareTrust finds out how a server of trust data is asked.
func (h *host) prepareTrust(ctx context.Context, c *Client, s TrustServer) error {
	h.scheme, h.prefix, h.trust = s.scheme, s.base, true
	var opts []name.Option
	if s.scheme == "http" {
		opts = append(opts, name.Insecure)
	}
	var err error
	if h.reg, err = name.NewRegistry(s.host, opts...); err != nil {
		return fmt.Errorf("%w: %w", errNoRetry, err)
	}
	if h.base, err = c.trusting(s); err != nil {
		return fmt.Errorf("%w: %w", errNoRetry, err)
	}
	if h.auth, err = c.credentials(ctx, s.host); err != nil {
		return fmt.Errorf("%w: %w", errCredentials, err)
	}
	return nil
}

// credentials returns those for a host. Docker Hub's notary knows the accounts of
// its registry; no other server is shown what is for somebody else.
func (c *Client) credentials(ctx context.Context, host string) (authn.Authenticator, error) {
	resources := []string{host}
	if host == "notary.docker.io" {
		resources = append(resources, name.DefaultRegistry)
	}
	for _, r := range resources {
		reg, err := name.NewRegistry(r)
		if err != nil {
			return nil, err
		}
		if auth, err := authn.Resolve(ctx, c.opts.Keychain, reg); err != nil || auth != authn.Anonymous {
			return auth, err
		}
	}
	return authn.Anonymous, nil
}

// trusting returns what sends requests to s.
func (c *Client) trusting(s TrustServer) (http.RoundTripper, error) {
	if s.ca == "" {
		return c.base, nil
	}
	there := x509.NewCertPool()
	if !there.AppendCertsFromPEM([]byte(s.ca)) {
		return nil, errors.New("a certificate of its authorities cannot be read")
	}
	elsewhere, err := c.roots()
	if err != nil {
		return nil, err
	}
	elsewhere.AppendCertsFromPEM([]byte(s.ca))
	return byHost{s.host, c.transport(there), c.transport(elsewhere)}, nil
}

// roots returns a copy of the authorities of registries.
func (c *Client) roots() (*x509.CertPool, error) {
	if c.opts.Roots != nil {
		return c.opts.Roots.Clone(), nil
	}
	return x509.SystemCertPool()
}

// byHost asks one host by means of its own authorities. A token service, or where
// it redirects to, may have others.
type byHost struct {
	host             string
	there, elsewhere http.RoundTripper
}

func (b byHost) RoundTrip(req *http.Request) (*http.Response, error) {
	host := strings.ToLower(strings.TrimSuffix(req.URL.Host, ":"+port(&url.URL{Scheme: req.URL.Scheme})))
	if host == b.host {
		return b.there.RoundTrip(req)
	}
	return b.elsewhere.RoundTrip(req)
}

// prefixed returns the request for GET /v2/ where h has it.
func (h *host) prefixed(req *http.Request) *http.Request {
	if h.prefix == "" {
		return req
	}
	there := req.Clone(req.Context())
	there.URL.Path = h.prefix + there.URL.Path
	return there
}
