package cli

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/handover/rewrite"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/verify"
)

// pinFiles are the files of a workspace that may be rewritten. Names are those
// that the user knows, unless they are said to be in the workspace.
type pinFiles struct {
	space workspace
	fsys  fs.FS
	known map[string]pinFile
}

// A pinFile is a file as it was when it was read.
type pinFile struct {
	name string // in the workspace
	real string // the same without links
	err  error  // why it is not rewritten
	info fs.FileInfo
	text []byte
}

func newPinFiles(w workspace, fsys fs.FS) *pinFiles {
	return &pinFiles{space: w, fsys: fsys, known: map[string]pinFile{}}
}

// file returns what is known of a file.
func (p *pinFiles) file(named string) pinFile {
	f, ok := p.known[named]
	if !ok {
		f = p.look(named)
		p.known[named] = f
	}
	return f
}

// look reads a file, or says why it is not rewritten.
func (p *pinFiles) look(named string) pinFile {
	f := pinFile{name: p.space.in(named)}
	refuse := func(why, hint string) pinFile {
		f.err = &verify.Error{Op: "rewrite the file", Err: errors.New(why), Hint: hint}
		return f
	}
	if !fs.ValidPath(f.name) {
		return refuse("it is outside of the workspace", "write the digest there by hand")
	}
	if f.real = realPath(p.fsys, f.name); f.real != f.name {
		return refuse("it is reached by a link, to "+p.space.named(f.real), "run boltseal pin on "+p.space.named(f.real)+", or write the digest there by hand")
	}
	if slices.Contains(strings.Split(f.name, "/"), ".git") {
		return refuse("it is in a folder of git", "write the digest there by hand")
	}
	for dir := path.Dir(f.name); dir != "."; dir = path.Dir(dir) {
		if _, err := fs.Lstat(p.fsys, path.Join(dir, ".git")); err == nil {
			return refuse("it is in a repository of its own, "+p.space.named(dir), "run boltseal pin in that repository")
		}
	}
	info, err := fs.Lstat(p.fsys, f.name)
	switch {
	case err != nil:
		return refuse(err.Error(), "make the file readable")
	case !info.Mode().IsRegular():
		return refuse("it is no regular file", "write the digest there by hand")
	case info.Mode().Perm()&0o222 == 0:
		return refuse("it is read-only", "make it writable, or write the digest there by hand")
	}
	f.info = info
	if f.text, err = scan.ReadFile(p.fsys, f.name); err != nil {
		return refuse(err.Error(), "make the file readable")
	}
	return f
}

// text returns what is in a file that may be rewritten.
func (p *pinFiles) text(named string) ([]byte, error) {
	f := p.file(named)
	return bytes.Clone(f.text), f.err
}

// explain returns why a use is not rewritten: where its file must not be, that
// matters more than what is written in it.
func (p *pinFiles) explain(x rewrite.Refusal) error {
	file := cmp.Or(x.Use.Literal.At.File, x.Use.At.File)
	if err := p.file(file).err; err != nil {
		return &verify.Error{Op: "pin " + x.Use.Ref.String(), Err: err, Hint: verify.Hint(err)}
	}
	return x.Err
}

// unlinked returns a use in a file that is reached by a link as the one in the
// file itself, where the text is the same.
func (p *pinFiles) unlinked(u image.Use) image.Use {
	for _, at := range []*image.Position{&u.At, &u.Literal.At} {
		if f := p.file(at.File); at.File != "" && f.real != "" {
			at.File = p.space.named(f.real)
		}
	}
	return u
}

// changed returns the file of a change, whose edits are the whole difference
// between its two texts.
func (p *pinFiles) changed(x rewrite.Change) (pinChange, error) {
	f := p.file(x.File)
	if f.err != nil {
		return pinChange{}, f.err
	}
	if !bytes.Equal(x.Old, f.text) {
		return pinChange{}, fmt.Errorf("rewrite %s: the plan is for another text: nothing was written: please report this", x.File)
	}
	edits, err := spansOf(x)
	if err != nil {
		return pinChange{}, fmt.Errorf("rewrite %s: %w: nothing was written: please report this", x.File, err)
	}
	return pinChange{Change: x, name: f.name, info: f.info, spans: edits}, nil
}

// without returns x less those of its edits that are dropped.
func (x pinChange) without(dropped map[image.Position]error) pinChange {
	less := x
	less.Edits, less.spans, less.New = nil, nil, nil
	end := 0
	for i, e := range x.Edits {
		if dropped[e.At] != nil {
			continue
		}
		s := x.spans[i]
		less.Edits, less.spans = append(less.Edits, e), append(less.spans, s)
		less.New = append(append(less.New, x.Old[end:s.at]...), e.New...)
		end = s.at + s.old
	}
	less.New = append(less.New, x.Old[end:]...)
	return less
}

// A span is what one edit does to a text, in bytes.
type span struct{ at, old, new int }

// spansOf returns the edits of a change, which make the new text of the old one
// and do not overlap.
func spansOf(x rewrite.Change) ([]span, error) {
	var (
		spans []span
		built []byte
		end   int
	)
	starts := lineStarts(x.Old)
	for _, e := range x.Edits {
		at, ok := offset(x.Old, starts, e.At)
		if !ok || at < end || e.At.File != x.File || !bytes.HasPrefix(x.Old[at:], []byte(e.Old)) {
			return nil, fmt.Errorf("an edit at %d:%d does not fit", e.At.Line, e.At.Col)
		}
		built = append(append(built, x.Old[end:at]...), e.New...)
		end = at + len(e.Old)
		spans = append(spans, span{at, len(e.Old), len(e.New)})
	}
	if built = append(built, x.Old[end:]...); !bytes.Equal(built, x.New) {
		return nil, errors.New("more changes than the references")
	}
	return spans, nil
}

// lineStarts returns where the lines of a text begin.
func lineStarts(text []byte) []int {
	starts := []int{0}
	for i, b := range text {
		if b == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// offset returns where a place is in a text.
func offset(text []byte, starts []int, at image.Position) (int, bool) {
	if at.Line < 1 || at.Line > len(starts) || at.Col < 1 {
		return 0, false
	}
	i := starts[at.Line-1] + at.Col - 1
	return i, i <= len(text) && (at.Line == len(starts) || i < starts[at.Line])
}

// moved returns where a place of the old text is in the new one.
func (x pinChange) moved(at image.Position) image.Position {
	i, ok := offset(x.Old, lineStarts(x.Old), at)
	if !ok {
		return at
	}
	by := 0
	for _, s := range x.spans {
		if s.at < i && s.at+s.old <= i {
			by += s.new - s.old
		}
	}
	i += by
	starts := lineStarts(x.New)
	line, found := slices.BinarySearch(starts, i)
	if !found {
		line--
	}
	at.Line, at.Col = line+1, i-starts[line]+1
	return at
}

// shown returns an entry of w's files by the name that the user knows.
func (w workspace) shown(entry string) string {
	format, name := splitFormat(entry)
	return format + w.named(name)
}

// in returns the path in w of a file that the user knows by this name.
func (w workspace) in(named string) string {
	full := filepath.FromSlash(named)
	if !filepath.IsAbs(full) {
		full = filepath.Join(w.base, full)
	}
	return slashed(w.dir, full)
}
