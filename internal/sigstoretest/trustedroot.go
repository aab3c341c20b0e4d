package sigstoretest

import (
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
)

// TrustedRoot returns the trusted_root.json that vouches for the instance, and
// nothing but the instance.
func (in *Instance) TrustedRoot() ([]byte, error) {
	logs := map[string]*root.TransparencyLog{}
	in.addLog(logs, in.rekor1.host, in.rekor1.id, in.rekor1.key.Public(), 0)
	// The JSON is sorted by start; without the second its order would be random.
	in.addLog(logs, in.rekor2.host, in.rekor2.id, in.rekor2.key.Public(), time.Second)
	cts := map[string]*root.TransparencyLog{}
	in.addLog(cts, "ctfe.localhost", in.ct.id[:], in.ct.key.Public(), 0)
	fulcio := &root.FulcioCertificateAuthority{
		Root:                in.fulcio.root,
		Intermediates:       []*x509.Certificate{in.fulcio.intermediate},
		ValidityPeriodStart: in.start(),
		ValidityPeriodEnd:   in.end(),
		URI:                 "https://fulcio.localhost",
	}
	tsa := &root.SigstoreTimestampingAuthority{
		Root:                in.tsaCA.root,
		Intermediates:       []*x509.Certificate{in.tsaCA.intermediate},
		Leaf:                in.tsa.Chain[0],
		ValidityPeriodStart: in.start(),
		ValidityPeriodEnd:   in.end(),
		URI:                 "https://tsa.localhost",
	}
	tr, err := root.NewTrustedRoot(root.TrustedRootMediaType01,
		[]root.CertificateAuthority{fulcio}, cts, []root.TimestampingAuthority{tsa}, logs)
	if err != nil {
		return nil, fmt.Errorf("sigstoretest: trusted root: %w", err)
	}
	return tr.MarshalJSON()
}

func (in *Instance) addLog(to map[string]*root.TransparencyLog, host string, id []byte, key crypto.PublicKey, later time.Duration) {
	to[hex.EncodeToString(id)] = &root.TransparencyLog{
		BaseURL:             "https://" + host,
		ID:                  id,
		ValidityPeriodStart: in.start().Add(later),
		ValidityPeriodEnd:   in.end(),
		HashFunc:            crypto.SHA256,
		PublicKey:           key,
		SignatureHashFunc:   crypto.SHA256,
	}
}
