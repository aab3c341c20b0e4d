package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
)

// maxTrustFiles bounds the files that are published at once.
const maxTrustFiles = 256

// ErrUnclear says that an answer was lost, and that it could not be found out
// whether what was sent was taken.
var ErrUnclear = errors.New("whether it was published is not known")

// A Refusal is why a server of trust data does not take what is published. Code
// and Name have at most 64 letters, digits and underscores.
type Refusal struct {
	Code  string // such as "INVALID_UPDATE", or "VERSION" where somebody was faster
	Name  string // of the error that the code stands for, such as "ErrBadHierarchy"; "" if none
	Words string // the server's own on that error, bounded; hostile text; "" if none
}

func (r *Refusal) Error() string {
	s := "refused as " + r.Code
	if r.Name != "" {
		s += ", " + r.Name
	}
	if r.Words != "" {
		s += ": " + r.Words
	}
	return s
}

// refusal returns what a server of trust data answered where it refused, without
// what was shown; nil where it says nothing of the kind.
func refusal(a answer, seen *shown) *Refusal {
	var doc struct {
		Errors []struct {
			Code   string
			Detail json.RawMessage
		}
	}
	if a.status != http.StatusBadRequest || json.Unmarshal(a.body, &doc) != nil || len(doc.Errors) == 0 || !wordPattern().MatchString(doc.Errors[0].Code) {
		return nil
	}
	r := &Refusal{Code: doc.Errors[0].Code}
	var detail struct {
		Name  string
		Error struct{ Msg string }
	}
	if json.Unmarshal(doc.Errors[0].Detail, &detail) == nil && wordPattern().MatchString(detail.Name) { // most have another form, or none
		r.Name, r.Words = detail.Name, seen.quote(detail.Error.Msg)
	}
	return r
}

var wordPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`) })

// PublishTrustData uploads files of the trust data of a collection by the names of
// their roles, all at once and at most [MaxTrustData] bytes, as notary's own client
// does. They are sent once: where the answer is lost, or is not the server's last
// word, it is asked whether it has them. The error is [ErrUnclear] where that could
// not be told, and has a [*Refusal] where the server says why it does not take them.
func (c *Client) PublishTrustData(ctx context.Context, s TrustServer, gun string, files map[string][]byte) error {
	q := query{
		op:     "publish trust data of " + clip(gun) + " to " + s.String(),
		method: http.MethodPost, push: true, trust: true,
	}
	var err error
	if q.at, err = c.collection(s, gun); err == nil {
		q.body, q.mediaType, err = form(files)
	}
	if err != nil {
		return &Error{Op: q.op, Kind: ErrMalformed, Err: err, trust: true, push: true}
	}
	unclear := false
	d := &delivery{path: q.at.path()}
	_, err = c.insist(context.WithValue(ctx, deliveryKey{}, d), q, func(ctx context.Context, q query) (answer, error) {
		a, err := c.once(ctx, q)
		if !d.open.Load() || err == nil && !retryable(a.status) {
			return a, err
		}
		unclear = true
		if err == nil {
			err = fmt.Errorf("the server answered %d %s", a.status, http.StatusText(a.status))
		}
		return a, fmt.Errorf("%w: %w", errNoRetry, err)
	})
	if err == nil || !unclear {
		return err
	}
	there, lookErr := c.published(ctx, s, gun, files)
	switch {
	case there:
		return nil
	case lookErr != nil:
		err = fmt.Errorf("%w: %w", ErrUnclear, err)
		return &Error{Op: q.op, Kind: ErrUnavailable, Err: err, trust: true, push: true}
	}
	return err
}

// form returns the files as a form that uploads them (RFC 7578), and its type.
func form(files map[string][]byte) (body []byte, mediaType string, err error) {
	if len(files) == 0 || len(files) > maxTrustFiles {
		return nil, "", fmt.Errorf("%d files are published at once, from 1 to %d", len(files), maxTrustFiles)
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	size := 0
	for _, role := range slices.Sorted(maps.Keys(files)) {
		if !isRole(role) {
			return nil, "", fmt.Errorf("%q is no role", clip(role))
		}
		if size += len(files[role]); size > MaxTrustData {
			return nil, "", fmt.Errorf("%w: at most %d MiB are published at once", ErrTooLarge, MaxTrustData>>20)
		}
		part, err := w.CreateFormFile("files", role)
		if err != nil {
			return nil, "", err
		}
		if _, err := part.Write(files[role]); err != nil {
			return nil, "", err
		}
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	return b.Bytes(), w.FormDataContentType(), nil
}

// published reports whether the server has all of files, whatever was published
// since. It may be about to take them, so that it is asked again.
func (c *Client) published(ctx context.Context, s TrustServer, gun string, files map[string][]byte) (bool, error) {
	for look := 1; ; look++ {
		there, err := c.hasFiles(ctx, s, gun, files)
		if there || err != nil || look == maxLooks {
			return there, err
		}
		if err := c.pause(ctx, settling); err != nil {
			return false, err
		}
	}
}

func (c *Client) hasFiles(ctx context.Context, s TrustServer, gun string, files map[string][]byte) (bool, error) {
	for _, role := range slices.Sorted(maps.Keys(files)) {
		body := files[role]
		sum := sha256.Sum256(body)
		got, err := c.TrustData(ctx, s, gun, role+"."+hex.EncodeToString(sum[:]), int64(len(body)))
		switch {
		case errors.Is(err, ErrNotFound):
			return false, nil
		case err != nil:
			return false, err
		case !bytes.Equal(got, body):
			return false, nil
		}
	}
	return true, nil
}

// A delivery is a body that is to be sent once. It is open from when it is first
// read, which is when there is a connection, until a server wants other
// credentials for it.
type delivery struct {
	path string
	open atomic.Bool
}

type deliveryKey struct{}

// An opening body opens its delivery when it is first read: the rest may be read
// when the answer is already there.
type opening struct {
	io.ReadCloser
	of   *delivery
	read bool
}

func (o *opening) Read(p []byte) (int, error) {
	if !o.read {
		o.read = true
		o.of.open.Store(true)
	}
	return o.ReadCloser.Read(p)
}
