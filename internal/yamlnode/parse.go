// Package yamlnode reads YAML, and so JSON, for those who need to know where
// each text stands: nodes with positions, within bounds that hostile
// files cannot exceed.
//
// What [Parse] returns is safe to walk: it has no cycles, its nesting is
// bounded, and so is the number of nodes that aliases add.
package yamlnode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/image"
)

// MaxFile bounds a file, in bytes.
const MaxFile = 4 << 20

const (
	// maxAliased bounds the nodes that a file has through aliases, on top of
	// those that are written: what a walk visits more than once.
	maxAliased = 1 << 18
	// longText is how many bytes of a text count for one node more.
	longText = 64
	// maxDepth bounds the nesting, through aliases too. The deepest schemas of
	// Kubernetes have about 60 levels.
	maxDepth = 500
	// maxDirectives bounds lines that begin with "%": the parser compares each
	// %TAG with all before it.
	maxDirectives = 64
)

// A File is a parsed file of zero or more documents.
type File struct {
	Name string
	Body []byte
	// Docs are the contents of the documents, none of them a DocumentNode. An
	// empty document is a null scalar.
	Docs  []*yaml.Node
	index index
}

// An Error is about a place in a file.
type Error struct {
	At  image.Position
	Err error
	// Syntax is what the parser says of a text that is no YAML, "" where it is
	// YAML that is refused for something else.
	Syntax string
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

func small(body []byte) error {
	if len(body) > MaxFile {
		return fmt.Errorf("the file is larger than %d MiB", MaxFile>>20)
	}
	return nil
}

// Parse parses body, the text of the file called name. The error is an
// [*Error]; the File holds the documents before it, and is never nil.
func Parse(name string, body []byte) (*File, error) {
	f := &File{Name: name, Body: body}
	if err := plausible(body); err != nil {
		return f, &Error{At: image.Position{File: name, Line: 1, Col: 1}, Err: err}
	}
	f.index = newIndex(body)
	dec := yaml.NewDecoder(bytes.NewReader(body))
	b := newBounds()
	for {
		doc, err := decode(dec)
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		if err != nil {
			return f, f.syntax(err)
		}
		if bad, err := b.check(doc); err != nil {
			return f, &Error{At: f.At(bad), Err: err}
		}
		f.Docs = append(f.Docs, doc)
	}
}

// plausible refuses what the parser would take too long for, or in which
// positions could not be told.
func plausible(body []byte) error {
	if err := small(body); err != nil {
		return err
	}
	switch {
	case bytes.HasPrefix(body, []byte("\xff\xfe")), bytes.HasPrefix(body, []byte("\xfe\xff")):
		return errors.New("the file is UTF-16; save it as UTF-8")
	case bytes.Count(body, []byte("\n%"))+bytes.Count(body, []byte("\r%")) > maxDirectives:
		return fmt.Errorf("more than %d lines begin with %%", maxDirectives)
	}
	return nil
}

// decode returns the next document. The parser is known to panic on some texts
// that are no YAML; here that is an error of the text.
func decode(dec *yaml.Decoder) (doc *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			doc, err = nil, fmt.Errorf("yaml: %v", r)
		}
	}()
	var n yaml.Node
	if err := dec.Decode(&n); err != nil {
		return nil, err
	}
	if n.Kind != yaml.DocumentNode || len(n.Content) != 1 {
		return nil, errors.New("yaml: a document without content")
	}
	return n.Content[0], nil
}

var (
	yamlError = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?s)^yaml: (?:line (\d+): )?(.*)$`) })
	// lineBefore matches what the parser, unlike its scanner, says with lines
	// counted from 0; of the first line it says nothing.
	lineBefore = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^did not find expected (?:',' or|'-' indicator|<|key$|node content)|^found (?:duplicate|undefined|incompatible)`)
	})
)

// syntax gives an error of the parser its place. The parser names only a line,
// and not always.
func (f *File) syntax(err error) *Error {
	at := image.Position{File: f.Name, Line: 1, Col: 1}
	problem := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlError().FindStringSubmatch(err.Error()); m != nil {
		problem = m[2]
		if line, convErr := strconv.Atoi(m[1]); convErr == nil {
			if lineBefore().MatchString(m[2]) {
				line++
			}
			at = f.position(f.index.offset(f.Body, line, 1))
		}
		err = errors.New("not YAML: " + m[2])
	}
	return &Error{At: at, Err: err, Syntax: problem}
}

// Reached returns how many bytes of body, a text that Parse says is no YAML, the
// parser takes before it says so: up to a few behind the mistake. It names the
// line where a list or mapping begins that it cannot go on with.
func Reached(body []byte) int {
	if plausible(body) != nil {
		return 0
	}
	r := &byBytes{rest: body}
	dec := yaml.NewDecoder(r)
	for {
		if _, err := decode(dec); err != nil {
			return len(body) - len(r.rest)
		}
	}
}

// byBytes gives one byte at a time, so that what was not given was not seen.
type byBytes struct{ rest []byte }

func (r *byBytes) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest[:1])
	r.rest = r.rest[n:]
	return n, nil
}
