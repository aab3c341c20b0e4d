package scan_test

import (
	"testing"

	"github.com/boltseal/boltseal/scan"
)

// A platform is foreign exactly where what vouches for those that were given has
// not looked at it (verify/sigstore, choose).
func TestForeign(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		given    []string
		platform string
		want     bool
	}{
		{nil, "linux/s390x", false},
		{[]string{"linux/amd64"}, "linux/amd64", false},
		{[]string{"linux/amd64"}, "LINUX/X86_64", false},
		{[]string{"linux/amd64"}, "linux/amd64/v1", false},
		{[]string{"linux/amd64"}, "linux/amd64/v3", false},
		{[]string{"linux/amd64/v3"}, "linux/amd64", true},
		{[]string{"linux/arm64"}, "linux/arm64/v8", false},
		{[]string{"linux/arm64"}, "linux/arm64/v9", false},
		{[]string{"linux/arm"}, "linux/arm/v6", false},
		{[]string{"linux/arm"}, "linux/arm", false},
		{[]string{"linux/arm"}, "linux/arm64", true},
		{[]string{"linux/arm/v7"}, "linux/arm/v6", true},
		{[]string{"linux/arm/v7"}, "linux/arm", false},
		{[]string{"windows/arm"}, "linux/arm/v6", true},
		{[]string{"linux/amd64", "linux/arm64"}, "linux/arm64", false},
		{[]string{"linux/amd64"}, "", true},
		{[]string{"linux/amd64"}, "linux", true},
	} {
		if got := (scan.Build{Given: tc.given}).Foreign(tc.platform); got != tc.want {
			t.Errorf("%q, given %q: %v, want %v", tc.platform, tc.given, got, tc.want)
		}
	}
}
