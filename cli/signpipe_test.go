//go:build unix

package cli_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/boltseal/boltseal/cli"
	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// An input that is a pipe is read, and the end of the run ends the wait for one
// that nobody writes.
func TestSignPipe(t *testing.T) {
	t.Parallel()
	w := newSignWorld(t, registrytest.Options{}, sigstoretest.Without{})
	img := w.at("team/app")
	pipe := filepath.Join(w.dir, "pipe")
	mkfifo(t, pipe)
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(pipe, []byte(spdx), 0o600) }() // such as <(syft …)
	if r, doc := w.signJSON(img, "--attest", "spdx=pipe"); r.code != 0 || len(doc.Signed) != 2 {
		t.Errorf("exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}

	key, _ := w.private("release", "")
	notation := []string{"--system", "notation", "--key", key, "--certificate-chain"}
	for _, args := range [][]string{
		{"--key", "pipe"}, {"--attest", "spdx=pipe"}, {"--require-gate", "pipe"}, {"--scan-report", "pipe"}, append(notation, "pipe"),
		append(notation, "release.pem", "--timestamp-url", "http://127.0.0.1:1", "--timestamp-root-cert", "pipe"),
	} {
		if args[0] != "--system" {
			args = append(args, w.flags()...)
		}
		var out, errs bytes.Buffer
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("that was all"))
		w.reset()
		c := cli.Command{Dir: w.dir, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Now: func() time.Time { return now }, LookupEnv: func(name string) (string, bool) { v, ok := w.env[name]; return v, ok }}
		code := c.Main(ctx, append([]string{"boltseal", "sign", img}, args...))
		if said := errs.String(); code != 2 || !strings.Contains(said, "read what the flags name: that was all") || !strings.Contains(said, "next: see whether one of the files is a pipe that nobody writes") {
			t.Errorf("%q: exit %d: %s%s", args, code, out.String(), said)
		}
		if asked := w.services.Requests() + len(w.reg.Requests()); asked != 0 {
			t.Errorf("%q: %d requests", args, asked)
		}
		// What is still reading ends, too.
		f, err := os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		for most := 1 << 20; most > 0 && errors.Is(err, syscall.ENXIO); most-- {
			runtime.Gosched()
			f, err = os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
