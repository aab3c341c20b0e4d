package sigstack_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/boltseal/boltseal/e2e/signing/sigstack"
)

// What all tests share; TestMain sets it once.
var stack *sigstack.Stack

func TestMain(m *testing.M) {
	if sigstack.Child() {
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sigstack-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if stack, err = sigstack.Start(context.Background(), dir); err != nil {
		panic(err)
	}
	defer stack.Close()
	return m.Run()
}

func newFront(t *testing.T) *sigstack.Front {
	t.Helper()
	f, err := stack.NewFront(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// signed returns a bundle over the payload, with a certificate for the token.
func signed(f *sigstack.Front, payload []byte, token string, log *sigstack.Service) (*protobundle.Bundle, error) {
	key, err := sign.NewEphemeralKeypair(nil)
	if err != nil {
		return nil, err
	}
	trusted, err := root.NewTrustedRootFromPath(stack.TrustedRoot)
	if err != nil {
		return nil, err
	}
	version := uint32(2)
	if log == f.RekorV1 {
		version = 1
	}
	const limit = 5 * time.Second
	return sign.Bundle(&sign.PlainData{Data: payload}, key, sign.BundleOptions{
		CertificateProvider:        sign.NewFulcio(&sign.FulcioOptions{BaseURL: f.Fulcio.URL, Timeout: limit}),
		CertificateProviderOptions: &sign.CertificateProviderOptions{IDToken: token},
		TimestampAuthorities: []*sign.TimestampAuthority{
			sign.NewTimestampAuthority(&sign.TimestampAuthorityOptions{URL: f.TSAURL(), Timeout: limit}),
		},
		TransparencyLogs: []sign.Transparency{sign.NewRekor(&sign.RekorOptions{BaseURL: log.URL, Timeout: limit, Version: version})},
		TrustedRoot:      trusted,
	})
}

func verifies(b *protobundle.Bundle, payload []byte, identity string) error {
	trusted, err := root.NewTrustedRootFromPath(stack.TrustedRoot)
	if err != nil {
		return err
	}
	verifier, err := verify.NewVerifier(trusted,
		verify.WithSignedCertificateTimestamps(1), verify.WithTransparencyLog(1), verify.WithSignedTimestamps(1))
	if err != nil {
		return err
	}
	who, err := verify.NewShortCertificateIdentity(sigstack.GitHubIssuer, "", identity, "")
	if err != nil {
		return err
	}
	entity, err := bundle.NewBundle(b)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(payload)
	_, err = verifier.Verify(entity, verify.NewPolicy(verify.WithArtifactDigest("sha256", digest[:]), verify.WithCertificateIdentity(who)))
	return err
}

func TestSignedVerifies(t *testing.T) {
	t.Parallel()
	for name, log := range map[string]func(*sigstack.Front) *sigstack.Service{
		"Rekor v1": func(f *sigstack.Front) *sigstack.Service { return f.RekorV1 },
		"Rekor v2": func(f *sigstack.Front) *sigstack.Service { return f.Rekor },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t)
			token, err := f.Tokens.Token("sigstore")
			if err != nil {
				t.Fatal(err)
			}
			payload := []byte(name)
			b, err := signed(f, payload, token, log(f))
			if err != nil {
				t.Fatal(err)
			}
			if err := verifies(b, payload, sigstack.Identity); err != nil {
				t.Error(err)
			}
			if err := verifies(b, payload, "https://github.com/other/app"); err == nil || !strings.Contains(err.Error(), "SAN") {
				t.Errorf("another identity: %v", err)
			}
			if err := verifies(b, []byte("other"), sigstack.Identity); err == nil {
				t.Error("another payload verifies")
			}
		})
	}
}

func TestClaimsDecide(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		claims map[string]any
		want   string // in the error; "" is none
	}{
		"none":           {},
		"expired":        {claims: map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}, want: "400"},
		"other audience": {claims: map[string]any{"aud": "other"}, want: "400"},
		"other issuer":   {claims: map[string]any{"iss": "https://issuer.example"}, want: "400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t)
			f.Tokens.Claim(test.claims)
			token, err := f.Tokens.Token("sigstore")
			if err != nil {
				t.Fatal(err)
			}
			_, err = signed(f, []byte(name), token, f.RekorV1)
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%v, want %s", err, test.want)
			}
			if issued := f.Tokens.Issued(); !slices.Equal(issued, []string{token}) {
				t.Errorf("issued: %q", issued)
			}
		})
	}
}

// get returns the status and Retry-After of the answer.
func get(t *testing.T, url string) (status int, after string, err error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	return answer.StatusCode, answer.Header.Get("Retry-After"), answer.Body.Close()
}

func TestFaultsBefallOneFront(t *testing.T) {
	t.Parallel()
	f, other := newFront(t), newFront(t)
	url := f.TSAURL() + "/certchain"
	f.TSA.Inject(sigstack.Fault{Method: http.MethodPost, Status: http.StatusTeapot})
	f.TSA.Inject(sigstack.Fault{Status: http.StatusTooManyRequests, RetryAfter: "7", Times: 1})
	if status, after, err := get(t, url); err != nil || status != http.StatusTooManyRequests || after != "7" {
		t.Errorf("%d, %s, %v", status, after, err)
	}
	if status, _, err := get(t, url); err != nil || status != http.StatusOK {
		t.Errorf("after the fault: %d, %v", status, err)
	}
	f.TSA.Inject(sigstack.Fault{Reset: true, Times: 1})
	if _, _, err := get(t, url); err == nil || errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("reset: %v", err)
	}
	f.TSA.Down()
	if _, _, err := get(t, url); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("down: %v", err)
	}
	if err := f.TSA.Up(); err != nil {
		t.Fatal(err)
	}
	if status, _, err := get(t, url); err != nil || status != http.StatusOK {
		t.Errorf("up again: %d, %v", status, err)
	}
	f.Intercept(func(sigstack.Request) bool { return false })
	if _, _, err := get(t, url); err == nil {
		t.Error("an intercepted request was answered")
	}
	var statuses []int
	for _, r := range f.Requests() {
		statuses = append(statuses, r.Status)
	}
	// The one that was intercepted was served.
	if want := []int{429, 200, 0, 200, 200}; !slices.Equal(statuses, want) {
		t.Errorf("requests: %v, want %v", statuses, want)
	}
	if requests := other.Requests(); len(requests) != 0 {
		t.Errorf("the other front has seen %v", requests)
	}
}

func TestSigningConfig(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	for name, test := range map[string]struct {
		offered    []*sigstack.Service
		logs, tsas int
	}{
		"nothing": {},
		"v1":      {offered: []*sigstack.Service{f.RekorV1}, logs: 1},
		"v2":      {offered: []*sigstack.Service{f.Rekor, f.TSA}, logs: 1, tsas: 1},
		"both":    {offered: []*sigstack.Service{f.Rekor, f.RekorV1, f.TSA}, logs: 2, tsas: 1},
	} {
		body, err := f.SigningConfig(test.offered...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !json.Valid(body) {
			t.Errorf("%s: %s", name, body)
		}
		config, err := root.NewSigningConfigFromJSON(body)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if logs, tsas := len(config.RekorLogURLs()), len(config.TimestampAuthorityURLs()); logs != test.logs || tsas != test.tsas {
			t.Errorf("%s: %d logs, %d timestamp authorities", name, logs, tsas)
		}
	}
}
