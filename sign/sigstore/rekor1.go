package sigstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"github.com/sigstore/rekor/pkg/generated/client/entries"
	"github.com/sigstore/rekor/pkg/generated/models"
)

// A rekor1 is a Rekor v1 log as the library's RekorClient. The library's own
// client follows redirects, and does not look at what it is given before it
// takes it apart.
type rekor1 struct{ *asking }

const entries1 = "/api/v1/log/entries"

// CreateLogEntry makes an entry, or fetches the one that is there already.
func (r *rekor1) CreateLogEntry(params *entries.CreateLogEntryParams, _ ...entries.ClientOption) (*entries.CreateLogEntryCreated, error) {
	body, err := json.Marshal(params.ProposedEntry)
	if err != nil {
		return nil, err
	}
	a, err := r.do(call{
		method: http.MethodPost, url: entries1, body: body, header: jsonHeader(),
		settled: func(status int) bool { return status == http.StatusConflict },
	})
	if err != nil {
		return nil, err
	}
	if a.status == http.StatusConflict {
		uuid, ok := entryUUID(a)
		if !ok {
			return nil, r.trouble(errors.New("the log has this entry already and does not say where"))
		}
		// The log knows an entry a moment before it can prove it.
		a, err = r.do(call{
			method: http.MethodGet, url: entries1 + "/" + uuid, header: jsonHeader(),
			again: func(status int) bool { return status == http.StatusNotFound },
		})
		if err != nil {
			return nil, err
		}
	}
	uuid, entry, err := readEntry1(a.body)
	if err != nil {
		return nil, r.trouble(err)
	}
	return &entries.CreateLogEntryCreated{ETag: uuid, Payload: models.LogEntry{uuid: entry}}, nil
}

// GetLogEntryByUUID is never called, as CreateLogEntry reports no conflict.
func (r *rekor1) GetLogEntryByUUID(*entries.GetLogEntryByUUIDParams, ...entries.ClientOption) (*entries.GetLogEntryByUUIDOK, error) {
	return nil, errors.New("an entry was asked for twice")
}

func jsonHeader() http.Header {
	return http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}
}

// uuidPattern is the SHA-256 of an entry, perhaps behind the ID of its tree.
var uuidPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:[0-9a-f]{16})?[0-9a-f]{64}$`) })

// entryUUID returns the name of the entry that a 409 is about.
func entryUUID(a answer) (string, bool) {
	if u, err := url.Parse(a.header.Get("Location")); err == nil {
		if uuid := path.Base(u.Path); uuidPattern().MatchString(uuid) {
			return uuid, true
		}
	}
	var v struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(a.body, &v) == nil {
		words := strings.Fields(v.Message)
		if n := len(words); n > 0 && uuidPattern().MatchString(words[n-1]) {
			return words[n-1], true
		}
	}
	return "", false
}

// readEntry1 reads the one entry that Rekor v1 answers, with all that the library
// takes for granted.
func readEntry1(body []byte) (string, models.LogEntryAnon, error) {
	var answer map[string]models.LogEntryAnon
	if err := json.Unmarshal(body, &answer); err != nil || len(answer) != 1 {
		return "", models.LogEntryAnon{}, errors.New("the answer holds no entry")
	}
	for uuid, e := range answer {
		text, _ := e.Body.(string)
		v := e.Verification
		switch {
		case text == "" || base64.StdEncoding.DecodedLen(len(text)) > maxEntry+2:
			return "", e, errors.New("the entry has no body")
		case e.LogID == nil || e.LogIndex == nil || e.IntegratedTime == nil:
			return "", e, errors.New("the entry lacks its log, index or time")
		case v == nil || v.InclusionProof == nil || len(v.SignedEntryTimestamp) == 0:
			return "", e, errors.New("the entry has no proof that it is in the log")
		}
		p := v.InclusionProof
		if p.Checkpoint == nil || p.LogIndex == nil || p.RootHash == nil || p.TreeSize == nil || len(p.Hashes) > maxPath {
			return "", e, errors.New("the entry's inclusion proof is malformed")
		}
		return uuid, e, nil
	}
	return "", models.LogEntryAnon{}, errors.New("the answer holds no entry")
}

// An entry1 is the body of an entry of Rekor v1: a hashedrekord or a dsse, both
// of version 0.0.1.
type entry1 struct {
	Kind       string `json:"kind"`
	APIVersion string `json:"apiVersion"`
	Spec       struct {
		Data struct {
			Hash hash1 `json:"hash"`
		} `json:"data"`
		Signature struct {
			Content   []byte `json:"content"`
			PublicKey struct {
				Content []byte `json:"content"`
			} `json:"publicKey"`
		} `json:"signature"`

		PayloadHash hash1 `json:"payloadHash"`
		Signatures  []struct {
			Signature []byte `json:"signature"`
			Verifier  []byte `json:"verifier"`
		} `json:"signatures"`
	} `json:"spec"`
}

type hash1 struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"value"`
}

// aboutSignature says why the body of an entry is not about the signature of b
// by that key: a log may answer with any entry it has.
func aboutSignature(body, keyOrCert []byte, b *protobundle.Bundle) error {
	var e entry1
	if err := json.Unmarshal(body, &e); err != nil {
		return fmt.Errorf("the entry's body is no JSON: %w", err)
	}
	sig, key := e.Spec.Signature.Content, e.Spec.Signature.PublicKey.Content
	sum, want := e.Spec.Data.Hash.Value, ""
	kind := "hashedrekord"
	if envelope := b.GetDsseEnvelope(); envelope != nil {
		kind = "dsse"
		if len(e.Spec.Signatures) != 1 {
			return fmt.Errorf("the entry has %d signatures, not one", len(e.Spec.Signatures))
		}
		sig, key = e.Spec.Signatures[0].Signature, e.Spec.Signatures[0].Verifier
		d := sha256.Sum256(envelope.GetPayload())
		sum, want = e.Spec.PayloadHash.Value, hex.EncodeToString(d[:])
	} else {
		want = hex.EncodeToString(b.GetMessageSignature().GetMessageDigest().GetDigest())
	}
	switch {
	case e.Kind != kind || e.APIVersion != "0.0.1":
		return fmt.Errorf("the entry is a %s %s, not a %s 0.0.1", clean(e.Kind), clean(e.APIVersion), kind)
	case !bytes.Equal(sig, signature(b)):
		return errors.New("the entry is about another signature")
	case !sameKey(key, keyOrCert):
		return errors.New("the entry is about another key")
	case sum != want:
		return errors.New("the entry is about other content")
	}
	return nil
}
