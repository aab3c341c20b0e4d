package bake

import (
	"path"
	"slices"

	"github.com/boltseal/boltseal/internal/yamlnode"
	"github.com/boltseal/boltseal/scan/internal/yamlfile"
)

// composed returns the Compose file that may have a service of a target's name,
// or "". Without -f bake reads Compose files first, and lays a target over the
// service. Reading those is another format's; that there may be more to a
// target than is seen here is said.
func (b *builder) composed(name string) string {
	if !slices.Contains(defaultFiles(), path.Base(b.report.files[0])) || b.source.Together(b.report.files[0]) != nil {
		return "" // it is read with -f
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

// keys returns the names of a file's services. One that cannot be read has none
// here: the other format reports it.
func (b *builder) keys(file string) map[string]bool {
	keys := map[string]bool{}
	doc, _ := yamlfile.Load(b.source.FS, file)
	for _, d := range doc.Docs {
		for _, pair := range yamlnode.Pairs(yamlnode.Find(d, "services")) {
			keys[pair.Key.Value] = true
		}
	}
	return keys
}
