package audit_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/audit"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// What the builds in testdata used: written by buildx v0.37.0 and BuildKit
// v0.33.0, with another name for the registry.
const (
	host     = "registry.example:5000"
	appHex   = "b376cce904f64f641443973110585b1094077c45e257aef863884522faea0d5d"
	otherHex = "ad09d60beb8f40afc4e7a3a9be1cbe22f86fa1b43176889e17280e7dda8ba75e" // app:2
	toolsHex = "a7033ab5408e35f4c6653993cb636aa2c5b76937f5de633cdfb0bc8a5a03ce4a"
	multiHex = "41cf78a02bcdabe2687eebf5eabc06a65e73b4b9c4d8d77310d9e92fe371fc89"
	armHex   = "10907066feaea8e2ae2f8f70cb285d0e3d08783bf36ccadf92203ae90715be41" // of multi
	frontHex = "9f069356a38634735c7af449ac294f8a1a5192dd8d6eb91e672e38c3e3ff1e1b"
)

func admission(t testing.TB, ref, hex string, children ...image.Child) audit.Admission {
	t.Helper()
	r, err := image.Parse(ref)
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.Pin("sha256:" + hex)
	if err != nil {
		t.Fatal(err)
	}
	return audit.Admission{Pinned: p.Described("", children)}
}

// everything is a gate that let in what the builds in testdata should use.
func everything(t testing.TB) audit.Gate {
	t.Helper()
	exempt := admission(t, host+"/base/tools:9", toolsHex)
	exempt.Exempt = true
	return audit.NewGate([]audit.Admission{
		admission(t, host+"/base/app:1", appHex),
		exempt,
		admission(t, host+"/base/multi:1", multiHex, image.Child{Digest: "sha256:" + armHex, Platform: "linux/arm64"}),
		admission(t, host+"/front/dockerfile:1", frontHex),
	})
}

// told says in a few words what was found.
func told(r audit.Result) string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s|%s|%s", f.Build.Target, f.Build.Platform, f.Reason)
		for _, u := range f.Used {
			name := u.URI
			if u.Kind == audit.Image {
				name = strings.TrimPrefix(u.Ref.String(), host+"/")
				if u.Ref.Digest() == "" && u.Digest != "" {
					name += "@" + u.Digest
				}
				name = strings.ReplaceAll(name, "sha256:", "")
				if at := strings.Index(name, "@"); at > 0 {
					name = name[:at+5]
				}
			}
			fmt.Fprintf(&b, " %s:%s", u.Reason, name)
			if u.Where != audit.InMaterials {
				fmt.Fprintf(&b, "(%s)", u.Where)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Every form that buildx writes, of builds that really were.
func TestMetadata(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ file, want, strict string }{
		{"min", "||exempt admitted:base/app:1@b376 exempt:base/tools:9@a703\n", "incomplete"},
		{"max", "||exempt admitted:base/app:1@b376 exempt:base/tools:9@a703\n", "exempt"},
		{"pushed-max", "||exempt admitted:base/app:1@b376 exempt:base/tools:9@a703\n", "exempt"},
		{"disabled", "||no-provenance\n", "no-provenance"},
		{
			"platforms-min",
			"|linux/amd64|exempt admitted:base/multi:1@41cf exempt:base/tools:9@a703\n|linux/arm64|exempt admitted:base/multi:1@41cf exempt:base/tools:9@a703\n", "incomplete",
		},
		{
			"platforms-max",
			"|linux/amd64|exempt admitted:base/multi:1@41cf exempt:base/tools:9@a703\n|linux/arm64|exempt admitted:base/multi:1@41cf exempt:base/tools:9@a703\n", "exempt",
		},
		{
			"bake-min",
			"multi|linux/amd64|exempt admitted:base/multi:1@41cf exempt:base/tools:9@a703\nmulti|linux/arm64|exempt admitted:base/multi:1@41cf exempt:base/tools:9@a703\n" +
				"one||exempt admitted:base/app:1@b376 exempt:base/tools:9@a703\ntwo||no-provenance\n", "incomplete",
		},
		{
			"bake-max",
			"multi|linux/amd64|exempt admitted:base/multi:1@41cf exempt:base/tools:9@a703\nmulti|linux/arm64|exempt admitted:base/multi:1@41cf exempt:base/tools:9@a703\n" +
				"one||exempt admitted:base/app:1@b376 exempt:base/tools:9@a703\ntwo||admitted\n", "exempt",
		},
		{
			"linked-max",
			"base||exempt admitted:base/multi:1@41cf exempt:base/tools:9@a703\nweb||exempt admitted:base/multi:1@41cf exempt:base/tools:9@a703\n", "exempt",
		},
		{"warnings-max", "||exempt admitted:base/multi:1@41cf exempt:base/tools:9@a703\n", "exempt"},
		{"policy-max", "||exempt admitted:base/multi:1@41cf exempt:base/tools:9@a703\n", "exempt"},
		{"cache-from-max", "||exempt admitted:base/multi:1@41cf exempt:base/tools:9@a703\n", "exempt"}, // docs: what is not seen
		{"digests-min", "||exempt admitted:base/app:1@b376 admitted:base/multi@41cf exempt:base/tools@a703\n", "incomplete"},
		{"digests-max", "||exempt admitted:base/app:1@b376 admitted:base/multi@41cf exempt:base/tools@a703\n", "exempt"},
		{"scratch-min", "||no-provenance\n", "no-provenance"},
		{"scratch-max", "||admitted\n", "admitted"},
		{"syntax-min", "||exempt admitted:base/app:1@b376 exempt:base/tools:9@a703 admitted:front/dockerfile:1@9f06\n", "incomplete"},
		{"syntax-max", "||exempt admitted:base/app:1@b376 exempt:base/tools:9@a703 admitted:front/dockerfile:1@9f06\n", "exempt"},
		{"frontend-by-digest-max", "||admitted admitted:front/dockerfile:1@9f06\n", "admitted"},
		{"git-max", "||admitted admitted:base/app:1@b376 unjudged:git://git.example/r.git#main\n", "not-admitted"},
		{"web-max", "||admitted admitted:base/app:1@b376 unjudged:http://files.example/x.txt\n", "not-admitted"},
		// COPY --link, build arguments and labels that differ in case only.
		{"links-max", "|linux/amd64|exempt admitted:base/multi:1@41cf exempt:base/tools:9@a703 unjudged:git://git.example/r.git#main unjudged:http://files.example/x.txt\n", "not-admitted"},
		{"sbom-max", "||not-admitted admitted:base/multi:1@41cf exempt:base/tools:9@a703 not-admitted:scan/sbom:1@6e36\n", "not-admitted"},
		{"context-max", "||not-admitted admitted:base/multi:1@41cf not-admitted:evil/app:1@9966\n", "not-admitted"},
		{"layout-max", "||not-admitted not-admitted:pkg:oci/lay?digest=sha256:5d802e0781649468cc30cf014ac8990cd24f6b54a8f72c43ee78cb27bba9c048&platform=linux%2Famd64\n", "not-admitted"},
		// COPY --from=app:1@sha256:ad09…, which BuildKit leaves out of the materials
		// because app:1 is used as well. Without the steps nobody sees it.
		{"hidden-min", "||admitted admitted:base/app:1@b376\n", "incomplete"},
		{"hidden-max", "||not-admitted admitted:base/app:1@b376 not-admitted:base/app:1@ad09(steps)\n", "not-admitted"},
	} {
		t.Run(tc.file, func(t *testing.T) {
			t.Parallel()
			builds := read(t, tc.file)
			got := everything(t).Audit(builds, audit.Options{})
			if told(got) != tc.want {
				t.Errorf("got\n%swant\n%s", told(got), tc.want)
			}
			strict := everything(t).Audit(builds, audit.Options{Strict: true})
			if f := strict.Findings[0]; string(f.Reason) != tc.strict {
				t.Errorf("strict: %s, want %s", f.Reason, tc.strict)
			}
			if got.Passed() != !strings.Contains(tc.want, "not-admitted") && !strings.Contains(tc.want, "no-provenance") {
				t.Errorf("passed: %t", got.Passed())
			}
			if strict.Passed() && !got.Passed() {
				t.Error("what is strict passes more")
			}
			for _, f := range append(got.Findings, strict.Findings...) {
				explained(t, f)
				// What is to be known all the same is told, and only where it is so.
				note := ""
				switch p := f.Build.Provenance; {
				case p == nil || !f.Passed():
					continue
				case !p.Steps:
					note = "steps are not in its provenance"
				case len(f.Used) == 0:
					note = "it used no image"
				}
				if notes := strings.Join(f.Notes, "\n"); (notes == "") != (note == "") || !strings.Contains(notes, note) {
					t.Errorf("notes %q, want %q", notes, note)
				}
			}
			// Nothing passes a gate that let in nothing.
			for _, f := range (audit.Gate{}).Audit(builds, audit.Options{}).Findings {
				if f.Passed() && tc.file != "scratch-max" && f.Build.Target != "two" {
					t.Errorf("passed a gate that let in nothing: %+v", f)
				}
			}
		})
	}
	names, err := filepath.Glob(filepath.Join("testdata", "metadata", "*.json"))
	if err != nil || len(names) != 27 {
		t.Errorf("%d files, some of which are not read (%v)", len(names), err)
	}
}

// explained fails t unless whatever did not pass says why and what to do.
func explained(t *testing.T, f audit.Finding) {
	t.Helper()
	why := f.Err != nil && verify.Hint(f.Err) != ""
	for _, u := range f.Used {
		if !u.Passed() {
			why = true
			if u.Err == nil || verify.Hint(u.Err) == "" {
				t.Errorf("%s was refused without a word", u.URI)
			}
		}
	}
	if f.Passed() == why {
		t.Errorf("%s: explained is %t: %v", f.Reason, why, f.Err)
	}
}

func read(t testing.TB, name string) []audit.Build {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", "metadata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	builds, err := audit.ReadMetadata(name, body, nil)
	if err != nil {
		t.Fatal(err)
	}
	return builds
}

// metadata is that of a build with this provenance.
func metadata(provenance string) string {
	return `{"buildx.build.provenance":` + provenance + `,"buildx.build.ref":"a/b/c"}`
}

const buildType = `"buildType":"https://mobyproject.org/buildkit@v1"`

// materials is a provenance of these materials.
func materials(list ...string) string {
	return `{` + buildType + `,"materials":[` + strings.Join(list, ",") + `]}`
}

func material(uri, hex string) string {
	return `{"uri":"` + uri + `","digest":{"sha256":"` + hex + `"}}`
}

const (
	appURI = "pkg:docker/registry.example%3A5000/base/app@1?platform=linux%2Famd64"
	image1 = `{"uri":"` + appURI + `","digest":{"sha256":"` + appHex + `"}}`
	evil   = `{"uri":"pkg:docker/registry.example%3A5000/evil/app@1","digest":{"sha256":"` + otherHex + `"}}`
)

// maxed is a provenance in mode max of one material and these steps.
func maxed(steps ...string) string {
	return `{` + buildType + `,"materials":[` + image1 + `],"buildConfig":{"llbDefinition":[` + strings.Join(append(steps, step("{}")), ",") + `]}}`
}

func step(op string) string { return `{"id":"step0","op":{"Op":` + op + `,"constraints":{}}}` }

func source(identifier string) string { return step(`{"source":{"identifier":"` + identifier + `"}}`) }

// requested is a provenance of one material and this request.
func requested(request string) string {
	return `{` + buildType + `,"materials":[` + image1 + `],"invocation":{"parameters":` + request + `}}`
}

// What somebody could write to hide an image, or to pass for one that was let in.
func TestAttacks(t *testing.T) {
	t.Parallel()
	const app = "registry.example%3A5000/base/app"
	for _, tc := range []struct {
		name, metadata string
		reason         audit.Reason
		says           string // of the finding, or of what it refused
	}{
		{"sound", metadata(materials(image1)), audit.Admitted, ""},
		{"sound, with steps", metadata(maxed(source("docker-image://registry.example:5000/base/app:1@sha256:"+appHex), step("{}"))), audit.Admitted, ""},
		{"sound, steps of every kind", metadata(maxed(step(`{"exec":{}}`), step(`{"file":{}}`), step(`{"merge":{}}`), step(`{"diff":{}}`), step(`{"passthrough":{}}`), `{"id":"step1","op":{"Op":null},"inputs":["step0:0"]}`)), audit.Admitted, ""},
		{"sound, sources that are no images", metadata(maxed(source("local://context"), source("git://x/y"), source("https://x/y"), source("http://x/y"))), audit.Admitted, ""},
		{"sound, by tag in the steps", metadata(maxed(source("docker-image://registry.example:5000/base/app:1"))), audit.Admitted, ""},
		{"sound, a frontend by tag", metadata(requested(`{"frontend":"gateway.v0","args":{"source":"registry.example:5000/base/app:1"}}`)), audit.Admitted, ""},
		{"sound, arguments that differ in case", metadata(requested(`{"frontend":"dockerfile.v0","args":{"build-arg:http_proxy":"a","build-arg:HTTP_PROXY":"b"}}`)), audit.Admitted, ""},
		{"sound, SLSA v1", metadata(`{"buildDefinition":{"buildType":"https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md","resolvedDependencies":[` + image1 + `]}}`), audit.Admitted, ""},

		{"the digest under another name", metadata(materials(material("pkg:docker/registry.example%3A5000/evil/app@1", appHex))), audit.NotAdmitted, "the gate let in this digest as registry.example:5000/base/app@sha256:" + appHex + ", which is another name"},
		{"the digest on Docker Hub", metadata(materials(material("pkg:docker/base/app@1", appHex))), audit.NotAdmitted, "another name"},
		{"the name on another port", metadata(materials(material("pkg:docker/registry.example%3A5001/base/app@1", appHex))), audit.NotAdmitted, "another name"},
		{"the name with another digest", metadata(materials(material(appURI, otherHex))), audit.NotAdmitted, "another digest of this repository"},
		{"a repository nobody saw", metadata(materials(evil)), audit.NotAdmitted, "has not seen this repository"},
		{"a manifest of the index", metadata(materials(material("pkg:docker/registry.example%3A5000/base/multi?digest=sha256:"+armHex, armHex))), audit.NotAdmitted, "an index that lists it"},
		{"a manifest of the index under another name", metadata(materials(material("pkg:docker/registry.example%3A5000/base/app?digest=sha256:"+armHex, armHex))), audit.NotAdmitted, "another digest of this repository"},
		{"one of two", metadata(materials(image1, evil)), audit.NotAdmitted, "has not seen this repository"},
		{"one of two, the other way around", metadata(materials(evil, image1)), audit.NotAdmitted, "has not seen this repository"},

		{"digest in upper case", metadata(materials(material(appURI, strings.ToUpper(appHex)))), audit.Malformed, "is not 64 lower-case hex digits"},
		{"digest with its algorithm", metadata(materials(material(appURI, "sha256:"+appHex))), audit.Malformed, "is not 64 lower-case hex digits"},
		{"no digest", metadata(materials(`{"uri":"` + appURI + `"}`)), audit.Malformed, "no sha256 digest"},
		{"no digest but in the name", metadata(materials(`{"uri":"pkg:docker/` + app + `@1?digest=sha256:` + appHex + `"}`)), audit.Malformed, "no sha256 digest"},
		{"another algorithm", metadata(materials(`{"uri":"` + appURI + `","digest":{"sha512":"` + appHex + appHex + `"}}`)), audit.Malformed, "no sha256 digest"},
		{"algorithm in upper case", metadata(materials(`{"uri":"` + appURI + `","digest":{"SHA256":"` + appHex + `"}}`)), audit.Malformed, `"SHA256" is not "sha256"`},
		{"digest is a text", metadata(materials(`{"uri":"` + appURI + `","digest":"sha256:` + appHex + `"}`)), audit.Malformed, "digest: it is no JSON object"},
		{"two digests", metadata(materials(material("pkg:docker/"+app+"@1?digest=sha256:"+appHex, otherHex))), audit.Malformed, "it has two digests"},
		{"two digests, the admitted one outside", metadata(materials(material("pkg:docker/"+app+"@1?digest=sha256:"+otherHex, appHex))), audit.Malformed, "it has two digests"},
		{"a digest for a tag, and another", metadata(materials(material("pkg:docker/"+app+"@sha256%3A"+otherHex, appHex))), audit.Malformed, "it has two digests"},

		{"no materials", metadata(`{` + buildType + `}`), audit.NoProvenance, "nothing to audit"},
		{"empty materials", metadata(materials()), audit.NoProvenance, "nothing to audit"},
		{"materials that are null", metadata(`{` + buildType + `,"materials":null}`), audit.NoProvenance, "nothing to audit"},
		{"materials that are no list", metadata(`{` + buildType + `,"materials":{}}`), audit.Malformed, "materials"},
		{"a material that is null", metadata(materials("null")), audit.Malformed, "material 1"},
		{"Git only", metadata(materials(`{"uri":"https://github.com/acme/app.git#main","digest":{"sha1":"x"}}`)), audit.NoProvenance, "nothing to audit"},
		{"materials twice", metadata(`{` + buildType + `,"materials":[` + evil + `],"materials":[` + image1 + `]}`), audit.Malformed, `"materials" stands twice`},
		{"materials twice in two cases", metadata(`{` + buildType + `,"materials":[` + image1 + `],"Materials":[` + evil + `]}`), audit.Malformed, `"Materials" stands twice`},
		{"materials in another case, and steps without an image", metadata(`{` + buildType + `,"Materials":[` + evil + `],"buildConfig":{"llbDefinition":[` + step("{}") + `]}}`), audit.Malformed, `"Materials" is not "materials"`},
		{"uri twice", metadata(materials(`{"uri":"x","uri":"` + appURI + `","digest":{"sha256":"` + appHex + `"}}`)), audit.Malformed, `"uri" stands twice`},
		{"v0.2 and v1 at once", metadata(`{` + buildType + `,"materials":[` + image1 + `],"buildDefinition":{` + buildType + `,"resolvedDependencies":[` + evil + `]}}`), audit.Malformed, "one of SLSA v0.2 and one of v1"},
		{"materials below", metadata(`{` + buildType + `,"predicate":{"materials":[` + image1 + `]}}`), audit.NoProvenance, "nothing to audit"},
		{"an address that is no text", metadata(materials(`{"uri":7,"digest":{"sha256":"` + appHex + `"}}`)), audit.Malformed, "uri: "},
		{"a digest that is no text", metadata(materials(`{"uri":"` + appURI + `","digest":{"sha256":7}}`)), audit.Malformed, "sha256: "},
		{"a definition that is none", metadata(`{"buildDefinition":7}`), audit.Malformed, "buildDefinition: it is no JSON object"},
		{"a build type that is none", metadata(`{"buildType":7,"materials":[` + image1 + `]}`), audit.Malformed, "buildType: "},
		{"steps that are none", metadata(`{` + buildType + `,"materials":[` + image1 + `],"buildConfig":7}`), audit.Malformed, "buildConfig: it is no JSON object"},
		{"a request that is none", metadata(`{` + buildType + `,"materials":[` + image1 + `],"invocation":{"parameters":7}}`), audit.Malformed, "invocation.parameters: it is no JSON object"},
		{"completeness that is none", metadata(`{` + buildType + `,"materials":[` + image1 + `],"metadata":{"completeness":7}}`), audit.Malformed, "metadata.completeness: it is no JSON object"},
		{"a frontend that is none", metadata(requested(`{"frontend":7}`)), audit.Malformed, "frontend: "},
		{"arguments that are none", metadata(requested(`{"frontend":"gateway.v0","args":7}`)), audit.Malformed, "args: it is no JSON object"},
		{"inputs that are none", metadata(requested(`{"inputs":7}`)), audit.Malformed, "inputs: it is no JSON object"},
		{"a root that is none", metadata(requested(`{"root":{"request":7}}`)), audit.Malformed, "root: request: it is no JSON object"},
		{"locals that are none", metadata(`{` + buildType + `,"materials":[` + image1 + `],"metadata":{"completeness":{"materials":false}},"invocation":{"parameters":{"locals":7}}}`), audit.Malformed, "locals: "},
		{"an identifier that is none", metadata(maxed(step(`{"source":{"identifier":7}}`))), audit.Malformed, "identifier: "},
		{"a source that is none", metadata(maxed(step(`{"source":7}`))), audit.Malformed, "source: it is no JSON object"},
		{"a step's name that is none", metadata(maxed(`{"id":7,"op":{"Op":{}}}`)), audit.Malformed, "id: "},
		{"a step that is no object", metadata(maxed(`{"id":"a","op":7}`)), audit.Malformed, "op: it is no JSON object"},
		{"provenance as a text", metadata(`"eyJtYXRlcmlhbHMiOltdfQ=="`), audit.Malformed, "no JSON object"},
		{"provenance that is null", metadata(`null`), audit.Malformed, "no JSON object"},
		{"provenance as a list", metadata(`[` + materials(image1) + `]`), audit.Malformed, "no JSON object"},
		{"of another builder", metadata(strings.Replace(materials(image1), "mobyproject.org/buildkit@v1", "slsa-framework.github.io/github-actions-buildtypes", 1)), audit.NoProvenance, "not of BuildKit"},
		{"of nobody", metadata(`{"materials":[` + image1 + `]}`), audit.NoProvenance, "not of BuildKit"},

		{"an encoded slash in the name", metadata(materials(material("pkg:docker/registry.example%3A5000%2Fbase/app@1", appHex))), audit.Malformed, "which is in no image's name"},
		{"a way out of the name", metadata(materials(material("pkg:docker/registry.example%3A5000/evil/../base/app@1", appHex))), audit.Malformed, "which is in no image's name"},
		{"an encoded way out of the name", metadata(materials(material("pkg:docker/registry.example%3A5000/evil/%2e%2e/base/app@1", appHex))), audit.Malformed, "which is in no image's name"},
		{"a name in upper case", metadata(materials(material("pkg:docker/registry.example%3A5000/Base/app@1", appHex))), audit.Malformed, "material 1"},
		{"an unknown kind of thing", metadata(materials(image1, `{"uri":"docker-image://registry.example:5000/evil/app","digest":{}}`)), audit.Malformed, "not of a kind that is known"},
		{"a package URL in upper case", metadata(materials(image1, material("PKG:docker/evil", otherHex))), audit.Malformed, "not of a kind that is known"},
		{"a package URL of another type", metadata(materials(image1, material("pkg:github/acme/app", otherHex))), audit.Malformed, `of the type "github"`},
		{"an empty address", metadata(materials(image1, material("", otherHex))), audit.Malformed, "not of a kind that is known"},
		{"a blob", metadata(materials(image1, material("pkg:docker/"+app+"@1?ref_type=blob", appHex))), audit.NotAdmitted, "a blob that lies in a repository"},
		{"a bundle", metadata(materials(image1, material("pkg:docker/"+app+"@1?ref_type=bundle&vcs_url=https:%2F%2Fx", appHex))), audit.NotAdmitted, "a blob that lies in a repository"},
		{"an OCI layout with the digest that was let in", metadata(materials(image1, material("pkg:oci/"+app+"@1", appHex))), audit.NotAdmitted, "from an OCI layout"},

		{"hidden in the steps", metadata(maxed(source("docker-image://registry.example:5000/base/app:1@sha256:" + otherHex))), audit.NotAdmitted, "another digest of this repository"},
		{"by tag in the steps", metadata(maxed(source("docker-image://registry.example:5000/base/app:2"))), audit.Incomplete, "the build's steps names it, and it is not among its materials"},
		{"hidden in the steps, beside a material without a tag", metadata(`{` + buildType + `,"materials":[` + material("pkg:docker/registry.example%3A5000/base/app?digest=sha256:"+appHex, appHex) + `],"buildConfig":{"llbDefinition":[` + source("docker-image://registry.example:5000/base/app@sha256:"+otherHex) + `,` + step("{}") + `]}}`), audit.NotAdmitted, "another digest of this repository"},
		{"sound, by a tag that a source policy dropped", metadata(`{` + buildType + `,"materials":[` + material("pkg:docker/registry.example%3A5000/base/app?digest=sha256:"+appHex, appHex) + `],"buildConfig":{"llbDefinition":[` + source("docker-image://registry.example:5000/base/app:1") + `,` + step("{}") + `]}}`), audit.Admitted, ""},
		{"by tag in the steps, of a repository that was let in", metadata(maxed(source("docker-image://registry.example:5000/base/multi:1"))), audit.Incomplete, "not among its materials"},
		{"a layout in the steps", metadata(maxed(source("oci-layout://x@sha256:" + appHex))), audit.NotAdmitted, "from an OCI layout"},
		{"a blob in the steps", metadata(maxed(source("docker-image+blob://registry.example:5000/base/app@sha256:" + appHex))), audit.NotAdmitted, "a blob that lies in a repository"},
		{"a blob of a layout in the steps", metadata(maxed(source("oci-layout+blob://x@sha256:" + appHex))), audit.NotAdmitted, "a blob that lies in a repository"},
		{"an unknown source in the steps", metadata(maxed(source("ipfs://x"))), audit.Malformed, "of a kind that is not known"},
		{"a source in another case", metadata(maxed(source("Docker-Image://registry.example:5000/evil/app"))), audit.Malformed, "of a kind that is not known"},
		{"an image that is none in the steps", metadata(maxed(source("docker-image://registry.example:5000/../app"))), audit.Malformed, "step 0 of the build"},
		{"a step of an unknown kind", metadata(maxed(step(`{"teleport":{}}`))), audit.Malformed, `of the kind "teleport"`},
		{"a kind in another case", metadata(maxed(step(`{"Source":{"identifier":"docker-image://evil"}}`))), audit.Malformed, `of the kind "Source"`},
		{"steps without an end", metadata(`{` + buildType + `,"materials":[` + image1 + `],"buildConfig":{"llbDefinition":[` + step(`{"exec":{}}`) + `]}}`), audit.Incomplete, "have no end"},
		{"steps without a beginning", metadata(maxed(`{"id":"step1","op":{"Op":{"exec":{}}},"inputs":["step9:0"]}`)), audit.Incomplete, `uses "step9:0", which is not among its steps`},
		{"steps without a beginning, and no image", metadata(`{` + buildType + `,"buildConfig":{"llbDefinition":[{"id":"step1","op":{"Op":{}},"inputs":["step0:0"]}]}}`), audit.Incomplete, `uses "step0:0"`},
		{"inputs that are a text", metadata(maxed(`{"id":"step1","op":{"Op":{"exec":{}}},"inputs":"step0:0"}`)), audit.Malformed, "inputs"},
		{"what a step does is a list", metadata(maxed(step(`[]`))), audit.Malformed, "no JSON object"},
		{"a step of two kinds", metadata(maxed(step(`{"exec":{},"source":{"identifier":"docker-image://evil"}}`))), audit.Malformed, "more than one thing"},
		{"a step that says nothing", metadata(maxed(`{"id":"step0"}`)), audit.Malformed, "says nothing"},
		{"a step that is a text", metadata(maxed(`"step0"`)), audit.Malformed, "step 0 of the build"},
		{"identifier in another case", metadata(maxed(step(`{"source":{"Identifier":"docker-image://evil"}}`))), audit.Malformed, `"Identifier" is not "identifier"`},
		{"a build within the build", metadata(maxed(step(`{"build":{}}`))), audit.Incomplete, "is a build itself"},
		{"steps that are no list", metadata(`{` + buildType + `,"materials":[` + image1 + `],"buildConfig":{"llbDefinition":{}}}`), audit.Malformed, "the provenance's steps"},
		{"no image, and empty steps", metadata(`{` + buildType + `,"buildConfig":{"llbDefinition":[]}}`), audit.NoProvenance, "nothing to audit"},

		{"a frontend by another digest", metadata(requested(`{"frontend":"gateway.v0","args":{"source":"registry.example:5000/base/app:1@sha256:` + otherHex + `"}}`)), audit.NotAdmitted, "another digest of this repository"},
		{"a frontend that is no material", metadata(requested(`{"frontend":"gateway.v0","args":{"source":"evil"}}`)), audit.Incomplete, "the build's frontend names it"},
		{"a frontend of which nothing is said", metadata(requested(`{"frontend":"gateway.v0"}`)), audit.Malformed, "the provenance's frontend"},
		{"a frontend twice", metadata(requested(`{"frontend":"gateway.v0","args":{"source":"evil","source":"registry.example:5000/base/app:1"}}`)), audit.Malformed, `"source" stands twice`},
		{"an unknown frontend", metadata(requested(`{"frontend":"other.v0"}`)), audit.Incomplete, `the frontend "other.v0" is not known`},
		{"a frontend of an input", metadata(requested(`{"frontend":"dockerfile.v0","inputs":{"0-base":{"request":{"frontend":"gateway.v0","args":{"source":"evil"}}}}}`)), audit.Incomplete, "the build's frontend names it"},
		{"a frontend at the root", metadata(requested(`{"frontend":"dockerfile.v0","root":{"request":{"frontend":"gateway.v0","args":{"source":"evil"}}}}`)), audit.Incomplete, "the build's frontend names it"},
		{"an unknown frontend of an input", metadata(requested(`{"inputs":{"0-base":{"request":{"frontend":"other.v0"}}}}`)), audit.Incomplete, `the frontend "other.v0" is not known`},
		{"a frontend of an input, behind a clean root", metadata(requested(`{"root":{"request":{"frontend":"dockerfile.v0"}},"inputs":{"0-base":{"request":{"frontend":"gateway.v0","args":{"source":"evil"}}}}}`)), audit.Incomplete, "the build's frontend names it"},
		{"an input that is none", metadata(requested(`{"inputs":{"0-base":7}}`)), audit.Malformed, `inputs: "0-base": it is no JSON object`},

		{"incomplete", metadata(`{` + buildType + `,"materials":[` + image1 + `],"metadata":{"completeness":{"materials":false}}}`), audit.Incomplete, "BuildKit says that the materials are not all"},
		{"completeness left out", metadata(`{` + buildType + `,"materials":[` + image1 + `],"metadata":{"completeness":{}}}`), audit.Incomplete, "BuildKit says that the materials are not all"},
		{"incomplete by a local context", metadata(`{` + buildType + `,"materials":[` + image1 + `],"metadata":{"completeness":{"materials":false}},"invocation":{"parameters":{"locals":[{"name":"context"}]}}}`), audit.Admitted, ""},
		{"incomplete v1", metadata(`{"buildDefinition":{` + buildType + `,"resolvedDependencies":[` + image1 + `]},"runDetails":{"metadata":{"buildkit_completeness":{"resolvedDependencies":false}}}}`), audit.Incomplete, "BuildKit says that the materials are not all"},
		{"completeness is a text", metadata(`{` + buildType + `,"materials":[` + image1 + `],"metadata":{"completeness":{"materials":"true"}}}`), audit.Malformed, "materials"},

		{"two provenances, one of which is clean", `{"buildx.build.provenance":` + materials(image1) + `,"buildx.build.provenance/linux/arm64":` + materials(evil) + `}`, audit.NotAdmitted, "has not seen"},
		{"a target beside a clean provenance", `{"buildx.build.provenance":` + materials(image1) + `,"app":{"buildx.build.provenance":` + materials(evil) + `}}`, audit.NotAdmitted, "has not seen"},
		{"a target without a provenance", `{"app":{"buildx.build.ref":"a"},"web":{"buildx.build.provenance":` + materials(image1) + `}}`, audit.NoProvenance, "the metadata has no provenance"},
		{"a target that is empty", `{"app":{},"web":{"buildx.build.provenance":` + materials(image1) + `}}`, audit.NoProvenance, "the metadata has no provenance"},
		{"targets that are texts", `{"app":"x"}`, audit.NoProvenance, "the metadata has no provenance"},
		{"nothing", `{}`, audit.NoProvenance, "the metadata has no provenance"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			builds, err := audit.ReadMetadata("build.json", []byte(tc.metadata), nil)
			if err != nil {
				t.Fatal(err)
			}
			r := everything(t).Audit(builds, audit.Options{})
			var worst audit.Finding
			for _, f := range r.Findings {
				explained(t, f)
				if !f.Passed() || worst.Reason == "" {
					worst = f
				}
			}
			if worst.Reason != tc.reason || r.Passed() != (tc.reason == audit.Admitted) {
				t.Fatalf("%s: %v", worst.Reason, worst.Err)
			}
			text := fmt.Sprint(worst.Err)
			for _, u := range worst.Used {
				text += fmt.Sprint(u.Err)
			}
			if !strings.Contains(text, tc.says) {
				t.Errorf("says %q, want %q", text, tc.says)
			}
			if strict := everything(t).Audit(builds, audit.Options{Strict: true}); strict.Passed() && !r.Passed() {
				t.Error("what is strict passes more")
			}
		})
	}
}

// What is no metadata, or could be read in two ways, is an error.
func TestMetadataRefused(t *testing.T) {
	t.Parallel()
	whole := metadata(materials(image1))
	for _, tc := range []struct{ name, body, says string }{
		{"empty", "", "it is empty"},
		{"cut off", whole[:len(whole)-1], "cut off"},
		{"cut off early", whole[:40], "cut off"},
		{"two documents", whole + "{}", "something follows"},
		{"a list", "[]", "no JSON object"},
		{"a text", `"x"`, "no JSON object"},
		{"not JSON", "hello", "invalid character"},
		{"provenance twice", `{"buildx.build.provenance":` + materials(evil) + `,"buildx.build.provenance":` + materials(image1) + `}`, "stands twice"},
		{"provenance in another case", `{"buildx.build.Provenance":` + materials(evil) + `}`, `"buildx.build.Provenance" is not`},
		{"provenance of a platform in another case", `{"buildx.build.provenance":` + materials(image1) + `,"BUILDX.build.provenance/linux/amd64":` + materials(evil) + `}`, "is not"},
		{"provenance of a target in another case", `{"app":{"buildx.build.PROVENANCE":` + materials(evil) + `}}`, "is not"},
		{"a target twice", `{"app":{"buildx.build.provenance":` + materials(evil) + `},"app":{"buildx.build.provenance":` + materials(image1) + `}}`, "stands twice"},
		{"a name twice in a target", `{"app":{"a":1,"a":2}}`, "stands twice"},
	} {
		if builds, err := audit.ReadMetadata("x", []byte(tc.body), nil); err == nil || !strings.Contains(err.Error(), tc.says) || len(builds) > 0 {
			t.Errorf("%s: %d builds, %v", tc.name, len(builds), err)
		}
	}
	if raced {
		return // what follows is large
	}
	space := bytes.Repeat([]byte(" "), audit.MaxBytes)
	if builds, err := audit.ReadMetadata("x", append(space, "{}"...), nil); err == nil || !strings.Contains(err.Error(), "at most") || len(builds) > 0 {
		t.Errorf("too large: %d builds, %v", len(builds), err)
	}
	if _, err := audit.ReadMetadata("x", append(space[2:], "{}"...), nil); err != nil {
		t.Errorf("just not too large: %v", err)
	}
}

// What is named more than once, or is a material as well, is judged once.
func TestNamedOnce(t *testing.T) {
	t.Parallel()
	hidden := source("docker-image://registry.example:5000/base/app:1@sha256:" + otherHex)
	blob := source("docker-image+blob://x@sha256:" + appHex)
	seen := source("docker-image://registry.example:5000/base/app:1@sha256:" + appHex)
	builds, err := audit.ReadMetadata("x", []byte(metadata(maxed(hidden, hidden, seen, blob, blob, source("docker-image://evil"), source("docker-image://evil")))), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "||not-admitted admitted:base/app:1@b376 not-admitted:base/app:1@ad09(steps) not-admitted:docker-image+blob://x@sha256:" + appHex + "(steps) incomplete:docker.io/library/evil:latest(steps)\n"
	if got := told(everything(t).Audit(builds, audit.Options{})); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Targets that have to be there are.
func TestTargets(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(filepath.Join("testdata", "metadata", "bake-max.json"))
	if err != nil {
		t.Fatal(err)
	}
	builds, err := audit.ReadMetadata("x", body, []string{"one", "three", "two"})
	if err != nil {
		t.Fatal(err)
	}
	r := everything(t).Audit(builds, audit.Options{})
	last := r.Findings[len(r.Findings)-1]
	if len(r.Findings) != 5 || r.Passed() || last.Build.Target != "three" || last.Reason != audit.NoProvenance || !strings.Contains(last.Err.Error(), "no such target; it has multi, one, two") {
		t.Errorf("%s%v", told(r), last.Err)
	}
	builds, err = audit.ReadMetadata("x", []byte(metadata(materials(image1))), []string{"app"})
	if err != nil || len(builds) != 2 || !strings.Contains(builds[1].Err.Error(), "of buildx build and not of buildx bake") {
		t.Errorf("%+v, %v", builds, err)
	}
}

// Whatever is not said does not pass.
func TestZero(t *testing.T) {
	t.Parallel()
	if (audit.Result{}).Passed() || (audit.Result{}).NoAnswer() || (audit.Finding{}).Passed() || (audit.Judged{}).Passed() {
		t.Error("nothing passes")
	}
	r := everything(t).Audit([]audit.Build{{}}, audit.Options{})
	if r.Passed() || r.Findings[0].Passed() {
		t.Error("a build of which nobody knows anything passes")
	}
	r = everything(t).Audit([]audit.Build{{Provenance: &audit.Provenance{Steps: true, Materials: []audit.Material{{}}}}}, audit.Options{})
	if r.Passed() {
		t.Error("a material of which nobody knows anything passes")
	}
	if g := audit.NewGate([]audit.Admission{{}}); g.Audit([]audit.Build{{Provenance: &audit.Provenance{Materials: []audit.Material{{Kind: audit.Image}}}}}, audit.Options{}).Passed() {
		t.Error("the zero image was let in")
	}
}

// One reference to an image that is exempt marks it, wherever it stands.
func TestExemptIsMarked(t *testing.T) {
	t.Parallel()
	verified, exempt := admission(t, host+"/base/app:1", appHex), admission(t, host+"/base/app:stable", appHex)
	exempt.Exempt = true
	builds, err := audit.ReadMetadata("x", []byte(metadata(materials(image1))), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, all := range [][]audit.Admission{{verified, exempt}, {exempt, verified}} {
		if r := audit.NewGate(all).Audit(builds, audit.Options{}); r.Findings[0].Reason != audit.Exempt || !r.Passed() {
			t.Error(told(r))
		}
	}
}

// What was let in of the same repository is listed, each once.
func TestInstead(t *testing.T) {
	t.Parallel()
	g := audit.NewGate([]audit.Admission{admission(t, host+"/base/app:2", appHex), admission(t, host+"/base/app:1", appHex), admission(t, host+"/base/app:1", appHex)})
	builds, err := audit.ReadMetadata("x", []byte(metadata(materials(material(appURI, otherHex)))), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := g.Audit(builds, audit.Options{}).Findings[0].Used[0].Instead
	pinned := host + "/base/app@sha256:" + appHex
	if want := []string{pinned + " (as " + host + "/base/app:1)", pinned + " (as " + host + "/base/app:2)"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
