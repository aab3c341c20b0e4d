// Package yamlfile reads the YAML files of a workspace.
package yamlfile

import (
	"io/fs"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlnode"
	"github.com/boltseal/boltseal/scan"
)

// Load reads and parses a file of fsys. The error is a [*yamlnode.Error], at the
// first line where the file cannot be read; the File holds the documents before
// it, and is never nil.
func Load(fsys fs.FS, name string) (*yamlnode.File, error) {
	body, err := scan.ReadFile(fsys, name)
	if err != nil {
		return &yamlnode.File{Name: name}, &yamlnode.Error{At: image.Position{File: name, Line: 1, Col: 1}, Err: err}
	}
	return yamlnode.Parse(name, body)
}
