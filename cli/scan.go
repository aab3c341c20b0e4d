package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/report"
)

func (c Command) scan(code *int) *cobra.Command {
	var (
		s         scanFlags
		platforms []string
		output    string
	)
	cmd := &cobra.Command{
		Use:   "scan [PATH…]",
		Short: "List the images that a build would pull",
		Long: `scan lists every image that the files of a workspace use, and where: those of
Dockerfiles, Compose files, bake files and workflows, and of Kubernetes manifests
where they are asked for. It asks nobody and verifies nothing.

Without a PATH it walks the current folder. What .gitignore names and git does
not track is left out, and so are folders called vendor, node_modules and
testdata, unless they are asked for.

Exit codes: 0 every image is known, but for what is only warned of; 1 some are
not, or there is none; 2 bad flag.`,
		Example: `  boltseal scan
  boltseal scan Dockerfile --target release --build-arg BASE=alpine:3.20
  boltseal scan 'deploy/**/*.yaml' --output json`,
		RunE: func(_ *cobra.Command, args []string) error {
			if output != "text" && output != "json" {
				return usagef("--output", "write text or json", "%q is neither text nor json", output)
			}
			if err := checkPlatforms(platforms); err != nil {
				return err
			}
			all, err := s.find(c, slices.Concat(args, s.files), platforms)
			if err != nil {
				return byPath(err, s.files)
			}
			*code, err = c.list(s, all, output)
			return err
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.SetNormalizeFunc(plurals)
	s.register(f)
	f.StringSliceVar(&platforms, "platform", nil, "`OS/ARCH[/VARIANT]` that is built for (default: Linux on this machine's architecture); repeatable")
	f.StringVar(&output, "output", "text", "`FORMAT` of the list: text, or json (docs/scan.md)")
	return cmd
}

// list writes what was found, and returns the exit code.
func (c Command) list(s scanFlags, all found, output string) (int, error) {
	write := report.UsesText
	if output == "json" {
		write = report.UsesJSON
	}
	if err := write(c.Stdout, report.Listing{Files: all.files, Uses: all.uses, Warnings: all.warnings}); err != nil {
		c.warn("write the list: " + err.Error())
		return ExitNoAnswer, nil
	}
	switch {
	case slices.ContainsFunc(all.uses, func(u image.Use) bool { return u.Err != nil }):
		return ExitClosed, nil
	case len(all.uses) == 0 && !s.noImage:
		c.warn(all.nothing())
		return ExitClosed, nil
	}
	return ExitPassed, nil
}
