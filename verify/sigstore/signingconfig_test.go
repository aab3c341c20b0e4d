package sigstore

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

const configTarget = "targets/HASH.signing_config.v0.2.json"

// both is one run that fetches the trust root and the signing config.
func (m *mirror) both(ctx context.Context) (string, []string, error) {
	m.t.Helper()
	trust := TrustTUF(m.opts)
	trust.Start(ctx)
	body, err := trust.SigningConfig(ctx)
	if _, waited := trust.wait(ctx); waited != nil && err == nil {
		m.t.Error(waited)
	}
	asked := m.Requests()
	for i, p := range asked {
		asked[i] = regexp.MustCompile(`/[0-9a-f]{64}\.`).ReplaceAllString(p, "/HASH.")
	}
	m.Reset()
	return string(body), asked, err
}

// Both files cost one request more than one of them, and none once they are
// cached.
func TestSigningConfigRequests(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	must(t, m.SetSigningConfig([]byte("one")))
	check := func(want string, paths ...string) {
		t.Helper()
		body, asked, err := m.both(t.Context())
		if err != nil || body != want || !slices.Equal(asked, paths) {
			t.Errorf("%q; asked for %q, want %q; %v", body, asked, paths, err)
		}
	}
	check("one", root2, stamp, snapshot2, targets2, target, configTarget)
	check("one")
	m.works() // the trust root alone is there as well
	m.age()
	m.Down(true)
	check("one", root2, root2, root2)
	m.age()
	must(t, m.SetSigningConfig([]byte("two")))
	check("two", root2, stamp, "3.snapshot.json", "3.targets.json", configTarget)
	m.opts.CacheDir = ""
	for range 2 {
		check("two", root2, stamp, "3.snapshot.json", "3.targets.json", target, configTarget)
	}
}

// Several goroutines get it at once.
func TestSigningConfigConcurrently(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	must(t, m.SetSigningConfig([]byte("one")))
	trust := TrustTUF(m.opts)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if body, err := trust.SigningConfig(t.Context()); err != nil || string(body) != "one" {
				t.Errorf("%q, %v", body, err)
			}
		})
	}
	group.Wait()
	if n := len(m.Requests()); n != 6 {
		t.Errorf("%d requests", n)
	}
}

func TestSigningConfigMissing(t *testing.T) {
	t.Parallel()
	trust, err := TrustJSON(trustedRoot(t), PublicRules())
	must(t, err)
	if _, err := trust.SigningConfig(t.Context()); !errors.Is(err, ErrNoSigningConfig) {
		t.Errorf("of a file: %v", err)
	}
	m := newMirror(t)
	if _, _, err := m.both(t.Context()); err == nil || !strings.Contains(err.Error(), signingConfig+" from "+m.opts.Mirror) {
		t.Errorf("of a repository without one: %v", err)
	}
	must(t, m.SetSigningConfig([]byte("one")))
	m.Down(true)
	m.opts.CacheDir = ""
	if _, _, err := m.both(t.Context()); err == nil || !strings.Contains(err.Error(), "trust root from "+m.opts.Mirror) {
		t.Errorf("of a mirror that is down: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := m.both(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// The cache does not hold what was never fetched, and a mirror that lies is
// believed no more than for the trust root.
func TestSigningConfigTrouble(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	must(t, m.SetSigningConfig([]byte("one")))
	m.works(root2, stamp, snapshot2, targets2, target)
	m.age()
	m.Down(true)
	if body, _, err := m.both(t.Context()); err == nil || !strings.Contains(err.Error(), "the cache does not hold it") {
		t.Errorf("%q, %v", body, err)
	}
	for name, tamper := range map[string]func(){
		"altered": func() { m.Tamper(signingConfig, func([]byte) []byte { return []byte("two") }) },
		"longer":  func() { m.Tamper(signingConfig, func(b []byte) []byte { return append(b, '\n') }) },
		"none":    func() { m.Tamper(signingConfig, func([]byte) []byte { return nil }) },
		"expired": func() { must(t, m.Expire(metadata.TIMESTAMP)) },
	} {
		m.age()
		tamper()
		if body, _, err := m.both(t.Context()); err == nil || body != "" {
			t.Errorf("%s: %q", name, body)
		}
	}
}
