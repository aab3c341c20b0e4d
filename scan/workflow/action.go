package workflow

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlnode"
	"github.com/boltseal/boltseal/scan"
)

// action reads the runs of an action's metadata.
func (r *reader) action(runs *yaml.Node) {
	r.steps(yamlnode.Find(runs, "steps"))
	using, known := r.file.Scalar(yamlnode.Find(runs, "using"))
	if known && !strings.EqualFold(using.Value, "docker") {
		return
	}
	n := yamlnode.Find(runs, "image")
	text, ok := r.file.Scalar(n)
	switch {
	case ok && text.Value == "", n == nil:
		if known {
			r.fail(runs, image.Container, errors.New("an action that uses docker, without an image"))
		}
	case !ok:
		r.fail(n, image.Container, errors.New("image is no string"))
	case strings.Contains(text.Value, "${{"): // GitHub refuses it
		r.unknown(text, image.Container, runtime)
	case len(text.Value) >= len(scheme) && strings.EqualFold(text.Value[:len(scheme)], scheme):
		text, _ = text.Cut(text.Value[:len(scheme)])
		r.use(text, image.Container, text.Value)
	default:
		r.build(text)
	}
}

// build reads the Dockerfile that an action is built from, as the runner does:
// without arguments, up to the last stage.
func (r *reader) build(text yamlnode.Scalar) {
	name := path.Join(path.Dir(r.file.Name), text.Value)
	if path.IsAbs(text.Value) || !fs.ValidPath(name) {
		r.add(text.At, image.Use{Text: text.Text, At: text.At, Kind: image.Container, Err: fmt.Errorf("the Dockerfile %q is outside of the workspace", text.Value)})
		return
	}
	body, err := scan.ReadFile(r.source.FS, name)
	if err != nil {
		r.add(text.At, image.Use{Text: text.Text, At: text.At, Kind: image.Container, Err: fmt.Errorf("the Dockerfile of this action: %w", err)})
		return
	}
	found := r.dockerfile(body, name, scan.Build{
		Platforms:     r.source.Build.Platforms,
		BuildPlatform: r.source.Build.BuildPlatform,
		Given:         r.source.Build.Given,
	})
	for _, use := range found.Uses {
		r.add(text.At, use)
	}
	r.warnings = append(r.warnings, found.Warnings...)
}
