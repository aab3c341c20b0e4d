package sigstack

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/google/trillian"
	"github.com/google/trillian/storage"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A distinct is storage for logs that takes each leaf of a tree once, as storage
// in databases does. What Trillian has in memory takes it any number of times,
// and Rekor v1 would never say that it knows an entry.
type distinct struct {
	storage.LogStorage

	mu     sync.Mutex
	leaves map[string]*trillian.LogLeaf // by the tree and the leaf's identity
}

// QueueLeaves adds leaves to those that get into the tree next.
func (d *distinct) QueueLeaves(ctx context.Context, tree *trillian.Tree, leaves []*trillian.LogLeaf, now time.Time) ([]*trillian.QueuedLogLeaf, error) {
	queued := make([]*trillian.QueuedLogLeaf, len(leaves))
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, leaf := range leaves {
		key := string(leaf.LeafIdentityHash) + strconv.FormatInt(tree.TreeId, 10)
		if known := d.leaves[key]; known != nil {
			queued[i] = &trillian.QueuedLogLeaf{Leaf: known, Status: status.New(codes.AlreadyExists, "the leaf is there").Proto()}
			continue
		}
		one, err := d.LogStorage.QueueLeaves(ctx, tree, leaves[i:i+1], now)
		if err != nil {
			return nil, err
		}
		queued[i] = one[0]
		d.leaves[key] = leaf
	}
	return queued, nil
}
