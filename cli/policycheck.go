package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
)

// checkVersion is the version of the JSON of policy check.
const checkVersion = 1

func (c Command) policyCheck(code *int) *cobra.Command {
	var (
		v    = verifyFlags{mode: "enforce", signatureOn: verify.SignedImage, jobs: 1}
		list bool
	)
	cmd := &cobra.Command{
		Use:   "check [FILE…]",
		Short: "Say what is wrong, and what is doubtful, in policies",
		Long: `check reads policies (default: ` + policyName + ` of the workspace) and says what is
wrong with them, then what is allowed and probably a mistake: patterns that
accept anybody, rules that never count, exceptions that have ended. Each has its
place, the name of its lint and what to do. Keys and trust roots that a policy
names are read. It verifies no image. Nobody is asked for anything but the
policies that a policy extends from elsewhere.

Exit codes: 0 nothing, 1 something is doubtful, 2 a policy cannot be read, 3 what
a policy extends could not be asked for.`,
		Example: `  boltseal policy check
  boltseal policy check .boltseal.yaml team/policy.yaml --output json
  boltseal policy check --list`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := v.sound(); err != nil {
				return err
			}
			if list {
				if len(args) > 0 {
					return usagef("--list", "leave the files out", "it lists what is looked for, and looks at no file")
				}
				return c.listLints(code, v.output)
			}
			checks, err := c.checkPolicies(cmd.Context(), v, args)
			if err != nil {
				return err
			}
			var b bytes.Buffer
			write := checks.text
			if v.output == "json" {
				write = checks.json
			}
			if err := write(&b); err != nil {
				return err
			}
			*code = cmp.Or(c.print(b.Bytes()), checks.code())
			return nil
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&v.output, "output", "text", "`FORMAT` of the list: text, or json (docs/policy-commands.md)")
	f.BoolVar(&list, "list", false, "list what is looked for, by name")
	v.trust.register(f)
	v.registry.register(f)
	f.DurationVar(&v.timeout, "timeout", 3*time.Minute, "`DURATION` of asking for what each policy extends, such as 90s")
	return cmd
}

// A policyCheck is what was found in one policy.
type policyCheck struct {
	file   string
	faults []*yamlshape.Fault // it is no policy if there is one
	silent bool               // the faults are that somebody gave no answer
	doubts []yamlshape.Doubt
}

type policyChecks []policyCheck

// checkPolicies reads the named policies, or that of the workspace.
func (c Command) checkPolicies(ctx context.Context, v verifyFlags, names []string) (policyChecks, error) {
	if len(names) == 0 {
		name, body, err := defaultPolicy(c)
		if err != nil {
			return nil, err
		}
		if body == nil {
			return nil, usagef("", "name a policy, or let boltseal policy init write one", "there is no %s in the workspace", policyName)
		}
		check, err := c.checkPolicy(ctx, v, name, body)
		return policyChecks{check}, err
	}
	var all policyChecks
	for _, name := range names {
		body, err := readPolicy(c.path(name))
		if err != nil {
			return nil, usagef(name, "name policy files; boltseal policy init writes a first one", "%w", err)
		}
		check, err := c.checkPolicy(ctx, v, filepath.ToSlash(name), body)
		if err != nil {
			return nil, err
		}
		all = append(all, check)
	}
	return all, nil
}

func (c Command) checkPolicy(ctx context.Context, v verifyFlags, name string, body []byte) (policyCheck, error) {
	check := policyCheck{file: name}
	systems := newSystems(c, &trusts{command: c, flags: &v.trust}, nil)
	p, err := v.load(ctx, c, systems, name, body)
	bad := (*policy.Error)(nil)
	if errors.As(err, &bad) {
		check.faults, check.silent = bad.Faults(), policy.NoAnswer(err)
		return check, nil
	}
	if err != nil {
		return check, usagef(name, "boltseal policy init writes a first policy", "%w", err)
	}
	check.doubts = p.Lint(c.now())
	if err := p.Prepare(systems.list(), c.now()); errors.As(err, &bad) {
		check.faults = bad.Faults()
	}
	return check, nil
}

func (all policyChecks) code() int {
	code := ExitPassed
	for _, check := range all {
		switch {
		case len(check.faults) > 0 && !check.silent:
			return ExitUsage
		case len(check.faults) > 0:
			code = ExitNoAnswer
		case len(check.doubts) > 0 && code == ExitPassed:
			code = ExitClosed
		}
	}
	return code
}

// text writes a line for each finding, and one below it for what to do.
func (all policyChecks) text(w *bytes.Buffer) error {
	line := func(f *yamlshape.Fault, mark string) {
		fmt.Fprintf(w, "%s:%d:%d: %s%s\n", report.Printable(f.At.File), f.At.Line, f.At.Col, mark, report.Printable(f.Err.Error()))
		if f.Next != "" {
			fmt.Fprintf(w, "  next: %s\n", report.Printable(f.Next))
		}
	}
	for _, check := range all {
		for _, f := range check.faults {
			line(f, "")
		}
		for i := range check.doubts {
			line(&check.doubts[i].Fault, "["+check.doubts[i].Lint+"] ")
		}
		file := report.Printable(check.file)
		switch n := len(check.faults); {
		case check.silent:
			fmt.Fprintf(w, "%s could not be looked at as a whole: no answer\n", file)
		case n > 0:
			fmt.Fprintf(w, "%s cannot be used: %s\n", file, number(n, "fault"))
		case len(check.doubts) > 0:
			fmt.Fprintf(w, "%s can be used, with %s\n", file, number(len(check.doubts), "doubt"))
		default:
			fmt.Fprintf(w, "%s has nothing wrong or doubtful in it\n", file)
		}
	}
	return nil
}

// The JSON of policy check, which docs/policy-commands.md describes.
type (
	checksDoc struct {
		Version  int        `json:"version"`
		Policies []checkDoc `json:"policies"`
	}
	checkDoc struct {
		File   string     `json:"file"`
		Faults []faultDoc `json:"faults"`
		Doubts []faultDoc `json:"doubts"`
	}
	faultDoc struct {
		File    string `json:"file"`
		Line    int    `json:"line"`
		Column  int    `json:"column"`
		Lint    string `json:"lint,omitempty"`
		Message string `json:"message"`
		Next    string `json:"next,omitempty"`
	}
)

func (all policyChecks) json(w *bytes.Buffer) error {
	of := func(f *yamlshape.Fault, lint string) faultDoc {
		return faultDoc{f.At.File, f.At.Line, f.At.Col, lint, f.Err.Error(), f.Next}
	}
	doc := checksDoc{Version: checkVersion, Policies: []checkDoc{}}
	for _, check := range all {
		d := checkDoc{File: check.file, Faults: []faultDoc{}, Doubts: []faultDoc{}}
		for _, f := range check.faults {
			d.Faults = append(d.Faults, of(f, ""))
		}
		for i := range check.doubts {
			d.Doubts = append(d.Doubts, of(&check.doubts[i].Fault, check.doubts[i].Lint))
		}
		doc.Policies = append(doc.Policies, d)
	}
	return report.Value(w, doc)
}

// listLints writes what is looked for.
func (c Command) listLints(code *int, output string) error {
	write := lintsTable
	if output == "json" {
		write = lintsJSON
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	*code = c.print(b.Bytes())
	return nil
}
