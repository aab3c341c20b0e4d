package kubernetes

import (
	"errors"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/scan/internal/yamlnode"
)

// pods collects the images of a document: of each mapping in it that has lists
// of containers or volumes, whatever it is a part of. So the pods of kinds that
// nobody has heard of are seen, too.
type pods struct {
	file  *yamlnode.File
	slots []slot
}

// lists are the keys of a pod spec that have containers.
func lists(key string) (slotKind, bool) {
	switch key {
	case "containers", "initContainers":
		return container, true
	case "ephemeralContainers":
		return ephemeral, true
	}
	return 0, false
}

func (p *pods) walk(n *yaml.Node) {
	for _, pair := range yamlnode.Pairs(n) {
		p.field(pair.Key.Value, pair.Value)
		p.walk(pair.Value)
	}
	for _, item := range yamlnode.Items(n) {
		p.walk(item)
	}
}

// field reads one field of what may be a pod spec.
func (p *pods) field(key string, n *yaml.Node) {
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
	case ok && strings.Contains(text.Value, "{{"):
		p.slots = append(p.slots, slot{text: text, err: errTemplate})
	case ok:
		p.slots = append(p.slots, slot{text: text, ref: text.Value, kind: kind})
	case n.Kind == yaml.MappingNode && len(n.Content) > 0 && n.Content[0].Kind == yaml.MappingNode: // {{ .Values.image }} is YAML
		p.slots = append(p.slots, slot{text: yamlnode.Scalar{At: p.file.At(n)}, err: errTemplate})
	default:
		p.slots = append(p.slots, slot{text: yamlnode.Scalar{At: p.file.At(n)}, err: errors.New("an image that is no string")})
	}
}
