package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
)

// A Pushed is what a registry said of a manifest that it took.
type Pushed struct {
	Digest string
	// Subject is whether the registry says that it lists the manifest among the
	// referrers of its subject (OCI distribution-spec, "Pushing Manifests with
	// Subject"), so that no fallback tag is to be written.
	Subject bool
}

// tagPattern is the grammar of a tag (OCI distribution-spec, "Pulling manifests").
var tagPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`) })

// errLost says that an upload which had begun is no longer known: the registry
// has several servers, and this one was not told of it.
var errLost = errors.New("the registry does not know of the upload that it began")

// CheckPush reports whether repo can be pushed to, by doing so: it stores the
// empty config of artifacts, be it there or not. That a registry gives a token,
// or says what is there, does not show it. It is done once for each repository.
func (c *Client) CheckPush(ctx context.Context, repo image.Ref) error {
	done, err := c.turn(ctx, repo, "")
	if err != nil {
		return err
	}
	defer done()
	if _, ok := c.checked.Load(repo.Name()); ok {
		return nil
	}
	d := describeBlob(ocispec.MediaTypeEmptyJSON, emptyConfig())
	if err := c.send(ctx, blobPush(repo, d), d, emptyConfig()); err != nil {
		return err
	}
	c.checked.Store(repo.Name(), true)
	return nil
}

// emptyConfig is what artifacts have for a config (OCI image-spec, "Guidance for
// an Empty Descriptor").
func emptyConfig() []byte { return []byte("{}") }

// PushBlob stores body in repo unless it is there, at most [MaxBlob] bytes of
// it. It returns the descriptor by which a manifest may list it. What this
// Client has found there or put there is not asked about again.
func (c *Client) PushBlob(ctx context.Context, repo image.Ref, mediaType string, body []byte) (ocispec.Descriptor, error) {
	d := describeBlob(mediaType, body)
	q := blobPush(repo, d)
	if len(body) > MaxBlob {
		return ocispec.Descriptor{}, q.corrupt(fmt.Errorf("%w: %d bytes, at most %d allowed", ErrTooLarge, len(body), MaxBlob))
	}
	if _, ok := c.blobs.Load(known(q.at, d)); ok {
		return d, nil
	}
	switch there, err := c.has(ctx, q, d); {
	case err != nil:
		return ocispec.Descriptor{}, err
	case there:
		c.blobs.Store(known(q.at, d), true)
	default:
		if err := c.send(ctx, q, d, body); err != nil {
			return ocispec.Descriptor{}, err
		}
	}
	return d, nil
}

func describeBlob(mediaType string, body []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.Digest(digestOf(body)), Size: int64(len(body))}
}

func blobPush(repo image.Ref, d ocispec.Descriptor) query {
	return query{op: "push blob " + repo.Name() + "@" + d.Digest.String(), at: placeOf(repo), push: true, good: taken}
}

func known(at place, d ocispec.Descriptor) string { return at.String() + "@" + d.Digest.String() }

// send stores a blob.
func (c *Client) send(ctx context.Context, q query, d ocispec.Descriptor, body []byte) error {
	_, err := c.insist(ctx, q, func(ctx context.Context, q query) (answer, error) {
		return c.upload(ctx, q, d, body)
	})
	if err == nil {
		c.blobs.Store(known(q.at, d), true)
	}
	return err
}

// has reports whether the registry says that it has the blob.
func (c *Client) has(ctx context.Context, q query, d ocispec.Descriptor) (bool, error) {
	q.method, q.path = http.MethodHead, "blobs/"+d.Digest.String()
	q.good = func(a answer) bool {
		// A store to which the registry redirected may refuse to be asked with
		// HEAD, for which the address was not made.
		return a.status == http.StatusOK || a.status == http.StatusNotFound || a.redirected && a.status/100 == 4
	}
	a, err := c.insist(ctx, q, c.once)
	if err != nil || a.status != http.StatusOK {
		return false, err
	}
	says, size := a.header.Get("Docker-Content-Digest"), a.header.Get("Content-Length")
	return (says == "" || says == d.Digest.String()) && (size == "" || size == fmt.Sprint(d.Size)), nil
}

// upload stores a blob in two requests (OCI distribution-spec, "POST then PUT").
// An upload that failed is not gone on with: another is begun.
func (c *Client) upload(ctx context.Context, q query, d ocispec.Descriptor, body []byte) (answer, error) {
	begin := q
	begin.method, begin.path = http.MethodPost, "blobs/uploads/"
	a, err := c.once(ctx, begin)
	if err != nil || !taken(a) {
		return a, err
	}
	if a.status != http.StatusAccepted {
		return answer{}, fmt.Errorf("%w: the answer to the beginning of an upload is %d", ErrCorrupt, a.status)
	}
	if q.to, err = uploadTo(a, d.Digest.String()); err != nil {
		return answer{}, err
	}
	q.method, q.mediaType, q.body = http.MethodPut, "application/octet-stream", body
	a, err = c.once(ctx, q)
	if err == nil && a.status == http.StatusNotFound {
		return answer{}, errLost
	}
	return stored(a, err, d.Digest.String())
}

// uploadTo returns the address for the bytes of an upload that began with a. It
// is on the server that answered, or nowhere.
func uploadTo(a answer, digest string) (*url.URL, error) {
	u, err := a.url.Parse(a.header.Get("Location"))
	switch {
	case a.header.Get("Location") == "" || err != nil || u.Opaque != "":
		return nil, fmt.Errorf("%w: the registry says not where to send the bytes", ErrCorrupt)
	case u.User != nil || !sameOrigin(a.url, u):
		return nil, fmt.Errorf("%w: %w, to %q", errNoRetry, errOrigin, clip(u.Scheme+"://"+u.Host))
	}
	values := u.Query()
	values.Set("digest", digest)
	u.Host, u.RawQuery, u.Fragment, u.RawFragment = a.url.Host, values.Encode(), "", ""
	return u, nil
}

// taken reports whether an answer to a write is a good one.
func taken(a answer) bool { return a.status/100 == 2 }

// stored makes an error of a good answer to a PUT that does not say that what was
// sent is there. Only 201 says so by itself (OCI distribution-spec, "Pushing");
// other answers, which some registries give, have to say what was stored.
func stored(a answer, err error, digest string) (answer, error) {
	if err != nil || !taken(a) {
		return a, err
	}
	switch says := a.header.Get("Docker-Content-Digest"); {
	case says == digest, says == "" && a.status == http.StatusCreated:
		return a, nil
	case says == "":
		return answer{}, fmt.Errorf("%w: the registry answered %d and does not say what it stored", ErrCorrupt, a.status)
	default:
		return answer{}, fmt.Errorf("%w: the registry says that it stored %s", ErrCorrupt, clip(says))
	}
}

// PushManifest stores body, at most 4 MiB, under reference: its own digest, or a
// tag, which then leads to it whatever it led to before.
func (c *Client) PushManifest(ctx context.Context, repo image.Ref, reference, mediaType string, body []byte) (Pushed, error) {
	q, err := manifestPush(repo, reference, mediaType, body)
	if err != nil {
		return Pushed{}, err
	}
	a, err := c.insist(ctx, q, c.put)
	if err != nil {
		return Pushed{}, err
	}
	var doc struct {
		Subject *struct{ Digest string }
	}
	_ = json.Unmarshal(body, &doc) // what is no object has no subject
	return Pushed{
		Digest:  digestOf(body),
		Subject: doc.Subject != nil && doc.Subject.Digest != "" && a.header.Get("OCI-Subject") == doc.Subject.Digest,
	}, nil
}

func manifestPush(repo image.Ref, reference, mediaType string, body []byte) (query, error) {
	sep := ":"
	if strings.Contains(reference, ":") {
		sep = "@"
	}
	q := query{
		op: "push manifest " + repo.Name() + sep + clip(reference), at: placeOf(repo), path: "manifests/" + reference,
		method: http.MethodPut, mediaType: mediaType, body: body, push: true, tag: sep == ":", good: taken,
	}
	switch {
	case len(body) > maxManifest:
		return q, q.corrupt(fmt.Errorf("%w: %d bytes, at most %d allowed", ErrTooLarge, len(body), maxManifest))
	case sep == "@" && reference != digestOf(body):
		return q, q.corrupt(fmt.Errorf("%w: digest is %s", ErrCorrupt, digestOf(body)))
	case sep == ":" && !tagPattern().MatchString(reference):
		return q, &Error{Op: q.op, Kind: ErrMalformed, Err: fmt.Errorf("%q is no tag", clip(reference)), push: true}
	}
	return q, nil
}

// put makes one attempt at q, a manifest to be stored.
func (c *Client) put(ctx context.Context, q query) (answer, error) {
	a, err := c.once(ctx, q)
	return stored(a, err, digestOf(q.body))
}

// refusal says why the registry did not take what was pushed, as far as it can be
// told: registries have no common code for most of it.
func (q query) refusal(status int, said string) error {
	if retryable(status) {
		return nil
	}
	says := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(strings.ToLower(said), w) {
				return true
			}
		}
		return false
	}
	switch {
	case says("immutab"), q.tag && (status == http.StatusConflict || strings.HasPrefix(said, "TAG_INVALID")):
		return ErrImmutable
	case q.tag && (status == http.StatusNotFound || status == http.StatusBadRequest) &&
		(strings.HasPrefix(said, "MANIFEST_UNKNOWN") || strings.HasPrefix(said, "MANIFEST_BLOB_UNKNOWN") || strings.HasPrefix(said, "BLOB_UNKNOWN")):
		return ErrIncomplete
	case status == http.StatusInsufficientStorage, says("quota", "limit exceeded", "limitexceeded", "storage limit"):
		return ErrQuota
	case status == http.StatusMethodNotAllowed, strings.HasPrefix(said, "UNSUPPORTED"), says("read only", "read-only", "readonly"):
		return ErrReadOnly
	case status == http.StatusRequestEntityTooLarge:
		return ErrTooLarge
	}
	return nil
}

// rewinding sends the whole body every time: what answers a challenge, or gets a
// new token, repeats a request whose body was read before.
type rewinding struct{ inner http.RoundTripper }

func (r rewinding) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil || req.Body == http.NoBody || req.GetBody == nil {
		return r.inner.RoundTrip(req)
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	_ = req.Body.Close() // of bytes in memory
	again := *req
	again.Body = body
	d, ok := req.Context().Value(deliveryKey{}).(*delivery)
	if !ok || req.URL.EscapedPath() != d.path { // the token service, which gets a body too
		return r.inner.RoundTrip(&again)
	}
	again.Body = &opening{ReadCloser: body, of: d}
	resp, err := r.inner.RoundTrip(&again)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		d.open.Store(false)
	}
	return resp, err
}
