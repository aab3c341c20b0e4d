package report

import (
	"maps"
	"slices"
	"strings"
)

// notationLine says what the claims of a Notation signature are worth, as the
// rest of a line.
func notationLine(claims map[string]string) string {
	s := ""
	if root := claims["root"]; root != "" {
		s += ", root sha256:" + cut(root, 13)
	}
	if expiry := claims["expiry"]; expiry != "" {
		s += ", expires " + expiry
	}
	switch revocation := claims["revocation"]; {
	case revocation == "":
	case strings.HasPrefix(revocation, "no answer"): // a warning says whose
		s += ", revocation not known (no answer)"
	case revocation == "checked":
		s += ", not revoked"
	case revocation == "none named":
		s += ", no server named that would know of a revocation"
	case revocation == "not checked":
		s += ", revocation not checked"
	default:
		s += ", revocation not known: " + revocation
	}
	return s
}

// maxMetadata is how many pairs of user metadata people are shown.
const maxMetadata = 8

// metadataOf returns the user metadata that was signed with an image, a few of
// them, as KEY=VALUE.
func metadataOf(claims map[string]string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		if key, ok := strings.CutPrefix(name, "metadata."); ok {
			all = append(all, key+"="+claims[name])
		}
	}
	if more := len(all) - maxMetadata; more > 0 {
		return append(all[:maxMetadata], count(more, "more pair")+" of user metadata, listed by --output json")
	}
	return all
}
