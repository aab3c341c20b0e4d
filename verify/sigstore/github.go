package sigstore

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// GitHubMirror is the TUF repository of GitHub's own Sigstore instance, which
// signs the attestations of private repositories.
const GitHubMirror = "https://tuf-repo.github.com"

// githubRootThreshold is how many of githubRootKeys must sign a root.
const githubRootThreshold = 3

// githubRootKeys returns the SHA-256 fingerprints (of the DER
// SubjectPublicKeyInfo) of the eight keys that signed version 1 of GitHub's TUF
// root, sorted. They were taken from the root that the gh command line embeds
// (cli/cli, pkg/cmd/attestation/verification/embed, 501add44c070). Pinning the
// keys pins the document: it must carry the signatures of three of them.
func githubRootKeys() []string {
	return []string{
		"30578897f00c2138252e12c6ce364c2acef7d1717355d02c7c7647e45afb3cb5",
		"330627082e3d3684b1cfe51e80c96e7039bd3e5e550ee7e38bea38de0126e28f",
		"4c7178a8e906ff3480b45755d492f1e200006447abcc1d056313e6ad9e5b3f43",
		"4d51648341eaf864c56194659781b9b698b2b62c6ff57bde7c9ee99ff0d617fa",
		"7de9208c861e3e1d3bb65363b129055e68184272019c8c8d9757149ccbf30471",
		"ac87cbe5a11c1481959712dbd3e9a4e96274a2d373d67e0c7d03ec47a77f1791",
		"ec3f38c307feabc44527624d04edb5673bce480e43da53a7a2ad9e72ceb8836a",
		"f1e33752868b32fe48ead587047e2841d4b9be5ed4fea4c7a8ff6d6813d40b69",
	}
}

// GitHubTrust returns the Trust of GitHub's own instance.
func GitHubTrust(o TUFOptions) *Trust {
	o.Mirror, o.Rules = GitHubMirror, GitHubRules()
	o.pin = func(f *fetcher) ([]byte, error) {
		return pinnedRoot(f, o.Mirror, githubRootKeys(), githubRootThreshold)
	}
	return TrustTUF(o)
}

// pinnedRoot returns the mirror's first root, from the cache where it is there.
func pinnedRoot(f *fetcher, mirror string, keys []string, threshold int) ([]byte, error) {
	const name = "1.root.json"
	if body := f.kept(name); checkRootKeys(body, keys, threshold) == nil {
		return body, nil
	}
	body, err := f.DownloadFile(join(mirror, name), maxTrustedRoot, 0)
	if err == nil {
		err = checkRootKeys(body, keys, threshold)
	}
	return body, err
}

// checkRootKeys reports whether body is a first TUF root whose root role is held
// by exactly the keys with the given fingerprints, and signed by them. It reads
// body as go-tuf does: to another reader it might be another document.
func checkRootKeys(body []byte, fingerprints []string, threshold int) error {
	first, err := parseRoot(body)
	if err != nil {
		return fmt.Errorf("first TUF root: %w", err)
	}
	role, ok := first.Roles[metadata.ROOT]
	if !ok {
		return errors.New("first TUF root: there is no root role")
	}
	var got []string
	for _, id := range role.KeyIDs {
		key, ok := first.Keys[id]
		if !ok {
			return fmt.Errorf("first TUF root: key %q is missing", id)
		}
		public, err := key.ToPublicKey()
		if err != nil {
			return fmt.Errorf("first TUF root: key %q: %w", id, err)
		}
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			return fmt.Errorf("first TUF root: key %q: %w", id, err)
		}
		sum := sha256.Sum256(der)
		got = append(got, hex.EncodeToString(sum[:]))
	}
	slices.Sort(got)
	if first.Version != 1 || role.Threshold != threshold || !slices.Equal(got, fingerprints) {
		return errors.New("first TUF root is not the one this program was built to trust")
	}
	return CheckTUFRoot(body)
}
