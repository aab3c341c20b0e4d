package sigstore

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/boltseal/boltseal/internal/legible"
	"github.com/boltseal/boltseal/internal/strictjson"
	"github.com/boltseal/boltseal/sign/internal/order"
	"github.com/boltseal/boltseal/verify"
)

const (
	maxToken = 16 << 10 // bytes; those of GitHub and GitLab take 2 KiB
	maxClaim = 200      // bytes of an issuer or audience in a message

	// clockSkew is how far the clock of an issuer may be ahead of ours.
	clockSkew = time.Minute
)

// A Token is the OIDC identity token of whoever signs. It shows no more of
// itself than its issuer and times. The zero Token is nobody's.
type Token struct {
	// held returns the token; nil for the zero Token. A function is all that fmt
	// shows no more of than an address, whatever the verb and whatever holds it.
	held func() string

	issuer   string
	workflow string            // whose it is, where GitHub issued it: OWNER/REPOSITORY/PATH@REF
	claims   map[string]string // what its certificate will say besides, see githubClaims; nil where that is not known
	expires  time.Time
}

// Issuers whose tokens say in a known way for whom Fulcio certifies a key.
const (
	githubIssuer = "https://token.actions.githubusercontent.com"
	gitlabIssuer = "https://gitlab.com"
)

// certified returns an error where the certificate is not for whoever t names, as
// far as t says so: an account with several providers has its issuer from one of
// them. For GitHub the name is the workflow's (Fulcio, docs/oidc.md).
func (t Token) certified(c *certificate) error {
	want := c.subject
	switch t.issuer {
	case githubIssuer:
		want = "https://github.com/" + t.workflow
	case gitlabIssuer:
	default:
		return nil
	}
	if c.issuer == t.issuer && c.subject == want {
		return nil
	}
	return &verify.Error{
		Op:   "check the certificate",
		Err:  order.Refused(verify.WrongSigner, "it is for %.200q (issuer %.200q), and the token is from %.200q, for %.200q", c.subject, c.issuer, t.issuer, want),
		Hint: "nothing was signed: see to it that the signing config names the Fulcio that it should",
	}
}

// expected returns the certificate that Fulcio will issue for t, as far as it says
// who signs; nil where t does not say so. Nobody has verified that yet, and nothing
// is signed by it.
func (t Token) expected() *certificate {
	if t.claims == nil || t.workflow == "" {
		return nil
	}
	return &certificate{subject: "https://github.com/" + t.workflow, issuer: t.issuer, claims: t.claims}
}

// githubClaims returns the lasting claims of the certificate for a token of GitHub
// (Fulcio, docs/oid-info.md), nil where it could be read in two ways.
func githubClaims(payload []byte) map[string]string {
	names := []string{"repository", "repository_id", "repository_owner", "repository_owner_id", "ref", "workflow_ref", "runner_environment"}
	var all map[string]any
	if (strictjson.Shape{Names: names}).Check(payload) != nil || json.Unmarshal(payload, &all) != nil {
		return nil
	}
	of := func(name string) string { text, _ := all[name].(string); return text }
	at := func(name string) string { return "https://github.com/" + of(name) }
	return map[string]string{
		"source-repository-uri": at("repository"), "source-repository-identifier": of("repository_id"),
		"source-repository-owner-uri": at("repository_owner"), "source-repository-owner-identifier": of("repository_owner_id"),
		"source-repository-ref": of("ref"), "build-config-uri": at("workflow_ref"), "runner-environment": of("runner_environment"),
		"github-workflow-repository": of("repository"), "github-workflow-ref": of("ref"),
	}
}

// ParseToken reads an OIDC identity token, a signed JWT (RFC 7519), that was
// issued for audience and is valid at now. Line breaks around it are removed.
// It is not verified here, which Fulcio does: what is looked at is what Fulcio
// would refuse with fewer words. The error is a *verify.Error that quotes of
// the token its issuer, audience and times at most.
func ParseToken(text, audience string, now time.Time) (Token, error) {
	t, err := parseToken(strings.TrimSpace(text), audience, now)
	if err != nil {
		e := &verify.Error{Op: "read the identity token", Err: err}
		if u := (*refusedInput)(nil); errors.As(err, &u) {
			e.Err, e.Hint = u, u.hint
		}
		return Token{}, e
	}
	return t, nil
}

const (
	giveJWT  = "give an OIDC identity token, such as one of an id_tokens entry of GitLab"
	askAgain = "ask for a new one right before signing"
)

func parseToken(text, audience string, now time.Time) (Token, error) {
	switch {
	case audience == "":
		return Token{}, badInput("name the audience that the certificate authority wants, such as sigstore", "it is not said for which audience it has to be")
	case text == "":
		return Token{}, badInput(giveJWT, "it is empty")
	case len(text) > maxToken:
		return Token{}, badInput(giveJWT, "it is longer than %d KiB", maxToken>>10)
	case strings.HasPrefix(text, "{"):
		return Token{}, badInput("give the value in it, as jq -r .value prints it", "it is a JSON document that may hold a token, not a token")
	}
	for _, prefix := range []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "glcbt-"} {
		if strings.HasPrefix(text, prefix) {
			return Token{}, badInput(giveJWT, "it is an access token (%s…), not an identity token", prefix)
		}
	}
	parts := strings.Split(text, ".")
	if len(parts) == 5 {
		return Token{}, badInput(giveJWT, "it is encrypted (JWE), so that Fulcio could not read it")
	}
	if len(parts) != 3 {
		return Token{}, badInput(giveJWT, "it does not have the three parts of a signed JWT")
	}
	var decoded [3][]byte
	for i, part := range parts {
		b, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || len(b) == 0 || strings.ContainsAny(part, "\r\n") { // which the decoder skips
			return Token{}, badInput(giveJWT, "its %s is not base64url", []string{"header", "payload", "signature"}[i])
		}
		decoded[i] = b
	}
	if err := checkHeader(decoded[0]); err != nil {
		return Token{}, err
	}
	c, err := readClaims(decoded[1])
	if err != nil {
		return Token{}, err
	}
	if err := c.usable(audience, now); err != nil {
		return Token{}, err
	}
	return Token{held: func() string { return text }, issuer: c.issuer, workflow: c.workflow, claims: c.github, expires: c.expires}, nil
}

func checkHeader(body []byte) error {
	var header struct {
		Alg *string `json:"alg"`
	}
	if (strictjson.Shape{Names: []string{"alg"}}).Check(body) != nil || json.Unmarshal(body, &header) != nil || header.Alg == nil {
		return badInput(giveJWT, "its header is not that of a JWT")
	}
	if *header.Alg == "" || strings.EqualFold(*header.Alg, "none") {
		return badInput(giveJWT, "it is not signed")
	}
	return nil
}

// claims are those of a token that are looked at (RFC 7519, section 4.1).
type claims struct {
	issuer, workflow  string
	github            map[string]string // see githubClaims; nil for another issuer
	audience          []string
	expires           time.Time
	notBefore, issued time.Time // zero where they are not there
}

// readClaims reads the payload of a token. What the parser complains about is
// not repeated, as it may quote what it reads.
func readClaims(body []byte) (claims, error) {
	malformed := badInput(giveJWT, "its payload is not the JSON of an identity token")
	var doc struct {
		Iss *string         `json:"iss"`
		Sub *string         `json:"sub"`
		Aud json.RawMessage `json:"aud"`
		Exp json.RawMessage `json:"exp"`
		Nbf json.RawMessage `json:"nbf"`
		Iat json.RawMessage `json:"iat"`

		Workflow json.RawMessage `json:"job_workflow_ref"`
	}
	strict := strictjson.Shape{Names: []string{"iss", "sub", "aud", "exp", "nbf", "iat", "job_workflow_ref"}}
	if strict.Check(body) != nil || json.Unmarshal(body, &doc) != nil {
		return claims{}, malformed
	}
	missing := func(what string) error { return badInput(giveJWT, "it does not say %s", what) }
	if doc.Iss == nil || *doc.Iss == "" {
		return claims{}, missing("who issued it (iss)")
	}
	if doc.Sub == nil || *doc.Sub == "" {
		return claims{}, missing("whose it is (sub)")
	}
	c := claims{issuer: *doc.Iss}
	_ = json.Unmarshal(doc.Workflow, &c.workflow) // of another issuer it may be anything
	if c.issuer == githubIssuer {
		c.github = githubClaims(body)
	}
	var one string
	switch {
	case isAbsent(doc.Aud):
		return claims{}, missing("for whom it is (aud)")
	case json.Unmarshal(doc.Aud, &one) == nil:
		c.audience = []string{one}
	case json.Unmarshal(doc.Aud, &c.audience) != nil:
		return claims{}, malformed
	}
	if isAbsent(doc.Exp) {
		return claims{}, missing("until when it is valid (exp)")
	}
	for _, t := range []struct {
		text json.RawMessage
		to   *time.Time
	}{{doc.Exp, &c.expires}, {doc.Nbf, &c.notBefore}, {doc.Iat, &c.issued}} {
		if isAbsent(t.text) {
			continue
		}
		var ok bool
		if *t.to, ok = numericDate(t.text); !ok {
			return claims{}, malformed
		}
	}
	return c, nil
}

func isAbsent(v json.RawMessage) bool { return len(v) == 0 || bytes.Equal(v, []byte("null")) }

// numericDate reads seconds since 1970, which may have a fraction (RFC 7519,
// section 2).
func numericDate(text []byte) (time.Time, bool) {
	const last = 253402300799 // of the year 9999
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > last {
		return time.Time{}, false
	}
	return time.Unix(int64(f), 0).UTC(), true
}

// usable returns an error unless Fulcio could take the token.
func (c claims) usable(audience string, now time.Time) error {
	from := " from " + strconv.Quote(legible.Text(c.issuer, maxClaim))
	if !slices.Contains(c.audience, audience) {
		return badInput("ask for it with the audience "+strconv.Quote(audience), "the token%s is for the audience %s, not for %q", from, listed(c.audience), audience)
	}
	const layout = "2006-01-02 15:04:05"
	if now.IsZero() {
		return errors.New("there is no clock to tell whether it is valid")
	}
	if !now.Before(c.expires) {
		return notNow(askAgain, "the token%s expired at %s (UTC), and now is %s", from, c.expires.Format(layout), now.UTC().Format(layout))
	}
	for _, t := range []time.Time{c.notBefore, c.issued} {
		if t.After(now.Add(clockSkew)) {
			return notNow("set the clock of this machine", "the token%s is valid from %s (UTC), and now is %s", from, t.Format(layout), now.UTC().Format(layout))
		}
	}
	return nil
}

func notNow(hint, format string, a ...any) error {
	return &refusedInput{err: fmt.Errorf(format, a...), hint: hint, expired: true}
}

// listed is at most three audiences for a message.
func listed(audience []string) string {
	const most = 3
	var all []string
	for i, a := range audience {
		if i == most {
			all = append(all, "…")
			break
		}
		all = append(all, strconv.Quote(legible.Text(a, maxClaim)))
	}
	if len(all) == 0 {
		return "of nobody"
	}
	return strings.Join(all, ", ")
}

// secret returns the token itself, "" for the zero Token.
func (t Token) secret() string {
	if t.held == nil {
		return ""
	}
	return t.held()
}

// Issuer returns the issuer that the token names, "" for the zero Token. Nobody
// has verified it yet.
func (t Token) Issuer() string { return t.issuer }

// Expires returns when the token ends, zero for the zero Token.
func (t Token) Expires() time.Time { return t.expires }

// String returns what may be shown of t.
func (t Token) String() string {
	if t.held == nil {
		return "no token"
	}
	return fmt.Sprintf("token from %q (hidden)", legible.Text(t.issuer, maxClaim))
}

// Format writes what may be shown of t, whatever the verb.
func (t Token) Format(f fmt.State, verb rune) { _, _ = fmt.Fprint(f, t.String()) }

// MarshalText returns what may be shown of t; so JSON has it, too.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
