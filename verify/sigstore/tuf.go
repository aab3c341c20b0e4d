package sigstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
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
)

// TUFOptions say where a trust root is fetched from.
type TUFOptions struct {
	Mirror   string                           // https URL of the TUF repository
	Root     []byte                           // root.json that the chain of trust begins with
	CacheDir string                           // holds metadata between runs; "" for none
	Proxy    func(*url.URL) (*url.URL, error) // which proxy to use for an address; nil: none
	Rules    Rules

	// pin finds Root on the mirror where it is not built in.
	pin func(ctx context.Context, f *fetcher) ([]byte, error)
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
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	return newTrust(o.Rules, func(ctx context.Context) (root.TrustedMaterial, string, error) {
		f := &fetcher{ctx: ctx, client: client}
		material, err := o.fetch(ctx, f, false)
		if err == nil {
			return material, "", nil
		}
		if f.silent.Load() && o.CacheDir != "" && ctx.Err() == nil {
			if cached, stale := o.fetch(ctx, f, true); stale == nil {
				return cached, fmt.Sprintf("the trust root could not be refreshed from %s; the cached one has not expired and was used (%v)", o.Mirror, err), nil
			}
		}
		return nil, "", fmt.Errorf("trust root from %s: %w", o.Mirror, err)
	})
}

func (o TUFOptions) fetch(ctx context.Context, f *fetcher, cached bool) (root.TrustedMaterial, error) {
	anchor := o.Root
	if o.pin != nil {
		var err error
		if anchor, err = o.pin(ctx, f); err != nil {
			return nil, err
		}
	}
	opts := &tuf.Options{
		Root: anchor, RepositoryBaseURL: o.Mirror, Fetcher: f, Context: ctx,
		CachePath: filepath.Clean(o.CacheDir), CacheValidity: cacheDays, ForceCache: cached,
	}
	if o.CacheDir == "" {
		opts.DisableLocalCache = true
	}
	return root.FetchTrustedRootWithOptions(opts)
}

// PublicRoot returns the first root of the public-good instance.
func PublicRoot() []byte { return tuf.DefaultRoot() }

// StagingRoot returns the first root of the staging instance.
func StagingRoot() []byte { return tuf.StagingRoot() }

// A fetcher downloads files of a TUF repository. go-tuf checks what it returns.
type fetcher struct {
	ctx    context.Context //nolint:containedctx // the Fetcher interface has no place for it
	client *http.Client
	silent atomic.Bool // whether the mirror gave no usable answer
}

// DownloadFile implements go-tuf's Fetcher. It tries three times.
func (f *fetcher) DownloadFile(url string, limit int64, _ time.Duration) ([]byte, error) {
	for attempt := 1; ; attempt++ {
		body, err := f.once(url, min(limit, maxTUF))
		var status *metadata.ErrDownloadHTTP
		switch {
		case err == nil:
			return body, nil
		case errors.As(err, &status) && status.StatusCode < 500 && status.StatusCode != http.StatusTooManyRequests:
			return nil, err
		case attempt == 3 || f.ctx.Err() != nil || errors.Is(err, errTooLong):
			f.silent.Store(!errors.Is(err, errTooLong))
			return nil, err
		}
		select {
		case <-f.ctx.Done():
		case <-time.After(time.Duration(attempt) * 200 * time.Millisecond):
		}
	}
}

var errTooLong = errors.New("longer than allowed")

func (f *fetcher) once(url string, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(f.ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end or given up
	if resp.StatusCode != http.StatusOK {
		return nil, &metadata.ErrDownloadHTTP{StatusCode: resp.StatusCode, URL: url}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		return nil, fmt.Errorf("%s: %w: %d bytes", url, errTooLong, limit)
	}
	return body, err
}

// join appends a file name to the mirror's address.
func join(mirror, file string) string { return strings.TrimSuffix(mirror, "/") + "/" + file }

// CheckTUFRoot reports whether body is a TUF root.json, signed as it says
// itself.
func CheckTUFRoot(body []byte) error {
	if _, err := trustedmetadata.New(body); err != nil {
		return fmt.Errorf("not a TUF root: %w", err)
	}
	return nil
}
