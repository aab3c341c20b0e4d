package registry_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

// A registry, or its token service, that repeats the credentials it was sent, in
// whatever form, does not get them into an error.
func TestErrorsHoldNoCredentials(t *testing.T) {
	t.Parallel()
	const (
		access   = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl-of-the-token"
		opaque   = "0123456789-opaque-access-token"
		identity = "0123456789-refresh-token"
	)
	basic := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	secrets := []string{password, basic, "c2lnbmF0dXJl-of-the-token", opaque, identity}
	// What a request held, as they may be repeated.
	forms := map[string]func(sent string) string{
		"header":  func(sent string) string { return "Authorization: " + sent },
		"alone":   func(sent string) string { return "bad credential " + sent[strings.Index(sent, " ")+1:] },
		"quoted":  func(sent string) string { return fmt.Sprintf("bad %q.", sent[strings.Index(sent, " ")+1:]) },
		"escaped": func(sent string) string { return "?auth=" + url.QueryEscape(sent[strings.Index(sent, " ")+1:]) },
		"decoded": func(sent string) string {
			plain, err := base64.StdEncoding.DecodeString(sent[strings.Index(sent, " ")+1:])
			if err != nil {
				return sent
			}
			return "no user " + string(plain)
		},
		"password": func(sent string) string {
			plain, err := base64.StdEncoding.DecodeString(sent[strings.Index(sent, " ")+1:])
			if err != nil {
				return sent
			}
			_, word, _ := strings.Cut(string(plain), ":")
			return "wrong password " + word
		},
	}
	for form, words := range forms {
		for name, tc := range map[string]struct {
			challenge string // "" for Bearer
			login     authn.AuthConfig
			token     string
			refused   string // path of what refuses
		}{
			"basic":                  {`Basic realm="x"`, authn.AuthConfig{Username: user, Password: password}, "", "/manifests/"},
			"token service":          {"", authn.AuthConfig{Username: user, Password: password}, "", "/token"},
			"token service, refresh": {"", authn.AuthConfig{IdentityToken: identity}, "", "/token"},
			"token":                  {"", authn.AuthConfig{Username: user, Password: password}, access, "/manifests/"},
			"opaque token":           {"", authn.AuthConfig{Username: user, Password: password}, opaque, "/manifests/"},
			"anonymous token":        {"", authn.AuthConfig{}, opaque, "/manifests/"},
			"registry token":         {"", authn.AuthConfig{RegistryToken: opaque}, "", "/manifests/"},
		} {
			said := 0
			var s string
			server := serve(t, func(w http.ResponseWriter, req *http.Request) {
				sent := req.Header.Get("Authorization")
				if sent == "" && req.ParseForm() == nil && req.PostForm.Get("refresh_token") != "" {
					sent = "Refresh " + req.PostForm.Get("refresh_token")
				}
				switch {
				case strings.Contains(req.URL.Path, tc.refused) && sent != "":
					said++
					text, err := json.Marshal(words(sent))
					if err != nil {
						t.Error(err)
					}
					w.WriteHeader(http.StatusForbidden)
					_, _ = fmt.Fprintf(w, `{"errors":[{"code":"DENIED","message":%s}]}`, text)
				case req.URL.Path == "/token":
					_, _ = fmt.Fprintf(w, `{"token":%q}`, tc.token)
				default:
					challenge := tc.challenge
					if challenge == "" {
						challenge = `Bearer realm="` + s + `/token",service="test"`
					}
					w.Header().Set("WWW-Authenticate", challenge)
					w.WriteHeader(http.StatusUnauthorized)
				}
			})
			s = server.URL
			keychain := registry.Keychain(map[string]authn.AuthConfig{hostOf(server): tc.login})
			if tc.login == (authn.AuthConfig{}) {
				keychain = nil
			}
			c, _ := client(registry.Options{Keychain: keychain})
			_, err := c.Manifest(t.Context(), ref(t, hostOf(server)+"/app"), "v1")
			if !errors.Is(err, registry.ErrDenied) || registry.Reason(err) != verify.Denied {
				t.Errorf("%s, %s: %v", name, form, err)
			}
			if said == 0 || err == nil || !strings.Contains(err.Error(), "DENIED: ") {
				t.Errorf("%s, %s: nothing was repeated: %v", name, form, err)
				continue
			}
			for _, secret := range secrets {
				if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), url.QueryEscape(secret)) {
					t.Errorf("%s, %s: %v", name, form, err)
				}
			}
		}
	}
}

// Nor does one that answers with them what is no HTTP, which net/http quotes.
func TestNoHTTPHoldsNoCredentials(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, req *http.Request) {
		sent := req.Header.Get("Authorization")
		if sent == "" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = fmt.Fprintf(conn, "%s\r\n\r\n", strings.TrimPrefix(sent, "Basic "))
		_ = conn.Close()
	})
	c, _ := client(registry.Options{Keychain: registry.Keychain(map[string]authn.AuthConfig{hostOf(server): {Username: user, Password: password}})})
	_, err := c.Manifest(t.Context(), ref(t, hostOf(server)+"/app"), "v1")
	wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
	if err == nil || !strings.Contains(err.Error(), `malformed HTTP response "***`) {
		t.Error(err)
	}
}

// The parts of a JWT are secrets, and a token that a service makes of thousands of
// them is one: each is looked for at each byte of what a server says.
func TestSecretsOfToken(t *testing.T) {
	t.Parallel()
	part := strings.Repeat("a", 20)
	for token, want := range map[string]int{
		part + "." + part + "b." + part + "c":   4,
		"short." + part + ".short":              2,
		strings.Repeat(part+".", 3600):          1,
		part + "." + part + "b." + part + "c.d": 1,
	} {
		if got := registry.Remembered("Bearer " + token); got != want {
			t.Errorf("%.100s: %d secrets, want %d", token, got, want)
		}
	}
}
