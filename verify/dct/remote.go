package dct

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/theupdateframework/notary/storage"
	"github.com/theupdateframework/notary/trustpinning"
	"github.com/theupdateframework/notary/tuf/data"

	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

const (
	// maxRoot bounds root.json, in bytes, of which nobody says how long it is.
	maxRoot = 4 << 20
	// maxTimestamp bounds timestamp.json, in bytes. Real ones have five hundred.
	maxTimestamp = 1 << 20
	// maxFile bounds every other file, in bytes, whatever is announced. Docker Hub's
	// largest have some hundred thousand.
	maxFile = 8 << 20
	// maxBytes bounds the files of one update together, in bytes, be they answered or
	// remembered.
	maxBytes = 32 << 20
	// maxFiles bounds the files of one update.
	maxFiles = 256
)

// A remote is the trust data of one collection as its server has them, for one
// update. It implements storage.RemoteStore for reading. What is remembered serves
// for files that have to have a SHA-256, and for no others.
//
// The client asks twice where it was not satisfied: what was answered once stays
// the answer. Its errors are all of type *refusal, by none of which the client
// goes on with what it has cached.
type remote struct {
	ctx    context.Context //nolint:containedctx // the client's interface has no room for it
	store  Store
	server registry.TrustServer
	gun    string
	kept   memoFile // where the last update is remembered
	last   *memo    // what is; nil if nothing

	mu    sync.Mutex
	known map[string]*answer
	bytes int64
}

// An answer is what the server said of a file.
type answer struct {
	body []byte
	err  error
}

var _ storage.RemoteStore = (*remote)(nil)

func newRemote(ctx context.Context, store Store, server registry.TrustServer, gun string) *remote {
	return &remote{ctx: ctx, store: store, server: server, gun: gun, known: map[string]*answer{}}
}

// GetSized implements storage.MetadataStore. Name is a role, with the SHA-256 that
// its file has to have ("targets/alice.<hex>"), or the version of a former root
// ("2.root"). Size bounds it, in bytes, or is -1.
func (r *remote) GetSized(name string, size int64) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a, ok := r.known[name]; ok {
		return a.body, a.err
	}
	if len(r.known) == maxFiles {
		return nil, refuse(verify.Unsupported, "the trust data have more than %d files", maxFiles)
	}
	a := &answer{}
	a.body, a.err = r.fetch(name, size)
	r.known[name] = a
	return a.body, a.err
}

// body returns what was fetched as name; nil if nothing was.
func (r *remote) body(name string) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a, ok := r.known[name]; ok && a.err == nil {
		return a.body
	}
	return nil
}

// A file is what the name of one says.
type file struct {
	role   string
	sha256 []byte // nil where nobody said what it has to be
	former bool   // it is a root of the past
}

// parseFile reads the name by which the client asks for a file.
func parseFile(name string) (file, error) {
	f := file{role: name}
	before, after, dotted := strings.Cut(name, ".")
	switch {
	case name == "root", name == "timestamp":
		return f, nil
	case dotted && after == "root" && before != "" && len(before) < 10 && strings.Trim(before, "0123456789") == "":
		return file{role: "root", former: true}, nil
	}
	if !dotted {
		return f, refuse(verify.Unsupported, "the snapshot has no SHA-256 of %s", hostile.Quoted(name))
	}
	f.role = before
	sum, err := hex.DecodeString(after)
	if err != nil || len(sum) != sha256.Size {
		return f, refuse(verify.BadSignature, "what the file of %s has to be is %s, no SHA-256", hostile.Quoted(before), hostile.Quoted(after))
	}
	if !data.ValidRole(data.RoleName(f.role)) {
		return f, refuse(verify.BadSignature, "%s is no role", hostile.Quoted(f.role))
	}
	f.sha256 = sum
	return f, nil
}

// limit is how many bytes a file may have of which size were announced.
func (f file) limit(size int64) (int64, error) {
	most := int64(maxFile)
	switch f.role {
	case "root":
		most = maxRoot
	case "timestamp":
		most = maxTimestamp
	}
	if f.sha256 == nil {
		return most, nil
	}
	if size <= 0 {
		return 0, refuse(verify.BadSignature, "the file of %s is announced with %d bytes", f.role, size)
	}
	if size > most {
		return 0, refuse(verify.Unsupported, "the file of %s has %d bytes, at most %d are read", f.role, size, most)
	}
	return size, nil
}

// fetch asks the server for a file, and checks that it is one.
func (r *remote) fetch(name string, size int64) ([]byte, error) {
	f, err := parseFile(name)
	if err != nil {
		return nil, err
	}
	limit, err := f.limit(size)
	if err != nil {
		return nil, err
	}
	left := maxBytes - r.bytes
	if left <= 0 || f.sha256 != nil && limit > left {
		return nil, refuse(verify.Unsupported, "the trust data have more than %d bytes", int64(maxBytes))
	}
	limit = min(limit, left)
	if r.ctx.Err() != nil {
		return nil, r.ended()
	}
	if body := r.last.file(f); body != nil {
		r.bytes += int64(len(body))
		return body, nil
	}
	body, err := r.store.TrustData(r.ctx, r.server, r.gun, name, limit)
	if err != nil {
		return nil, r.unanswered(f, err)
	}
	if int64(len(body)) > limit {
		return nil, r.unanswered(f, registry.ErrTooLarge)
	}
	r.bytes += int64(len(body))
	if f.sha256 != nil {
		if err := data.CheckHashes(body, f.role, data.Hashes{"sha256": f.sha256}); err != nil {
			return nil, &refusal{reason: verify.BadSignature, err: err}
		}
	}
	if err := sound(f, body); err != nil {
		return nil, err
	}
	if f.role == "root" && !f.former {
		return body, strong(body)
	}
	return body, nil
}

// told is an error of the client, or what it stands for: of a root that was
// rotated to it only says that no key of it will do.
func (r *remote) told(err error, gun string, now time.Time) error {
	switch {
	case is[*trustpinning.ErrRootRotationFail](err) && r.last != nil:
		return &refusal{reason: verify.WrongSigner, err: &verify.Error{
			Op: "follow the root that was trusted before", Err: fmt.Errorf("the server shows one that it has not signed: %w", clipped{err}),
			Hint: "find out from its owner whether the collection was made anew; only if it was, pin its new root alone, and delete " + r.kept.name,
		}}
	case !is[*trustpinning.ErrValidationFail](err):
		return r.weakened(err)
	}
	for _, raw := range r.roots() {
		root, rootErr := readRoot(gun, raw, now)
		if rootErr != nil {
			return rootErr
		}
		if !slices.ContainsFunc(root.keys, func(k rootKey) bool { return k.err == nil }) {
			return fmt.Errorf("%w: %w", root.keys[0].err, clipped{err})
		}
	}
	return err
}

// roots returns the roots that were fetched, but for former ones.
func (r *remote) roots() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all [][]byte
	for _, name := range slices.Sorted(maps.Keys(r.known)) {
		if a := r.known[name]; strings.HasPrefix(name, "root") && a.err == nil {
			all = append(all, a.body)
		}
	}
	return all
}

// errNoTrustData begins the sentence by which docker says so.
var errNoTrustData = errors.New("remote trust data does not exist")

// ended is why nothing is asked any more.
func (r *remote) ended() error {
	return &refusal{reason: verify.Undecided, err: context.Cause(r.ctx)}
}

// unanswered says why a file was not had.
func (r *remote) unanswered(f file, err error) error {
	host := r.server.Host()
	op := "read trust data of " + r.gun
	switch {
	case r.ctx.Err() != nil:
		return r.ended()
	case errors.Is(err, registry.ErrNotFound) && f.role == "root" && f.sha256 == nil && !f.former:
		return refuse(verify.Unsigned, "%w for %s: %s does not have trust data for %s: %w", errNoTrustData, r.gun, host, r.gun, err)
	case errors.Is(err, registry.ErrNotFound) && f.former:
		err = fmt.Errorf("the root was rotated more than once since the one that is trusted, and the server has not those between: %w", err)
	case errors.Is(err, registry.ErrDenied):
		return &refusal{reason: verify.Denied, err: registry.Explain(op, host, err)}
	case errors.Is(err, registry.ErrMalformed):
		return &refusal{reason: verify.Unsupported, err: registry.Explain(op, host, err)}
	case errors.Is(err, registry.ErrTooLarge) && f.sha256 != nil:
		return refuse(verify.BadSignature, "the file of %s is larger than was announced: %w", f.role, err)
	}
	return &refusal{reason: verify.Unavailable, err: registry.Explain(op, host, err)}
}

// Location implements storage.MetadataStore.
func (r *remote) Location() string { return r.server.Host() }

var errReadOnly = errors.New("trust data are only read here")

// Set implements storage.MetadataStore. It always fails.
func (r *remote) Set(string, []byte) error { return errReadOnly }

// SetMulti implements storage.MetadataStore. It always fails.
func (r *remote) SetMulti(map[string][]byte) error { return errReadOnly }

// Remove implements storage.MetadataStore. It always fails.
func (r *remote) Remove(string) error { return errReadOnly }

// RemoveAll implements storage.MetadataStore. It always fails.
func (r *remote) RemoveAll() error { return errReadOnly }

// GetKey implements storage.PublicKeyStore. It always fails.
func (r *remote) GetKey(data.RoleName) ([]byte, error) { return nil, errReadOnly }

// RotateKey implements storage.PublicKeyStore. It always fails.
func (r *remote) RotateKey(data.RoleName) ([]byte, error) { return nil, errReadOnly }
