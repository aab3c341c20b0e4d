package sigstore_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/sigstore"
	"github.com/boltseal/boltseal/verify"
	vsig "github.com/boltseal/boltseal/verify/sigstore"
)

func TestSignBlob(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	s := must[*sigstore.Signer](t)(sigstore.New(w.options()))
	ctx := context.Background()
	content := []byte("some content")
	body := must[[]byte](t)(s.SignBlob(ctx, content, false))
	ev := must[verify.Evidence](t)(vsig.VerifyBundle(ctx, body, w.by(identity), vsig.Artifact{Content: bytes.NewReader(content)}))
	if ev.Signer != identity || ev.LogIndex == nil {
		t.Errorf("evidence %+v", ev)
	}
	if _, err := vsig.VerifyBundle(ctx, body, w.by(identity), vsig.Artifact{Content: strings.NewReader("other content")}); err == nil {
		t.Error("other content verifies")
	}

	digest := "sha256:" + strings.Repeat("ab", 32)
	statement := fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":%q}}],"predicateType":%q,"predicate":{}}`, digest[7:], slsaType)
	body = must[[]byte](t)(s.SignBlob(ctx, statement, true))
	ev = must[verify.Evidence](t)(vsig.VerifyBundle(ctx, body, w.by(identity), vsig.Artifact{Digest: digest}))
	if ev.PredicateType != slsaType || ev.Digest != digest {
		t.Errorf("evidence %+v", ev)
	}

	for _, bad := range []string{"", "{", "[]", "{}", `{"subject":[]}`, `{"subject":[{"digest":{"sha512":"ab"}}]}`, `{"subject":[{"digest":{"sha256":"AB"}}]}`} {
		w.srv.Reset()
		if _, err := s.SignBlob(ctx, []byte(bad), true); err == nil || verify.Hint(err) == "" {
			t.Errorf("statement %q: %v", bad, err)
		}
		if n := len(w.srv.Rekor1.Requests()) + len(w.srv.Rekor2.Requests()); n > 0 {
			t.Errorf("statement %q: %d requests to the log", bad, n)
		}
	}

	w.srv.Rekor2.Inject(sigstoretest.Fault{Status: 403, Body: []byte(`{"code":7,"message":"no"}`)})
	if _, err := s.SignBlob(ctx, content, false); sign.Reason(err) != verify.Denied {
		t.Errorf("the log refuses: %v", err)
	}
}

func TestSignBlobByKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	key := newKey(t)
	for _, ignore := range []bool{false, true} {
		s := must[*sigstore.Signer](t)(sigstore.New(w.options(func(o *sigstore.Options) { o.Token, o.Key, o.IgnoreLog = nil, key, ignore })))
		body := must[[]byte](t)(s.SignBlob(context.Background(), []byte("x"), false))
		c := vsig.Config{Trust: w.trust, Keys: []vsig.Key{key.Verifying()}, IgnoreLog: ignore, Now: started}
		if _, err := vsig.VerifyBundle(context.Background(), body, c, vsig.Artifact{Content: strings.NewReader("x")}); err != nil {
			t.Errorf("without a log (%v): %v", ignore, err)
		}
		if strings.Contains(string(body), "tlogEntries") == ignore {
			t.Errorf("without a log (%v): %s", ignore, body)
		}
	}
}
