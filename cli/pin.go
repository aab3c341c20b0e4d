package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
)

// pinFlags are the flags of boltseal pin.
type pinFlags struct {
	verifyFlags // less mode and reports: what is closed is written nowhere

	update, check bool
}

func (c Command) pin(code *int) *cobra.Command {
	var p pinFlags
	cmd := &cobra.Command{
		Use:   "pin [PATH…]",
		Short: "Verify images, then write their digests into the files that use them",
		Long: `pin verifies the images of a workspace as boltseal verify does, and then writes
the digest that was verified behind each reference that has none: in Dockerfiles,
Compose files, bake files, workflows, and Kubernetes manifests where they are
asked for. Nothing else in the files changes, and where one image does not pass,
nothing changes at all.

With --update, references that have a digest get the one that their tag has now,
once that is verified. With --check, nothing is written: what would be is shown
as a diff, and is an error.

What cannot be rewritten without a doubt is left alone, and listed.

Exit codes: 0 all that can be read have their digests, 1 gate closed, or references are left
without (with --check: there is something to do), 2 bad flag, input or policy,
3 no answer, or files that could not be written.`,
		Example: `  boltseal pin
  boltseal pin Dockerfile --build-arg TAG=v1 --policy .boltseal.yaml
  boltseal pin --check
  boltseal pin --update --key cosign.pub`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			*code, err = c.runPin(cmd.Context(), p, args)
			return err
		},
	}
	p.register(cmd.Flags())
	return cmd
}

func (p *pinFlags) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.BoolVar(&p.check, "check", false, "write nothing; exit 1 with a diff where there is something to do")
	f.BoolVar(&p.update, "update", false, "replace digests by those that the tags have now")
	p.registerDemand(f, func(f *pflag.FlagSet) {
		f.StringVar(&p.policy.lock, "lock", "", "`FILE` that remembers who signed each image; another signer fails. It is only read: boltseal verify writes it")
	})
	f.StringVar(&p.output, "output", "text", "`FORMAT` of what is printed: text, or json (docs/pin.md)")
	p.registerPace(f)
	p.mode = "enforce"
}

func (c Command) runPin(ctx context.Context, p pinFlags, args []string) (int, error) {
	w, err := pinSpace(c, slices.Concat(args, p.scan.files), p.scan.exclude)
	if err != nil {
		return ExitUsage, byPath(err, p.scan.files)
	}
	root, err := w.root()
	if err != nil {
		return ExitUsage, byPath(err, p.scan.files)
	}
	defer root.Close() //nolint:errcheck // each file that was written has been closed
	run, err := c.preparePin(ctx, p, w, root.FS())
	if err != nil {
		return ExitUsage, byPath(err, p.scan.files)
	}
	progress := c.progress()
	r, about := run.check(ctx, progress.step)
	progress.end()
	if !r.Passed() {
		if err := c.notPinned(p, r, about); err != nil {
			c.warn("write the report: " + err.Error())
			return ExitNoAnswer, nil
		}
		return exitCode(r, about), nil
	}
	plan, err := run.plan(c, r)
	if err == nil && !p.check {
		var litter []string
		litter, err = replaceFiles(c.disk(root), plan.replacements())
		for _, name := range litter {
			c.warn("the temporary file " + w.named(name) + " could not be removed")
		}
	}
	if u := (*usageError)(nil); errors.As(err, &u) {
		return ExitUsage, err
	}
	if err != nil {
		return c.nothingPinned(err), nil
	}
	pins := plan.report(p, about)
	if err := c.pinned(p, plan, pins, r, about); err != nil {
		what := "say what was pinned, though it was: "
		if p.check {
			what = "say what is to be pinned: "
		}
		c.warn(what + err.Error())
		return ExitNoAnswer, nil
	}
	if !pins.Passed() {
		return ExitClosed, nil
	}
	return ExitPassed, nil
}

func (c Command) disk(root *os.Root) disk {
	if c.write == nil {
		return rootDisk{root}
	}
	return c.write(rootDisk{root})
}

// nothingPinned says why nothing was written although the gate let it, and
// returns the exit code.
func (c Command) nothingPinned(err error) int {
	c.warn("pin: " + err.Error())
	if hint := verify.Hint(err); hint != "" {
		fmt.Fprintf(c.Stderr, "  next: %s\n", report.Printable(hint))
	}
	return ExitNoAnswer
}

// notPinned reports a run that did not pass.
func (c Command) notPinned(p pinFlags, r gate.Report, about report.Run) error {
	if p.output == "json" {
		return report.PinsJSON(c.Stdout, report.Pins{Check: p.check, Update: p.update}, r, about)
	}
	about.Handover = []string{"nothing was pinned"}
	return c.report(r, p.verifyFlags, about)
}

// pinned reports what was written, or would be.
func (c Command) pinned(p pinFlags, plan pinPlan, pins report.Pins, r gate.Report, about report.Run) error {
	if p.output == "json" {
		return report.PinsJSON(c.Stdout, pins, r, about)
	}
	c.tell(about.Warnings)
	to := c.Stdout
	if p.check && !pins.Clean() { // standard output is for the diff
		to = c.Stderr
		var diff bytes.Buffer
		for _, x := range plan.changes {
			diff.Write(x.Diff())
		}
		if err := report.PinsDiff(c.Stdout, diff.Bytes()); err != nil {
			return err
		}
	}
	return report.PinsText(to, pins)
}

// preparePin finds everything that can be wrong with the input.
func (c Command) preparePin(ctx context.Context, p pinFlags, w workspace, fsys fs.FS) (*pinRun, error) {
	run := &pinRun{flags: p, space: w, fsys: fsys}
	v, err := c.prepareFor(ctx, p.verifyFlags, false, func(v *verification) error {
		if err := run.scan(c); err != nil {
			return err
		}
		v.add(c, run.found)
		v.uses = append(v.uses, run.byTag()...) // rules are chosen for both
		return nil
	})
	if err != nil {
		return nil, err
	}
	if v.lock.isNew {
		return nil, usagef("--lock", "write it with boltseal verify --lock, or leave the flag out", "there is no lock %s, and boltseal pin does not write one", p.policy.lock)
	}
	run.verification = v
	v.uses = run.ask()
	run.judge = func(uses []image.Use) (gate.Rules, error) {
		rules, _, err := v.demand.rules(uses, v.client, c.now())
		return rules, err
	}
	return run, nil
}

// report returns the plan for people and programs. Warnings about images that are
// used and not known say what nobody has looked at.
func (p pinPlan) report(flags pinFlags, about report.Run) report.Pins {
	pins := report.Pins{Check: flags.check, Update: flags.update, Pinned: p.whole, Kept: p.kept, Refused: p.refused}
	for _, w := range about.Warnings {
		if w.Kind != "" {
			pins.Unknown++
		}
	}
	for _, x := range p.changes {
		for _, e := range x.Edits {
			pins.Rewritten = append(pins.Rewritten, report.Pin{At: e.At, Old: e.Old, New: e.New, Exempt: e.Exempt})
		}
	}
	return pins
}
