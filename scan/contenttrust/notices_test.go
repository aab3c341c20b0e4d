package contenttrust_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/scan/contenttrust"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func places(all []scan.Warning) string {
	var out []string
	for _, w := range all {
		out = append(out, fmt.Sprintf("%s:%d", w.At.File, w.At.Line))
	}
	return strings.Join(out, " ")
}

func TestNotices(t *testing.T) {
	t.Parallel()
	const sign = "docker trust sign x\n"
	fsys := fstest.MapFS{
		"b.sh": file(sign), "a.sh": file("\n" + sign), "bin/x": file("#!/bin/sh\n" + sign), "bin/y": file(sign), "bin/z": file("#"),
		"link.sh": {Data: []byte("nowhere"), Mode: 0o777 | 1<<27},
	}
	var n contenttrust.Notices
	if all := n.Warnings(); len(all) != 0 {
		t.Errorf("%v", all)
	}
	n.Read("b.sh", []byte(sign))
	n.Look(fsys, []string{"a.sh", "b.sh", "bin/x", "bin/y", "bin/z", "gone.sh", "link.sh"})
	n.Read("a.sh", []byte(sign)) // as several formats may
	if got, want := places(n.Warnings()), "a.sh:2 b.sh:1 bin/x:2"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
}

// What could not be read is said, once.
func TestNoticesUnread(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("#", scan.MaxFile+1)
	var n contenttrust.Notices
	n.Look(fstest.MapFS{"b.sh": file(large), "c.sh": file(large), "d.sh": file("docker trust sign x")}, []string{"b.sh", "c.sh", "d.sh"})
	all := n.Warnings()
	if places(all) != "b.sh:1 d.sh:1" || all[0].Text != "nobody looked for Docker Content Trust here: b.sh is larger than 4 MiB (nor in 1 more)" {
		t.Errorf("%+v", all)
	}
}

// Whatever there is, so much is said.
func TestNoticesBound(t *testing.T) {
	t.Parallel()
	var n contenttrust.Notices
	for i := range 2000 {
		n.Read(fmt.Sprintf("%04d.sh", i), []byte("docker trust sign x"))
	}
	all := n.Warnings()
	if last := all[len(all)-1]; len(all) != 1000 || last.At.File != "0999.sh" || last.Text != "1001 more places speak of Docker Content Trust, in this file and in those after it" {
		t.Errorf("%d, %+v", len(all), last)
	}
}

// All files together are looked at so far, whoever reads them; those that do not
// speak of it do not count.
func TestNoticesLooked(t *testing.T) {
	t.Parallel()
	const sign = "docker trust sign x\n"
	long := sign + strings.Repeat("# a comment\n", 1<<20/12)
	other := strings.Repeat("# a comment\n", 1<<20/12)
	var n contenttrust.Notices
	fsys := fstest.MapFS{"y.sh": file(long), "z.sh": file(sign)}
	for i := range 17 {
		n.Read(fmt.Sprintf("%02d.yml", i), []byte(other))
	}
	for i := range 16 {
		n.Read(fmt.Sprintf("%02d.sh", i), []byte(long))
	}
	n.Look(fsys, []string{"y.sh", "z.sh"})
	all := n.Warnings()
	if len(all) != 18 || places(all[15:]) != "15.sh:1 y.sh:1 z.sh:1" || all[16].Text != "nobody looked for Docker Content Trust here: more than 16 MiB of files may speak of it" {
		t.Errorf("%d, %+v", len(all), all)
	}
	n.Read("zz.yml", []byte(long))
	if all := n.Warnings(); len(all) != 18 || !strings.HasSuffix(all[16].Text, " (nor in 1 more)") {
		t.Errorf("%d, %+v", len(all), all)
	}
}
