package sigstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"time"

	"github.com/boltseal/boltseal/sign/internal/order"
)

// ClientOptions say how services are reached. The zero ClientOptions reach the
// public ones.
type ClientOptions struct {
	Proxy     func(*url.URL) (*url.URL, error) // which proxy to use for an address; nil: none
	UserAgent string
	// Sleep waits between attempts; nil means until d has passed or ctx ends.
	Sleep func(ctx context.Context, d time.Duration) error
	Roots *x509.CertPool // nil: the system's certificate authorities
}

// A Client asks the services of Sigstore instances. It is safe for concurrent
// use. One is made per run, so that connections are shared.
type Client struct {
	agent string
	sleep func(context.Context, time.Duration) error
	base  http.RoundTripper
	after func(time.Duration, func()) (stop func() bool) // time.AfterFunc, but in tests
}

// NewClient returns a Client that has asked nothing yet.
func NewClient(o ClientOptions) *Client {
	c := &Client{agent: o.UserAgent, sleep: o.Sleep}
	if c.agent == "" {
		c.agent = "boltseal"
	}
	if c.sleep == nil {
		c.sleep = order.Sleep
	}
	c.after = func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }
	t := &http.Transport{
		TLSClientConfig:        &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    attemptLimit,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    32, // a few dozen images are signed at once
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // the bound is on what is read
	}
	if o.Proxy != nil {
		t.Proxy = func(req *http.Request) (*url.URL, error) { return o.Proxy(req.URL) }
	}
	c.base = t
	return c
}
