//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// runnerArg makes this program a runner. The process that holds the registry
// must not start the measured ones itself: until a child has loaded its
// program it shares its parent's memory, and the kernel counts that for the
// child. A runner is small.
const runnerArg = "-runner-"

type order struct{ Args, Env []string }

// A sample is one run of a tool.
type sample struct {
	Wall, CPU time.Duration
	RSS       int64 // the most it had, in bytes
	Code      int
	Output    string // of both streams

	requests int
}

// runner runs one order after the other.
func runner(in io.Reader, out io.Writer) error {
	orders, samples := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var o order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		s, err := once(o)
		if err != nil {
			return err
		}
		if err := samples.Encode(s); err != nil {
			return err
		}
	}
}

func once(o order) (sample, error) {
	output, err := os.CreateTemp("", "boltseal-bench-") // a pipe would have to be emptied meanwhile
	if err != nil {
		return sample{}, err
	}
	defer os.Remove(output.Name()) //nolint:errcheck // in the directory for such files
	defer output.Close()           //nolint:errcheck // written by another process
	cmd := exec.CommandContext(context.Background(), o.Args[0], o.Args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = o.Env, output, output
	start := time.Now()
	err = cmd.Run()
	s := sample{Wall: time.Since(start)}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return s, err
	}
	s.Code = cmd.ProcessState.ExitCode()
	s.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.RSS = int64(u.Maxrss) //nolint:unconvert // 32 bits wide on some systems
		if runtime.GOOS != "darwin" && runtime.GOOS != "ios" {
			s.RSS *= 1024
		}
	}
	text, err := os.ReadFile(output.Name())
	s.Output = string(text[:min(len(text), 8000)])
	return s, err
}

// A client gives orders to a runner.
type client struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	orders  *json.Encoder
	samples *json.Decoder
	home    string
}

func startRunner(home string) (*client, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &client{cmd: exec.CommandContext(context.Background(), self, runnerArg), home: home}
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.orders, c.samples = json.NewEncoder(c.in), json.NewDecoder(out)
	return c, c.cmd.Start()
}

// do runs args in an environment of its own.
func (c *client) do(args, env []string) (sample, error) {
	var s sample
	env = append([]string{"HOME=" + c.home, "PATH=" + os.Getenv("PATH")}, env...)
	if err := c.orders.Encode(order{args, env}); err != nil {
		return s, fmt.Errorf("runner: %w", err)
	}
	if err := c.samples.Decode(&s); err != nil {
		return s, fmt.Errorf("runner: %w", err)
	}
	return s, nil
}

func (c *client) close() {
	_ = c.in.Close()
	_ = c.cmd.Wait()
}
