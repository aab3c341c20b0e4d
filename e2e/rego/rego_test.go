// Package rego_test evaluates the policy that is handed over to buildx as buildx
// does.
package rego_test

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/docker/buildx/policy"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/moby/buildkit/sourcepolicy/policysession"

	"github.com/boltseal/boltseal/e2e/internal/admit"
	"github.com/boltseal/boltseal/handover"
)

func digest(c string) string { return "sha256:" + strings.Repeat(c, 64) }

// A world is a folder in which buildx runs, and the context of its build.
type world struct{ cwd, context string }

// Open opens a file as build/policy_loader.go does: cwd:// is the folder of the
// command, anything else in the context.
func (w world) Open(name string) (fs.File, error) {
	root, rest := w.root(name)
	return root.Open(rest)
}

// Stat is Open's sibling.
func (w world) Stat(name string) (fs.FileInfo, error) {
	root, rest := w.root(name)
	return fs.Stat(root, rest)
}

func (w world) root(name string) (fs.FS, string) {
	dir := w.context
	rest, cwd := strings.CutPrefix(name, "cwd://")
	if cwd {
		dir = w.cwd
	}
	if rel, err := filepath.Rel(dir, rest); err == nil && filepath.IsAbs(rest) && !strings.HasPrefix(rel, "..") && !cwd {
		rest = rel
	}
	return os.DirFS(dir), path.Clean(filepath.ToSlash(rest))
}

// policy returns the policy of a program, as --policy or Dockerfile.rego give it.
func (w world) policy(program []byte) *policy.Policy {
	return policy.NewPolicy(policy.Opt{
		Files: []policy.File{{Filename: "Dockerfile.rego", Data: program}},
		FS:    func() (fs.StatFS, func() error, error) { return w, func() error { return nil }, nil },
	})
}

// A verdict is what becomes of a source: allowed as what it is in the end, or
// denied, with the reason.
type verdict struct {
	allowed bool
	source  string
	why     string
}

// ask asks for a source, and again for what it is converted to, as BuildKit does.
func ask(t testing.TB, p *policy.Policy, source string) verdict {
	t.Helper()
	for range 3 {
		decision, next, err := p.CheckPolicy(t.Context(), &policysession.CheckPolicyRequest{
			Platform: &pb.Platform{OS: "linux", Architecture: "amd64"},
			Source:   &gwpb.ResolveSourceMetaResponse{Source: &pb.SourceOp{Identifier: source}},
		})
		switch {
		case err != nil:
			return verdict{source: source, why: err.Error()}
		case next != nil:
			t.Fatalf("%s: the policy asks for %v, which needs no question", source, next)
		case decision.Action == spb.PolicyAction_ALLOW:
			if len(decision.DenyMessages) > 0 {
				t.Errorf("%s is allowed, and denied: %v", source, decision.DenyMessages)
			}
			return verdict{allowed: true, source: source}
		case decision.Action == spb.PolicyAction_DENY:
			var why []string
			for _, m := range decision.DenyMessages {
				why = append(why, m.Message)
			}
			return verdict{source: source, why: strings.Join(why, "; ")}
		}
		if got := decision.Update.Attrs["image.checksum"]; !strings.HasSuffix(decision.Update.Identifier, "@"+got) || got == "" {
			t.Fatalf("%s becomes %v", source, decision.Update)
		}
		source = decision.Update.Identifier
	}
	t.Fatalf("%s is converted again and again", source)
	return verdict{}
}

// write puts the policy where it was asked for, and returns the program.
func write(t testing.TB, dir, name string, files map[string][]byte) []byte {
	t.Helper()
	for suffix, body := range files {
		file := filepath.Join(dir, filepath.FromSlash(name)+suffix)
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files[""]
}

// beside returns the policy of a set, beside the Dockerfile where buildx runs.
func beside(t testing.TB, s handover.Set) *policy.Policy {
	t.Helper()
	dir := t.TempDir()
	program := write(t, dir, "Dockerfile.rego", admit.Files(t, "rego", s, handover.Options{Path: "Dockerfile.rego"}))
	return world{dir, dir}.policy(program)
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	p := beside(t, admit.Set(t,
		admit.Image{Ref: "alpine:3", Digest: digest("a")},
		admit.Image{Ref: "ghcr.io/acme/app:v1", Digest: digest("b"), Exempt: true},
		admit.Image{Ref: "ghcr.io:5000/acme/app", Digest: digest("c")},
		admit.Image{Ref: "team/base:1@" + digest("d"), Digest: digest("d")},
		admit.Image{Ref: "only.example/digest@" + digest("e"), Digest: digest("e")},
		admit.Image{Ref: "GHCR.io/acme/upper:v1", Digest: digest("f")},
	))
	const denied = "is none of the images that were admitted"
	for _, tc := range []struct{ source, becomes, why string }{
		{"docker-image://docker.io/library/alpine:3", "docker-image://docker.io/library/alpine:3@" + digest("a"), ""},
		{"docker-image://alpine:3", "docker-image://docker.io/library/alpine:3@" + digest("a"), ""},
		{"docker-image://docker.io/library/alpine:3@" + digest("a"), "", ""},
		{"docker-image://docker.io/library/alpine@" + digest("a"), "", ""},
		{"docker-image://docker.io/library/alpine:other@" + digest("a"), "", ""},
		{"docker-image://ghcr.io/acme/app:v1", "docker-image://ghcr.io/acme/app:v1@" + digest("b"), ""},
		{"docker-image://ghcr.io:5000/acme/app:latest", "docker-image://ghcr.io:5000/acme/app:latest@" + digest("c"), ""},
		{"docker-image://docker.io/team/base:1@" + digest("d"), "", ""},
		{"docker-image://only.example/digest@" + digest("e"), "", ""},
		{"docker-image://only.example/digest:any@" + digest("e"), "", ""},
		{"docker-image://GHCR.io/acme/upper:v1", "docker-image://GHCR.io/acme/upper:v1@" + digest("f"), ""},

		{"local://context", "", ""},
		{"git://github.com/acme/app.git#main", "", ""},
		{"https://example.com/file.tar", "", ""},
		{"http://example.com/file.tar", "", ""},

		{"docker-image://docker.io/library/alpine:4", "", denied},
		{"docker-image://docker.io/library/alpine", "", denied},
		{"docker-image://docker.io/library/alpine:latest", "", denied},
		{"docker-image://docker.io/library/alpine:3@" + digest("b"), "", denied},
		{"docker-image://docker.io/library/alpine:33", "", denied},
		{"docker-image://docker.io/library/alpine3:3", "", denied},
		{"docker-image://docker.io/library/alpine/sub:3", "", denied},
		{"docker-image://docker.io/other/alpine:3", "", denied},
		{"docker-image://docker.io/other/alpine@" + digest("a"), "", denied},
		{"docker-image://registry-1.docker.io/library/alpine:3", "", denied},
		{"docker-image://docker.io:443/library/alpine:3", "", denied},
		{"docker-image://ghcr.io:443/acme/app:v1", "", denied},
		{"docker-image://ghcr.io:443/acme/app@" + digest("b"), "", denied},
		{"docker-image://GHCR.io/acme/app:v1", "", denied},
		{"docker-image://ghcr.io/acme/app:latest", "", denied},
		{"docker-image://ghcr.io/acme/upper:v1", "", denied},
		{"docker-image://docker.io/team/base:1", "", denied}, // nobody looked at what the tag is
		{"docker-image://only.example/digest:latest", "", denied},
		{"docker-image://docker.io/library/busybox@sha512:" + strings.Repeat("a", 128), "", denied},

		{"oci-layout://alpine@" + digest("a"), "", "unsupported source scheme"},
		{"docker-image+blob://docker.io/library/alpine@" + digest("a"), "", "unsupported source scheme"},
		{"docker-image://docker.io/library/alpine@" + digest("a") + "@" + digest("b"), "", "invalid reference format"},
	} {
		got := ask(t, p, tc.source)
		want := tc.becomes
		if want == "" {
			want = tc.source
		}
		if got.allowed != (tc.why == "") || !strings.Contains(got.why, tc.why) || got.source != want {
			t.Errorf("%s: %+v, want %s, %q", tc.source, got, want, tc.why)
		}
	}
	if caps, err := p.CheckCaps(t.Context()); err != nil || len(caps) > 0 {
		t.Errorf("the policy asks for %v (%v)", caps, err)
	}
}

// A policy with nothing in it, and one whose data cannot be read or is another
// policy's, admits no image. What it does not rule over is untouched.
func TestClosed(t *testing.T) {
	t.Parallel()
	full := admit.Set(t, admit.Image{Ref: "alpine:3", Digest: digest("a")})
	const lost = "boltseal: Dockerfile.rego.json cannot be read, or belongs to another policy"
	for name, change := range map[string]func(map[string][]byte) string{
		"empty":      nil,
		"no data":    func(f map[string][]byte) string { delete(f, ".json"); return lost },
		"half of it": func(f map[string][]byte) string { f[".json"] = f[".json"][:len(f[".json"])/2]; return lost },
		"no JSON":    func(f map[string][]byte) string { f[".json"] = []byte("x"); return lost },
		"null":       func(f map[string][]byte) string { f[".json"] = []byte("null"); return lost },
		"no id": func(f map[string][]byte) string {
			f[".json"] = []byte(`{"images":{"docker.io/library/alpine":{"tags":{"3":"` + digest("a") + `"},"digests":{"` + digest("a") + `":"verified"}}}}`)
			return lost
		},
		"another's": func(f map[string][]byte) string {
			f[".json"] = admit.Files(t, "rego", full, handover.Options{})[".json"]
			return lost
		},
		"longer": func(f map[string][]byte) string {
			f[".json"] = append(f[".json"], strings.Repeat(" ", 4<<20)+"x"...)
			return ""
		},
		"too long": func(f map[string][]byte) string {
			f[".json"] = append([]byte(strings.Repeat(" ", 4<<20)), f[".json"]...)
			return lost
		},
		"broken": func(f map[string][]byte) string {
			f[".json"] = []byte(strings.Replace(string(f[".json"]), `"id": "`, `"id": ["`, 1))
			return lost
		},
	} {
		dir, s := t.TempDir(), full
		if change == nil {
			s = handover.Set{}
		}
		files := admit.Files(t, "rego", s, handover.Options{})
		want := "is none of the images"
		if change != nil {
			want = change(files)
		}
		p := world{dir, dir}.policy(write(t, dir, "Dockerfile.rego", files))
		for _, source := range []string{"docker-image://docker.io/library/alpine:3", "docker-image://docker.io/library/alpine@" + digest("a")} {
			if got := ask(t, p, source); want != "" && (got.allowed || !strings.Contains(got.why, want) || strings.Contains(got.why, "; ")) {
				t.Errorf("%s: %+v, want %q", name, got, want)
			} else if want == "" && !got.allowed {
				t.Errorf("%s: %+v", name, got)
			}
		}
		if got := ask(t, p, "local://context"); !got.allowed {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// The data is found wherever the program was written to, and only there.
func TestWhere(t *testing.T) {
	t.Parallel()
	s := admit.Set(t, admit.Image{Ref: "alpine:3", Digest: digest("a")})
	evil := admit.Set(t, admit.Image{Ref: "alpine:3", Digest: digest("e")})
	for _, tc := range []struct{ path, context string }{
		{"Dockerfile.rego", "."},
		{"app/Dockerfile.rego", "app"}, // beside the Dockerfile, which buildx loads by itself
		{"app/Dockerfile.rego", "."},   // -f app/Dockerfile
		{"policy/x.rego", "app"},       // --policy filename=cwd://policy/x.rego
		{"a b\"$ID'\\${x}.rego", "."},
		{"./build/../Dockerfile.rego", "."},
	} {
		cwd := t.TempDir()
		w := world{cwd, filepath.Join(cwd, tc.context)}
		// Whoever writes what is built has put a policy's data wherever one may be.
		for _, planted := range []string{"", "app", "app/app", "app/policy", "build"} {
			write(t, filepath.Join(cwd, planted), "Dockerfile.rego", map[string][]byte{".json": admit.Files(t, "rego", evil, handover.Options{})[".json"]})
			write(t, filepath.Join(cwd, planted), "x.rego", map[string][]byte{".json": admit.Files(t, "rego", evil, handover.Options{})[".json"]})
		}
		program := write(t, cwd, tc.path, admit.Files(t, "rego", s, handover.Options{Path: tc.path}))
		want := verdict{true, "docker-image://docker.io/library/alpine:3@" + digest("a"), ""}
		if got := ask(t, w.policy(program), "docker-image://docker.io/library/alpine:3"); got != want {
			t.Errorf("%s, context %s: %+v", tc.path, tc.context, got)
		}
		if got := ask(t, w.policy(program), "docker-image://docker.io/library/alpine@"+digest("e")); got.allowed {
			t.Errorf("%s, context %s: %+v", tc.path, tc.context, got)
		}
	}
	// Where buildx runs elsewhere, or knows no cwd://, the context is looked into;
	// where the context is elsewhere, such as in Git, the folder of the command.
	for _, tc := range []struct{ path, folder string }{{"Dockerfile.rego", "."}, {"policy/x.rego", "."}, {"app/Dockerfile.rego", "app"}} {
		ran := t.TempDir()
		program := write(t, ran, tc.path, admit.Files(t, "rego", s, handover.Options{Path: tc.path}))
		folder := filepath.Join(ran, tc.folder)
		for _, w := range []world{{t.TempDir(), folder}, {folder, t.TempDir()}} {
			if got := ask(t, w.policy(program), "docker-image://docker.io/library/alpine:3"); !got.allowed {
				t.Errorf("%s, folder %s: %+v", tc.path, tc.folder, got)
			}
		}
	}
	// By its absolute path the program is found only beside the Dockerfile.
	dir := t.TempDir()
	name := filepath.Join(dir, "Dockerfile.rego")
	program := write(t, "", name, admit.Files(t, "rego", s, handover.Options{Path: filepath.ToSlash(name)}))
	for _, w := range []world{{dir, dir}, {t.TempDir(), dir}} {
		if got := ask(t, w.policy(program), "docker-image://docker.io/library/alpine:3"); !got.allowed {
			t.Errorf("absolute: %+v", got)
		}
	}
}

// For any images, the policy admits their digests in every spelling, and nothing
// else that looks like them.
func TestAny(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(6, 2))
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	repository := func() string {
		return pick("", "ghcr.io/", "GHCR.io/", "ghcr.io:443/", "localhost/", "docker.io/", "[::1]:5/", "10.0.0.1:80/") + pick("", "team/", "team/a/") + pick("node", "node1", "node-1", "n.o_d__e")
	}
	reading := func() (ref, d string) {
		ref, d = repository(), digest(pick("a", "b", "c"))
		tag := pick(":1", ":12", ":A_.-", ":latest", "")
		if rng.IntN(2) == 0 {
			return ref + tag + "@" + d, d
		}
		return ref + tag, d
	}
	rounds := 40
	if testing.Short() {
		rounds = 5
	}
	for range rounds {
		var images []admit.Image
		tags, digests := map[string]string{}, map[string]bool{}
		for range rng.IntN(5) {
			ref, d := reading()
			named, err := reference.ParseNormalizedNamed(ref)
			if err != nil {
				t.Fatal(err)
			}
			full := reference.TagNameOnly(named).String()
			if known, again := tags[full]; again && known != d {
				continue
			}
			images = append(images, admit.Image{Ref: ref, Digest: d, Exempt: rng.IntN(3) == 0})
			digests[named.Name()+"@"+d] = true
			if _, written := named.(reference.Canonical); !written {
				tags[full] = d
			}
		}
		p := beside(t, admit.Set(t, images...))
		var asked []string
		for range 8 {
			ref, _ := reading()
			asked = append(asked, ref)
		}
		for _, i := range images {
			name, _, _ := strings.Cut(i.Ref, "@")
			asked = append(asked, i.Ref, name+"@"+i.Digest, name)
		}
		for _, ref := range asked {
			named, _ := reference.ParseNormalizedNamed(ref)
			full := reference.TagNameOnly(named).String()
			want := verdict{source: "docker-image://" + full}
			if d, ok := tags[full]; ok {
				want.allowed, want.source = true, want.source+"@"+d
			}
			if c, ok := named.(reference.Canonical); ok {
				want.allowed = digests[named.Name()+"@"+c.Digest().String()]
			}
			got := ask(t, p, "docker-image://"+full)
			if got.why = ""; got != want {
				t.Fatalf("%s of %v: %+v, want %+v", ref, images, got, want)
			}
		}
	}
}

// A thousand images are no burden for buildx.
func BenchmarkThousand(b *testing.B) {
	var images []admit.Image
	for i := range 1000 {
		images = append(images, admit.Image{Ref: fmt.Sprintf("registry.example/team/image-%d:1", i), Digest: fmt.Sprintf("sha256:%064x", i)})
	}
	p := beside(b, admit.Set(b, images...))
	for b.Loop() {
		if got := ask(b, p, "docker-image://registry.example/team/image-500:1"); !got.allowed {
			b.Fatal(got)
		}
	}
}
