package sigstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"sync"
	"time"

	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	rekorpb "github.com/sigstore/rekor-tiles/v2/pkg/generated/protobuf"
	rekornote "github.com/sigstore/rekor-tiles/v2/pkg/note"
	"github.com/sigstore/rekor-tiles/v2/pkg/types/hashedrekord"
	"github.com/sigstore/sigstore-go/pkg/root"
	sgsignature "github.com/sigstore/sigstore/pkg/signature"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/encoding/protojson"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
)

// A rekor2 is a Rekor v2 log as the library's RekorV2Client.
type rekor2 struct {
	*asking
	known map[string]*root.TransparencyLog
}

// rekor2Attempt bounds one attempt at an entry: the log answers once it has
// published a checkpoint, for which Rekor's CLIENTS.md asks to wait 20 s. Whoever
// asks again before is told that the entry is there already.
const rekor2Attempt = callLimit

// readLimit bounds how long an entry that is there already is read, after the
// log has taken its time to say so.
const readLimit = 8 * time.Second

// errTwice is that of an entry which the log has already and which cannot be
// read from it.
var errTwice = errors.New("the log has this signature already")

// Add makes an entry, or reads the one that is there already.
func (r *rekor2) Add(_ context.Context, entry any) (*protorekor.TransparencyLogEntry, error) {
	request, ok := entry.(*rekorpb.HashedRekordRequestV002)
	if !ok {
		return nil, fmt.Errorf("%T is no entry of Rekor v2", entry)
	}
	leaf, err := hashedrekord.ToEntryHash(request.GetDigest(), request.GetSignature())
	if err != nil {
		return nil, err
	}
	body, err := protojson.Marshal(&rekorpb.CreateEntryRequest{Spec: &rekorpb.CreateEntryRequest_HashedRekordRequestV002{HashedRekordRequestV002: request}})
	if err != nil {
		return nil, err
	}
	a, err := r.do(call{
		method: http.MethodPost, url: "/api/v2/log/entries", body: body, header: jsonHeader(), attempt: rekor2Attempt,
		settled: func(status int) bool { return status == http.StatusConflict },
	})
	if err != nil {
		return nil, err
	}
	var e *protorekor.TransparencyLogEntry
	if a.status == http.StatusConflict {
		if e, err = r.existing(a, leaf); err != nil {
			return nil, r.trouble(fmt.Errorf("%w: %w", errTwice, err))
		}
	} else {
		e = &protorekor.TransparencyLogEntry{}
		// A log may say more than this program knows.
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(a.body, e); err != nil {
			return nil, r.trouble(errors.New("the answer holds no entry"))
		}
	}
	if !bytes.Equal(rfc6962.DefaultHasher.HashLeaf(e.GetCanonicalizedBody()), leaf) {
		return nil, r.trouble(errors.New("the entry is about another signature"))
	}
	return e, nil
}

// existing reads the entry that a 409 is about from the log's tiles. leaf is the
// hash that it must have.
func (r *rekor2) existing(a answer, leaf []byte) (*protorekor.TransparencyLogEntry, error) {
	index, ok := entryIndex(a)
	if !ok {
		return nil, errors.New("it does not say where")
	}
	ctx, cancel := context.WithCancelCause(r.ctx)
	defer cancel(nil)
	stop := r.c.after(readLimit, func() { cancel(fmt.Errorf("%w within %s", errNoAnswer, readLimit)) })
	defer stop()
	reading := *r.asking
	reading.ctx = ctx
	t := tiles{asking: &reading}
	var id []byte
	for attempt := 1; ; attempt++ {
		checkpoint, err := t.do(call{method: http.MethodGet, url: "/api/v2/checkpoint", header: http.Header{"Cache-Control": {"no-cache"}}, limit: maxCheckpoint})
		if err != nil {
			return nil, err
		}
		if id, err = t.open(checkpoint.body, r.known); err != nil {
			return nil, err
		}
		if index < t.size {
			break
		}
		// It was published before the log spoke of it, so that a cache is behind.
		if attempt == maxAttempts {
			return nil, fmt.Errorf("the entry is number %d, and the checkpoint that the log shows has only %d", index, t.size)
		}
		if err := r.c.sleep(ctx, time.Second); err != nil {
			return nil, err
		}
	}
	body, err := t.entry(index)
	if err != nil {
		return nil, err
	}
	proof, err := t.inclusion(index, leaf)
	if err != nil {
		return nil, err
	}
	return &protorekor.TransparencyLogEntry{
		LogIndex:          proof.GetLogIndex(),
		LogId:             &protocommon.LogId{KeyId: id},
		KindVersion:       &protorekor.KindVersion{Kind: "hashedrekord", Version: "0.0.2"},
		InclusionProof:    proof,
		CanonicalizedBody: body,
	}, nil
}

// indexPattern finds the index in the words of a 409.
var indexPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`with index ([0-9]{1,18})$`) })

// entryIndex returns the index of the entry that a 409 is about: rekor-tiles
// writes it in a header and in its message.
func entryIndex(a answer) (uint64, bool) {
	text := a.header.Get("X-Log-Index")
	if text == "" {
		var v struct {
			Message string `json:"message"`
		}
		if json.Unmarshal(a.body, &v) != nil {
			return 0, false
		}
		if m := indexPattern().FindStringSubmatch(v.Message); m != nil {
			text = m[1]
		}
	}
	n, err := strconv.ParseUint(text, 10, 63)
	return n, err == nil
}

// open reads a checkpoint that one of the known logs has signed, and returns the
// ID of that log.
func (t *tiles) open(checkpoint []byte, known map[string]*root.TransparencyLog) ([]byte, error) {
	var verifiers []note.Verifier
	type signer struct {
		name string
		hash uint32
	}
	ids := map[signer][]byte{}
	for _, log := range known {
		u, err := url.Parse(log.BaseURL)
		if err != nil || u.Hostname() == "" {
			continue
		}
		key, err := sgsignature.LoadVerifier(log.PublicKey, log.SignatureHashFunc)
		if err != nil {
			continue
		}
		v, err := rekornote.NewNoteVerifier(u.Hostname(), key)
		if err != nil {
			continue
		}
		if s := (signer{v.Name(), v.KeyHash()}); ids[s] == nil {
			ids[s] = log.ID
			verifiers = append(verifiers, v)
		}
	}
	n, err := note.Open(checkpoint, note.VerifierList(verifiers...))
	if err != nil {
		return nil, errors.New("its checkpoint is not signed by a log of the trusted root")
	}
	id := ids[signer{n.Sigs[0].Name, n.Sigs[0].Hash}]
	if err := t.read(n.Text, n.Sigs[0].Name); err != nil {
		return nil, err
	}
	t.checkpoint = string(checkpoint)
	return id, nil
}
