package notation_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/servicetest"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/notation"
	"github.com/boltseal/boltseal/verify"
)

// stamping has signatures timestamped by a TSA of the world.
func (w *world) stamping() (*servicetest.Service, func(*notation.Options)) {
	w.t.Helper()
	w.tsa = must[*notationtest.TSA](w.t)(notationtest.NewTSA(notationtest.TSAOptions{}))
	service := must[*servicetest.Service](w.t)(servicetest.Start(w.tsa))
	w.t.Cleanup(service.Down)
	return service, func(o *notation.Options) {
		o.TSA = &notation.TSA{URL: service.URL() + "/tsa", Roots: []*x509.Certificate{w.tsa.Root()}, UserAgent: "boltseal/test"}
	}
}

// A timestamp is in the signature, and counts for whoever asks for one.
func TestTimestamp(t *testing.T) {
	t.Parallel()
	for _, f := range []sign.Format{sign.JWS, sign.COSE} {
		for _, kind := range []notationtest.KeyKind{notationtest.EC256, notationtest.RSA3072} {
			w := newWorld(t, registryAPI)
			w.authority = authority(t, notationtest.AuthorityOptions{Key: kind})
			w.key = keyOf(t, w.authority)
			img, _ := w.image("x")
			order := sign.Order{Images: jwsOf(img).Images, Formats: []sign.Format{f}}
			w.signed(order)
			service, stamping := w.stamping()
			before := time.Now().Add(-2 * time.Second)
			r := w.signed(order, stamping)[0]
			if r.Existed || r.SignedAt.Before(before) || r.SignedAt.After(time.Now().Add(2*time.Second)) {
				t.Errorf("record %+v", r)
			}
			w.verifies(img, nil)
			reqs := service.Requests()
			if len(reqs) != 1 || reqs[0].Header.Get("User-Agent") != "boltseal/test" {
				t.Errorf("requests %+v", reqs)
			}
			if again := w.signed(order, stamping)[0]; !again.Existed || again.Source != r.Source || len(service.Requests()) != 1 {
				t.Errorf("again: %+v", again)
			}
			if r := w.signed(order)[0]; !r.Existed {
				t.Errorf("without a TSA: %+v", r)
			}
		}
	}
}

// A timestamp authority in each kind of trouble: what is said, how often it is
// asked, and nothing is pushed.
func TestTimestampFaults(t *testing.T) {
	t.Parallel()
	foreign := must[*notationtest.TSA](t)(notationtest.NewTSA(notationtest.TSAOptions{}))
	reply := http.Header{"Content-Type": {"application/timestamp-reply"}}
	type fault = servicetest.Fault
	for name, tc := range map[string]struct {
		fault       fault
		roots       []*x509.Certificate // nil: the right ones
		reason      verify.Reason       // "" for success
		asked       int
		words, hint string
	}{
		"500 once":       {fault{Status: 500, Times: 1}, nil, "", 2, "", ""},
		"429 twice":      {fault{Status: 429, Times: 2}, nil, "", 3, "", ""},
		"429, 7 seconds": {fault{Status: 429, Times: 1, Header: http.Header{"Retry-After": {"7"}}}, nil, "", 2, "", ""},
		"503, an hour":   {fault{Status: 503, Header: http.Header{"Retry-After": {"3600"}}}, nil, verify.Unavailable, 1, "it answered 503 Service Unavailable, and asks to wait for 1h0m0s", "run it again"},
		"reset once":     {fault{Reset: true, Times: 1}, nil, "", 2, "", ""},
		"500":            {fault{Status: 500}, nil, verify.Unavailable, 3, "it answered 500 Internal Server Error, asked 3 times", "status page"},
		"reset":          {fault{Reset: true}, nil, verify.Unavailable, 3, "EOF, asked 3 times", "can be reached"},
		"404":            {fault{Status: 404}, nil, verify.Unavailable, 1, "it answered 404 Not Found", "check the address"},
		"redirect":       {fault{Status: 302, Header: http.Header{"Location": {"http://169.254.169.254/"}}}, nil, verify.Unavailable, 1, "it answered 302 Found", "check the address"},
		"a page":         {fault{Body: []byte("<html>"), Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}}}, nil, verify.Unavailable, 1, `of type "text/html", not a timestamp`, "check the address"},
		"garbage":        {fault{Body: []byte("garbage"), Header: reply}, nil, verify.Unavailable, 1, "the answer cannot be used", "check the address"},
		"nothing":        {fault{Status: 200, Header: reply}, nil, verify.Unavailable, 1, "the answer cannot be used", "check the address"},
		"refusal":        {fault{Body: []byte{0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x02}, Header: reply}, nil, verify.Unavailable, 1, "the answer cannot be used", "check the address"},
		"too long":       {fault{Body: bytes.Repeat([]byte{0}, 1<<20+1), Header: reply}, nil, verify.Unavailable, 1, "longer than 1048576 bytes", "check the address"},
		"damaged":        {fault{Change: func(b []byte) []byte { b[len(b)-5] ^= 1; return b }}, nil, verify.BadSignature, 1, "does not hold", "root certificate"},
		"of other roots": {fault{}, []*x509.Certificate{foreign.Root()}, verify.WrongSigner, 1, "does not hold", "root certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, registryAPI)
			img, d := w.image("x")
			service, stamping := w.stamping()
			service.Inject(tc.fault)
			var slept []time.Duration
			res := w.sign(t.Context(), jwsOf(img), stamping, func(o *notation.Options) {
				if tc.roots != nil {
					o.TSA.Roots = tc.roots
				}
				o.Sleep = func(_ context.Context, d time.Duration) error { slept = append(slept, d); return nil }
			})
			waits := []time.Duration{500 * time.Millisecond, time.Second}
			if after := tc.fault.Header.Get("Retry-After"); after != "" {
				waits[0] = must[time.Duration](t)(time.ParseDuration(after + "s"))
			}
			if n := len(service.Requests()); n != tc.asked || !slices.Equal(slept, waits[:tc.asked-1]) {
				t.Errorf("asked %d times, waited %v", n, slept)
			}
			if tc.reason == "" {
				if !res.Complete() {
					t.Errorf("%+v", res.Failures)
				}
				return
			}
			fails(t, res, tc.reason, "timestamp the signature", tc.words)
			told(t, res.Failures[0].Err, tc.reason, tc.words, "", tc.hint)
			w.nothingPushed(d)
		})
	}
}

// A timestamp of another signature is none of this one.
func TestTimestampReplayed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registryAPI)
	service, stamping := w.stamping()
	one, _ := w.image("1")
	two, _ := w.image("2")
	var old []byte
	service.Inject(servicetest.Fault{Change: func(b []byte) []byte {
		if old == nil {
			old = bytes.Clone(b)
		}
		return old
	}})
	w.signed(jwsOf(one), stamping)
	fails(t, w.sign(t.Context(), jwsOf(two), stamping), verify.Unavailable, "the answer cannot be used")
}

// A timestamp authority that is not there, or does not answer, ends the run no
// later than it is to end.
func TestTimestampHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registryAPI)
	img, d := w.image("x")
	service, stamping := w.stamping()
	service.Inject(servicetest.Fault{Hold: make(chan struct{})})
	over := errors.New("the run is over")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		if service.Await(ctx, 1) == nil {
			cancel(over)
		}
	}()
	res := w.sign(ctx, jwsOf(img), stamping)
	fails(t, res, verify.Unavailable, "the run is over")
	if !errors.Is(res.Failures[0].Err, over) {
		t.Errorf("%v does not wrap what ended it", res.Failures[0].Err)
	}
	service.Down()
	fails(t, w.sign(t.Context(), jwsOf(img), stamping), verify.Unavailable, "timestamp the signature", "connection refused", ", asked 3 times")
	w.nothingPushed(d)
}
