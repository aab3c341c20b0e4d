package sigstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/sigstore/sigstore-go/pkg/tuf"
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
	o.pin = func(_ context.Context, f *fetcher) ([]byte, error) {
		return pinnedRoot(f, o, githubRootKeys(), githubRootThreshold)
	}
	return TrustTUF(o)
}

// pinnedRoot returns the mirror's first root, from the cache where it is there.
func pinnedRoot(f *fetcher, o TUFOptions, keys []string, threshold int) ([]byte, error) {
	file := ""
	if o.CacheDir != "" {
		file = filepath.Join(o.CacheDir, tuf.URLToPath(o.Mirror)+".1.root.json")
		if body, err := os.ReadFile(file); err == nil && checkRootKeys(body, keys, threshold) == nil { //nolint:gosec // below the user's cache directory
			return body, nil
		}
	}
	body, err := f.DownloadFile(join(o.Mirror, "1.root.json"), maxTrustedRoot, 0)
	if err == nil {
		err = checkRootKeys(body, keys, threshold)
	}
	if err == nil && file != "" && os.MkdirAll(o.CacheDir, 0o750) == nil {
		_ = os.WriteFile(file, body, 0o600) // only saves a request; it is checked when it is read
	}
	return body, err
}

// checkRootKeys reports whether body is a first TUF root whose root role is held by
// exactly the keys with the given fingerprints. Its signatures are for the TUF
// client to check; they can then only be those of the same keys.
func checkRootKeys(body []byte, fingerprints []string, threshold int) error {
	var doc struct {
		Signed struct {
			Version int
			Keys    map[string]struct {
				KeyVal struct{ Public string }
			}
			Roles struct {
				Root struct {
					KeyIDs    []string
					Threshold int
				}
			}
		}
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return fmt.Errorf("first TUF root: %w", err)
	}
	var got []string
	for _, id := range doc.Signed.Roles.Root.KeyIDs {
		block, _ := pem.Decode([]byte(doc.Signed.Keys[id].KeyVal.Public))
		if block == nil {
			return fmt.Errorf("first TUF root: key %q is missing", id)
		}
		sum := sha256.Sum256(block.Bytes)
		got = append(got, hex.EncodeToString(sum[:]))
	}
	slices.Sort(got)
	if doc.Signed.Version != 1 || doc.Signed.Roles.Root.Threshold != threshold || !slices.Equal(got, fingerprints) {
		return fmt.Errorf("first TUF root is not the one this program was built to trust")
	}
	return nil
}
