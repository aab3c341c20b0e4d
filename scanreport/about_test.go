package scanreport_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scanreport"
	"github.com/boltseal/boltseal/verify"
)

func ref(t testing.TB, text string) image.Ref {
	t.Helper()
	r, err := image.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// trivyOf returns Trivy's JSON of an image with the given metadata, an object.
func trivyOf(name, metadata string) string {
	return `{"SchemaVersion":2,"ArtifactName":"` + name + `","ArtifactType":"container_image","Metadata":` + metadata + `,"Results":[{"Class":"os-pkgs"}]}`
}

func grypeOf(target string) string {
	return strings.Replace(grype("[]"), `{"userInput":"acme/app"}`, target, 1)
}

func TestAbout(t *testing.T) {
	t.Parallel()
	const (
		name   = "registry.example/acme/app"
		child2 = "sha256:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
	)
	one := scanreport.Subject{Ref: ref(t, name+":v1"), Digest: index, Configs: []string{config}}
	many := scanreport.Subject{Ref: ref(t, name+":v1"), Digest: index, Children: []string{child, child2}, Configs: []string{config, other}}
	bare := scanreport.Subject{Ref: ref(t, name+"@"+index), Digest: index} // whose manifest was not read
	manifest := scanreport.Subject{Ref: ref(t, name+":v1"), Digest: child, Configs: []string{config}}
	q := func(s string) string { return `"` + s + `"` }
	list := func(all ...string) string { return `["` + strings.Join(all, `","`) + `"]` }
	for _, tc := range []struct {
		name    string
		body    string
		subject scanreport.Subject
		known   bool
		digest  string
		warning string // a part; "" for none
		err     string // a part; "" for none
	}{
		// Trivy.
		{name: "Trivy: digest", body: trivyOf("x", `{"RepoDigests":`+list(name+"@"+index)+`}`), subject: one, known: true, digest: index},
		{name: "Trivy: of another repository", body: trivyOf("x", `{"RepoDigests":`+list("mirror.example/x@"+index)+`}`), subject: one, known: true, digest: index},
		{name: "Trivy: several repositories", body: trivyOf("x", `{"RepoDigests":`+list(name+"@"+index, "mirror.example/x@"+index)+`}`), subject: one, known: true, digest: index},
		{name: "Trivy: another digest", body: trivyOf("x", `{"RepoDigests":`+list(name+"@"+other)+`}`), subject: one, err: "what was scanned is " + other + ", and what is signed is " + index},
		{name: "Trivy: name by digest", body: trivyOf(name+"@"+index, `{}`), subject: bare, known: true, digest: index},
		{name: "Trivy: name by another digest", body: trivyOf(name+":v1@"+other, `{}`), subject: one, err: "what was scanned is " + other},
		{name: "Trivy: ID", body: trivyOf("x", `{"ImageID":`+q(config)+`}`), subject: one, known: true, digest: config},
		{name: "Trivy: ID as podman has it", body: trivyOf("x", `{"ImageID":`+q(config[7:])+`}`), subject: one, known: true, digest: config},
		{name: "Trivy: ID of a store that calls images by manifests", body: trivyOf("x", `{"ImageID":`+q(index)+`}`), subject: one, known: true, digest: index},
		{name: "Trivy: another ID", body: trivyOf("x", `{"ImageID":`+q(other)+`}`), subject: one, err: `the ID of the image that was scanned is "` + other + `", and what is signed has ` + config},
		{name: "Trivy: another ID with a digest of the image", body: trivyOf(name+"@"+index, `{"ImageID":`+q(other)+`,"RepoDigests":`+list(name+"@"+index)+`}`), subject: one, err: "the ID of the image"},
		{name: "Trivy: ID with a digest of another index", body: trivyOf(name+":v1", `{"ImageID":`+q(config)+`,"RepoDigests":`+list(name+"@"+index, name+"@"+child)+`}`), subject: manifest, known: true, digest: config},
		{name: "Trivy: ID where configs are not known", body: trivyOf("x", `{"ImageID":`+q(config)+`}`), subject: bare, err: "the ID of the image"},
		{name: "Trivy: ID where configs are not known, and a digest", body: trivyOf("x", `{"ImageID":`+q(config)+`,"RepoDigests":`+list(name+"@"+index)+`}`), subject: bare, known: true, digest: index},
		{name: "Trivy: a digest of the image and another", body: trivyOf("x", `{"RepoDigests":`+list(name+"@"+index, name+"@"+other)+`}`), subject: one, err: index + ", and " + other + " as well"},
		{name: "Trivy: asked for another", body: trivyOf(name+"@"+other, `{"RepoDigests":`+list(name+"@"+index)+`}`), subject: one, err: "as well"},
		{name: "Trivy: no sound digest", body: trivyOf("x", `{"RepoDigests":`+list(name+"@sha256:abc\\u001b[2J")+`}`), subject: one, err: `"sha256:abc\x1b[2J"`},
		{name: "Trivy: tag", body: trivyOf(name+":v1", `{}`), subject: one, warning: "no digest of the image that was scanned: it is of something called " + name + ":v1"},
		{name: "Trivy: tag, of an image by digest", body: trivyOf(name+":v1", `{}`), subject: bare, warning: "no digest"},
		{name: "Trivy: one of several tags", body: trivyOf("app:ci", `{"RepoTags":`+list("app:ci", name+":v1")+`}`), subject: one, warning: "no digest"},
		{name: "Trivy: another tag", body: trivyOf(name+":v2", `{}`), subject: one, err: `what was scanned is called "` + name + `:v2", and what is signed is ` + name + ":v1"},
		{name: "Trivy: no tag is latest", body: trivyOf(name, `{}`), subject: one, err: "called"},
		{name: "Trivy: another repository", body: trivyOf("registry.example/acme/other:v1", `{}`), subject: one, err: "called"},
		{name: "Trivy: host in another case", body: trivyOf("Registry.Example/acme/app:v1", `{}`), subject: one, warning: "no digest"},
		{name: "Trivy: Docker Hub", body: trivyOf("index.docker.io/library/alpine:3", `{}`), subject: scanreport.Subject{Ref: ref(t, "alpine:3"), Digest: index}, warning: "docker.io/library/alpine:3"},
		{name: "Trivy: nothing", body: trivyOf("", `{}`), subject: one, warning: "does not say which image"},
		{name: "Trivy: no name", body: trivyOf("/tmp/app.tar", `{}`), subject: one, warning: "does not say which image"},
		{name: "Trivy: names and an image without", body: trivyOf(name+":v1", `{}`), subject: scanreport.Subject{Digest: index}, warning: "does not say which image"},
		// Indexes.
		{name: "index: digest", body: trivyOf("x", `{"RepoDigests":`+list(name+"@"+index)+`}`), subject: many, known: true, digest: index, warning: "does not say which: the index lists 2"},
		{name: "index: config of a platform", body: trivyOf("x", `{"ImageID":`+q(config)+`,"RepoDigests":`+list(name+"@"+index)+`}`), subject: many, known: true, digest: config, warning: "one platform (" + config + "), and the index lists 2"},
		{name: "index: config of the second platform, where the first has none", body: trivyOf("x", `{"ImageID":`+q(config)+`}`), subject: scanreport.Subject{Ref: one.Ref, Digest: index, Children: []string{child2, child}, Configs: []string{"", config}}, known: true, digest: config, warning: "one platform"},
		{name: "index: no config is one", body: trivyOf("x", `{"ImageID":`+q(config)+`}`), subject: scanreport.Subject{Ref: one.Ref, Digest: index, Children: []string{child2, child}, Configs: []string{"", ""}}, err: "the ID of the image"},
		{name: "index: platform", body: trivyOf(name+"@"+child, `{}`), subject: many, known: true, digest: child, warning: "one platform (" + child},
		{name: "index: platform and index", body: trivyOf(name+"@"+child, `{"RepoDigests":`+list(name+"@"+index)+`}`), subject: many, known: true, digest: index, warning: "one platform"},
		{name: "index: of one platform", body: trivyOf(name+"@"+child, `{}`), subject: scanreport.Subject{Ref: one.Ref, Digest: index, Children: []string{child}}, known: true, digest: child},
		{name: "a platform of an index that is not signed", body: trivyOf(name+"@"+index, `{}`), subject: manifest, err: "what was scanned is " + index},
		// Grype.
		{name: "Grype: digest", body: grypeOf(`{"userInput":"x","repoDigests":` + list(name+"@"+index) + `}`), subject: one, known: true, digest: index},
		{name: "Grype: manifest", body: grypeOf(`{"userInput":"x","manifestDigest":` + q(child) + `}`), subject: many, known: true, digest: child, warning: "one platform"},
		{name: "Grype: a manifest that it made of docker's image", body: grypeOf(`{"userInput":"x","imageID":` + q(config) + `,"manifestDigest":` + q(other) + `,"repoDigests":` + list(name+"@"+index) + `}`), subject: one, known: true, digest: config},
		{name: "Grype: another manifest", body: grypeOf(`{"userInput":"x","manifestDigest":` + q(other) + `}`), subject: one, err: "what was scanned is " + other},
		{name: "Grype: another manifest with a digest of the image", body: grypeOf(`{"manifestDigest":` + q(other) + `,"repoDigests":` + list(name+"@"+index) + `}`), subject: one, err: "as well"},
		{name: "Grype: another ID", body: grypeOf(`{"imageID":` + q(other) + `,"repoDigests":` + list(name+"@"+index) + `}`), subject: one, err: "the ID of the image"},
		{name: "Grype: input by digest", body: grypeOf(`{"userInput":"registry:` + name + "@" + index + `"}`), subject: one, known: true, digest: index},
		{name: "Grype: tag", body: grypeOf(`{"userInput":"registry:` + name + `:v1"}`), subject: one, warning: "no digest"},
		{name: "Grype: port", body: grypeOf(`{"userInput":"localhost:5000/app:v1"}`), subject: scanreport.Subject{Ref: ref(t, "localhost:5000/app:v1"), Digest: index}, warning: "no digest"},
		{name: "Grype: tags", body: grypeOf(`{"userInput":"docker-archive:app.tar","tags":` + list(name+":v1") + `}`), subject: one, warning: "no digest"},
		{name: "Grype: file", body: grypeOf(`{"userInput":"oci-dir:out"}`), subject: one, warning: "does not say"},
		{name: "Grype: another", body: grypeOf(`{"userInput":"docker:acme/app"}`), subject: one, err: "called"},
		// SARIF.
		{name: "SARIF: Trivy", body: string(file(t, "trivy.sarif")), subject: one, known: true, digest: config},
		{name: "SARIF: Trivy, another", body: string(file(t, "trivy.sarif")), subject: scanreport.Subject{Ref: one.Ref, Digest: other, Configs: []string{child}}, err: "the ID of the image"},
		{name: "SARIF: Grype", body: string(file(t, "grype.sarif")), subject: one, warning: "no digest"},
		{name: "SARIF: Grype by digest", body: strings.ReplaceAll(string(file(t, "grype.sarif")), "acme/app:v1 at", "acme/app@"+index+" at"), subject: one, known: true, digest: index},
		{name: "SARIF: Grype, another", body: string(file(t, "grype.sarif")), subject: scanreport.Subject{Ref: ref(t, "acme/other"), Digest: index}, err: "called"},
		{name: "SARIF: Sysdig", body: sysdig(`"pullString":"x","digest":"` + index + `","imageId":"` + config + `"`), subject: one, known: true, digest: config},
		{name: "SARIF: Sysdig, another", body: sysdig(`"pullString":` + q(name+":v1") + `,"digest":"` + index + `","imageId":"` + other + `"`), subject: one, err: "the ID of the image"},
		{name: "SARIF: Sysdig, digest", body: sysdig(`"digest":"` + index + `"`), subject: one, known: true, digest: index},
		{name: "SARIF: Sysdig, another digest", body: sysdig(`"pullString":` + q(name+":v1") + `,"digest":"` + other + `"`), subject: one, err: "what was scanned is " + other},
		{name: "SARIF: Sysdig, name", body: sysdig(`"pullString":` + q(name+":v1")), subject: one, warning: "no digest"},
		{name: "SARIF: Scout", body: string(file(t, "scout.sarif")), subject: one, warning: "does not say"},
		{name: "SARIF: runs of two images", body: twoRuns(name+"@"+index, name+"@"+other), subject: one, err: "what was scanned is " + other},
		{name: "SARIF: runs of one image", body: twoRuns(name+"@"+index, name+"@"+index), subject: one, known: true, digest: index},
		{name: "SARIF: runs of an image and a name", body: twoRuns(name+"@"+index, name+":v1"), subject: one, warning: "no digest"},
		// A predicate says what is in it.
		{name: "predicate", body: string(file(t, "vuln.json")), subject: one, known: true, digest: index},
		{name: "predicate, another", body: string(file(t, "vuln.json")), subject: manifest, err: "what was scanned is " + index},
	} {
		m, err := mustRead(t, []byte(tc.body)).About(tc.subject)
		if tc.err != "" {
			if !errors.Is(err, scanreport.ErrOther) || !strings.Contains(err.Error(), tc.err) || !strings.Contains(verify.Hint(err), tc.subject.Digest) || m != (scanreport.Match{}) || strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%s: %+v (%v)", tc.name, m, err)
			}
			continue
		}
		children := tc.subject.Children
		whole := tc.known && len(children) < 2
		platform := ""
		if tc.known && !whole && tc.digest != index {
			platform = map[string]string{child: child, config: child}[tc.digest]
		}
		if m.Whole != whole || m.Platform != platform {
			t.Errorf("%s: %+v, want platform %q, whole %t", tc.name, m, platform, whole)
		}
		if err != nil || m.Known != tc.known || m.Digest != tc.digest || (m.Warning == "") != (tc.warning == "") || !strings.Contains(m.Warning, tc.warning) {
			t.Errorf("%s: %+v (%v)", tc.name, m, err)
		}
	}
}

func sysdig(properties string) string {
	return `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"sysdig-cli-scanner"}},"results":[{"ruleId":"CVE-2026-10001"}],"properties":{` + properties + `,"layersCount":3}}]}`
}

func twoRuns(a, b string) string {
	run := func(name string) string {
		return `{"tool":{"driver":{"name":"Trivy"}},"results":[{"ruleId":"CVE-2026-10001"}],"properties":{"imageName":"` + name + `"}}`
	}
	return `{"version":"2.1.0","runs":[` + run(a) + `,` + run(b) + `]}`
}

// Neither a report nor an image that is not there is about anything.
func TestAboutZero(t *testing.T) {
	t.Parallel()
	if m, err := (scanreport.Report{}).About(scanreport.Subject{Digest: index}); err == nil {
		t.Errorf("zero Report: %+v", m)
	}
	if m, err := mustRead(t, file(t, "trivy.json")).About(scanreport.Subject{}); err == nil {
		t.Errorf("zero Subject: %+v", m)
	}
	// A report of nothing still is of an image.
	r, err := scanreport.Read([]byte(strings.Replace(trivyOf("x@"+other, `{}`), `{"Class":"os-pkgs"}`, "", 1)))
	if !errors.Is(err, scanreport.ErrNothingScanned) {
		t.Fatal(err)
	}
	if m, err := r.About(scanreport.Subject{Digest: index}); !errors.Is(err, scanreport.ErrOther) {
		t.Errorf("%+v (%v)", m, err)
	}
}
