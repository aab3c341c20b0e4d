package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/internal/spelling"
)

// flagError says of err, which is about a flag of cmd, what to write instead.
func flagError(cmd *cobra.Command, err error) error {
	list := cmd.CommandPath() + " --help lists the flags"
	var (
		unknown *pflag.NotExistError
		wrong   *pflag.InvalidValueError
		lacking *pflag.ValueRequiredError
	)
	switch {
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" { // what follows the letter may be its value, such as a password
			err = fmt.Errorf("unknown flag: -%s", name)
		}
		if next := flagElsewhere(cmd.Name(), name); next != "" {
			return usagef("", next, "%w", err)
		}
		if near := nearestFlag(cmd.Flags(), name); near != "" {
			return usagef("", "did you mean --"+near+"? "+list, "%w", err)
		}
		if cmd.HasAvailableSubCommands() {
			return usagef("", "write the command first, and its flags behind it; "+cmd.CommandPath()+" --help lists the commands", "%w", err)
		}
	case errors.As(err, &wrong):
		return wrongValue(wrong.GetFlag(), wrong.GetValue(), usagef("", list, "%w", err))
	case errors.As(err, &lacking):
		what, _ := pflag.UnquoteUsage(lacking.GetFlag())
		return usagef("", "write --"+lacking.GetFlag().Name+" "+what+"; is a variable not set?", "%w", err)
	}
	return usagef("", list, "%w", err)
}

// wrongValue is about a value that is none of its flag's type; otherwise where
// there is nothing better to say.
func wrongValue(f *pflag.Flag, value string, otherwise error) error {
	flag := "--" + f.Name
	switch f.Value.Type() {
	case "bool":
		// Not quoted: who writes --registry-password-stdin=… writes a password.
		return usagef(flag, "write "+flag+", or "+flag+"=false", "what it is given is neither true nor false")
	case "int":
		return usagef(flag, "write a whole number, such as "+f.DefValue, "%q is no number", value)
	case "duration":
		return usagef(flag, "write a number with its unit, such as 90s or 3m", "%q is no duration", value)
	}
	return otherwise
}

// nearestFlag returns the flag that name is a slip of, "" if it looks like none.
func nearestFlag(flags *pflag.FlagSet, name string) string {
	var names []string
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return spelling.Nearest(name, names)
}

// unknownCommand returns the error about the command that args begin with, nil if
// there is such a command, or they begin with none: a flag of an unknown command
// is not what is wrong with it.
func unknownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return nil
	}
	var names []string
	for _, sub := range root.Commands() {
		if sub.Name() == args[0] {
			return nil
		}
		if !sub.Hidden {
			names = append(names, sub.Name())
		}
	}
	next := commandElsewhere(args[0])
	if near := spelling.Nearest(args[0], names); next == "" && near != "" {
		next = "did you mean boltseal " + near + "?"
	}
	if next == "" {
		next = "boltseal --help lists the commands"
	}
	return usagef("", next, "unknown command %q for %q", args[0], root.Name())
}
