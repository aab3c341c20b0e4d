// Command boltseal checks that the images a container build pulls are signed by
// whom they should be, and binds the build to exactly those bytes.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/boltseal/boltseal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the run in good order, the second one at once: what
	// waits for a pipe that nobody writes does not look at ctx.
	context.AfterFunc(ctx, stop)
	c := cli.Command{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, LookupEnv: os.LookupEnv}
	code := c.Main(ctx, os.Args)
	stop()
	os.Exit(code)
}
