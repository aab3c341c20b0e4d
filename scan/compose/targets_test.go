package compose

import (
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/boltseal/boltseal/scan"
)

// The services that are built are told of by the names that bake has for them,
// with what stands in for images there.
func TestTargets(t *testing.T) {
	t.Parallel()
	const file = `
services:
  web.api:
    build:
      context: .
      additional_contexts: {base: "docker-image://node:22", lib: "service:lib"}
  db: {image: "postgres:17"}
  lib: {build: {context: .}, profiles: [never]}
  off: {build: {context: .}, profiles: [never]}
`
	source := scan.Source{FS: fstest.MapFS{"compose.yaml": {Data: []byte(file)}, "Dockerfile": {Data: []byte("FROM node:22\n")}}}
	got := ""
	for _, target := range Format(lines).Scan(source, "compose.yaml").Targets {
		got += fmt.Sprintf("%s %q %t at %s:%d; ", target.Name, target.Contexts, target.Service, target.At.File, target.At.Line)
	}
	if want := `web_api map["base":"docker-image://node:22" "lib":"service:lib"] true at compose.yaml:5; lib map[] true at compose.yaml:8; `; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
