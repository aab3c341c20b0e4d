// Package dockerfile finds the images that the build of a Dockerfile pulls,
// with the meaning BuildKit gives it: its parser and its shell lexer read the
// text, and what they leave to the frontend follows frontend/dockerfile/dockerfile2llb
// of BuildKit v0.33 step by step. Nothing is run, fetched or asked.
package dockerfile

import (
	"path"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

// Format is the scan.Format "dockerfile".
func Format() *scan.Format {
	return &scan.Format{
		Name:  "dockerfile",
		Doc:   "Dockerfile, Containerfile: FROM, COPY --from, RUN --mount=from=, # syntax=",
		Match: match,
		Scan: func(s scan.Source, name string) scan.Found {
			body, err := scan.ReadFile(s.FS, name)
			if err != nil {
				return scan.Found{Uses: []image.Use{failure(image.Position{File: name, Line: 1, Col: 1}, err)}}
			}
			return Scan(body, name, s.Build)
		},
	}
}

// match knows Dockerfiles by name, in any case: BuildKit itself looks for
// "dockerfile" where there is no "Dockerfile".
func match(name string) bool {
	base := path.Base(name)
	lower := strings.ToLower(base)
	ext := path.Ext(lower)
	if slices.Contains(noDockerfile(), ext) || slices.Contains(sources(), ext) && base[0] != 'D' && base[0] != 'C' {
		return false
	}
	for _, stem := range []string{"dockerfile", "containerfile"} {
		rest, ok := strings.CutPrefix(lower, stem)
		if ok && (rest == "" || len(rest) > 1 && strings.ContainsAny(rest[:1], ".-_")) { // Dockerfile.dev, Dockerfile-dev
			return true
		}
	}
	return strings.HasSuffix(lower, ".dockerfile") && lower != ".dockerfile"
}

// noDockerfile are the endings of files about Dockerfiles: Dockerfile.dockerignore
// lists files, dockerfile.yml is a workflow, Dockerfile.rego is buildx's policy
// of the build.
func noDockerfile() []string {
	return []string{".dockerignore", ".json", ".md", ".rego", ".yaml", ".yml"}
}

// sources are endings that make a program's file of what begins with a small
// letter: dockerfile.go parses them, Dockerfile.go builds what is in Go.
func sources() []string {
	return []string{".c", ".go", ".java", ".js", ".lua", ".py", ".rb", ".rs", ".ts"}
}

// failure returns the Use that says why a place cannot be read.
func failure(at image.Position, err error) image.Use {
	return image.Use{Kind: image.From, At: at, Err: err}
}
