package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/boltseal/boltseal/audit"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
)

// auditFlags are the flags of boltseal audit.
type auditFlags struct {
	registry registryFlags
	report   string
	metadata []string
	targets  []string
	strict   bool
	output   string
	timeout  time.Duration
}

func (c Command) audit(code *int) *cobra.Command {
	var a auditFlags
	cmd := &cobra.Command{
		Use:   "audit [IMAGE…] [--metadata FILE]… --report FILE",
		Short: "Check, after the build, that it used only images that the gate let in",
		Long: `audit compares what a build says it was made of with the JSON report of the run
of boltseal verify that let its images in. An image is admitted by name and digest,
and has to be the one that the gate let in for its tag, where the gate knows it.

What the build says is BuildKit's provenance: in the file that docker buildx build
and bake write with --metadata-file, or attached to an image that was pushed. It
is the builder's word, and unsigned. With BUILDX_METADATA_PROVENANCE=max, or for
an image provenance mode=max, the build's steps are audited too.

Nothing to audit is no success: a build without provenance fails.

Exit codes: 0 passed, 1 something was not admitted, or not known, 2 bad flag or
input, 3 no answer (a registry could not be asked, or refused access).`,
		Example: `  boltseal verify --report json=gate.json
  BUILDX_METADATA_PROVENANCE=max docker buildx build --metadata-file build.json .
  boltseal audit --metadata build.json --report gate.json

  boltseal audit ghcr.io/acme/app:v1 --report gate.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			*code, err = c.runAudit(cmd.Context(), a, args)
			return err
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&a.report, "report", "", "`FILE` that boltseal verify wrote with --report json=FILE before the build (required)")
	f.StringArrayVar(&a.metadata, "metadata", nil, "`FILE` that docker buildx wrote with --metadata-file, - for standard input; repeatable")
	f.StringArrayVar(&a.targets, "target", nil, "bake `TARGET` that has to be in each of the metadata; repeatable")
	f.BoolVar(&a.strict, "strict", false, "refuse provenance without the build's steps, and sources that are no images, such as Git; the local context may be used")
	f.StringVar(&a.output, "output", "text", "`FORMAT` of what was found: text, or json (docs/audit.md)")
	a.registry.register(f)
	f.DurationVar(&a.timeout, "timeout", 3*time.Minute, "`DURATION` of the whole run, such as 90s")
	return cmd
}

func (c Command) runAudit(ctx context.Context, a auditFlags, args []string) (int, error) {
	uses, err := a.sound(c, args)
	if err != nil {
		return ExitUsage, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, a.timeout, timeoutError{a.timeout})
	defer cancel()
	past, builds, err := c.readWithin(ctx, a)
	if err != nil && ctx.Err() != nil {
		c.warn("audit failed, no answer: read --report and --metadata: " + err.Error())
		fmt.Fprintln(c.Stderr, "  next: look whether who writes them comes to an end, or give more time (--timeout)")
		return ExitNoAnswer, nil
	}
	if errors.Is(err, report.ErrNotPassed) {
		c.warn("audit failed: --report: " + err.Error())
		fmt.Fprintf(c.Stderr, "  next: %s\n", report.Printable(verify.Hint(err)))
		return ExitClosed, nil
	}
	if err != nil {
		return ExitUsage, err
	}
	client, err := a.registry.client(c, uses)
	if err != nil {
		return ExitUsage, err
	}
	for _, u := range uses {
		builds = append(builds, audit.Attached(ctx, client, u.Ref)...)
	}
	var admitted []audit.Admission
	for _, img := range past.Images {
		admitted = append(admitted, audit.Admission{Pinned: img.Pinned, Exempt: img.Exempt})
	}
	r := audit.NewGate(admitted).Audit(builds, audit.Options{Strict: a.strict})
	if a.output == "json" {
		err = report.AuditJSON(c.Stdout, r, past, version())
	} else {
		err = report.AuditText(c.Stdout, r, report.TextOptions{Color: c.colour()})
	}
	switch {
	case err != nil:
		c.warn("write what was found: " + err.Error())
		return ExitNoAnswer, nil
	case r.Passed():
		return ExitPassed, nil
	case r.NoAnswer():
		return ExitNoAnswer, nil
	}
	return ExitClosed, nil
}

// sound checks the flags, and reads the references.
func (a *auditFlags) sound(c Command, args []string) ([]image.Use, error) {
	switch {
	case a.output != "text" && a.output != "json":
		return nil, usagef("--output", "write text or json", "%q is neither text nor json", a.output)
	case a.timeout <= 0:
		return nil, usagef("--timeout", "write a duration such as 2m", "%s is no time at all", a.timeout)
	case a.report == "":
		return nil, usagef("--report", "give the file that boltseal verify wrote with --report json=FILE", "it is not given, so nobody knows what was let in")
	case len(args) == 0 && len(a.metadata) == 0:
		return nil, usagef("", "give --metadata FILE, or the images that were pushed", "there is nothing to audit")
	case len(a.targets) > 0 && len(a.metadata) == 0:
		return nil, usagef("--target", "add --metadata FILE", "targets are looked for in metadata, and there is none")
	}
	stdin := 0
	for _, name := range a.metadata {
		if name == "-" {
			stdin++
		}
	}
	switch {
	case stdin > 1:
		return nil, usagef("--metadata", "give - once", "standard input can be read once only")
	case stdin > 0 && a.registry.passwordStdin:
		return nil, usagef("--metadata", "give the metadata as a file", "standard input can be read once only, and --registry-password-stdin reads it")
	}
	var uses []image.Use
	for _, arg := range args {
		ref, err := image.Parse(arg)
		if info, statErr := os.Stat(filepath.Join(c.Dir, arg)); statErr == nil && info.Mode().IsRegular() {
			return nil, usagef("IMAGE", "write --metadata "+arg, "%q is a file here", arg)
		}
		if err != nil {
			return nil, usagef("IMAGE", "write it as registry/repository@sha256:… or registry/repository:tag", "%w", err)
		}
		uses = append(uses, image.Use{Text: arg, Ref: ref})
	}
	return uses, nil
}

// readWithin reads what the flags name while ctx is not done, and fails when it
// is. A file can be a pipe that nobody ends, and a read cannot be interrupted: it
// is then left alone, until the process ends.
func (c Command) readWithin(ctx context.Context, a auditFlags) (report.Past, []audit.Build, error) {
	type all struct {
		past   report.Past
		builds []audit.Build
		err    error
	}
	done := make(chan all, 1)
	go func() {
		var r all
		if r.past, r.err = c.past(a.report); r.err == nil {
			r.builds, r.err = c.described(a)
		}
		done <- r
	}()
	var r all
	select {
	case <-ctx.Done():
	case r = <-done:
	}
	if ctx.Err() != nil {
		return report.Past{}, nil, context.Cause(ctx)
	}
	return r.past, r.builds, r.err
}

// past reads the report of the run that let images in.
func (c Command) past(name string) (report.Past, error) {
	body, err := readBounded(name, report.MaxJSON)
	if err != nil {
		return report.Past{}, usagef("--report", "give the file that boltseal verify wrote with --report json=FILE", "%w", err)
	}
	past, err := report.Read(body)
	if err != nil && !errors.Is(err, report.ErrNotPassed) {
		return report.Past{}, usagef("--report "+name, verify.Hint(err), "%w", err)
	}
	return past, err
}

// described reads what files say of builds.
func (c Command) described(a auditFlags) ([]audit.Build, error) {
	const next = "give the file that docker buildx wrote with --metadata-file"
	var builds []audit.Build
	for _, name := range a.metadata {
		var body []byte
		var err error
		if name == "-" {
			body, err = io.ReadAll(io.LimitReader(c.Stdin, audit.MaxBytes+1))
		} else {
			body, err = readBounded(name, audit.MaxBytes)
		}
		if err != nil {
			return nil, usagef("--metadata", next, "%w", err)
		}
		found, err := audit.ReadMetadata(name, body, a.targets)
		if err != nil {
			return nil, usagef("--metadata "+name, next, "%w", err)
		}
		builds = append(builds, found...)
	}
	return builds, nil
}

// colour reports whether standard output is to have colours.
func (c Command) colour() bool {
	return terminal(c.Stdout) && c.getenv("NO_COLOR") == "" && c.getenv("TERM") != "dumb"
}
