package sigstore

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"time"

	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	sgsign "github.com/sigstore/sigstore-go/pkg/sign"

	"github.com/boltseal/boltseal/verify"
)

const (
	// maxSigningConfig bounds the text of a signing config, in bytes. That of
	// the public-good instance has about 1,600.
	maxSigningConfig = 1 << 20
	// maxServices bounds the services of one kind that a signing config lists.
	maxServices = 64
	// maxServiceURL bounds the address of a service, in bytes.
	maxServiceURL = 2048
)

// What a signing config lacks, for errors.Is.
var (
	// ErrNoCA is that of Services with no certificate authority (Fulcio), which
	// signing with an identity needs.
	ErrNoCA = errors.New("the signing config names no certificate authority (Fulcio) that is valid now")
	// ErrNoLog is that of a signing config with no transparency log (Rekor) of
	// the versions that are asked for.
	ErrNoLog = errors.New("the signing config names no transparency log (Rekor)")
)

// A SigningConfig says which services an instance of Sigstore has, from when
// until when. The zero SigningConfig has none.
type SigningConfig struct{ config *root.SigningConfig }

// ParseSigningConfig reads a signing_config.v0.2.json of at most 1 MiB, the
// form of sigstore.trustroot.v1.SigningConfig that `cosign signing-config create`
// writes.
func ParseSigningConfig(body []byte) (*SigningConfig, error) {
	if len(body) > maxSigningConfig {
		return nil, fmt.Errorf("not a signing config: more than %d bytes", maxSigningConfig)
	}
	message, err := root.NewSigningConfigProtobuf(body)
	if err != nil {
		return nil, fmt.Errorf("not a signing config: %s", clean(err.Error()))
	}
	// The library takes the last two for granted.
	if message.RekorTlogConfig == nil {
		message.RekorTlogConfig = &prototrustroot.ServiceConfiguration{}
	}
	if message.TsaConfig == nil {
		message.TsaConfig = &prototrustroot.ServiceConfiguration{}
	}
	for _, list := range [][]*prototrustroot.Service{message.GetCaUrls(), message.GetRekorTlogUrls(), message.GetTsaUrls()} {
		if len(list) > maxServices {
			return nil, fmt.Errorf("not a signing config: more than %d services of one kind", maxServices)
		}
		for _, s := range list {
			if len(s.GetUrl()) > maxServiceURL {
				return nil, fmt.Errorf("not a signing config: an address has more than %d bytes", maxServiceURL)
			}
		}
	}
	config, err := root.NewSigningConfigFromProtobuf(message)
	if err != nil {
		return nil, fmt.Errorf("not a signing config: %s", clean(err.Error()))
	}
	return &SigningConfig{config}, nil
}

// Services are where signatures of one kind get what makes them verifiable: a
// certificate, timestamps, log entries. The zero Services are none.
type Services struct {
	ca    root.Service // zero for none
	logs  []root.Service
	tsas  []root.Service
	known map[string]*root.TransparencyLog // see trusting
	noCA  error                            // why there is none
}

// Services returns those that the config names for now: one certificate
// authority, and as many logs and timestamp authorities as it selects, all logs
// of the highest version among rekorVersions that it has. With no rekorVersions
// there are no logs.
//
// A log of version 2 gives no time, so that it counts only beside a timestamp
// authority. It is an error if none of the logs asked for is there ([ErrNoLog]).
// A certificate authority is not missed before a certificate is asked for.
func (c *SigningConfig) Services(now time.Time, rekorVersions ...uint32) (Services, error) {
	if c == nil || c.config == nil {
		return Services{}, badConfig("give a signing config with --signing-config", errors.New("there is no signing config"))
	}
	var s Services
	var err error
	if s.ca, err = root.SelectService(c.config.FulcioCertificateAuthorityURLs(), sgsign.FulcioAPIVersions, now); err != nil {
		s.ca, s.noCA = root.Service{}, lacks(ErrNoCA, c.config.FulcioCertificateAuthorityURLs(), sgsign.FulcioAPIVersions, now)
	} else if err := usable(s.ca); err != nil {
		return Services{}, err
	}
	if s.tsas, err = choose("timestamp authority", c.config.TimestampAuthorityURLs(), c.config.TimestampAuthorityURLsConfig(), sgsign.TimestampAuthorityAPIVersions, now); err != nil {
		return Services{}, err
	}
	if len(rekorVersions) == 0 {
		return s, nil
	}
	versions := slices.Clone(rekorVersions)
	if len(s.tsas) == 0 {
		versions = slices.DeleteFunc(versions, func(v uint32) bool { return v >= 2 })
	}
	logs := c.config.RekorLogURLs()
	if s.logs, err = choose("Rekor", logs, c.config.RekorLogURLsConfig(), versions, now); err != nil {
		return Services{}, err
	}
	if len(s.logs) > 0 {
		return s, nil
	}
	timeless := slices.ContainsFunc(logs, func(l root.Service) bool {
		return l.MajorAPIVersion >= 2 && slices.Contains(rekorVersions, l.MajorAPIVersion) && l.ValidAtTime(now)
	})
	switch {
	case timeless:
		return Services{}, badConfig("add a timestamp authority to the signing config, or a Rekor v1 log",
			fmt.Errorf("%w that tells a time: Rekor v2 does not, and there is no timestamp authority", ErrNoLog))
	case !slices.Contains(rekorVersions, 2):
		return Services{}, badConfig("give a signing config that names a Rekor v1 log, sign in the bundle format, or sign with a key and without a log (--key, --tlog-upload=false)",
			lacks(fmt.Errorf("%w of version 1, which the legacy format needs", ErrNoLog), logs, rekorVersions, now))
	}
	return Services{}, badConfig("take the signing config of today, or sign with a key and without a log (--key, --tlog-upload=false)",
		lacks(ErrNoLog, logs, rekorVersions, now))
}

// choose returns those of list that the config selects now, nil where none is
// valid. Every one that it could select has to have a usable address, so that
// the same config fails each time.
func choose(kind string, list []root.Service, config root.ServiceConfiguration, versions []uint32, now time.Time) ([]root.Service, error) {
	valid := slices.DeleteFunc(slices.Clone(list), func(s root.Service) bool {
		return !slices.Contains(versions, s.MajorAPIVersion) || !s.ValidAtTime(now)
	})
	if len(valid) == 0 {
		return nil, nil
	}
	for _, s := range valid {
		if err := usable(s); err != nil {
			return nil, err
		}
	}
	chosen, err := root.SelectServices(valid, config, versions, now)
	if err != nil {
		return nil, badConfig("give a signing config that selects ANY, ALL or an EXACT number that it has", fmt.Errorf("choose a %s: %s", kind, clean(err.Error())))
	}
	return chosen, nil
}

// usable says why a service cannot be asked, nil if it can: what is sent to it
// is secret, and what it answers must be its own.
func usable(s root.Service) error {
	const next = "give a signing config with https addresses; plain http is for services on this machine"
	u, err := url.Parse(s.URL)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return badConfig(next, fmt.Errorf("the signing config names a service at %q, which is no address", clean(s.URL)))
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return badConfig(next, fmt.Errorf("the signing config names a service on %q with a user, a query or a fragment", clean(u.Host)))
	case !private(u):
		return badConfig(next, fmt.Errorf("the signing config names a service at %q, which is neither https nor on this machine", clean(s.URL)))
	}
	return nil
}

// private reports whether nobody can listen to what is sent to u.
func private(u *url.URL) bool {
	if u.Scheme == "https" {
		return true
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.IsLoopback())
}

// lacks says why none of list can be used now.
func lacks(what error, list []root.Service, versions []uint32, now time.Time) error {
	var ended, begins time.Time
	for _, s := range list {
		switch {
		case !slices.Contains(versions, s.MajorAPIVersion):
		case !s.ValidityPeriodEnd.IsZero() && now.After(s.ValidityPeriodEnd) && s.ValidityPeriodEnd.After(ended):
			ended = s.ValidityPeriodEnd
		case now.Before(s.ValidityPeriodStart) && (begins.IsZero() || s.ValidityPeriodStart.Before(begins)):
			begins = s.ValidityPeriodStart
		}
	}
	switch {
	case !ended.IsZero():
		return fmt.Errorf("%w: the last one expired on %s", what, ended.UTC().Format(time.DateOnly))
	case !begins.IsZero():
		return fmt.Errorf("%w: the next one begins on %s", what, begins.UTC().Format(time.DateOnly))
	}
	return what
}

func badConfig(next string, err error) error {
	return &verify.Error{Op: "read the signing config", Hint: next, Err: err}
}

// issues says why no certificate can be asked for, nil if one can.
func (s Services) issues() error {
	switch {
	case s.ca.URL != "":
		return nil
	case s.noCA != nil:
		return badConfig("give a signing config that names a Fulcio, or sign with a key (--key)", s.noCA)
	}
	return badConfig("give a signing config that names a Fulcio, or sign with a key (--key)", ErrNoCA)
}

// logVersion returns the version of the logs, 0 where there are none.
func (s Services) logVersion() uint32 {
	if len(s.logs) == 0 {
		return 0
	}
	return s.logs[0].MajorAPIVersion
}

// unlogged returns s without logs.
func (s Services) unlogged() Services {
	s.logs = nil
	return s
}

// trusting returns s with the logs whose keys are known: an entry that a log of
// version 2 has already is read from its tiles, and the log is recognized by the
// key that signed its checkpoint.
func (s Services) trusting(m root.TrustedMaterial) Services {
	if m != nil {
		s.known = m.RekorLogs()
	}
	return s
}
