package sigstore

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"
)

// PublicMirror is the TUF repository of the public-good instance.
const PublicMirror = tuf.DefaultMirror

// StagingMirror is the TUF repository of the public instance's staging twin.
const StagingMirror = tuf.StagingMirror

const (
	// cacheDays is how long a cached trust root serves without a question, in
	// days. Key rotations are announced weeks ahead.
	cacheDays = 1
	// maxTUF bounds one file of a TUF repository, in bytes, where the
	// metadata sets no tighter bound itself.
	maxTUF = 8 << 20
	// tufAttempt bounds one attempt at a file, which is small, and tufAttempts how
	// often it is asked for: a mirror that does not answer is given up after less
	// than half a minute.
	tufAttempt  = 8 * time.Second
	tufAttempts = 3
)

// TUFOptions say where a trust root is fetched from.
type TUFOptions struct {
	Mirror   string                           // https URL of the TUF repository
	Root     []byte                           // root.json that the chain of trust begins with
	CacheDir string                           // holds metadata between runs; "" for none
	Proxy    func(*url.URL) (*url.URL, error) // which proxy to use for an address; nil: none
	Rules    Rules

	// pin finds Root on the mirror where it is not built in.
	pin func(*fetcher) ([]byte, error)
	// sleep waits before a request is repeated; nil means that time passes.
	sleep func(context.Context, time.Duration)
}

// TrustTUF returns the Trust that a TUF repository distributes. While the cache
// is younger than a day nothing is asked. A mirror that cannot be reached does
// not matter as long as the cached metadata have not expired; anything that it
// answers must verify.
func TrustTUF(o TUFOptions) *Trust {
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second}
	if o.Proxy != nil {
		transport.Proxy = func(req *http.Request) (*url.URL, error) { return o.Proxy(req.URL) }
	}
	client := &http.Client{Transport: transport, Timeout: tufAttempt}
	// Both are written before the material is ready, and read after it is.
	var repository *tuf.Client
	var from *fetcher
	trust := newTrust(o.Rules, func(ctx context.Context) (root.TrustedMaterial, string, error) {
		f := &fetcher{ctx: ctx, client: client, sleep: o.sleep}
		warning := ""
		if o.CacheDir != "" {
			f.cache = filepath.Join(o.CacheDir, tuf.URLToPath(o.Mirror))
			if err := writable(f.cache); err != nil {
				f.cache, warning = "", fmt.Sprintf("the trust root cannot be kept in %s and is fetched each time: %v", o.CacheDir, err)
			}
		}
		client, material, err := o.fetch(f)
		if err == nil {
			repository, from = client, f
			return material, warning, nil
		}
		if f.silent.Load() && f.cache != "" && ctx.Err() == nil {
			offline := &fetcher{ctx: ctx, cache: f.cache, offline: true}
			if client, cached, stale := o.fetch(offline); stale == nil {
				repository, from = client, offline
				return cached, fmt.Sprintf("the trust root could not be refreshed from %s; the cached one has not expired and was used (%v)", o.Mirror, err), nil
			}
		}
		return nil, "", fmt.Errorf("trust root from %s: %w", o.Mirror, err)
	})
	var one sync.Mutex // go-tuf's client is for one goroutine
	trust.target = func(ctx context.Context, name string) ([]byte, error) {
		one.Lock()
		defer one.Unlock()
		from.ctx = ctx
		body, err := repository.GetTarget(name)
		switch {
		case err == nil:
			return body, nil
		case from.offline:
			return nil, fmt.Errorf("%s from %s: the repository gave no usable answer, and the cache does not hold it", name, o.Mirror)
		}
		return nil, fmt.Errorf("%s from %s: %w", name, o.Mirror, err)
	}
	return trust
}

// signingConfig is the target that says with which services to sign.
const signingConfig = "signing_config.v0.2.json"

// ErrNoSigningConfig is that of a Trust that does not know with which services
// its instance signs, as it is only a trusted_root.json.
var ErrNoSigningConfig = errors.New("a trusted root does not say with which services to sign")

// SigningConfig returns the text of the signing_config.v0.2.json that the TUF
// repository of t distributes, of at most 8 MiB. It is fetched with the metadata
// of the trust root, which it waits for: both cost one request more than one of
// them. Where t is no repository's the error is [ErrNoSigningConfig].
func (t *Trust) SigningConfig(ctx context.Context) ([]byte, error) {
	if t.target == nil {
		return nil, ErrNoSigningConfig
	}
	if _, err := t.wait(ctx); err != nil {
		return nil, err
	}
	return t.target(ctx, signingConfig)
}

// fetch returns the trust root, and the client that has its metadata.
func (o TUFOptions) fetch(f *fetcher) (*tuf.Client, root.TrustedMaterial, error) {
	anchor := o.Root
	if o.pin != nil {
		var err error
		if anchor, err = o.pin(f); err != nil {
			return nil, nil, err
		}
	}
	opts := &tuf.Options{Root: anchor, RepositoryBaseURL: o.Mirror, Fetcher: f, Context: f.ctx}
	if f.cache == "" {
		// go-tuf reads the cache even if it is disabled; nothing is below this.
		opts.CachePath, opts.DisableLocalCache = os.DevNull, true
		return fetchTrustedRoot(opts)
	}
	opts.Root = f.newest(anchor)
	opts.CachePath, opts.CacheValidity, opts.ForceCache = filepath.Clean(o.CacheDir), cacheDays, f.offline
	discard[metadata.TimestampType](f.cache, metadata.TIMESTAMP)
	discard[metadata.SnapshotType](f.cache, metadata.SNAPSHOT)
	discard[metadata.TargetsType](f.cache, metadata.TARGETS)
	return fetchTrustedRoot(opts)
}

// fetchTrustedRoot is root.FetchTrustedRootWithOptions, but keeps the client.
func fetchTrustedRoot(opts *tuf.Options) (*tuf.Client, root.TrustedMaterial, error) {
	client, err := tuf.New(opts)
	if err != nil {
		return nil, nil, fmt.Errorf("failed to create TUF client %w", err)
	}
	material, err := root.GetTrustedRoot(client)
	return client, material, err
}

// writable makes the directory and reports whether files can be made in it.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, "tuf_tmp")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// discard removes cached metadata that cannot be read at all, such as a file
// that a full disk has cut short: go-tuf would give up there, each time. What it
// can read it checks, and fetches anew if need be.
func discard[T metadata.Roles](dir, role string) {
	file := filepath.Join(dir, role+".json")
	if body, err := os.ReadFile(file); err == nil { //nolint:gosec // below the user's cache directory
		if _, err := new(metadata.Metadata[T]).FromBytes(body); err != nil {
			_ = os.Remove(file) // if it stays, go-tuf says so
		}
	}
}

// PublicRoot returns the first root of the public-good instance.
func PublicRoot() []byte { return tuf.DefaultRoot() }

// StagingRoot returns the first root of the staging instance.
func StagingRoot() []byte { return tuf.StagingRoot() }

// join appends a file name to the mirror's address.
func join(mirror, file string) string { return strings.TrimSuffix(mirror, "/") + "/" + file }

// CheckTUFRoot reports whether body is a TUF root.json, signed as it says
// itself.
func CheckTUFRoot(body []byte) error {
	_, err := parseRoot(body)
	if err == nil {
		_, err = trustedmetadata.New(body)
	}
	if err != nil {
		return fmt.Errorf("not a TUF root: %w", err)
	}
	return nil
}

// parseRoot reads a root that nobody vouches for yet as go-tuf does, and
// refuses what go-tuf would panic on.
func parseRoot(body []byte) (*metadata.RootType, error) {
	doc, err := metadata.Root().FromBytes(body)
	if err != nil {
		return nil, err
	}
	for id, key := range doc.Signed.Keys {
		if key == nil || key.Type == metadata.KeyTypeEd25519 && len(key.Value.PublicKey) != 2*ed25519.PublicKeySize {
			return nil, fmt.Errorf("key %q is malformed", id)
		}
	}
	for name, role := range doc.Signed.Roles {
		if role == nil {
			return nil, fmt.Errorf("role %q is malformed", name)
		}
	}
	return &doc.Signed, nil
}
