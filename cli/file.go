package cli

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/report"
)

// maxText bounds keys, certificates and trust roots, in bytes.
const maxText = 4 << 20

// readBounded reads a file that a flag names. One that is longer than limit, in
// bytes, is an error.
func readBounded(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name) //nolint:gosec // the user names it
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(body)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return body, err
}

// fileFlags name the files that reports go to, besides standard output.
type fileFlags struct {
	summary, report string
	more            []string // FORMAT=FILE
}

func (f *fileFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.more, "report", nil, "`FORMAT=FILE`: a report of the format json, sarif, junit, markdown, code-quality or text (docs/reports.md) that goes to the file; repeatable")
	flags.StringVar(&f.summary, "summary-file", "", "`FILE` that gets a summary in Markdown")
	flags.StringVar(&f.report, "report-file", "", "`FILE` that gets the JSON report, whatever --output says")
}

// A reportFile is open before anything is asked of anybody, and empty until the
// run is over: what an earlier run said must not be taken for this one's word.
type reportFile struct {
	file  *os.File
	write writer
}

type reportFiles []reportFile

// A writer writes a report in one format.
type writer func(io.Writer, gate.Report, report.Run) error

// writer returns the writer of a format, nil if there is none of that name.
func (f *fileFlags) writer(format string) writer {
	switch format {
	case "json":
		return report.JSON
	case "sarif":
		return report.SARIF
	case "junit":
		return report.JUnit
	case "code-quality":
		return report.CodeQuality
	case "markdown":
		return f.markdown
	case "text":
		return func(w io.Writer, r gate.Report, about report.Run) error {
			return report.Text(w, r, report.TextOptions{Warn: about.Lenient(r), Handover: about.Handover})
		}
	}
	return nil
}

// A wanted is one report that somebody wants to have in a file.
type wanted struct {
	flag, name string
	write      writer
}

// wanted returns the reports that the flags name, with the paths of their files.
func (f *fileFlags) wanted(c Command) ([]wanted, error) {
	var (
		all  []wanted
		errs []error
	)
	for _, w := range []wanted{{"--summary-file", f.summary, f.markdown}, {"--report-file", f.report, report.JSON}} {
		if w.name != "" {
			w.name = c.path(w.name)
			all = append(all, w)
		}
	}
	for _, text := range f.more {
		format, name, ok := strings.Cut(text, "=")
		write := f.writer(format)
		if !ok || name == "" || write == nil {
			errs = append(errs, usagef("--report", "write FORMAT=FILE, such as sarif=boltseal.sarif; the formats are json, sarif, junit, markdown, code-quality and text", "%q is no format and file", text))
			continue
		}
		all = append(all, wanted{"--report", c.path(name), write})
	}
	return all, errors.Join(errs...)
}

// jsonFile is where the JSON report goes, "" if nowhere.
func (f *fileFlags) jsonFile() string {
	for _, text := range f.more {
		if name, ok := strings.CutPrefix(text, "json="); ok && f.report == "" {
			return name
		}
	}
	return f.report
}

// placed returns about with what reports whose readers want paths of the
// repository need to know.
func (c Command) placed(about report.Run) report.Run {
	if base, err := filepath.Abs(cmp.Or(c.Dir, ".")); err == nil {
		about.Inside = slashed(repository(base, base), base)
	}
	about.GivenIn = workflowFile(c.getenv("GITHUB_WORKFLOW_REF"))
	return about
}

// workflowFile is the file of OWNER/REPOSITORY/FILE@REF, as the runner names
// the workflow; "" of anything else.
func workflowFile(ref string) string {
	file, _, _ := strings.Cut(ref, "@")
	parts := strings.SplitN(file, "/", 3)
	if len(parts) < 3 || !fs.ValidPath(parts[2]) {
		return ""
	}
	return parts[2]
}

// create makes the files, or empties them; inputs are the files that this run
// reads, which none of them may be.
func (f *fileFlags) create(c Command, inputs ...string) (reportFiles, error) {
	all, err := f.wanted(c)
	if err != nil {
		return nil, err // before any file is touched
	}
	var (
		files reportFiles
		errs  []error
	)
	for _, x := range all {
		file, err := f.open(x.name, files, inputs)
		if err != nil {
			errs = append(errs, usagef(x.flag, "name a file of its own, in a folder that exists and may be written", "%w", err))
			continue
		}
		files = append(files, reportFile{file, x.write})
	}
	// Also where one of them cannot be had: the others must not keep old words.
	for _, x := range files {
		errs = append(errs, empty(x.file))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, files.close())
	}
	return files, nil
}

// open opens the file without changing it.
func (f *fileFlags) open(name string, others reportFiles, inputs []string) (*os.File, error) {
	if leads(name) {
		return nil, fmt.Errorf("%s is a link, and whoever wrote it chose the file that would be overwritten", name)
	}
	_, before := os.Lstat(name)
	// Opening a pipe that nobody reads would wait for ever.
	file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, 0o644) //nolint:gosec // the user names it, and others may read a report
	if err != nil {
		return nil, err
	}
	same := func(info fs.FileInfo, err error) bool {
		own, ownErr := file.Stat()
		return err == nil && ownErr == nil && own.Mode().IsRegular() && os.SameFile(own, info)
	}
	for _, o := range others {
		if same(o.file.Stat()) {
			return nil, errors.Join(fmt.Errorf("%s is the file of another report", name), file.Close())
		}
	}
	for _, input := range inputs {
		if same(os.Stat(input)) {
			err := errors.Join(fmt.Errorf("%s is a file that this run reads", name), file.Close())
			if errors.Is(before, fs.ErrNotExist) { // such as a lock that is to be written: an empty one would be read
				err = errors.Join(err, os.Remove(name))
			}
			return nil, err
		}
	}
	return file, nil
}

// leads reports whether a name is a link to a file, be it there or not. Links to
// terminals and pipes do no harm, and those in /dev are the system's.
func leads(name string) bool {
	link, err := os.Lstat(name)
	if err != nil || link.Mode()&fs.ModeSymlink == 0 || strings.HasPrefix(name, "/dev/") {
		return false
	}
	info, err := os.Stat(name)
	return err != nil || info.Mode().IsRegular()
}

// empty empties a file; what is none, such as a terminal, keeps nothing.
func empty(f *os.File) error {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	return f.Truncate(0)
}

func (f *fileFlags) markdown(w io.Writer, r gate.Report, about report.Run) error {
	return report.Markdown(w, r, report.MarkdownOptions{Run: about, ReportFile: f.jsonFile()})
}

func (f reportFiles) close() error {
	var errs []error
	for _, x := range f {
		errs = append(errs, x.file.Close())
	}
	return errors.Join(errs...)
}

// write writes all the files, as far as possible, and closes them.
func (f reportFiles) write(r gate.Report, about report.Run) error {
	var errs []error
	for _, x := range f {
		var b bytes.Buffer // one write: a half report is none
		err := x.write(&b, r, about)
		if err == nil {
			_, err = x.file.Write(b.Bytes())
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, f.close())...)
}
