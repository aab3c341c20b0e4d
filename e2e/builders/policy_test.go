package builders_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi" //nolint:gosec // the tests' own Go is not of the versions that had the fault
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A build of a tag is one of what was verified, wherever the tag has moved.
func TestSwappedTag(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.put("team/base", "v1", "good")
			policies := map[string]string{}
			for _, form := range []string{"source-policy", "source-policy-strict"} {
				policies[form] = w.handOver(form, "REGISTRY/team/base:v1")
			}
			w.put("team/base", "v1", "evil")
			b := build{dockerfile: "FROM REGISTRY/team/base:v1\n"}
			w.build(c, b).has("marker", "evil")
			for form, policy := range policies {
				t.Log(form)
				b.policy = policy
				w.build(c, b).has("marker", "good")
			}
		})
	}
}

// What a build may not use is refused, in whatever way it is named. Each of
// these builds goes well without the policy.
func TestDenied(t *testing.T) {
	const base = "FROM REGISTRY/team/base:v1\n"
	for _, tc := range []struct {
		name   string
		build  build
		has    string // what /marker is without the policy
		source string // what the builder refuses
	}{
		{
			name: "another image", build: build{dockerfile: "FROM REGISTRY/team/other:v1\n"},
			has: "other", source: "docker-image://REGISTRY/team/other:v1",
		},
		{
			name: "another tag", build: build{dockerfile: "FROM REGISTRY/team/base:v2\n"},
			has: "evil", source: "docker-image://REGISTRY/team/base:v2",
		},
		{
			name: "another digest", build: build{dockerfile: "FROM REGISTRY/team/base@EVIL\n"},
			has: "evil", source: "docker-image://REGISTRY/team/base@EVIL",
		},
		{
			name: "another digest behind the tag", build: build{dockerfile: "FROM REGISTRY/team/base:v1@EVIL\n"},
			has: "evil", source: "docker-image://REGISTRY/team/base:v1@EVIL",
		},
		{
			name: "another name of the host", build: build{dockerfile: "FROM ALIAS/team/base:v1\n"},
			has: "evil", source: "docker-image://ALIAS/team/base:v1",
		},
		{
			name: "another name of the host, the digest", build: build{dockerfile: "FROM ALIAS/team/base@GOOD\n"},
			has: "good", source: "docker-image://ALIAS/team/base@GOOD",
		},
		{
			name: "another repository, the digest", build: build{dockerfile: "FROM REGISTRY/team/copy@GOOD\n"},
			has: "good", source: "docker-image://REGISTRY/team/copy@GOOD",
		},
		{
			name: "COPY --from", build: build{dockerfile: base + "COPY --from=REGISTRY/team/other:v1 /marker /marker\n"},
			has: "other", source: "docker-image://REGISTRY/team/other:v1",
		},
		{
			name: "RUN --mount", build: build{dockerfile: "FROM REGISTRY/team/shell:v1\nRUN --mount=from=REGISTRY/team/other:v1,target=/other cat /other/marker >/marker\n"},
			has: "other", source: "docker-image://REGISTRY/team/other:v1",
		},
		{
			name: "ONBUILD of a verified image", build: build{dockerfile: "FROM REGISTRY/team/onbuild:v1\n"},
			has: "other", source: "docker-image://REGISTRY/team/other:v1",
		},
		{
			name: "syntax", build: build{dockerfile: "# syntax=REGISTRY/team/frontend:v1\n" + base},
			has: "evil", source: "docker-image://REGISTRY/team/frontend:v1",
		},
		{
			name: "BUILDKIT_SYNTAX", build: build{dockerfile: base, args: map[string]string{"BUILDKIT_SYNTAX": "REGISTRY/team/frontend:v1"}},
			has: "evil", source: "docker-image://REGISTRY/team/frontend:v1",
		},
		{
			name: "another image, by a verified frontend", build: build{dockerfile: "# syntax=REGISTRY/team/dockerfile:v1\nFROM REGISTRY/team/other:v1\n"},
			has: "other", source: "docker-image://REGISTRY/team/other:v1",
		},
		{
			name: "context", build: build{dockerfile: "FROM x\n", contexts: map[string]string{"x": "docker-image://REGISTRY/team/other:v1"}},
			has: "other", source: "docker-image://REGISTRY/team/other:v1",
		},
		{
			name:  "context of a verified image's name",
			build: build{dockerfile: base, contexts: map[string]string{"REGISTRY/team/base:v1": "docker-image://REGISTRY/team/base:v1@EVIL"}},
			has:   "evil", source: "docker-image://REGISTRY/team/base:v1@EVIL",
		},
		{
			name: "OCI layout", build: build{dockerfile: "FROM x\n", contexts: map[string]string{"x": "oci-layout://layout@EVIL"}},
			has: "evil", source: "oci-layout://",
		},
		{
			name: "ARG", build: build{dockerfile: "ARG TAG=v1\nFROM REGISTRY/team/base:${TAG}\n", args: map[string]string{"TAG": "v2"}},
			has: "evil", source: "docker-image://REGISTRY/team/base:v2",
		},
		{
			name: "SBOM scanner", build: build{dockerfile: base, sbom: "REGISTRY/team/scanner:v1"},
			has: "evil", source: "docker-image://REGISTRY/team/scanner:v1",
		},
	} {
		for _, c := range clients() {
			t.Run(tc.name+"/"+c.name, func(t *testing.T) {
				w := newWorld(t)
				good := w.put("team/base", "v1", "good")
				policies := map[string]string{}
				admitted := append([]string{"REGISTRY/team/base:v1"}, w.stock(tc.build, "shell", "onbuild", "dockerfile")...)
				for _, form := range c.forms() {
					policies[form] = w.handOver(form, admitted...)
				}
				w.stock(tc.build, "copy", "frontend", "scanner")
				w.put("team/other", "v1", "other")
				w.put("team/base", "v2", "evil")
				evil := w.put("team/base", "v1", "evil")
				w.extra = []string{"GOOD", good, "EVIL", evil}
				b := tc.build
				b.layout = w.layout("team/base", evil)
				w.build(c, b).has("marker", tc.has)
				for form, policy := range policies {
					t.Log(form)
					b.policy = policy
					w.build(c, b).denied(`source "`+w.words(tc.source), "denied by policy")
				}
			})
		}
	}
}

// stock pushes those of the images team/NAME:v1 that the build names, and returns
// their references.
func (w *world) stock(b build, names ...string) []string {
	w.t.Helper()
	put := map[string]func(repo string){
		"copy":       func(repo string) { w.put(repo, "v1", "good") },
		"shell":      func(repo string) { w.putShell(repo, "v1", "good") },
		"dockerfile": func(repo string) { w.putFrontend(repo, "v1") },
		"frontend":   func(repo string) { w.putFrontend(repo, "v1") },
		"scanner":    func(repo string) { w.putScanner(repo, "v1") },
		"onbuild": func(repo string) {
			w.putFiles(repo, "v1", nil, map[string]any{"OnBuild": []string{w.words("COPY --from=REGISTRY/team/other:v1 /marker /marker")}})
		},
	}
	var refs []string
	for _, name := range names {
		if strings.Contains(fmt.Sprint(b), "/team/"+name) {
			put[name]("team/" + name)
			refs = append(refs, "REGISTRY/team/"+name+":v1")
		}
	}
	return refs
}

// layout makes a folder with an image as the OCI's layout has it.
func (w *world) layout(repo, d string) string {
	w.t.Helper()
	dir := w.path("layout")
	body, err := w.reg.Manifest(repo, d)
	check(w.t, err)
	var m ocispec.Manifest
	check(w.t, json.Unmarshal(body, &m))
	of := ocispec.Descriptor{MediaType: m.MediaType, Digest: digest.Digest(d), Size: int64(len(body))}
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []ocispec.Descriptor{of}})
	check(w.t, err)
	write(w.t, filepath.Join(dir, "index.json"), string(index))
	write(w.t, filepath.Join(dir, "oci-layout"), `{"imageLayoutVersion":"1.0.0"}`)
	write(w.t, filepath.Join(dir, "blobs", "sha256", of.Digest.Encoded()), string(body))
	for _, b := range append(m.Layers, m.Config) {
		write(w.t, filepath.Join(dir, "blobs", "sha256", b.Digest.Encoded()), w.get("http://"+w.reg.Host()+"/v2/"+repo+"/blobs/"+b.Digest.String()))
	}
	return dir
}

func (w *world) get(url string) string {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, url, nil)
	check(w.t, err)
	resp, err := http.DefaultClient.Do(req)
	check(w.t, err)
	defer resp.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(resp.Body)
	check(w.t, err)
	return string(body)
}

// What was verified is built, however it is named, and what is no image is
// nobody's concern.
func TestAllowed(t *testing.T) {
	for _, tc := range []struct {
		name  string
		build build
		has   string // what /marker is
	}{
		{"scratch", build{dockerfile: "FROM scratch\nCOPY marker /\n", files: map[string]string{"marker": "local"}}, "local"},
		{"digest", build{dockerfile: "FROM REGISTRY/team/base@GOOD\n"}, "good"},
		{"tag and digest", build{dockerfile: "FROM REGISTRY/team/base:v1@GOOD\n"}, "good"},
		{"another tag and the digest", build{dockerfile: "FROM REGISTRY/team/base:v2@GOOD\n"}, "good"},
		{"ARG", build{dockerfile: "ARG TAG=v2\nFROM REGISTRY/team/base:${TAG}\n", args: map[string]string{"TAG": "v1"}}, "good"},
		{"COPY --from", build{dockerfile: "FROM scratch\nCOPY --from=REGISTRY/team/base:v1 /marker /marker\n"}, "good"},
		{"RUN --mount", build{dockerfile: "FROM REGISTRY/team/shell:v1\nRUN --mount=from=REGISTRY/team/base:v1,target=/base cat /base/marker >/marker\n"}, "good"},
		{"stage", build{dockerfile: "FROM REGISTRY/team/base:v1 AS x\nFROM x\n"}, "good"},
		{"context", build{dockerfile: "FROM x\n", contexts: map[string]string{"x": "docker-image://REGISTRY/team/base:v1"}}, "good"},
		{"syntax", build{dockerfile: "# syntax=REGISTRY/team/dockerfile:v1\nFROM REGISTRY/team/base:v1\n"}, "good"},
		{"SBOM scanner", build{dockerfile: "FROM REGISTRY/team/base:v1\n", sbom: "REGISTRY/team/scanner:v1"}, "good"},
	} {
		for _, c := range clients() {
			t.Run(tc.name+"/"+c.name, func(t *testing.T) {
				w := newWorld(t)
				good := w.put("team/base", "v1", "good")
				policies := map[string]string{}
				admitted := append([]string{"REGISTRY/team/base:v1"}, w.stock(tc.build, "shell", "dockerfile", "scanner")...)
				for _, form := range c.forms() {
					policies[form] = w.handOver(form, admitted...)
				}
				for _, ref := range admitted {
					w.put(strings.TrimSuffix(strings.TrimPrefix(ref, "REGISTRY/"), ":v1"), "v1", "evil, and no program")
				}
				w.extra = []string{"GOOD", good}
				for form, policy := range policies {
					t.Log(form)
					b := tc.build
					b.policy = policy
					w.build(c, b).has("marker", tc.has)
				}
			})
		}
	}
}

// What is no image goes through unless the policy is the strict one.
func TestNoImages(t *testing.T) {
	for _, tc := range []struct {
		name, dockerfile, source string
	}{
		{"ADD http", "FROM scratch\nADD SERVER/marker /marker\n", "SERVER/marker"},
		{"ADD git", "FROM scratch\nADD SERVER/x.git /\n", "git://127.0.0.1"},
	} {
		for _, c := range clients() {
			t.Run(tc.name+"/"+c.name, func(t *testing.T) {
				w := newWorld(t)
				w.extra = []string{"SERVER", w.server()}
				w.put("team/base", "v1", "good")
				b := build{dockerfile: tc.dockerfile, policy: w.handOver("source-policy", "REGISTRY/team/base:v1")}
				w.build(c, b).has("marker", "served")
				b.policy = w.handOver("source-policy-strict", "REGISTRY/team/base:v1")
				w.build(c, b).denied(`source "` + w.words(tc.source))
			})
		}
	}
}

// server starts a server of the file /marker, and of a repository with it.
func (w *world) server() string {
	w.t.Helper()
	git, repo := w.git("--exec-path"), w.path("git", "x.git")
	write(w.t, filepath.Join(repo, "marker"), "served")
	w.git("-C", repo, "init", "--quiet", "--initial-branch=main")
	w.git("-C", repo, "add", "marker")
	w.git("-C", repo, "-c", "user.name=x", "-c", "user.email=x@y.example", "commit", "--quiet", "--message=x")
	mux := http.NewServeMux()
	mux.Handle("/x.git/", &cgi.Handler{
		Path: filepath.Join(git, "git-http-backend"), Env: []string{"GIT_PROJECT_ROOT=" + w.path("git"), "GIT_HTTP_EXPORT_ALL=1"},
	})
	mux.HandleFunc("/marker", func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "served") })
	s := httptest.NewServer(mux)
	w.t.Cleanup(s.Close)
	return s.URL
}

func (w *world) git(args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "git", args...) //nolint:gosec // the arguments are the tests'
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "GIT_CONFIG_NOSYSTEM=1"}
	out, err := cmd.Output()
	check(w.t, err)
	return strings.TrimSpace(string(out))
}
