package sigstore

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
)

// A Rules value says what a signature of one Sigstore instance must carry
// besides itself. It belongs to the instance, never to the signature: what a
// signature lacks must not lower what is asked of it.
type Rules struct {
	log       bool // an entry in a transparency log
	sct       bool // a certificate timestamp
	timestamp bool // an RFC 3161 timestamp, and no other source of time
}

// PublicRules are those of the public-good instance and of private ones built
// like it: a log entry, a time that the log (Rekor v1) or a time authority
// (Rekor v2) vouches for, and a certificate timestamp.
func PublicRules() Rules { return Rules{log: true, sct: true} }

// GitHubRules are those of GitHub's own instance, which keeps private
// repositories out of public logs: a timestamp of its time authority instead.
func GitHubRules() Rules { return Rules{timestamp: true} }

// options are those of a verifier that wants entries of so many logs, where it wants
// any.
func (r Rules) options(logs int) []verify.VerifierOption {
	var opts []verify.VerifierOption
	if r.log {
		opts = append(opts, verify.WithTransparencyLog(logs))
	}
	if r.sct {
		opts = append(opts, verify.WithSignedCertificateTimestamps(1))
	}
	if r.timestamp {
		opts = append(opts, verify.WithSignedTimestamps(1))
	} else {
		opts = append(opts, verify.WithObserverTimestamps(1))
	}
	return append(opts, verify.WithoutStatementPredicate()) // an SBOM would be copied for nothing
}

// A Trust is the keys and certificate authorities of a Sigstore instance, and
// its Rules. The material may take a while to come; it is fetched once.
type Trust struct {
	rules Rules
	load  func(context.Context) (root.TrustedMaterial, string, error)
	// target fetches another file of the TUF repository, once the material is
	// ready; nil where there is no repository.
	target func(context.Context, string) ([]byte, error)

	once     sync.Once
	ready    chan struct{}
	material root.TrustedMaterial
	warning  string
	err      error
}

func newTrust(rules Rules, load func(context.Context) (root.TrustedMaterial, string, error)) *Trust {
	return &Trust{rules: rules, load: load, ready: make(chan struct{})}
}

// maxTrustedRoot bounds a trusted root file, in bytes.
const maxTrustedRoot = 4 << 20

// TrustFile returns the Trust of a trusted_root.json file. The file is read at
// once, so that a wrong one is an error before anything is asked.
func TrustFile(path string, rules Rules) (*Trust, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxTrustedRoot {
		return nil, fmt.Errorf("%s: %d bytes is too large for a trusted root", path, info.Size())
	}
	body, err := os.ReadFile(path) //nolint:gosec // the user names it
	if err != nil {
		return nil, err
	}
	return TrustJSON(body, rules)
}

// TrustJSON returns the Trust of the text of a trusted_root.json.
func TrustJSON(body []byte, rules Rules) (*Trust, error) {
	material, err := root.NewTrustedRootFromJSON(body)
	if err != nil {
		return nil, fmt.Errorf("not a Sigstore trusted root: %w", err)
	}
	warning := ""
	if !rules.log && len(material.RekorLogs())+len(material.CTLogs()) > 0 {
		warning = "the trust root lists transparency logs, which the rules of GitHub's own instance do not ask for; is it another instance's?"
	}
	return newTrust(rules, func(context.Context) (root.TrustedMaterial, string, error) { return material, warning, nil }), nil
}

// Start begins to fetch the material, beside whatever the caller does next.
func (t *Trust) Start(ctx context.Context) {
	t.once.Do(func() {
		go func() {
			defer close(t.ready)
			t.material, t.warning, t.err = t.load(ctx)
		}()
	})
}

// wait returns the material, once it is there.
func (t *Trust) wait(ctx context.Context) (root.TrustedMaterial, error) {
	t.Start(ctx)
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-t.ready:
	}
	if t.err == nil && t.material == nil {
		return nil, fmt.Errorf("no trust root")
	}
	return t.material, t.err
}

// Warning returns what users should know of how the material was obtained, ""
// if nothing or if it has not been waited for.
func (t *Trust) Warning() string {
	select {
	case <-t.ready:
		return t.warning
	default:
		return ""
	}
}
