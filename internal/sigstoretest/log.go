package sigstoretest

import (
	"context"
	"crypto"
	"encoding/base64"
	"fmt"
	"slices"
	"sync"

	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	rekornote "github.com/sigstore/rekor-tiles/v2/pkg/note"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

// rekorLog is a Merkle tree and the key that signs its checkpoints.
type rekorLog struct {
	host, origin string
	id           []byte
	key          crypto.Signer
	notes        note.Signer
	offset       int64 // from an index in the tree to the log index

	mu     sync.Mutex
	tree   *compact.Range
	bodies [][]byte // of the leaves, for whoever reads the log
}

func newRekorLog(host, origin string, key crypto.Signer, offset int64) (*rekorLog, error) {
	s, err := signature.LoadSigner(key, crypto.SHA256)
	if err != nil {
		return nil, err
	}
	// A note's key hash is cut from the log ID: the SHA-256 of an ECDSA key's
	// SPKI, and for Ed25519 that of the signed note format.
	_, id, err := rekornote.KeyHash(host, key.Public())
	if err != nil {
		return nil, err
	}
	notes, err := rekornote.NewNoteSigner(context.Background(), host, s)
	if err != nil {
		return nil, err
	}
	f := &compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	return &rekorLog{host: host, origin: origin, id: id, key: key, notes: notes, offset: offset,
		tree: f.NewEmptyRange(0)}, nil
}

// include appends body to the tree and proves that it is its last leaf.
func (l *rekorLog) include(body []byte) (*protorekor.InclusionProof, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	index := l.tree.End()
	// The path of the last leaf is the roots of all full subtrees left of it,
	// smallest first.
	path := slices.Clone(l.tree.Hashes())
	slices.Reverse(path)
	if err := l.tree.Append(rfc6962.DefaultHasher.HashLeaf(body), nil); err != nil {
		return nil, err
	}
	l.bodies = append(l.bodies, body)
	rootHash, checkpoint, err := l.checkpoint()
	if err != nil {
		return nil, err
	}
	return &protorekor.InclusionProof{
		LogIndex:   int64(index),     //nolint:gosec // a tree in memory
		TreeSize:   int64(index) + 1, //nolint:gosec // a tree in memory
		RootHash:   rootHash,
		Hashes:     path,
		Checkpoint: &protorekor.Checkpoint{Envelope: string(checkpoint)},
	}, nil
}

// checkpoint signs the state of the tree. The caller holds l.mu.
func (l *rekorLog) checkpoint() (rootHash, signed []byte, err error) {
	if rootHash, err = l.tree.GetRootHash(nil); err != nil {
		return nil, nil, err
	}
	signed, err = note.Sign(&note.Note{
		Text: fmt.Sprintf("%s\n%d\n%s\n", l.origin, l.tree.End(), base64.StdEncoding.EncodeToString(rootHash)),
	}, l.notes)
	return rootHash, signed, err
}
