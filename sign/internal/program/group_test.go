//go:build unix

package program

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What a program has started ends with it, whoever ended it.
func TestRunLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, stopped := range map[string]bool{"ends": false, "is stopped": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			held, pid := filepath.Join(dir, "held"), filepath.Join(dir, "pid")
			if err := syscall.Mkfifo(held, 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			gone := make(chan error, 1)
			go func() {
				f, err := os.Open(held)
				if err != nil {
					gone <- err
					return
				}
				defer func() { _ = f.Close() }()
				if stopped {
					if _, err := f.Read(make([]byte, 1)); err != nil {
						t.Error(err)
					}
					cancel()
				}
				_, err = io.Copy(io.Discard, f) // until nobody has it open
				gone <- err
			}()
			text := "exec 3>'" + held + "'; tail -f /dev/null >/dev/null 2>&1 & echo $! >'" + pid + "'; echo >&3; "
			if stopped {
				text += "wait"
			}
			_, err := Run(ctx, "/bin/sh", Call{Args: []string{"-c", text}, MaxOut: 1, MaxNoise: 1})
			if stopped != errors.Is(err, ErrStopped) || !stopped && err != nil {
				t.Error(err)
			}
			select {
			case err := <-gone:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(20 * time.Second):
				left, _ := os.ReadFile(pid)
				t.Errorf("what it has started is still there: process %s", strings.TrimSpace(string(left)))
			}
		})
	}
}

// A program sees nothing that is for us.
func TestRunEnvironment(t *testing.T) {
	const ours = "for-us-only"
	for _, name := range []string{
		"BOLTSEAL_INPUTS", "BOLTSEAL_ANYTHING", "boltseal_inputs", "COSIGN_PASSWORD", "COSIGN_PRIVATE_KEY", "SIGSTORE_ID_TOKEN",
		"ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_RUNTIME_TOKEN", "INPUT_REGISTRY-PASSWORD",
		"DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "DOCKER_CONTENT_TRUST_TAGGING_PASSPHRASE", "DOCKER_CONTENT_TRUST_OFFLINE_PASSPHRASE",
		"NOTARY_ROOT_PASSPHRASE", "NOTARY_TARGETS_PASSPHRASE", "NOTARY_SNAPSHOT_PASSPHRASE", "NOTARY_DELEGATION_PASSPHRASE", "NOTARY_AUTH",
	} {
		t.Setenv(name, ours)
	}
	t.Setenv("VAULT_TOKEN", "its-own")
	t.Setenv("DOCKER_CONTENT_TRUST_SERVER", "https://notary.example")
	out, err := Run(t.Context(), "/usr/bin/env", Call{MaxOut: 1 << 20, MaxNoise: 1})
	if text := string(out.Out); err != nil || strings.Contains(text, ours) || !strings.Contains(text, "VAULT_TOKEN=its-own") || !strings.Contains(text, "DOCKER_CONTENT_TRUST_SERVER=") {
		t.Errorf("%v: %s", err, text)
	}
}

// What programs may not repeat is what is secret by its name, and not more: an
// error that says nothing helps nobody.
func TestCredentials(t *testing.T) {
	for _, name := range []string{
		"VAULT_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_CLIENT_SECRET", "AZURE_PASSWORD", "GOOGLE_CREDENTIALS", "VAULT_SECRET_ID",
		"PKCS11_PIN", "db_passwd", "TOKEN", "SSH_KEY", "APIKEY", "HSM_PASS", "GPG_PASSPHRASE",
	} {
		t.Setenv(name, "secret of "+name)
	}
	for _, name := range []string{"VAULT_ADDR", "AWS_REGION", "GOOGLE_APPLICATION_CREDENTIALS", "KEY_ID", "AWS_PROFILE", "SECRET_NAME", "TOKENIZER", "PWD", "OLDPWD", "COSIGN_PASSWORD"} {
		t.Setenv(name, "shown of "+name)
	}
	t.Setenv("A_TOKEN", "yes")
	all := strings.Join(Credentials(), "\n")
	if strings.Contains(all, "shown of") || strings.Contains(all, "yes") || strings.Count(all, "secret of") != 14 {
		t.Errorf("%s", all)
	}
}
