package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/handover"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/spelling"
	"github.com/boltseal/boltseal/report"
)

// maxHandover bounds a file that is handed over, in bytes.
const maxHandover = 64 << 20

// handoverFlags name what builders get, and where.
type handoverFlags struct {
	wanted []string   // KIND=PATH
	job    *handovers // what the Action's step has closed already; nil elsewhere
}

func (h *handoverFlags) register(f *pflag.FlagSet) {
	f.StringArrayVar(&h.wanted, "handover", nil, "`KIND=PATH`: what builders may use goes to the file once every image has passed, and nothing does before ("+strings.Join(formNames(handover.Forms()), ", ")+"; docs/handover.md); repeatable")
}

// formNames returns the kinds that --handover takes.
func formNames(forms []handover.Form) []string {
	var names []string
	for _, f := range forms {
		names = append(names, f.Name)
	}
	return names
}

// handoverForms returns what --handover can write.
func (c Command) handoverForms() []handover.Form {
	if c.Forms == nil {
		return handover.Forms()
	}
	return c.Forms
}

// formOf returns the Form of that name; ok is false where there is none.
func formOf(forms []handover.Form, name string) (f handover.Form, ok bool) {
	i := slices.IndexFunc(forms, func(f handover.Form) bool { return f.Name == name })
	if i < 0 {
		return handover.Form{}, false
	}
	return forms[i], true
}

// A target is one Form and the files it goes to.
type target struct {
	form   handover.Form
	name   string          // as it was written
	file   string          // absolute, its folder without links
	closed []handover.File // what is there until the run has passed; nil: no file
	parts  []string        // suffixes of all its files, the main one's first
	job    bool            // the policy that the Action's job builds with
}

// handovers are all that builders get from a run. Each is closed before anybody
// is asked: a policy that denies every image, or no file. It is replaced once
// every image has passed.
type handovers struct {
	targets []target
	options handover.Options
	shut    bool    // they are closed
	given   bool    // they are replaced
	images  int     // how many were given
	exempt  int     // how many of those nobody has verified
	binding binding // of the Action's job
}

// read reads the flags. No file is touched.
func (h *handoverFlags) read(c Command) (*handovers, error) {
	all := &handovers{}
	if h.job != nil {
		all = h.job
	}
	forms := c.handoverForms()
	for _, text := range h.wanted {
		kind, name, ok := strings.Cut(text, "=")
		form, known := formOf(forms, kind)
		switch {
		case !known:
			next := "write KIND=PATH; the kinds are " + strings.Join(formNames(forms), ", ")
			if near := spelling.Nearest(strings.ToLower(strings.TrimSpace(kind)), formNames(forms)); near != "" {
				next = "did you mean " + near + "? The kinds are " + strings.Join(formNames(forms), ", ")
			}
			return nil, usagef("--handover", next, "%q is nothing that can be handed over", kind)
		case !ok || name == "" || name == "-":
			return nil, usagef("--handover", "write "+kind+"=PATH, with the path of the file that is to be written", "%q names no file", text)
		}
		t, err := newTarget(c, form, name)
		if err == nil {
			err = all.another(t)
		}
		if err != nil {
			return nil, badTarget(err)
		}
		all.targets = append(all.targets, t)
	}
	return all, nil
}

func badTarget(err error) error {
	return usagef("--handover", "name a file of its own, in a folder that exists and may be written", "%w", err)
}

// newTarget finds out what the files of a Form are called, and that there may
// be files of those names.
func newTarget(c Command, form handover.Form, name string) (target, error) {
	t := target{form: form, name: name}
	files, err := form.Files(handover.Set{}, t.options(handover.Options{}))
	switch {
	case form.Denies && err != nil:
		return t, fmt.Errorf("%s: %w", form.Name, err)
	case form.Denies:
		t.closed = files
	case err != nil: // it has nothing to say of no image
		files = []handover.File{{}}
	}
	for _, f := range files {
		t.parts = append(t.parts, f.Suffix)
	}
	full, err := filepath.Abs(c.path(name))
	if err != nil {
		return t, err
	}
	if base := filepath.Base(full); strings.HasSuffix(filepath.ToSlash(name), "/") || base == "." || base == string(filepath.Separator) {
		return t, fmt.Errorf("%s is a folder", name)
	}
	if strings.HasPrefix(full, "/dev/") {
		return t, fmt.Errorf("%s is a device, and would be replaced by a file", name)
	}
	if t.file, err = unlinked(full); err != nil {
		return t, fmt.Errorf("there is no folder for %s: %w", name, err)
	}
	for _, p := range t.files() {
		if err := replaceable(p); err != nil {
			return t, err
		}
	}
	return t, nil
}

// options returns o with what t knows besides.
func (t target) options(o handover.Options) handover.Options {
	o.Path = filepath.ToSlash(t.name)
	return o
}

// files returns the names of t's files, the main one's first.
func (t target) files() []string {
	var names []string
	for _, suffix := range t.parts {
		names = append(names, t.file+suffix)
	}
	return names
}

// another says why t cannot be handed over besides the others.
func (h *handovers) another(t target) error {
	for _, o := range h.targets {
		for _, name := range o.files() {
			if slices.ContainsFunc(t.files(), func(own string) bool { return sameFile(own, name) }) {
				return fmt.Errorf("%s is the file of another --handover", name)
			}
		}
	}
	return nil
}

// apart says which of the files is one of others, of which what says more.
func (h *handovers) apart(what string, others []string) error {
	for _, t := range h.targets {
		for _, name := range t.files() {
			for _, o := range others {
				if o != "" && sameFile(name, o) {
					return badTarget(fmt.Errorf("%s is %s", name, what))
				}
			}
		}
	}
	return nil
}

// suit says what a Form could not hand over, whatever the digests are.
func (h *handovers) suit(uses []image.Use) error {
	for _, t := range h.targets {
		if t.form.Lacks != nil && len(uses) > 0 {
			if err := t.form.Lacks(h.options); err != nil {
				return usagef("--handover", "hand over source-policy instead, which needs to know of no build", "%s: %w", t.form.Name, err)
			}
		}
		for _, u := range uses {
			if u.Err != nil || t.form.Refuses == nil {
				continue
			}
			if err := t.form.Refuses(u.Ref); err != nil {
				return usagef("--handover", "hand over source-policy instead, which takes every image", "%s: %w", t.form.Name, err)
			}
		}
	}
	return nil
}

// shutAll closes them for the first time, unless one is a file that this run
// reads. It is called before anybody is asked.
func (h *handovers) shutAll(reads []string) error {
	if err := h.apart("a file that this run reads", reads); err != nil || h.shut {
		return err
	}
	if err := h.close(); err != nil {
		return badTarget(err)
	}
	h.shut = true
	return nil
}

// close puts the closed state in place of whatever is there, as far as it can.
// The main file comes first: it denies whatever the others have.
func (h *handovers) close() error {
	var errs []error
	for _, t := range h.targets {
		if err := t.close(); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", t.file, err))
		}
	}
	return errors.Join(errs...)
}

func (t target) close() error {
	var errs []error
	if !t.form.Denies {
		for _, name := range t.files() {
			// What cannot be written in the end is found out now.
			draft, err := stage(name, handover.File{})
			if err == nil {
				err = os.Remove(draft)
			}
			if gone := os.Remove(name); !errors.Is(gone, fs.ErrNotExist) {
				err = errors.Join(err, gone)
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
	for _, f := range t.closed {
		draft, err := stage(t.file+f.Suffix, f)
		if err == nil {
			if err = os.Rename(draft, t.file+f.Suffix); err != nil {
				err = errors.Join(err, os.Remove(draft))
			}
		}
		errs = append(errs, err)
	}
	for _, f := range t.closed {
		errs = append(errs, holds(t.file+f.Suffix, f))
	}
	return errors.Join(errs...)
}

// stage writes f beside the file called name, reads it back as builders will,
// and returns the name of the draft, which is left only without an error.
func stage(name string, f handover.File) (draft string, err error) {
	file, err := os.CreateTemp(filepath.Dir(name), ".boltseal-handover-") // for its owner only
	if err != nil {
		return "", err
	}
	_, err = file.Write(f.Body)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = holds(file.Name(), f)
	}
	if err == nil && f.Check != nil {
		err = f.Check(f.Body) // which is what was read
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}

// holds says whether a file has what f says.
func holds(name string, f handover.File) error {
	body, err := readBounded(name, maxHandover)
	if err == nil && !bytes.Equal(body, f.Body) {
		err = fmt.Errorf("%s does not hold what was written", name)
	}
	return err
}

// give replaces the closed state by what a run admitted: all of it or, with an
// error, nothing. It does nothing unless the run passed.
func (h *handovers) give(r gate.Report) error {
	if !r.Passed() || len(h.targets) == 0 {
		return nil
	}
	set, err := handover.New(r.Admitted())
	if err == nil {
		err = h.replace(set)
	}
	if err != nil {
		if again := h.close(); again != nil {
			return &resultError{err: errors.Join(err, again), next: "remove the files named above: they may hold what this run does not vouch for"}
		}
		return &resultError{err: err, next: "nothing is handed over; mend that, and run it again"}
	}
	h.given, h.images, h.exempt = true, set.Len(), len(set.Exempt())
	return nil
}

// A resultError is why the result of a run does not get where it should.
type resultError struct {
	err  error
	next string // what to do
}

func (e *resultError) Error() string { return e.err.Error() }
func (e *resultError) Unwrap() error { return e.err }

// A draft is a file that is written and checked, and not yet in its place.
type draft struct {
	name, goes string
	file       handover.File
}

// replace writes and checks all drafts before the first one takes its place.
func (h *handovers) replace(set handover.Set) (err error) {
	var drafts []draft
	defer func() {
		if err != nil {
			for _, d := range drafts {
				_ = os.Remove(d.name) // those that have gone to their place are not there any more
			}
		}
	}()
	for _, t := range h.targets {
		files, err := t.form.Files(set, t.options(h.options))
		if err != nil {
			return fmt.Errorf("hand over %s: %w", t.form.Name, err)
		}
		// The main file comes last: it may speak of the others.
		for _, f := range slices.Backward(files) {
			if !slices.Contains(t.parts, f.Suffix) {
				return fmt.Errorf("hand over %s: it has a file %s that was not closed", t.form.Name, t.file+f.Suffix)
			}
			name, err := stage(t.file+f.Suffix, f)
			if err != nil {
				return fmt.Errorf("hand over %s: %w", t.form.Name, err)
			}
			drafts = append(drafts, draft{name, t.file + f.Suffix, f})
		}
	}
	for _, d := range drafts {
		if err := os.Rename(d.name, d.goes); err != nil {
			return fmt.Errorf("hand over %s: %w", d.goes, err)
		}
	}
	for _, d := range drafts {
		if err := holds(d.goes, d.file); err != nil {
			return fmt.Errorf("hand over %s: %w", d.goes, err)
		}
	}
	return nil
}

// tell adds to about what was handed over, and what to know of it. r is the
// run's.
func (h *handovers) tell(r gate.Report, about report.Run) report.Run {
	why := "not every image passed"
	switch {
	case h.given && h.exempt > 0:
		about.Warnings = append(slices.Clone(about.Warnings), report.Warning{
			Text: fmt.Sprintf("%s handed over by digest, and nobody has verified what is exempt: %d of them", number(h.images, "image"), h.exempt),
		})
	case r.Passed():
		why = "that failed"
	case len(r.Findings()) == 0:
		why = "no image was verified"
	}
	about.Handover = nil
	if b := h.binding; b.form != "" {
		line := b.said(h, why)
		about.Handover = append(about.Handover, line)
		if b.lenient && !h.given || b.lost { // what somebody may not expect
			about.Warnings = append(slices.Clone(about.Warnings), report.Warning{Text: line})
		}
	}
	for _, t := range h.targets {
		if !t.job && h.shut { // of bad input it is not known what was there before
			about.Handover = append(about.Handover, h.said(t, why))
		}
	}
	return about
}

// said is what became of t; why says why it was not handed over.
func (h *handovers) said(t target, why string) string {
	switch {
	case h.given:
		return fmt.Sprintf("handed over: %s in %s, %s", t.form.Name, t.name, h.counted())
	case t.form.Denies:
		return fmt.Sprintf("not handed over: %s, since %s; %s denies every image", t.form.Name, why, t.name)
	}
	return fmt.Sprintf("not handed over: %s, since %s; %s is not there", t.form.Name, why, t.name)
}

// counted says how many images were given.
func (h *handovers) counted() string {
	text := number(h.images, "image")
	if h.exempt > 0 {
		text += fmt.Sprintf(" (%d exempt, not verified)", h.exempt)
	}
	return text
}

// reported returns the paths of the files that reports go to.
func (f *fileFlags) reported(c Command) ([]string, error) {
	all, err := f.wanted(c)
	var names []string
	for _, w := range all {
		names = append(names, w.name)
	}
	return names, err
}
