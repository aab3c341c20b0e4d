package registry

import (
	"context"
	"encoding/base64"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/boltseal/boltseal/internal/legible"
)

// leastPart is the length in bytes from which on a part of a token is as secret as
// the whole.
const leastPart = 16

// mostSaid bounds what is looked at of a server's words, in bytes: more than is
// repeated of them. Looking for secrets takes time for each byte of both.
const mostSaid = 4 * maxDetail

// shown is what the servers that one query has asked have seen of credentials.
// Some of them, and some gateways, repeat what they were sent; errors do not.
type shown struct {
	mu      sync.Mutex
	secrets []string
}

type shownKey struct{}

// remembering returns a context whose requests leave their credentials in s.
func remembering(ctx context.Context, s *shown) context.Context {
	return context.WithValue(ctx, shownKey{}, s)
}

// remember adds credentials to what the context's query has shown.
func remember(ctx context.Context, secrets ...string) {
	s, ok := ctx.Value(shownKey{}).(*shown)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range secrets {
		if secret != "" && !slices.Contains(s.secrets, secret) {
			s.secrets = append(s.secrets, secret)
		}
	}
}

// rememberRequest is remember for what a request is sent with.
func rememberRequest(req *http.Request) {
	_, secret, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	remember(req.Context(), secret)
	if _, password, ok := req.BasicAuth(); ok {
		remember(req.Context(), password)
	}
	parts := strings.Split(secret, ".")
	if len(parts) != 3 { // it is no JWT
		return
	}
	for _, part := range parts {
		if len(part) >= leastPart {
			remember(req.Context(), part)
		}
	}
}

// secrets returns what of credentials may be sent otherwise than in a header, as
// token services are.
func secrets(a authn.AuthConfig) []string {
	both := ""
	if a.Password != "" {
		both = base64.StdEncoding.EncodeToString([]byte(a.Username + ":" + a.Password))
	}
	return []string{both, a.Password, a.IdentityToken, a.RegistryToken}
}

var (
	// authorization is what a server must have been sent to know it.
	authorization = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)\b(basic|bearer)\s+[A-Za-z0-9+/=._~-]+`) })
	// webToken is a JWT, or the beginning of one, whoever's it is.
	webToken = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]+)*`) })
)

// quote returns what a server said as it may be repeated.
func (s *shown) quote(said string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	said = legible.Without(said[:min(len(said), mostSaid)], len(said) > mostSaid, s.secrets...)
	said = authorization().ReplaceAllString(said, "$1 ***")
	return clip(webToken().ReplaceAllString(said, "***"))
}
