// Package workflow finds the images of GitHub Actions: of the containers and
// services that jobs run in, and of actions that are images.
package workflow

import (
	"errors"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlnode"
	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/scan/internal/yamlfile"
)

// Format returns the format of workflows and of actions' metadata. An action
// built from a Dockerfile is read by dockerfile, which must not be nil; it
// gets the text and the name of that file.
//
// Expressions have the value that GitHub gives them as far as a literal matrix
// decides it. Others are warnings: no build pulls those images.
func Format(dockerfile func(body []byte, file string, b scan.Build) scan.Found) *scan.Format {
	return &scan.Format{
		Name:  "workflow",
		Doc:   ".github/workflows/*.yml and action.yml: job containers, services, docker:// actions, Dockerfile actions",
		Match: match,
		Scan: func(s scan.Source, name string) scan.Found {
			file, err := yamlfile.Load(s.FS, name)
			r := reader{source: s, file: file, dockerfile: dockerfile, budget: maxWork}
			for _, doc := range file.Docs {
				r.document(doc)
			}
			if err != nil {
				r.unreadable(err)
			}
			return r.sorted()
		},
	}
}

func match(name string) bool {
	dir, base := path.Split(name)
	switch path.Ext(base) {
	case ".yml", ".yaml":
		return dir == ".github/workflows/" || base == "action.yml" || base == "action.yaml"
	}
	return false
}

// A reader reads one file.
type reader struct {
	source     scan.Source
	file       *yamlnode.File
	dockerfile func(body []byte, file string, b scan.Build) scan.Found
	budget     int // of work that matrices cause
	collected
}

// document reads a workflow or an action; which of them, the text says, for
// both may have any name where they are asked for.
func (r *reader) document(doc *yaml.Node) {
	jobs, runs := yamlnode.Find(doc, "jobs"), yamlnode.Find(doc, "runs")
	if jobs == nil && runs == nil && !yamlnode.IsNull(doc) {
		r.stranger(doc)
	}
	if r.mapping(jobs, "jobs") {
		for _, job := range yamlnode.Pairs(jobs) {
			r.job(job.Value)
		}
	}
	if r.mapping(runs, "runs") {
		r.action(runs)
	}
}

// stranger reports a document that is none of GitHub's. Where somebody says what
// the file is, that is an error.
func (r *reader) stranger(doc *yaml.Node) {
	const what = "neither a workflow nor an action: it has no jobs and no runs"
	if slices.Contains(r.source.Named, r.file.Name) {
		r.fail(doc, image.File, errors.New(what))
		return
	}
	r.warn(r.file.At(doc), what)
}

// mapping reports whether n is a mapping. That it is anything but that, or
// null, is an error.
func (r *reader) mapping(n *yaml.Node, what string) bool {
	if yamlnode.IsNull(n) {
		return false
	}
	if n.Kind != yaml.MappingNode {
		r.fail(n, image.Container, errors.New(what+" is no mapping"))
		return false
	}
	return true
}

func (r *reader) job(job *yaml.Node) {
	if !r.mapping(job, "a job") {
		return
	}
	container, services := yamlnode.Find(job, "container"), yamlnode.Find(job, "services")
	if container != nil || services != nil {
		m := r.matrix(yamlnode.Find(job, "strategy"))
		r.container(container, image.Container, m)
		r.services(services, m)
	}
	r.steps(yamlnode.Find(job, "steps"))
}

// services reads a mapping of containers, or an expression that gives one.
func (r *reader) services(n *yaml.Node, m matrix) {
	switch {
	case yamlnode.IsNull(n):
	case n.Kind == yaml.ScalarNode:
		text, _ := r.file.Scalar(n)
		r.evaluate(text, image.Service, m, func(v value) {
			o, ok := v.(object)
			if !ok && v != nil {
				r.warn(text.At, short(text)+" is no mapping of services in some combination, which GitHub refuses")
			}
			for _, name := range o.keys {
				r.resolved(text, image.Service, o.values[name])
			}
		})
	case r.mapping(n, "services"):
		for _, service := range r.pairs(n) {
			r.container(service.Value, image.Service, m)
		}
	}
}

// container reads a container: a reference, a mapping with one, or an
// expression that gives one of these. An empty reference stands for none.
func (r *reader) container(n *yaml.Node, kind image.Kind, m matrix) {
	switch {
	case yamlnode.IsNull(n):
	case n.Kind == yaml.MappingNode:
		r.pairs(n)
		if n = yamlnode.Find(n, "image"); yamlnode.IsNull(n) {
			return
		}
		if n.Kind != yaml.ScalarNode {
			r.fail(n, kind, errors.New("image is no string"))
			return
		}
		fallthrough
	case n.Kind == yaml.ScalarNode:
		text, _ := r.file.Scalar(n)
		text, _ = text.Cut(scheme) // the runner allows it here, too
		r.evaluate(text, kind, m, func(v value) { r.resolved(text, kind, v) })
	default:
		r.fail(n, kind, errors.New("a container is neither a string nor a mapping"))
	}
}

// pairs returns the pairs of a mapping, with a warning for each key that is
// known only when the workflow runs.
func (r *reader) pairs(n *yaml.Node) []yamlnode.Pair {
	pairs := yamlnode.Pairs(n)
	for _, p := range pairs {
		if key, ok := r.file.Scalar(p.Key); ok && strings.Contains(key.Value, "${{") {
			r.unknown(key, image.Service, runtime)
		}
	}
	return pairs
}

// scheme begins a reference where others than images can stand.
const scheme = "docker://"

// steps reads the actions of a job, or of a composite action, that are images.
func (r *reader) steps(n *yaml.Node) {
	for _, step := range yamlnode.Items(n) {
		text, ok := r.file.Scalar(yamlnode.Find(step, "uses"))
		if !ok {
			continue
		}
		if text, ok = text.Cut(scheme); !ok {
			continue // another repository's action, or a file's of its own
		}
		if strings.Contains(text.Value, "${{") { // GitHub refuses it
			r.unknown(text, image.DockerUses, runtime)
			continue
		}
		r.use(text, image.DockerUses, text.Value)
	}
}
