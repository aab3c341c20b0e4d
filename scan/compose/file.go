package compose

import (
	"bytes"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlnode"
	"github.com/boltseal/boltseal/scan"
)

// A file is a Compose file as it was parsed.
type file struct {
	*yamlnode.File
	body  []byte
	split [][]byte
}

// lines returns the lines of the text, without their "\n".
func (f *file) lines() [][]byte {
	if f.split == nil {
		f.split = bytes.Split(f.body, []byte("\n"))
	}
	return f.split
}

// A source is a file in an environment: what is written in it gets its meaning
// from there.
type source struct {
	*file
	env   *environment
	dir   string // that its paths are relative to
	texts map[*yaml.Node]filled
}

// open returns a file of the workspace as it is read in env. Where it cannot be
// read, it has no documents, or those before the fault.
func (p *project) open(name, dir string, env *environment) *source {
	return &source{file: p.parsed(name), env: env, dir: dir, texts: map[*yaml.Node]filled{}}
}

func (p *project) parsed(name string) *file {
	if f, done := p.files[name]; done {
		return f
	}
	p.found.opened(name)
	f := &file{File: &yamlnode.File{Name: name}}
	p.files[name] = f
	at := image.Position{File: name, Line: 1, Col: 1}
	body, err := p.read(name)
	if err == nil {
		f.body = body
		f.File, err = yamlnode.Parse(name, body)
		var wrong *yamlnode.Error
		if errors.As(err, &wrong) {
			at = wrong.At
		}
	}
	if err != nil {
		p.fail(at, image.ComposeImage, "", err)
	}
	return f
}

// read reads a Compose or env file of the workspace.
func (p *project) read(name string) ([]byte, error) {
	if !take(&p.budget.loads, 1) {
		return nil, fmt.Errorf("more than %d files in one project", maxLoads)
	}
	return p.readAll(name)
}

func (p *project) readAll(name string) ([]byte, error) {
	body, err := scan.ReadFile(p.source.FS, name)
	if err == nil && !take(&p.budget.bytes, len(body)) {
		return nil, fmt.Errorf("the files of one project are larger than %d MiB", maxBytes>>20)
	}
	return body, err
}
