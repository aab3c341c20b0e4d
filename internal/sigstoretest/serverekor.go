package sigstoretest

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/rekor-tiles/v2/pkg/generated/protobuf"
	"github.com/sigstore/rekor-tiles/v2/pkg/types/hashedrekord"
	"github.com/sigstore/rekor/pkg/generated/models"
	"github.com/sigstore/rekor/pkg/types"
	_ "github.com/sigstore/rekor/pkg/types/dsse/v0.0.1"         // registers the entry kind
	_ "github.com/sigstore/rekor/pkg/types/hashedrekord/v0.0.1" // registers the entry kind
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"google.golang.org/protobuf/encoding/protojson"
)

// treeID is that of Rekor v1's tree, which the UUID of an entry begins with.
const treeID = "00000000000000ab"

// rekor1Handler is Rekor's v1 API: it checks and writes entries with Rekor's
// own code.
func (s *Services) rekor1Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/log/entries", func(w http.ResponseWriter, r *http.Request) {
		kind, version, body, err := canonical1(r)
		if err != nil {
			writeJSON(w, http.StatusBadRequest, map[string]any{"code": http.StatusBadRequest, "message": "error processing entry: " + err.Error()})
			return
		}
		uuid := treeID + hex.EncodeToString(rfc6962.DefaultHasher.HashLeaf(body))
		location := r.URL.Path + "/" + uuid
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.logged[uuid] != nil {
			w.Header().Set("Location", location)
			writeJSON(w, http.StatusConflict, map[string]any{"code": http.StatusConflict,
				"message": "an equivalent entry already exists in the transparency log with UUID " + uuid})
			return
		}
		e, err := s.in.rekor1.append(kind, version, body)
		if err == nil {
			err = s.in.promise(e, s.now())
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		s.logged[uuid] = e
		w.Header().Set("Location", location)
		w.Header().Set("Etag", uuid)
		writeJSON(w, http.StatusCreated, entry1(uuid, e))
	})
	mux.HandleFunc("GET /api/v1/log/entries/{uuid}", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		e := s.logged[r.PathValue("uuid")]
		s.mu.Unlock()
		if e == nil {
			writeJSON(w, http.StatusNotFound, map[string]any{"code": http.StatusNotFound, "message": ""})
			return
		}
		writeJSON(w, http.StatusOK, entry1(r.PathValue("uuid"), e))
	})
	return mux
}

// consumer reads JSON as Rekor's own does: numbers as they are written.
type consumer struct{}

// Consume implements the interface that go-openapi reads bodies by.
func (consumer) Consume(r io.Reader, into any) error {
	d := json.NewDecoder(r)
	d.UseNumber()
	return d.Decode(into)
}

// canonical1 checks a proposed entry and returns what the log keeps of it.
func canonical1(r *http.Request) (kind, version string, body []byte, err error) {
	proposed, err := models.UnmarshalProposedEntry(r.Body, consumer{})
	if err != nil {
		return "", "", nil, err
	}
	if kind = proposed.Kind(); kind != "hashedrekord" && kind != "dsse" {
		return "", "", nil, fmt.Errorf("entry kind '%s' is not served here", kind)
	}
	entry, err := types.UnmarshalEntry(proposed)
	if err != nil {
		return "", "", nil, err
	}
	if ok, err := entry.Insertable(); !ok {
		return "", "", nil, err
	}
	body, err = types.CanonicalizeEntry(r.Context(), entry)
	return kind, entry.APIVersion(), body, err
}

// entry1 is an entry as Rekor v1 answers it.
func entry1(uuid string, e *protorekor.TransparencyLogEntry) map[string]any {
	hashes := []string{}
	for _, h := range e.InclusionProof.Hashes {
		hashes = append(hashes, hex.EncodeToString(h))
	}
	return map[string]any{uuid: map[string]any{
		"body": e.CanonicalizedBody, "integratedTime": e.IntegratedTime, "logIndex": e.LogIndex,
		"logID": hex.EncodeToString(e.LogId.KeyId),
		"verification": map[string]any{
			"signedEntryTimestamp": e.InclusionPromise.SignedEntryTimestamp,
			"inclusionProof": map[string]any{
				"checkpoint": e.InclusionProof.Checkpoint.Envelope, "hashes": hashes, "logIndex": e.InclusionProof.LogIndex,
				"rootHash": hex.EncodeToString(e.InclusionProof.RootHash), "treeSize": e.InclusionProof.TreeSize,
			},
		},
	}}
}

// rekor2Handler is Rekor's v2 API: it checks and writes entries with Rekor's own
// code, and serves the log as tiles (C2SP tlog-tiles).
func (s *Services) rekor2Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v2/log/entries", func(w http.ResponseWriter, r *http.Request) {
		body, err := canonical2(r.Body)
		if err != nil {
			refuse(w, http.StatusBadRequest, 3, err.Error())
			return
		}
		s.mu.Lock()
		index, known := s.index2[string(body)]
		if known {
			s.mu.Unlock()
			w.Header().Set("X-Log-Index", strconv.FormatInt(index, 10))
			refuse(w, http.StatusConflict, 6, fmt.Sprintf("add entry: an equivalent entry already exists in the transparency log with index %d", index))
			return
		}
		e, err := s.in.rekor2.append("hashedrekord", "0.0.2", body)
		if err == nil {
			s.index2[string(body)] = e.LogIndex
		}
		s.mu.Unlock()
		var answer []byte
		if err == nil {
			answer, err = protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(e)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(answer)
	})
	mux.HandleFunc("GET /api/v2/checkpoint", func(w http.ResponseWriter, _ *http.Request) {
		l := s.in.rekor2
		l.mu.Lock()
		defer l.mu.Unlock()
		_, signed, err := l.checkpoint()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(signed)
	})
	mux.HandleFunc("GET /api/v2/tile/{level}/{path...}", func(w http.ResponseWriter, r *http.Request) {
		tile, err := s.in.rekor2.tile(r.PathValue("level"), r.PathValue("path"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(tile)
	})
	return mux
}

// canonical2 checks a request and returns what the log keeps of it.
func canonical2(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	req := &protobuf.CreateEntryRequest{}
	if err := protojson.Unmarshal(text, req); err != nil {
		return nil, err
	}
	if req.GetHashedRekordRequestV002() == nil {
		return nil, fmt.Errorf("invalid type, must be hashedrekord")
	}
	algorithms, err := signature.NewAlgorithmRegistryConfig([]protocommon.PublicKeyDetails{
		protocommon.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256, protocommon.PublicKeyDetails_PKIX_ECDSA_P384_SHA_384,
		protocommon.PublicKeyDetails_PKIX_ECDSA_P521_SHA_512, protocommon.PublicKeyDetails_PKIX_RSA_PKCS1V15_2048_SHA256,
		protocommon.PublicKeyDetails_PKIX_RSA_PKCS1V15_3072_SHA256, protocommon.PublicKeyDetails_PKIX_RSA_PKCS1V15_4096_SHA256,
		protocommon.PublicKeyDetails_PKIX_ED25519_PH,
	})
	if err != nil {
		return nil, err
	}
	entry, err := hashedrekord.ToLogEntry(req.GetHashedRekordRequestV002(), algorithms)
	if err != nil {
		return nil, fmt.Errorf("invalid hashedrekord request")
	}
	body, err := protojson.Marshal(entry)
	if err != nil {
		return nil, err
	}
	// Through a map, JSON becomes canonical: see enter.
	var v map[string]any
	if err := json.Unmarshal(body, &v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// promise gives e the time and the signature that Rekor v1 answers with.
func (in *Instance) promise(e *protorekor.TransparencyLogEntry, at time.Time) error {
	e.IntegratedTime = at.Unix()
	set, err := json.Marshal(promised(e))
	if err != nil {
		return err
	}
	digest := sha256.Sum256(set)
	sig, err := in.rekor1.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return err
	}
	e.InclusionPromise = &protorekor.InclusionPromise{SignedEntryTimestamp: sig}
	return nil
}

// tileWidth is how many hashes or entries a full tile holds.
const tileWidth = 256

// tile returns the tile at a path such as entries/000.p/5 or 0/x001/234.
func (l *rekorLog) tile(level, path string) ([]byte, error) {
	path, partial, _ := strings.Cut(path, ".p/")
	width := tileWidth
	if partial != "" {
		n, err := strconv.Atoi(partial)
		if err != nil || n < 1 || n >= tileWidth {
			return nil, fmt.Errorf("sigstoretest: tile width %q", partial)
		}
		width = n
	}
	index, err := strconv.Atoi(strings.NewReplacer("x", "", "/", "").Replace(path))
	if err != nil || index < 0 {
		return nil, fmt.Errorf("sigstoretest: tile %q", path)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var out bytes.Buffer
	if level == "entries" {
		for i := index * tileWidth; i < index*tileWidth+width; i++ {
			if i >= len(l.bodies) {
				return nil, fmt.Errorf("sigstoretest: no entry %d", i)
			}
			out.Write(binary.BigEndian.AppendUint16(nil, uint16(len(l.bodies[i])))) //nolint:gosec // entries are small
			out.Write(l.bodies[i])
		}
		return out.Bytes(), nil
	}
	n, err := strconv.Atoi(level)
	if err != nil || n < 0 || n > 3 {
		return nil, fmt.Errorf("sigstoretest: tile level %q", level)
	}
	size := 1 // leaves under one hash of the tile
	for range n {
		size *= tileWidth
	}
	for i := index * tileWidth; i < index*tileWidth+width; i++ {
		if (i+1)*size > len(l.bodies) {
			return nil, fmt.Errorf("sigstoretest: no hash %d on level %d", i, n)
		}
		f := &compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
		tree := f.NewEmptyRange(0)
		for _, body := range l.bodies[i*size : (i+1)*size] {
			if err := tree.Append(rfc6962.DefaultHasher.HashLeaf(body), nil); err != nil {
				return nil, err
			}
		}
		hash, err := tree.GetRootHash(nil)
		if err != nil {
			return nil, err
		}
		out.Write(hash)
	}
	return out.Bytes(), nil
}
