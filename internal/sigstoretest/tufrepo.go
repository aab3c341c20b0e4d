package sigstoretest

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

const (
	tufTarget = "trusted_root.json"
	tufConfig = "signing_config.v0.2.json"
	// tufRootKeys hold the root role, tufRootThreshold of which must sign.
	tufRootKeys, tufRootThreshold = 3, 2
)

// A TUFRepository distributes a trusted root as Sigstore's own instances do:
// with consistent snapshots and real signatures. It serves itself, logs its
// requests, and lies on demand. All methods may be called while it serves.
type TUFRepository struct {
	now time.Time

	mu      sync.Mutex
	keys    map[string][]crypto.Signer // by role
	expires map[string]time.Time       // by role
	version map[string]int64           // by role
	files   map[string][]byte          // by path, without the first slash
	target  []byte
	config  []byte // signing_config.v0.2.json, nil for none

	log    []string
	tamper []tampering
	down   bool
}

type tampering struct {
	path   string
	change func([]byte) []byte
}

// NewTUFRepository makes a repository of new keys with the one target
// trusted_root.json, whose metadata are valid for a month after now.
func NewTUFRepository(now time.Time, trustedRoot []byte) (*TUFRepository, error) {
	r := &TUFRepository{
		target: trustedRoot, keys: map[string][]crypto.Signer{}, expires: map[string]time.Time{},
		version: map[string]int64{}, files: map[string][]byte{},
	}
	r.validFrom(now)
	if err := r.rotate(); err != nil {
		return nil, err
	}
	return r, r.publish(metadata.TARGETS)
}

// Root returns the first root.json, which a client's trust begins with.
func (r *TUFRepository) Root() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.files["1.root.json"]
}

// RootKeys returns the SHA-256 fingerprints of the keys of the newest root
// role, sorted, and how many of them must sign.
func (r *TUFRepository) RootKeys() ([]string, int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var prints []string
	for _, k := range r.keys[metadata.ROOT] {
		der, err := x509.MarshalPKIXPublicKey(k.Public())
		if err != nil {
			return nil, 0, fmt.Errorf("sigstoretest: TUF key: %w", err)
		}
		sum := sha256.Sum256(der)
		prints = append(prints, hex.EncodeToString(sum[:]))
	}
	slices.Sort(prints)
	return prints, tufRootThreshold, nil
}

// RotateRoot publishes a root with new keys for every role, signed by the old
// root keys and the new ones, and all metadata anew.
func (r *TUFRepository) RotateRoot() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.rotate(); err != nil {
		return err
	}
	return r.publish(metadata.TARGETS)
}

// SetTrustedRoot publishes a new version of the target.
func (r *TUFRepository) SetTrustedRoot(body []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = body
	return r.publish(metadata.TARGETS)
}

// SetSigningConfig publishes signing_config.v0.2.json beside the trusted root.
func (r *TUFRepository) SetSigningConfig(body []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.config = body
	return r.publish(metadata.TARGETS)
}

// Renew makes everything valid for a month after now, in new versions and with
// the same keys.
func (r *TUFRepository) Renew(now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.validFrom(now)
	if err := r.writeRoot(r.keys[metadata.ROOT]); err != nil {
		return err
	}
	return r.publish(metadata.TARGETS)
}

// Expire publishes a new version of a role's metadata that expired before now.
func (r *TUFRepository) Expire(role string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expires[role] = r.now.Add(-time.Hour)
	if role == metadata.ROOT {
		return r.writeRoot(r.keys[role])
	}
	return r.publish(role)
}

// Tamper changes what is answered for paths that end in path. A change that
// returns nil makes it 503.
func (r *TUFRepository) Tamper(path string, change func([]byte) []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tamper = append(r.tamper, tampering{path, change})
}

// File returns what an honest answer for path would be, nil for none.
func (r *TUFRepository) File(path string) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.files[path]
}

// Down makes the repository answer everything with 503, or work again.
func (r *TUFRepository) Down(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

// Requests returns the paths that were asked for since the last Reset, in
// order and without the first slash.
func (r *TUFRepository) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.log)
}

// Reset forgets the requests and everything that Tamper and Down have done.
func (r *TUFRepository) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log, r.tamper, r.down = nil, nil, false
}

// ServeHTTP implements http.Handler.
func (r *TUFRepository) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	path := strings.TrimPrefix(req.URL.Path, "/")
	r.log = append(r.log, path)
	body, ok := r.files[path]
	down := r.down
	for _, t := range r.tamper {
		if strings.HasSuffix(path, t.path) {
			body, ok = t.change(slices.Clone(body)), true
			down = down || body == nil
		}
	}
	r.mu.Unlock()
	switch {
	case down:
		w.WriteHeader(http.StatusServiceUnavailable)
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	default:
		_, _ = w.Write(body) // the client may have seen enough
	}
}

func (r *TUFRepository) validFrom(now time.Time) {
	r.now = now.UTC().Truncate(time.Second)
	for _, role := range metadata.TOP_LEVEL_ROLE_NAMES {
		r.expires[role] = r.now.AddDate(0, 1, 0)
	}
}

// rotate gives every role new keys and writes the root that says so.
func (r *TUFRepository) rotate() error {
	old := r.keys[metadata.ROOT]
	for _, role := range metadata.TOP_LEVEL_ROLE_NAMES {
		n := 1
		if role == metadata.ROOT {
			n = tufRootKeys
		}
		r.keys[role] = nil
		for range n {
			k, err := newKey()
			if err != nil {
				return fmt.Errorf("sigstoretest: TUF key: %w", err)
			}
			r.keys[role] = append(r.keys[role], k)
		}
	}
	return r.writeRoot(append(old, r.keys[metadata.ROOT]...))
}

func (r *TUFRepository) writeRoot(signers []crypto.Signer) error {
	root := metadata.Root(r.expires[metadata.ROOT])
	for role, keys := range r.keys {
		for _, k := range keys {
			key, err := metadata.KeyFromPublicKey(k.Public())
			if err != nil {
				return fmt.Errorf("sigstoretest: TUF key: %w", err)
			}
			if err := root.Signed.AddKey(key, role); err != nil {
				return fmt.Errorf("sigstoretest: TUF root: %w", err)
			}
		}
	}
	root.Signed.Roles[metadata.ROOT].Threshold = tufRootThreshold
	r.version[metadata.ROOT]++
	root.Signed.Version = r.version[metadata.ROOT]
	return write(r, fmt.Sprintf("%d.root.json", root.Signed.Version), root, signers)
}

// publish writes a new version of a role's metadata and of all that name it.
func (r *TUFRepository) publish(role string) error {
	r.version[role]++
	v, expires := r.version[role], r.expires[role]
	switch role {
	case metadata.TARGETS:
		targets := metadata.Targets(expires)
		targets.Signed.Version = v
		for name, body := range map[string][]byte{tufTarget: r.target, tufConfig: r.config} {
			if body == nil {
				continue
			}
			file, err := metadata.TargetFile().FromBytes(name, body, "sha256")
			if err != nil {
				return fmt.Errorf("sigstoretest: TUF target: %w", err)
			}
			sum := sha256.Sum256(body)
			r.files["targets/"+hex.EncodeToString(sum[:])+"."+name] = body
			targets.Signed.Targets[name] = file
		}
		if err := write(r, fmt.Sprintf("%d.targets.json", v), targets, r.keys[role]); err != nil {
			return err
		}
		return r.publish(metadata.SNAPSHOT)
	case metadata.SNAPSHOT:
		snapshot := metadata.Snapshot(expires)
		snapshot.Signed.Meta["targets.json"], snapshot.Signed.Version = metadata.MetaFile(r.version[metadata.TARGETS]), v
		if err := write(r, fmt.Sprintf("%d.snapshot.json", v), snapshot, r.keys[role]); err != nil {
			return err
		}
		return r.publish(metadata.TIMESTAMP)
	case metadata.TIMESTAMP:
		timestamp := metadata.Timestamp(expires)
		timestamp.Signed.Meta["snapshot.json"], timestamp.Signed.Version = metadata.MetaFile(r.version[metadata.SNAPSHOT]), v
		return write(r, "timestamp.json", timestamp, r.keys[role])
	}
	return fmt.Errorf("sigstoretest: no TUF role %q", role)
}

// write signs a document and serves it.
func write[T metadata.Roles](r *TUFRepository, path string, doc *metadata.Metadata[T], signers []crypto.Signer) error {
	for _, k := range signers {
		signer, err := signature.LoadSigner(k, crypto.SHA256)
		if err == nil {
			_, err = doc.Sign(signer)
		}
		if err != nil {
			return fmt.Errorf("sigstoretest: sign TUF %s: %w", path, err)
		}
	}
	body, err := doc.ToBytes(false)
	if err != nil {
		return fmt.Errorf("sigstoretest: TUF %s: %w", path, err)
	}
	r.files[path] = body
	return nil
}
