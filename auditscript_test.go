package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/boltseal/boltseal/internal/registrytest"
)

// provenance is what BuildKit says of a build that used REPO:TAG@DIGEST, with
// the build's steps or without.
func provenance(ts *testscript.TestScript, used string, steps bool) map[string]any {
	ref, hex, ok := strings.Cut(used, "@sha256:")
	repo, tag, tagged := strings.Cut(ref, ":")
	if !ok || !tagged {
		ts.Fatalf("%s: write REPO:TAG@DIGEST", used)
	}
	host := worldOf(ts).reg.Host()
	p := map[string]any{
		"buildType": "https://mobyproject.org/buildkit@v1",
		"materials": []any{map[string]any{
			"uri":    "pkg:docker/" + strings.Replace(host, ":", "%3A", 1) + "/" + repo + "@" + tag + "?platform=linux%2Famd64",
			"digest": map[string]string{"sha256": hex},
		}},
	}
	if steps {
		source := map[string]any{"identifier": "docker-image://" + host + "/" + used}
		p["buildConfig"] = map[string]any{"llbDefinition": []any{
			map[string]any{"id": "step0", "op": map[string]any{"Op": map[string]any{"source": source}}},
			map[string]any{"id": "step1", "op": map[string]any{"Op": map[string]any{}}},
		}}
	}
	return p
}

func metadata(ts *testscript.TestScript, _ bool, args []string) {
	target, file, bake := strings.Cut(args[0], "=")
	if !bake {
		file = target
	}
	doc := map[string]any{"buildx.build.provenance": provenance(ts, args[1], !bake), "buildx.build.ref": "builder/builder0/x"}
	if bake {
		doc = map[string]any{target: doc}
	}
	body, err := json.Marshal(doc)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(file), body, 0o600))
}

func built(ts *testscript.TestScript, _ bool, args []string) {
	repo, tag, _ := strings.Cut(args[0], ":")
	w := worldOf(ts)
	img, err := w.reg.PutImage(repo, "", args[1])
	ts.Check(err)
	predicate, err := json.Marshal(provenance(ts, args[1], true))
	ts.Check(err)
	const kind = "https://slsa.dev/provenance/v0.2"
	body := fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","predicateType":%q,"subject":[{"name":"x","digest":{"sha256":%q}}],"predicate":%s}`, kind, img.Digest.Encoded(), predicate)
	att, err := w.reg.PutLayers(repo, "", nil, "application/vnd.docker.attestation.manifest.v1+json",
		registrytest.Layer{MediaType: "application/vnd.in-toto+json", Blob: body, Annotations: map[string]string{"in-toto.io/predicate-type": kind}})
	ts.Check(err)
	img.Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}
	att.Platform = &ocispec.Platform{OS: "unknown", Architecture: "unknown"}
	att.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": img.Digest.String()}
	_, err = w.reg.PutIndex(repo, tag, img, att)
	ts.Check(err)
	index, err := w.reg.Manifest(repo, tag)
	ts.Check(err)
	ts.Setenv("BUILT", digest.FromBytes(index).String())
}
