// Package cli is the program: it reads flags and the environment, joins the
// stages, and turns their results into output and an exit code.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/boltseal/boltseal/handover"
	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/scanreport"
)

// Exit codes, part of the interface.
const (
	ExitPassed   = 0 // every image passed
	ExitClosed   = 1 // an image did not, or is not to be signed
	ExitUsage    = 2 // bad flag, input, policy file or key
	ExitNoAnswer = 3 // a registry, log, trust root or signing service could not be asked
)

// docs is where the documentation is for those who have the program only.
const docs = "https://github.com/boltseal/boltseal/blob/main/docs/"

// A Command is one invocation. Nothing below it touches the process's own
// streams, environment or exit.
type Command struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	LookupEnv      func(name string) (value string, ok bool)

	// Dir is the workspace; "" is the current directory.
	Dir string

	// Now is the time of the run, by which exceptions end; nil means the clock's.
	Now func() time.Time

	// Forms are what --handover can write; nil means [handover.Forms].
	Forms []handover.Form

	// Sleep waits before a request is repeated; nil means that time passes.
	Sleep func(context.Context, time.Duration) error

	// write stands between pin and the files that it replaces; nil: nothing does.
	write func(disk) disk
}

// Main runs the command line args, program name first, and returns its exit
// code.
func (c Command) Main(ctx context.Context, args []string) int {
	code := ExitPassed
	showVersion := false
	root := &cobra.Command{
		Use:   "boltseal",
		Short: "Check who signed the images a build pulls, and sign what was built",
		Long: `boltseal checks that container images are signed by whom they should be, binds a
build to exactly the bytes that were verified, and signs what was built.

Exit codes: 0 passed, 1 gate closed, 2 bad flag or input, 3 no answer (a
registry or the trust root could not be asked, or refused access).`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if showVersion {
				_, err := fmt.Fprintf(c.Stdout, "boltseal %s\n", version())
				return err
			}
			return usagef("", "say what to do, such as boltseal verify IMAGE; boltseal --help lists the commands", "no command was given")
		},
	}
	// Not cobra's own flag: a template of ours for it would keep every exported
	// method of the program, since templates call methods by name (6.5 MB).
	root.Flags().BoolVarP(&showVersion, "version", "v", false, "print the version")
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetArgs(args[1:])
	root.SetIn(c.Stdin)
	root.SetOut(c.Stdout)
	root.SetErr(c.Stderr)
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(c.commands(args[1:], &code)...)
	if err := root.ExecuteContext(ctx); err != nil {
		return c.fail(cmp.Or(unknownCommand(root, args[1:]), err))
	}
	return code
}

// commands returns all subcommands; only the one that args name where they begin
// with it. To make all of them, with their flags, takes a tenth of the start.
func (c Command) commands(args []string, code *int) []*cobra.Command {
	known := []struct {
		name string
		make func(*int) *cobra.Command
	}{
		{"verify", c.verify}, {"scan", c.scan}, {"pin", c.pin}, {"sign", c.sign}, {"policy", c.policyCommand}, {"audit", c.audit}, {"trust", c.trust},
		{"action", c.action}, {"verify-bundle", c.verifyBundle}, {"sign-bundle", c.signBundle},
		{"version", func(*int) *cobra.Command { return c.version() }},
	}
	for _, k := range known {
		if len(args) > 0 && args[0] == k.name {
			return []*cobra.Command{k.make(code)}
		}
	}
	var all []*cobra.Command
	for _, k := range known {
		all = append(all, k.make(code))
	}
	return all
}

// getenv returns the value of an environment variable, "" if it has none.
func (c Command) getenv(name string) string {
	value, _ := c.LookupEnv(name)
	return value
}

func (c Command) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// warn writes a sentence of ours to standard error.
func (c Command) warn(text string) {
	fmt.Fprintf(c.Stderr, "boltseal: %s\n", report.Printable(text))
}

// warnLines writes the lines of a text, as what is printed has no line ends.
func (c Command) warnLines(text string) {
	for line := range strings.Lines(text) {
		c.warn(strings.TrimSuffix(line, "\n"))
	}
}

// fail says what is wrong with the invocation. Whatever is wrong with an image
// is in the report instead.
func (c Command) fail(err error) int {
	var (
		p *policy.Error
		a *scanreport.AllowError
	)
	switch {
	case errors.As(err, &p):
		c.warnLines(p.Error())
	case errors.As(err, &a):
		c.warnLines(a.Error())
	default:
		c.warn(err.Error())
	}
	var u *usageError
	if !errors.As(err, &u) {
		fmt.Fprintln(c.Stderr, "  next: boltseal --help lists the commands")
		return ExitUsage
	}
	if u.next != "" {
		fmt.Fprintf(c.Stderr, "  next: %s\n", report.Printable(u.next)) // it may quote the input
	}
	return refused(err)
}

// refused returns the exit code of an invocation that came to nothing: it was
// wrong, unless a policy that it builds on could not be had.
func refused(err error) int {
	if policy.NoAnswer(err) {
		return ExitNoAnswer
	}
	return ExitUsage
}

// A usageError is bad input: it names the flag and what to write instead.
type usageError struct {
	flag, next string
	err        error
}

func (e *usageError) Error() string {
	if e.flag == "" {
		return e.err.Error()
	}
	return e.flag + ": " + e.err.Error()
}

func (e *usageError) Unwrap() error { return e.err }

func usagef(flag, next, format string, args ...any) error {
	return &usageError{flag, next, fmt.Errorf(format, args...)}
}

// terminal reports whether w is one, which colour and progress depend on.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
