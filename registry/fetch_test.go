package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

func flip(b []byte) []byte {
	b = slices.Clone(b)
	b[len(b)/2] ^= 1
	return b
}

func TestManifest(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{})
	d := put(t)(r.PutImage("app", "v1", "seed"))
	c, _ := client(registry.Options{})
	m, err := c.Manifest(t.Context(), ref(t, r.Host()+"/app"), d.Digest.String())
	if err != nil || m.Digest != d.Digest.String() || registrytest.Digest(m.Body) != m.Digest || m.MediaType != ocispec.MediaTypeImageManifest {
		t.Errorf("got %+v, %v", m, err)
	}
	wantLog(t, r, "GET /v2/app/manifests/"+d.Digest.String()+" 200")

	// By digest, a header cannot make other bytes good.
	other := put(t)(r.PutImage("app", "v2", "other"))
	for _, f := range []registrytest.Fault{
		{Body: flip},
		{Body: func([]byte) []byte { return nil }},
		{Body: func(b []byte) []byte { return append(slices.Clone(b), '\n') }},
		{Body: func([]byte) []byte { b, _ := r.Manifest("app", "v2"); return b }, Header: map[string]string{"Docker-Content-Digest": d.Digest.String()}},
		{Body: func([]byte) []byte { b, _ := r.Manifest("app", "v2"); return b }, Header: map[string]string{"Docker-Content-Digest": other.Digest.String()}},
	} {
		r.Reset(0)
		r.Break(f)
		_, err := c.Manifest(t.Context(), ref(t, r.Host()+"/app"), d.Digest.String())
		wantErr(t, err, verify.Unavailable, registry.ErrUnavailable, registry.ErrCorrupt)
		wantLog(t, r, "GET /v2/app/manifests/"+d.Digest.String()+" 200")
	}
}

func TestAccept(t *testing.T) {
	t.Parallel()
	headers := make(chan http.Header, 1)
	s := serve(t, func(_ http.ResponseWriter, req *http.Request) { headers <- req.Header })
	c, _ := client(registry.Options{UserAgent: "boltseal/1"})
	if _, err := c.Manifest(t.Context(), ref(t, hostOf(s)+"/app"), "v1"); err != nil {
		t.Fatal(err)
	}
	got := <-headers
	for _, m := range []string{
		ocispec.MediaTypeImageIndex, ocispec.MediaTypeImageManifest,
		"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json",
	} {
		if !strings.Contains(got.Get("Accept"), m) {
			t.Errorf("Accept %q lacks %s", got.Get("Accept"), m)
		}
	}
	if got.Get("Accept-Encoding") != "" || !strings.HasPrefix(got.Get("User-Agent"), "boltseal/1") {
		t.Errorf("headers %v", got)
	}
}

func TestManifestTooLarge(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte(" "), 4<<20)
	for _, tc := range []struct {
		extra   string
		chunked bool
	}{{"", false}, {"", true}, {" ", false}, {" ", true}} {
		var n atomic.Int32
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			n.Add(1)
			if tc.chunked {
				w.(http.Flusher).Flush()
			} else {
				w.Header().Set("Content-Length", fmt.Sprint(len(body)+len(tc.extra)))
			}
			_, _ = w.Write(body)
			_, _ = w.Write([]byte(tc.extra))
		})
		c, sleeps := client(registry.Options{})
		m, err := c.Manifest(t.Context(), ref(t, hostOf(s)+"/app"), "v1")
		if tc.extra == "" {
			if err != nil || len(m.Body) != len(body) {
				t.Errorf("%+v: %d bytes, %v", tc, len(m.Body), err)
			}
		} else {
			wantErr(t, err, verify.Unavailable, registry.ErrUnavailable, registry.ErrTooLarge)
		}
		if n.Load() != 1 || len(sleeps.all()) != 0 {
			t.Errorf("%+v: %d requests, waits %v", tc, n.Load(), sleeps.all())
		}
	}
}

func TestBlob(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{})
	blob := []byte("what was signed")
	d := put(t)(r.PutBlob("app", "text/plain", blob))
	sized := func(n int64) ocispec.Descriptor { d := d; d.Size = n; return d }
	named := func(s string) ocispec.Descriptor { d := d; d.Digest = digest.Digest(s); return d }
	for name, tc := range map[string]struct {
		d        ocispec.Descriptor
		fault    registrytest.Fault
		requests int
		reason   verify.Reason
		kinds    []error // nil: no error
	}{
		"good":             {d: d, requests: 1},
		"32 MiB and one":   {d: sized(32<<20 + 1), reason: verify.Unavailable, kinds: []error{registry.ErrUnavailable, registry.ErrTooLarge}},
		"negative":         {d: sized(-1), reason: verify.Unavailable, kinds: []error{registry.ErrUnavailable, registry.ErrTooLarge}},
		"32 MiB claimed":   {d: sized(32 << 20), requests: 1, reason: verify.Unavailable, kinds: []error{registry.ErrUnavailable, registry.ErrCorrupt}},
		"one more claimed": {d: sized(d.Size + 1), requests: 1, reason: verify.Unavailable, kinds: []error{registry.ErrUnavailable, registry.ErrCorrupt}},
		"one less claimed": {d: sized(d.Size - 1), requests: 1, reason: verify.Unavailable, kinds: []error{registry.ErrUnavailable, registry.ErrTooLarge}},
		"nothing claimed":  {d: sized(0), requests: 1, reason: verify.Unavailable, kinds: []error{registry.ErrUnavailable, registry.ErrTooLarge}},
		"other bytes": {
			d: d, fault: registrytest.Fault{Body: flip}, requests: 1,
			reason: verify.Unavailable, kinds: []error{registry.ErrUnavailable, registry.ErrCorrupt},
		},
		"longer": {
			d: d, fault: registrytest.Fault{Body: func(b []byte) []byte { return append(slices.Clone(b), 'x') }}, requests: 1,
			reason: verify.Unavailable, kinds: []error{registry.ErrUnavailable, registry.ErrTooLarge},
		},
		"missing":       {d: named(anyDigest), requests: 1, reason: verify.NotFound, kinds: []error{registry.ErrNotFound}},
		"no digest":     {d: named(""), reason: verify.Unavailable, kinds: []error{registry.ErrUnavailable, registry.ErrCorrupt}},
		"sha512":        {d: named("sha512:" + hex64 + hex64), reason: verify.Unavailable, kinds: []error{registry.ErrUnavailable, registry.ErrCorrupt}},
		"no path":       {d: named("../../other/blobs/" + anyDigest), reason: verify.Unavailable, kinds: []error{registry.ErrUnavailable, registry.ErrCorrupt}},
		"long":          {d: named(strings.Repeat("x", 1<<20)), reason: verify.Unavailable, kinds: []error{registry.ErrUnavailable, registry.ErrCorrupt}},
		"refused":       {d: d, fault: registrytest.Fault{Status: 403}, requests: 1, reason: verify.Denied, kinds: []error{registry.ErrDenied}},
		"wrong version": {d: d, fault: registrytest.Fault{Status: 505}, requests: 1, reason: verify.Unavailable, kinds: []error{registry.ErrUnavailable}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, registrytest.Options{})
			put(t)(r.PutBlob("app", "text/plain", blob))
			r.Break(tc.fault)
			c, sleeps := client(registry.Options{})
			got, err := c.Blob(t.Context(), ref(t, r.Host()+"/app"), tc.d)
			if tc.kinds == nil {
				if err != nil || !bytes.Equal(got, blob) {
					t.Errorf("got %q, %v", got, err)
				}
			} else {
				if got != nil {
					t.Errorf("got %q", got)
				}
				wantErr(t, err, tc.reason, tc.kinds...)
				if err != nil && len(err.Error()) > 2000 {
					t.Errorf("the error has %d bytes", len(err.Error()))
				}
			}
			if len(r.Requests()) != tc.requests || len(sleeps.all()) != 0 {
				t.Errorf("requests %v, waits %v", r.Requests(), sleeps.all())
			}
		})
	}
}

func TestEmptyBlob(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{})
	d := put(t)(r.PutBlob("app", "text/plain", nil))
	c, _ := client(registry.Options{})
	if got, err := c.Blob(t.Context(), ref(t, r.Host()+"/app"), d); err != nil || len(got) != 0 {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestBodyCutOff(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]registrytest.Fault{
		"truncated": {Truncate: 1}, "reset": {Reset: true},
	} {
		for _, times := range []int{1, 3, 0} {
			t.Run(fmt.Sprint(name, times), func(t *testing.T) {
				t.Parallel()
				r := start(t, registrytest.Options{})
				blob := bytes.Repeat([]byte("signed "), 5000)
				d := put(t)(r.PutBlob("app", "text/plain", blob))
				f := f
				f.Times = times
				r.Break(f)
				c, sleeps := client(registry.Options{})
				got, err := c.Blob(t.Context(), ref(t, r.Host()+"/app"), d)
				requests := times + 1
				if times == 0 {
					requests = 4
					wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
				} else if err != nil || !bytes.Equal(got, blob) {
					t.Errorf("got %d bytes, %v", len(got), err)
				}
				if len(r.Requests()) != requests || c.Requests() != requests || len(sleeps.all()) != requests-1 {
					t.Errorf("%d requests, waits %v", len(r.Requests()), sleeps.all())
				}
			})
		}
	}
}

func TestNoConnection(t *testing.T) {
	t.Parallel()
	c, sleeps := client(registry.Options{})
	_, err := c.Manifest(t.Context(), ref(t, closed(t)+"/app"), "v1")
	wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
	if c.Requests() != 4 || len(sleeps.all()) != 3 {
		t.Errorf("%d requests, waits %v", c.Requests(), sleeps.all())
	}
	// The cause can still be told, though not its URL.
	if e := (interface{ Timeout() bool })(nil); !errors.As(err, &e) || e.Timeout() {
		t.Errorf("%q is not a net.Error", err)
	}
}

func TestHang(t *testing.T) {
	t.Parallel()
	for _, times := range []int{1, 0} {
		t.Run(fmt.Sprint(times), func(t *testing.T) {
			t.Parallel()
			r := start(t, registrytest.Options{})
			put(t)(r.PutImage("app", "v1", "seed"))
			r.Break(registrytest.Fault{Hang: time.Minute, Times: times})
			c, sleeps := client(registry.Options{Attempt: attempt})
			begin := time.Now()
			_, err := c.Manifest(t.Context(), ref(t, r.Host()+"/app"), "v1")
			if d := time.Since(begin); d > 10*time.Second || d < attempt {
				t.Errorf("took %s", d)
			}
			requests := 2
			if times == 0 {
				requests = 2
				wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
				if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer within 300ms") {
					t.Errorf("%q does not say that it took too long", err)
				}
			} else if err != nil {
				t.Error(err)
			}
			if c.Requests() != requests || len(sleeps.all()) != requests-1 {
				t.Errorf("%d requests, waits %v", c.Requests(), sleeps.all())
			}
		})
	}
}

// A registry that is silent is given up before one whose answer goes on: Silence
// bounds the time until it begins, be it a connection, a token or an answer that
// is waited for.
func TestSilence(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/token", "/v2/", "/manifests/"} {
		r := start(t, registrytest.Options{Tokens: true, User: user, Password: password})
		r.Break(registrytest.Fault{Path: path, Hang: time.Hour})
		c, sleeps := client(registry.Options{Attempt: time.Hour, Silence: attempt, Keychain: login(r.Host())})
		_, err := c.Manifest(t.Context(), ref(t, r.Host()+"/app"), "v1")
		wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer within 300ms") || len(sleeps.all()) != 1 {
			t.Errorf("%s: %v, waits %v", path, err, sleeps.all())
		}
	}
	s := serve(t, func(w http.ResponseWriter, req *http.Request) {
		for range 4 { // each byte of the answer comes within the time, the whole does not
			_, _ = io.WriteString(w, " ")
			w.(http.Flusher).Flush()
			select {
			case <-req.Context().Done():
			case <-time.After(attempt / 3):
			}
		}
		_, _ = io.WriteString(w, "{}")
	})
	c, _ := client(registry.Options{Silence: attempt})
	if _, err := c.Manifest(t.Context(), ref(t, hostOf(s)+"/app"), "v1"); err != nil {
		t.Error(err)
	}
}

// A body that never ends is bounded by the same time.
func TestHangInBody(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Length", "10")
		w.(http.Flusher).Flush()
		<-req.Context().Done()
	})
	c, _ := client(registry.Options{Attempt: attempt})
	_, err := c.Manifest(t.Context(), ref(t, hostOf(s)+"/app"), "v1")
	wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
	if c.Requests() != 2 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%d requests, %v", c.Requests(), err)
	}
}

// While one request hangs, others of the same registry are not held longer
// than their own time.
func TestHangHoldsNobody(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{})
	r.Break(registrytest.Fault{Hang: time.Minute})
	c, _ := client(registry.Options{Attempt: attempt})
	image := ref(t, r.Host()+"/app")
	begin := time.Now()
	parallel(20, func(int) {
		_, err := c.Manifest(t.Context(), image, "v1")
		wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
	})
	if d := time.Since(begin); d > 10*time.Second { // one after the other it would be 12 s
		t.Errorf("took %s", d)
	}
}

func TestRetryStatus(t *testing.T) {
	t.Parallel()
	for _, status := range []int{408, 425, 429, 500, 502, 503, 504} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			r := start(t, registrytest.Options{})
			put(t)(r.PutImage("app", "v1", "seed"))
			for _, times := range []int{1, 3} {
				r.Reset(0)
				r.Break(registrytest.Fault{Status: status, Times: times})
				c, sleeps := client(registry.Options{})
				if _, err := c.Resolve(t.Context(), ref(t, r.Host()+"/app:v1")); err != nil {
					t.Error(err)
				}
				var want []string
				for range times {
					want = append(want, fmt.Sprintf("GET /v2/app/manifests/v1 %d", status))
				}
				wantLog(t, r, append(want, "GET /v2/app/manifests/v1 200")...)
				wantBackoff(t, sleeps.all(), times)
			}
			r.Reset(0)
			r.Break(registrytest.Fault{Status: status})
			c, sleeps := client(registry.Options{})
			_, err := c.Resolve(t.Context(), ref(t, r.Host()+"/app:v1"))
			wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
			line := fmt.Sprintf("GET /v2/app/manifests/v1 %d", status)
			wantLog(t, r, line, line, line, line)
			wantBackoff(t, sleeps.all(), 3)
			if !strings.Contains(err.Error(), fmt.Sprint(status)) {
				t.Errorf("%q does not name the status", err)
			}
		})
	}
	for status, want := range map[int]struct {
		reason verify.Reason
		kind   error
	}{
		400: {verify.Unavailable, registry.ErrUnavailable}, 401: {verify.Denied, registry.ErrDenied},
		403: {verify.Denied, registry.ErrDenied}, 404: {verify.NotFound, registry.ErrNotFound},
		410: {verify.Unavailable, registry.ErrUnavailable}, 501: {verify.Unavailable, registry.ErrUnavailable},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			r := start(t, registrytest.Options{})
			put(t)(r.PutImage("app", "v1", "seed"))
			r.Break(registrytest.Fault{Status: status, RetryAfter: "1", Times: 1})
			c, sleeps := client(registry.Options{})
			_, err := c.Resolve(t.Context(), ref(t, r.Host()+"/app:v1"))
			wantErr(t, err, want.reason, want.kind)
			wantLog(t, r, fmt.Sprintf("GET /v2/app/manifests/v1 %d", status))
			wantBackoff(t, sleeps.all(), 0)
		})
	}
}

// wantBackoff checks that n waits doubled from 200 ms, each longer by less than half.
func wantBackoff(t *testing.T, waits []time.Duration, n int) {
	t.Helper()
	if len(waits) != n {
		t.Errorf("waits %v, want %d", waits, n)
	}
	for i, w := range waits {
		if low := 200 * time.Millisecond << i; w < low || w >= low+low/2 {
			t.Errorf("wait %d is %s, want %s to %s", i, w, low, low+low/2)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		header    string
		low, high time.Duration
	}{
		{"7", 7 * time.Second, 7 * time.Second},
		{"0", 200 * time.Millisecond, 300 * time.Millisecond},
		{"-5", 200 * time.Millisecond, 300 * time.Millisecond},
		{"soon", 200 * time.Millisecond, 300 * time.Millisecond},
		{"999999999", 24 * time.Hour, 24 * time.Hour},
		{"99999999999999999999", 200 * time.Millisecond, 300 * time.Millisecond},
		{time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat), 60 * time.Second, 90 * time.Second},
		{time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat), 200 * time.Millisecond, 300 * time.Millisecond},
	} {
		r := start(t, registrytest.Options{})
		put(t)(r.PutImage("app", "v1", "seed"))
		r.Break(registrytest.Fault{Status: 429, RetryAfter: tc.header, Times: 1})
		c, sleeps := client(registry.Options{})
		if _, err := c.Resolve(t.Context(), ref(t, r.Host()+"/app:v1")); err != nil {
			t.Error(err)
		}
		if w := sleeps.all(); len(w) != 1 || w[0] < tc.low || w[0] > tc.high {
			t.Errorf("Retry-After %q: waits %v, want %s to %s", tc.header, w, tc.low, tc.high)
		}
	}
}

// A wait that cannot end in time is not begun.
func TestRetryAfterBeyondDeadline(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"600", time.Now().Add(10 * time.Minute).UTC().Format(http.TimeFormat)} {
		r := start(t, registrytest.Options{})
		r.Break(registrytest.Fault{Status: 429, RetryAfter: header})
		c, sleeps := client(registry.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := c.Resolve(ctx, ref(t, r.Host()+"/app:v1"))
		wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
		if len(r.Requests()) != 1 || len(sleeps.all()) != 0 {
			t.Errorf("requests %v, waits %v", r.Requests(), sleeps.all())
		}
		if err != nil && (!strings.Contains(err.Error(), "429") || !strings.Contains(err.Error(), "longer than --timeout leaves")) {
			t.Errorf("%q does not say why it gave up", err)
		}
	}
}

// Who has to be done soon does not wait for long, whatever a registry asks for.
func TestPatience(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for _, tc := range []struct {
		after    string
		patience time.Duration
		waits    []time.Duration
		err      string
	}{
		{"8", 0, []time.Duration{8 * s, 8 * s, 8 * s}, "answered 503"},
		{"8", 24 * s, []time.Duration{8 * s, 8 * s, 8 * s}, "answered 503"},
		{"8", 23 * s, []time.Duration{8 * s, 8 * s}, "the wait of 8s that it asks for is too long"},
		{"21", 20 * s, nil, "the wait of 21s that it asks for is too long"},
	} {
		r := start(t, registrytest.Options{})
		r.Break(registrytest.Fault{Status: 503, RetryAfter: tc.after})
		c, sleeps := client(registry.Options{Patience: tc.patience})
		_, err := c.Resolve(t.Context(), ref(t, r.Host()+"/app:v1"))
		wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
		if err == nil || !strings.Contains(err.Error(), tc.err) || !slices.Equal(sleeps.all(), tc.waits) || len(r.Requests()) != 1+len(tc.waits) {
			t.Errorf("Retry-After %s, patience %s: %d requests, waits %v: %v", tc.after, tc.patience, len(r.Requests()), sleeps.all(), err)
		}
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	t.Run("before", func(t *testing.T) {
		t.Parallel()
		r := start(t, registrytest.Options{})
		c, _ := client(registry.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := c.Resolve(ctx, ref(t, r.Host()+"/app:v1"))
		wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
		if !errors.Is(err, context.Canceled) || len(r.Requests()) != 0 {
			t.Errorf("%v, requests %v", err, r.Requests())
		}
	})
	t.Run("at the wait", func(t *testing.T) {
		t.Parallel()
		r := start(t, registrytest.Options{})
		r.Break(registrytest.Fault{Status: 503})
		ctx, cancel := context.WithCancel(t.Context())
		c := registry.New(registry.Options{Sleep: func(ctx context.Context, _ time.Duration) error {
			cancel()
			return ctx.Err()
		}})
		_, err := c.Resolve(ctx, ref(t, r.Host()+"/app:v1"))
		wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
		if !errors.Is(err, context.Canceled) || len(r.Requests()) != 1 || !strings.Contains(err.Error(), "503") {
			t.Errorf("%v, requests %v", err, r.Requests())
		}
	})
	// The real wait, of an hour.
	t.Run("during the wait", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		var n atomic.Int32
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			n.Add(1)
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusServiceUnavailable)
			time.AfterFunc(100*time.Millisecond, cancel)
		})
		c := registry.New(registry.Options{})
		begin := time.Now()
		_, err := c.Resolve(ctx, ref(t, hostOf(s)+"/app:v1"))
		wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
		if !errors.Is(err, context.Canceled) || time.Since(begin) > 10*time.Second || n.Load() != 1 {
			t.Errorf("%v after %s and %d requests", err, time.Since(begin), n.Load())
		}
	})
	t.Run("during the answer", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		var n atomic.Int32
		s := serve(t, func(_ http.ResponseWriter, req *http.Request) {
			n.Add(1)
			cancel()
			<-req.Context().Done()
		})
		c, sleeps := client(registry.Options{})
		_, err := c.Resolve(ctx, ref(t, hostOf(s)+"/app:v1"))
		wantErr(t, err, verify.Unavailable, registry.ErrUnavailable)
		if !errors.Is(err, context.Canceled) || n.Load() != 1 || len(sleeps.all()) != 0 {
			t.Errorf("%v after %d requests, waits %v", err, n.Load(), sleeps.all())
		}
	})
}

func TestCounter(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{Tokens: true})
	put(t)(r.PutImage("a", "v1", "seed"))
	put(t)(r.PutImage("b", "v1", "seed"))
	c, _ := client(registry.Options{})
	var a, b, none registry.Counter
	for _, tc := range []struct {
		n    *registry.Counter
		text string
		want int
	}{
		{&a, "/a:v1", 3}, {&b, "/b:v1", 2}, {&a, "/a:v1", 4}, {&none, "/a@" + anyDigest, 0},
	} {
		if _, err := c.Resolve(registry.WithCounter(t.Context(), tc.n), ref(t, r.Host()+tc.text)); err != nil {
			t.Fatal(err)
		}
		if tc.n.Requests() != tc.want {
			t.Errorf("%s: counted %d, want %d", tc.text, tc.n.Requests(), tc.want)
		}
	}
	if _, err := c.Resolve(t.Context(), ref(t, r.Host()+"/b:v1")); err != nil {
		t.Fatal(err)
	}
	if c.Requests() != 7 || len(r.Requests()) != 7 || a.Requests() != 4 || b.Requests() != 2 {
		t.Errorf("total %d, log %d, a %d, b %d", c.Requests(), len(r.Requests()), a.Requests(), b.Requests())
	}
}
