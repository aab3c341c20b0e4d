package bench_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/boltseal/boltseal/bench"
	"github.com/boltseal/boltseal/cli"
)

const many = 50

// stage returns a registry with many images of each format, and the flags that
// say who must have signed them.
func stage(tb testing.TB, formats ...string) (s *bench.Stage, images map[string]bench.Images, by map[string][]string) {
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
	write := func(name string, content []byte) string {
		name = filepath.Join(tb.TempDir(), name)
		if err := os.WriteFile(name, content, 0o600); err != nil {
			tb.Fatal(err)
		}
		return name
	}
	keyless := []string{
		"--trusted-root", write("trusted_root.json", s.TrustedRoot), "--certificate-identity", bench.Identity, "--certificate-oidc-issuer", bench.Issuer,
	}
	return s, images, map[string][]string{
		bench.Legacy: keyless, bench.Bundle: keyless,
		bench.Notation: {"--notation-certificate", write("root.pem", s.NotationRoot), "--notation-identity", bench.NotationIdentity},
	}
}

// verify has the whole program verify refs, without the start of a process.
func verify(tb testing.TB, by, refs []string) {
	tb.Helper()
	var out bytes.Buffer
	c := cli.Command{Stdin: &bytes.Buffer{}, Stdout: &out, Stderr: &out, LookupEnv: func(string) (string, bool) { return "", false }}
	args := slices.Concat([]string{"boltseal", "verify"}, by, refs)
	if code := c.Main(context.Background(), args); code != cli.ExitPassed {
		tb.Fatalf("exit %d:\n%s", code, out.String())
	}
}

func BenchmarkVerify(b *testing.B) {
	formats := []string{bench.Legacy, bench.Bundle, bench.Notation}
	s, images, by := stage(b, formats...)
	for _, format := range formats {
		for _, n := range []int{1, many} {
			for _, delay := range []time.Duration{0, 20 * time.Millisecond} {
				b.Run(fmt.Sprintf("format=%s/images=%d/delay=%s", format, n, delay), func(b *testing.B) {
					requests := 0
					for b.Loop() {
						s.Registry.Reset(delay)
						verify(b, by[format], images[format].Tags[:n])
						requests += len(s.Registry.Requests())
					}
					b.ReportMetric(float64(requests)/float64(b.N), "requests/op")
				})
			}
		}
	}
}
