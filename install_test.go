package main_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	ossignal "os/signal"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/boltseal/boltseal/internal/programtest"
	"github.com/boltseal/boltseal/internal/runnertest"
)

// releaseFiles are the names of a release's programs.
var releaseFiles = []string{
	"boltseal_darwin_amd64", "boltseal_darwin_arm64", "boltseal_linux_amd64",
	"boltseal_linux_arm64", "boltseal_windows_amd64.exe", "boltseal_windows_arm64.exe",
}

const (
	program  = "#!/bin/sh\necho genuine\n" // what the tests' release has, on every platform
	tampered = "#!/bin/sh\necho tampered\n"
	linux64  = "boltseal_linux_amd64"
	mirrors  = "see that the mirror of the input \"download-base\" has " + linux64 + " of release v"
)

// A checkout is the Action as a runner has it, with the runner's folders.
type checkout struct {
	dir, cache, temp, home string
	version                string
	mirror                 *mirror
}

func newCheckout(t *testing.T) *checkout {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("not checked: the tests' programs are shell scripts")
	}
	for _, tool := range []string{"bash", "curl"} {
		programtest.Found(t, tool)
	}
	dir := t.TempDir()
	c := &checkout{
		dir:    filepath.Join(dir, "action"),
		cache:  filepath.Join(dir, "cache"),
		temp:   filepath.Join(dir, "temp"),
		home:   filepath.Join(dir, "home"),
		mirror: newMirror(t),
	}
	for _, name := range []string{"scripts/install.sh", "cli/VERSION"} {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(c.dir, name), string(body), 0o600)
		if name == "cli/VERSION" {
			c.version = strings.TrimSpace(string(body))
		}
	}
	write(t, c.path("checksums.txt"), checksums(program), 0o600)
	for _, name := range []string{c.cache, c.temp, c.home} {
		if err := os.Mkdir(name, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c *checkout) path(name string) string { return filepath.Join(c.dir, name) }

// kept is where the program for linux/amd64 is in one of the runner's folders.
func (c *checkout) kept(in string) string {
	return filepath.Join(in, "boltseal", c.version, "x64", linux64)
}

func sha256Hex(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func checksums(program string) string {
	var b strings.Builder
	for _, name := range releaseFiles {
		fmt.Fprintf(&b, "%s  %s\n", sha256Hex(program), name)
	}
	return b.String()
}

func write(t *testing.T, name, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		t.Fatal(err)
	}
	// No process is started meanwhile: it would hold the file open, and who runs
	// it would be told that it is busy (go.dev/issue/22315).
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(name, []byte(text), mode); err != nil { //nolint:gosec // in a test's folder
		t.Fatal(err)
	}
}

// A mirror serves the release. Answers are given in order, the last one to all
// requests that come after it.
type mirror struct {
	*httptest.Server
	mu      sync.Mutex
	answers []http.HandlerFunc
	seen    []string
}

func newMirror(t *testing.T) *mirror {
	t.Helper()
	m := unstarted()
	m.Start()
	t.Cleanup(m.Close)
	return m
}

func newSecureMirror(t *testing.T) *mirror {
	t.Helper()
	m := unstarted()
	m.StartTLS()
	t.Cleanup(m.Close)
	return m
}

func unstarted() *mirror {
	m := &mirror{answers: []http.HandlerFunc{serve(program)}}
	m.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		m.seen = append(m.seen, r.Method+" "+r.URL.RequestURI())
		answer := m.answers[0]
		if len(m.answers) > 1 {
			m.answers = m.answers[1:]
		}
		m.mu.Unlock()
		answer(w, r)
	}))
	m.Config.ErrorLog = log.New(io.Discard, "", 0)
	return m
}

// answer sets what the next requests get.
func (m *mirror) answer(answers ...http.HandlerFunc) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answers = answers
}

// requests returns those since the last time.
func (m *mirror) requests() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := m.seen
	m.seen = nil
	return seen
}

// send writes what curl may no longer be there to read.
func send(w io.Writer, text string) { _, _ = io.WriteString(w, text) }

func serve(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { send(w, body) }
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
}

// environ is what the runner gives the step, changed by changes. What is
// changed to "" is not set.
func (c *checkout) environ(output string, changes map[string]string) []string {
	env := map[string]string{
		"PATH": os.Getenv("PATH"), "HOME": c.home, "LC_ALL": "C.UTF-8",
		"RUNNER_OS": "Linux", "RUNNER_ARCH": "X64", "RUNNER_TOOL_CACHE": c.cache, "RUNNER_TEMP": c.temp, "GITHUB_OUTPUT": output,
		"BOLTSEAL_BINARY": "", "BOLTSEAL_DOWNLOAD_BASE": c.mirror.URL,
	}
	for name, value := range changes {
		env[name] = value
	}
	var list []string
	for name, value := range env {
		if value != "" {
			list = append(list, name+"="+value)
		}
	}
	return list
}

func (c *checkout) command(ctx context.Context, output string, changes map[string]string) *exec.Cmd {
	bash, err := exec.LookPath("bash")
	if err != nil {
		panic(err) // newCheckout found it
	}
	cmd := exec.CommandContext(ctx, bash, c.path("scripts/install.sh")) //nolint:gosec // the script under test
	cmd.Dir = c.dir
	cmd.Env = c.environ(output, changes)
	// Ended like a job that is cancelled, so that its curl ends with it.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// An installation is what one run of install.sh left.
type installation struct {
	code     int
	log      string // standard output and error
	commands []runnertest.Command
	outputs  map[string]string
	requests []string
}

func (c *checkout) install(t *testing.T, changes map[string]string) installation {
	t.Helper()
	output := filepath.Join(t.TempDir(), "output")
	if err := os.WriteFile(output, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	log, err := c.command(ctx, output, changes).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	body, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	outputs, err := runnertest.File(string(body))
	if err != nil {
		t.Fatalf("the step's outputs: %v\n%s", err, body)
	}
	got := installation{log: string(log), commands: runnertest.Commands(string(log)), outputs: outputs, requests: c.mirror.requests()}
	if exit != nil {
		got.code = exit.ExitCode()
	}
	return got
}

// gives fails t unless the run succeeded with that path and line, and wrote no
// command but the annotations.
func (got installation) gives(t *testing.T, path, line string, annotations ...runnertest.Command) {
	t.Helper()
	if got.code != 0 || !reflect.DeepEqual(got.outputs, map[string]string{"binary": path}) ||
		!strings.HasSuffix(got.log, line+", "+path+"\n") {
		t.Fatalf("exit code %d, outputs %q\n%swant %s, %s", got.code, got.outputs, got.log, line, path)
	}
	if lines := strings.Count(got.log, "\n"); lines != 1+len(annotations) {
		t.Errorf("%d lines: %s", lines, got.log)
	}
	got.says(t, annotations...)
}

// fails fails t unless the run ended with that code, one error and no output.
func (got installation) fails(t *testing.T, code int, text string, before ...runnertest.Command) {
	t.Helper()
	if got.code != code || len(got.outputs) != 0 {
		t.Errorf("exit code %d, want %d; outputs %q\n%s", got.code, code, got.outputs, got.log)
	}
	got.says(t, append(before, annotation("error", "boltseal install", text))...)
	if lines := strings.Count(got.log, "\n"); lines != 1+len(before) {
		t.Errorf("%d lines: %s", lines, got.log)
	}
}

func (got installation) says(t *testing.T, want ...runnertest.Command) {
	t.Helper()
	if len(got.commands) != len(want) {
		t.Fatalf("%d commands, want %d:\n%s", len(got.commands), len(want), got.log)
	}
	for i := range want {
		if !reflect.DeepEqual(got.commands[i], want[i]) {
			t.Errorf("got  %+v\nwant %+v", got.commands[i], want[i])
		}
	}
}

func annotation(level, title, text string) runnertest.Command {
	return runnertest.Command{Name: level, Properties: map[string]string{"title": title}, Data: text, Syntax: 2}
}

// asked fails t unless the mirror saw that many requests for the program.
func (got installation) asked(t *testing.T, want int) {
	t.Helper()
	all := slices.Repeat([]string{"GET /" + linux64}, want)
	if !slices.Equal(got.requests, all) {
		t.Errorf("requests %q, want %q", got.requests, all)
	}
}

// leaves fails t unless these, and no other, are the files in the runner's
// folders, which work, and nothing half done is left.
func (c *checkout) leaves(t *testing.T, want ...string) {
	t.Helper()
	var files []string
	for _, dir := range []string{c.cache, c.temp} {
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err == nil && (!d.IsDir() || strings.HasPrefix(d.Name(), ".")) {
				files = append(files, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(files, want) {
		t.Fatalf("left %q, want %q", files, want)
	}
	for _, name := range files {
		if out, err := exec.CommandContext(t.Context(), name).Output(); err != nil || string(out) != "genuine\n" { //nolint:gosec // what was installed
			t.Errorf("%s: %q (%v)", name, out, err)
		}
	}
}

// farm makes a folder for PATH that has these tools and nothing else.
func farm(t *testing.T, tools ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, tool := range tools {
		if err := os.Symlink(programtest.Found(t, tool), filepath.Join(dir, tool)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// before puts a folder with one tool of the tests' own in front of PATH.
func before(t *testing.T, tool, script string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, tool), "#!/bin/sh\n"+script, 0o700)
	return dir + string(os.PathListSeparator) + os.Getenv("PATH")
}

// The input "binary" is used as it is, and nobody is asked.
func TestInstallExplicit(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	dir := t.TempDir()
	own := filepath.Join(dir, "my own, 100% boltseal")
	write(t, own, tampered, 0o700)
	write(t, filepath.Join(dir, "plain"), tampered, 0o600)
	write(t, filepath.Join(c.dir, "bin", "boltseal"), tampered, 0o700)
	const how = `boltseal: the file that the input "binary" names, as it is`
	for _, tc := range []struct{ name, binary, path, cause string }{
		{name: "absolute", binary: own, path: own},
		{name: "relative", binary: "bin/boltseal", path: c.path("bin/boltseal")},
		{name: "missing", binary: dir + "/missing", cause: dir + "/missing does not exist"},
		{name: "directory", binary: dir, cause: dir + " is a directory"},
		{name: "not executable", binary: dir + "/plain", cause: dir + "/plain is not executable"},
		{name: "device", binary: "/dev/null", cause: "/dev/null is not executable"},
		{name: "a name is no search in PATH", binary: "sh", cause: "sh does not exist"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			// What does not matter then is not looked at.
			got := c.install(t, map[string]string{
				"BOLTSEAL_BINARY": tc.binary, "BOLTSEAL_DOWNLOAD_BASE": "ftp://x", "RUNNER_OS": "Plan9", "RUNNER_TOOL_CACHE": "", "RUNNER_TEMP": "",
			})
			got.asked(t, 0)
			if tc.path != "" {
				got.gives(t, tc.path, how)
				return
			}
			got.fails(t, 2, `find the file of the input "binary": `+tc.cause+"; next: name an executable file, or leave the input out to use the release")
		})
	}
	c.leaves(t)
}

func TestInstallTwice(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	got := c.install(t, nil)
	got.gives(t, c.kept(c.cache), "boltseal "+c.version+": downloaded from "+c.mirror.URL+", sha256 as pinned")
	got.asked(t, 1)
	c.leaves(t, c.kept(c.cache))
	got = c.install(t, nil)
	got.gives(t, c.kept(c.cache), "boltseal "+c.version+": from the tool cache, sha256 as pinned")
	got.asked(t, 0)
	c.leaves(t, c.kept(c.cache))
}

// What is in the tool cache is believed only for its hash.
func TestInstallTamperedCache(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, is string
		plant    func(t *testing.T, path string)
	}{
		{"other bytes", "sha256 " + sha256Hex(tampered) + ", pinned is " + sha256Hex(program), func(t *testing.T, path string) {
			write(t, path, tampered, 0o700)
		}},
		{"half", "sha256 " + sha256Hex(program[:9]) + ", pinned is " + sha256Hex(program), func(t *testing.T, path string) {
			write(t, path, program[:9], 0o700)
		}},
		{"empty", "sha256 " + sha256Hex("") + ", pinned is " + sha256Hex(program), func(t *testing.T, path string) {
			write(t, path, "", 0o700)
		}},
		{"directory", "not a regular file", func(t *testing.T, path string) {
			write(t, filepath.Join(path, linux64), tampered, 0o700)
		}},
		{"link to what can be changed later", "not a regular file", func(t *testing.T, path string) {
			target := filepath.Join(t.TempDir(), "elsewhere")
			write(t, target, program, 0o700)
			link(t, target, path)
		}},
		{"link to a directory", "not a regular file", func(t *testing.T, path string) { link(t, t.TempDir(), path) }},
		{"link to nothing", "not a regular file", func(t *testing.T, path string) { link(t, "/nonexistent", path) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newCheckout(t)
			path := c.kept(c.cache)
			warning := annotation("warning", "boltseal tool cache", path+" is not the program of boltseal "+c.version+
				" ("+tc.is+"): it is thrown away; next: find out which job of this runner wrote it")

			tc.plant(t, path)
			c.mirror.answer(serve(tampered), serve(program))
			got := c.install(t, nil)
			got.fails(t, 2, "check "+linux64+" from "+c.mirror.URL+": its sha256 is "+sha256Hex(tampered)+", pinned is "+sha256Hex(program)+
				"; next: do not use that file; see what answers at this address, and report it if that is the release", warning)
			got.asked(t, 1)
			c.leaves(t)

			tc.plant(t, path)
			got = c.install(t, nil)
			got.gives(t, path, "boltseal "+c.version+": downloaded from "+c.mirror.URL+", sha256 as pinned", warning)
			got.asked(t, 1)
			c.leaves(t, path)
		})
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// The pinned bytes without their mode, as an artifact has them, are good.
func TestInstallCachedWithoutMode(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	write(t, c.kept(c.cache), program, 0o600)
	got := c.install(t, nil)
	got.gives(t, c.kept(c.cache), "boltseal "+c.version+": from the tool cache, sha256 as pinned")
	got.asked(t, 0)
	c.leaves(t, c.kept(c.cache))
}

// Answers that do not give the program: the wrong bytes are 2, none are 3.
func TestInstallAnswers(t *testing.T) {
	t.Parallel()
	const limit = 64 << 20
	other := newMirror(t)
	for _, tc := range []struct {
		name     string
		answers  []http.HandlerFunc
		code     int // 0: it works in the end
		requests int
		text     string // BASE, NEXT and WRONG stand for the address, the advice about it, and what is said of a wrong sha256
		slow     bool
	}{
		{
			name: "tampered", answers: []http.HandlerFunc{serve(tampered)}, code: 2, requests: 1,
			text: "check " + linux64 + " from BASE: its sha256 is " + sha256Hex(tampered) + ", pinned WRONG",
		},
		{
			name: "empty", answers: []http.HandlerFunc{serve("")}, code: 2, requests: 1,
			text: "check " + linux64 + " from BASE: its sha256 is " + sha256Hex("") + ", pinned WRONG",
		},
		{
			name: "shorter, and it says so", answers: []http.HandlerFunc{serve(program[:len(program)-1])}, code: 2, requests: 1,
			text: "check " + linux64 + " from BASE: its sha256 is " + sha256Hex(program[:len(program)-1]) + ", pinned WRONG",
		},
		{
			name: "broken off", answers: []http.HandlerFunc{brokenOff}, code: 3, requests: 2,
			text: "download " + linux64 + " from BASE: no answer (curl: (18) transfer closed with 14 bytes remaining to read); next: NEXT",
		},
		{name: "broken off once", answers: []http.HandlerFunc{brokenOff, serve(program)}, requests: 2},
		{
			name: "not found", answers: []http.HandlerFunc{status(404)}, code: 2, requests: 1,
			text: "download " + linux64 + " from BASE: there is no such file (curl: (22) The requested URL returned error: 404); next: NEXT",
		},
		{
			name: "denied", answers: []http.HandlerFunc{status(403)}, code: 3, requests: 1,
			text: "download " + linux64 + " from BASE: no answer (curl: (22) The requested URL returned error: 403); next: NEXT",
		},
		{name: "unavailable once", answers: []http.HandlerFunc{status(503), serve(program)}, requests: 2},
		{
			name: "unavailable for an hour", answers: []http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "3600")
				w.WriteHeader(503)
			}}, code: 3, requests: 1,
			text: "download " + linux64 + " from BASE: no answer (curl: (22) The requested URL returned error: 503); next: NEXT",
		},
		{
			name: "unavailable", answers: []http.HandlerFunc{status(503)}, code: 3, requests: 4, slow: true,
			text: "download " + linux64 + " from BASE: no answer (curl: (22) The requested URL returned error: 503); next: NEXT",
		},
		{
			name: "too large, and it says so", answers: []http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", fmt.Sprint(limit+1))
			}}, code: 2, requests: 1,
			text: fmt.Sprintf("download %s from BASE: what came is larger than %d bytes, so it is not the program; next: NEXT", linux64, limit),
		},
		{
			name: "too large", answers: []http.HandlerFunc{endless}, code: 2, requests: 1, slow: true,
			text: fmt.Sprintf("download %s from BASE: what came is larger than %d bytes, so it is not the program; next: NEXT", linux64, limit),
		},
		{
			name: "elsewhere", answers: []http.HandlerFunc{redirect(other.URL + "/" + linux64)}, code: 2, requests: 1,
			text: "download " + linux64 + " from BASE: the answer leads where it may not (curl: (47) Maximum (0) redirects followed); next: NEXT",
		},
		{
			name: "to a file", answers: []http.HandlerFunc{redirect("file:///etc/passwd")}, code: 2, requests: 1,
			text: "download " + linux64 + " from BASE: the answer leads where it may not (curl: (47) Maximum (0) redirects followed); next: NEXT",
		},
		{
			name: "a command", answers: []http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) {
				hijack(w, "HTTP/1.1 404 \r::set-output name=binary::/evil\r##[error]x\r\n\r\n::set-output name=binary::/evil\n")
			}}, code: 2, requests: 1,
			text: "download " + linux64 + " from BASE: there is no such file (curl: (22) The requested URL returned error: 404); next: NEXT",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.slow && testing.Short() {
				t.Skip("slow")
			}
			c := newCheckout(t)
			c.mirror.answer(tc.answers...)
			// Slashes at its end do not make another address.
			got := c.install(t, map[string]string{"BOLTSEAL_DOWNLOAD_BASE": c.mirror.URL + "//"})
			got.asked(t, tc.requests)
			if tc.code == 0 {
				got.gives(t, c.kept(c.cache), "boltseal "+c.version+": downloaded from "+c.mirror.URL+", sha256 as pinned")
				c.leaves(t, c.kept(c.cache))
				return
			}
			got.fails(t, tc.code, strings.NewReplacer("BASE", c.mirror.URL, "NEXT", mirrors+c.version,
				"WRONG", "is "+sha256Hex(program)+"; next: do not use that file; see what answers at this address, and report it if that is the release",
			).Replace(tc.text))
			c.leaves(t)
		})
	}
	if seen := other.requests(); len(seen) > 0 {
		t.Errorf("the other server saw %q", seen)
	}
}

func brokenOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", fmt.Sprint(len(program)))
	send(w, program[:len(program)-14])
}

// endless sends without an announced length until curl is gone.
func endless(w http.ResponseWriter, r *http.Request) {
	piece := make([]byte, 1<<20)
	for sent := 0; sent < 512; sent++ {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

// hijack writes bytes that are no proper answer.
func hijack(w http.ResponseWriter, raw string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	send(conn, raw)
	_ = conn.Close()
}

// A release's address redirects, and https stays https.
func TestInstallHTTPS(t *testing.T) {
	t.Parallel()
	to := func(location string) []http.HandlerFunc {
		return []http.HandlerFunc{redirect(location), serve(program)}
	}
	for _, tc := range []struct {
		name     string
		answers  func(secure, plain string) []http.HandlerFunc // of the mirror, which has these addresses
		trusted  bool
		code     int
		requests int
		cause    string // with what curl says in its own words left out
	}{
		{"direct", func(string, string) []http.HandlerFunc { return []http.HandlerFunc{serve(program)} }, true, 0, 1, ""},
		{"certificate of nobody", func(string, string) []http.HandlerFunc { return []http.HandlerFunc{serve(program)} }, false, 3, 0, "no answer"},
		{"redirected", func(secure, _ string) []http.HandlerFunc { return to(secure + "/asset") }, true, 0, 2, ""},
		{"redirected to http", func(_, plain string) []http.HandlerFunc { return to(plain + "/asset") }, true, 2, 1, "the answer leads where it may not"},
		{"redirected to a file", func(string, string) []http.HandlerFunc { return to("file:///bin/sh") }, true, 2, 1, "the answer leads where it may not"},
		{"redirected for ever", func(secure, _ string) []http.HandlerFunc { return to(secure + "/again")[:1] }, true, 2, 6, "the answer leads where it may not"},
		{"redirected to a command", func(string, string) []http.HandlerFunc {
			return []http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) {
				hijack(w, "HTTP/1.1 302 Found\r\nLocation: ##[error]x\r::set-output name=binary::/evil\r\nContent-Length: 0\r\n\r\n")
			}, serve(program)}
		}, true, 0, 2, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newCheckout(t)
			c.mirror = newSecureMirror(t)
			plain := newMirror(t)
			c.mirror.answer(tc.answers(c.mirror.URL, plain.URL)...)
			changes := map[string]string{}
			if tc.trusted {
				authority := filepath.Join(t.TempDir(), "ca.pem")
				write(t, authority, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.mirror.Certificate().Raw})), 0o600)
				changes["CURL_CA_BUNDLE"] = authority
			}
			got := c.install(t, changes)
			if len(got.requests) != tc.requests || len(plain.requests()) > 0 {
				t.Errorf("requests %q, want %d, and none of the other server", got.requests, tc.requests)
			}
			if tc.code == 0 {
				got.gives(t, c.kept(c.cache), "boltseal "+c.version+": downloaded from "+c.mirror.URL+", sha256 as pinned")
				c.leaves(t, c.kept(c.cache))
				return
			}
			words := regexp.MustCompile(`\(curl: \([0-9]+\) [^\n]*\); next`)
			if len(got.commands) == 1 {
				got.commands[0].Data = words.ReplaceAllString(got.commands[0].Data, "; next")
			}
			got.fails(t, tc.code, "download "+linux64+" from "+c.mirror.URL+": "+tc.cause+" ; next: "+mirrors+c.version)
			c.leaves(t)
		})
	}
}

// Addresses that may not be used are refused before anybody is asked.
func TestInstallBase(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	host := strings.TrimPrefix(c.mirror.URL, "http://")
	for base, shown := range map[string]string{
		"http://example.invalid":                 "",
		"http://10.0.0.1/x":                      "",
		"http://127.0.0.2":                       "",
		"http://0.0.0.0":                         "",
		"http://127.0.0.1.example.invalid/":      "",
		"http://localhost.example.invalid/":      "",
		"http://[::1].example.invalid/":          "",
		"http://127.0.0.1:1@example.invalid/":    "***@example.invalid/",
		"http://user:secret@" + host:             "***@" + host,
		"https://user:secret@example.invalid/":   "***@example.invalid/",
		"https://user:secret@x@example.invalid":  "***@example.invalid",
		"http://" + host + "\\@example.invalid":  "***@example.invalid",
		"http://" + host + "#@example.invalid":   "***@example.invalid",
		"http://" + host + "?sig=secret":         "http://" + host + "?***",
		"http://" + host + "#x":                  "",
		"http://" + host + "/{a,b}":              "",
		"http://" + host + "/[1-9]":              "",
		"http://" + host + "/$(id)":              "",
		"http://" + host + "/a b":                "",
		" " + c.mirror.URL:                       "",
		c.mirror.URL + "\n":                      c.mirror.URL + "?",
		c.mirror.URL + "\n::set-output name=a::": c.mirror.URL + "?::set-output name=a::",
		"HTTP://" + host:                         "",
		host:                                     "",
		"//" + host:                              "",
		"file:///bin":                            "",
		"ftp://" + host:                          "",
		"https://":                               "",
		"https:///x":                             "",
		"///":                                    "",
		"-oX":                                    "",
		"https://##[error]x":                     "https://## [error]x",
		"https://100%\u2028é":                    "https://100%?????",
	} {
		t.Run(base, func(t *testing.T) {
			t.Parallel()
			want := base
			if shown != "" {
				want = shown
			}
			proxy := newMirror(t)
			got := c.install(t, map[string]string{"BOLTSEAL_DOWNLOAD_BASE": base, "http_proxy": proxy.URL, "https_proxy": proxy.URL, "all_proxy": proxy.URL})
			got.asked(t, 0)
			if seen := proxy.requests(); len(seen) > 0 {
				t.Errorf("somebody was asked: %q", seen)
			}
			got.fails(t, 2, `read the input "download-base": `+want+" is not an address that may be used; next: "+
				"write https://HOST/PATH, without a user, a query or a fragment (plain http only to 127.0.0.1, localhost or [::1])")
			if strings.Contains(got.log, "secret") {
				t.Errorf("the password is in the log: %s", got.log)
			}
		})
	}
}

// Neither a proxy nor a file in the home directory has a part in it, where a
// mirror on the same machine is asked.
func TestInstallLoopback(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	proxy := newMirror(t)
	proxy.answer(serve(tampered))
	write(t, filepath.Join(c.home, ".curlrc"), "output = "+c.home+"/stolen\nurl = "+proxy.URL+"\nproxy = "+proxy.URL+"\n", 0o600)
	for _, base := range []string{c.mirror.URL, c.mirror.URL + "/", strings.Replace(c.mirror.URL, "127.0.0.1", "localhost", 1) + "/some/path_1/~v/"} {
		got := c.install(t, map[string]string{"BOLTSEAL_DOWNLOAD_BASE": base, "http_proxy": proxy.URL, "ALL_PROXY": proxy.URL, "RUNNER_TOOL_CACHE": ""})
		base = strings.TrimSuffix(base, "/")
		got.gives(t, c.kept(c.temp), "boltseal "+c.version+": downloaded from "+base+", sha256 as pinned")
		if len(got.requests) != 1 {
			t.Errorf("%s: requests %q", base, got.requests)
		}
		c.leaves(t, c.kept(c.temp))
		if err := os.RemoveAll(filepath.Join(c.temp, "boltseal")); err != nil {
			t.Fatal(err)
		}
	}
	if seen := proxy.requests(); len(seen) > 0 {
		t.Errorf("the proxy saw %q", seen)
	}
}

// curl is told which protocols it may speak, and for how long.
func TestInstallCurl(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ base, url, protocols string }{
		{"", "https://github.com/boltseal/boltseal/releases/download/vVERSION/" + linux64, "--proto =https --proto-redir =https --max-redirs 5"},
		{"https://[::1]:8443/a/", "https://[::1]:8443/a/" + linux64, "--proto =https --proto-redir =https --max-redirs 5"},
		{"http://[::1]", "http://[::1]/" + linux64, "--proto =http --proto-redir =http --max-redirs 0 --noproxy *"},
	} {
		t.Run(tc.base, func(t *testing.T) {
			t.Parallel()
			c := newCheckout(t)
			record := filepath.Join(t.TempDir(), "curl")
			path := before(t, "curl", `echo "$@" >>"`+record+`"; exit 6`)
			got := c.install(t, map[string]string{"BOLTSEAL_DOWNLOAD_BASE": tc.base, "PATH": path})
			url := strings.Replace(tc.url, "VERSION", c.version, 1)
			advice := mirrors + c.version
			if tc.base == "" {
				advice = `try again later, or name a mirror in the input "download-base"`
			}
			got.fails(t, 3, "download "+linux64+" from "+strings.TrimSuffix(url, "/"+linux64)+": no answer (curl exit code 6); next: "+advice)
			body, err := os.ReadFile(record)
			if err != nil {
				t.Fatal(err)
			}
			used := regexp.MustCompile(`--output \S+`).ReplaceAllString(string(body), "--output FILE")
			want := "-q -fsSL --globoff --output FILE --max-filesize 67108864 --retry 3 --retry-connrefused --retry-max-time 60" +
				" --connect-timeout 20 --max-time 300 --speed-limit 1024 --speed-time 60 " + tc.protocols + " " + url + "\n"
			if used != want {
				t.Errorf("got  curl %swant curl %s", used, want)
			}
		})
	}
}

// What curl says may be the server's words.
func TestInstallCurlTalks(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	for _, tc := range []struct{ name, says, want string }{
		{"command", `curl: (6) a\n::set-output name=binary::/evil\n`, "curl: (6) a"},
		{"nothing", ``, "curl exit code 6"},
		{"other words", `a\n::set-output name=binary::/evil\ncurl:\n`, "curl exit code 6"},
		{"older command", `curl: (6) ##[set-output name=binary]/evil`, "curl: (6) ## [set-output name=binary]/evil"},
		{"return", `curl: (6) a\r::set-output name=binary::/evil\r\n\n`, "curl: (6) a?::set-output name=binary::/evil?"},
		{"escapes", `curl: (6) 100%%25 %%0A::add-mask::a`, "curl: (6) 100%25 %0A::add-mask::a"},
		{"control", `curl: (6) \033[31m\342\200\256`, "curl: (6) ?[31m???"},
		{"long", `curl: (6) ` + strings.Repeat("a", 2000), `curl: (6) ` + strings.Repeat("a", 290)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := c.install(t, map[string]string{"PATH": before(t, "curl", "printf '::error::x\\n'; printf '"+tc.says+"' >&2; exit 6")})
			got.fails(t, 3, "download "+linux64+" from "+c.mirror.URL+": no answer ("+tc.want+"); next: "+mirrors+c.version)
		})
	}
}

// The pinned checksum is one well-formed line, or nothing is asked for.
func TestInstallChecksums(t *testing.T) {
	t.Parallel()
	sum := sha256Hex(program)
	line := sum + "  " + linux64 + "\n"
	for _, tc := range []struct{ name, text, cause string }{
		{"empty", "", "it has no line for " + linux64},
		{"others", sum + "  boltseal_linux_arm64\n" + sum + "  x" + linux64 + "\n" + sum + "  " + linux64 + ".exe\n", "it has no line for " + linux64},
		{"twice", line + line, "line 2 is the second one for " + linux64},
		{"two", line + sha256Hex(tampered) + "  " + linux64 + "\n", "line 2 is the second one for " + linux64},
		{"short", sum[1:] + "  " + linux64 + "\n", "line 1 is not a sha256, two spaces and a name"},
		{"long", "0" + line, "line 1 is not a sha256, two spaces and a name"},
		{"capitals", strings.ToUpper(sum) + "  " + linux64 + "\n", "line 1 is not a sha256, two spaces and a name"},
		{"one space", sum + " " + linux64 + "\n", "line 1 is not a sha256, two spaces and a name"},
		{"binary mode", sum + " *" + linux64 + "\n", "line 1 is not a sha256, two spaces and a name"},
		{"no name", sum + "  \n", "line 1 is not a sha256, two spaces and a name"},
		{"carriage return", sum + "  " + linux64 + "\r\n", "line 1 is not a sha256, two spaces and a name"},
		{"path", sum + "  ./" + linux64 + "\n", "line 1 is not a sha256, two spaces and a name"},
		{"another line is malformed", line + "::set-output name=binary::/evil\n", "line 2 is not a sha256, two spaces and a name"},
		{"no checksums", "-", "it cannot be read"},
		{"no line end", strings.TrimSuffix(line, "\n"), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newCheckout(t)
			write(t, c.path("checksums.txt"), tc.text, 0o600)
			if tc.text == "-" {
				if err := os.Remove(c.path("checksums.txt")); err != nil {
					t.Fatal(err)
				}
			}
			got := c.install(t, nil)
			if tc.cause == "" {
				got.asked(t, 1)
				c.leaves(t, c.kept(c.cache))
				return
			}
			got.asked(t, 0)
			got.fails(t, 2, "read checksums.txt: "+tc.cause+"; next: use a released commit of this action")
			c.leaves(t)
		})
	}
}

func TestInstallVersion(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"", "1.2", "v1.2.3", "1.2.3/../..", "../1.2.3", "1.2.3 x", "1.2.3-", "1.2.3\n1.2.4", "1.2.3+x", "::1.2.3"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			c := newCheckout(t)
			write(t, c.path("cli/VERSION"), version+"\n", 0o600)
			got := c.install(t, nil)
			got.asked(t, 0)
			shown := strings.ReplaceAll(version, "\n", "?")
			got.fails(t, 2, `read cli/VERSION: "`+shown+`" is not a version such as 1.2.3; next: use a released commit of this action`)
		})
	}
	c := newCheckout(t)
	write(t, c.path("cli/VERSION"), "1.2.3-rc.1\n", 0o600)
	c.version = "1.2.3-rc.1"
	c.install(t, nil).asked(t, 1)
	c.leaves(t, c.kept(c.cache))
}

func TestInstallPlatforms(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ os, arch, unameS, unameM, file, label string }{
		{os: "Linux", arch: "X64", file: "boltseal_linux_amd64", label: "x64"},
		{os: "Linux", arch: "ARM64", file: "boltseal_linux_arm64", label: "arm64"},
		{os: "macOS", arch: "X64", file: "boltseal_darwin_amd64", label: "x64"},
		{os: "macOS", arch: "ARM64", file: "boltseal_darwin_arm64", label: "arm64"},
		{os: "Windows", arch: "X64", file: "boltseal_windows_amd64.exe", label: "x64"},
		{os: "Windows", arch: "ARM64", file: "boltseal_windows_arm64.exe", label: "arm64"},
		{unameS: "Linux", unameM: "aarch64", file: "boltseal_linux_arm64", label: "arm64"},
		{unameS: "Darwin", unameM: "arm64", file: "boltseal_darwin_arm64", label: "arm64"},
		{unameS: "Darwin", unameM: "x86_64", file: "boltseal_darwin_amd64", label: "x64"},
		{unameS: "MINGW64_NT-10.0-20348", unameM: "x86_64", file: "boltseal_windows_amd64.exe", label: "x64"},
		{os: "Linux", unameM: "amd64", file: "boltseal_linux_amd64", label: "x64"},
		{os: "FreeBSD", arch: "X64"},
		{os: "linux\n::set-output name=binary::/evil", arch: "X64"},
		{unameS: "SunOS", unameM: "x86_64"},
		{os: "Linux", arch: "X86"},
		{os: "Linux", arch: "ARM"},
		{os: "Linux", unameM: "riscv64"},
		{os: "Linux", arch: "../X64"},
	} {
		t.Run(tc.os+tc.arch+tc.unameS+tc.unameM, func(t *testing.T) {
			t.Parallel()
			c := newCheckout(t)
			path := before(t, "uname", `case $1 in -s) echo "`+tc.unameS+`" ;; -m) echo "`+tc.unameM+`" ;; esac`)
			got := c.install(t, map[string]string{"RUNNER_OS": tc.os, "RUNNER_ARCH": tc.arch, "PATH": path})
			if tc.file != "" {
				kept := filepath.Join(c.cache, "boltseal", c.version, tc.label, tc.file)
				got.gives(t, kept, "boltseal "+c.version+": downloaded from "+c.mirror.URL+", sha256 as pinned")
				if want := []string{"GET /" + tc.file}; !slices.Equal(got.requests, want) {
					t.Errorf("requests %q, want %q", got.requests, want)
				}
				c.leaves(t, kept)
				return
			}
			cause := "system " + strings.ReplaceAll(tc.os+tc.unameS, "\n", "?")
			if tc.os == "Linux" {
				cause = "architecture " + tc.arch + tc.unameM
			}
			got.asked(t, 0)
			got.fails(t, 2, "choose the program: there is none for the "+cause+", only for linux, darwin and windows, each for amd64 and arm64"+
				`; next: run on one of those, or build boltseal and name the file in the input "binary"`)
		})
	}
}

// On Windows the runner's folders are written as bash there does not.
func TestInstallWindowsPaths(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	write(t, filepath.Join(c.home, "own.exe"), tampered, 0o700)
	path := before(t, "cygpath", `[ "$1" = -u ] || exit 1
case $2 in
'C:\hostedtoolcache\windows') echo "`+c.cache+`" ;;
'D:\a\_temp') echo "`+c.temp+`" ;;
'D:\own.exe') echo "`+c.home+`/own.exe" ;;
*) echo "::set-output name=binary::/evil" >&2; exit 1 ;;
esac`)
	changes := map[string]string{"RUNNER_OS": "Windows", "RUNNER_TOOL_CACHE": `C:\hostedtoolcache\windows`, "RUNNER_TEMP": `D:\a\_temp`, "PATH": path}
	kept := c.kept(c.cache)
	kept = strings.Replace(kept, linux64, "boltseal_windows_amd64.exe", 1)
	for _, how := range []string{"downloaded from " + c.mirror.URL, "from the tool cache"} {
		c.install(t, changes).gives(t, kept, "boltseal "+c.version+": "+how+", sha256 as pinned")
	}
	c.leaves(t, kept)
	changes["BOLTSEAL_BINARY"] = `D:\own.exe`
	c.install(t, changes).gives(t, c.home+"/own.exe", `boltseal: the file that the input "binary" names, as it is`)
	changes["BOLTSEAL_BINARY"] = `D:\other.exe`
	c.install(t, changes).fails(t, 2, `find the file of the input "binary": D:\other.exe does not exist; next: name an executable file, or leave the input out to use the release`)
}

// Where the tool cache cannot be used, the job's temporary folder is.
func TestInstallPlaces(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	file := filepath.Join(c.home, "file")
	write(t, file, "", 0o600)
	downloaded := "boltseal " + c.version + ": downloaded from " + c.mirror.URL + ", sha256 as pinned"

	for _, cache := range []string{"", file} {
		got := c.install(t, map[string]string{"RUNNER_TOOL_CACHE": cache})
		got.gives(t, c.kept(c.temp), downloaded)
		got.asked(t, 1)
		got = c.install(t, map[string]string{"RUNNER_TOOL_CACHE": cache})
		got.gives(t, c.kept(c.temp), "boltseal "+c.version+": from the tool cache, sha256 as pinned")
		got.asked(t, 0)
		c.leaves(t, c.kept(c.temp))
		if err := os.RemoveAll(filepath.Join(c.temp, "boltseal")); err != nil {
			t.Fatal(err)
		}
	}

	got := c.install(t, map[string]string{"RUNNER_TEMP": ""})
	got.gives(t, c.kept(c.cache), downloaded)
	got.asked(t, 1)

	got = c.install(t, map[string]string{"RUNNER_TOOL_CACHE": "", "RUNNER_TEMP": ""})
	got.fails(t, 2, "choose a folder: neither RUNNER_TOOL_CACHE nor RUNNER_TEMP is set; next: set RUNNER_TEMP to a folder for temporary files")
	got.asked(t, 0)

	got = c.install(t, map[string]string{"RUNNER_TOOL_CACHE": "", "RUNNER_TEMP": file})
	got.fails(t, 2, "download "+linux64+" from "+c.mirror.URL+": no file can be written in "+filepath.Dir(c.kept(file))+
		"; next: make the folder of RUNNER_TEMP writable")
	got.asked(t, 0)
}

// Paths are text from outside, too.
func TestInstallHostilePaths(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	const evil = "a\n::set-output name=binary::/evil\r##[error]x,:%0A"
	const shown = "a?::set-output name=binary::/evil?## [error]x,:%0A"
	parent := t.TempDir()
	dir := parent + "/" + evil
	write(t, dir+"/own", tampered, 0o700)
	for _, end := range []string{"", "/own", "\n"} {
		got := c.install(t, map[string]string{"BOLTSEAL_BINARY": dir + end})
		want := parent + "/" + shown + strings.ReplaceAll(end, "\n", "?")
		got.fails(t, 2, `find the file of the input "binary": the path `+want+" has a control character; next: write the path on one line")
	}
	kept := c.kept(dir)
	got := c.install(t, map[string]string{"RUNNER_TOOL_CACHE": dir})
	shownKept := strings.Replace(kept, evil, shown, 1)
	got.fails(t, 2, `write the output "binary": the path `+shownKept+" has a control character; next: rename that folder or file")
	write(t, kept, tampered, 0o700)
	got = c.install(t, map[string]string{"RUNNER_TOOL_CACHE": dir})
	got.fails(t, 2, `write the output "binary": the path `+shownKept+" has a control character; next: rename that folder or file",
		annotation("warning", "boltseal tool cache", shownKept+" is not the program of boltseal "+c.version+" (sha256 "+sha256Hex(tampered)+
			", pinned is "+sha256Hex(program)+"): it is thrown away; next: find out which job of this runner wrote it"))
	// Without a line break or the like, a path is good whatever it is.
	odd := filepath.Join(t.TempDir(), "é, 100%<<::##[x]\\ 'b'")
	write(t, odd, program, 0o700)
	if got := c.install(t, map[string]string{"BOLTSEAL_BINARY": odd}); got.code != 0 || got.outputs["binary"] != odd || len(got.commands) > 0 {
		t.Errorf("%+v", got)
	}
}

// The step's outputs are all there is to give the path to the next step.
func TestInstallOutputFile(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	got := c.install(t, map[string]string{"GITHUB_OUTPUT": ""})
	got.fails(t, 2, `write the output "binary": GITHUB_OUTPUT is not set; next: run this script as a step of a GitHub Action, as action.yml does`)
	got.asked(t, 0)
	got = c.install(t, map[string]string{"GITHUB_OUTPUT": "/nonexistent\n::x/y"})
	got.fails(t, 2, `write the output "binary": the file of GITHUB_OUTPUT, /nonexistent?::x/y, cannot be written; next: see why the runner gave this step no such file`)
}

// A program in PATH that has the name is not run, nor named.
func TestInstallIgnoresPath(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	trace := filepath.Join(c.home, "ran")
	path := before(t, "boltseal", "echo >"+trace)
	write(t, filepath.Join(filepath.SplitList(path)[0], linux64), "#!/bin/sh\necho >"+trace+"\n", 0o700)
	for range 2 {
		c.install(t, map[string]string{"PATH": path})
		c.leaves(t, c.kept(c.cache))
	}
	c.mirror.answer(status(404))
	if got := c.install(t, map[string]string{"PATH": path, "RUNNER_TOOL_CACHE": ""}); got.code != 2 || len(got.outputs) > 0 {
		t.Errorf("%+v", got)
	}
	if _, err := os.Stat(trace); err == nil {
		t.Error("the program in PATH was run")
	}
}

// macOS may have shasum only; what is missing is said.
func TestInstallTools(t *testing.T) {
	t.Parallel()
	common := []string{"cat", "chmod", "dirname", "mkdir", "mktemp", "mv", "rm", "wc"}
	for _, tc := range []struct {
		name  string
		tools []string
		text  string // BASE stands for the address
	}{
		{"shasum", []string{"curl", "shasum", "perl"}, ""},
		{"no checksums", []string{"curl"}, "check the program: there is neither sha256sum nor shasum; next: install one of them on the runner"},
		{"no curl", []string{"sha256sum"}, "download " + linux64 + ` from BASE: there is no curl; next: install curl on the runner, or name a file in the input "binary"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newCheckout(t)
			got := c.install(t, map[string]string{"PATH": farm(t, append(tc.tools, common...)...)})
			if tc.text == "" {
				got.gives(t, c.kept(c.cache), "boltseal "+c.version+": downloaded from "+c.mirror.URL+", sha256 as pinned")
				c.leaves(t, c.kept(c.cache))
				return
			}
			got.asked(t, 0)
			got.fails(t, 2, strings.Replace(tc.text, "BASE", c.mirror.URL, 1))
		})
	}
}

// Jobs that share a cache do not get in each other's way.
func TestInstallConcurrently(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	const jobs = 8
	together := make(chan struct{})
	var arrived atomic.Int32
	c.mirror.answer(func(w http.ResponseWriter, r *http.Request) {
		if arrived.Add(1) == jobs {
			close(together)
		}
		select {
		case <-together:
			sendHalves(w, nil)
		case <-r.Context().Done():
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all sync.WaitGroup
	for range jobs {
		all.Go(func() {
			output := filepath.Join(t.TempDir(), "output")
			log, err := c.command(ctx, output, nil).CombinedOutput()
			body, readErr := os.ReadFile(output)
			if err != nil || readErr != nil || string(body) != "binary="+c.kept(c.cache)+"\n" {
				t.Errorf("%v, %v, output %q\n%s", err, readErr, body, log)
			}
		})
	}
	all.Wait()
	if seen := c.mirror.requests(); len(seen) != jobs {
		t.Errorf("%d requests, want %d", len(seen), jobs)
	}
	c.leaves(t, c.kept(c.cache))
}

// sendHalves sends the program; what is between its halves is up to between.
func sendHalves(w http.ResponseWriter, between func()) {
	half := len(program) / 2
	send(w, program[:half])
	_ = http.NewResponseController(w).Flush()
	if between != nil {
		between()
	}
	send(w, program[half:])
}

// A job that is cancelled leaves nothing, and does not wait for the server.
// What it was at is beside the program's place, not in it.
func TestInstallCancelled(t *testing.T) {
	t.Parallel()
	for signal, code := range map[syscall.Signal]int{syscall.SIGHUP: 129, syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			if ossignal.Ignored(signal) {
				t.Skip("not checked: in the background this signal is ignored, and a shell cannot change that")
			}
			c := newCheckout(t)
			asked, done := make(chan struct{}), make(chan struct{})
			c.mirror.answer(func(w http.ResponseWriter, _ *http.Request) {
				sendHalves(w, func() {
					close(asked)
					<-done
				})
			})
			defer close(done)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := c.command(ctx, filepath.Join(t.TempDir(), "output"), nil)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			select {
			case <-asked:
			case <-ctx.Done():
				t.Fatal("nobody was asked")
			}
			half, err := filepath.Glob(filepath.Dir(c.kept(c.cache)) + "/.new.*/" + linux64)
			if _, kept := os.Lstat(c.kept(c.cache)); err != nil || len(half) != 1 || kept == nil {
				t.Errorf("half of the program is in %q, and %s: %v", half, c.kept(c.cache), kept)
			}
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != code {
				t.Errorf("%v, want exit code %d", err, code)
			}
			c.leaves(t)
		})
	}
}

// Bash 3.2 is what macOS has, and no test can run it here.
func TestInstallOldBash(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("scripts/install.sh")
	if err != nil {
		t.Fatal(err)
	}
	newer := regexp.MustCompile(`\b(mapfile|readarray|coproc|EPOCH\w+|BASHPID|BASH_ARGV0|lastpipe|globstar|inherit_errexit)\b` +
		`|\b(declare|local|typeset|readonly) -\w*[Angu]|\bwait -\w|\bread -\w*[Ni]\b|\$\{\w+([,^@]|:[^}]*: *-)|\$\{\w+\[-` +
		`|&>>|\|&|;;?&|(\[\[?|test) -v|%\(.*\)T|\\u[0-9a-f]|\{[a-z]+\}[<>]|\$\{!`)
	for i, line := range strings.Split(string(body), "\n") {
		if code := strings.TrimSpace(line); !strings.HasPrefix(code, "#") {
			if found := newer.FindString(code); found != "" {
				t.Errorf("line %d: %q is newer than bash 3.2: %s", i+1, found, code)
			}
		}
	}
	for _, bad := range []string{`mapfile -t x`, `declare -A m`, `local -n r=x`, `echo ${x,,}`, `echo ${x^}`, `echo ${x@Q}`, `a |& b`, `a &>>b`, `wait -n`, `[[ -v x ]]`, `echo ${x[-1]}`, `echo ${x: 0: -1}`} {
		if !newer.MatchString(bad) {
			t.Errorf("%s is not noticed", bad)
		}
	}
}

// A failed installation is in the job summary, as text; where the runner has
// given none, none is made.
func TestInstallSummary(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	file := filepath.Join(c.home, "summary")
	evil := "<img src=x>&amp;\n# PASSED\n`x`|[a](b) ::add-mask::a ##[add-mask]a"
	c.install(t, map[string]string{"GITHUB_STEP_SUMMARY": file, "RUNNER_ARCH": evil})
	if _, err := os.Stat(file); err == nil {
		t.Error("the summary was made")
	}
	write(t, file, "", 0o600)
	if got := c.install(t, map[string]string{"GITHUB_STEP_SUMMARY": file}); got.code != 0 {
		t.Errorf("%+v", got)
	}
	if body, err := os.ReadFile(file); err != nil || len(body) > 0 {
		t.Errorf("an installation that worked says %q (%v)", body, err)
	}
	c.install(t, map[string]string{"GITHUB_STEP_SUMMARY": file, "RUNNER_ARCH": evil})
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := "### Image signature gate: NOT RUN, boltseal could not be installed\n\n" +
		"<pre>choose the program: there is none for the architecture &lt;img src=x&gt;&amp;amp;?# PASSED?`x`|[a](b) ::add-mask::a ## [add-mask]a, " +
		"only for linux, darwin and windows, each for amd64 and arm64</pre>\n\n" +
		"<pre>next: run on one of those, or build boltseal and name the file in the input \"binary\"</pre>\n"
	if string(body) != want {
		t.Errorf("the summary is\n%s\nwant\n%s", body, want)
	}
}
