package cli

import (
	"github.com/spf13/cobra"

	"github.com/boltseal/boltseal/internal/spelling"
)

// trust is boltseal trust, what people do with signatures besides verifying and
// making them. Its commands are called as docker's are.
func (c Command) trust(code *int) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "See who vouches for an image, in every system",
		Long: `trust has the commands for what Docker Content Trust knows of images. inspect also
shows their Sigstore and Notation signatures; boltseal sign --system dct signs.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("", "say which, such as boltseal trust inspect IMAGE; boltseal trust --help lists them", "no command was given")
			}
			var names []string
			for _, sub := range cmd.Commands() {
				names = append(names, sub.Name())
			}
			next := "boltseal trust --help lists them"
			if near := spelling.Nearest(args[0], names); near != "" {
				next = "did you mean boltseal trust " + near + "?"
			}
			return usagef("", next, "boltseal trust has no command %q", args[0])
		},
	}
	cmd.AddCommand(c.trustInspect(code), c.trustRevoke(code))
	return cmd
}
