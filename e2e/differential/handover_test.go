package differential_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	buildx "github.com/docker/buildx/bake"
	"github.com/docker/buildx/util/buildflags"

	"github.com/boltseal/boltseal/e2e/internal/admit"
	"github.com/boltseal/boltseal/handover"
	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/scan/bake"
	"github.com/boltseal/boltseal/scan/compose"
	"github.com/boltseal/boltseal/scan/dockerfile"
)

// A pinning counts what handing over to builders that do not refuse came to.
type pinning struct{ pinned, refused, skipped int }

// verified returns the images of a scan as a run admits them, and what a build is
// to pull then; ok is false where the scan does not know them all.
func verified(f scan.Found) (images []admit.Image, want answer, ok bool) {
	for _, u := range f.Uses {
		if u.Err != nil {
			return nil, answer{}, false
		}
		i := admit.Image{Ref: u.Ref.String(), Digest: u.Ref.Digest()}
		pinned := i.Ref
		if i.Digest == "" {
			i.Digest = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(i.Ref)))
			pinned += "@" + i.Digest
		}
		images, want = append(images, i), want.add(answer{images: []string{pinned}})
	}
	return images, want, true
}

// files returns what a form writes for images, or nil where it refuses them.
func (p *pinning) files(t *testing.T, form string, images []admit.Image, o handover.Options) []byte {
	t.Helper()
	s := admit.Set(t, images...)
	i := slices.IndexFunc(handover.Forms(), func(f handover.Form) bool { return f.Name == form })
	if _, err := handover.Forms()[i].Files(s, o); err != nil {
		if !strings.Contains(err.Error(), "a stage can be called") && !strings.Contains(err.Error(), "bake files refer to target.") {
			t.Errorf("%s: %v", form, err)
		}
		p.refused++
		return nil
	}
	p.pinned++
	return admit.Files(t, form, s, o)[""]
}

func (p *pinning) close(t *testing.T, atLeast int) {
	t.Helper()
	t.Logf("%d builds pinned, %d refused, %d skipped: the scan does not know their images", p.pinned, p.refused, p.skipped)
	if p.pinned < atLeast {
		t.Errorf("%d builds were pinned: there should be %d at least", p.pinned, atLeast)
	}
}

// With the lines for --build-context, read as buildx reads them, BuildKit pulls
// what was verified, all by digest: the names are those that it looks for.
func TestBuildContexts(t *testing.T) {
	t.Parallel()
	// BuildKit looks for no context for an image of a stage that only an ONBUILD
	// leads to: it stays the tag.
	late := []string{"context_onbuild_late, as stated", "context_onbuild_late, default target", "context_onbuild_late, all stages"}
	var p pinning
	for _, s := range samples(t, "dockerfile") {
		body, b := readDockerfile(t, s)
		for _, w := range ways(body, b) {
			maps.DeleteFunc(w.build.Contexts, func(name, _ string) bool { return strings.Contains(name, "::") }) // which buildx does not take
			images, want, ok := verified(dockerfile.Scan(body, "Dockerfile", w.build))
			if !ok || w.pulls(t.Context(), body).err != nil {
				p.skipped++
				continue
			}
			lines := p.files(t, "build-contexts", images, handover.Options{Contexts: w.build.Contexts})
			if lines == nil {
				continue
			}
			contexts, err := buildflags.ParseContextNames(strings.Split(string(lines), "\n"))
			if err != nil {
				t.Fatal(err)
			}
			w.build.Contexts = maps.Clone(w.build.Contexts)
			if w.build.Contexts == nil {
				w.build.Contexts = map[string]string{}
			}
			maps.Copy(w.build.Contexts, contexts)
			got := w.pulls(t.Context(), body)
			if pinned := got.err == nil && slices.Equal(got.images, want.images); pinned == slices.Contains(late, s.name+", "+w.name) {
				t.Errorf("%s, %s: %v, want %v\n%s", s.name, w.name, got, want, lines)
			}
		}
	}
	p.close(t, 700)
}

// The targets that a scan tells of are those that bake builds, with the contexts
// that reach the builder.
func TestBakeTargets(t *testing.T) {
	t.Setenv(withoutEnvironment, "true")
	format := bake.Format(dockerfile.Scan)
	compared := 0
	for _, s := range samples(t, "bake") {
		t.Run(s.name, func(t *testing.T) {
			b := newBaking(t, s)
			t.Chdir(filepath.Join(b.root, filepath.Dir(b.scan)))
			for _, c := range b.choices() {
				f := format.Scan(c.source, c.scan)
				builds, err := c.builds(t.Context())
				if _, _, ok := verified(f); !ok || err != nil {
					continue
				}
				compared++
				ours := map[string]map[string]string{}
				for _, target := range f.Targets {
					ours[target.Name] = target.Contexts
				}
				for name, o := range builds {
					if _, ok := ours[name]; !ok {
						t.Errorf("%s: target %s is built, the scan tells of %v", c.how(), name, slices.Collect(maps.Keys(ours)))
					}
					for context, to := range o.Inputs.NamedContexts {
						if told, ok := ours[name][context]; !ok || told != "" && strings.HasPrefix(to.Path, dockerImage) && told != to.Path {
							t.Errorf("%s: context %s of %s is %q, the scan tells %q", c.how(), context, name, to.Path, told)
						}
					}
					for context, told := range ours[name] {
						if _, ok := o.Inputs.NamedContexts[context]; !ok && told != "" {
							t.Errorf("%s: the scan tells of context %s of %s, which bake does not have", c.how(), context, name)
						}
					}
				}
				if len(builds) != len(ours) {
					t.Errorf("%s: %d targets are built, the scan tells of %d", c.how(), len(builds), len(ours))
				}
			}
		})
	}
	if compared < 300 {
		t.Errorf("%d definitions compared: there should be 300 at least", compared)
	}
}

// With the override, bake builds the same targets with the same contexts, and
// pulls what was verified, all by digest.
func TestBakeOverride(t *testing.T) {
	t.Setenv(withoutEnvironment, "true")
	format := bake.Format(dockerfile.Scan)
	var p pinning
	for _, s := range samples(t, "bake") {
		t.Run(s.name, func(t *testing.T) {
			b := newBaking(t, s)
			t.Chdir(filepath.Join(b.root, filepath.Dir(b.scan)))
			for _, c := range b.choices() {
				f := format.Scan(c.source, c.scan)
				images, want, ok := verified(f)
				if !ok || c.pulls(t.Context()).err != nil {
					p.skipped++
					continue
				}
				for i := range images {
					images[i].Exempt = i%2 == 0
				}
				var o handover.Options
				for _, target := range f.Targets {
					o.Targets = append(o.Targets, handover.Target{Name: target.Name, Contexts: target.Contexts, Mentioned: target.Mentioned})
				}
				body := p.files(t, "bake", images, o)
				if body == nil {
					continue
				}
				before, err := c.builds(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				c.override = &buildx.File{Name: "boltseal.json", Data: body}
				after, err := c.builds(t.Context())
				if err != nil {
					t.Errorf("%s: %v\n%s", c.how(), err, body)
					continue
				}
				if got := c.pulls(t.Context()); got.err != nil || !slices.Equal(got.images, want.images) {
					t.Errorf("%s: %v, want %v\n%s", c.how(), got, want, body)
				}
				for name, o := range before {
					for context, to := range o.Inputs.NamedContexts {
						now := after[name].Inputs.NamedContexts[context].Path
						if base, _, _ := strings.Cut(now, "@"); now != to.Path && (!strings.HasPrefix(to.Path, dockerImage) || normal(strings.TrimPrefix(base, dockerImage)) != normal(strings.TrimPrefix(to.Path, dockerImage))) {
							t.Errorf("%s: context %s of %s was %q and is %q", c.how(), context, name, to.Path, now)
						}
					}
				}
				if len(before) != len(after) {
					t.Errorf("%s: %d targets became %d", c.how(), len(before), len(after))
				}
			}
		})
	}
	p.close(t, 700)
}

// A comment in the override is none of bake's business, whatever the file is
// called.
func TestBakeComment(t *testing.T) {
	t.Setenv(withoutEnvironment, "true")
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"Dockerfile", "docker-bake.hcl"} {
		if err := os.WriteFile(name, []byte("target \"app\" {\n  contexts = { lib = \"./lib\" }\n}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hcl, err := os.ReadFile("docker-bake.hcl")
	if err != nil {
		t.Fatal(err)
	}
	s := admit.Set(t, admit.Image{Ref: "node:22", Digest: "sha256:" + strings.Repeat("a", 64), Exempt: true}, admit.Image{Ref: "node:23", Digest: "sha256:" + strings.Repeat("b", 64)})
	body := admit.Files(t, "bake", s, handover.Options{Targets: []handover.Target{{Name: "app", Contexts: map[string]string{"lib": "./lib"}}}})[""]
	if !strings.Contains(string(body), `"//"`) || !strings.Contains(string(body), "library/node:22: exempt until 2027-01-31, not verified") {
		t.Fatalf("nothing is marked: %s", body)
	}
	for _, name := range []string{"boltseal.json", "boltseal.hcl.json", "boltseal"} {
		files := []buildx.File{{Name: "docker-bake.hcl", Data: hcl}, {Name: name, Data: body}}
		targets, _, err := buildx.ReadTargets(t.Context(), files, []string{"app"}, nil, nil, nil, &buildx.EntitlementConf{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := map[string]string{
			"lib":     "./lib",
			"node:22": "docker-image://docker.io/library/node:22@sha256:" + strings.Repeat("a", 64),
			"node:23": "docker-image://docker.io/library/node:23@sha256:" + strings.Repeat("b", 64),
		}
		if got := targets["app"].Contexts; !maps.Equal(got, want) {
			t.Errorf("%s: contexts %v, want %v", name, got, want)
		}
	}
}

// bake reads Compose files as well: the services that a scan tells of are its
// targets.
func TestBakeOfCompose(t *testing.T) {
	t.Setenv(withoutEnvironment, "true")
	const file = "services:\n  web.api:\n    build:\n      context: .\n      additional_contexts: {base: docker-image://node:22}\n  worker: {build: .}\n  db: {image: 'postgres:17'}\n"
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"compose.yaml": file, "Dockerfile": "FROM node:22\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found := compose.Format(dockerfile.Scan).Scan(scan.Source{FS: os.DirFS(".")}, "compose.yaml")
	var o handover.Options
	for _, target := range found.Targets {
		o.Targets = append(o.Targets, handover.Target{Name: target.Name, Contexts: target.Contexts})
	}
	digest := "sha256:" + strings.Repeat("a", 64)
	body := admit.Files(t, "bake", admit.Set(t, admit.Image{Ref: "node:22", Digest: digest}), o)[""]
	files := []buildx.File{{Name: "compose.yaml", Data: []byte(file)}, {Name: "boltseal.json", Data: body}}
	targets, _, err := buildx.ReadTargets(t.Context(), files, []string{"default"}, nil, nil, nil, &buildx.EntitlementConf{})
	if err != nil {
		t.Fatal(err)
	}
	pinned := "docker-image://docker.io/library/node:22@" + digest
	for name, want := range map[string]map[string]string{"web_api": {"base": pinned, "node:22": pinned}, "worker": {"node:22": pinned}} {
		if targets[name] == nil || !maps.Equal(targets[name].Contexts, want) {
			t.Errorf("%s: %+v, want contexts %v", name, targets[name], want)
		}
	}
	if len(targets) != 2 {
		t.Errorf("%d targets are built", len(targets))
	}
}
