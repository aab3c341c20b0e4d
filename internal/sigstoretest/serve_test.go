package sigstoretest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore-go/pkg/verify"
)

func serve(t *testing.T) (*Instance, *Services) {
	t.Helper()
	in := newInstance(t)
	s, err := in.Serve(ServeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return in, s
}

// signWith signs content with the client library as a signing config says.
func signWith(t *testing.T, s *Services, w Without, content sign.Content, claims map[string]any) *bundle.Bundle {
	t.Helper()
	text, err := s.SigningConfig(w)
	if err != nil {
		t.Fatal(err)
	}
	c, err := root.NewSigningConfigFromJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	token, err := s.Token(claims)
	if err != nil {
		t.Fatal(err)
	}
	key, err := sign.NewEphemeralKeypair(nil)
	if err != nil {
		t.Fatal(err)
	}
	o := sign.BundleOptions{
		CertificateProvider:        sign.NewFulcio(&sign.FulcioOptions{BaseURL: c.FulcioCertificateAuthorityURLs()[0].URL}),
		CertificateProviderOptions: &sign.CertificateProviderOptions{IDToken: token},
		Context:                    t.Context(),
	}
	log := c.RekorLogURLs()[0]
	o.TransparencyLogs = []sign.Transparency{sign.NewRekor(&sign.RekorOptions{BaseURL: log.URL, Version: log.MajorAPIVersion})}
	for _, tsa := range c.TimestampAuthorityURLs() {
		o.TimestampAuthorities = append(o.TimestampAuthorities, sign.NewTimestampAuthority(&sign.TimestampAuthorityOptions{URL: tsa.URL}))
	}
	pb, err := sign.Bundle(content, key, o)
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.NewBundle(pb)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What the servers give a client verifies with the trusted root.
func TestServe(t *testing.T) {
	t.Parallel()
	in, s := serve(t)
	message := []byte("message")
	st, err := statement("https://in-toto.io/Statement/v1", testType, map[string]any{"digest": map[string]string{"sha256": testHex}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range map[string]Without{"v2": {Rekor1: true}, "v1": {Rekor2: true}, "v1 without TSA": {Rekor2: true, TSA: true}} {
		o := Options{Issuer: GitHubIssuer, Identity: Identity}
		if _, err := check(t, in, signWith(t, s, w, &sign.PlainData{Data: message}, nil), verify.WithArtifact(bytes.NewReader(message)), o); err != nil {
			t.Errorf("%s: message: %v", name, err)
		}
		b := signWith(t, s, w, &sign.DSSEData{Data: st, PayloadType: inTotoType}, nil)
		res, err := check(t, in, b, digestOption(t), o)
		if err != nil {
			t.Errorf("%s: envelope: %v", name, err)
			continue
		}
		if c := res.Signature.Certificate; c.SourceRepositoryURI != "https://github.com/acme/app" || c.RunInvocationURI != "https://github.com/acme/app/actions/runs/4242/attempts/1" {
			t.Errorf("%s: claims %+v", name, c)
		}
	}
	o := Options{Issuer: EmailIssuer, Identity: "dev@example.com"}
	b := signWith(t, s, Without{Rekor1: true}, &sign.PlainData{Data: message}, map[string]any{"iss": EmailIssuer, "email": o.Identity, "email_verified": true, "sub": "1"})
	if _, err := check(t, in, b, verify.WithArtifact(bytes.NewReader(message)), o); err != nil {
		t.Errorf("e-mail: %v", err)
	}
	o = Options{Issuer: UsernameIssuer, Identity: "dev!users.localhost"}
	b = signWith(t, s, Without{Rekor1: true}, &sign.PlainData{Data: message}, map[string]any{"iss": UsernameIssuer, "sub": "dev"})
	if _, err := check(t, in, b, verify.WithArtifact(bytes.NewReader(message)), o); err != nil {
		t.Errorf("username: %v", err)
	}
}

// ask sends a request and returns the status, the header and the body.
func ask(t *testing.T, method, url, authorization, body string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", authorization)
	// On a connection that was used before, a request may be repeated unseen.
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return 0, nil, err.Error()
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

func TestServeRefuses(t *testing.T) {
	t.Parallel()
	_, s := serve(t)
	url := s.Fulcio.URL() + "/api/v2/signingCert"
	for name, claims := range map[string]map[string]any{
		"expired":  {"exp": 0},
		"audience": {"aud": "other"},
		"issuer":   {"iss": "https://unknown.localhost"},
		"claim":    {"job_workflow_ref": nil},
		"email":    {"iss": EmailIssuer, "sub": "1", "email": "a@b", "email_verified": false},
	} {
		token, err := s.Token(claims)
		if err != nil {
			t.Fatal(err)
		}
		if status, _, body := ask(t, "POST", url, "Bearer "+token, "{}"); status != 400 || !strings.Contains(body, "identity token") {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	token, err := s.Token(nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, _, body := ask(t, "POST", url, "Bearer "+token[:len(token)-4]+"AAAA", "{}"); status != 400 || !strings.Contains(body, "identity token") {
		t.Errorf("forged: %d %s", status, body)
	}
	// The proof is that of another key.
	s.Reset()
	signWith(t, s, Without{Rekor1: true}, &sign.PlainData{Data: []byte("x")}, nil)
	var q map[string]map[string]any
	if err := json.Unmarshal(s.Fulcio.Requests()[0].Body, &q); err != nil {
		t.Fatal(err)
	}
	q["publicKeyRequest"]["proofOfPossession"] = "AAAA"
	body, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	if status, _, text := ask(t, "POST", url, "Bearer "+token, string(body)); status != 400 || !strings.Contains(text, "signature supplied") {
		t.Errorf("proof: %d %s", status, text)
	}
	if status, _, _ := ask(t, "GET", s.TokenURL()+"&audience=x", "bearer wrong", ""); status != 401 {
		t.Errorf("runner: %d", status)
	}
	if status, _, text := ask(t, "GET", s.TokenURL()+"&audience=x", "bearer "+RequestToken, ""); status != 200 || !strings.Contains(text, "value") {
		t.Errorf("runner: %d %s", status, text)
	}
}

// The same entry is in a log once.
func TestServeConflict(t *testing.T) {
	t.Parallel()
	_, s := serve(t)
	for name, c := range map[string]struct {
		w       Without
		service *Service
		path    string
		want    string
	}{
		"v1": {Without{Rekor2: true}, s.Rekor1, "/api/v1/log/entries", "UUID " + treeID},
		"v2": {Without{Rekor1: true}, s.Rekor2, "/api/v2/log/entries", "index 0"},
	} {
		signWith(t, s, c.w, &sign.PlainData{Data: []byte("x")}, nil)
		status, header, body := ask(t, "POST", c.service.URL()+c.path, "", string(c.service.Requests()[0].Body))
		if status != http.StatusConflict || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s", name, status, body)
		}
		if name == "v2" {
			if header.Get("X-Log-Index") != "0" {
				t.Errorf("v2: %v", header)
			}
			continue
		}
		if status, _, body := ask(t, "GET", c.service.URL()+header.Get("Location"), "", ""); status != 200 || !strings.Contains(body, "signedEntryTimestamp") {
			t.Errorf("v1: %d %s", status, body)
		}
	}
	for path, want := range map[string]string{
		"/api/v2/checkpoint":           rekorV2Host + "\n1\n",
		"/api/v2/tile/entries/000.p/1": `"hashedrekord"`,
	} {
		if status, _, body := ask(t, "GET", s.Rekor2.URL()+path, "", ""); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _, body := ask(t, "GET", s.Rekor2.URL()+"/api/v2/tile/0/000.p/1", "", ""); status != 200 || len(body) != 32 {
		t.Errorf("tile: %d, %d bytes", status, len(body))
	}
	if status, _, _ := ask(t, "GET", s.Rekor2.URL()+"/api/v2/tile/0/000.p/2", "", ""); status != 404 {
		t.Errorf("a tile that is not there: %d", status)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	_, s := serve(t)
	get := func() (int, http.Header, string) { return ask(t, "GET", s.Rekor2.URL()+"/api/v2/checkpoint", "", "") }
	s.Rekor2.Inject(Fault{Status: 503, Header: http.Header{"Retry-After": {"7"}}, Times: 1})
	if status, header, _ := get(); status != 503 || header.Get("Retry-After") != "7" {
		t.Errorf("%d %v", status, header)
	}
	if status, _, _ := get(); status != 200 {
		t.Errorf("a fault of one time: %d", status)
	}
	s.Rekor2.Inject(Fault{Reset: true, Times: 1})
	if status, _, err := get(); status != 0 {
		t.Errorf("reset: %d %s", status, err)
	}
	s.Rekor2.Inject(Fault{Body: []byte("no"), Times: 1})
	if status, _, body := get(); status != 200 || body != "no" {
		t.Errorf("body: %d %s", status, body)
	}
	s.Rekor2.Inject(Fault{Change: bytes.ToUpper, Times: 1})
	if _, _, body := get(); !strings.Contains(body, "LOCALHOST") {
		t.Errorf("change: %s", body)
	}
	s.Rekor2.Inject(Fault{Method: "POST", Status: 500})
	if status, _, _ := get(); status != 200 {
		t.Errorf("a fault of another method: %d", status)
	}
	if n := len(s.Rekor2.Requests()); n != 6 || s.Requests() != 6 {
		t.Errorf("%d requests", n)
	}
	hold := make(chan struct{})
	s.Reset()
	s.Rekor2.Inject(Fault{Hold: hold})
	done := make(chan int)
	go func() {
		status, _, _ := get()
		done <- status
	}()
	if err := s.Rekor2.Await(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	select {
	case status := <-done:
		t.Errorf("held, but answered %d", status)
	default:
	}
	close(hold)
	if status := <-done; status != 200 {
		t.Errorf("after it was held: %d", status)
	}
	s.Rekor2.Down()
	if status, _, err := get(); status != 0 || !strings.Contains(err, "refused") {
		t.Errorf("down: %d %s", status, err)
	}
}
