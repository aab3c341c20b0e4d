package sigstack

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	ct "github.com/google/certificate-transparency-go"
	cttls "github.com/google/certificate-transparency-go/tls"
)

// A ctLog takes certificates and pre-certificates as RFC 6962, section 4, has
// it, and signs their timestamps. It keeps no tree: Fulcio and the clients look
// at the signed timestamp only.
type ctLog struct {
	key *ecdsa.PrivateKey
	id  [sha256.Size]byte
}

func newCTLog() (*ctLog, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	id, err := logID(key.Public())
	return &ctLog{key: key, id: id}, err
}

// ServeHTTP answers add-chain and add-pre-chain under any prefix.
func (l *ctLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var kind ct.LogEntryType
	switch {
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, ct.AddPreChainPath):
		kind = ct.PrecertLogEntryType
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, ct.AddChainPath):
		kind = ct.X509LogEntryType
	default:
		http.NotFound(w, r)
		return
	}
	var asked ct.AddChainRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := l.add(asked.Chain, kind, time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	writeJSON(w, answer)
}

// add returns the signed timestamp of a chain (RFC 6962, section 3.2).
func (l *ctLog) add(chain [][]byte, kind ct.LogEntryType, now time.Time) (*ct.AddChainResponse, error) {
	certificates := make([]ct.ASN1Cert, len(chain))
	for i, c := range chain {
		certificates[i].Data = c
	}
	millis := uint64(now.UnixMilli())
	leaf, err := ct.MerkleTreeLeafFromRawChain(certificates, kind, millis)
	if err != nil {
		return nil, err
	}
	timestamp := ct.SignedCertificateTimestamp{SCTVersion: ct.V1, LogID: ct.LogID{KeyID: l.id}, Timestamp: millis}
	input, err := ct.SerializeSCTSignatureInput(timestamp, ct.LogEntry{Leaf: *leaf})
	if err != nil {
		return nil, err
	}
	signed, err := cttls.CreateSignature(*l.key, cttls.SHA256, input)
	if err != nil {
		return nil, fmt.Errorf("sign the timestamp: %w", err)
	}
	signature, err := cttls.Marshal(signed)
	if err != nil {
		return nil, err
	}
	return &ct.AddChainResponse{SCTVersion: ct.V1, ID: l.id[:], Timestamp: millis, Signature: signature}, nil
}
