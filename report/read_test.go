package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/golden"
	"github.com/boltseal/boltseal/report"
)

// Whatever JSON writes can be read; of a run that passed all images are there,
// of any other none.
func TestReadWhatIsWritten(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil || len(names) < 15 {
		t.Fatalf("%d reports (%v)", len(names), err)
	}
	passed := 0
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Passed bool
			Images []struct{ Reference, Digest, Pinned string }
		}
		if err := json.Unmarshal(body, &doc); err != nil {
			t.Fatal(err)
		}
		past, err := report.Read(body)
		if !doc.Passed {
			if !errors.Is(err, report.ErrNotPassed) || len(past.Images) > 0 {
				t.Errorf("%s: %d images, %v", name, len(past.Images), err)
			}
			continue
		}
		passed++
		if err != nil || len(past.Images) != len(doc.Images) || past.Started.IsZero() || past.ToolVersion == "" {
			t.Errorf("%s: %+v, %v", name, past, err)
			continue
		}
		for i, img := range past.Images {
			want := doc.Images[i]
			if img.Pinned.Ref().String() != want.Reference || img.Pinned.Digest() != want.Digest || img.Exempt != (want.Pinned == "") {
				t.Errorf("%s: %+v, want %+v", name, img, want)
			}
		}
	}
	if passed < 4 {
		t.Errorf("%d of the reports passed", passed)
	}
}

const (
	readHex   = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	otherHex  = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	readImage = `{"reference":"ghcr.io/acme/app:v1","digest":"sha256:` + readHex + `","pinned":"ghcr.io/acme/app@sha256:` + readHex + `","media_type":"x",` +
		`"platforms":[{"platform":"linux/amd64","digest":"sha256:` + otherHex + `"}],"passed":true,"verified":true,"reason":"verified","uses":[],` +
		`"checks":[{"passed":true,"reason":"verified","evidence":[{"signed":"image","digest":"sha256:` + readHex + `","claims":{"a":"1","A":"2"}}],"candidates":[]}],"elapsed_ms":1,"requests":1}`
	exemptImage = `{"reference":"docker.io/library/alpine:3","digest":"sha256:` + otherHex + `","passed":true,"verified":false,"reason":"exempt","exemption":{"unsigned":false,"reason":"x"},"uses":[],"checks":[],"elapsed_ms":1,"requests":1}`
	readReport  = `{"version":1,"tool":{"name":"boltseal","version":"1.2.3"},"passed":true,"complete":true,"mode":"enforce","started":"2026-03-01T11:00:00Z",` +
		`"elapsed_ms":1,"requests":1,"warnings":[],"images":[` + readImage + "," + exemptImage + `],"later":{"new":"fields"}}`
)

// What does not say for certain what a run let in lets nothing in, and says why.
func TestReadRefuses(t *testing.T) {
	t.Parallel()
	past, err := report.Read([]byte(readReport))
	if err != nil || len(past.Images) != 2 || past.Images[0].Exempt || !past.Images[1].Exempt || past.Images[0].Pinned.Children()[0].Platform != "linux/amd64" {
		t.Fatalf("%+v, %v", past, err)
	}
	notPassed := strings.NewReplacer(`"passed":true,"complete"`, `"passed":false,"complete"`).Replace(readReport)
	with := func(of, old, by string) string {
		t.Helper()
		if strings.Count(of, old) == 0 {
			t.Fatalf("%s is not there", old)
		}
		return strings.Replace(of, old, by, 1)
	}
	for _, tc := range []struct{ name, body, says string }{
		{"empty", "", "it is empty"},
		{"cut off", readReport[:len(readReport)-1], "cut off"},
		{"cut off early", readReport[:20], "cut off"},
		{"two documents", readReport + readReport, "something follows"},
		{"not JSON", "hello", "it is no JSON report of boltseal verify: invalid character"},
		{"a list", "[]", "no JSON report of boltseal verify"},
		{"null", "null", "no version"},
		{"no version", with(readReport, `"version":1,`, ``), "no version"},
		{"next version", with(readReport, `"version":1,`, `"version":2,`), "version 2, and only version 1"},
		{"SARIF", `{"version":"2.1.0","runs":[]}`, `it is no JSON report of boltseal verify: its version is "2.1.0", a text`},
		{"another version behind the first", with(readReport, `"version":1,`, `"version":1,"Version":2,`), `"Version" stands twice`},
		{"a version as text", with(readReport, `"version":1,`, `"version":"1",`), `its version is "1", a text`},
		{"what scan writes", `{"version":1,"uses":[],"warnings":[],"files":[]}`, "does not have tool"},
		{"another tool", with(readReport, `"name":"boltseal"`, `"name":"other"`), "does not have tool"},
		{"no tool", with(readReport, `"tool":{"name":"boltseal","version":"1.2.3"},`, ``), "does not have tool"},
		{"no passed", with(readReport, `"passed":true,"complete"`, `"complete"`), "does not have tool"},
		{"no complete", with(readReport, `"complete":true,`, ``), "does not have tool"},
		{"no start", with(readReport, `"started":"2026-03-01T11:00:00Z",`, ``), "does not have tool"},
		{"no images", with(notPassed, `"images":[`, `"more":[`), "does not have tool"},
		{"unknown mode", with(readReport, `"mode":"enforce"`, `"mode":"off"`), "does not have tool"},
		{"images are no list", with(notPassed, `"images":[`, `"images":7,"x":[`), "no JSON report"},
		{"passed twice", with(notPassed, `"passed":false,`, `"passed":false,"passed":true,`), `"passed" stands twice`},
		{"passed in another case", with(readReport, `"passed":true,"complete"`, `"Passed":true,"complete"`), `"Passed" is not "passed"`},
		{"images twice", with(readReport, `"images":[`, `"images":[`+exemptImage+`],"images":[`), `"images" stands twice`},
		{"too deep", strings.Repeat("[", 100) + strings.Repeat("]", 100), "nested deeper"},

		{"not passed", notPassed, "0 of its 2 images did not pass"},
		{"an image refused", with(with(notPassed, `"passed":true,"verified":true,"reason":"verified"`, `"passed":false,"verified":false,"reason":"unsigned"`), `x`, `y`), `1 of its 2 images did not pass, the first is "ghcr.io/acme/app:v1" (unsigned)`},
		{"warn mode", with(notPassed, "enforce", "warn"), "mode warn let the job go on, and admitted nothing"},
		{"interrupted", with(notPassed, `"complete":true`, `"complete":false`), "interrupted, or its time ran out"},
		{"no image", `{"version":1,"tool":{"name":"boltseal","version":"1"},"passed":false,"complete":true,"mode":"enforce","started":"2026-03-01T11:00:00Z","images":[]}`, "there was no image"},

		{"passed, not complete", with(readReport, `"complete":true`, `"complete":false`), "not complete cannot have passed"},
		{"passed without an image", with(readReport, `"images":[`+readImage+","+exemptImage+`]`, `"images":[]`), "without an image cannot have passed"},
		{"passed with one that did not", with(readReport, `"passed":true,"verified":true`, `"passed":false,"verified":true`), "this image did not"},
		{"passed with an image that says nothing", with(readReport, `"passed":true,"verified":true`, `"verified":true`), "this image did not"},
		{"neither verified nor exempt", with(readReport, `"passed":true,"verified":true`, `"passed":true,"verified":false`), "neither verified nor exempt"},
		{"unsigned", with(readReport, `"verified":true,"reason":"verified"`, `"verified":true,"reason":"unsigned"`), `its reason is "unsigned"`},
		{"exempt without an exemption", with(readReport, `"exemption":{"unsigned":false,"reason":"x"},`, ``), "neither verified nor exempt"},
		{"exempt, and pinned", with(readReport, `"passed":true,"verified":false`, `"pinned":"docker.io/library/alpine@sha256:`+otherHex+`","passed":true,"verified":false`), `what is exempt has no "pinned"`},
		{"exempt, and checked", with(readReport, `"reason":"x"},"uses":[],"checks":[]`, `"reason":"x"},"uses":[],"checks":[{"passed":true}]`), "it is exempt, and was checked"},
		{"verified by nothing", with(readReport, `"uses":[],"checks":[{"passed":true,"reason":"verified"`, `"uses":[],"checks":[],"more":[{"passed":true,"reason":"verified"`), "nothing was checked"},
		{"verified by a check that failed", with(readReport, `"checks":[{"passed":true`, `"checks":[{"passed":false`), "not every check passed"},
		{"verified by a check without evidence", with(readReport, `"evidence":[{`, `"evidence":[],"more":[{`), "not every check passed by evidence"},
		{"verified by evidence of another image", with(readReport, `"signed":"image","digest":"sha256:`+readHex, `"signed":"image","digest":"sha256:`+otherHex), "a signature of \"sha256:" + otherHex},
		{"verified without a digest", with(readReport, `"digest":"sha256:`+readHex+`","pinned"`, `"pinned"`), `"" is not a sha256 digest`},
		{"digest in upper case", with(readReport, `"digest":"sha256:`+readHex, `"digest":"sha256:`+strings.ToUpper(readHex)), "is not a sha256 digest"},
		{"pinned is another digest", with(readReport, "app@sha256:"+readHex, "app@sha256:"+otherHex), "what was verified is"},
		{"pinned is another name", with(readReport, `"pinned":"ghcr.io/acme/app@`, `"pinned":"ghcr.io/evil/app@`), "what was verified is"},
		{"reference by another digest", with(readReport, "app:v1", "app:v1@sha256:"+otherHex), "reference says"},
		{"reference in short", with(readReport, "docker.io/library/alpine:3", "alpine:3"), "the reference is docker.io/library/alpine:3 in full"},
		{"reference that is none", with(readReport, "ghcr.io/acme/app:v1", "ghcr.io/acme/../app:v1"), "not a repository name"},
		{"platform without a digest", with(readReport, `"digest":"sha256:`+otherHex+`"}],"passed"`, `"digest":""}],"passed"`), `a platform has the digest ""`},
	} {
		past, err := report.Read([]byte(tc.body))
		if err == nil || !strings.Contains(err.Error(), tc.says) || len(past.Images) > 0 {
			t.Errorf("%s: %d images, %v, want %q", tc.name, len(past.Images), err, tc.says)
		}
		wantNotPassed := strings.Contains(tc.says, "did not pass") || strings.Contains(tc.says, "mode warn") || strings.Contains(tc.says, "time ran out") || tc.says == "there was no image"
		if errors.Is(err, report.ErrNotPassed) != wantNotPassed {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	for _, mode := range []string{"enforce", "warn"} {
		if past, err := report.Read([]byte(with(readReport, "enforce", mode))); err != nil || len(past.Images) != 2 {
			t.Errorf("%s: %v", mode, err)
		}
	}
	if raced {
		return // what follows is large
	}
	if _, err := report.Read(append(bytes.Repeat([]byte(" "), report.MaxJSON-len(readReport)), readReport...)); err != nil {
		t.Errorf("just not too large: %v", err)
	}
	if _, err := report.Read(bytes.Repeat([]byte(" "), report.MaxJSON+1)); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("too large: %v", err)
	}
}

// The example of docs/json.md is of a run that did not pass.
func TestReadExample(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(filepath.Join("testdata", "example.json"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = report.Read(body)
	golden.Equal(t, filepath.Join("testdata", "read-example.txt"), err.Error()+"\n")
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(readReport))
	f.Add([]byte(`{"version":1,"tool":{"name":"boltseal"},"passed":true,"complete":true,"images":[{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		past, err := report.Read(body)
		if (err == nil) != (len(past.Images) > 0) {
			t.Fatalf("%d images, %v", len(past.Images), err)
		}
		var doc struct {
			Passed bool `json:"passed"`
			Images []struct {
				Passed bool `json:"passed"`
			} `json:"images"`
		}
		if err == nil && (json.Unmarshal(body, &doc) != nil || !doc.Passed || len(doc.Images) != len(past.Images)) {
			t.Fatal("another reader would say otherwise")
		}
		for _, img := range past.Images {
			if img.Pinned.Digest() == "" || img.Pinned.Ref().IsZero() {
				t.Fatalf("%+v", img)
			}
		}
	})
}
