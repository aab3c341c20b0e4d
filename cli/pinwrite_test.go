package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/verify"
)

var errInjected = errors.New("injected")

// A faultyDisk fails at its operation number at, counted from 1, and with dead at
// all after that, too, as if the program had been killed; or at those called only.
type faultyDisk struct {
	disk
	at     int
	dead   bool
	noLink bool
	only   string          // "" is all
	lies   bool            // what fails is done all the same
	before func(op string) // called before each operation
	ops    []string
}

func (d *faultyDisk) fails(op string) error {
	d.ops = append(d.ops, op)
	if d.before != nil {
		d.before(op)
	}
	if n := len(d.ops); n == d.at || d.dead && d.at > 0 && n > d.at && (d.only == "" || d.only == op) {
		return fmt.Errorf("%s: %w", op, errInjected)
	}
	return nil
}

func (d *faultyDisk) Lstat(name string) (fs.FileInfo, error) {
	if err := d.fails("lstat"); err != nil {
		return nil, err
	}
	return d.disk.Lstat(name)
}

func (d *faultyDisk) Read(name string) ([]byte, error) {
	if err := d.fails("read"); err != nil {
		return nil, err
	}
	return d.disk.Read(name)
}

func (d *faultyDisk) Create(name string) (diskFile, error) {
	if err := d.fails("create"); err != nil {
		return nil, err
	}
	f, err := d.disk.Create(name)
	return &faultyFile{f, d}, err
}

func (d *faultyDisk) Link(old, name string) error {
	if d.noLink {
		return errors.ErrUnsupported
	}
	if err := d.fails("link"); err != nil {
		return err
	}
	return d.disk.Link(old, name)
}

func (d *faultyDisk) Rename(old, name string) error {
	if err := d.fails("rename"); err != nil {
		if d.lies {
			_ = d.disk.Rename(old, name)
		}
		return err
	}
	return d.disk.Rename(old, name)
}

func (d *faultyDisk) Remove(name string) error {
	if err := d.fails("remove"); err != nil {
		return err
	}
	return d.disk.Remove(name)
}

type faultyFile struct {
	diskFile
	on *faultyDisk
}

func (f *faultyFile) Write(b []byte) (int, error) {
	if err := f.on.fails("write"); err != nil {
		n, _ := f.diskFile.Write(b[:len(b)/2]) // the disk is full
		return n, err
	}
	return f.diskFile.Write(b)
}

func (f *faultyFile) Chmod(mode fs.FileMode) error {
	if err := f.on.fails("chmod"); err != nil {
		return err
	}
	return f.diskFile.Chmod(mode)
}

func (f *faultyFile) Sync() error {
	if err := f.on.fails("sync"); err != nil {
		return err
	}
	return f.diskFile.Sync()
}

func (f *faultyFile) Close() error {
	err := f.on.fails("close")
	return errors.Join(err, f.diskFile.Close())
}

// A tree is a folder with three files to replace in two folders.
type tree struct {
	t    *testing.T
	dir  string
	root *os.Root
	set  []replacement
}

func newTree(t *testing.T) *tree {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() }) //nolint:errcheck,gosec // only a test's
	w := &tree{t: t, dir: dir, root: root}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o750); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"a", "b", "sub/c"} {
		full := filepath.Join(dir, name)
		old := []byte("old " + name + "\r\n")
		if err := errors.Join(os.WriteFile(full, old, 0o600), os.Chmod(full, []fs.FileMode{0o644, 0o755, 0o600}[i])); err != nil {
			t.Fatal(err)
		}
		info, err := root.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		w.set = append(w.set, replacement{name: name, old: old, new: []byte("new text of " + name + "\r\n"), info: info})
	}
	return w
}

// state says of each file whether it has its old or its new text, and what else
// is there.
func (w *tree) state() (texts []string, litter []string) {
	w.t.Helper()
	for _, r := range w.set {
		body, err := os.ReadFile(filepath.Join(w.dir, r.name))
		info, statErr := os.Lstat(filepath.Join(w.dir, r.name))
		switch {
		case err != nil || statErr != nil:
			texts = append(texts, "gone")
		case string(body) == string(r.old) && info.Mode() == r.info.Mode():
			texts = append(texts, "old")
		case string(body) == string(r.new) && info.Mode() == r.info.Mode():
			texts = append(texts, "new")
		default:
			texts = append(texts, fmt.Sprintf("%q %s", body, info.Mode()))
		}
	}
	for _, dir := range []string{".", "sub"} {
		entries, err := os.ReadDir(filepath.Join(w.dir, dir))
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") {
				litter = append(litter, e.Name())
			}
		}
	}
	return texts, litter
}

func TestReplaceFiles(t *testing.T) {
	t.Parallel()
	for _, noLink := range []bool{false, true} {
		w := newTree(t)
		litter, err := replaceFiles(&faultyDisk{disk: rootDisk{w.root}, noLink: noLink}, w.set)
		texts, left := w.state()
		if err != nil || litter != nil || left != nil || !slices.Equal(texts, []string{"new", "new", "new"}) {
			t.Errorf("%v, %q, litter %q, %q", err, texts, litter, left)
		}
	}
}

// Whatever operation fails, all files are as they were, and nothing is left
// beside them.
func TestReplaceFilesFails(t *testing.T) {
	t.Parallel()
	for _, noLink := range []bool{false, true} {
		seen := map[string]bool{}
		for at := 1; ; at++ {
			w := newTree(t)
			d := &faultyDisk{disk: rootDisk{w.root}, at: at, noLink: noLink}
			litter, err := replaceFiles(d, w.set)
			if len(d.ops) < at {
				break // it was over before
			}
			op := d.ops[at-1]
			seen[op] = true
			texts, left := w.state()
			where := fmt.Sprintf("%s, number %d, links %v", op, at, !noLink)
			switch {
			case op == "link":
				// the copy does instead
				if err != nil || !slices.Equal(texts, []string{"new", "new", "new"}) || left != nil {
					t.Errorf("%s: %v, %q, %q", where, err, texts, left)
				}
			case op == "remove":
				if err != nil || !slices.Equal(texts, []string{"new", "new", "new"}) || len(left) != len(litter) {
					t.Errorf("%s: %v, %q, %q, %q", where, err, texts, left, litter)
				}
			default:
				if !errors.Is(err, errInjected) || !slices.Equal(texts, []string{"old", "old", "old"}) || left != nil || litter != nil {
					t.Errorf("%s: %v, %q, %q", where, err, texts, left)
				} else if !strings.Contains(err.Error(), "all files are as they were") || !strings.HasPrefix(err.Error(), "write ") || verify.Hint(err) == "" {
					t.Errorf("%s: %v", where, err)
				}
				for _, r := range w.set {
					info, err := w.root.Lstat(r.name)
					if err != nil || !noLink && !os.SameFile(info, r.info) {
						t.Errorf("%s: %s is another file (%v)", where, r.name, err)
					}
				}
			}
		}
		for _, op := range []string{"create", "write", "chmod", "sync", "close", "lstat", "read", "rename", "remove"} {
			if !seen[op] {
				t.Errorf("no %s failed", op)
			}
		}
	}
}

// An error does not say that nothing was done.
func TestReplaceFilesLies(t *testing.T) {
	t.Parallel()
	for _, noLink := range []bool{false, true} {
		for n := 1; n <= 3; n++ {
			w := newTree(t)
			renames := 0
			d := &faultyDisk{disk: rootDisk{w.root}, noLink: noLink, lies: true}
			d.before = func(op string) {
				if op == "rename" {
					if renames++; renames == n {
						d.at = len(d.ops)
					}
				}
			}
			litter, err := replaceFiles(d, w.set)
			texts, left := w.state()
			if !errors.Is(err, errInjected) || !slices.Equal(texts, []string{"old", "old", "old"}) || left != nil || litter != nil {
				t.Errorf("rename %d, links %v: %v, %q, %q", n, !noLink, err, texts, left)
			}
		}
	}
}

// Wherever the program is killed, each file is whole.
func TestReplaceFilesKilled(t *testing.T) {
	t.Parallel()
	for _, noLink := range []bool{false, true} {
		mixed := 0
		for at := 1; ; at++ {
			w := newTree(t)
			d := &faultyDisk{disk: rootDisk{w.root}, at: at, dead: true, noLink: noLink}
			_, _ = replaceFiles(d, w.set)
			if len(d.ops) < at {
				break
			}
			texts, _ := w.state()
			for _, s := range texts {
				if s != "old" && s != "new" {
					t.Errorf("killed at %s, number %d: %q", d.ops[at-1], at, texts)
				}
			}
			if slices.Contains(texts, "old") && slices.Contains(texts, "new") {
				mixed++
			}
		}
		if mixed == 0 {
			t.Error("it was never killed between two files")
		}
	}
}

// What cannot be given back is said, and the old text is kept.
func TestReplaceFilesNotRestored(t *testing.T) {
	t.Parallel()
	for _, only := range []string{"", "rename"} {
		w := newTree(t)
		renames := 0
		d := &faultyDisk{disk: rootDisk{w.root}, dead: true, only: only}
		d.before = func(op string) {
			if op == "rename" {
				if renames++; renames == 2 {
					d.at = len(d.ops)
				}
			}
		}
		_, err := replaceFiles(d, w.set)
		texts, left := w.state()
		if !errors.Is(err, errInjected) || strings.Contains(err.Error(), "all files are as they were") || !slices.Equal(texts, []string{"new", "old", "old"}) {
			t.Fatalf("%v, %q", err, texts)
		}
		if only != "" && (len(left) != 1 || strings.Contains(err.Error(), "b may have")) {
			t.Errorf("%v, %q", err, left) // b has its old text, and needs no copy
		}
		w.keeps(err, "a may have its new text, and ", " has the old one")
	}
}

// keeps fails the test unless a file that err speaks of has a's old text.
func (w *tree) keeps(err error, before, after string) {
	w.t.Helper()
	_, rest, _ := strings.Cut(err.Error(), before)
	name, _, ok := strings.Cut(rest, after)
	if body, readErr := os.ReadFile(filepath.Join(w.dir, name)); !ok || readErr != nil || string(body) != string(w.set[0].old) {
		w.t.Errorf("%v: %q, %v", err, body, readErr)
	}
}

// save writes a file as editors do: in its place, or a new file by that name.
func save(t *testing.T, file, how string) {
	t.Helper()
	var err error
	switch how {
	case "in place":
		err = os.WriteFile(file, []byte("an hour of work\n"), 0o600)
	case "a new file":
		err = errors.Join(os.WriteFile(file+".x", []byte("an hour of work\n"), 0o600), os.Rename(file+".x", file))
	case "removed":
		err = os.Remove(file)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What somebody saves while a run is being undone stays theirs.
func TestReplaceFilesSavedBeforeUndo(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"in place", "a new file", "removed"} {
		w := newTree(t)
		file := filepath.Join(w.dir, "a")
		d := &faultyDisk{disk: rootDisk{w.root}}
		renames := 0
		d.before = func(op string) {
			if op == "rename" {
				if renames++; renames == 2 { // a has been replaced
					save(t, file, how)
					d.at = len(d.ops)
				}
			}
		}
		_, err := replaceFiles(d, w.set)
		texts, left := w.state()
		if want := how == "removed"; strings.HasPrefix(texts[0], `"an hour of work\n"`) == want || (texts[0] == "gone") != want {
			t.Errorf("%s: %q is there", how, texts[0])
		}
		if err == nil || !slices.Equal(texts[1:], []string{"old", "old"}) || len(left) != 1 {
			t.Fatalf("%s: %v, %q, %q", how, err, texts, left)
		}
		w.keeps(err, "a is somebody else's now and stays, and ", " has the old text")
	}
}

// What somebody saves between the look at all files and the replacement stops the
// run, and stays theirs.
func TestReplaceFilesSavedMeanwhile(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		file, how string
		rename    int  // of how many files it comes before
		late      bool // after the rename
	}{
		{"sub/c", "in place", 1, false},
		{"sub/c", "a new file", 1, false},
		{"a", "in place", 1, false}, // a's last look is over
		{"a", "in place", 1, true},
	} {
		w := newTree(t)
		file := filepath.Join(w.dir, tc.file)
		var open *os.File // an editor that has it open
		d := &faultyDisk{disk: rootDisk{w.root}}
		renames := 0
		d.before = func(op string) {
			if op != "rename" {
				return
			}
			renames++
			switch {
			case tc.late && renames == 1:
				var err error
				if open, err = os.OpenFile(file, os.O_WRONLY|os.O_TRUNC, 0); err != nil {
					t.Fatal(err)
				}
				if _, err := open.WriteString(string(w.set[0].old)); err != nil {
					t.Fatal(err)
				}
			case tc.late && renames == 3:
				if _, err := open.WriteAt([]byte("an hour of work\n"), 0); err != nil {
					t.Fatal(err)
				}
			case !tc.late && renames == tc.rename:
				save(t, file, tc.how)
			}
		}
		_, err := replaceFiles(d, w.set)
		texts, left := w.state()
		body, readErr := os.ReadFile(file)
		if err == nil || !strings.Contains(err.Error(), "somebody has changed it meanwhile") || readErr != nil || !strings.HasPrefix(string(body), "an hour of work\n") || left != nil {
			t.Errorf("%+v: %v, %q, %q", tc, err, texts, left)
		}
		for i, r := range w.set {
			if r.name != tc.file && texts[i] != "old" {
				t.Errorf("%+v: %s is %q", tc, r.name, texts[i])
			}
		}
		if open != nil {
			_ = open.Close()
		}
	}
}

// A file that somebody changes meanwhile is theirs, and none is written.
func TestReplaceFilesChanged(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(file string) error{
		"text":    func(f string) error { return os.WriteFile(f, []byte("old sub/c,\n"), 0o600) },
		"append":  func(f string) error { return os.WriteFile(f, []byte("old sub/c\r\n\n"), 0o600) },
		"mode":    func(f string) error { return os.Chmod(f, 0o400) },
		"removed": os.Remove,
		"another": func(f string) error {
			return errors.Join(os.WriteFile(f+".x", []byte("old sub/c\r\n"), 0o600), os.Rename(f+".x", f))
		},
		"a link": func(f string) error {
			return errors.Join(os.Rename(f, f+".x"), os.Symlink("c.x", f))
		},
		"a folder": func(f string) error { return errors.Join(os.Remove(f), os.Mkdir(f, 0o750)) },
	} {
		w := newTree(t)
		file := filepath.Join(w.dir, "sub", "c")
		d := &faultyDisk{disk: rootDisk{w.root}}
		d.before = func(op string) {
			if op == "lstat" && !slices.Contains(d.ops[:len(d.ops)-1], "lstat") {
				if err := change(file); err != nil {
					t.Fatal(err)
				}
			}
		}
		_, err := replaceFiles(d, w.set)
		texts, left := w.state()
		if err == nil || !slices.Equal(texts[:2], []string{"old", "old"}) || texts[2] == "new" || left != nil {
			t.Errorf("%s: %v, %q, %q", name, err, texts, left)
			continue
		}
		says := "somebody has changed it meanwhile"
		if name == "removed" {
			says = "no such file"
		}
		if !strings.Contains(err.Error(), "write sub/c: ") || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Another name of the same file keeps the old text: a file is replaced, not
// written over.
func TestReplaceFilesHardLink(t *testing.T) {
	t.Parallel()
	w := newTree(t)
	other := filepath.Join(w.dir, "other")
	if err := os.Link(filepath.Join(w.dir, "a"), other); err != nil {
		t.Skip(err)
	}
	_, err := replaceFiles(rootDisk{w.root}, w.set)
	body, readErr := os.ReadFile(other)
	if texts, _ := w.state(); err != nil || readErr != nil || texts[0] != "new" || string(body) != string(w.set[0].old) {
		t.Errorf("%v, %v, %q, other %q", err, readErr, texts, body)
	}
}

// A temporary file takes nobody's place.
func TestRootDiskCreate(t *testing.T) {
	t.Parallel()
	w := newTree(t)
	if f, err := (rootDisk{w.root}).Create("a"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v, %v", f, err)
	}
	if texts, _ := w.state(); texts[0] != "old" {
		t.Errorf("%q", texts)
	}
}
