package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/boltseal/boltseal/cli"
	"github.com/boltseal/boltseal/handover"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/registrytest"
)

// closedPolicy is the source policy that denies every image.
func closedPolicy(t *testing.T, kind string) string {
	t.Helper()
	for _, f := range handover.Forms() {
		if f.Name == kind {
			files, err := f.Files(handover.Set{}, handover.Options{})
			if err != nil || len(files) != 1 {
				t.Fatalf("%d files: %v", len(files), err)
			}
			return string(files[0].Body)
		}
	}
	t.Fatalf("no form %s", kind)
	return ""
}

// content is what a file has, "-" where there is none.
func content(t *testing.T, name string) string {
	t.Helper()
	body, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return "-"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// old are files that an earlier run has left.
func old(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// only fails unless a folder has these files and no others: no drafts are left.
func only(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("the folder has %q, want %q", got, names)
	}
}

// handedOver runs boltseal verify in a folder of its own.
func (w *world) handedOver(dir string, forms []handover.Form, args ...string) (int, string) {
	w.t.Helper()
	var out bytes.Buffer
	noWait := func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	c := cli.Command{Dir: dir, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, LookupEnv: lookup(env), Sleep: noWait, Forms: forms, Now: func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }}
	code := c.Main(w.t.Context(), append([]string{"boltseal", "verify", "--trusted-root", w.root}, args...))
	return code, out.String()
}

// signer are the flags for the usual one.
func signer(more ...string) []string {
	return append([]string{"--certificate-identity", identity, "--certificate-oidc-issuer", issuer}, more...)
}

// Whatever becomes of a run: only one that passed opens what builders read, and
// the report says so.
func TestHandover(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	host := w.reg.Host()
	good := w.image("team/good").Digest.String()
	w.signLegacy("team/good", w.image("team/good"), by())
	unsigned := w.image("team/unsigned").Digest.String()
	w.image("team/down")
	w.reg.Break(registrytest.Fault{Path: "/v2/team/down/", Status: 503})
	policy := "version: 1\nrules:\n- {images: ['" + host + "/team/good'], require: [{sigstore: {identities: [{subject: '" + identity + "', issuer: '" + issuer + "'}]}}]}\n" +
		"- {images: ['" + host + "/team/unsigned'], allow-unsigned: {reason: upstream does not sign, require-digest: false}}\n"

	for _, tc := range []struct {
		name    string
		args    []string
		code    int
		open    bool
		says    []string
		lists   []string // in the policy
		pinned  string
		silence string // what must not be said
	}{
		{
			name: "passed", args: signer(host + "/team/good:v1"), code: 0, open: true,
			says:   []string{"handed over: source-policy in p.json, 1 image\n", "handed over: pinned in pinned.txt, 1 image\n"},
			lists:  []string{good},
			pinned: host + "/team/good:v1@" + good + "\n", silence: "exempt",
		},
		{
			name: "refused", args: signer(host+"/team/good:v1", host+"/team/unsigned:v1"), code: 1,
			says: []string{"gate closed: 1 of 2 images did not pass\nnot handed over: source-policy, since not every image passed; p.json denies every image\nnot handed over: pinned, since not every image passed; pinned.txt is not there\n"},
		},
		{name: "no answer", args: signer(host + "/team/down:v1"), code: 3, says: []string{"not handed over: source-policy, since not every image passed; p.json denies every image\n"}},
		{name: "warn mode, refused", args: signer(host+"/team/unsigned:v1", "--mode", "warn"), code: 0, says: []string{"(not enforced)\nnot handed over: source-policy, since not every image passed; p.json denies every image\n"}},
		{name: "warn mode, passed", args: signer(host+"/team/good:v1", "--mode", "warn"), code: 0, open: true, lists: []string{good}, pinned: host + "/team/good:v1@" + good + "\n"},
		{name: "no image", args: signer(), code: 1, says: []string{"there was no image to verify\nnot handed over: source-policy, since no image was verified; p.json denies every image\n"}},
		{name: "no image, which is allowed", args: signer("--allow-empty"), code: 0, says: []string{"not handed over: source-policy, since no image was verified; p.json denies every image\n"}},
		{
			name: "exempt", args: []string{"--policy", policy, host + "/team/good:v1", host + "/team/unsigned:v1"}, code: 0, open: true,
			says:   []string{"handed over: source-policy in p.json, 2 images (1 exempt, not verified)\n", "warning: 2 images handed over by digest, and nobody has verified what is exempt: 1 of them\n"},
			lists:  []string{good, unsigned, "exempt, unsigned by its publisher, not verified"},
			pinned: host + "/team/good:v1@" + good + "\n# exempt, unsigned by its publisher: not verified\n" + host + "/team/unsigned:v1@" + unsigned + "\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			old(t, dir, "p.json", "pinned.txt")
			code, out := w.handedOver(dir, nil, append(tc.args, "--handover", "source-policy=p.json", "--handover", "pinned=pinned.txt")...)
			if code != tc.code {
				t.Errorf("exit %d, want %d", code, tc.code)
			}
			for _, words := range tc.says {
				if !strings.Contains(out, words) {
					t.Errorf("it does not say %q:\n%s", words, out)
				}
			}
			if tc.silence != "" && strings.Contains(out, tc.silence) {
				t.Errorf("it says %q:\n%s", tc.silence, out)
			}
			written, pinned := content(t, filepath.Join(dir, "p.json")), content(t, filepath.Join(dir, "pinned.txt"))
			if !tc.open {
				if written != closedPolicy(t, "source-policy") || pinned != "-" {
					t.Errorf("it is not closed: %s and %s", written, pinned)
				}
				only(t, dir, "p.json")
				return
			}
			only(t, dir, "p.json", "pinned.txt")
			for _, part := range tc.lists {
				if !strings.Contains(written, part) {
					t.Errorf("the policy lacks %s: %s", part, written)
				}
			}
			if pinned != tc.pinned {
				t.Errorf("pinned %q, want %q", pinned, tc.pinned)
			}
			if info, err := os.Stat(filepath.Join(dir, "p.json")); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v (%v)", info.Mode(), err)
			}
		})
	}
}

// While a run goes on everything is closed, whatever an earlier one has left;
// one that is called off leaves it so, and no drafts.
func TestHandoverMeanwhile(t *testing.T) {
	t.Parallel()
	for _, calledOff := range []bool{false, true} {
		w := newWorld(t, registrytest.Options{})
		d := w.image(repo)
		w.signLegacy(repo, d, by())
		dir := t.TempDir()
		old(t, dir, "bake.json", "p.json")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var looked atomic.Int32 // by several requests at the same time
		w.reg.Break(registrytest.Fault{Path: "/v2/", Body: func(body []byte) []byte {
			looked.Add(1)
			if got := content(t, filepath.Join(dir, "p.json")); got != closedPolicy(t, "source-policy-strict") {
				t.Errorf("while the run goes on the policy is %s", got)
			}
			if got := content(t, filepath.Join(dir, "bake.json")); got != "-" {
				t.Errorf("while the run goes on there is %s", got)
			}
			if calledOff {
				cancel()
			}
			return body
		}})
		args := signer("boltseal", "verify", w.reg.Host()+"/"+repo+":v1", "--trusted-root", w.root, "--mode", "warn", "--handover", "source-policy-strict=p.json", "--handover", "bake=bake.json")
		args = append(args[4:6], append(args[6:], args[:4]...)...)
		var out bytes.Buffer
		code := cli.Command{Dir: dir, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, LookupEnv: lookup(env)}.Main(ctx, args)
		if looked.Load() == 0 {
			t.Fatalf("nobody was asked: %s", out.String())
		}
		written, bake := content(t, filepath.Join(dir, "p.json")), content(t, filepath.Join(dir, "bake.json"))
		switch {
		case calledOff:
			only(t, dir, "p.json")
			if code != 3 || written != closedPolicy(t, "source-policy-strict") || !strings.Contains(out.String(), "not handed over: bake, since not every image passed; bake.json is not there") {
				t.Errorf("called off: exit %d, %s\n%s", code, written, out.String())
			}
		case code != 0 || !strings.Contains(written, d.Digest.String()) || !strings.Contains(bake, d.Digest.String()):
			t.Errorf("exit %d, %s, %s\n%s", code, written, bake, out.String())
		}
	}
}

// Bad input is exit 2, says what to write instead, asks nobody and changes no
// file.
func TestHandoverBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy(repo, w.image(repo), by())
	img := w.reg.Host() + "/" + repo + ":v1"
	const apart = "next: name a file of its own, in a folder that exists and may be written"
	for _, tc := range []struct {
		name string
		args []string
		says []string
	}{
		{"unknown kind", []string{"--handover", "sorcepolicy=p.json"}, []string{`--handover: "sorcepolicy" is nothing that can be handed over`, "next: did you mean source-policy? The kinds are source-policy, source-policy-strict, "}},
		{"unlike any kind", []string{"--handover", "kubernetes=p.json"}, []string{`"kubernetes" is nothing`, "next: write KIND=PATH; the kinds are source-policy, "}},
		{"upper case", []string{"--handover", "BAKE=p.json"}, []string{`"BAKE" is nothing`, "did you mean bake?"}},
		{"nothing", []string{"--handover", ""}, []string{`"" is nothing that can be handed over`}},
		{"a path alone", []string{"--handover", "p.json"}, []string{`"p.json" is nothing that can be handed over`}},
		{"no path", []string{"--handover", "bake"}, []string{`"bake" names no file`, "next: write bake=PATH"}},
		{"empty path", []string{"--handover", "bake="}, []string{`"bake=" names no file`}},
		{"standard output", []string{"--handover", "pinned=-"}, []string{`"pinned=-" names no file`, "next: write pinned=PATH"}},
		{"no folder", []string{"--handover", "bake=none/p.json"}, []string{"there is no folder for none/p.json", apart}},
		{"a file for a folder", []string{"--handover", "bake=kept/p.json"}, []string{"there is no folder for kept/p.json", apart}},
		{"a folder", []string{"--handover", "bake=."}, []string{"is a folder", apart}},
		{"a folder by its name", []string{"--handover", "bake=new/"}, []string{"new/ is a folder", apart}},
		{"a folder that is there", []string{"--handover", "bake=sub"}, []string{"sub is a folder", apart}},
		{"a device", []string{"--handover", "pinned=/dev/stdout"}, []string{"/dev/stdout is a device, and would be replaced", apart}},
		{"twice", []string{"--handover", "bake=p.json", "--handover", "pinned=./sub/../p.json"}, []string{"p.json is the file of another --handover", apart}},
		{"a second file", []string{"--handover", "rego=p.rego", "--handover", "source-policy=p.rego.json"}, []string{"p.rego.json is the file of another --handover"}},
		{"a report in a second file", []string{"--handover", "rego=ABS/p.rego", "--report-file", "ABS/p.rego.json"}, []string{"p.rego.json is the file of a report"}},
		{"a folder for a second file", []string{"--handover", "rego=x"}, []string{"x.json is a folder"}},
		{"by a linked folder", []string{"--handover", "bake=sub/p.json", "--handover", "pinned=link/p.json"}, []string{"p.json is the file of another --handover"}},
		{"a hard link", []string{"--handover", "bake=kept", "--handover", "pinned=hard"}, []string{"kept is the file of another --handover"}},
		{"a report", []string{"--handover", "bake=ABS/r.json", "--report-file", "ABS/r.json"}, []string{"r.json is the file of a report", apart}},
		{"another report", []string{"--handover", "bake=ABS/r.json", "--report", "junit=ABS/sub/../r.json"}, []string{"r.json is the file of a report"}},
		{"the trust root", []string{"--handover", "bake=ROOT"}, []string{"is a file that this run reads", apart}},
		{"the lock", []string{"--handover", "bake=boltseal.lock", "--lock", "boltseal.lock"}, []string{"boltseal.lock is a file that this run reads"}},
		{"the Dockerfile", []string{"--handover", "pinned=Dockerfile", "--file", "Dockerfile"}, []string{"Dockerfile is a file that this run reads"}},
		{"what the Dockerfile is a link to", []string{"--handover", "pinned=kept", "--file", "dockerfile:linked"}, []string{"kept is a file that this run reads"}},
		{"a bake file for no target", []string{"--handover", "bake=b.json", "--file", "Dockerfile"}, []string{"--handover: bake: no bake target is known, and no service that is built: name the file with --file", "next: hand over source-policy instead"}},
		{"a name that may be a stage's", []string{"--handover", "build-contexts=c", "node"}, []string{"--handover: build-contexts: docker.io/library/node:latest: ", "write a tag other than latest", "next: hand over source-policy instead"}},
		{"other bad input", []string{"--handover", "source-policy=kept", "--jobs", "0"}, []string{"--jobs"}},
		{"implicit image that is none", []string{"--implicit-image", "A B"}, []string{"--implicit-image: ", "next: write it as registry/repository:tag"}},
		{"implicit images in a list", []string{"--implicit-image", "alpine:3,busybox:1"}, []string{"--implicit-image: ", "next: repeat the flag for each image"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			old(t, dir, "kept")
			for _, err := range []error{
				os.Mkdir(filepath.Join(dir, "sub"), 0o700), os.Mkdir(filepath.Join(dir, "x.json"), 0o700), os.Symlink("sub", filepath.Join(dir, "link")),
				os.Link(filepath.Join(dir, "kept"), filepath.Join(dir, "hard")), os.Symlink("kept", filepath.Join(dir, "linked")),
				os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM "+img+"\n"), 0o600),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			var args []string
			for _, a := range tc.args {
				args = append(args, strings.NewReplacer("ABS", dir, "ROOT", w.root).Replace(a))
			}
			code, out := w.handedOver(dir, nil, append(signer(img), args...)...)
			if code != 2 {
				t.Errorf("exit %d", code)
			}
			for _, words := range tc.says {
				if !strings.Contains(out, words) {
					t.Errorf("it does not say %q:\n%s", words, out)
				}
			}
			if got := content(t, filepath.Join(dir, "kept")); got != "old" {
				t.Errorf("a file was changed: %q", got)
			}
			only(t, dir, "Dockerfile", "hard", "kept", "link", "linked", "sub", "x.json")
		})
	}
	t.Cleanup(func() {
		if n := len(w.reg.Requests()); n > 0 {
			t.Errorf("%d requests", n)
		}
		if body := content(t, w.root); len(body) < 100 {
			t.Errorf("the trust root has %d bytes", len(body))
		}
	})
}

// A folder that nothing can be written to is bad input, found out before anybody
// is asked; what else can be closed is.
func TestHandoverUnwritable(t *testing.T) {
	t.Parallel()
	const unwritable = "/proc"
	if info, err := os.Stat(unwritable); err != nil || !info.IsDir() {
		t.Skip("this system has no folder that nobody can write to")
	}
	w := newWorld(t, registrytest.Options{})
	w.signLegacy(repo, w.image(repo), by())
	for _, kind := range []string{"source-policy", "pinned"} {
		dir := t.TempDir()
		old(t, dir, "p.json")
		code, out := w.handedOver(dir, nil, append(signer(w.reg.Host()+"/"+repo+":v1"), "--handover", kind+"="+unwritable+"/p", "--handover", "source-policy-strict=p.json")...)
		if code != 2 || !strings.Contains(out, "--handover: close "+unwritable+"/p: ") || !strings.Contains(out, "next: name a file of its own, in a folder that exists and may be written") {
			t.Errorf("%s: exit %d: %s", kind, code, out)
		}
		if got := content(t, filepath.Join(dir, "p.json")); got != closedPolicy(t, "source-policy-strict") {
			t.Errorf("the other one is %s", got)
		}
	}
	if n := len(w.reg.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
}

// A link is replaced: nobody builds by what it leads to, and that stays as it
// is. What is no file is not replaced.
func TestHandoverLinks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy(repo, w.image(repo), by())
	dir := t.TempDir()
	old(t, dir, "theirs")
	for name, to := range map[string]string{"p.json": "theirs", "pinned.txt": "theirs", "bake.json": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	handed := []string{"--handover", "source-policy=p.json", "--handover", "pinned=pinned.txt", "--handover", "bake=bake.json"}
	if code, out := w.handedOver(dir, nil, append(signer(w.reg.Host()+"/"+repo+":none"), handed...)...); code != 1 || content(t, filepath.Join(dir, "p.json")) != closedPolicy(t, "source-policy") {
		t.Errorf("exit %d: %s", code, out)
	}
	only(t, dir, "p.json", "theirs")
	if code, out := w.handedOver(dir, nil, append(signer(w.reg.Host()+"/"+repo+":v1"), handed...)...); code != 0 {
		t.Errorf("exit %d: %s", code, out)
	}
	only(t, dir, "bake.json", "p.json", "pinned.txt", "theirs")
	for _, name := range []string{"bake.json", "p.json", "pinned.txt"} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s is %v (%v)", name, info.Mode(), err)
		}
	}
	if got := content(t, filepath.Join(dir, "theirs")); got != "old" {
		t.Errorf("what the link led to is %q", got)
	}
	mkfifo(t, filepath.Join(dir, "pipe"))
	if err := os.Symlink("pipe", filepath.Join(dir, "to-pipe")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pipe", "to-pipe"} {
		if code, out := w.handedOver(dir, nil, append(signer(w.reg.Host()+"/"+repo+":v1"), "--handover", "pinned="+name)...); code != 2 || !strings.Contains(out, "is a device or a pipe, and would be replaced by a file") {
			t.Errorf("%s: exit %d: %s", name, code, out)
		}
	}
}

// paired is a form of two files, of which the second is called as the first and
// .data; check is what is wrong with the open state.
func paired(files func(handover.Set) ([]handover.File, error)) []handover.Form {
	return []handover.Form{{Name: "pair", Denies: true, Files: func(s handover.Set, _ handover.Options) ([]handover.File, error) {
		if s.Len() == 0 {
			return []handover.File{{Body: []byte("closed")}, {Suffix: ".data", Body: []byte("none")}}, nil
		}
		return files(s)
	}}}
}

// A form of two files, of which one names the other, knows what they are called.
func TestHandoverPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	d := w.image(repo)
	w.signLegacy(repo, d, by())
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	for tag, open := range map[string]bool{"v1": true, "none": false} {
		code, out := w.handedOver(dir, nil, append(signer(w.reg.Host()+"/"+repo+":"+tag), "--handover", "rego=./sub/x.rego")...)
		if (code == 0) != open {
			t.Errorf("exit %d: %s", code, out)
		}
		only(t, filepath.Join(dir, "sub"), "x.rego", "x.rego.json")
		program, data := content(t, filepath.Join(dir, "sub", "x.rego")), content(t, filepath.Join(dir, "sub", "x.rego.json"))
		if !strings.Contains(program, `sub/x.rego.json"`) || strings.Contains(data, d.Digest.String()) != open {
			t.Errorf("%s and %s", program, data)
		}
	}
}

// If anything goes wrong when it is handed over, everything is closed again, and
// the run fails although every image passed.
func TestHandoverFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy(repo, w.image(repo), by())
	wrong := func([]byte) error { return errors.New("it admits the whole world") }
	open := []handover.File{{Body: []byte("open")}, {Suffix: ".data", Body: []byte("all")}}
	for _, tc := range []struct {
		name  string
		files func(dir string) ([]handover.File, error)
		says  string
	}{
		{"the main file is wrong", func(string) ([]handover.File, error) {
			return []handover.File{{Body: []byte("open"), Check: wrong}, open[1]}, nil
		}, "hand over pair: it admits the whole world"},
		{"the second file is wrong", func(string) ([]handover.File, error) {
			return []handover.File{open[0], {Suffix: ".data", Body: []byte("all"), Check: wrong}}, nil
		}, "hand over pair: it admits the whole world"},
		{"two files of one name", func(string) ([]handover.File, error) { return []handover.File{open[0], {Body: []byte("another")}}, nil }, "does not hold what was written"},
		{"it cannot be said", func(string) ([]handover.File, error) { return nil, errors.New("no words for it") }, "hand over pair: no words for it"},
		{"a file that was not closed", func(string) ([]handover.File, error) { return append(open, handover.File{Suffix: ".more"}), nil }, "p.more that was not closed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			old(t, dir, "p", "p.data", "pinned.txt")
			forms := append(paired(func(handover.Set) ([]handover.File, error) { return tc.files(dir) }), handover.Forms()...)
			code, out := w.handedOver(dir, forms, append(signer(w.reg.Host()+"/"+repo+":v1"), "--handover", "pinned=pinned.txt", "--handover", "pair=p")...)
			for _, words := range []string{tc.says, "\n  next: nothing is handed over; mend that, and run it again\n", "not handed over: pair, since that failed; p denies every image\n", "not handed over: pinned, since that failed; pinned.txt is not there\n"} {
				if !strings.Contains(out, words) {
					t.Errorf("it does not say %q:\n%s", words, out)
				}
			}
			only(t, dir, "p", "p.data")
			if a, b := content(t, filepath.Join(dir, "p")), content(t, filepath.Join(dir, "p.data")); code != 3 || a != "closed" || b != "none" {
				t.Errorf("exit %d, %s and %s\n%s", code, a, b, out)
			}
		})
	}
}

// Also the closed state is read back where it lies: nobody is asked unless it is
// there.
func TestHandoverClosedIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy(repo, w.image(repo), by())
	dir := t.TempDir()
	forms := []handover.Form{{Name: "pair", Denies: true, Files: func(handover.Set, handover.Options) ([]handover.File, error) {
		return []handover.File{{Body: []byte("closed")}, {Body: []byte("another")}}, nil
	}}}
	code, out := w.handedOver(dir, forms, append(signer(w.reg.Host()+"/"+repo+":v1"), "--handover", "pair=p")...)
	if code != 2 || !strings.Contains(out, "does not hold what was written") || len(w.reg.Requests()) > 0 {
		t.Errorf("exit %d, %d requests: %s", code, len(w.reg.Requests()), out)
	}
}

// What cannot be closed again is named, and everything else is closed.
func TestHandoverNotClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy(repo, w.image(repo), by())
	dir := t.TempDir()
	at := filepath.Join(dir, "p")
	forms := paired(func(handover.Set) ([]handover.File, error) {
		if err := os.Remove(at); err != nil {
			t.Error(err)
		}
		if err := os.MkdirAll(filepath.Join(at, "full"), 0o700); err != nil {
			t.Error(err)
		}
		return []handover.File{{Body: []byte("open")}, {Suffix: ".data", Body: []byte("all")}}, nil
	})
	code, out := w.handedOver(dir, forms, append(signer(w.reg.Host()+"/"+repo+":v1"), "--handover", "pair=p")...)
	if code != 3 || !strings.Contains(out, "hand over "+at+": ") || !strings.Contains(out, "close "+at+": ") || !strings.Contains(out, "next: remove the files named above: they may hold what this run does not vouch for") {
		t.Errorf("exit %d: %s", code, out)
	}
	if got := content(t, at+".data"); got != "none" {
		t.Errorf("the second file has %q", got)
	}
	only(t, dir, "p", "p.data")
}

// A folder that goes away meanwhile leaves nothing handed over, and a report
// that cannot be written closes what was.
func TestHandoverNobodyTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy(repo, w.image(repo), by())
	dir := t.TempDir()
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	w.reg.Break(registrytest.Fault{Path: ".sig", Times: 1, Body: func(body []byte) []byte {
		if err := os.RemoveAll(sub); err != nil {
			t.Error(err)
		}
		return body
	}})
	img := w.reg.Host() + "/" + repo + ":v1"
	code, out := w.handedOver(dir, nil, append(signer(img), "--handover", "source-policy=p.json", "--handover", "bake=sub/b.json")...)
	if code != 3 || !strings.Contains(out, "hand over bake: ") || content(t, filepath.Join(dir, "p.json")) != closedPolicy(t, "source-policy") {
		t.Errorf("exit %d: %s", code, out)
	}
	only(t, dir, "p.json")

	args := append([]string{"boltseal", "verify", img, "--trusted-root", w.root, "--handover", "source-policy=p.json"}, signer()...)
	c := cli.Command{Dir: dir, Stdin: strings.NewReader(""), Stdout: full{}, Stderr: &bytes.Buffer{}, LookupEnv: lookup(env)}
	if code := c.Main(t.Context(), args); code != 3 || content(t, filepath.Join(dir, "p.json")) != closedPolicy(t, "source-policy") {
		t.Errorf("a report that nobody has: exit %d: %s", code, content(t, filepath.Join(dir, "p.json")))
	}
}

// Whoever has a policy that this one extends is asked when everything is closed
// already.
func TestHandoverExtends(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	dir := t.TempDir()
	old(t, dir, "p.json")
	policy := "version: 1\nextends: [{url: 'https://127.0.0.1:1/p.yaml', sha256: '" + strings.Repeat("0", 64) + "'}]\n"
	code, out := w.handedOver(dir, nil, "--policy", policy, w.reg.Host()+"/"+repo+":v1", "--handover", "source-policy=p.json")
	if code != 3 || content(t, filepath.Join(dir, "p.json")) != closedPolicy(t, "source-policy") {
		t.Errorf("exit %d, %s: %s", code, content(t, filepath.Join(dir, "p.json")), out)
	}
	// Nor is a policy that it reads itself replaced before that.
	if err := os.WriteFile(filepath.Join(dir, "base.yaml"), []byte("version: 1\npublishers: [distroless]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	policy = "version: 1\nextends: [{file: base.yaml}, {url: 'https://127.0.0.1:1/p.yaml', sha256: '" + strings.Repeat("0", 64) + "'}]\n"
	code, out = w.handedOver(dir, nil, "--policy", policy, w.reg.Host()+"/"+repo+":v1", "--handover", "source-policy=base.yaml")
	if code != 2 || content(t, filepath.Join(dir, "base.yaml")) != "version: 1\npublishers: [distroless]\n" || !strings.Contains(out, "base.yaml is a file that this run reads") {
		t.Errorf("exit %d, %s: %s", code, content(t, filepath.Join(dir, "base.yaml")), out)
	}
}

// Handing over asks nobody for anything.
func TestHandoverRequests(t *testing.T) {
	t.Parallel()
	for _, handed := range []bool{false, true} {
		w := newWorld(t, registrytest.Options{})
		var args []string
		for i := range 20 {
			repo := fmt.Sprintf("team/app%d", i)
			w.signLegacy(repo, w.image(repo), by())
			args = append(args, w.reg.Host()+"/"+repo+":v1")
		}
		dir := t.TempDir()
		if handed {
			for _, f := range handover.Forms() {
				args = append(args, "--handover", f.Name+"="+f.Name+".json")
			}
		}
		if code, out := w.handedOver(dir, nil, append(signer(), args...)...); code != 0 {
			t.Fatalf("exit %d: %s", code, out)
		}
		if got := kinds(w.reg.Requests()); got != "20 tag, 20 sig, 20 referrers, 20 blob" {
			t.Errorf("handed over %v: %s", handed, got)
		}
	}
}

// Implicit images are verified and handed over like others. They stand for no
// others: files are searched, and where nothing is found nothing passes.
func TestImplicitImages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	host := w.reg.Host()
	for _, repo := range []string{"team/app", "team/scanner"} {
		w.signLegacy(repo, w.image(repo), by())
	}
	w.image("team/unsigned")
	for _, tc := range []struct {
		name       string
		dockerfile string
		args       []string
		code       int
		images     []string // and their kinds
		pinned     int
	}{
		{"beside files", "FROM " + host + "/team/app:v1\n", nil, 0, []string{"team/app:v1 from", "team/scanner:v1 implicit"}, 2},
		{"beside an argument", "FROM " + host + "/team/unsigned:v1\n", []string{host + "/team/app:v1"}, 0, []string{"team/app:v1", "team/scanner:v1 implicit"}, 2},
		{"the same image", "FROM " + host + "/team/scanner:v1\n", nil, 0, []string{"team/scanner:v1 from implicit"}, 1},
		{"unsigned", "FROM " + host + "/team/app:v1\n", []string{"--implicit-image", host + "/team/unsigned:v1"}, 1, []string{"team/app:v1 from", "team/scanner:v1 implicit", "team/unsigned:v1 implicit"}, 0},
		{"nothing found", "", nil, 1, nil, 0},
		{"no image in the file", "FROM scratch\n", nil, 1, nil, 0},
		{"no image in the file, which is allowed", "FROM scratch\n", []string{"--allow-empty"}, 0, []string{"team/scanner:v1 implicit"}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if tc.dockerfile != "" {
				if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(tc.dockerfile), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			args := append(signer("--implicit-image", host+"/team/scanner:v1", "--handover", "pinned=p", "--report-file", filepath.Join(dir, "r.json")), tc.args...)
			code, out := w.handedOver(dir, nil, args...)
			if code != tc.code {
				t.Errorf("exit %d, want %d: %s", code, tc.code, out)
			}
			var doc struct {
				Images []struct {
					Reference string
					Uses      []struct {
						Kind string
						File string
						Line int
					}
				}
			}
			if err := json.Unmarshal([]byte(content(t, filepath.Join(dir, "r.json"))), &doc); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, img := range doc.Images {
				line := strings.TrimPrefix(img.Reference, host+"/")
				for _, u := range img.Uses {
					line += " " + u.Kind
					if u.Kind == string(image.Implicit) && (u.File != "" || u.Line != 0) {
						t.Errorf("it is in a file: %+v", u)
					}
				}
				got = append(got, line)
			}
			if strings.Join(got, ", ") != strings.Join(tc.images, ", ") {
				t.Errorf("images %q, want %q", got, tc.images)
			}
			if len(got) > 0 && !strings.Contains(out, "used at   no file (implicit)") {
				t.Errorf("the report does not say that it is implicit: %s", out)
			}
			if lines := strings.Count(strings.TrimPrefix(content(t, filepath.Join(dir, "p")), "-"), "\n"); lines != tc.pinned {
				t.Errorf("%d images handed over, want %d", lines, tc.pinned)
			}
		})
	}
}
