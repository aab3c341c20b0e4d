package certfile

import (
	"cmp"
	"crypto/x509"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

// A List is a key of a policy file under which certificates stand: names of
// files, or the certificates themselves.
type List struct {
	Key   string
	Texts []yamlshape.Text
	// Parse returns the certificates of a text, as [Read] does. name says where it
	// came from.
	Parse func(name string, text []byte) ([]*x509.Certificate, error)
}

// Inline are the certificates of those texts of a policy that are no names of
// files, by their places in it.
type Inline map[image.Position][]*x509.Certificate

// IsPEM reports whether a text of a policy is the key or certificate itself.
func IsPEM(t yamlshape.Text) bool { return strings.Contains(t.Value, "-----BEGIN ") }

// IsAddress reports whether a text of a policy is an address, which nobody reads.
// The fault says why.
func IsAddress(key string, t yamlshape.Text) (*yamlshape.Fault, bool) {
	if !strings.Contains(t.Value, "://") {
		return nil, false
	}
	return yamlshape.Faultf(t.At, "download it once, see that it is the right one, and keep it with the policy",
		"%s: %s is an address: whoever answers there would decide whom to trust", key, hostile.Quoted(t.Value)), true
}

// Check returns what is wrong with l, and adds to inline. It reads no files.
func (l List) Check(inline Inline) []*yamlshape.Fault {
	var faults []*yamlshape.Fault
	fault := func(t yamlshape.Text, next, format string, args ...any) {
		faults = append(faults, yamlshape.Faultf(t.At, next, l.Key+": "+format, args...))
	}
	seen := map[string]bool{}
	for _, t := range l.Texts {
		address, is := IsAddress(l.Key, t)
		switch {
		case seen[t.Value]:
			fault(t, "leave one of them out", "the same certificate stands twice")
		case IsPEM(t):
			certs, err := l.Parse("the text", []byte(t.Value))
			if err != nil {
				fault(t, verify.Hint(err), "%w", verify.Cause(err))
				continue
			}
			inline[t.At] = certs
		case is:
			faults = append(faults, address)
		case strings.ContainsAny(t.Value, "\n\r"):
			fault(t, "write the name of a file, or the PEM text with its BEGIN and END lines", "this is neither")
		}
		seen[t.Value] = true
	}
	return faults
}

// Certificates returns those of l, each once: of files by readFile, and of other
// texts as Check has found them. The error is a [*yamlshape.Fault].
func (l List) Certificates(inline Inline, readFile func(yamlshape.Text) ([]byte, error)) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for _, t := range l.Texts {
		certs, ok := inline[t.At]
		if !ok {
			body, err := ReadFile(l.Key, t, "give the certificate, as PEM or DER, in a file beside the policy", readFile)
			if err != nil {
				return nil, err
			}
			if certs, err = l.Parse(hostile.Quoted(t.Value), body); err != nil {
				return nil, yamlshape.Faultf(t.At, verify.Hint(err), "%s: %w", l.Key, err)
			}
		}
		all = Union(all, certs)
	}
	return all, nil
}

// ReadFile returns the content of the file that a text under key names. The error
// is a [*yamlshape.Fault], which suggests what the cause does, or else next.
func ReadFile(key string, t yamlshape.Text, next string, readFile func(yamlshape.Text) ([]byte, error)) ([]byte, error) {
	body, err := readFile(t)
	if err != nil {
		return nil, yamlshape.Faultf(t.At, cmp.Or(verify.Hint(err), next), "%s: %w", key, err)
	}
	return body, nil
}

// Union returns certs and those of more that are not among them.
func Union(certs, more []*x509.Certificate) []*x509.Certificate {
	for _, m := range more {
		if !slices.ContainsFunc(certs, m.Equal) {
			certs = append(certs, m)
		}
	}
	return certs
}
