package notation

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/notaryproject/notation-go/verifier/trustpolicy"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/spelling"
	"github.com/boltseal/boltseal/internal/strictjson"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/certfile"
)

const (
	// maxTrustPolicy bounds a trust policy, in bytes.
	maxTrustPolicy = 1 << 20
	// maxStatements bounds its statements, and maxNames the scopes, the trust
	// stores and the identities of all of them: notation-go compares identities in
	// pairs and makes two regular expressions for each scope.
	maxStatements = 256
	maxNames      = 2048
	// maxName bounds a text other than an identity, in bytes.
	maxName = 512
)

// A Level is the verification level of a trust policy statement; "" is
// LevelStrict.
type Level string

// The Levels (Notary Project, trust-store-trust-policy.md, "Signature
// Verification Details"). Only what LevelStrict enforces is ever verified.
const (
	LevelStrict     Level = "strict"
	LevelPermissive Level = "permissive"
	LevelAudit      Level = "audit"
	LevelSkip       Level = "skip"
)

// A TrustPolicy is Notation's trustpolicy.json, with the trust stores that it
// names. The zero TrustPolicy speaks of no image.
type TrustPolicy struct {
	exact    map[string]Config // by repository, as canonical writes it
	wildcard *Config           // of the scope "*"; nil for none
}

// known are the names of a trust policy document.
func known() strictjson.Tree {
	return strictjson.Tree{
		"version": nil,
		"trustPolicies": {
			"name": nil, "registryScopes": nil, "trustStores": nil, "trustedIdentities": nil,
			"signatureVerification": {
				"level": nil, "verifyTimestamp": nil,
				"override": {"authenticity": nil, "authenticTimestamp": nil, "expiry": nil, "revocation": nil, "integrity": nil},
			},
		},
	}
}

// ReadTrustPolicy reads a trustpolicy.json of at most 1 MiB (Notary Project,
// trust-store-trust-policy.md, "OCI Trust Policy"). It takes what notation-go
// takes, and refuses what that overlooks: names that are not known or stand
// twice, whatever follows the document, identities that would match what is
// missing, and scopes of one repository in two spellings.
//
// Every trust store that it names is read from stores, the directory that has
// x509/TYPE/NAME/FILE, or truststore/x509/…, or TYPE/NAME/FILE in it; nil is for
// no directory. Files and links that notation-go refuses are refused, for which
// stores has to be an [fs.ReadLinkFS], as those of os.Root and os.DirFS are. name
// is that of the file. The error is a [*verify.Error].
func ReadTrustPolicy(name string, body []byte, stores fs.FS) (*TrustPolicy, error) {
	doc, err := readDocument(body)
	if err == nil {
		err = checkDocument(doc)
	}
	var p *TrustPolicy
	if err == nil {
		p, err = newTrustPolicy(name, doc, stores)
	}
	if err != nil {
		return nil, &verify.Error{Op: "read trust policy " + name, Hint: verify.Hint(err), Err: verify.Cause(err)}
	}
	return p, nil
}

// refused is a reason to refuse a trust policy. What was being done is added by
// ReadTrustPolicy.
func refused(next, format string, args ...any) error {
	return &verify.Error{Op: "read trust policy", Hint: next, Err: fmt.Errorf(format, args...)}
}

func readDocument(body []byte) (*trustpolicy.Document, error) {
	switch {
	case len(body) > maxTrustPolicy:
		return nil, refused("give Notation's trustpolicy.json", "it is larger than %d bytes", maxTrustPolicy)
	case len(bytes.TrimSpace(body)) == 0:
		return nil, refused("give Notation's trustpolicy.json", "it is empty")
	case !utf8.Valid(body):
		return nil, refused("save it as UTF-8", "it is no UTF-8")
	}
	at := func(offset int) string {
		before := body[:min(offset, len(body))]
		return fmt.Sprintf("line %d, column %d", 1+bytes.Count(before, []byte("\n")), len(before)-bytes.LastIndexByte(before, '\n'))
	}
	if err := (strictjson.Shape{Only: known()}).Check(body); err != nil {
		e := (*strictjson.Error)(nil)
		switch {
		case !errors.As(err, &e):
			return nil, refused("correct it there", "%w", err)
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return nil, refused("copy it again, whole", "%s: it ends too early", at(e.Offset))
		}
		next := "correct it there"
		switch near := spelling.Nearest(e.Name, e.Known); {
		case e.Name != "" && near != "":
			next = "write " + near
		case e.Name != "":
			next = "leave it out: only " + strings.Join(e.Known, ", ") + " may stand there"
		}
		return nil, refused(next, "%s: %w", at(e.Offset), err)
	}
	doc := &trustpolicy.Document{}
	if err := json.Unmarshal(body, doc); err != nil {
		if e := (*json.UnmarshalTypeError)(nil); errors.As(err, &e) {
			return nil, refused("write it as Notation's documentation has it", "%s: %s: there cannot be a %.40s here", at(int(e.Offset)), cmp.Or(e.Field, "the document"), e.Value)
		}
		return nil, refused("write it as Notation's documentation has it", "%w", err)
	}
	return doc, nil
}

// checkDocument holds doc to its bounds, and then to notation-go's rules.
func checkDocument(doc *trustpolicy.Document) error {
	if len(doc.Version) > maxName {
		return refused("write 1.0", "its version is %s", quoted(doc.Version))
	}
	var scopes, stores, identities int
	for _, s := range doc.TrustPolicies {
		scopes, stores, identities = scopes+len(s.RegistryScopes), stores+len(s.TrustStores), identities+len(s.TrustedIdentities)
		if len(s.TrustedIdentities) > maxIdentities {
			return refused("write fewer, or a statement more", "statement %s has more than %d identities", quoted(s.Name), maxIdentities)
		}
		v := s.SignatureVerification
		texts := slices.Concat([]string{s.Name, v.VerificationLevel, string(v.VerifyTimestamp)}, s.RegistryScopes, s.TrustStores)
		for _, action := range v.Override {
			texts = append(texts, string(action))
		}
		long := func(bound int) func(string) bool { return func(text string) bool { return len(text) > bound } }
		if slices.ContainsFunc(texts, long(maxName)) || slices.ContainsFunc(s.TrustedIdentities, long(maxIdentity)) {
			return refused("write less", "statement %s has a text of more than %d bytes, or an identity of more than %d", quoted(s.Name), maxName, maxIdentity)
		}
	}
	if len(doc.TrustPolicies) > maxStatements || max(scopes, stores, identities) > maxNames {
		return refused("split it", "it has more than %d statements, or more than %d scopes, trust stores or identities", maxStatements, maxNames)
	}
	if err := doc.Validate(); err != nil {
		return refused(unversioned(doc), "%w", err)
	}
	return nil
}

// unversioned is the next step for a document that notation-go refuses. Most often
// a scope has a tag or a digest.
func unversioned(doc *trustpolicy.Document) string {
	for _, s := range doc.TrustPolicies {
		for _, scope := range s.RegistryScopes {
			if ref, err := image.Parse(scope); err == nil && (ref.Tag() != "" || ref.Digest() != "") && strings.HasPrefix(scope, ref.Name()) {
				return "write " + quoted(ref.Name()) + ", a repository without a tag, among the registryScopes of " + quoted(s.Name)
			}
		}
	}
	return "correct it as https://github.com/notaryproject/specifications/blob/main/specs/trust-store-trust-policy.md says"
}

func newTrustPolicy(name string, doc *trustpolicy.Document, root fs.FS) (*TrustPolicy, error) {
	p := &TrustPolicy{exact: map[string]Config{}}
	var stores *directory
	for _, s := range doc.TrustPolicies {
		if len(s.TrustStores) > 0 && stores == nil {
			if root == nil {
				return nil, refused("give the directory of the trust stores with --notation-trust-store: Notation keeps it beside the file, which is "+quoted(filepath.Dir(name)), "statement %s: trust store %s: no directory of trust stores is given", quoted(s.Name), quoted(s.TrustStores[0]))
			}
			var err error
			if stores, err = openStores(root); err != nil {
				return nil, refused(verify.Hint(err), "statement %s: trust store %s: %w", quoted(s.Name), quoted(s.TrustStores[0]), verify.Cause(err))
			}
		}
		c, err := statementConfig(s, stores)
		if err != nil {
			return nil, refused(verify.Hint(err), "statement %s: %w", quoted(s.Name), verify.Cause(err))
		}
		for _, scope := range s.RegistryScopes {
			if scope == anybody {
				p.wildcard = &c
				continue
			}
			repository := canonical(scope)
			if other, twice := p.exact[repository]; twice && other.Statement != c.Statement {
				return nil, refused("leave one of them out", "statements %s and %s both speak of %s", quoted(other.Statement), quoted(c.Statement), quoted(repository))
			}
			p.exact[repository] = c
		}
	}
	return p, nil
}

// statementConfig returns what a sound statement asks for.
func statementConfig(s trustpolicy.TrustPolicy, stores *directory) (Config, error) {
	c := Config{Statement: s.Name, Level: Level(s.SignatureVerification.VerificationLevel), Timestamp: Always, Revocation: Strict}
	if s.SignatureVerification.VerifyTimestamp == trustpolicy.OptionAfterCertExpiry {
		c.Timestamp = AfterExpiry
	}
	for what, action := range s.SignatureVerification.Override {
		if c.Override == nil {
			c.Override = map[string]string{}
		}
		c.Override[string(what)] = string(action)
	}
	for _, named := range s.TrustStores {
		certs, err := stores.store(named)
		if err != nil {
			return Config{}, refused(verify.Hint(err), "trust store %s: %w", quoted(named), verify.Cause(err))
		}
		switch kind, _, _ := strings.Cut(named, ":"); kind {
		case storeCA:
			c.Certificates = certfile.Union(c.Certificates, certs)
		case storeSigningAuthority:
			c.SigningAuthority = certfile.Union(c.SigningAuthority, certs)
		case storeTSA:
			c.TSA = certfile.Union(c.TSA, certs)
		default:
			return Config{}, refused("", "trust store %s: its type is not known", quoted(named))
		}
	}
	for _, text := range s.TrustedIdentities {
		id, err := documentIdentity(text)
		if err != nil {
			return Config{}, refused("write it as x509.subject: C=US, ST=WA, O=Acme, CN=release", "identity %s: %w", quoted(text), err)
		}
		c.Identities = append(c.Identities, id)
	}
	if _, next, err := checkIdentities(c.Identities); err != nil {
		return Config{}, refused(next, "%w", err)
	}
	return c, nil
}

// For returns what the statement asks for that speaks of ref, and whether there
// is one: that with exactly its repository among its registryScopes, else that
// with "*" (Notary Project, trust-store-trust-policy.md, "Selecting a Trust Policy
// Based on Artifact URI"). Docker Hub may be written in all its spellings. A
// statement of the level skip gives a Config without anybody to trust.
func (p *TrustPolicy) For(ref image.Ref) (Config, bool) {
	if p == nil || ref.Repository() == "" {
		return Config{}, false
	}
	c, ok := p.exact[canonical(ref.Name())]
	if !ok && p.wildcard != nil {
		c, ok = *p.wildcard, true
	}
	return c.clone(), ok
}

// clone returns a copy that shares no list with c.
func (c Config) clone() Config {
	c.Certificates, c.SigningAuthority, c.TSA = slices.Clone(c.Certificates), slices.Clone(c.SigningAuthority), slices.Clone(c.TSA)
	c.Identities, c.Platforms = slices.Clone(c.Identities), slices.Clone(c.Platforms)
	c.Metadata, c.Override = maps.Clone(c.Metadata), maps.Clone(c.Override)
	return c
}

// canonical returns the one spelling of a repository, HOST/PATH: hosts have no
// case, and Docker Hub has three names and images without a namespace.
func canonical(repository string) string {
	host, repo, _ := strings.Cut(repository, "/")
	host = strings.ToLower(host)
	switch host {
	case "index.docker.io", "registry-1.docker.io":
		host = "docker.io"
	}
	if host == "docker.io" && !strings.Contains(repo, "/") {
		repo = "library/" + repo
	}
	return host + "/" + repo
}
