package policy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlnode"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/verify"
)

const (
	// MaxText bounds the text of a policy, in bytes, wherever it comes from.
	MaxText = yamlnode.MaxFile

	maxLayers  = 8  // how far a policy may be from the one that is read
	maxSources = 32 // policies that one policy extends, in all
)

// ArtifactTypes returns the media types that the layer of a policy artifact may
// have.
func ArtifactTypes() []string {
	return []string{"application/vnd.boltseal.policy.v1+yaml", "text/yaml"}
}

// Sources give the texts of policies that are extended. What is nil is not to be
// had. The zero Sources give nothing.
type Sources struct {
	// File reads a file. The name has slashes; it is relative to where the name
	// of the policy that is read is relative to, or absolute. More than MaxText
	// bytes are an error, and so is what is no regular file.
	File func(name string) ([]byte, error)
	// URL fetches what is at an https address, without credentials. More than
	// MaxText bytes are an error, and so is a redirect to another scheme.
	URL func(ctx context.Context, address string) ([]byte, error)
	// Artifact fetches the one layer of an OCI artifact, checked against its
	// digest. Its media type is one of ArtifactTypes, and it has at most MaxText
	// bytes.
	Artifact func(context.Context, image.Pinned) ([]byte, error)
	// Reason is that of an error of URL and Artifact; nil: Unavailable.
	Reason func(error) verify.Reason
}

// ErrNoAnswer says of a Fault that somebody who was to be asked for a policy, or
// for its signatures, gave no answer: the policy may be sound.
var ErrNoAnswer = errors.New("no answer")

// NoAnswer reports whether err, of Load, says nothing but that somebody gave no
// answer. Another attempt may help then.
func NoAnswer(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	return !slices.ContainsFunc(e.Refusal, func(f *yamlshape.Fault) bool { return !errors.Is(f, ErrNoAnswer) })
}

// Load is as Read, with what the policy extends. Nothing is asked of anybody
// while anything is wrong with the files.
func Load(ctx context.Context, name string, body []byte, o Options, s Sources) (*Policy, error) {
	r := &reader{options: o, name: name}
	r.file(name, body, origin{name: "policy"})
	r.follow(ctx, s)
	return r.finish()
}

// An extension is an item of extends that waits for being read.
type extension struct {
	extendText
	by    *source
	layer int
	guard []rule // of the nearest policy that is a local file
}

// A source is a policy that is extended, or the one that extends all others.
type source struct {
	key    string // what it is known by
	name   string // in messages: without the query of an address
	remote bool
	by     *source // nil for the first
}

func (s *source) within(key string) bool {
	for ; s != nil; s = s.by {
		if s.key == key {
			return true
		}
	}
	return false
}

// extend keeps what the file that was read last extends. Its rules are those
// behind r.begun.
func (r *reader) extend(texts []extendText, from origin) {
	if r.reading == nil {
		r.reading = &source{key: "file " + path.Clean(slashed(r.name)), name: r.name}
	}
	if !r.reading.remote {
		// Only what is here can say whom to believe about what is not.
		r.guard = slices.Clone(r.policy.rules[r.begun:])
	}
	for _, t := range texts {
		x := &extension{extendText: t, by: r.reading, layer: from.layer + 1, guard: r.guard}
		if f := x.check(); f != nil {
			r.fault(f)
			continue
		}
		r.waiting = append(r.waiting, x)
	}
}

// follow reads what is extended: files before what others have to be asked for,
// and of each the nearest first, as a policy that is extended twice counts where
// it is nearest.
func (r *reader) follow(ctx context.Context, s Sources) {
	known := map[string]bool{}
	for len(r.waiting) > 0 {
		x := slices.MinFunc(r.waiting, func(a, b *extension) int {
			return cmp.Or(cmp.Compare(a.remote(), b.remote()), cmp.Compare(a.layer, b.layer))
		})
		r.waiting = slices.DeleteFunc(r.waiting, func(y *extension) bool { return y == x })
		if x.remote() > 0 && len(r.faults) > 0 {
			return
		}
		r.read(ctx, x, s, known)
	}
}

// remote is 1 where somebody has to be asked for it.
func (x *extension) remote() int {
	if x.File != nil {
		return 0
	}
	return 1
}

// check says what is wrong with x itself.
func (x *extension) check() *yamlshape.Fault {
	n := 0
	for _, t := range []*yamlshape.Text{x.File, x.URL, x.Artifact} {
		if t != nil {
			n++
		}
	}
	switch {
	case n != 1:
		return x.fault("write one of file, url and artifact, each in an item of its own", "it names %d policies, not one", n)
	case x.URL == nil && x.SHA256 != nil:
		return x.fault("leave it out", "sha256 is for url only")
	case x.layer > maxLayers:
		return x.fault("extend it from a file that is nearer", "policies extend each other more than %d deep", maxLayers)
	case x.File != nil && x.by.remote:
		return x.fault("extend it by url or artifact", "%s is no file here, and cannot extend one", x.by.name)
	case x.URL != nil:
		return x.checkURL()
	case x.Artifact != nil:
		return x.checkArtifact()
	}
	return nil
}

func (x *extension) fault(next, format string, args ...any) *yamlshape.Fault {
	return yamlshape.Faultf(x.At, next, format, args...)
}

var hexSHA256 = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-f]{64}$`) })

func (x *extension) checkURL() *yamlshape.Fault {
	u, err := url.Parse(x.URL.Value)
	switch {
	case err != nil: // its text repeats the address
		return x.fault("write it as https://host/path", "url is no address")
	case u.User != nil:
		return x.fault("leave them out: everybody who may read this file could use them", "url has a user name or a password")
	case u.Scheme != "https" || u.Host == "" || u.Opaque != "" || u.Fragment != "":
		return x.fault("write it as https://host/path", "url is not an https address, or has a fragment")
	case x.SHA256 == nil:
		return x.fault("add sha256, the hex SHA-256 of the text there", "url without sha256: whoever has that server would decide what passes")
	case !hexSHA256().MatchString(x.SHA256.Value):
		return x.fault("write 64 lower-case hex digits, as sha256sum prints them", "sha256 is not a hex SHA-256")
	}
	return nil
}

func (x *extension) checkArtifact() *yamlshape.Fault {
	ref, err := image.Parse(x.Artifact.Value)
	switch {
	case err != nil:
		return x.fault("write it as registry/repository@sha256:…", "artifact: %w", err)
	case ref.Digest() == "" || ref.Tag() != "":
		return x.fault("write it as registry/repository@sha256:…, without a tag", "artifact is not named by its digest alone")
	}
	return nil
}

// read reads what x names, unless that was done already.
func (r *reader) read(ctx context.Context, x *extension, s Sources, known map[string]bool) {
	next := x.source()
	switch {
	case x.by.within(next.key):
		r.fault(x.fault("take one of them out", "%s extends itself, by way of what it extends", next.name))
		return
	case known[next.key]:
		return
	case len(known) == maxSources:
		r.fault(x.fault("put some of them together", "the policy extends more than %d others", maxSources))
		return
	}
	known[next.key] = true
	body, fault := r.fetch(ctx, x, next, s)
	if fault != nil {
		r.fault(fault)
		return
	}
	r.reading, r.guard, r.begun = next, x.guard, len(r.policy.rules)
	r.file(next.name, body, origin{name: "policy " + next.name, layer: x.layer})
}

// source returns what x names.
func (x *extension) source() *source {
	next := &source{by: x.by, remote: true}
	switch {
	case x.File != nil:
		next.remote = false
		next.name = slashed(x.File.Value)
		if !path.IsAbs(next.name) && !drive(next.name) {
			next.name = path.Join(path.Dir(slashed(x.by.name)), next.name)
		}
		next.key = "file " + path.Clean(next.name)
	case x.URL != nil:
		next.key = "url " + x.URL.Value + " " + x.SHA256.Value
		next.name, _, _ = strings.Cut(x.URL.Value, "?")
	default:
		ref, _ := image.Parse(x.Artifact.Value) // it was parsed before
		next.key, next.name = "artifact "+ref.String(), ref.String()
	}
	return next
}

// slashed is name as Windows reads it as well.
func slashed(name string) string { return strings.ReplaceAll(name, `\`, "/") }

// drive reports whether name begins as C:/ does.
func drive(name string) bool { return len(name) > 2 && name[1] == ':' && name[2] == '/' }

// fetch returns the text of next, which x names.
func (r *reader) fetch(ctx context.Context, x *extension, next *source, s Sources) ([]byte, *yamlshape.Fault) {
	switch {
	case x.File != nil && s.File != nil:
		body, err := s.File(next.name)
		if err != nil {
			return nil, x.fault("name a policy file, relative to this one", "read %s: %w", next.name, err)
		}
		return body, nil
	case x.URL != nil && s.URL != nil:
		body, err := s.URL(ctx, x.URL.Value)
		if err != nil {
			return nil, s.fault(x.At, err)
		}
		if sum := fmt.Sprintf("%x", sha256.Sum256(body)); sum != x.SHA256.Value {
			return nil, x.fault("find out why the text is another one; once you have read it, write its sha256 here", "the SHA-256 of %s is %s, not what is written here", next.name, sum)
		}
		return body, nil
	case x.Artifact != nil && s.Artifact != nil:
		img, fault := r.vouched(ctx, x)
		if fault != nil {
			return nil, fault
		}
		body, err := s.Artifact(ctx, img)
		if err != nil {
			return nil, s.fault(x.At, err)
		}
		return body, nil
	}
	return nil, x.fault("", "what it extends cannot be read here")
}

func (s Sources) fault(at image.Position, err error) *yamlshape.Fault {
	reason := verify.Unavailable
	if s.Reason != nil {
		reason = s.Reason(err)
	}
	if reason.NoAnswer() {
		err = fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	return &yamlshape.Fault{At: at, Err: err, Next: verify.Hint(err)}
}

// vouched checks the signature of an artifact as the rule for it demands that
// stands in the nearest local file. Exceptions do not count, nor rules that
// allow the unsigned: one such text would allow everything else.
func (r *reader) vouched(ctx context.Context, x *extension) (image.Pinned, *yamlshape.Fault) {
	ref, err := image.Parse(x.Artifact.Value)
	if err != nil {
		return image.Pinned{}, x.fault("", "%w", err)
	}
	img, err := ref.Pin(ref.Digest())
	if err != nil {
		return image.Pinned{}, x.fault("", "%w", err)
	}
	// It is foreign: what vouches for the platforms of an image says nothing.
	use := image.Use{Text: x.Artifact.Value, Ref: ref, At: x.At, Foreign: true}
	rules, err := (&Policy{rules: x.guard}).Rules([]image.Use{use}, r.options.Systems, time.Time{})
	if err != nil {
		return img, x.fault("", "choose a rule for %s: %w", ref, err)
	}
	terms := rules.For(use)
	if len(terms.Require) == 0 {
		return img, x.fault("add a rule to the file here that begins the chain, such as `- images: ["+ref.Name()+"]` with require",
			"no rule of a local file requires a signature of the policy %s; allow-unsigned and exceptions do not count for policies", ref)
	}
	v := verify.AllOf(terms.Require...).Verify(ctx, img)
	if v.Passed() { // for this digest, or AllOf would not say so
		return img, nil
	}
	reason := v.Reason()
	if reason == verify.Undecided {
		reason = "undecided"
	}
	err = v.Err()
	if err == nil {
		err = errors.New("no cause is known")
	}
	if v.Reason().NoAnswer() || ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	return img, &yamlshape.Fault{
		At: x.At, Next: verify.Hint(err),
		Err: fmt.Errorf("the policy %s is not signed as %s requires at %s: %s: %w", ref, terms.Rule.Name, where(terms.Rule.At), reason, err),
	}
}
