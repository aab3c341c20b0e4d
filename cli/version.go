package cli

import (
	_ "embed"
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
)

// The release's version is a file, so that a build from the same sources gives
// the same bytes whatever the commit it was checked out from.
//
//go:embed VERSION
var versionFile string

func version() string { return strings.TrimSpace(versionFile) }

func (c Command) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(c.Stdout, "boltseal %s %s/%s %s\n", version(), runtime.GOOS, runtime.GOARCH, runtime.Version())
			return err
		},
	}
}
