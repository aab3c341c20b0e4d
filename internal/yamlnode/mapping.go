package yamlnode

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// A Pair is a key of a mapping and its value.
type Pair struct {
	Key   *yaml.Node // a scalar, unless somebody wrote "? [a, b]"
	Value *yaml.Node // no alias
}

// Resolve returns what n stands for: n itself unless it is an alias. It returns
// nil for nil.
func Resolve(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// IsNull reports whether n is absent or null, which includes a value that is
// not written at all.
func IsNull(n *yaml.Node) bool {
	n = Resolve(n)
	return n == nil || n.Kind == yaml.ScalarNode && n.Tag == "!!null"
}

// Pairs returns the pairs of a mapping in the order of the text, behind them
// those of its merge keys ("<<") that it does not have itself. It returns none
// for anything but a mapping.
func Pairs(n *yaml.Node) []Pair {
	n = Resolve(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	var own []Pair
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := Resolve(n.Content[i]), Resolve(n.Content[i+1])
		switch {
		case key.Tag != "!!merge":
			own = append(own, Pair{key, value})
		case value.Kind == yaml.SequenceNode:
			merged = append(merged, value.Content...)
		default:
			merged = append(merged, value)
		}
	}
	if len(merged) == 0 {
		return own
	}
	seen := map[string]bool{}
	for _, p := range own {
		seen[p.Key.Value] = true
	}
	for _, m := range merged {
		for _, p := range Pairs(m) {
			if !seen[p.Key.Value] {
				seen[p.Key.Value] = true
				own = append(own, p)
			}
		}
	}
	return own
}

// Find returns what is at the end of a path of keys, without aliases and with
// merge keys; nil if there is nothing. It does not look into sequences.
func Find(n *yaml.Node, path ...string) *yaml.Node {
	n = Resolve(n)
	for _, key := range path {
		pairs := Pairs(n)
		i := slices.IndexFunc(pairs, func(p Pair) bool {
			return p.Key.Kind == yaml.ScalarNode && p.Key.Value == key
		})
		if i < 0 {
			return nil
		}
		n = pairs[i].Value
	}
	return n
}

// Items returns the items of a sequence without aliases, none for anything
// else.
func Items(n *yaml.Node) []*yaml.Node {
	n = Resolve(n)
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	items := make([]*yaml.Node, len(n.Content))
	for i, c := range n.Content {
		items[i] = Resolve(c)
	}
	return items
}
