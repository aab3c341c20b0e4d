package compose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
)

// merge returns base with over merged into it (Compose Specification,
// 13-merge.md; compose-go, override/merge.go): mappings by key, lists one
// behind the other, and of two texts the second.
func (p *project) merge(base, over *value, path ...string) *value {
	if base == nil {
		return over
	}
	if over == nil || !take(&p.budget.nodes, 1+len(base.keys)+len(base.items)+len(over.keys)+len(over.items)) {
		return base
	}
	pairs := false
	switch attribute(path) {
	case "build":
		base, over = asBuild(base), asBuild(over)
	case "build.args", "build.additional_contexts":
		base, over, pairs = p.asPairs(base), p.asPairs(over), true
	}
	switch {
	case over.kind == null:
		return base
	case base.kind == null, base.kind == text:
		return over
	case base.kind != over.kind:
		p.fail(over.at(), image.ComposeImage, over.written(), fmt.Errorf("%s is %v here and %v in %s: they cannot be merged", strings.Join(path, "."), over.kind, base.kind, base.src.Name))
		return over
	case base.kind == list:
		return joined(base, over)
	}
	return p.mergeKeys(base, over, pairs, path)
}

// mergeKeys returns a mapping with the keys of both. In pairs, KEY alone replaces
// KEY=VALUE; elsewhere null replaces nothing.
func (p *project) mergeKeys(base, over *value, pairs bool, path []string) *value {
	out := *over
	out.keys, out.of = slices.Clone(base.keys), make(map[string]*value, len(base.of)+len(over.of))
	for k, v := range base.of {
		out.of[k] = v
	}
	for _, k := range over.keys {
		if _, had := base.of[k]; !had {
			out.keys = append(out.keys, k)
		}
		out.of[k] = over.of[k]
		if !pairs {
			out.of[k] = p.merge(base.of[k], over.of[k], append(path[:len(path):len(path)], k)...)
		}
	}
	return &out
}

// joined returns the items of two lists. A text is there once.
func joined(base, over *value) *value {
	out := *over
	out.items = slices.Clone(base.items)
	there := map[string]bool{}
	for _, v := range base.items {
		there[v.text] = v.kind == text
	}
	for _, v := range over.items {
		if v.kind != text || !there[v.text] {
			out.items = append(out.items, v)
		}
	}
	return &out
}

// attribute returns the path below a service or job.
func attribute(path []string) string {
	return strings.Join(path[min(2, len(path)):], ".")
}

// asBuild returns the mapping that the short form of build stands for.
func asBuild(v *value) *value {
	if v.kind != text {
		return v
	}
	return &value{src: v.src, node: v.node, kind: mapping, keys: []string{"context"}, of: map[string]*value{"context": v}}
}

// asPairs returns the mapping that a list of KEY=VALUE stands for. A KEY alone
// is null, as in a mapping.
func (p *project) asPairs(v *value) *value {
	if v == nil || v.kind != list {
		return v
	}
	out := &value{src: v.src, node: v.node, kind: mapping, of: map[string]*value{}}
	if !take(&p.budget.nodes, len(v.items)) {
		return out
	}
	for _, item := range v.items {
		if item.kind != text {
			p.fail(item.at(), image.From, "", fmt.Errorf("%v in a list of KEY=VALUE", item.kind))
			continue
		}
		key, rest, given := strings.Cut(item.filled.text, "=")
		one := *item
		one.text, one.parts = rest, nil
		if !given {
			one.kind = null
		}
		if _, had := out.of[key]; !had {
			out.keys = append(out.keys, key)
		}
		out.of[key] = &one
	}
	return out
}

// reset returns v, whose path is given, without what is at the paths: those
// with !reset and !override in a file that is merged into it.
func (p *project) reset(v *value, paths [][]string, path ...string) *value {
	for _, gone := range paths {
		if v != nil && len(gone) > len(path) && slices.Equal(gone[:len(path)], path) {
			v = p.without(v, gone[len(path):])
		}
	}
	return v
}

func (p *project) without(v *value, path []string) *value {
	sub, had := v.of[path[0]]
	switch {
	case !had, !take(&p.budget.nodes, len(v.keys)):
		return v
	case len(path) == 1:
		return v.with(path[0], nil)
	case sub.kind != mapping:
		return v
	}
	return v.with(path[0], p.without(sub, path[1:]))
}
