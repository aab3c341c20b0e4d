package contenttrust

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

// Bounds of what one Notices keeps, reads by itself, and looks at of all files that
// may speak of Docker Content Trust: seconds of work, and what no workspace has.
const (
	maxNotices = 1000
	maxRead    = 256 << 20 // bytes
	maxLooked  = 16 << 20  // bytes
)

// Notices gathers what the files of a workspace say of Docker Content Trust. The
// zero Notices is ready for use.
type Notices struct {
	all  []scan.Warning
	read map[string]bool

	bytes  int // that Look has read
	looked int // bytes that were looked at
	unread int // files that were not looked at
	why    scan.Warning
}

// Read looks at the text of a file, once for each name. It is what
// [scan.Source.Read] takes. It looks at 16 MiB of files that may speak of Docker
// Content Trust, counted as far as [Find] reads them, those of Look among them; one
// warning says that there are more.
func (n *Notices) Read(name string, text []byte) {
	if n.read[name] {
		return
	}
	if n.read == nil {
		n.read = map[string]bool{}
	}
	n.read[name] = true
	if !mentions(text) {
		return
	}
	begin, _ := split(text)
	if len(begin) > maxLooked-n.looked {
		n.pass(name, fmt.Sprintf("more than %d MiB of files may speak of it", maxLooked>>20))
		return
	}
	n.looked += len(begin)
	n.all = append(n.all, Find(name, text)...)
}

// pass counts a file that is not looked at, and keeps why of the first one.
func (n *Notices) pass(name, why string) {
	if n.unread++; n.unread == 1 {
		n.why = scan.Warning{At: image.Position{File: name, Line: 1, Col: 1}, Text: "nobody looked for Docker Content Trust here: " + why}
	}
}

// Look reads files that no format has read, at most 256 MiB of them. What it
// cannot read is one warning; links that lead nowhere it passes over.
func (n *Notices) Look(fsys fs.FS, names []string) {
	fsys = scan.Regular(fsys)
	for _, name := range names {
		if n.read[name] {
			continue
		}
		if Unnamed(name) && !isScript(fsys, name) {
			continue
		}
		text, err := scan.ReadFile(fsys, name)
		if n.bytes += len(text); err == nil && n.bytes > maxRead {
			err = fmt.Errorf("more than %d MiB of scripts", maxRead>>20)
		}
		switch {
		case err == nil:
			n.Read(name, text)
		case !isLink(fsys, name):
			n.pass(name, err.Error())
		}
	}
}

// isScript reports whether a file begins as scripts do.
func isScript(fsys fs.FS, name string) bool {
	f, err := fsys.Open(name)
	if err != nil {
		return false
	}
	defer f.Close() //nolint:errcheck // it was only read
	var begin [2]byte
	_, err = io.ReadFull(f, begin[:])
	return err == nil && string(begin[:]) == "#!"
}

func isLink(fsys fs.FS, name string) bool {
	info, err := fs.Lstat(fsys, name)
	return errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&fs.ModeSymlink != 0
}

// Warnings returns what was found, by file, line and column: at most 1,000, the
// last of which then counts the rest.
func (n *Notices) Warnings() []scan.Warning {
	all := n.all
	if n.unread > 0 {
		why := n.why
		if n.unread > 1 {
			why.Text += fmt.Sprintf(" (nor in %d more)", n.unread-1)
		}
		all = append(all[:len(all):len(all)], why)
	}
	return bounded(inOrder(all), maxNotices, "speaks of Docker Content Trust", "speak of Docker Content Trust, in this file and in those after it")
}
