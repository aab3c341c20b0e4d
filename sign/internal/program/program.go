// Package program runs the programs that keep keys. It bounds what they write, and
// gives them nothing of ours.
package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"
)

// waitDelay is how long a program that ended, or was stopped, is waited for to
// have closed what it writes to: what it has started may hold that open.
const waitDelay = time.Second

// What became of a program, for errors.Is.
var (
	// ErrNotFound is that of a name that is not on PATH, or a path that leads
	// nowhere.
	ErrNotFound = errors.New("there is no such program")
	// ErrStopped is that of a program that was still at work when its context
	// ended.
	ErrStopped = errors.New("was stopped")
)

// A Call is what a program is run with.
type Call struct {
	Args  []string
	Stdin []byte
	// MaxOut and MaxNoise bound what is kept of what it writes to standard output
	// and standard error, in bytes.
	MaxOut, MaxNoise int
}

// An Output is what a program wrote, up to its bounds.
type Output struct {
	Out, Noise    []byte
	Cut, NoiseCut bool // there was more
	Status        int
}

// Find returns an error, [ErrNotFound], unless there is a program of that path, or of
// that name on PATH.
func Find(name string) error {
	if _, err := exec.LookPath(name); err != nil {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return nil
}

// Run runs a program, by path or by name on PATH, and waits until it has ended or
// ctx has. An error says that it did not run to an end of its own; the Status
// that it ended with is none. The program gets our environment, as it has the
// credentials of its own service there, less what is for us. What it has started
// ends with it where there are process groups (unix): it knows what the program
// was told.
func Run(ctx context.Context, name string, c Call) (Output, error) {
	out, noise := beginning{most: c.MaxOut}, beginning{most: c.MaxNoise}
	cmd := exec.CommandContext(ctx, name, c.Args...) //nolint:gosec // what the user names
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(c.Stdin), &out, &noise
	cmd.WaitDelay = waitDelay
	cmd.Env = withoutOurs(cmd.Environ())
	end := together(cmd)
	err := cmd.Run()
	end()
	o := Output{Out: out.kept, Noise: noise.kept, Cut: out.cut, NoiseCut: noise.cut}
	exited := (*exec.ExitError)(nil)
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, exec.ErrDot), errors.Is(err, fs.ErrNotExist):
		return o, fmt.Errorf("%w: %w", ErrNotFound, err)
	case ctx.Err() != nil:
		return o, fmt.Errorf("%w: %w", ErrStopped, context.Cause(ctx))
	case errors.As(err, &exited) && exited.ExitCode() > 0:
		o.Status = exited.ExitCode()
	case errors.Is(err, exec.ErrWaitDelay):
		// It ended, and something it started did not. The answer is there.
	case err != nil && !o.Cut:
		return o, err
	}
	return o, nil
}

// withoutOurs returns the environment of a program: the keys, passwords and
// tokens that are for us are none of its business. In the Action all inputs are in
// BOLTSEAL_INPUTS, since a composite action has no INPUT_ variables. A variable
// that a flag names as env://NAME is not among them: where a program keeps the key,
// there is neither such a key nor such a token.
func withoutOurs(env []string) []string {
	return slices.DeleteFunc(env, func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		switch name = strings.ToUpper(name); name {
		case "COSIGN_PASSWORD", "COSIGN_PRIVATE_KEY", "SIGSTORE_ID_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_RUNTIME_TOKEN", "NOTARY_AUTH":
			return true
		}
		if strings.HasSuffix(name, "_PASSPHRASE") && (strings.HasPrefix(name, "DOCKER_CONTENT_TRUST_") || strings.HasPrefix(name, "NOTARY_")) {
			return true // of docker's and notary's keys, whatever their role
		}
		return strings.HasPrefix(name, "INPUT_") || strings.HasPrefix(name, "BOLTSEAL_")
	})
}

// Credentials returns what of the environment that programs get is secret by its
// name: some repeat it where they cannot log in, and no error is to. What is
// shorter than four bytes is no secret, nor is the name of a file.
func Credentials() []string {
	var values []string
	secret := regexp.MustCompile(`(?:^|_)(?:[A-Z]*TOKEN|[A-Z]*SECRET|[A-Z]*PASSWORD|PASSWD|PASS|PWD|[A-Z]*PASSPHRASE|PIN|[A-Z]*KEY|CREDENTIALS?|SECRET_ID)$`)
	for _, v := range withoutOurs(new(exec.Cmd).Environ()) {
		name, value, _ := strings.Cut(v, "=")
		name = strings.ToUpper(name)
		if len(value) >= 4 && secret.MatchString(name) && name != "PWD" && name != "OLDPWD" && name != "GOOGLE_APPLICATION_CREDENTIALS" {
			values = append(values, value)
		}
	}
	return values
}

// A beginning keeps the beginning of what is written to it.
type beginning struct {
	kept []byte
	most int
	cut  bool // there was more
}

func (h *beginning) Write(p []byte) (int, error) {
	take := min(len(p), h.most-len(h.kept))
	h.kept = append(h.kept, p[:take]...)
	h.cut = h.cut || take < len(p)
	return len(p), nil
}
