package spelling_test

import (
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/spelling"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, names, want string }{
		{"imags", "rules images image", "images"}, // one letter in; image is one exchange
		{"image", "rules images", "images"},
		{"subjcet", "issuer subject", "subject"},
		{"sgin", "pin sign", "sign"}, // one swap; pin is one letter out and one exchange
		{"sing", "pin sign", "sign"},
		{"ba", "ab", "ab"},
		{"bca", "abc", "abc"},
		{"cab", "xyz abc", "abc"},
		{"dcba", "abcd", ""},
		{"require-digests", "require require-digest", "require-digest"},
		{"requires", "require", "require"},
		{"req", "require", ""},
		{"of", "url", ""}, // shares no letter
		{"", "url a", ""},
		{"url", "", ""},
		{strings.Repeat("x", 1<<20), "url", ""},
	} {
		if got := spelling.Nearest(tc.name, strings.Fields(tc.names)); got != tc.want {
			t.Errorf("%.20q of %s is %q, want %q", tc.name, tc.names, got, tc.want)
		}
	}
}
