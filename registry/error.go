package registry

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/boltseal/boltseal/verify"
)

// What went wrong, for errors.Is.
var (
	ErrNotFound    = errors.New("not found")               // the registry says it does not have it
	ErrDenied      = errors.New("access denied")           // 401 or 403, or no token for these credentials
	ErrUnavailable = errors.New("no usable answer")        // no connection, 5xx, 429, time-out, bytes that do not match
	ErrTooLarge    = errors.New("larger than the limit")   // also ErrUnavailable
	ErrCorrupt     = errors.New("does not match its name") // digest or size differ; also ErrUnavailable
	// ErrMalformed is for an answer that is what was asked for, digest and all,
	// and cannot be used: asking again changes nothing.
	ErrMalformed = errors.New("malformed")
	// ErrTooMany is for lists of more things than are ever read.
	ErrTooMany = errors.New("more than are read")
)

// Why a registry does not take what is pushed, where it says so; each comes with
// ErrDenied or ErrUnavailable.
var (
	ErrReadOnly  = errors.New("nothing can be pushed there")  // a mirror, a pull-through cache, maintenance
	ErrImmutable = errors.New("the tag must not be changed")  // whatever it leads to, it leads to for good
	ErrQuota     = errors.New("there is no room left for it") // of storage, tags or repositories
	// ErrIncomplete is that of a tag which is to lead to what lists things that the
	// registry does not have, as after a cleanup.
	ErrIncomplete = errors.New("it lists what the registry does not have")
	errOrigin     = errors.New("the upload leads somewhere else") // where neither bytes nor credentials go
)

// An Error is a request that did not give what was asked for. It never holds
// credentials or query strings.
type Error struct {
	Op     string // such as "fetch manifest ghcr.io/acme/app:v1"
	Status int    // HTTP status of the last answer, 0 if there was none
	Detail string // the registry's own words, bounded; hostile text
	Kind   error  // ErrNotFound, ErrDenied or ErrUnavailable
	Err    error  // the cause where there is one, such as a net.Error

	page  bool // it was no registry that was asked
	trust bool // it was a server of trust data
	push  bool // it was to be pushed
}

func (e *Error) Error() string {
	s, who := e.Op+": ", "registry"
	if e.page || e.trust {
		who = "server"
	}
	if e.Status != 0 {
		s += fmt.Sprintf("%s answered %d %s", who, e.Status, http.StatusText(e.Status))
	} else {
		s += e.Kind.Error()
	}
	if e.Detail != "" {
		s += fmt.Sprintf(" (%s)", e.Detail)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns Kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Reason returns the Reason that err gives a Verdict about the image itself: a
// 404 there means that the image is not found. An error that is not of this
// package is Unavailable.
func Reason(err error) verify.Reason {
	switch {
	case errors.Is(err, ErrNotFound):
		return verify.NotFound
	case errors.Is(err, ErrDenied):
		return verify.Denied
	case errors.Is(err, ErrMalformed):
		return verify.Unsupported
	}
	return verify.Unavailable
}

// Explain wraps err for the person who has to fix it.
func Explain(op, registry string, err error) error {
	return &verify.Error{Op: op, Hint: hint(registry, err), Err: err}
}

func hint(registry string, err error) string {
	var e *Error
	errors.As(err, &e)
	var (
		dns    *net.DNSError
		record tls.RecordHeaderError
		cert   *tls.CertificateVerificationError
	)
	switch {
	case errors.Is(err, ErrNotRecorded):
		return "record it again: what is asked now was not asked when the recording was made"
	case errors.Is(err, errCredentials):
		return "install the credential helper that the docker configuration names, or mend the configuration (DOCKER_CONFIG says where it is)"
	case e != nil && e.trust:
		return trustHint(registry, e, err)
	case errors.As(err, &dns) && dns.IsNotFound:
		return "check the registry's name: there is no host " + registry + " here"
	case errors.As(err, &record):
		return "if " + registry + " speaks plain http, say so with --insecure-registry " + registry
	case errors.As(err, &cert):
		return "if " + registry + " uses a certificate authority of its own, give it with --registry-cacert"
	case e != nil && e.push:
		return pushHint(registry, e, err)
	case errors.Is(err, ErrNotFound):
		return "check the name and the tag; registries also hide private images this way, so log in to " + registry + " if it is one"
	case errors.Is(err, ErrDenied) && registry == "ghcr.io":
		return "give the job `packages: read` and set GITHUB_TOKEN (the Action's input github-token), or log in to ghcr.io before this step"
	case errors.Is(err, ErrDenied) && registry == "docker.io":
		return "check the name: Docker Hub also refuses images that do not exist; if it is private, log in to docker.io (scope repository:pull)"
	case errors.Is(err, ErrDenied):
		return "log in to " + registry + " with an account that may pull this repository (scope repository:pull)"
	case errors.Is(err, ErrTooLarge), errors.Is(err, ErrCorrupt):
		return "ask for the image from the registry directly, without a mirror or proxy in between, and report it to the registry's owner"
	}
	return otherwise(registry, e)
}

func otherwise(registry string, e *Error) string {
	if e != nil && e.Status == http.StatusTooManyRequests {
		return "wait, or log in to " + registry + " for a higher rate limit"
	}
	return "run it again; if it lasts, check that " + registry + " can be reached from here (proxy, firewall, status page)"
}

// pushHint is the hint where something was to be pushed.
func pushHint(registry string, e *Error, err error) string {
	switch {
	case errors.Is(err, ErrReadOnly):
		return "name a repository that can be pushed to with --signature-repository: " + registry + " is a mirror, a cache or in maintenance"
	case errors.Is(err, ErrImmutable):
		return "let tags that begin with sha256- be changed in this repository: where a registry has no referrers API, a manifest's signatures are behind such a tag"
	case errors.Is(err, ErrQuota):
		return "make room in " + registry + ", or have the quota raised"
	case errors.Is(err, ErrTooLarge) && e.Status == 0:
		return fmt.Sprintf("leave out what is not needed: a blob may have %d MiB, a manifest %d MiB", MaxBlob>>20, maxManifest>>20)
	case errors.Is(err, ErrTooLarge):
		return "have " + registry + ", or the proxy in front of it, take larger uploads"
	case errors.Is(err, ErrIncomplete):
		return "look at what the tag leads to: " + registry + " does not have all that it lists, and so takes no more beside it; delete the tag if nobody needs what is left"
	case errors.Is(err, errOrigin):
		return "have " + registry + " say its own address in what it answers: behind a proxy it has to be told host and scheme (X-Forwarded-Host, X-Forwarded-Proto)"
	case errors.Is(err, ErrMalformed):
		return "look at what is behind the tag: it is no list of signatures; delete it if nobody needs it, or name another repository with --signature-repository"
	case errors.Is(err, ErrTooMany):
		return "delete signatures and attestations that nobody needs: no more than this many are read"
	case errors.Is(err, ErrNotFound):
		return "create the repository first: " + registry + " makes none when something is pushed"
	case errors.Is(err, ErrDenied) && registry == "ghcr.io":
		return "give the job `packages: write`, let this repository write to the package (package settings, Manage Actions access), and set GITHUB_TOKEN (the Action's input github-token), or log in to ghcr.io before this step (scope repository:pull,push)"
	case errors.Is(err, ErrDenied):
		return "log in to " + registry + " with an account that may push to this repository (scope repository:pull,push)"
	case errors.Is(err, ErrCorrupt):
		return "push to the registry directly, without a mirror or proxy in between, and report it to the registry's owner"
	}
	return otherwise(registry, e)
}
