package sigstore

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

const (
	// tileHeight and tileWidth are those of all tiles (C2SP tlog-tiles): 8
	// levels of the tree, 256 hashes or entries.
	tileHeight, tileWidth = 8, 1 << tileHeight
	// maxTileEntry bounds an entry in a tile, in bytes, by the 16 bits of its
	// length.
	maxTileEntry = 1<<16 - 1
)

// tiles are a log at a checkpoint, as static files.
//
// https://c2sp.org/tlog-tiles
type tiles struct {
	*asking
	checkpoint string
	size       uint64
	root       []byte
	hashes     map[string][]byte // tiles that were read, by path
}

// read reads the text of a checkpoint (C2SP tlog-checkpoint).
func (t *tiles) read(text, origin string) error {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[0] != origin {
		return errors.New("its checkpoint is malformed")
	}
	var err error
	if t.size, err = strconv.ParseUint(lines[1], 10, 63); err != nil {
		return errors.New("its checkpoint is malformed")
	}
	if t.root, err = base64.StdEncoding.DecodeString(lines[2]); err != nil || len(t.root) != hashSize {
		return errors.New("its checkpoint is malformed")
	}
	return nil
}

// entry returns the body of an entry, whose hash nobody has checked yet.
func (t *tiles) entry(index uint64) ([]byte, error) {
	const kind = "entries"
	n := index / tileWidth
	width := t.width(0, n)
	bundle, err := t.get(kind, n, width, tileWidth*(2+maxTileEntry))
	if err != nil {
		return nil, err
	}
	for range index % tileWidth {
		if bundle, _, err = nextEntry(bundle); err != nil {
			return nil, err
		}
	}
	_, body, err := nextEntry(bundle)
	return body, err
}

// nextEntry splits the first entry from a bundle.
func nextEntry(bundle []byte) (rest, entry []byte, err error) {
	if len(bundle) < 2 {
		return nil, nil, errors.New("its tile of entries is cut off")
	}
	n := 2 + int(binary.BigEndian.Uint16(bundle))
	if len(bundle) < n {
		return nil, nil, errors.New("its tile of entries is cut off")
	}
	return bundle[n:], bundle[2:n], nil
}

// inclusion proves that the entry with that hash is in the tree of the
// checkpoint, and has checked the proof.
func (t *tiles) inclusion(index uint64, leaf []byte) (*protorekor.InclusionProof, error) {
	nodes, err := proof.Inclusion(index, t.size)
	if err != nil {
		return nil, err
	}
	var path [][]byte
	for _, id := range nodes.IDs {
		h, err := t.node(id)
		if err != nil {
			return nil, err
		}
		path = append(path, h)
	}
	if path, err = nodes.Rehash(path, rfc6962.DefaultHasher.HashChildren); err != nil {
		return nil, err
	}
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, index, t.size, leaf, path, t.root); err != nil {
		return nil, fmt.Errorf("entry %d is not this signature, or its tiles do not fit its checkpoint", index)
	}
	return &protorekor.InclusionProof{
		LogIndex: int64(index), TreeSize: int64(t.size), //nolint:gosec // both were read as 63 bits
		RootHash: t.root, Hashes: path, Checkpoint: &protorekor.Checkpoint{Envelope: t.checkpoint},
	}, nil
}

// node returns a hash of the tree.
func (t *tiles) node(id compact.NodeID) ([]byte, error) {
	level, above := id.Level/tileHeight, id.Level%tileHeight
	first := id.Index << above
	n := first / tileWidth
	tile, err := t.get(strconv.FormatUint(uint64(level), 10), n, t.width(level, n), tileWidth*hashSize)
	if err != nil {
		return nil, err
	}
	var row [][]byte
	for i := first % tileWidth; i < first%tileWidth+1<<above; i++ {
		if uint64(len(tile)) < (i+1)*hashSize {
			return nil, errors.New("its tile is cut off")
		}
		row = append(row, tile[i*hashSize:(i+1)*hashSize])
	}
	for len(row) > 1 {
		for i := range len(row) / 2 {
			row[i] = rfc6962.DefaultHasher.HashChildren(row[2*i], row[2*i+1])
		}
		row = row[:len(row)/2]
	}
	return row[0], nil
}

// width returns how many hashes of the tree of the checkpoint a tile holds.
func (t *tiles) width(level uint, n uint64) uint64 {
	return min(tileWidth, t.size>>(level*tileHeight)-n*tileWidth)
}

// get reads a tile. A partial one may have been replaced by the full one.
func (t *tiles) get(kind string, n, width uint64, limit int64) ([]byte, error) {
	path := "/api/v2/tile/" + kind + "/" + tilePath(n)
	if known := t.hashes[path]; known != nil {
		return known, nil
	}
	ask := func(path string) (answer, error) {
		return t.do(call{method: http.MethodGet, url: path, limit: limit})
	}
	partial := path
	if width < tileWidth {
		partial = fmt.Sprintf("%s.p/%d", path, width)
	}
	a, err := ask(partial)
	if e := (*ServiceError)(nil); errors.As(err, &e) && e.Status == http.StatusNotFound && partial != path {
		a, err = ask(path)
	}
	if err != nil {
		return nil, err
	}
	if t.hashes == nil {
		t.hashes = map[string][]byte{}
	}
	t.hashes[path] = a.body
	return a.body, nil
}

// tilePath writes the number of a tile in groups of three digits, all but the
// last after an x: x001/x234/067.
func tilePath(n uint64) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	return path
}
