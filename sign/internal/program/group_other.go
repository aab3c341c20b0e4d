//go:build !unix

package program

import "os/exec"

// together does nothing: there are no process groups.
func together(*exec.Cmd) (end func()) { return func() {} }
