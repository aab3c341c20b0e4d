package report

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	source "github.com/boltseal/boltseal/image" // this package has a function image
)

// A Listing is what files use, without a word on who signed it.
type Listing struct {
	Files    []File // that were scanned
	Uses     []source.Use
	Warnings []Warning
}

// A File is one that was scanned.
type File struct {
	Path   string `json:"file"`   // as the user knows it
	Format string `json:"format"` // by name, such as "dockerfile"
}

// UsesVersion is the version of the JSON that UsesJSON writes. It grows by one
// when a field changes its meaning or goes; new fields do not change it.
const UsesVersion = 1

// The listing is described in docs/scan.md and docs/uses.schema.json.
type listingDoc struct {
	Version  int         `json:"version"`
	Uses     []listedDoc `json:"uses"`
	Warnings []noticeDoc `json:"warnings"`
	Files    []File      `json:"files"`
}

type listedDoc struct {
	Image string `json:"image"`
	useDoc
	Error string `json:"error,omitempty"`
	// Warning is whether the error is only one: it does not fail.
	Warning bool `json:"warning,omitempty"`
}

type noticeDoc struct {
	Message string `json:"message"`
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
}

// A row is one place that uses an image.
type row struct {
	use      source.Use
	doubtful bool // it is not known which image, and that is only a warning
}

// rows returns all places, ordered by file, line and column.
func (l Listing) rows() []row {
	var rows []row
	for _, u := range l.Uses {
		rows = append(rows, row{use: u})
	}
	for _, x := range l.Warnings {
		if x.Kind != "" {
			rows = append(rows, row{source.Use{Text: x.Written, At: x.At, Kind: x.Kind, Err: errors.New(x.Text)}, true})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		a1, b1 := a.use.At, b.use.At
		return cmp.Or(cmp.Compare(a1.File, b1.File), cmp.Compare(a1.Line, b1.Line), cmp.Compare(a1.Col, b1.Col))
	})
	return rows
}

// UsesJSON writes l as the document of docs/scan.md. Its bytes are as harmless
// in a terminal or a log as those of [UsesText].
func UsesJSON(w io.Writer, l Listing) error {
	doc := listingDoc{Version: UsesVersion, Uses: []listedDoc{}, Warnings: []noticeDoc{}, Files: append([]File{}, l.Files...)}
	for _, r := range l.rows() {
		u := r.use
		d := listedDoc{useDoc: used(u), Warning: r.doubtful}
		if u.Err != nil {
			d.Error = cmp.Or(u.Err.Error(), "nobody says why") // never left out
		} else {
			d.Image = u.Ref.String()
		}
		doc.Uses = append(doc.Uses, d)
	}
	for _, x := range l.Warnings {
		if x.Kind == "" {
			doc.Warnings = append(doc.Warnings, noticeDoc{x.Text, x.At.File, x.At.Line, x.At.Col})
		}
	}
	return Value(w, doc)
}

// UsesText writes l for people: a table of what is used, then what could not be
// read or resolved, then how many there are. As in [Text], nothing from outside
// begins a line but references, whose characters are known.
func UsesText(w io.Writer, l Listing) error {
	var b strings.Builder
	if rows := l.rows(); len(rows) > 0 {
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "IMAGE\tKIND\tWHERE\tSTAGE") //nolint:errcheck // a strings.Builder takes all
		for _, r := range rows {
			u := r.use
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", cell(named(u)), u.Kind, cell(at(u.At)), cell(u.Stage)) //nolint:errcheck // the same
		}
		if err := t.Flush(); err != nil {
			return err
		}
		b.WriteByte('\n')
	}
	wrong := 0
	images := map[source.Ref]bool{}
	for _, u := range l.Uses {
		if u.Err == nil {
			images[u.Ref] = true
			continue
		}
		wrong++
		fmt.Fprintf(&b, "error %s: %s\n", Printable(at(u.At)), Printable(clip(said(u.Err))))
	}
	for _, x := range Gathered(l.Warnings) {
		fmt.Fprintf(&b, "warning %s\n", Printable(clip(x.String())))
	}
	fmt.Fprintf(&b, "%s in %s", count(len(images), "image"), count(len(l.Uses)-wrong, "place"))
	if len(l.Files) > 0 {
		fmt.Fprintf(&b, ", %s scanned", count(len(l.Files), "file"))
	}
	if wrong > 0 {
		fmt.Fprintf(&b, ", %s", count(wrong, "error"))
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}

// named is the image of u, or what is written where it is not known.
func named(u source.Use) string {
	switch {
	case u.Err == nil:
		return u.Ref.String()
	case u.Text == "":
		return "?"
	}
	return "? " + u.Text
}

func at(p source.Position) string {
	switch {
	case p.File == "":
		return "command line"
	case p.Line == 0:
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// cell is s in a table whose columns tabs tell apart.
func cell(s string) string {
	const most = 120 // characters; JSON has all
	if s = Printable(s); s == "" {
		return "-"
	}
	return cut(s, most)
}
