package dct_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// A service is a notary-server and its notary-signer, which keep what they are
// given in memory.
type service struct {
	url            string
	signer, server *process
}

// patience is how long a program may take to be ready, or to end.
const patience = 30 * time.Second

// startService starts both on free ports, with their files in dir.
func startService(ctx context.Context, folder, dir string, c *certificates) (*service, error) {
	var s *service
	var err error
	// Somebody else may take a port between the moment that it was found to be
	// free and the one that the program takes it.
	for range 3 {
		if s, err = tryService(ctx, folder, dir, c); !errors.Is(err, errEnded) {
			break
		}
	}
	return s, err
}

func tryService(ctx context.Context, folder, dir string, c *certificates) (_ *service, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	address := func(i int) string { return net.JoinHostPort("127.0.0.1", ports[i]) }
	log, memory := map[string]any{"level": "info"}, map[string]any{"backend": "memory"}

	s := &service{url: "https://" + address(1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(), errors.New(s.logs()))
		}
	}()
	if s.signer, err = startProcess(filepath.Join(folder, "notary-signer"), filepath.Join(dir, "signer.json"), map[string]any{
		"server":  map[string]any{"grpc_addr": address(0), "tls_cert_file": c.certificate, "tls_key_file": c.key, "client_ca_file": c.ca},
		"logging": log, "storage": memory,
	}); err != nil {
		return s, err
	}
	// The server is patient with a signer that is not there yet, but slow to try again.
	if err := s.signer.await(ctx, func() error {
		conn, err := (&tls.Dialer{Config: c.client()}).DialContext(ctx, "tcp", address(0))
		if err != nil {
			return err
		}
		return conn.Close()
	}); err != nil {
		return s, err
	}
	if s.server, err = startProcess(filepath.Join(folder, "notary-server"), filepath.Join(dir, "server.json"), map[string]any{
		"server": map[string]any{"http_addr": address(1), "tls_cert_file": c.certificate, "tls_key_file": c.key},
		"trust_service": map[string]any{
			"type": "remote", "hostname": "127.0.0.1", "port": ports[0], "key_algorithm": "ecdsa",
			"tls_ca_file": c.ca, "tls_client_cert": c.certificate, "tls_client_key": c.key,
		},
		"logging": log, "storage": memory,
	}); err != nil {
		return s, err
	}
	// A key that the server gives is one that the signer has made.
	client := http.Client{Transport: &http.Transport{TLSClientConfig: c.client()}}
	defer client.CloseIdleConnections()
	return s, s.server.await(ctx, func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/v2/ready/_trust/tuf/timestamp.key", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close() //nolint:errcheck // nothing of it is used
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	})
}

func (s *service) processes() []*process {
	var all []*process
	for _, p := range []*process{s.server, s.signer} {
		if p != nil {
			all = append(all, p)
		}
	}
	return all
}

func (s *service) close() error {
	var err error
	for _, p := range s.processes() {
		err = errors.Join(err, p.close())
	}
	return err
}

// What is shown of a log.
const (
	lastLines  = 30
	lineLength = 400
)

// logs returns what both have written last.
func (s *service) logs() string {
	var text string
	for _, p := range s.processes() {
		lines := strings.Split(strings.TrimSpace(p.log.String()), "\n")
		for i, line := range lines {
			lines[i] = fmt.Sprintf("%.*s", lineLength, line)
		}
		text += fmt.Sprintf("%s, the end of its log:\n%s\n", p.name, strings.Join(lines[max(0, len(lines)-lastLines):], "\n"))
	}
	return text
}

// freePorts returns ports of loopback that nobody listens on.
func freePorts(n int) ([]string, error) {
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // loopback does not wait
		if err != nil {
			return nil, err
		}
		defer l.Close() //nolint:errcheck // closed so late that the next one is another
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}

// A process is a program that serves until it is closed.
type process struct {
	name  string
	alive io.Closer // the program ends when it is closed, by whomever
	log   buffer
	ended chan struct{} // closed when the program has ended
	err   error         // how; to be read after that
}

var errEnded = errors.New("it has ended")

// Something ends the program with the shell's standard input: also when this
// process is killed.
const guard = `exec 3<&0; { read -r _ <&3; kill $$; } >/dev/null 2>&1 & exec "$0" -config "$1" </dev/null 3<&-`

// startProcess starts a program with a configuration, which goes to a file.
func startProcess(program, file string, configuration any) (*process, error) {
	text, err := json.Marshal(configuration)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	p := &process{name: filepath.Base(program), ended: make(chan struct{})}
	cmd := exec.Command("sh", "-c", guard, program, file) //nolint:gosec,noctx // it ends when it is told to
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}       // both read variables of theirs
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.alive = stdin
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	go func() {
		defer close(p.ended)
		p.err = cmd.Wait()
	}()
	return p, nil
}

// await asks again and again until the program answers, has ended, or ctx has.
func (p *process) await(ctx context.Context, ask func() error) error {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-p.ended:
			return fmt.Errorf("%s is not ready: %w: %w", p.name, errEnded, p.err)
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %s: %w", p.name, patience, err)
		}
	}
}

// close ends the program, which must not have ended before.
func (p *process) close() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s: %w: %w", p.name, errEnded, p.err)
	default:
	}
	err := p.alive.Close()
	select {
	case <-p.ended:
		return err
	case <-time.After(patience):
		return errors.Join(err, fmt.Errorf("%s does not end", p.name))
	}
}

// A buffer is a bytes.Buffer that may be read while it is written.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
