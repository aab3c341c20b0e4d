package report_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/golden"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
)

// Who signs in the tests, unless a test says otherwise.
const (
	signer   = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main"
	issuer   = "https://token.actions.githubusercontent.com"
	signType = "https://sigstore.dev/cosign/sign/v1"
	slsaType = "https://slsa.dev/provenance/v1"
	required = "signature by " + signer + " (issuer " + issuer + ")"
)

const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
)

func digest(hex string) string { return "sha256:" + strings.Repeat(hex, 64/len(hex)) }

// A subject is one image of a run: what the registry and the verifiers say of it.
type subject struct {
	use     image.Use
	pinned  func(image.Pinned) image.Pinned // nil: as it was resolved
	digest  string                          // "": of the reference
	missing error                           // of Resolve
	checks  []check                         // none: no rule speaks of it
	rule    gate.Rule
	exempt  *gate.Exemption
	norule  error // why there is none
}

// A check is a Verifier.
type check func(image.Pinned) verify.Verdict

func (c check) Verify(_ context.Context, img image.Pinned) verify.Verdict { return c(img) }

func ref(text string) image.Use {
	r, err := image.Parse(text)
	if err != nil {
		panic(err)
	}
	return image.Use{Text: text, Ref: r}
}

// A fake is what gate.Check asks.
type fake map[image.Ref]subject

func (f fake) For(u image.Use) gate.Terms {
	terms := gate.Terms{Rule: f[u.Ref].rule, Exempt: f[u.Ref].exempt, Err: f[u.Ref].norule}
	for _, c := range f[u.Ref].checks {
		terms.Require = append(terms.Require, c)
	}
	return terms
}

func (f fake) Resolve(_ context.Context, r image.Ref) (image.Pinned, error) {
	s := f[r]
	if s.missing != nil {
		return image.Pinned{}, s.missing
	}
	d := s.digest
	if d == "" {
		d = r.Digest()
	}
	img, err := r.Pin(d)
	if err != nil || s.pinned == nil {
		return img, err
	}
	return s.pinned(img), nil
}

// Errors of Resolve.
var (
	errNotFound = errors.New("registry answered 404 Not Found (MANIFEST_UNKNOWN: manifest unknown)")
	errDenied   = errors.New("registry answered 401 Unauthorized")
	errAnswer   = errors.New("registry answered 503 Service Unavailable")
)

func reasonOf(err error) verify.Reason {
	switch {
	case errors.Is(err, errNotFound):
		return verify.NotFound
	case errors.Is(err, errDenied):
		return verify.Denied
	}
	return verify.Unavailable
}

// A clock goes on 7 ms each time it is read.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(7 * time.Millisecond)
	return c.at
}

func gateReport(ctx context.Context, subjects []subject) gate.Report {
	f := fake{}
	var uses []image.Use
	for _, s := range subjects {
		uses = append(uses, s.use)
		if !s.use.Ref.IsZero() {
			f[s.use.Ref] = s
		}
	}
	c := clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("", 3600))}
	// One at a time, so that the clock is read in one order.
	return gate.Check(ctx, uses, f, f, gate.Options{
		Jobs: 1, Now: c.now, Reason: reasonOf,
		Meter: func(ctx context.Context) gate.Meter {
			return gate.Meter{Context: ctx, Requests: func() int { return 5 }}
		},
	})
}

// evidence is that of a signature in cosign's older format, changed by change.
func evidence(img image.Pinned, change ...func(*verify.Evidence)) verify.Evidence {
	index := int64(1234567)
	ev := verify.Evidence{
		System: "sigstore", Format: "cosign-legacy", Storage: "sig-tag",
		Source: img.Ref().Name() + ":" + strings.Replace(img.Digest(), ":", "-", 1) + ".sig",
		Digest: img.Digest(), Signed: verify.SignedImage, Signer: signer, Issuer: issuer,
		Claims:   map[string]string{"github-workflow-repository": "acme/app", "github-workflow-ref": "refs/heads/main", "runner-environment": "github-hosted"},
		LogIndex: &index, SignedAt: time.Date(2026, 3, 1, 9, 30, 0, 0, time.FixedZone("", -3600)), SignedReference: img.Ref().Name(),
	}
	for _, c := range change {
		c(&ev)
	}
	return ev
}

func bundled(ev *verify.Evidence) {
	ev.Format, ev.Storage, ev.PredicateType, ev.SignedReference = "bundle-v0.3", "referrer", signType, ""
	ev.Source = strings.SplitN(ev.Source, ":", 2)[0] + "@" + digest("f")
}

func attested(ev *verify.Evidence) { bundled(ev); ev.PredicateType = slsaType }

// enveloped makes it a Notation signature.
func enveloped(ev *verify.Evidence) {
	bundled(ev)
	ev.System, ev.Format, ev.PredicateType, ev.LogIndex, ev.SignedAt = "notation", "notation-jws", "", nil, time.Time{}
	ev.Signer, ev.Issuer = "x509.subject: CN=release,O=Acme,ST=WA,C=US", "CN=Acme Root,O=Acme,ST=WA,C=US"
	ev.Claims = map[string]string{
		"certificate": strings.Repeat("c1", 32), "root": strings.Repeat("ab", 32), "scheme": "notary.x509", "revocation": "none named", "metadata.build": "1234",
	}
}

// otherRoot refuses a Notation signature whose certificate leads to a root that
// is not trusted.
func otherRoot(img image.Pinned) verify.Verdict {
	const isRoot, wanted = "CN=Acme Root,O=Acme,ST=WA,C=US (SHA-256 cdcd)", "CN=Acme Root,O=Acme,ST=WA,C=US (SHA-256 abab)"
	why := errors.New("the certificate leads to " + isRoot + ", expected " + wanted)
	c := found(evidence(img, enveloped))
	c.System, c.Reason, c.Err, c.Differs = "notation", verify.WrongSigner, why, &verify.Difference{What: "root", Found: isRoot, Expected: wanted}
	expired := verify.Candidate{System: "notation", Format: "notation-cose", Storage: "referrer", Source: c.Source, Reason: verify.Expired, Err: errors.New("the signature expired on 2026-01-01")}
	return verify.Fail(img, verify.WrongSigner, &verify.Error{Op: "verify " + img.String(), Err: why, Hint: "look who that is"}).
		With([]verify.Candidate{expired, c}).For("Notation signature by x509.subject: C=US, ST=WA, O=Acme under 1 certificate")
}

func keyed(ev *verify.Evidence) {
	ev.Signer, ev.Issuer, ev.Claims = "key "+digest("5"), "", nil
	ev.LogIndex, ev.SignedAt = nil, time.Time{}
}

// found is the Candidate that ev was made from.
func found(ev verify.Evidence) verify.Candidate {
	return verify.Candidate{
		Format: ev.Format, Storage: ev.Storage, Source: ev.Source, Reason: verify.Verified, Signed: ev.Signed,
		Platform: ev.Platform, Signer: ev.Signer, Issuer: ev.Issuer, PredicateType: ev.PredicateType, Claims: ev.Claims, SignedAt: ev.SignedAt,
	}
}

// inPolicy is a place in the policy.
func inPolicy(line int) image.Position {
	return image.Position{File: ".boltseal.yaml", Line: line, Col: 5}
}

// acme is the rule that most tests choose.
var acme = gate.Rule{
	Name: "ghcr.io/acme/**", Origin: "policy", At: inPolicy(4),
	Why: "its pattern ghcr.io/acme/** is the most specific of 2 that match (ghcr.io/**, at .boltseal.yaml:9:5)",
}

// let returns the image as one that nobody has to sign.
func let(text, hex string, e gate.Exemption) subject {
	s := tagged(text, hex)
	s.exempt, s.rule = &e, acme
	return s
}

// excepted lets images through until the end of 2026-03-31.
func excepted(reason string) gate.Exemption {
	return gate.Exemption{Until: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC), Owner: "platform", Reason: reason, At: inPolicy(20)}
}

// neverSigned lets images through whose publisher does not sign.
func neverSigned(reason string) gate.Exemption {
	return gate.Exemption{Unsigned: true, Reason: reason, At: inPolicy(16)}
}

// near refuses an image whose signature differs in one value from what was
// expected, with others before it.
func near(d verify.Difference, accept *verify.Acceptance, before ...verify.Reason) check {
	return func(img image.Pinned) verify.Verdict {
		why := fmt.Errorf("%s is %q, expected %q", d.What, d.Found, d.Expected)
		v := fail(verify.WrongSigner, "it does not hold", "look who that is", before...)(img)
		c := found(evidence(img, bundled))
		c.Reason, c.Err, c.Differs, c.Accept = verify.WrongSigner, why, &d, accept
		switch d.What {
		case "identity":
			c.Signer = d.Found
		case "issuer":
			c.Issuer = d.Found
		}
		return verify.Fail(img, verify.WrongSigner, &verify.Error{Op: "verify " + img.String(), Err: why, Hint: "look who that is"}).With(append(v.Candidates(), c)).For(required)
	}
}

// accepting is what would accept a workflow, in both ways.
func accepting(subject string, change ...func(*verify.Acceptance)) *verify.Acceptance {
	line := fmt.Sprintf("{issuer: %q, subject: %q}", issuer, subject)
	a := &verify.Acceptance{List: "identities", Line: line, Alone: "{sigstore: {identities: [" + line + "]}}", OfRule: required}
	for _, c := range change {
		c(a)
	}
	return a
}

// with returns s with the rule that was chosen for it.
func (s subject) with(r gate.Rule) subject {
	s.rule = r
	return s
}

func pass(change ...func(*verify.Evidence)) check {
	return func(img image.Pinned) verify.Verdict {
		ev := evidence(img, change...)
		return verify.Pass(img, ev).With([]verify.Candidate{found(ev)}).For(required)
	}
}

// fail refuses the image, and each candidate for its own Reason.
func fail(r verify.Reason, why, hint string, refused ...verify.Reason) check {
	return func(img image.Pinned) verify.Verdict {
		var all []verify.Candidate
		for _, r := range refused {
			c := found(evidence(img, bundled))
			c.Reason, c.Err = r, errors.New(why)
			if r == verify.WrongSigner {
				c.Signer, c.Issuer = "somebody@example.com", "https://accounts.google.com"
			}
			if r != verify.WrongSigner && r != verify.WrongType {
				c.Signer, c.Issuer, c.PredicateType, c.Claims, c.SignedAt = "", "", "", nil, time.Time{}
			}
			all = append(all, c)
		}
		return verify.Fail(img, r, &verify.Error{Op: "verify " + img.String(), Err: errors.New(why), Hint: hint}).With(all).For(required)
	}
}

func tagged(text, hex string, checks ...check) subject {
	return subject{use: ref(text), digest: digest(hex), checks: checks, pinned: func(p image.Pinned) image.Pinned { return p.Described(manifestType, nil) }}
}

var platforms = []image.Child{
	{Digest: digest("1"), MediaType: manifestType, Platform: "linux/amd64"},
	{Digest: digest("2"), MediaType: manifestType, Platform: "linux/arm64/v8"},
	{Digest: digest("3"), MediaType: manifestType, Attests: digest("1")},
	{Digest: digest("4"), MediaType: manifestType, Attests: digest("2")},
}

func indexed(p image.Pinned) image.Pinned { return p.Described(indexType, platforms) }

// each passes an index by its platforms, on themselves or on their attestation
// manifests.
func each(on string) check {
	return func(img image.Pinned) verify.Verdict {
		var all []verify.Evidence
		var candidates []verify.Candidate
		for i, p := range platforms[:2] {
			ev := evidence(img, bundled, func(ev *verify.Evidence) { ev.Signed, ev.Platform, ev.Digest = on, p.Platform, p.Digest })
			if on == verify.SignedAttestation {
				ev.Digest, ev.Covers = platforms[i+2].Digest, p.Digest
			}
			all, candidates = append(all, ev), append(candidates, found(ev))
		}
		return verify.PassPlatforms(img, platforms[:2], all).With(candidates).For(required)
	}
}

// A run is one report and how it is written.
type run struct {
	name     string
	subjects []subject
	ended    bool // the context
	text     report.TextOptions
	warnings []report.Warning
	mode     string // "" is enforce
}

func runs() []run {
	unsigned := tagged("ghcr.io/acme/unsigned:v1", "b",
		fail(verify.Unsigned, "there are none: no signature tag, no referrer, no fallback tag", "sign the image, use a signed one, or say where its signatures lie with --signature-repository"))
	many := make([]verify.Reason, 13)
	for i := range many {
		many[i] = verify.BadSignature
	}
	many[3] = verify.WrongSigner
	return []run{
		{
			name: "passed",
			subjects: []subject{
				tagged("ghcr.io/acme/app:v1", "a", pass()),
				{use: ref("ghcr.io/acme/base@" + digest("b")), checks: []check{pass(bundled)}},
				tagged("alpine", "c", pass(keyed)),
				tagged("ghcr.io/acme/both:v1", "d", pass(bundled), pass(attested)),
				tagged("ghcr.io/acme/app:v1", "a", pass()), // again
			},
			text: report.TextOptions{Timings: true},
		},
		{
			name: "example", // in docs/json.md
			subjects: []subject{
				tagged("ghcr.io/acme/app:v1", "a", pass(bundled)),
				tagged("ghcr.io/acme/base:v3", "b", fail(verify.WrongSigner, `identity is "somebody@example.com", expected "`+signer+`"`,
					"if this signer is the right one, change the expected identity, issuer or key to what was found; if not, do not build from this image", verify.WrongSigner)),
			},
		},
		{
			name: "reasons",
			subjects: []subject{
				tagged("ghcr.io/acme/app:v1", "a", pass()),
				unsigned,
				tagged("ghcr.io/acme/stranger:v1", "c", fail(verify.WrongSigner, `identity is "somebody@example.com", expected "`+signer+`"`, "if this signer is the right one, change the expected identity, issuer or key to what was found; if not, do not build from this image", verify.BadSignature, verify.WrongSigner)),
				tagged("ghcr.io/acme/tampered:v1", "d", fail(verify.BadSignature, "the signature is for "+digest("e"), "do not build from this image", verify.BadSignature)),
				tagged("ghcr.io/acme/attested:v1", "e", pass(bundled), fail(verify.WrongType, "it is a signature, not an attestation of type "+slsaType, "attest the image with this predicate type, or require the type that was found", verify.WrongType)),
				tagged("ghcr.io/acme/late:v1", "f", fail(verify.Expired, "signed at 2026-03-01T15:00:00Z, but the certificate is valid from 2026-03-01T11:59:00Z to 2026-03-01T12:09:00Z", "sign the image again: the certificate had expired before the signature was logged", verify.Expired)),
				tagged("ghcr.io/acme/revoked:v1", "a1", fail(verify.Revoked, "the certificate was withdrawn", "")),
				{use: ref("ghcr.io/acme/unknown:v1")},
				{use: image.Use{Text: "alpine:${TAG}", Err: errors.New("TAG has no value")}},
				{use: ref("ghcr.io/acme/missing:v1"), checks: []check{pass()}, missing: errNotFound},
				{use: ref("ghcr.io/acme/private:v1"), checks: []check{pass()}, missing: &verify.Error{Op: "resolve ghcr.io/acme/private:v1", Err: errDenied, Hint: "give the job `packages: read` and set GITHUB_TOKEN, or log in to ghcr.io before this step"}},
				{use: ref("ghcr.io/acme/down:v1"), checks: []check{pass()}, missing: errAnswer},
				tagged("ghcr.io/acme/future:v1", "a2", fail(verify.Unsupported, "read bundle: unsupported media type", "use a newer boltseal, or sign in a format it knows (docs/formats.md)", verify.Unsupported)),
			},
		},
		{
			name: "places",
			subjects: []subject{
				tagged("ghcr.io/acme/app:v1", "a", pass(bundled)).at("Dockerfile", 1),
				unsigned.at("Dockerfile", 9),
				unsigned.at("deploy/compose.yml", 4),
				unsigned,
				tagged("ghcr.io/acme/app:v1", "a", pass(bundled)).at("deploy/compose.yml", 0),
				{use: image.Use{Text: "alpine:${TAG}", At: image.Position{File: "Dockerfile", Line: 12, Col: 8}, Kind: image.CopyFrom, Stage: "build", Err: errors.New("TAG has no value")}},
				{use: image.Use{At: image.Position{File: "bad.Dockerfile", Line: 2, Col: 1}, Kind: image.From, Err: errors.New("unknown instruction: FRMO")}},
			},
		},
		{
			name: "no-answer",
			subjects: []subject{
				tagged("ghcr.io/acme/app:v1", "a", pass()),
				{use: ref("ghcr.io/acme/private:v1"), checks: []check{pass()}, missing: errDenied},
			},
		},
		{
			name: "platforms",
			subjects: []subject{
				{use: ref("ghcr.io/acme/index:v1"), digest: digest("a"), pinned: indexed, checks: []check{pass()}},
				{use: ref("ghcr.io/acme/children:v1"), digest: digest("b"), pinned: indexed, checks: []check{each(verify.SignedPlatform)}},
				{use: ref("ghcr.io/acme/buildkit:v1"), digest: digest("c"), pinned: indexed, checks: []check{each(verify.SignedAttestation)}},
				{use: ref("ghcr.io/acme/half:v1"), digest: digest("d"), pinned: indexed, checks: []check{func(img image.Pinned) verify.Verdict {
					c := found(evidence(img, bundled))
					c.Signed, c.Platform = verify.SignedPlatform, "linux/amd64"
					return verify.Fail(img, verify.Unsigned, errors.New("platform linux/arm64/v8: there are none")).With([]verify.Candidate{c}).For(required)
				}}},
			},
		},
		{
			name: "exempt",
			subjects: []subject{
				tagged("ghcr.io/acme/app:v1", "a", pass()).with(acme),
				let("docker.io/library/alpine:3.22", "b", excepted("upstream is asked to sign")).at("Dockerfile", 3),
				let("docker.io/library/busybox@"+digest("c"), "c", neverSigned("upstream does not sign")),
			},
			text: report.TextOptions{Color: true},
		},
		{
			name: "reports", // in docs/reports.md
			subjects: []subject{
				tagged("ghcr.io/acme/app:v1", "a", pass(bundled)).with(acme).at("Dockerfile", 1),
				tagged("ghcr.io/acme/base:v3", "b", near(
					verify.Difference{What: "identity", Found: "https://github.com/acme/base/.github/workflows/build.yml@refs/heads/main", Expected: signer},
					accepting("https://github.com/acme/base/.github/workflows/build.yml@refs/heads/main"),
				)).with(acme).at("Dockerfile", 3),
				let("docker.io/library/alpine:3.22", "c", excepted("upstream is asked to sign")).at("Dockerfile", 9),
			},
		},
		{
			name:     "exempt-all",
			subjects: []subject{let("alpine", "b", excepted("upstream is asked to sign")), let("busybox", "c", excepted("the same"))},
		},
		{
			name: "exempt-closed",
			subjects: []subject{
				let("alpine", "b", excepted("upstream is asked to sign")), unsigned,
				let("busybox", "c", gate.Exemption{Unsigned: true, NeedDigest: true, Reason: "upstream does not sign", At: inPolicy(16)}),
				let("debian", "c", gate.Exemption{Until: time.Date(2026, 2, 1, 12, 30, 0, 0, time.UTC), Owner: "platform", Reason: "late"}),
			},
			warnings: []report.Warning{{At: inPolicy(20), Text: "the exception for docker.io/library/alpine:latest ends in 3 days; platform answers for it"}},
		},
		{
			name: "explained",
			subjects: []subject{
				tagged("ghcr.io/acme/base:v3", "a", near(
					verify.Difference{What: "identity", Found: "https://github.com/acme/base/.github/workflows/build.yml@refs/heads/main", Expected: "https://github.com/acme/*/.github/workflows/release.yml@refs/heads/main"},
					accepting("https://github.com/acme/base/.github/workflows/build.yml@refs/heads/main", func(a *verify.Acceptance) {
						a.Unwise, a.AsRule, a.InRule = "build.yml may run for pull requests", "2 signers are needed now", "not shown"
					}),
				)).with(acme).at("Dockerfile", 3),
				tagged("ghcr.io/acme/one:v3", "a", near(
					verify.Difference{What: "identity", Found: "https://github.com/acme/one/.github/workflows/build.yml@refs/tags/v1.5.0", Expected: "https://github.com/acme/*/.github/workflows/release.yml@refs/tags/v*"},
					accepting("https://github.com/acme/one/.github/workflows/build.yml@refs/tags/v1.5.0", func(a *verify.Acceptance) {
						a.Unwise, a.AsRule, a.InRule, a.At, a.Later = "build.yml may run for pull requests", "not shown", "it is shown", inPolicy(8), "@refs/tags/v* would accept the next ones, too"
					}),
				)).with(gate.Rule{Name: "ghcr.io/acme/one", Origin: "policy", At: inPolicy(4), Others: 1, Next: "set until anew in the exception at .boltseal.yaml:20:5"}),
				tagged("ghcr.io/acme/keyed:v3", "a", near(
					verify.Difference{What: "identity", Found: "key sha256:" + strings.Repeat("ab", 32), Expected: signer},
					&verify.Acceptance{List: "keys", Line: `{pem: "…", sha256: "…"}`, OfRule: required},
				)).with(gate.Rule{Name: "ghcr.io/acme/keyed:*", Origin: "policy", At: inPolicy(4)}),
				tagged("ghcr.io/acme/named:v3", "a", pass(func(ev *verify.Evidence) {
					ev.Signer, ev.Issuer, ev.Claims, ev.KeyName = "key sha256:"+strings.Repeat("ab", 32), "", nil, "Acme's \u202eteam\x1b[2K"
				})),
				tagged("ghcr.io/acme/look:v3", "b", near(
					verify.Difference{What: "source-repository-owner", Found: "https://github.com/\u0430cme", Expected: "https://github.com/acme"},
					&verify.Acceptance{List: "keys", Line: strings.Repeat("x", 3000)},
					verify.BadSignature, verify.Expired, verify.BadSignature, verify.BadSignature, verify.BadSignature, verify.BadSignature,
					verify.BadSignature, verify.BadSignature, verify.BadSignature, verify.BadSignature, verify.BadSignature,
				)).with(gate.Rule{Name: "**", Origin: "publisher acme", Why: "its pattern ** is the only one that matches", Notes: []string{"the exception at .boltseal.yaml:20:5 ended on 2026-01-31; platform answers for it"}}),
				tagged("ghcr.io/acme/claim:v3", "c", near(
					verify.Difference{What: "runner-environment", Expected: "github-hosted"},
					&verify.Acceptance{List: "claims", Line: `{runner-environment: "self-hosted"}`, Unwise: strings.Repeat("long ", 100)},
				)),
				tagged("ghcr.io/acme/lines:v3", "d", near(verify.Difference{What: "issuer", Found: "https://ci.acme.example/x", Expected: "https://*.example/y"}, nil)),
				{use: ref("ghcr.io/other/app:v1"), rule: gate.Rule{Notes: []string{"1", "2", "3", "4", "5", "6", "7"}}, norule: &verify.Error{Op: "choose", Err: errors.New("no pattern of .boltseal.yaml matches"), Hint: "add a rule with images: [ghcr.io/other/app]"}},
			},
		},
		{
			name:     "many",
			subjects: []subject{tagged("ghcr.io/acme/many:v1", "a", fail(verify.WrongSigner, "no match", "", many...))},
		},
		{
			name:     "interrupted",
			subjects: []subject{tagged("ghcr.io/acme/app:v1", "a", pass()), tagged("ghcr.io/acme/next:v1", "b", pass())},
			ended:    true,
		},
		{name: "empty"},
		{
			name:     "warn",
			subjects: []subject{unsigned},
			text:     report.TextOptions{Warn: true, Timings: true},
			mode:     "warn",
			warnings: []report.Warning{{Text: `identity pattern "https://github.com/acme/**" accepts any workflow of the repository`}, {At: image.Position{File: ".github/workflows/ci.yml", Line: 7, Col: 16}, Text: "node:${{ matrix.v }} is known only when the workflow runs; it is not verified"}},
		},
		{
			name:     "colour",
			subjects: []subject{tagged("ghcr.io/acme/app:v1", "a", pass()), unsigned},
			text:     report.TextOptions{Color: true},
		},
		{
			name:     "colour-passed",
			subjects: []subject{tagged("ghcr.io/acme/app:v1", "a", pass())},
			text:     report.TextOptions{Color: true},
		},
		{
			name: "notation",
			subjects: []subject{
				tagged("registry.acme.example/app:v1", "a", pass(enveloped)),
				tagged("registry.acme.example/stamped:v1", "b", pass(enveloped, func(ev *verify.Evidence) {
					ev.Format, ev.Storage, ev.SignedAt = "notation-cose", "fallback-tag", time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC)
					ev.Claims = map[string]string{"certificate": strings.Repeat("c1", 32), "root": strings.Repeat("ab", 32), "scheme": "notary.x509", "revocation": "checked", "expiry": "2027-03-01T10:30:00Z"}
					for i := range 10 {
						ev.Claims[fmt.Sprintf("metadata.io.acme.%d", i)] = "yes"
					}
				}), pass(bundled)),
				tagged("registry.acme.example/soft:v1", "c", pass(enveloped, func(ev *verify.Evidence) {
					ev.Claims = map[string]string{"root": strings.Repeat("ab", 32), "revocation": "no answer: http://ocsp.acme.example: connection refused"}
				})),
				tagged("registry.acme.example/off:v1", "d", pass(enveloped, func(ev *verify.Evidence) { ev.Claims = map[string]string{"revocation": "not checked"} })),
				tagged("registry.acme.example/other:v1", "e", otherRoot),
				tagged("registry.acme.example/hostile:v1", "e", pass(enveloped, func(ev *verify.Evidence) {
					ev.Signer, ev.Issuer = hostileText, hostileText
					ev.Claims = map[string]string{"root": hostileText, "expiry": hostileText, "revocation": hostileText, "metadata." + hostileText: hostileText}
				})),
			},
		},
		{name: "hostile", subjects: hostile(hostileText, verify.SignedImage, "referrer"), warnings: hostileWarnings(hostileText)},
	}
}

// hostileText is everything that text from outside may try.
const hostileText = "::set-output name=x::y\n::error::forged\nverified       ghcr.io/acme/app@sha256:00\r::add-mask::e" +
	"\r\n##[add-mask]e ##vso[task.setvariable variable=x]y ###[error] \x1b[2K\x1b[1A\x1b]8;;http://evil.example\a \x9b31m \u009b31m" +
	"\u202e gnp.exe \u2066\u200b\u200d\ufeff\u2028::stop-commands::x\u2029\u0085::debug::\x00\x7f\t\v\f \xff\xfe\xc3( \U000e0041 \ufffd %0A </script> | `x`"

// hostileWarnings has text in a warning about the run, and in one about a place.
func hostileWarnings(text string) []report.Warning {
	return []report.Warning{{Text: text}, {At: image.Position{File: text, Line: 3, Col: 1}, Text: text}}
}

// hostile puts text into every field that comes from outside.
func hostile(text, signed, storage string) []subject {
	everywhere := func(ev *verify.Evidence) {
		ev.System, ev.Format, ev.Storage, ev.Source, ev.Signed = text, text, storage, text, signed
		ev.Platform, ev.Covers, ev.Signer, ev.Issuer, ev.KeyName = text, text, text, text, text
		ev.PredicateType, ev.SignedReference, ev.Claims = text, text, map[string]string{text: text}
	}
	rule := gate.Rule{Name: text, Origin: text, At: image.Position{File: text, Line: 2, Col: 3}, Why: text, Notes: []string{text, text}, Next: text}
	return []subject{
		{use: image.Use{Text: text, Err: errors.New(text)}},
		let("ghcr.io/evil/exempt:v1", "c", gate.Exemption{Until: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), Owner: "x" + text, Reason: "x" + text, At: image.Position{File: text, Line: 4, Col: 5}}).with(rule),
		tagged("ghcr.io/evil/own:v1", "d", near(verify.Difference{What: text, Found: text, Expected: text + "x"}, &verify.Acceptance{List: text, Line: text, At: image.Position{File: text, Line: 3}, Unwise: text, Later: text})).with(rule),
		tagged("ghcr.io/evil/near:v1", "d", near(verify.Difference{What: text, Found: text, Expected: text + "x"}, &verify.Acceptance{List: text, Line: text, Alone: text, At: image.Position{File: text, Line: 3}, InRule: text, AsRule: text, OfRule: text, Unwise: text, Later: text})).with(rule),
		{use: ref("ghcr.io/evil/resolve:v1"), rule: rule, checks: []check{pass()}, missing: &verify.Error{Op: text, Err: errors.New(text), Hint: text}},
		{
			use: ref("ghcr.io/evil/passes:v1"), digest: digest("a"), checks: []check{pass(everywhere)},
			pinned: func(p image.Pinned) image.Pinned {
				return p.Described(text, []image.Child{{Digest: digest("b"), MediaType: text, Platform: text, Attests: text}})
			},
		},
		{use: ref("ghcr.io/evil/fails:v1"), digest: digest("a"), checks: []check{func(img image.Pinned) verify.Verdict {
			c := found(evidence(img, everywhere))
			c.Reason, c.Err = verify.WrongSigner, fmt.Errorf("%w\n%s", errors.Join(errors.New(text), errors.New(text)), text)
			none := verify.Candidate{Format: text, Storage: storage, Source: text, Reason: verify.BadSignature, Err: errors.New(text)}
			return verify.Fail(img, verify.WrongSigner, &verify.Error{Op: text, Err: c.Err, Hint: text}).With([]verify.Candidate{c, none}).For(text)
		}}},
	}
}

func (r run) report() gate.Report {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if r.ended {
		cancel()
	}
	return gateReport(ctx, r.subjects)
}

func (r run) write(t *testing.T) (text, json string) {
	t.Helper()
	rep := r.report()
	mode := r.mode
	if mode == "" {
		mode = "enforce"
	}
	var a, b bytes.Buffer
	if err := report.Text(&a, rep, r.text); err != nil {
		t.Fatal(err)
	}
	requests := 0
	for _, f := range rep.Findings() {
		requests += f.Requests
	}
	if err := report.JSON(&b, rep, report.Run{ToolVersion: "1.2.3", Mode: mode, Requests: requests, Warnings: r.warnings}); err != nil {
		t.Fatal(err)
	}
	return a.String(), b.String()
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, r := range runs() {
		t.Run(r.name, func(t *testing.T) {
			text, json := r.write(t)
			golden.Equal(t, filepath.Join("testdata", r.name+".txt"), text)
			golden.Equal(t, filepath.Join("testdata", r.name+".json"), json)
			again, jsonAgain := r.write(t)
			if again != text || jsonAgain != json {
				t.Error("the same report gave other bytes")
			}
			checkText(t, text, r.text)
			checkJSON(t, json)
		})
	}
}

// reasons are what may stand at the beginning of a line of text.
var reasons = []string{
	"undecided", "verified", "unsigned", "wrong-signer", "bad-signature", "wrong-type", "expired", "revoked",
	"no-rule", "unresolved", "not-found", "exempt", "denied", "unavailable", "unsupported",
}

// words are what may stand behind the spaces that other lines begin with.
var words = []string{
	"from", "digest", "used at", "signed by", "as", "with", "for", "expected", "because", "found", "next",
	"exempt", "owner", "reason", "by", "rule", "note", "differs", "is", "wanted", "to accept", "unwise", "later",
}

// marks is what stands below two values that differ, or is to be pasted.
var marks = regexp.MustCompile(`^ {25,}\^+$|^ {25}(- .*|(claims|keys|identities): .*|what is too long to be shown here.*)$`)

// begins reports whether line begins as only the writer lets it.
func begins(line string) bool {
	for _, r := range reasons {
		if strings.HasPrefix(line, fmt.Sprintf("%-14s ", r)) {
			return true
		}
	}
	for _, w := range words {
		if strings.HasPrefix(line, fmt.Sprintf("%15s%-9s ", "", w)) {
			return true
		}
	}
	return line == "" || marks.MatchString(line) || strings.HasPrefix(line, "gate passed: ") || strings.HasPrefix(line, "gate closed: ") || strings.HasPrefix(line, "gate closed, no answer: ")
}

// checkText fails unless every line is one of the writer's own, and whatever is
// in it cannot act on a terminal or a runner.
func checkText(t *testing.T, text string, o report.TextOptions) {
	t.Helper()
	if o.Color {
		text = strings.NewReplacer("\x1b[32m", "", "\x1b[33m", "", "\x1b[31m", "", "\x1b[0m", "").Replace(text)
	}
	lines := strings.Split(text, "\n")
	if lines[len(lines)-1] != "" || !strings.HasPrefix(lines[len(lines)-2], "gate ") {
		t.Errorf("the last line is not the summary: %q", lines)
	}
	gates := 0
	for i, line := range lines {
		if !begins(line) {
			t.Errorf("line %d begins with other people's text: %q", i+1, line)
		}
		if strings.HasPrefix(line, "gate ") {
			gates++
		}
		// A runner trims a line before it looks for "::".
		if strings.HasPrefix(strings.TrimSpace(line), "::") || !inert(line) {
			t.Errorf("line %d can act: %q", i+1, line)
		}
		if len(line) > 20<<10 {
			t.Errorf("line %d has %d bytes", i+1, len(line))
		}
	}
	if gates != 1 {
		t.Errorf("%d summaries", gates)
	}
}

func checkJSON(t *testing.T, text string) {
	t.Helper()
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "::") || !inert(line) {
			t.Errorf("JSON line %d can act: %q", i+1, line)
		}
	}
}

// inert reports whether s is one line of text that can be seen, without a CI
// command.
func inert(s string) bool {
	hidden := func(r rune) bool {
		return !unicode.IsPrint(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
	}
	return utf8.ValidString(s) && !strings.Contains(s, "##") && strings.IndexFunc(s, hidden) < 0
}

// Each hostile piece alone, in every field, those that are our own included.
func TestHostile(t *testing.T) {
	t.Parallel()
	for _, s := range sample([]string{
		"\r::error::x", "\n::error::x", "\r\nverified       x", "\x1b[2J", "\x1b]0;title\a", "::set-output name=x::y", " ::error::x",
		"##[error]x", "#\u200b#[error]x", "###[error]x", "##vso[task.complete]", "\u202efdp.exe", "\u2066x\u2069", "a\u200bb", "\ufeff", "\u00ad", "\xff\xfe",
		"\xe2\x80", "\u0085x", "\u2028x", "\u2029x", "\u009b31m", "\x00", "\x7f", "\b\b\b", "\t", "\U000e0001", "a\ufe0fb", "a\u034fb", "\u3164", "", " ", "gate passed: 1 image verified",
		strings.Repeat("x", 1<<16), strings.Repeat("é", 1<<14), strings.Repeat("\x80", 1<<14), strings.Repeat("\n", 1<<12), strings.Repeat("#", 1<<12),
	}, 4) {
		for _, o := range []report.TextOptions{{}, {Color: true, Warn: true, Timings: true}} {
			text, json := run{subjects: hostile(s, s, s), text: o, warnings: hostileWarnings(s)}.write(t)
			checkText(t, text, o)
			checkJSON(t, json)
		}
	}
}

// No report passes that the gate did not pass, and none is silent.
func TestNothingPassesByDefault(t *testing.T) {
	t.Parallel()
	var text, json bytes.Buffer
	if err := errors.Join(report.Text(&text, gate.Report{}, report.TextOptions{}), report.JSON(&json, gate.Report{}, report.Run{})); err != nil {
		t.Fatal(err)
	}
	if got := text.String(); !strings.HasPrefix(got, "gate closed: ") {
		t.Errorf("text %q", got)
	}
	if got := json.String(); !strings.Contains(got, `"passed": false`) || !strings.Contains(got, `"images": []`) {
		t.Errorf("JSON %s", got)
	}
}

// Errors of the writer are returned.
func TestWriteError(t *testing.T) {
	t.Parallel()
	if report.Text(broken{}, gate.Report{}, report.TextOptions{}) == nil || report.JSON(broken{}, gate.Report{}, report.Run{}) == nil {
		t.Error("a failed write went unnoticed")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestPrintable(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want string }{
		{"", ""},
		{"plain text, ünïcödé, 日本語 …", "plain text, ünïcödé, 日本語 …"},
		{"one\ntwo", "one; two"},
		{"a\rb\x1b[0m\u009b", `a\x0db\x1b[0m\x9b`},
		{"\u202ex\u200b", `\u202ex\u200b`},
		{"\U000e0041", `\U000e0041`},
		{"a\xffb", "a\ufffdb"},
		{"# title, C#", "# title, C#"},
		{"##[error]x", `#\x23[error]x`},
		{"###", `#\x23\x23`},
		{"a\u00a0b", `a\xa0b`},
	} {
		if got := report.Printable(tc.in); got != tc.want {
			t.Errorf("Printable(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("plain")
	f.Add(hostileText)
	f.Add("####\r\n#\u200b#")
	f.Fuzz(func(t *testing.T, s string) {
		got := report.Printable(s)
		if !inert(got) {
			t.Errorf("Printable(%q) = %q", s, got)
		}
		if again := report.Printable(got); again != got {
			t.Errorf("Printable(%q) = %q, and of that %q", s, got, again)
		}
		if inert(s) && got != s {
			t.Errorf("clean text %q became %q", s, got)
		}
	})
}

// Whatever the text from outside, the lines of a report are the writer's.
func FuzzText(f *testing.F) {
	f.Add(hostileText)
	f.Fuzz(func(t *testing.T, s string) {
		text, json := run{subjects: hostile(s, s, s), warnings: hostileWarnings(s)}.write(t)
		checkText(t, text, report.TextOptions{})
		checkJSON(t, json)
	})
}

func ExampleText() {
	r := gateReport(context.Background(), []subject{tagged("ghcr.io/acme/app:v1", "a", pass(bundled))})
	var b strings.Builder
	if err := report.Text(&b, r, report.TextOptions{}); err != nil {
		panic(err)
	}
	fmt.Println(b.String()[:35])
	// Output: verified       ghcr.io/acme/app@sha
}

// sample returns all; with the race detector, which finds nothing in writers of
// one goroutine and slows them tenfold, each nth of them.
func sample[T any](all []T, n int) []T {
	if !raced {
		return all
	}
	var some []T
	for i := 0; i < len(all); i += n {
		some = append(some, all[i])
	}
	return some
}
