package compose

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlnode"
)

// A value is part of a Compose model: of one file, or merged from several. It
// does not change once it is made, as several models may share it.
type value struct {
	src    *source    // the file it stands in
	node   *yaml.Node // where; of a merged mapping, the one that was merged in
	kind   kind
	filled      // a text
	plain  bool // text that YAML does not take for a string
	keys   []string
	of     map[string]*value // by key
	items  []*value
}

type kind int

const (
	null kind = iota
	text
	mapping
	list
)

func (k kind) String() string { return [...]string{"nothing", "text", "a mapping", "a list"}[k] }

// at returns where v begins: of a text, its first character.
func (v *value) at() image.Position {
	if s, ok := v.src.Scalar(v.node); ok {
		return s.At
	}
	return v.src.At(v.node)
}

// written returns a text as it is in the file.
func (v *value) written() string {
	s, _ := v.src.Scalar(v.node)
	return s.Text
}

// literal returns the one text that v, a text, was read from: itself, or the
// default of the variable that it is. There is none where it has escapes.
func (v *value) literal() image.Literal {
	s, ok := v.src.Scalar(v.node)
	if !ok || v.plain || s.Text != s.Value {
		return image.Literal{}
	}
	if operand, ok := defaulted(s.Text); ok {
		s.Text = s.Text[operand : len(s.Text)-1]
		s.At.Col += operand
	}
	if s.Text != v.text {
		return image.Literal{}
	}
	return image.Literal{Text: s.Text, At: s.At}
}

// get returns what is at the end of a path of keys; nil if there is nothing, or
// null.
func (v *value) get(path ...string) *value {
	for _, key := range path {
		if v == nil {
			return nil
		}
		v = v.of[key]
	}
	if v == nil || v.kind == null {
		return nil
	}
	return v
}

// with returns the mapping v with another value for a key, without it for nil.
func (v *value) with(key string, to *value) *value {
	out := *v
	out.of = make(map[string]*value, len(v.of)+1)
	for k, old := range v.of {
		out.of[k] = old
	}
	switch _, had := v.of[key]; {
	case to == nil:
		delete(out.of, key)
		out.keys = slices.DeleteFunc(slices.Clone(v.keys), func(k string) bool { return k == key })
	case had:
		out.of[key] = to
	default:
		out.of[key] = to
		out.keys = append(slices.Clone(v.keys), key)
	}
	return &out
}

// list returns the items of a list, or a text as the only one.
func (v *value) list() []*value {
	switch {
	case v == nil:
		return nil
	case v.kind == text:
		return []*value{v}
	}
	return v.items
}

// A reader makes values of one document.
type reader struct {
	p      *project
	src    *source
	resets [][]string // paths with !reset or !override
	whole  bool       // within an !override, where compose-go looks for no further tags (loader/reset.go, resolveReset)
}

// read returns the value of a node, with what matters here of its keys; nil for
// what !reset takes away.
func (r *reader) read(n *yaml.Node, path ...string) *value {
	n = yamlnode.Resolve(n)
	v := &value{src: r.src, node: n}
	switch {
	case r.whole:
	case n.Tag == "!reset":
		r.resets = append(r.resets, path)
		return nil
	case n.Tag == "!override":
		r.resets = append(r.resets, path)
		r.whole = true
		defer func() { r.whole = false }()
	}
	if !take(&r.p.budget.nodes, 1) || len(path) > maxLevels {
		return v
	}
	switch {
	case n.Kind == yaml.MappingNode:
		v.kind, v.of = mapping, map[string]*value{}
		for _, pair := range yamlnode.Pairs(r.unset(n, path)) {
			key := pair.Key.Value
			if pair.Key.Kind != yaml.ScalarNode || !matters(path, key) || v.of[key] != nil {
				continue
			}
			if sub := r.read(pair.Value, append(path[:len(path):len(path)], key)...); sub != nil {
				v.keys = append(v.keys, key)
				v.of[key] = sub
			}
		}
	case n.Kind == yaml.SequenceNode:
		v.kind = list
		for _, item := range yamlnode.Items(n) {
			if sub := r.read(item, append(path[:len(path):len(path)], "[]")...); sub != nil {
				v.items = append(v.items, sub)
			}
		}
	case !yamlnode.IsNull(n):
		v.kind = text
		v.plain = n.Tag != "!!str" && strings.HasPrefix(n.Tag, "!!")
		v.filled = r.fill(n, v.plain)
	}
	return v
}

// unset returns a mapping without the keys that have !reset: a merge key may
// still bring them.
func (r *reader) unset(n *yaml.Node, path []string) *yaml.Node {
	if r.whole {
		return n
	}
	out, kept := *n, n.Content
	for i := 0; i+1 < len(n.Content); i += 2 {
		if yamlnode.Resolve(n.Content[i+1]).Tag == "!reset" {
			r.resets = append(r.resets, append(path[:len(path):len(path)], n.Content[i].Value))
			if len(kept) == len(n.Content) {
				kept = slices.Clone(n.Content[:i])
			}
		} else if len(kept) != len(n.Content) {
			kept = append(kept, n.Content[i:i+2]...)
		}
	}
	out.Content = kept
	return &out
}

// fill returns the text of a scalar. Each is filled once, however many aliases
// it has.
func (r *reader) fill(n *yaml.Node, plain bool) filled {
	if f, done := r.src.texts[n]; done {
		return f
	}
	var f filled
	if plain {
		// As Compose does: 3.10 is the number 3.1.
		var decoded any
		if f.err = n.Decode(&decoded); f.err == nil {
			f.text = fmt.Sprint(decoded)
		}
	} else {
		f = interpolate(n.Value, r.src.env)
	}
	if !take(&r.p.budget.texts, len(f.text)) {
		f = filled{err: fmt.Errorf("the texts of one project are larger than %d MiB", maxTexts>>20)}
	}
	r.src.texts[n] = f
	return f
}

// matters reports whether a key of the mapping at path says something about
// images. Other keys are not read: they are most of a file.
func matters(path []string, key string) bool {
	if len(path) == 0 {
		return slices.Contains([]string{"services", "jobs", "include"}, key)
	}
	if path[0] == "include" || len(path) == 1 {
		return true
	}
	switch {
	case len(path) == 2:
		return slices.Contains([]string{
			"image", "build", "extends", "profiles", "platform", "pull_policy", "provider", "volumes", "pre_start",
		}, key)
	case len(path) > 3 && path[2] == "pre_start":
		return key == "image"
	case len(path) > 3 && path[2] == "volumes":
		return key == "type" || key == "source" || key == "target"
	case path[2] == "provider":
		return false
	case len(path) == 3 && path[2] == "build":
		return slices.Contains([]string{
			"context", "dockerfile", "dockerfile_inline", "args", "target", "additional_contexts", "platforms", "cache_from", "sbom", "x-bake",
		}, key)
	}
	return true
}
