package bench_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/boltseal/boltseal/cli"
)

// dockerfiles makes a workspace of n Dockerfiles, four in a folder of folders,
// among other files, and returns their text.
func dockerfiles(b *testing.B, n int) (dir string, texts [][]byte) {
	b.Helper()
	dir = b.TempDir()
	for i := range n {
		folder := filepath.Join(dir, fmt.Sprintf("team%d", i/4), fmt.Sprintf("app%d", i%4))
		if err := os.MkdirAll(folder, 0o750); err != nil {
			b.Fatal(err)
		}
		text := fmt.Appendf(nil, `# syntax=docker/dockerfile:1
ARG GO_VERSION=1.26
FROM --platform=$BUILDPLATFORM golang:${GO_VERSION} AS build
ARG TARGETOS TARGETARCH
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg go mod download
COPY . .
RUN --mount=type=bind,from=ghcr.io/acme/tools:%d,target=/tools \
    CGO_ENABLED=0 go build -o /app ./cmd
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /app /app
ENTRYPOINT ["/app"]
`, i)
		texts = append(texts, text)
		for name, body := range map[string][]byte{"Dockerfile": text, "main.go": nil, "go.mod": nil} {
			if err := os.WriteFile(filepath.Join(folder, name), body, 0o600); err != nil {
				b.Fatal(err)
			}
		}
	}
	return dir, texts
}

// BenchmarkScan scans a large repository, and next to it has BuildKit's parser
// read the same texts, which no scan that means what BuildKit means can spare.
func BenchmarkScan(b *testing.B) {
	const n = 2000
	dir, texts := dockerfiles(b, n)
	b.Run("parser", func(b *testing.B) {
		for b.Loop() {
			for _, text := range texts {
				if _, err := parser.Parse(bytes.NewReader(text)); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("scan", func(b *testing.B) {
		for b.Loop() {
			var out bytes.Buffer
			c := cli.Command{Stdin: &bytes.Buffer{}, Stdout: &out, Stderr: &out, Dir: dir, LookupEnv: func(string) (string, bool) { return "", false }}
			if code := c.Main(b.Context(), []string{"boltseal", "scan", "--output", "json"}); code != cli.ExitPassed {
				b.Fatalf("exit %d:\n%.1000s", code, out.String())
			}
		}
	})
}
