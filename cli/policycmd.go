package cli

import (
	"bytes"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/boltseal/boltseal/internal/spelling"
	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/report"
)

// policyCommand is boltseal policy, what people do with a policy besides
// verifying by it.
func (c Command) policyCommand(code *int) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Write, check and test a policy",
		Long: `policy has the commands for a policy file, which says who must have signed
which image. boltseal verify reads ` + policyName + ` of the workspace, or the
file that --policy names.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("", "say which, such as boltseal policy check; boltseal policy --help lists them", "no command was given")
			}
			var names []string
			for _, sub := range cmd.Commands() {
				names = append(names, sub.Name())
			}
			next := "boltseal policy --help lists them"
			if near := spelling.Nearest(args[0], names); near != "" {
				next = "did you mean boltseal policy " + near + "?"
			}
			return usagef("", next, "boltseal policy has no command %q", args[0])
		},
	}
	cmd.AddCommand(c.policyCheck(code), c.policyInit(code), c.policyTest(code), c.policyPublishers(code), c.policySchema(code))
	return cmd
}

func (c Command) policySchema(code *int) *cobra.Command {
	tests := false
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of policy files",
		Long: `schema prints the JSON Schema of policy files, which editors complete and check
them by. docs/policy.schema.json has the same text, and
docs/policy-test.schema.json that of files of cases.`,
		Example: `  boltseal policy schema > policy.schema.json
  boltseal policy schema --cases`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text, err := policy.Schema(c.forms())
			if tests {
				var b bytes.Buffer
				err = report.Value(&b, testSchema())
				text = b.Bytes()
			}
			if err != nil {
				return err
			}
			*code = c.print(text)
			return nil
		},
	}
	cmd.Flags().BoolVar(&tests, "cases", false, "print the one of the files that boltseal policy test reads")
	return cmd
}

// forms returns the ways of signing for who only reads a policy.
func (c Command) forms() []policy.System {
	all := newSystems(c, nil, nil).list()
	for i := range all {
		all[i].Verifier = nil
	}
	return all
}

// aligned writes lines whose columns are parted by tabs.
func aligned(w *bytes.Buffer, lines []byte) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := t.Write(lines); err != nil {
		return err
	}
	return t.Flush()
}

// print writes what a command is for to standard output, and returns the exit
// code.
func (c Command) print(text []byte) int {
	if _, err := c.Stdout.Write(text); err != nil {
		c.warn("write to standard output: " + err.Error())
		return ExitNoAnswer
	}
	return ExitPassed
}
