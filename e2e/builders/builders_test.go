// Package builders_test builds with real builders what boltseal has verified.
package builders_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/boltseal/boltseal/e2e/internal/builder"
	"github.com/boltseal/boltseal/e2e/internal/stage"
	"github.com/boltseal/boltseal/internal/programtest"
	"github.com/boltseal/boltseal/internal/registrytest"
)

// What all tests share, made when the first one asks for it.
var (
	scratch string // a folder that goes after the tests
	daemons []*builder.Daemon
	release = sync.OnceValues(func() (stage.Release, error) {
		return stage.Build(context.Background(), filepath.Join("..", ".."), filepath.Join(scratch, "dist"))
	})
	sigstore = sync.OnceValues(func() (stage.Sigstore, error) { return stage.NewSigstore(scratch) })
	programs = sync.OnceValues(func() (builder.Programs, error) { return builder.Find(os.Getenv) })
	hub      = sync.OnceValue(func() *registrytest.Registry { return registrytest.Start(registrytest.Options{}) })
	daemon   = sync.OnceValues(func() (*builder.Daemon, error) {
		p, err := programs()
		if err != nil {
			return nil, err
		}
		d, err := builder.Start(context.Background(), p, filepath.Join(scratch, "buildkit"), hub().Host())
		if err == nil {
			daemons = append(daemons, d)
		}
		return d, err
	})
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "boltseal-builders-")
	if err != nil {
		panic(err)
	}
	scratch = dir
	code := m.Run()
	for _, d := range daemons {
		if err := d.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := os.RemoveAll(scratch); err != nil {
		panic(err)
	}
	os.Exit(code)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(name), 0o750))
	check(t, os.WriteFile(name, []byte(text), 0o600))
}

// A world is a registry with the images of one test, and a folder for its builds.
type world struct {
	t      *testing.T
	dir    string
	reg    *registrytest.Registry
	sig    stage.Sigstore
	tools  builder.Programs
	daemon *builder.Daemon
	extra  []string // further pairs of a word, and what it stands for
}

// newWorld skips the test where this machine cannot run the builders; in CI
// that is a failure.
func newWorld(t *testing.T) *world {
	t.Helper()
	tools, err := programs()
	if err != nil {
		programtest.NotChecked(t, err)
	}
	t.Parallel()
	dir, err := os.MkdirTemp(scratch, "w") // t.TempDir has the test's name, and commas mean something in options
	check(t, err)
	w := &world{t: t, dir: dir, tools: tools, reg: registrytest.Start(registrytest.Options{})}
	t.Cleanup(w.reg.Close)
	w.daemon, err = daemon()
	check(t, err)
	w.sig, err = sigstore()
	check(t, err)
	return w
}

func (w *world) path(name ...string) string {
	return filepath.Join(append([]string{w.dir}, name...)...)
}

// words replaces REGISTRY and ALIAS by the registry's address, and by another
// one that leads there, too; and the extra words.
func (w *world) words(text string) string {
	_, port, _ := strings.Cut(w.reg.Host(), ":")
	return strings.NewReplacer(append([]string{"REGISTRY", w.reg.Host(), "ALIAS", "localhost:" + port}, w.extra...)...).Replace(text)
}

// allWords is words for all keys and values of m.
func (w *world) allWords(m map[string]string) map[string]string {
	of := map[string]string{}
	for k, v := range m {
		of[w.words(k)] = w.words(v)
	}
	return of
}

// put pushes an image as repo:tag that has the file /marker with the text, and
// returns its digest.
func (w *world) put(repo, tag, text string) string {
	w.t.Helper()
	return w.putFiles(repo, tag, stage.Files{"marker": text}, nil)
}

// putFiles pushes an image as repo:tag and returns its digest.
func (w *world) putFiles(repo, tag string, files stage.Files, config map[string]any) string {
	w.t.Helper()
	d, err := stage.PushFiles(w.reg, repo, tag, "linux/amd64", files, config)
	check(w.t, err)
	return d.Digest.String()
}

// program returns the bytes of a program that is to be in an image.
func (w *world) program(path string) string {
	w.t.Helper()
	body, err := os.ReadFile(path)
	check(w.t, err)
	return string(body)
}

// putShell pushes an image with the file /marker and a shell.
func (w *world) putShell(repo, tag, text string) string {
	w.t.Helper()
	busybox := w.program(w.tools.Busybox)
	return w.putFiles(repo, tag, stage.Files{"marker": text, "bin/sh": busybox, "bin/cat": busybox}, nil)
}

// putFrontend pushes the image docker/dockerfile.
func (w *world) putFrontend(repo, tag string) string {
	w.t.Helper()
	return w.putFiles(repo, tag, stage.Files{"frontend": w.program(w.tools.Frontend)}, map[string]any{
		"Entrypoint": []string{"/frontend"},
		"Labels": map[string]string{
			"moby.buildkit.frontend.network.none": "true",
			"moby.buildkit.frontend.caps":         "moby.buildkit.frontend.inputs,moby.buildkit.frontend.subrequests,moby.buildkit.frontend.contexts",
		},
	})
}

// putScanner pushes an image that finds the same in all that is built.
func (w *world) putScanner(repo, tag string) string {
	w.t.Helper()
	const scan = `echo '{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://spdx.dev/Document","predicate":{"name":"x"}}' >"$BUILDKIT_SCAN_DESTINATION/spdx.json"`
	return w.putFiles(repo, tag, stage.Files{"bin/sh": w.program(w.tools.Busybox)}, map[string]any{"Entrypoint": []string{"/bin/sh", "-c", scan}})
}

// A build is what a builder is asked to do.
type build struct {
	dockerfile string
	files      map[string]string // beside it
	args       map[string]string
	contexts   map[string]string
	layout     string // folder of an OCI layout, which contexts call oci-layout://layout
	policy     string // path, or ""
	sbom       string // the scanner's image, or ""
	platforms  string
}

// A result is what a builder did.
type result struct {
	t   *testing.T
	ok  bool
	log string
	out string // the folder of what was built
}

// A client builds b in the folder dir, and writes the result to out.
type client struct {
	name string
	run  func(w *world, b build, dir, out string) *exec.Cmd
}

// clients are all that hand a source policy to BuildKit.
func clients() []client {
	return []client{{"buildctl", buildctl}, {"buildx", buildx}, {"bake", bake}}
}

// forms are the policies that are tried with it. The daemon is what enforces
// them, so the second is not tried with every client in every test.
func (c client) forms() []string {
	if c.name == "buildctl" {
		return []string{"source-policy", "source-policy-strict"}
	}
	return []string{"source-policy"}
}

// pairs returns option key=value for each, in order.
func pairs(option, prefix string, of map[string]string) []string {
	var args []string
	for _, k := range slices.Sorted(maps.Keys(of)) {
		args = append(args, option, prefix+k+"="+of[k])
	}
	return args
}

func buildctl(w *world, b build, dir, out string) *exec.Cmd {
	args := []string{
		"build", "--progress=plain", "--frontend=dockerfile.v0", "--local=context=" + dir, "--local=dockerfile=" + dir,
		"--output=type=local,dest=" + out,
	}
	args = append(args, pairs("--opt", "build-arg:", b.args)...)
	args = append(args, pairs("--opt", "context:", b.contexts)...)
	if b.layout != "" {
		args = append(args, "--oci-layout=layout="+b.layout)
	}
	if b.policy != "" {
		args = append(args, "--source-policy-file="+b.policy)
	}
	if b.sbom != "" {
		args = append(args, "--opt=attest:sbom=generator="+b.sbom)
	}
	if b.platforms != "" {
		args = append(args, "--opt=platform="+b.platforms)
	}
	return w.daemon.Buildctl(w.t.Context(), args...)
}

// layouts returns the contexts of b as buildx takes them.
func layouts(b build) map[string]string {
	m := map[string]string{}
	for k, v := range b.contexts {
		m[k] = strings.Replace(v, "oci-layout://layout", "oci-layout://"+b.layout, 1)
	}
	return m
}

// withPolicy sets the variable that the Action sets.
func withPolicy(cmd *exec.Cmd, b build) *exec.Cmd {
	if b.policy != "" {
		cmd.Env = append(cmd.Env, "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY="+b.policy)
	}
	return cmd
}

func buildx(w *world, b build, dir, out string) *exec.Cmd {
	args := []string{"build", "--progress=plain", "--output=type=local,dest=" + out}
	args = append(args, pairs("--build-arg", "", b.args)...)
	args = append(args, pairs("--build-context", "", layouts(b))...)
	if b.sbom != "" {
		args = append(args, "--attest=type=sbom,generator="+b.sbom)
	}
	if b.platforms != "" {
		args = append(args, "--platform="+b.platforms)
	}
	return withPolicy(w.daemon.Buildx(w.t.Context(), append(args, dir)...), b)
}

func bake(w *world, b build, dir, out string) *exec.Cmd {
	target := map[string]any{"context": ".", "args": b.args, "contexts": layouts(b), "output": []string{"type=local,dest=" + out}}
	if b.sbom != "" {
		target["attest"] = []string{"type=sbom,generator=" + b.sbom}
	}
	if b.platforms != "" {
		target["platforms"] = strings.Split(b.platforms, ",")
	}
	body, err := json.Marshal(map[string]any{"target": map[string]any{"default": target}})
	check(w.t, err)
	write(w.t, filepath.Join(dir, "docker-bake.json"), string(body))
	cmd := w.daemon.Buildx(w.t.Context(), "bake", "--progress=plain")
	cmd.Dir = dir
	cmd.Env = append(cmd.Env, "BUILDX_BAKE_ENTITLEMENTS_FS=0") // it would ask who is there whether it may write to out
	return withPolicy(cmd, b)
}

// build builds b.
func (w *world) build(c client, b build) result {
	w.t.Helper()
	dir, err := os.MkdirTemp(w.dir, "build-")
	check(w.t, err)
	context, out := filepath.Join(dir, "context"), filepath.Join(dir, "out")
	write(w.t, filepath.Join(context, "Dockerfile"), w.words(b.dockerfile))
	for name, text := range b.files {
		write(w.t, filepath.Join(context, name), text)
	}
	b.args, b.contexts, b.sbom = w.allWords(b.args), w.allWords(b.contexts), w.words(b.sbom)
	cmd := c.run(w, b, context, out)
	log, err := cmd.CombinedOutput()
	return result{t: w.t, ok: err == nil, log: string(log), out: out}
}

// has checks that the build went well and left a file with the text.
func (r result) has(name, text string) {
	r.t.Helper()
	body, err := os.ReadFile(filepath.Join(r.out, name))
	if !r.ok || err != nil || string(body) != text {
		r.t.Errorf("built %v, %s is %q (%v), want %q\n%s", r.ok, name, body, err, text, r.log)
	}
}

// denied checks that the builder refused to because of a source policy, and what
// it named.
func (r result) denied(words ...string) {
	r.t.Helper()
	r.refused(append(words, "denied by policy")...)
}

// refused checks that the builder refused to, and which words it had for it.
func (r result) refused(words ...string) {
	r.t.Helper()
	if r.ok {
		r.t.Errorf("was built\n%s", r.log)
	}
	for _, w := range words {
		if !strings.Contains(r.log, w) {
			r.t.Errorf("the log lacks %q:\n%s", w, r.log)
		}
	}
}
