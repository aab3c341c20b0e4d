package kubernetes

import (
	"errors"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/internal/yamlnode"
)

// pods collects the images of a document: of each mapping in it that has lists
// of containers or volumes, whatever it is a part of. So the pods of kinds that
// nobody has heard of are seen, too, and those that controllers make of steps:
// Tekton's, Argo's and KubeVirt's.
type pods struct {
	file  *yamlnode.File
	slots []slot
}

// lists are the keys that have containers: of a pod spec, and of what Tekton and
// Argo Workflows make one from.
func lists(key string) (slotKind, bool) {
	switch key {
	case "containers", "initContainers":
		return container, true
	case "ephemeralContainers", "steps", "sidecars":
		return fixed, true
	}
	return 0, false
}

// single reports whether a key has one container: of a template of Argo
// Workflows, for all steps of a Tekton task, or a disk of KubeVirt.
func single(key string) bool {
	switch key {
	case "container", "script", "stepTemplate", "containerDisk":
		return true
	}
	return false
}

func (p *pods) walk(n *yaml.Node) {
	for _, pair := range yamlnode.Pairs(n) {
		p.field(pair.Key.Value, pair.Value)
		p.walk(pair.Value)
		if pair.Key.Value == "kind" && pair.Value.Value == "StepAction" { // of Tekton
			p.image(yamlnode.Find(n, "spec", "image"), fixed)
		}
	}
	for _, item := range yamlnode.Items(n) {
		p.walk(item)
	}
}

// field reads one field of what may be a pod spec.
func (p *pods) field(key string, n *yaml.Node) {
	if single(key) {
		p.image(yamlnode.Find(n, "image"), fixed)
	}
	if kind, ok := lists(key); ok {
		for _, item := range yamlnode.Items(n) {
			p.image(yamlnode.Find(item, "image"), kind)
		}
	}
	if key == "volumes" {
		for _, item := range yamlnode.Items(n) {
			p.image(yamlnode.Find(item, "image", "reference"), volume)
		}
	}
}

// image reads what should be a reference. None is no error: a template may
// leave it to a controller.
func (p *pods) image(n *yaml.Node, kind slotKind) {
	if yamlnode.IsNull(n) {
		return
	}
	text, ok := p.file.Scalar(n)
	switch {
	case ok && text.Value == "":
	case ok && len(text.Value) > maxReference:
		p.slots = append(p.slots, slot{text: text, err: errLong})
	case ok:
		p.slots = append(p.slots, slot{text: text, ref: text.Value, kind: kind})
	case n.Kind == yaml.MappingNode && len(n.Content) > 0 && n.Content[0].Kind == yaml.MappingNode: // {{ .Values.image }} is YAML
		p.slots = append(p.slots, slot{text: yamlnode.Scalar{At: p.file.At(n)}, err: errTemplate})
	case kind == fixed: // the steps or the container of something else
	default:
		p.slots = append(p.slots, slot{text: yamlnode.Scalar{At: p.file.At(n)}, err: errors.New("an image that is no string")})
	}
}
