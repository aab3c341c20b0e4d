package bake

import (
	"bytes"
	"path"
	"slices"

	"github.com/boltseal/boltseal/scan"
)

// composed returns the Compose file that may have a service of a target's name,
// or "". Without -f bake reads Compose files first, and lays a target over the
// service. Reading those is another format's; that there may be more to a
// target than is seen here is said.
func (b *builder) composed(name string) string {
	if !slices.Contains(defaultFiles(), path.Base(b.report.files[0])) {
		return ""
	}
	for _, base := range []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"} {
		file := path.Join(b.dir, base)
		keys, ok := b.compose[file]
		if !ok {
			keys = b.keys(file)
			b.compose[file] = keys
		}
		if keys[name] {
			return file
		}
	}
	return ""
}

// keys returns what stands before a colon on any line of a file. One that
// cannot be read has none here: the other format reports it.
func (b *builder) keys(file string) map[string]bool {
	text, _ := scan.ReadFile(b.source.FS, file)
	keys := map[string]bool{}
	for line := range bytes.Lines(text) {
		if key, _, ok := bytes.Cut(bytes.TrimSpace(line), []byte(":")); ok {
			keys[string(bytes.Trim(key, `"' `))] = true
		}
	}
	return keys
}
