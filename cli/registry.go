package cli

import (
	"bufio"
	"crypto/x509"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/spf13/pflag"
	"golang.org/x/net/http/httpproxy"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
)

// registryFlags say how registries are reached.
type registryFlags struct {
	username      string
	passwordStdin bool
	caFile        string
	insecure      []string

	anonymous bool          // no credentials at all, wherever they come from
	token     string        // for ghcr.io, instead of the environment's
	patience  time.Duration // of the client; 0 is its own

	roots *x509.CertPool // of caFile, once it was read: it may be a pipe
}

func (r *registryFlags) register(f *pflag.FlagSet) {
	f.StringVar(&r.username, "registry-username", "", "user `NAME` for the registry of the images, instead of the docker configuration's")
	f.BoolVar(&r.passwordStdin, "registry-password-stdin", false, "read the password or token that goes with --registry-username from standard input")
	f.StringVar(&r.caFile, "registry-cacert", "", "PEM `FILE` of certificate authorities to trust for registries, besides the system's")
	f.StringArrayVar(&r.insecure, "insecure-registry", nil, "`HOST[:PORT]` to speak plain http to; loopback hosts always are; repeatable")
}

// client returns the run's registry client.
func (r *registryFlags) client(c Command, uses []image.Use) (*registry.Client, error) {
	o := registry.Options{Insecure: r.insecure, Proxy: c.proxy(), UserAgent: "boltseal/" + version(), Patience: r.patience, Sleep: c.Sleep}
	fixed, err := r.credentials(c.Stdin, uses)
	if err != nil {
		return nil, err
	}
	o.Keychain = r.keychain(c, fixed)
	if o.Roots, err = r.authorities(); err != nil {
		return nil, err
	}
	return registry.New(o), nil
}

// authorities returns whom registries' certificates may lead to, nil for the
// system's. The file is read once.
func (r *registryFlags) authorities() (*x509.CertPool, error) {
	if r.caFile == "" || r.roots != nil {
		return r.roots, nil
	}
	text, err := readBounded(r.caFile, maxText)
	if err != nil {
		return nil, usagef("--registry-cacert", "give a PEM file of certificates", "%w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, usagef("--registry-cacert "+r.caFile, "give a PEM file of certificates", "it holds none")
	}
	r.roots = roots
	return roots, nil
}

// keychain returns where credentials come from: flags, the docker configuration,
// and for ghcr.io a token.
func (r *registryFlags) keychain(c Command, fixed map[string]authn.AuthConfig) authn.Keychain {
	token := r.token
	if token == "" {
		token = c.getenv("GITHUB_TOKEN")
	}
	user := c.getenv("GITHUB_ACTOR")
	if user == "" {
		user = "boltseal" // ghcr.io looks at the token alone
	}
	switch {
	case r.anonymous:
		return authn.NewMultiKeychain()
	case token == "":
		return registry.Keychain(fixed)
	}
	return registry.Fallback(registry.Keychain(fixed), map[string]authn.AuthConfig{"ghcr.io": {Username: user, Password: token}})
}

// credentials returns those given by flags. They go to one registry only:
// whoever runs another one has no business seeing them.
func (r *registryFlags) credentials(stdin io.Reader, uses []image.Use) (map[string]authn.AuthConfig, error) {
	switch {
	case r.username == "" && !r.passwordStdin:
		return nil, nil
	case r.username == "":
		return nil, usagef("--registry-password-stdin", "add --registry-username", "there is no user to go with the password")
	case !r.passwordStdin:
		return nil, usagef("--registry-username", "add --registry-password-stdin and pipe the password in", "there is no password to go with it")
	}
	host := ""
	for _, u := range uses {
		if u.Err != nil {
			continue
		}
		if host != "" && u.Ref.Registry() != host {
			return nil, usagef("--registry-username", "take the images of each registry in a run of its own, or use docker login", "the images are on %s and %s, and one of them would be sent the other's password", host, u.Ref.Registry())
		}
		host = u.Ref.Registry()
	}
	line, err := bufio.NewReader(io.LimitReader(stdin, 64<<10)).ReadString('\n')
	if err != nil && err != io.EOF { // a Reader returns io.EOF itself
		return nil, usagef("--registry-password-stdin", "pipe the password in", "%w", err)
	}
	password := strings.TrimRight(line, "\r\n")
	if password == "" {
		return nil, usagef("--registry-password-stdin", "pipe the password in, as in: printenv TOKEN | boltseal …", "standard input is empty")
	}
	return map[string]authn.AuthConfig{host: {Username: r.username, Password: password}}, nil
}

// proxy returns the proxy that the usual variables name for an address.
func (c Command) proxy() func(*url.URL) (*url.URL, error) {
	first := func(names ...string) string {
		for _, n := range names {
			if v := c.getenv(n); v != "" {
				return v
			}
		}
		return ""
	}
	return (&httpproxy.Config{
		HTTPProxy:  first("HTTP_PROXY", "http_proxy"),
		HTTPSProxy: first("HTTPS_PROXY", "https_proxy"),
		NoProxy:    first("NO_PROXY", "no_proxy"),
		CGI:        c.getenv("REQUEST_METHOD") != "",
	}).ProxyFunc()
}
