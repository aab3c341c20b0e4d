package sigstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"
)

// A fetcher downloads files of a TUF repository. go-tuf checks what it returns.
type fetcher struct {
	ctx     context.Context //nolint:containedctx // the Fetcher interface has no place for it
	client  *http.Client
	sleep   func(context.Context, time.Duration)
	cache   string      // directory of the repository's files; "" for none
	offline bool        // whether to ask nothing
	silent  atomic.Bool // whether the mirror gave no usable answer
}

var errOffline = errors.New("not in the cache")

// DownloadFile implements go-tuf's Fetcher. It keeps the roots that it sees.
func (f *fetcher) DownloadFile(url string, limit int64, _ time.Duration) ([]byte, error) {
	if f.offline {
		return nil, errOffline
	}
	body, err := f.download(url, limit)
	if name := path.Base(url); err == nil && f.cache != "" && strings.HasSuffix(name, ".root.json") {
		_ = os.WriteFile(filepath.Join(f.cache, name), body, 0o600) // only saves requests; it is checked when it is read
	}
	return body, err
}

// kept returns a root that was downloaded earlier, nil if there is none.
// Whoever uses it has to check it.
func (f *fetcher) kept(name string) []byte {
	if f.cache == "" {
		return nil
	}
	body, err := os.ReadFile(filepath.Join(f.cache, name)) //nolint:gosec // below the user's cache directory
	if err != nil {
		return nil
	}
	return body
}

// newest follows the chain of kept roots from anchor as far as it holds. go-tuf
// begins at the root that it is given, and does not believe its own cache once
// that one has expired or its keys have been replaced.
func (f *fetcher) newest(anchor []byte) []byte {
	chain, err := trustedmetadata.New(anchor)
	if err != nil {
		return anchor // go-tuf says what is wrong with it
	}
	for {
		next := f.kept(fmt.Sprintf("%d.root.json", chain.Root.Signed.Version+1))
		if _, err := chain.UpdateRoot(next); err != nil {
			return anchor
		}
		anchor = next
	}
}

// download tries tufAttempts times.
func (f *fetcher) download(url string, limit int64) ([]byte, error) {
	for attempt := 1; ; attempt++ {
		body, err := f.once(url, min(limit, maxTUF))
		var status *metadata.ErrDownloadHTTP
		switch {
		case err == nil:
			return body, nil
		case errors.As(err, &status) && status.StatusCode < 500 && status.StatusCode != http.StatusTooManyRequests:
			return nil, err
		case attempt == tufAttempts || f.ctx.Err() != nil || errors.Is(err, errTooLong):
			f.silent.Store(!errors.Is(err, errTooLong))
			return nil, err
		}
		pause := time.Duration(attempt) * 200 * time.Millisecond
		if f.sleep != nil {
			f.sleep(f.ctx, pause)
			continue
		}
		select {
		case <-f.ctx.Done():
		case <-time.After(pause):
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
