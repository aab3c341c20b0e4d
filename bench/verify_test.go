package bench_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/boltseal/boltseal/bench"
	"github.com/boltseal/boltseal/cli"
)

const many = 50

// stage returns a registry with many images of each format, and the file that
// vouches for their signer.
func stage(tb testing.TB, formats ...string) (s *bench.Stage, images map[string]bench.Images, trusted string) {
	tb.Helper()
	s, err := bench.NewStage()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	images = map[string]bench.Images{}
	for _, format := range formats {
		if images[format], err = s.Sign(format, many); err != nil {
			tb.Fatal(err)
		}
	}
	trusted = filepath.Join(tb.TempDir(), "trusted_root.json")
	if err := os.WriteFile(trusted, s.TrustedRoot, 0o600); err != nil {
		tb.Fatal(err)
	}
	return s, images, trusted
}

// verify has the whole program verify refs, without the start of a process.
func verify(tb testing.TB, trusted string, refs []string) {
	tb.Helper()
	var out bytes.Buffer
	c := cli.Command{Stdin: &bytes.Buffer{}, Stdout: &out, Stderr: &out, LookupEnv: func(string) (string, bool) { return "", false }}
	args := append([]string{
		"boltseal", "verify", "--trusted-root", trusted,
		"--certificate-identity", bench.Identity, "--certificate-oidc-issuer", bench.Issuer,
	}, refs...)
	if code := c.Main(context.Background(), args); code != cli.ExitPassed {
		tb.Fatalf("exit %d:\n%s", code, out.String())
	}
}

func BenchmarkVerify(b *testing.B) {
	s, images, trusted := stage(b, bench.Legacy, bench.Bundle)
	for _, format := range []string{bench.Legacy, bench.Bundle} {
		for _, n := range []int{1, many} {
			for _, delay := range []time.Duration{0, 20 * time.Millisecond} {
				b.Run(fmt.Sprintf("format=%s/images=%d/delay=%s", format, n, delay), func(b *testing.B) {
					requests := 0
					for b.Loop() {
						s.Registry.Reset(delay)
						verify(b, trusted, images[format].Tags[:n])
						requests += len(s.Registry.Requests())
					}
					b.ReportMetric(float64(requests)/float64(b.N), "requests/op")
				})
			}
		}
	}
}
