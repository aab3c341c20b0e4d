package handover_test

import (
	"fmt"
	"testing"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/handover"
)

// many returns n images, by tag or digest, verified or exempt. They are of n/4
// repositories, or all of one.
func many(n int, oneRepository bool) []given {
	images := make([]given, n)
	for i := range images {
		name, tag := fmt.Sprintf("registry-%d.example.com/team/app%d", i%7, i/4), i%4
		if oneRepository {
			name, tag = "registry.example.com/team/app", i
		}
		images[i] = given{ref: fmt.Sprintf("%s:v%d", name, tag), digest: fmt.Sprintf("sha256:%064x", i)}
		switch i % 10 {
		case 0:
			images[i].ref += "@" + images[i].digest
		case 1:
			images[i].exempt = &until
		}
	}
	return images
}

// handOver makes, writes and checks the policy.
func handOver(t testing.TB, images []gate.Admitted) {
	t.Helper()
	s, err := handover.New(images)
	if err != nil {
		t.Fatal(err)
	}
	f := policyOf(t, "source-policy", s)
	if err := f.Check(f.Body); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkSourcePolicy is to take no more than 50 ms for 1,000 images.
func BenchmarkSourcePolicy(b *testing.B) {
	images := admitted(b, many(1000, false)...)
	for b.Loop() {
		handOver(b, images)
	}
}
