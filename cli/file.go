package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

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
type fileFlags struct{ summary, report string }

func (f *fileFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.summary, "summary-file", "", "`FILE` that gets a summary in Markdown")
	flags.StringVar(&f.report, "report-file", "", "`FILE` that gets the JSON report, whatever --output says")
}

// A reportFile is open before anything is asked of anybody, and empty until the
// run is over: what an earlier run said must not be taken for this one's word.
type reportFile struct {
	file  *os.File
	write func(io.Writer, gate.Report, report.Run) error
}

type reportFiles []reportFile

// create empties or makes the files.
func (f *fileFlags) create() (reportFiles, error) {
	if f.summary != "" && filepath.Clean(f.summary) == filepath.Clean(f.report) {
		return nil, usagef("--summary-file", "give each a file of its own", "--report-file names the same file")
	}
	var files reportFiles
	for _, x := range []struct {
		flag, name string
		write      func(io.Writer, gate.Report, report.Run) error
	}{
		{"--summary-file", f.summary, f.markdown},
		{"--report-file", f.report, report.JSON},
	} {
		if x.name == "" {
			continue
		}
		file, err := os.OpenFile(x.name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644) //nolint:gosec // the user names it, and others may read a report
		if err != nil {
			return nil, errors.Join(usagef(x.flag, "name a file in a directory that exists and may be written", "%w", err), files.close())
		}
		files = append(files, reportFile{file, x.write})
	}
	return files, nil
}

func (f *fileFlags) markdown(w io.Writer, r gate.Report, about report.Run) error {
	return report.Markdown(w, r, report.MarkdownOptions{Run: about, ReportFile: f.report})
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
