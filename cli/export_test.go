package cli

import (
	"io/fs"

	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/sign"
)

// LogOf returns where the log entry of x can be looked up, if it was signed with
// the flags.
func LogOf(x sign.Record, instance, config string, upload bool) (string, error) {
	s := &signing{flags: signFlags{trust: trustFlags{instance: instance}, config: config, upload: upload}}
	s.means = &sigstoreMeans{run: s}
	var r report.Signed
	err := s.record(&r, []sign.Record{x})
	return r.Items[0].Log, err
}

// FailingAt returns c, which fails at the operation number at on the files that
// boltseal pin replaces, counted from 1.
func (c Command) FailingAt(at int, failed *bool) Command {
	c.write = func(d disk) disk {
		f := &faultyDisk{disk: d, at: at}
		f.before = func(string) { *failed = *failed || len(f.ops) == at }
		return f
	}
	return c
}

// Owner returns the ids of the user and the group that a file belongs to.
func Owner(info fs.FileInfo) [2]int {
	uid, gid, _ := owner(info)
	return [2]int{uid, gid}
}

// SignFits returns with which systems each flag of boltseal sign goes.
func SignFits() map[string][]string {
	all := map[string][]string{}
	for name, f := range fits() {
		for _, s := range signSystems() {
			if f&s.fit != 0 {
				all[name] = append(all[name], s.name)
			}
		}
	}
	return all
}

// Elsewhere returns the flags of other programs that people are told about, and
// what they are told, by command.
func Elsewhere() map[string]map[string]string {
	return map[string]map[string]string{"sign": signElsewhere(), "verify": verifyElsewhere()}
}
