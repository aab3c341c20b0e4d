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

	"golang.org/x/sync/errgroup"
)

// runnerArg makes this program a runner. The process that holds the registry
// must not start the measured ones itself: until a child has loaded its
// program it shares its parent's memory, and the kernel counts that for the
// child. A runner is small.
const runnerArg = "-runner-"

// An order is calls of a tool, so many of them at a time.
type order struct {
	Calls   [][]string
	AtATime int
	Env     []string
}

// A sample is one run of a tool, which may take several calls.
type sample struct {
	Wall   time.Duration // from the start of the first call to the end of the last
	CPU    time.Duration // of all
	RSS    int64         // the most that any of them had, in bytes
	Code   int           // of the first that failed
	Output string        // of both its streams

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
		s, err := all(o)
		if err != nil {
			return err
		}
		if err := samples.Encode(s); err != nil {
			return err
		}
	}
}

// all makes all the calls of an order.
func all(o order) (sample, error) {
	samples := make([]sample, len(o.Calls))
	var group errgroup.Group
	group.SetLimit(o.AtATime)
	start := time.Now()
	for i, args := range o.Calls {
		group.Go(func() (err error) {
			samples[i], err = once(args, o.Env)
			return err
		})
	}
	err := group.Wait()
	sum := sample{Wall: time.Since(start)}
	for _, s := range samples {
		sum.CPU += s.CPU
		sum.RSS = max(sum.RSS, s.RSS)
		if sum.Code == 0 {
			sum.Code, sum.Output = s.Code, s.Output
		}
	}
	return sum, err
}

func once(args, env []string) (sample, error) {
	output, err := os.CreateTemp("", "boltseal-bench-") // a pipe would have to be emptied meanwhile
	if err != nil {
		return sample{}, err
	}
	defer os.Remove(output.Name()) //nolint:errcheck // in the directory for such files
	defer output.Close()           //nolint:errcheck // written by another process
	cmd := exec.CommandContext(context.Background(), args[0], args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, output, output
	err = cmd.Run()
	var s sample
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

// do makes calls, so many at a time, in an environment of its own.
func (c *client) do(calls [][]string, atATime int, env []string) (sample, error) {
	var s sample
	env = append([]string{"HOME=" + c.home, "PATH=" + os.Getenv("PATH")}, env...)
	if err := c.orders.Encode(order{calls, atATime, env}); err != nil {
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
