//go:build unix

package program

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// together has the end of ctx end the program with all that it has started, and
// returns what ends that once the program has ended by itself. What makes itself a
// session of its own, as daemons do, is left alone.
func together(cmd *exec.Cmd) (end func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	kill := func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	cmd.Cancel = kill
	return func() {
		if cmd.Process != nil {
			_ = kill() // mostly there is nothing left to end
		}
	}
}
