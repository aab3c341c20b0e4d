package sigstore

import (
	"cmp"
	"errors"
)

// allStamped returns an error unless each timestamp is by an authority of the trust
// root. The library counts authorities, of which two may have the same address, or
// none.
func (p prover) allStamped(s signature) error {
	stamps, err := s.entity.Timestamps()
	if err != nil {
		return err
	}
	content, err := s.entity.SignatureContent()
	if err != nil {
		return err
	}
	for _, stamp := range stamps {
		if err := p.byAnAuthority(stamp, content.Signature()); err != nil {
			return err
		}
	}
	return nil
}

func (p prover) byAnAuthority(stamp, signature []byte) error {
	var errs []error
	for _, tsa := range p.material.TimestampingAuthorities() {
		_, err := tsa.Verify(stamp, signature)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return cmp.Or(errors.Join(errs...), errors.New("it has none"))
}

// logs is of how many logs there have to be entries.
func (p prover) logs(s signature) int {
	entries, err := s.entity.TlogEntries()
	if !p.every || err != nil {
		return 1
	}
	keys := map[string]bool{}
	for _, e := range entries {
		keys[e.LogKeyID()] = true
	}
	return max(1, len(keys))
}
