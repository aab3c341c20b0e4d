package yamlnode

import (
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// bounds measures the documents of one file without writing aliases out: each
// node is looked at once.
type bounds struct {
	aliased int                 // nodes that aliases stand for, so far
	sizes   map[*yaml.Node]size // of what has an anchor
}

// A size is that of a node with every alias below it written out.
type size struct{ nodes, depth int }

func newBounds() *bounds { return &bounds{sizes: map[*yaml.Node]size{}} }

// check returns the node that exceeds a bound, or is one key too many.
func (b *bounds) check(doc *yaml.Node) (*yaml.Node, error) {
	_, bad, err := b.measure(doc, 1)
	return bad, err
}

func (b *bounds) measure(n *yaml.Node, level int) (size, *yaml.Node, error) {
	if n.Kind == yaml.AliasNode {
		return b.alias(n)
	}
	if level > maxDepth {
		return size{}, n, fmt.Errorf("nested more than %d levels deep", maxDepth)
	}
	s := size{nodes: 1 + len(n.Value)/longText, depth: 1}
	for _, c := range n.Content {
		sub, bad, err := b.measure(c, level+1)
		if err != nil {
			return s, bad, err
		}
		s.nodes += sub.nodes
		if s.depth = max(s.depth, sub.depth+1); s.depth > maxDepth {
			return s, c, fmt.Errorf("nested more than %d levels deep, with the aliases written out", maxDepth)
		}
	}
	if n.Kind == yaml.MappingNode {
		if bad, err := unique(n); err != nil {
			return s, bad, err
		}
	}
	if n.Anchor != "" {
		b.sizes[n] = s
	}
	return s, nil, nil
}

// alias counts what an alias stands for. A walk visits each alias that is
// written once, with all of that.
func (b *bounds) alias(n *yaml.Node) (size, *yaml.Node, error) {
	s, done := b.sizes[n.Alias]
	if !done { // the anchor is around it
		return s, n, fmt.Errorf("*%s is part of itself", n.Value)
	}
	if b.aliased += s.nodes; b.aliased > maxAliased {
		return s, n, fmt.Errorf("the aliases stand for more than %d nodes", maxAliased)
	}
	return s, nil, nil
}

// Twice is the error of a key that a mapping has twice.
type Twice struct {
	Key  string
	Line int // of the first
}

func (e *Twice) Error() string { return fmt.Sprintf("the key %q is there twice", e.Key) }

// unique reports a key that a mapping has twice: readers differ in which one
// counts. Keys are compared as text, as in JSON.
func unique(m *yaml.Node) (*yaml.Node, error) {
	if len(m.Content)%2 != 0 {
		return m, errors.New("a mapping with a key that has no value")
	}
	seen := make(map[string]int, len(m.Content)/2) // its line
	for i := 0; i < len(m.Content); i += 2 {
		key := Resolve(m.Content[i])
		if key.Kind != yaml.ScalarNode {
			continue
		}
		if line := seen[key.Value]; line > 0 {
			return m.Content[i], &Twice{Key: key.Value, Line: line}
		}
		seen[key.Value] = m.Content[i].Line
	}
	return nil, nil
}
