package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/audit"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/registry"
)

const (
	statement = "application/vnd.in-toto+json"
	slsa1     = "https://slsa.dev/provenance/v1"
	slsa02    = "https://slsa.dev/provenance/v0.2"
)

// A pushed is an image in a registry, as BuildKit pushes them.
type pushed struct {
	t        *testing.T
	reg      *registrytest.Registry
	children []ocispec.Descriptor
}

func push(t *testing.T) *pushed {
	t.Helper()
	r := registrytest.Start(registrytest.Options{})
	t.Cleanup(r.Close)
	return &pushed{t: t, reg: r}
}

func (p *pushed) must(d ocispec.Descriptor, err error) ocispec.Descriptor {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	return d
}

// platform adds the image of a platform, and returns its digest.
func (p *pushed) platform(arch string) string {
	p.t.Helper()
	d := p.must(p.reg.PutImage("team/app", "", arch))
	d.Platform = &ocispec.Platform{OS: "linux", Architecture: arch}
	p.children = append(p.children, d)
	return d.Digest.String()
}

// attest adds an attestation manifest about the manifest with a digest.
func (p *pushed) attest(about string, layers ...registrytest.Layer) {
	p.t.Helper()
	d := p.must(p.reg.PutLayers("team/app", "", nil, "application/vnd.docker.attestation.manifest.v1+json", layers...))
	p.attestation(d, about)
}

func (p *pushed) attestation(d ocispec.Descriptor, about string) {
	d.Platform = &ocispec.Platform{OS: "unknown", Architecture: "unknown"}
	d.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": about}
	p.children = append(p.children, d)
}

// attached pushes the index, and returns what is attached to it.
func (p *pushed) attached() []audit.Build {
	p.t.Helper()
	p.must(p.reg.PutIndex("team/app", "v1", p.children...))
	return p.ask("team/app:v1")
}

func (p *pushed) ask(name string) []audit.Build {
	p.t.Helper()
	p.reg.Reset(0)
	ref, err := image.Parse(p.reg.Host() + "/" + name)
	if err != nil {
		p.t.Fatal(err)
	}
	c := registry.New(registry.Options{Sleep: func(context.Context, time.Duration) error { return nil }})
	return audit.Attached(p.t.Context(), c, ref)
}

// layer is a statement about a digest.
func layer(kind, about, predicate string) registrytest.Layer {
	_, hex, _ := strings.Cut(about, ":")
	body := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","predicateType":%q,"subject":[{"name":"x","digest":{"sha256":"00"}},{"name":"x","digest":{"sha256":%q}}],"predicate":%s}`, kind, hex, predicate)
	return registrytest.Layer{MediaType: statement, Blob: []byte(body), Annotations: map[string]string{"in-toto.io/predicate-type": kind}}
}

// attested is the predicate of a statement that BuildKit attached.
func attested(t *testing.T, name string) (kind, predicate string) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", "attached", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		PredicateType string
		Predicate     json.RawMessage
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.PredicateType, string(doc.Predicate)
}

// What BuildKit attaches to an image, of either version and mode, for each
// platform; with as many requests as it takes.
func TestAttached(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"v0.2-min", "v0.2-max", "v1-min", "v1-max"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := push(t)
			kind, predicate := attested(t, name)
			sbom := registrytest.Layer{MediaType: statement, Blob: []byte("no JSON, which nobody reads"), Annotations: map[string]string{"in-toto.io/predicate-type": "https://spdx.dev/Document"}}
			amd, arm := p.platform("amd64"), p.platform("arm64")
			p.attest(amd, sbom, layer(kind, amd, predicate))
			p.attest(arm, layer(kind, arm, predicate))
			builds := p.attached()
			r := everything(t).Audit(builds, audit.Options{})
			want := "|linux/amd64|exempt admitted:base/app:1@b376 exempt:base/tools:9@a703\n|linux/arm64|exempt admitted:base/app:1@b376 exempt:base/tools:9@a703\n"
			if told(r) != want || !r.Passed() {
				t.Errorf("got\n%s%v", told(r), r.Findings[0].Err)
			}
			if steps := strings.HasSuffix(name, "max"); builds[0].Provenance.Steps != steps {
				t.Errorf("steps: %t", !steps)
			}
			if asked := p.reg.Requests(); len(asked) != 5 { // index, and for each platform manifest and provenance
				t.Errorf("%d requests: %v", len(asked), asked)
			}
			if !strings.Contains(builds[0].Source, "/team/app@sha256:") {
				t.Errorf("of %s", builds[0].Source)
			}
			// By digest it is as many.
			index, err := p.reg.Manifest("team/app", "v1")
			if err != nil {
				t.Fatal(err)
			}
			if r := everything(t).Audit(p.ask("team/app@"+registrytest.Digest(index)), audit.Options{}); !r.Passed() || len(p.reg.Requests()) != 5 {
				t.Errorf("by digest: %s%d requests", told(r), len(p.reg.Requests()))
			}
		})
	}
}

// subjectOf attests a platform by a statement that has more subjects before the
// right one.
func subjectOf(predicate, more string) func(*pushed) {
	return func(p *pushed) {
		a := p.platform("amd64")
		l := layer(slsa02, a, predicate)
		l.Blob = []byte(strings.Replace(string(l.Blob), `"subject":[`, `"subject":[`+more, 1))
		p.attest(a, l)
	}
}

// raw pushes an attestation manifest about a digest, whose text ends otherwise.
func (p *pushed) raw(about, predicate, end string) ocispec.Descriptor {
	p.t.Helper()
	d := p.must(p.reg.PutLayers("team/app", "", nil, "x", layer(slsa02, about, predicate)))
	body, err := p.reg.Manifest("team/app", d.Digest.String())
	if err != nil {
		p.t.Fatal(err)
	}
	return p.must(p.reg.PutManifest("team/app", "", ocispec.MediaTypeImageManifest, append(body[:len(body)-1], end...)))
}

// What is attached does not pass unless each platform has a provenance about
// itself that passes, and only such.
func TestAttachedRefused(t *testing.T) {
	t.Parallel()
	good, bad := materials(image1), materials(image1, evil)
	for _, tc := range []struct {
		name   string
		make   func(*pushed)
		reason audit.Reason
		says   string
	}{
		{"good", func(p *pushed) { a := p.platform("amd64"); p.attest(a, layer(slsa02, a, good)) }, audit.Admitted, ""},
		{"bad", func(p *pushed) { a := p.platform("amd64"); p.attest(a, layer(slsa02, a, bad)) }, audit.NotAdmitted, ""},
		{"no attestation", func(p *pushed) { p.platform("amd64") }, audit.NoProvenance, "no provenance is attached to the platform manifest sha256:"},
		{"no platform", func(p *pushed) { p.attest("sha256:" + appHex) }, audit.NoProvenance, "no index of BuildKit"},
		{"empty index", func(*pushed) {}, audit.NoProvenance, "no index of BuildKit"},
		{"one platform of two", func(p *pushed) {
			a := p.platform("amd64")
			p.platform("arm64")
			p.attest(a, layer(slsa02, a, good))
		}, audit.NoProvenance, "no provenance is attached"},
		{"a child of no platform", func(p *pushed) {
			a := p.platform("amd64")
			p.attest(a, layer(slsa02, a, good))
			p.platform("arm64")
			p.children[2].Platform = nil
		}, audit.NoProvenance, "no provenance is attached"},
		{"only an SBOM", func(p *pushed) {
			a := p.platform("amd64")
			p.attest(a, layer("https://spdx.dev/Document", a, "{}"))
		}, audit.NoProvenance, "no provenance is attached"},
		{"two manifests, one of which is bad", func(p *pushed) {
			a := p.platform("amd64")
			p.attest(a, layer(slsa02, a, good))
			p.attest(a, layer(slsa02, a, bad))
		}, audit.NotAdmitted, ""},
		{"two layers, one of which is bad", func(p *pushed) {
			a := p.platform("amd64")
			p.attest(a, layer(slsa02, a, bad), layer(slsa1, a, good))
		}, audit.NotAdmitted, ""},
		{"about another platform", func(p *pushed) {
			a, b := p.platform("amd64"), p.platform("arm64")
			p.attest(a, layer(slsa02, b, good))
			p.attest(b, layer(slsa02, b, good))
		}, audit.Malformed, "it is not about sha256:"},
		{"about nothing", func(p *pushed) {
			a := p.platform("amd64")
			l := layer(slsa02, a, good)
			l.Blob = []byte(`{"predicateType":"` + slsa02 + `","predicate":` + good + `}`)
			p.attest(a, l)
		}, audit.Malformed, "it is not about sha256:"},
		{"of another type than it is called", func(p *pushed) {
			a := p.platform("amd64")
			l := layer("https://spdx.dev/Document", a, good)
			l.Annotations["in-toto.io/predicate-type"] = slsa1
			p.attest(a, l)
		}, audit.Malformed, `its predicate type is "https://spdx.dev/Document"`},
		{"predicate twice", func(p *pushed) {
			a := p.platform("amd64")
			l := layer(slsa02, a, bad)
			l.Blob = append(l.Blob[:len(l.Blob)-1], `,"predicate":`+good+`}`...)
			p.attest(a, l)
		}, audit.Malformed, `"predicate" stands twice`},
		{"no predicate", func(p *pushed) {
			a := p.platform("amd64")
			l := layer(slsa02, a, good)
			l.Blob = []byte(strings.Replace(string(l.Blob), `"predicate":`, `"more":`, 1))
			p.attest(a, l)
		}, audit.Malformed, "the provenance"},
		{"as many layers as are read", func(p *pushed) {
			a := p.platform("amd64")
			var all []registrytest.Layer
			for i := range 64 {
				all = append(all, layer(slsa02, a, strings.Replace(good, "{", fmt.Sprintf(`{"n":%d,`, i), 1)))
			}
			p.attest(a, all...)
		}, audit.Admitted, ""},
		{"a name twice in the statement", func(p *pushed) {
			a := p.platform("amd64")
			l := layer(slsa02, a, good)
			l.Blob = append(l.Blob[:len(l.Blob)-1], `,"x":1,"X":2}`...)
			p.attest(a, l)
		}, audit.Malformed, `the name "X" stands twice`},
		{"a type that is none", func(p *pushed) {
			a := p.platform("amd64")
			l := layer(slsa02, a, good)
			l.Blob = []byte(strings.Replace(string(l.Blob), `"predicateType":"`+slsa02+`"`, `"predicateType":7`, 1))
			p.attest(a, l)
		}, audit.Malformed, "the statement: predicateType: "},
		{"a subject that is none, beside the right one", subjectOf(good, `7,`), audit.Malformed, "no JSON object"},
		{"a subject without digests that are any", subjectOf(good, `{"digest":7},`), audit.Malformed, "digest: it is no JSON object"},
		{"a subject whose digest is none", subjectOf(good, `{"digest":{"sha256":7}},`), audit.Malformed, "sha256: "},
		{"a manifest with layers twice", func(p *pushed) {
			a := p.platform("amd64")
			p.attestation(p.raw(a, good, `,"layers":[]}`), a)
		}, audit.Malformed, `the name "layers" stands twice`},
		{"a manifest that is none", func(p *pushed) {
			a := p.platform("amd64")
			p.attestation(p.must(p.reg.PutManifest("team/app", "", ocispec.MediaTypeImageManifest, []byte(`{"schemaVersion":2,"layers":"x","config":{}}`))), a)
		}, audit.Malformed, "attestation manifest sha256:"},
		{"no JSON", func(p *pushed) {
			a := p.platform("amd64")
			l := layer(slsa02, a, good)
			l.Blob = []byte("hello")
			p.attest(a, l)
		}, audit.Malformed, "the statement"},
		{"a manifest about another", func(p *pushed) {
			a := p.platform("amd64")
			d := p.must(p.reg.PutLayers("team/app", "", &ocispec.Descriptor{MediaType: "x", Digest: "sha256:" + appHex}, "x", layer(slsa02, a, good)))
			p.attestation(d, a)
		}, audit.Malformed, "it is about \"sha256:" + appHex},
		{"an index for a manifest", func(p *pushed) {
			a := p.platform("amd64")
			p.attestation(p.must(p.reg.PutIndex("team/app", "")), a)
		}, audit.Malformed, "its media type is"},
		{"too many layers", func(p *pushed) {
			a := p.platform("amd64")
			var all []registrytest.Layer
			for i := range 65 {
				all = append(all, layer(slsa02, a, strings.Replace(good, "{", fmt.Sprintf(`{"n":%d,`, i), 1)))
			}
			p.attest(a, all...)
		}, audit.Malformed, "65 layers, and at most 64"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := push(t)
			tc.make(p)
			r := everything(t).Audit(p.attached(), audit.Options{})
			var worst audit.Finding
			for _, f := range r.Findings {
				if !f.Passed() || worst.Reason == "" {
					worst = f
				}
			}
			if worst.Reason != tc.reason || r.Passed() != (tc.reason == audit.Admitted) || tc.says != "" && !strings.Contains(fmt.Sprint(worst.Err), tc.says) {
				t.Errorf("%s: %v", worst.Reason, worst.Err)
			}
		})
	}
}

// An index that lists a manifest a thousand times costs no more requests.
func TestAttachedOnce(t *testing.T) {
	t.Parallel()
	p := push(t)
	a := p.platform("amd64")
	p.attest(a, layer(slsa02, a, materials(image1)))
	one, att := p.children[0], p.children[1]
	for range 500 {
		p.children = append(p.children, one, att)
	}
	if r := everything(t).Audit(p.attached(), audit.Options{}); !r.Passed() || len(r.Findings) != 1 || len(p.reg.Requests()) != 3 {
		t.Errorf("%d findings, %d requests", len(r.Findings), len(p.reg.Requests()))
	}
}

// A registry that gives no answer is not one that says no.
func TestAttachedUnanswered(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		path   string
		fault  registrytest.Fault
		reason audit.Reason
		silent bool
	}{
		{"/manifests/v1", registrytest.Fault{Status: http.StatusNotFound}, "not-found", false},
		{"/manifests/v1", registrytest.Fault{Status: http.StatusForbidden}, "denied", true},
		{"/manifests/v1", registrytest.Fault{Status: http.StatusBadGateway}, "unavailable", true},
		{"/blobs/", registrytest.Fault{Status: http.StatusBadGateway}, "unavailable", true},
		{"/blobs/", registrytest.Fault{Status: http.StatusNotFound}, "not-found", false},
	} {
		p := push(t)
		a := p.platform("amd64")
		p.attest(a, layer(slsa02, a, materials(image1)))
		p.must(p.reg.PutIndex("team/app", "v1", p.children...))
		p.reg.Reset(0)
		tc.fault.Path = tc.path
		p.reg.Break(tc.fault)
		ref, err := image.Parse(p.reg.Host() + "/team/app:v1")
		if err != nil {
			t.Fatal(err)
		}
		c := registry.New(registry.Options{Sleep: func(context.Context, time.Duration) error { return nil }})
		r := everything(t).Audit(audit.Attached(t.Context(), c, ref), audit.Options{})
		if r.Passed() || r.NoAnswer() != tc.silent || r.Findings[0].Reason != tc.reason {
			t.Errorf("%s %d: %s, no answer %t: %v", tc.path, tc.fault.Status, r.Findings[0].Reason, r.NoAnswer(), r.Findings[0].Err)
		}
	}
}
