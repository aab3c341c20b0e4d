package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"sync"
)

const (
	// MaxTrustData bounds a file of trust data, in bytes, and what is published at
	// once. Those of large collections reach some MiB.
	MaxTrustData = 32 << 20

	maxGUN       = 255 // bytes, as notary-server stores them
	maxTrustFile = 400 // bytes: a role has at most 255, a digest 64
)

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
