package registry

import (
	"context"
	"net/http"
	"sync/atomic"
)

// A Counter counts HTTP requests. The zero Counter is ready.
type Counter struct{ n atomic.Int64 }

// Requests returns how many requests were counted so far.
func (c *Counter) Requests() int { return int(c.n.Load()) }

type counterKey struct{}

// WithCounter returns a context whose requests are also counted by n.
func WithCounter(ctx context.Context, n *Counter) context.Context {
	return context.WithValue(ctx, counterKey{}, n)
}

// counting counts what is really sent, for the whole run and for the image
// that the context belongs to, and has its query remember the credentials in it.
type counting struct {
	total *Counter
	inner http.RoundTripper
}

func (c *counting) RoundTrip(req *http.Request) (*http.Response, error) {
	c.total.n.Add(1)
	if n, ok := req.Context().Value(counterKey{}).(*Counter); ok {
		n.n.Add(1)
	}
	rememberRequest(req)
	return c.inner.RoundTrip(req)
}
