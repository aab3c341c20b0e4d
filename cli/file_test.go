package cli_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/internal/registrytest"
)

// While a run goes on its files are empty, whatever an earlier one has left.
func TestFilesAreEmptyMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.image(repo)
	dir := t.TempDir()
	files := []string{filepath.Join(dir, "summary.md"), filepath.Join(dir, "report.json"), filepath.Join(dir, "boltseal.sarif"), filepath.Join(dir, "boltseal.xml")}
	for _, f := range files {
		if err := os.WriteFile(f, []byte(strings.Repeat("passed\n", 1<<16)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.reg.Break(registrytest.Fault{Path: "/v2/", Body: func(body []byte) []byte {
		for _, f := range files {
			if got, err := os.ReadFile(f); err != nil || len(got) > 0 {
				t.Errorf("%s has %d bytes while the run goes on (%v)", f, len(got), err)
			}
		}
		return body
	}})
	w.verify(repo+":v1", "--summary-file", files[0], "--report-file", files[1], "--report", "sarif="+files[2], "--report", "junit="+files[3]).want(t, 1, "unsigned")
	for _, f := range files {
		if got, err := os.ReadFile(f); err != nil || len(got) == 0 || strings.Contains(string(got), "passed\npassed") {
			t.Errorf("%s: %q (%v)", f, got, err)
		}
	}
}

// A report never replaces what the run reads, nor the other report, whatever
// the names; nothing waits for a reader; what an earlier run said goes.
func TestFilesOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.signLegacy(repo, w.image(repo), by())
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	old := func(name string) string {
		if err := os.WriteFile(at(name), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		return at(name)
	}
	verify := func(more ...string) (int, string) {
		args := []string{"verify", w.reg.Host() + "/" + repo + ":v1", "--trusted-root", w.root, "--certificate-identity", identity, "--certificate-oidc-issuer", issuer}
		return plain(t, append(args, more...)...)
	}
	if err := os.Link(old("report"), at("link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(w.root, at("root")); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, summary, report, says string }{
		{"same", at("report"), dir + "/./report", "is the file of another report"},
		{"hard link", at("report"), at("link"), "is the file of another report"},
		{"trust root", "", w.root, "is a file that this run reads"},
		{"link to the trust root", "", at("root"), "is a link"},
		{"folder", "", dir, "is a directory"},
		{"no folder", "", at("none/report"), "no such file"},
	} {
		args := []string{"--report-file", tc.report}
		if tc.summary != "" {
			args = append(args, "--summary-file", tc.summary)
		}
		if code, out := verify(args...); code != 2 || !strings.Contains(out, tc.says) || !strings.Contains(out, "next: name a file of its own") {
			t.Errorf("%s: exit %d: %s", tc.name, code, out)
		}
	}
	if n := len(w.reg.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
	if body, err := os.ReadFile(w.root); err != nil || len(body) < 100 {
		t.Errorf("the trust root has %d bytes (%v)", len(body), err)
	}
	// So with --report.
	for _, tc := range []struct{ name, more, says string }{
		{"same", "junit=" + dir + "/./report", "is the file of another report"},
		{"hard link", "sarif=" + at("link"), "is the file of another report"},
		{"trust root", "text=" + w.root, "is a file that this run reads"},
		{"link to the trust root", "markdown=" + at("root"), "is a link"},
		{"folder", "code-quality=" + dir, "is a directory"},
		{"no folder", "json=" + at("none/report"), "no such file"},
	} {
		if code, out := verify("--report", "json="+at("report"), "--report", tc.more); code != 2 || !strings.Contains(out, tc.says) || !strings.Contains(out, "--report: ") {
			t.Errorf("%s: exit %d: %s", tc.name, code, out)
		}
	}
	for _, more := range []string{"", "sarif", "sarif=", "=x", "html=x", "SARIF=x", "sarif =x", at("x")} {
		kept := old("kept")
		if code, out := verify("--report", "json="+kept, "--report", more); code != 2 || !strings.Contains(out, "no format and file") || !strings.Contains(out, "next: write FORMAT=FILE") {
			t.Errorf("--report %q: exit %d: %s", more, code, out)
		}
		if body, err := os.ReadFile(kept); err != nil || string(body) != "old" {
			t.Errorf("--report %q: bad input changed a file: %q (%v)", more, body, err)
		}
	}
	if n := len(w.reg.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
	// The other file must not keep a verdict that this run did not give.
	if code, out := verify("--report-file", old("stale"), "--summary-file", at("none/x")); code != 2 {
		t.Errorf("exit %d: %s", code, out)
	}
	if body, err := os.ReadFile(at("stale")); err != nil || len(body) > 0 {
		t.Errorf("an old report was left: %q (%v)", body, err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	mkfifo(t, at("pipe"))
	done := make(chan string, 1)
	go func() {
		code, out := verify("--report-file", at("pipe"))
		if code != 2 {
			out = "passed: " + out
		}
		done <- out
	}()
	select {
	case out := <-done:
		if !strings.Contains(out, "--report-file") || strings.HasPrefix(out, "passed") {
			t.Error(out)
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits for a reader")
	}
}

// Each format goes to its file, whatever the gate says.
func TestReportFormats(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Options{})
	w.image(repo)
	dir := t.TempDir()
	formats := map[string]string{
		"json": `"passed": false`, "sarif": `"ruleId": "unsigned"`, "junit": `<failure message="unsigned: `, "markdown": "### Image signature gate: BLOCKED", "code-quality": `"check_name": "unsigned"`, "text": "unsigned       ",
	}
	var args []string
	for format := range formats {
		args = append(args, "--report", format+"="+filepath.Join(dir, format+"=1"))
	}
	w.verify(repo+":v1", args...).want(t, 1, "unsigned")
	for format, want := range formats {
		body, err := os.ReadFile(filepath.Join(dir, format+"=1"))
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s (%v), want %s in it", format, body, err, want)
		}
	}
	if body, err := os.ReadFile(filepath.Join(dir, "markdown=1")); err != nil || !strings.Contains(string(body), "json&#61;1") {
		t.Errorf("the summary does not name the JSON report: %s (%v)", body, err)
	}
}
