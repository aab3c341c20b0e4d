package kubernetes

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/internal/yamlnode"
)

// patches returns the images that the patches of a kustomization bring. What
// they replace stays besides: whether a patch fits its target is not looked
// into.
func (k *kustomize) patches(f *yamlnode.File, doc *yaml.Node) []slot {
	var slots []slot
	for _, entry := range yamlnode.Items(yamlnode.Find(doc, "patchesStrategicMerge")) {
		if text, ok := f.Scalar(entry); ok && strings.ContainsAny(text.Value, "\n{") {
			slots = append(slots, k.inline(f, text)...)
		} else {
			slots = append(slots, k.resource(f, entry, nil)...)
		}
	}
	for _, key := range []string{"patches", "patchesJson6902"} {
		for _, entry := range yamlnode.Items(yamlnode.Find(doc, key)) {
			if text, ok := f.Scalar(yamlnode.Find(entry, "patch")); ok {
				slots = append(slots, k.inline(f, text)...)
			}
			if n := yamlnode.Find(entry, "path"); !yamlnode.IsNull(n) {
				slots = append(slots, k.resource(f, n, nil)...)
			}
		}
	}
	return slots
}

// inline reads a patch that is a text of the kustomization.
func (k *kustomize) inline(f *yamlnode.File, text yamlnode.Scalar) []slot {
	if k.spent() {
		return nil
	}
	if err := k.spend(costInline + len(text.Value)/2); err != nil {
		return []slot{{text: text, err: err}}
	}
	inner, err := yamlnode.Parse(f.Name, []byte(text.Value))
	p := pods{file: inner}
	for _, doc := range inner.Docs {
		p.walk(doc)
		p.operations(doc)
	}
	for i, s := range p.slots {
		p.slots[i].text = f.Inside(text, s.text)
	}
	if err != nil {
		p.slots = append(p.slots, slot{text: text, err: err})
	}
	return p.slots
}

// operations reads a JSON patch: a list of what to do at a path.
// https://www.rfc-editor.org/rfc/rfc6902
func (p *pods) operations(doc *yaml.Node) {
	for _, op := range yamlnode.Items(doc) {
		at, ok := p.file.Scalar(yamlnode.Find(op, "path"))
		value := yamlnode.Find(op, "value")
		if name := yamlnode.Find(op, "op"); name != nil && name.Value == "test" {
			continue // it only compares
		}
		if !ok || yamlnode.IsNull(value) {
			continue
		}
		keys := strings.Split(at.Value, "/")
		last := keys[len(keys)-1]
		p.field(last, value) // a list
		if len(keys) < 2 {
			continue
		}
		list := keys[len(keys)-2]
		if kind, ok := lists(list); ok { // an item of one
			p.image(yamlnode.Find(value, "image"), kind)
		}
		switch {
		case last == "image" && single(list):
			p.image(value, fixed)
		case list == "volumes":
			p.image(yamlnode.Find(value, "image", "reference"), volume)
		case list == "image" && last == "reference":
			p.image(value, volume)
		case last == "image" && value.Kind == yaml.MappingNode:
			p.image(yamlnode.Find(value, "reference"), volume)
		case last == "image" && len(keys) > 2:
			if kind, ok := lists(keys[len(keys)-3]); ok {
				p.image(value, kind)
			}
		}
	}
}
