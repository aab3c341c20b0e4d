package sigstore_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/sign/sigstore"
)

// Several images are signed by one key, one after the other or at once, and again.
func TestSignSeveralByKey(t *testing.T) {
	t.Parallel()
	for _, jobs := range []int{1, 4} {
		w := newWorld(t, registrytest.Options{})
		var images []image.Pinned
		for _, seed := range []string{"one", "two", "three", "four"} {
			img, _ := w.image(seed)
			images = append(images, img)
		}
		key := newKey(t)
		for _, existed := range []bool{false, true} {
			records := w.signed(bundleOnly(images...), func(o *sigstore.Options) { o.Token, o.Key, o.Jobs = nil, key, jobs })
			for _, r := range records {
				if r.Existed != existed || len(records) != len(images) {
					t.Errorf("%d jobs: %d records: %+v", jobs, len(records), r)
				}
			}
		}
	}
}

// A token that has ended while images were looked at is not shown to Fulcio: another
// is asked for.
func TestTokenEndsWhileLooking(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	there, _ := w.image("there")
	other, _ := w.image("other")
	w.signed(bundleOnly(there))
	var looked sync.Once
	w.wire.reset(func(_ int, req *http.Request) cut {
		if strings.HasSuffix(req.URL.Path, "/referrers/"+other.Digest()) {
			looked.Do(func() { w.clock.Add(6 * time.Minute) })
		}
		return cut{}
	})
	tokens := 0
	records := w.signed(bundleOnly(there, other), func(o *sigstore.Options) {
		o.Jobs = 1
		o.Token = func(ctx context.Context) (sigstore.Token, error) {
			tokens++
			now := w.clock.Now()
			return w.token(map[string]any{"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix()})(ctx)
		}
	})
	if tokens != 2 || !records[0].Existed || records[1].Existed {
		t.Errorf("%d tokens, %+v", tokens, records)
	}
}

// Where the certificate is of somebody else than the token said, nothing of the
// token's counts as being there.
func TestCertificateSaysOtherwise(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	img, _ := w.image("otherwise")
	w.signed(bundleOnly(img))
	seen := must[string](t)(w.srv.Token(map[string]any{"repository": "acme/fork"}))
	w.wire.reset(func(_ int, req *http.Request) cut {
		if strings.Contains(req.URL.Path, "/signingCert") {
			req.Header.Set("Authorization", "Bearer "+seen)
		}
		return cut{}
	})
	order := everything(img)
	order.Annotations = nil
	for _, r := range w.signed(order) {
		if r.Existed {
			t.Errorf("%s %s was there", r.Format, r.PredicateType)
		}
	}
	callers := map[string]int{}
	for _, m := range w.made(img) {
		callers[m.Evidence.Claims["source-repository-uri"]]++
	}
	if callers["https://github.com/acme/fork"] != len(order.Formats)+len(order.Attestations) {
		t.Errorf("made by %v", callers)
	}
}
