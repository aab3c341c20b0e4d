package sigstack

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// GitHubIssuer is the name of the issuer of workflows' tokens. Tokens of the
// stack carry it, so that policies in tests are those of production; only the
// stack's own Fulcio finds the stack's issuer behind it.
const GitHubIssuer = "https://token.actions.githubusercontent.com"

// Identity is what certificates name for the claims that tokens have at first:
// the workflow release.yml of github.com/acme/app on its branch main.
const Identity = "https://github.com/" + workflow

const workflow = "acme/app/.github/workflows/release.yml@refs/heads/main"

// Tokens issues tokens in the shape of GitHub's, and is the runner's endpoint
// that hands them out. It may be used by several goroutines.
type Tokens struct {
	// RequestToken is the credential that the runner gives to a job that may ask
	// for tokens, ACTIONS_ID_TOKEN_REQUEST_TOKEN.
	RequestToken string

	key    *ecdsa.PrivateKey
	mu     sync.Mutex
	claims map[string]any
	issued []string
}

func newTokens(key *ecdsa.PrivateKey) *Tokens {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	return &Tokens{
		RequestToken: "request-" + rand.Text(),
		key:          key,
		claims: map[string]any{
			"sub": "repo:acme/app:ref:refs/heads/main", "repository": "acme/app", "repository_owner": "acme",
			"repository_id": "1001", "repository_owner_id": "2002", "repository_visibility": "private",
			"ref": "refs/heads/main", "ref_type": "branch", "sha": commit, "event_name": "push",
			"workflow": "release", "workflow_ref": workflow, "workflow_sha": commit,
			"job_workflow_ref": workflow, "job_workflow_sha": commit,
			"run_id": "4242", "run_number": "7", "run_attempt": "1", "runner_environment": "github-hosted",
			"actor": "octocat", "actor_id": "3003",
		},
	}
}

// Claim adds claims to the tokens that are issued from now on. One of those that
// every token has ("iss", "aud", "iat", "nbf", "exp", "jti") is replaced.
func (t *Tokens) Claim(claims map[string]any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.Copy(t.claims, claims)
}

// Issued returns every token so far.
func (t *Tokens) Issued() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.issued)
}

// Token issues one, which lives five minutes if no claim says otherwise.
func (t *Tokens) Token(audience string) (string, error) {
	now := time.Now()
	claims := map[string]any{
		"iss": GitHubIssuer, "aud": audience, "iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(),
		"exp": now.Add(5 * time.Minute).Unix(), "jti": rand.Text(),
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.Copy(claims, t.claims)
	header, err := json.Marshal(map[string]string{"alg": "ES256", "typ": "JWT", "kid": keyName})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	text := unpadded(header) + "." + unpadded(payload)
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, t.key, digest[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	text += "." + unpadded(signature)
	t.issued = append(t.issued, text)
	return text, nil
}

func unpadded(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// ServeHTTP answers as the runner's ACTIONS_ID_TOKEN_REQUEST_URL.
func (t *Tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); token != t.RequestToken {
		http.Error(w, `{"message":"bad credentials"}`, http.StatusUnauthorized)
		return
	}
	audience := r.URL.Query().Get("audience")
	if audience == "" {
		audience = "https://github.com/acme"
	}
	token, err := t.Token(audience)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeJSON(w, map[string]any{"count": len(token), "value": token})
}

const keyName = "stack"

// discovery serves what an issuer says of itself, and its keys.
func discovery(key *ecdsa.PublicKey) (http.Handler, error) {
	point, err := key.Bytes() // 4, x, y
	if err != nil {
		return nil, fmt.Errorf("the issuer's key: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]any{
			"issuer": GitHubIssuer, "jwks_uri": GitHubIssuer + "/.well-known/jwks",
			"response_types_supported": []string{"id_token"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{"ES256"},
		})
	})
	mux.HandleFunc("GET /.well-known/jwks", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]any{"keys": []any{map[string]string{
			"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": keyName,
			"x": unpadded(point[1:33]), "y": unpadded(point[33:]),
		}}})
	})
	return mux, nil
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // an asker that has gone needs none
}
