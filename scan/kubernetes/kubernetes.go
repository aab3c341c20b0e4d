// Package kubernetes finds the images of Kubernetes manifests, as they are or
// as a kustomization changes them.
package kubernetes

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlnode"
	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/scan/internal/yamlfile"
)

// Format returns the format of manifests and kustomizations. It has to be
// asked for: any YAML or JSON file may be one.
//
// A manifest that a kustomization lists is read twice where both are asked
// for: as it is, for somebody may apply it so, and as it becomes.
func Format() *scan.Format {
	return &scan.Format{
		Name:  "kubernetes",
		Doc:   "manifests of Kubernetes (*.yaml, *.yml, *.json) and kustomizations: containers and image volumes of pods",
		Asked: true,
		Match: func(name string) bool {
			switch path.Ext(name) {
			case ".yaml", ".yml", ".json":
				return true
			}
			return isKustomization(name)
		},
		Scan: func(s scan.Source, name string) scan.Found {
			if isKustomization(name) {
				k := kustomize{fsys: s.FS, files: map[string]loaded{}, manifests: map[string][]slot{}, work: maxWork}
				slots := k.read(name, nil)
				return collect(slots, k.warnings)
			}
			file, err := yamlfile.Load(s.FS, name)
			return manifest(file, err, slices.Contains(s.Named, name))
		},
	}
}

// manifest reads a file on its own. It may be no manifest at all, which is an
// error where it was named as one.
func manifest(file *yamlnode.File, err error, named bool) scan.Found {
	p := pods{file: file}
	var warnings []scan.Warning
	for _, doc := range file.Docs {
		switch {
		case isManifest(doc):
			p.walk(doc)
		case !yamlnode.IsNull(doc) && named:
			p.slots = append(p.slots, slot{text: yamlnode.Scalar{At: file.At(doc)}, err: errors.New("no Kubernetes manifest: it has no apiVersion and no kind")})
		case !yamlnode.IsNull(doc):
			warnings = append(warnings, scan.Warning{At: file.At(doc), Text: "no Kubernetes manifest: it has no apiVersion and no kind"})
		}
	}
	// Many a file that is broken for YAML, or written for another reader, lies
	// beside manifests. What has no apiVersion nobody can apply.
	if err != nil && !named && !bytes.Contains(file.Body, []byte("apiVersion")) && !bytes.Contains(file.Body, []byte("{{")) && file.Body != nil {
		warnings = append(warnings, scan.Warning{At: place(file, err), Text: "no Kubernetes manifest: " + err.Error()})
	} else if err != nil {
		p.slots = append(p.slots, broken(file, err))
	}
	inOrder(p.slots)
	return collect(p.slots, warnings)
}

// isManifest reports whether a document names what it is, if only by half.
func isManifest(doc *yaml.Node) bool {
	return yamlnode.Find(doc, "apiVersion") != nil || yamlnode.Find(doc, "kind") != nil
}

// errTemplate says what to do with a file that is not YAML yet.
var errTemplate = errors.New("it looks like a Helm template: render it first, with helm template … > file, and give that file")

// broken returns the slot of a file, or the rest of one, that cannot be read.
func broken(file *yamlnode.File, err error) slot {
	if bytes.Contains(file.Body, []byte("{{")) {
		err = fmt.Errorf("%w; %w", err, errTemplate)
	}
	return slot{text: yamlnode.Scalar{At: place(file, err)}, err: err}
}

func place(file *yamlnode.File, err error) image.Position {
	var e *yamlnode.Error
	if errors.As(err, &e) {
		return e.At
	}
	return image.Position{File: file.Name, Line: 1, Col: 1}
}
