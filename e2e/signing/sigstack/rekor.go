package sigstack

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix/app"
)

// childVariable is set in the environment of the child that is Rekor v2.
const childVariable = "SIGSTACK_REKOR"

// rekorOrigin is the first line of the log's checkpoints. Clients expect the
// host name of the log's URL there.
const rekorOrigin = "127.0.0.1"

// Child is to be called first by TestMain or main, which returns when Child
// returns true. The program has then been Rekor v2, as a child of itself: the
// server's packages are internal to its module, and its command owns a process.
func Child() bool {
	if os.Getenv(childVariable) == "" {
		return false
	}
	go func() {
		// The parent has the other end, and closes it however it ends.
		_, _ = io.Copy(io.Discard, os.Stdin)
		if self, err := os.FindProcess(os.Getpid()); err == nil {
			_ = self.Kill()
		}
	}()
	app.Execute()
	return true
}

// A rekor is a server of Rekor v2.
type rekor struct {
	key     ed25519.PublicKey
	command *exec.Cmd
	stdin   io.Closer
	dir     string // its tiles
	address *url.URL
}

// startRekor starts one that keeps its state in dir, and waits until it answers.
func startRekor(ctx context.Context, dir string, log *os.File, free *portRange) (*rekor, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	keyFile := filepath.Join(dir, "rekor.key")
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return nil, err
	}
	ports, err := free.freed(3)
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r := &rekor{
		key: public, dir: filepath.Join(dir, "rekor"),
		address: &url.URL{Scheme: "http", Host: net.JoinHostPort("127.0.0.1", ports[0])},
	}
	r.command = exec.Command(program, "serve", //nolint:gosec,noctx // this program; stop ends it
		"--hostname="+rekorOrigin, "--storage-dir="+r.dir, "--signer-filepath="+keyFile,
		"--http-address=127.0.0.1", "--http-port="+ports[0],
		"--grpc-address=127.0.0.1", "--grpc-port="+ports[1], "--http-metrics-port="+ports[2],
		"--batch-max-age=20ms", "--checkpoint-interval=100ms", "--tlog-timeout=2s")
	r.command.Env = append(os.Environ(), childVariable+"=1")
	r.command.Stdout, r.command.Stderr = log, log
	if r.stdin, err = r.command.StdinPipe(); err != nil {
		return nil, err
	}
	if err := r.command.Start(); err != nil {
		return nil, err
	}
	if err := r.wait(ctx, 30*time.Second); err != nil {
		r.stop()
		return nil, fmt.Errorf("%w; see %s", err, log.Name())
	}
	return r, nil
}

// wait returns when the server is healthy.
func (r *rekor) wait(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.address.JoinPath("healthz").String(), nil)
		if err != nil {
			return err
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server is not healthy after %s", limit)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// ServeHTTP answers as the log does in production, where the server takes
// entries, and checkpoint and tiles are files that something else serves.
func (r *rekor) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	name, found := strings.CutPrefix(q.URL.Path, "/api/v2/")
	if found && q.Method == http.MethodGet && (name == "checkpoint" || strings.HasPrefix(name, "tile/")) {
		http.StripPrefix("/api/v2/", http.FileServer(http.Dir(r.dir))).ServeHTTP(w, q)
		return
	}
	httputil.NewSingleHostReverseProxy(r.address).ServeHTTP(w, q) //nolint:gosec // to our own child
}

func (r *rekor) stop() {
	_ = r.stdin.Close()
	_ = r.command.Process.Kill()
	_ = r.command.Wait() // it was killed
}
