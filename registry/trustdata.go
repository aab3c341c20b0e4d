package registry

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

const (
	// MaxTrustData bounds a file of trust data, in bytes, and what is published at
	// once. Those of large collections reach some MiB.
	MaxTrustData = 32 << 20

	maxGUN        = 255 // bytes, as notary-server stores them
	maxTrustFile  = 400 // bytes: a role has at most 255, a digest 64
	maxTrustFiles = 256 // published at once
	maxAddress    = 1024
)

// A TrustServer is where Notary (v1) keeps trust data. The zero TrustServer is
// none. Two are equal if they are asked in the same way.
type TrustServer struct {
	scheme, host string // the host in lower case, with a port where it is not the scheme's own
	base         string // of its paths, "" or such as "/notary"
	ca           string // PEM texts in their own order, "" for the system's authorities
}

// hostPattern is a host as it is asked, with or without a port: a name, or an
// address of IPv4 or IPv6.
var hostPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:[a-z0-9_](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$`)
})

// ParseTrustServer returns the server at an address such as
// https://notary.docker.io or https://example.com:4443/notary, whose certificate
// one of ca has to vouch for; none are those of the system. An address that
// begins with http:// is one, but it is asked only on this machine, and where
// [Options].Insecure has its host. Errors do not repeat the address.
func ParseTrustServer(address string, ca ...*x509.Certificate) (TrustServer, error) {
	u, err := url.Parse(address)
	switch {
	case len(address) > maxAddress || err != nil || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' }):
		return TrustServer{}, errors.New("it is no address such as https://notary.example.com")
	case u.User != nil:
		return TrustServer{}, errors.New("leave out the user name and password: they come from the docker configuration (docker login)")
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Opaque != "":
		return TrustServer{}, errors.New("it does not begin with https:// and a host")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(address, "#"):
		return TrustServer{}, errors.New("leave out what follows the path: an address of a server has no ? and no #")
	}
	s := TrustServer{scheme: u.Scheme, host: strings.ToLower(u.Host), base: strings.TrimRight(u.Path, "/")}
	s.host = strings.TrimSuffix(s.host, ":")
	s.host = strings.TrimSuffix(s.host, ":"+port(&url.URL{Scheme: s.scheme}))
	n, err := strconv.Atoi(cmp.Or(u.Port(), port(u)))
	switch {
	case !hostPattern().MatchString(s.host) || strings.HasPrefix(s.host, "[") && net.ParseIP(u.Hostname()) == nil:
		return TrustServer{}, errors.New("what follows https:// is no host")
	case err != nil || n == 0 || n > 65535:
		return TrustServer{}, errors.New("its port is not one of 1 to 65535")
	case s.host == "docker.io" || s.host == name.DefaultRegistry:
		return TrustServer{}, errors.New("that is Docker Hub's registry, whose trust data are at https://notary.docker.io")
	case s.base != "" && (u.RawPath != "" || !elements(s.base[1:])):
		return TrustServer{}, errors.New("its path may have letters, digits and . _ ~ : - only, and no . or .. by themselves")
	}
	s.ca = pemOf(ca)
	return s, nil
}

// pemOf returns the same text for the same certificates.
func pemOf(ca []*x509.Certificate) string {
	texts := make([]string, 0, len(ca))
	for _, c := range ca {
		texts = append(texts, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})))
	}
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), "")
}

// IsZero reports whether s is no server.
func (s TrustServer) IsZero() bool { return s == TrustServer{} }

// Host returns the host, with a port where it is not the scheme's own: what
// docker login takes.
func (s TrustServer) Host() string { return s.host }

// String returns the address, "" for the zero TrustServer.
func (s TrustServer) String() string {
	if s.IsZero() {
		return ""
	}
	return s.scheme + "://" + s.host + s.base
}

// elements reports whether each part of a path is one that names something, and
// means nothing else to anybody on the way.
func elements(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." || part == "_trust" || strings.ContainsFunc(part, odd) {
			return false
		}
	}
	return true
}

func odd(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._~:-[]", r))
}

// escape returns a path as it stands in an address.
func escape(text string) string {
	parts := strings.Split(text, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return strings.Join(parts, "/")
}

// A file of trust data is a role, of which a version or a digest may be asked
// for (notary-server, RootHandler).
var (
	filePattern = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(?:[0-9]{1,10}\.)?([^.]+)(?:\.[0-9a-f]{64})?$`)
	})
	rolePattern = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(?:root|timestamp|snapshot|targets(?:/[-a-z0-9_]+)*)$`)
	})
)

func isRole(text string) bool { return len(text) <= 255 && rolePattern().MatchString(text) }

func isTrustFile(text string) bool {
	if len(text) > maxTrustFile {
		return false
	}
	m := filePattern().FindStringSubmatch(text)
	return m != nil && isRole(m[1])
}

func isGUN(text string) bool { return len(text) <= maxGUN && elements(text) }

// collection returns the place of a collection; why is what keeps it from being
// asked for.
func (c *Client) collection(s TrustServer, gun string) (at place, why error) {
	if s.scheme != "https" && !s.IsZero() && !Loopback(s.host) && !c.insecure(s.host) {
		return at, errPlain
	}
	return place{server{s.host, s}, gun}, askable(s, gun, "root")
}

// askable says why a server is never asked for a file of trust data.
func askable(s TrustServer, gun, file string) error {
	switch {
	case s.IsZero():
		return errors.New("there is no server to ask")
	case !isGUN(gun):
		return fmt.Errorf("%q is no name of a collection", clip(gun))
	case !isTrustFile(file):
		return fmt.Errorf("%q is no file of trust data", clip(file))
	}
	return nil
}

// errPlain says that what is asked over the network would be asked for all to see
// and to change.
var errPlain = errors.New("an address of another machine has to begin with https://")

// TrustData fetches a file of the trust data of a collection, at most limit bytes
// of it. The name of the file is that of a role, such as "root" or
// "targets/releases", or "<version>.<role>", or "<role>.<sha256>". The server is
// asked as registries are, with the credentials for its own host (for
// notary.docker.io those for docker.io serve too), and errors are as theirs: what
// it does not have is [ErrNotFound]. What is never asked for is [ErrMalformed].
// Nothing of the answer was checked.
func (c *Client) TrustData(ctx context.Context, s TrustServer, gun, file string, limit int64) ([]byte, error) {
	op := trustDataOp(s, gun, file)
	at, err := c.collection(s, gun)
	if err == nil {
		err = askable(s, gun, file)
	}
	if err != nil {
		return nil, &Error{Op: op, Kind: ErrMalformed, Err: err, trust: true}
	}
	a, err := c.get(ctx, query{op: op, at: at, path: file + ".json", limit: min(limit, MaxTrustData), trust: true})
	if err != nil {
		return nil, err
	}
	return a.body, nil
}

func trustDataOp(s TrustServer, gun, file string) string {
	return "fetch " + clip(file) + ".json of " + clip(gun) + " from " + s.String()
}

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

// refusal returns what a server of trust data answered where it refused, nil
// where it says nothing of the kind.
func refusal(a answer) *Refusal {
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
		r.Name, r.Words = detail.Name, quote(detail.Error.Msg)
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

// prepareTrust finds out how a server of trust data is asked.
func (h *host) prepareTrust(ctx context.Context, c *Client, s TrustServer) error {
	h.scheme, h.prefix, h.trust = s.scheme, s.base, true
	var opts []name.Option
	if s.scheme == "http" {
		opts = append(opts, name.Insecure)
	}
	var err error
	if h.reg, err = name.NewRegistry(s.host, opts...); err != nil {
		return fmt.Errorf("%w: %w", errNoRetry, err)
	}
	if h.base, err = c.trusting(s); err != nil {
		return fmt.Errorf("%w: %w", errNoRetry, err)
	}
	if h.auth, err = c.credentials(ctx, s.host); err != nil {
		return fmt.Errorf("%w: %w", errCredentials, err)
	}
	return nil
}

// credentials returns those for a host. Docker Hub's notary knows the accounts of
// its registry; no other server is shown what is for somebody else.
func (c *Client) credentials(ctx context.Context, host string) (authn.Authenticator, error) {
	resources := []string{host}
	if host == "notary.docker.io" {
		resources = append(resources, name.DefaultRegistry)
	}
	for _, r := range resources {
		reg, err := name.NewRegistry(r)
		if err != nil {
			return nil, err
		}
		if auth, err := authn.Resolve(ctx, c.opts.Keychain, reg); err != nil || auth != authn.Anonymous {
			return auth, err
		}
	}
	return authn.Anonymous, nil
}

// trusting returns what sends requests to s.
func (c *Client) trusting(s TrustServer) (http.RoundTripper, error) {
	if s.ca == "" {
		return c.base, nil
	}
	there := x509.NewCertPool()
	if !there.AppendCertsFromPEM([]byte(s.ca)) {
		return nil, errors.New("a certificate of its authorities cannot be read")
	}
	elsewhere, err := c.roots()
	if err != nil {
		return nil, err
	}
	elsewhere.AppendCertsFromPEM([]byte(s.ca))
	return byHost{s.host, c.transport(there), c.transport(elsewhere)}, nil
}

// roots returns a copy of the authorities of registries.
func (c *Client) roots() (*x509.CertPool, error) {
	if c.opts.Roots != nil {
		return c.opts.Roots.Clone(), nil
	}
	return x509.SystemCertPool()
}

// byHost asks one host by means of its own authorities. A token service, or where
// it redirects to, may have others.
type byHost struct {
	host             string
	there, elsewhere http.RoundTripper
}

func (b byHost) RoundTrip(req *http.Request) (*http.Response, error) {
	host := strings.ToLower(strings.TrimSuffix(req.URL.Host, ":"+port(&url.URL{Scheme: req.URL.Scheme})))
	if host == b.host {
		return b.there.RoundTrip(req)
	}
	return b.elsewhere.RoundTrip(req)
}

// prefixed returns the request for GET /v2/ where h has it.
func (h *host) prefixed(req *http.Request) *http.Request {
	if h.prefix == "" {
		return req
	}
	there := req.Clone(req.Context())
	there.URL.Path = h.prefix + there.URL.Path
	return there
}

// trustHint is the hint where a server of trust data was asked.
func trustHint(server string, e *Error, err error) string {
	var (
		dns     *net.DNSError
		record  tls.RecordHeaderError
		cert    *tls.CertificateVerificationError
		refused *Refusal
	)
	errors.As(err, &refused)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "check the server's name: there is no host " + server + " here"
	case errors.Is(err, errPlain):
		return "write its address with https://, or take " + server + " at its word with --insecure-registry " + server
	case errors.As(err, &record):
		return "write its address with http:// if " + server + " speaks plain http; where it is another machine, --insecure-registry " + server + " has to be there too"
	case errors.As(err, &cert):
		return "if " + server + " uses a certificate authority of its own, give it with --dct-server-ca"
	case errors.Is(err, ErrUnclear):
		return "look at what is there with boltseal trust inspect; if it is not, run it again"
	case refused != nil && refused.Code == "VERSION":
		return "run it again: somebody else has published in the meantime"
	case refused != nil:
		return "have the trust data looked at: notary list, or boltseal trust inspect, says whether they are sound"
	case errors.Is(err, ErrNotFound) && e.push:
		return "initialize the collection first (notary init), and check the address of the server"
	case errors.Is(err, ErrNotFound):
		return "check the names of the image and of the server: it has no such trust data; servers also hide private collections this way, so log in if it is one: docker login " + server
	case errors.Is(err, ErrDenied) && e.push:
		return "log in with an account that may publish trust data there: docker login " + server
	case errors.Is(err, ErrDenied):
		return "log in with an account that may read trust data there: docker login " + server
	case errors.Is(err, ErrTooLarge) && e.push:
		return "publish less at a time"
	case errors.Is(err, ErrTooLarge):
		return "ask the server directly, without a mirror or proxy in between, and report it to its owner"
	case errors.Is(err, ErrMalformed):
		return "check the names of the image and of the server"
	}
	return otherwise(server, e)
}
