package sigstoretest

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/digitorus/timestamp"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
)

// The issuers of tokens that the Fulcio of an Instance knows.
const (
	GitHubIssuer   = "https://token.actions.githubusercontent.com" // a workflow's address
	EmailIssuer    = "https://accounts.localhost"                  // an e-mail address
	UsernameIssuer = "https://users.localhost"                     // an account: otherName
)

// RequestToken is what a job shows to get a token from Runner.
const RequestToken = "runner-request-token"

// audience is the one that Fulcio demands.
const audience = "sigstore"

// TokenURL returns what ACTIONS_ID_TOKEN_REQUEST_URL would be.
func (s *Services) TokenURL() string { return s.Runner.URL() + "/token?api-version=2.0" }

// SetClaims changes the claims of tokens that Runner gives from now on; see Token.
func (s *Services) SetClaims(claims map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claims = maps.Clone(claims)
}

// GitHubClaims returns those of a token that a workflow gets: acme/app, release.yml
// on main. Its certificate is for Identity.
func GitHubClaims() map[string]any {
	const workflow, sha = "acme/app/.github/workflows/release.yml@refs/heads/main", "0123456789abcdef0123456789abcdef01234567"
	return map[string]any{
		"iss": GitHubIssuer, "sub": "repo:acme/app:ref:refs/heads/main",
		"repository": "acme/app", "repository_id": "1001", "repository_owner": "acme", "repository_owner_id": "2002",
		"repository_visibility": "public", "ref": "refs/heads/main", "sha": sha, "event_name": "push", "workflow": "release",
		"workflow_ref": workflow, "workflow_sha": sha, "job_workflow_ref": workflow, "job_workflow_sha": sha,
		"run_id": "4242", "run_attempt": "1", "runner_environment": "github-hosted",
	}
}

// GitHubOptions returns Options to sign with the certificate that GitHubClaims lead to.
func GitHubOptions() Options {
	o, _, err := certified(GitHubClaims())
	if err != nil {
		panic(err) // they are complete
	}
	return o
}

// Identity is the subject of a certificate that GitHubClaims lead to.
const Identity = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main"

// Token returns a signed token for Fulcio: GitHubClaims unless claims name
// another iss, valid from a minute before the services' now for five minutes.
// Claims replace what it would say, so that it can be expired or for another
// audience; nil takes a claim away. With the issuer EmailIssuer it needs email, with
// UsernameIssuer sub.
func (s *Services) Token(claims map[string]any) (string, error) {
	now := s.now()
	c := map[string]any{"iss": claims["iss"]}
	if iss := claims["iss"]; iss == nil || iss == GitHubIssuer {
		c = GitHubClaims()
	}
	maps.Copy(c, map[string]any{"aud": audience, "iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(),
		"exp": now.Add(5 * time.Minute).Unix(), "jti": rand.Text()})
	maps.Copy(c, claims)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	body, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("sigstoretest: token: %w", err)
	}
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(body)
	d := sha256.Sum256([]byte(signed))
	r, t, err := ecdsa.Sign(rand.Reader, s.issuer, d[:])
	if err != nil {
		return "", fmt.Errorf("sigstoretest: token: %w", err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	t.FillBytes(sig[32:])
	token := signed + "." + base64.RawURLEncoding.EncodeToString(sig)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issued = append(s.issued, token)
	return token, nil
}

// Issued returns every token so far, those that Runner gave included.
func (s *Services) Issued() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.issued)
}

// readToken returns the claims of a token that Fulcio would take.
func (s *Services) readToken(token string) (map[string]any, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("sigstoretest: no token")
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, err
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, err
	}
	d := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if len(sig) != 64 || !ecdsa.Verify(&s.issuer.PublicKey, d[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return nil, fmt.Errorf("sigstoretest: the token's signature is wrong")
	}
	var c map[string]any
	if err := json.Unmarshal(body, &c); err != nil {
		return nil, err
	}
	exp, _ := c["exp"].(float64)
	nbf, _ := c["nbf"].(float64)
	switch now := s.now().Unix(); {
	case c["aud"] != audience:
		return nil, fmt.Errorf("sigstoretest: audience %v", c["aud"])
	case now >= int64(exp), now < int64(nbf):
		return nil, fmt.Errorf("sigstoretest: the token is not valid now")
	}
	return c, nil
}

// certified says what certificate a token of these claims gets, and over what
// Fulcio wants a proof that the caller has the key.
func certified(c map[string]any) (o Options, challenge string, err error) {
	text := func(name string) string {
		v, _ := c[name].(string)
		if v == "" {
			err = fmt.Errorf("%w: %s", errNoSuchClaim, name)
		}
		return v
	}
	o.Issuer = text("iss")
	switch o.Issuer {
	case EmailIssuer:
		o.Identity = text("email")
		if c["email_verified"] != true {
			err = fmt.Errorf("sigstoretest: email_verified is %v", c["email_verified"])
		}
		return o, o.Identity, err
	case UsernameIssuer:
		o.Identity, o.OtherName = text("sub")+"!users.localhost", true
	case GitHubIssuer:
		const github = "https://github.com/"
		o.Identity = github + text("job_workflow_ref")
		o.Claims = map[string]string{
			"1.2": text("event_name"), "1.3": text("sha"), "1.4": text("workflow"), "1.5": text("repository"), "1.6": text("ref"),
			"1.9": o.Identity, "1.10": text("job_workflow_sha"), "1.11": text("runner_environment"),
			"1.12": github + text("repository"), "1.13": text("sha"), "1.14": text("ref"), "1.15": text("repository_id"),
			"1.16": github + text("repository_owner"), "1.17": text("repository_owner_id"),
			"1.18": github + text("workflow_ref"), "1.19": text("workflow_sha"), "1.20": text("event_name"),
			"1.21": github + text("repository") + "/actions/runs/" + text("run_id") + "/attempts/" + text("run_attempt"),
			"1.22": text("repository_visibility"),
		}
	default:
		err = fmt.Errorf("sigstoretest: unknown issuer %q", o.Issuer)
	}
	return o, text("sub"), err
}

// fulcioHandler is Fulcio's v2 API, as far as clients use it to sign.
func (s *Services) fulcioHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v2/signingCert", func(w http.ResponseWriter, r *http.Request) {
		const invalid = 3 // gRPC: InvalidArgument
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		claims, err := s.readToken(token)
		if err != nil {
			refuse(w, http.StatusBadRequest, invalid, "There was an error processing the identity token")
			return
		}
		o, challenge, err := certified(claims)
		if err != nil {
			refuse(w, http.StatusBadRequest, invalid, "There was an error processing the identity token")
			return
		}
		var q struct {
			PublicKeyRequest struct {
				PublicKey         struct{ Algorithm, Content string }
				ProofOfPossession []byte
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			refuse(w, http.StatusBadRequest, invalid, "proto: syntax error")
			return
		}
		pub, err := cryptoutils.UnmarshalPEMToPublicKey([]byte(q.PublicKeyRequest.PublicKey.Content))
		if err != nil {
			refuse(w, http.StatusBadRequest, invalid, "The public key supplied in the request could not be parsed")
			return
		}
		verifier, err := signature.LoadDefaultVerifier(pub)
		if err == nil {
			err = verifier.VerifySignature(strings.NewReader(string(q.PublicKeyRequest.ProofOfPossession)), strings.NewReader(challenge))
		}
		if err != nil {
			refuse(w, http.StatusBadRequest, invalid, "The signature supplied in the request could not be verified")
			return
		}
		// A certificate begins a minute before its Options.At, and Fulcio's
		// begins when it is asked for.
		o.At, o.NoSCT = s.now().Add(time.Minute), s.noSCT
		cert, err := s.in.certify(pub, o)
		if err != nil {
			refuse(w, http.StatusInternalServerError, 13, "error communicating with CA backend")
			return
		}
		var chain []string
		for _, c := range [][]byte{certPEM(cert), certPEM(s.in.fulcio.intermediate), certPEM(s.in.fulcio.root)} {
			chain = append(chain, string(c))
		}
		writeJSON(w, http.StatusOK, map[string]any{"signedCertificateEmbeddedSct": map[string]any{"chain": map[string]any{"certificates": chain}}})
	})
	return mux
}

// tsaHandler is the timestamp authority.
func (s *Services) tsaHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/timestamp", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		req, err := timestamp.ParseRequest(body)
		if err != nil || req.HashAlgorithm == 0 || len(req.HashedMessage) != req.HashAlgorithm.Size() {
			writeJSON(w, http.StatusBadRequest, map[string]any{"code": http.StatusBadRequest, "message": "Error parsing timestamp request"})
			return
		}
		answer, err := s.in.tsa.Answer(req, s.now())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/timestamp-reply")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(answer)
	})
	return mux
}

// runnerHandler is the endpoint that gives a job its tokens.
func (s *Services) runnerHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		if _, secret, _ := strings.Cut(r.Header.Get("Authorization"), " "); secret != RequestToken {
			writeJSON(w, http.StatusUnauthorized, map[string]any{"message": "bad credentials"})
			return
		}
		s.mu.Lock()
		claims := maps.Clone(s.claims)
		s.mu.Unlock()
		if _, ok := claims["aud"]; !ok {
			claims["aud"] = r.URL.Query().Get("audience")
		}
		token, err := s.Token(claims)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		writeJSON(w, http.StatusOK, map[string]any{"count": len(token), "value": token})
	})
	return mux
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client has gone
}
