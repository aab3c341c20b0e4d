package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
)

// The bounds of a lock. The text is bounded in bytes.
const (
	maxLock        = 4 << 20
	maxLockImages  = 10_000
	maxLockSigners = 256 // of one image
	maxLockText    = 4096
)

// ReadLock reads the text of the lock called name: strictly, as it decides who
// may sign. The error is a [*yamlshape.Fault].
func ReadLock(name string, body []byte) (*Lock, error) {
	r := &lockReader{name: name, body: body, dec: json.NewDecoder(bytes.NewReader(body))}
	images, fault := r.document()
	if fault != nil {
		return nil, fault
	}
	return &Lock{images}, nil
}

// A lockReader reads one token after the other: encoding/json takes names in
// any case and the last of two, and does not say where.
type lockReader struct {
	name string
	body []byte
	dec  *json.Decoder
	at   int // where the token that was read last begins
}

const lockHint = "restore the lock from version control; it is written by --lock and --update-lock, not by hand"

// fault is about the token that was read last.
func (r *lockReader) fault(format string, args ...any) *yamlshape.Fault {
	before := r.body[:min(r.at, len(r.body))]
	at := image.Position{File: r.name, Line: 1 + bytes.Count(before, []byte("\n")), Col: len(before) - bytes.LastIndexByte(before, '\n')}
	return yamlshape.Faultf(at, lockHint, format, args...)
}

func (r *lockReader) token() (json.Token, *yamlshape.Fault) {
	r.at = int(r.dec.InputOffset())
	for r.at < len(r.body) && strings.IndexByte(" \t\r\n,:", r.body[r.at]) >= 0 {
		r.at++
	}
	tok, err := r.dec.Token()
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		r.at = max(r.at, int(syntax.Offset)-1)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, r.fault("the text ends here, in the middle")
	}
	if err != nil {
		return nil, r.fault("not JSON: %w", err)
	}
	return tok, nil
}

func (r *lockReader) delim(want json.Delim, what string) *yamlshape.Fault {
	tok, fault := r.token()
	if fault == nil && tok != want {
		fault = r.fault("%s is expected here", what)
	}
	return fault
}

// text reads a string that is not empty.
func (r *lockReader) text(what string) (string, *yamlshape.Fault) {
	tok, fault := r.token()
	if fault != nil {
		return "", fault
	}
	s, ok := tok.(string)
	switch {
	case !ok || s == "":
		return "", r.fault("%s is expected here, a text that is not empty", what)
	case len(s) > maxLockText:
		return "", r.fault("%s is longer than %d bytes", what, maxLockText)
	}
	return s, nil
}

// object reads an object, each name of which is read once. Member reads the
// value of a name.
func (r *lockReader) object(what string, member func(name string) *yamlshape.Fault) *yamlshape.Fault {
	if fault := r.delim('{', what); fault != nil {
		return fault
	}
	return r.members(what, member)
}

func (r *lockReader) members(what string, member func(name string) *yamlshape.Fault) *yamlshape.Fault {
	seen := map[string]bool{}
	for r.dec.More() {
		name, fault := r.text("a name of " + what)
		if fault != nil {
			return fault
		}
		if seen[name] {
			return r.fault("%q is there twice", name)
		}
		seen[name] = true
		if fault := member(name); fault != nil {
			return fault
		}
	}
	return r.delim('}', "the end of "+what)
}

func (r *lockReader) document() (map[string][]signer, *yamlshape.Fault) {
	switch {
	case len(r.body) > maxLock:
		return nil, r.fault("the lock is larger than %d MiB", maxLock>>20)
	case !utf8.Valid(r.body):
		r.at = len(r.body) - len(bytes.TrimLeftFunc(r.body, func(c rune) bool { return c != utf8.RuneError }))
		return nil, r.fault("the lock is not UTF-8")
	}
	version := false
	var images map[string][]signer
	fault := r.object("an object with version and images", func(name string) (fault *yamlshape.Fault) {
		switch name {
		case "version":
			tok, fault := r.token()
			if fault == nil && tok != float64(1) {
				fault = r.fault("version %v is none that this program knows; it knows 1", tok)
			}
			version = true
			return fault
		case "images":
			images, fault = r.images()
			return fault
		}
		return r.fault("there is no %q in a lock; it has version and images", name)
	})
	if fault != nil {
		return nil, fault
	}
	if !version || images == nil {
		r.at = 0
		return nil, r.fault("a lock needs version and images")
	}
	r.at = int(r.dec.InputOffset())
	if rest := bytes.TrimLeft(r.body[r.at:], " \t\r\n"); len(rest) > 0 {
		r.at = len(r.body) - len(rest)
		return nil, r.fault("something follows the lock")
	}
	return images, nil
}

func (r *lockReader) images() (map[string][]signer, *yamlshape.Fault) {
	images := map[string][]signer{}
	fault := r.object("an object of images", func(key string) *yamlshape.Fault {
		if want, err := parseLockKey(key); err != nil {
			return r.fault("%w", err)
		} else if want != key {
			return r.fault("%q is written %q in a lock", key, want)
		}
		if len(images) == maxLockImages {
			return r.fault("there are more than %d images", maxLockImages)
		}
		signers, fault := r.signers()
		images[key] = signers
		return fault
	})
	return images, fault
}

func (r *lockReader) signers() ([]signer, *yamlshape.Fault) {
	if fault := r.delim('[', "a list of signers"); fault != nil {
		return nil, fault
	}
	begin := r.at
	var signers []signer
	for r.dec.More() {
		if len(signers) == maxLockSigners {
			return nil, r.fault("an image has more than %d signers", maxLockSigners)
		}
		s, fault := r.signer()
		if fault != nil {
			return nil, fault
		}
		if slices.Contains(signers, s) {
			return nil, r.fault("this signer is there twice")
		}
		signers = append(signers, s)
	}
	if fault := r.delim(']', "the end of the signers"); fault != nil {
		return nil, fault
	}
	if len(signers) == 0 {
		r.at = begin
		return nil, r.fault("no signer: nobody, or anybody?")
	}
	slices.SortFunc(signers, compareSigners)
	return signers, nil
}

func (r *lockReader) signer() (signer, *yamlshape.Fault) {
	var s signer
	if fault := r.delim('{', "a signer"); fault != nil {
		return s, fault
	}
	begin := r.at
	fields := map[string]*string{"system": &s.System, "signer": &s.Signer, "issuer": &s.Issuer, "root": &s.Root, "source": &s.Source, "predicate": &s.Predicate}
	fault := r.members("a signer", func(name string) (fault *yamlshape.Fault) {
		field, known := fields[name]
		if !known {
			return r.fault("a signer has no %q; it has system, signer, issuer, root, source and predicate", name)
		}
		if *field, fault = r.text(name); fault != nil {
			return fault
		}
		if field == &s.Root && !isSum(*field) {
			return r.fault("a root is the SHA-256 of a certificate, 64 hex digits in lower case")
		}
		if field == &s.Signer && *field != anyTag(*field) {
			return r.fault("the tag of a signer is written * in a lock: %q", anyTag(*field))
		}
		return nil
	})
	if fault != nil {
		return s, fault
	}
	if r.at = begin; s.System == "" || s.Signer == "" {
		return s, r.fault("a signer needs system and signer")
	}
	switch {
	case s.Predicate == signatureType:
		return s, r.fault("a signature has no predicate in a lock")
	case s.Source != "" && within(s.Signer, s.Source):
		return s, r.fault("a signer has no source in a lock where the name says it")
	}
	return s, nil
}

// isSum reports whether text is a SHA-256 as a lock has it.
func isSum(text string) bool {
	sum, err := hex.DecodeString(text)
	return err == nil && len(sum) == sha256.Size && strings.ToLower(text) == text
}

// parseLockKey returns text as a lock has it.
func parseLockKey(text string) (string, error) {
	if repository, ok := strings.CutSuffix(text, anyDigest); ok {
		ref, err := image.ParseRepository(repository)
		if err != nil {
			return "", err
		}
		return nameOf(ref) + anyDigest, nil
	}
	ref, err := image.Parse(text)
	if err != nil {
		return "", err
	}
	return lockKey(ref), nil
}
