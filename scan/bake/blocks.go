package bake

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

const (
	maxMatrix    = 256  // combinations of one target
	maxInstances = 4096 // targets and groups of one definition, with all combinations
)

// An instance is a target or group that a block makes: one, or one for each
// combination of its matrix.
type instance struct {
	*block
	name string
	ctx  *hcl.EvalContext
	done map[string]cty.Value
	busy map[string]bool
}

// blocks are the targets and groups of a definition, in the order of the text.
type blocks struct {
	scope   *scope
	targets []*instance
	groups  []*instance
	renamed []alias
}

// An alias is a label that stands for several targets: those of a matrix.
type alias struct {
	label string
	names []string
}

// expand makes the instances of all blocks. The problem, if there is one, is
// of the whole definition: without all names it is not known what is built.
func expand(s *scope, files []*file) (*blocks, *problem) {
	bs := &blocks{scope: s}
	aliases := map[string]*alias{}
	for _, f := range files {
		for _, b := range f.groups {
			if b.attrs["matrix"] != nil || b.attrs["name"] != nil {
				return nil, &problem{b.at, errors.New("a group has no matrix and no name")}
			}
			if !validName(b.label) {
				return nil, &problem{b.at, nameError(b.label)}
			}
			bs.groups = append(bs.groups, newInstance(b, b.label, s.global))
		}
		for _, b := range f.targets {
			instances, p := s.instances(b)
			if p != nil {
				return nil, p
			}
			bs.targets = append(bs.targets, instances...)
			if len(bs.targets)+len(bs.groups) > maxInstances {
				return nil, &problem{b.at, fmt.Errorf("%w: more than %d targets", errTooMuch, maxInstances)}
			}
			a := aliases[b.label]
			if a == nil {
				a = &alias{label: b.label}
				aliases[b.label] = a
			}
			for _, i := range instances {
				if !slices.Contains(a.names, i.name) {
					a.names = append(a.names, i.name)
				}
			}
		}
	}
	for _, label := range slices.Sorted(maps.Keys(aliases)) {
		if a := aliases[label]; len(a.names) > 1 || len(a.names) == 1 && a.names[0] != label {
			bs.renamed = append(bs.renamed, *a)
		}
	}
	s.blocks = bs
	return bs, nil
}

func newInstance(b *block, name string, ctx *hcl.EvalContext) *instance {
	return &instance{block: b, name: name, ctx: ctx, done: map[string]cty.Value{}, busy: map[string]bool{}}
}

// instances makes the targets of a block.
func (s *scope) instances(b *block) ([]*instance, *problem) {
	if !validName(b.label) {
		return nil, &problem{b.at, nameError(b.label)}
	}
	matrix, name := b.attrs["matrix"], b.attrs["name"]
	switch {
	case matrix == nil && name == nil:
		return []*instance{newInstance(b, b.label, s.global)}, nil
	case matrix == nil:
		return nil, &problem{name.at, errors.New("a name needs a matrix")}
	}
	contexts, err := s.combine(matrix)
	if err != nil {
		return nil, &problem{matrix.at, err}
	}
	var instances []*instance
	seen := map[string]bool{}
	for _, ctx := range contexts {
		n, at := b.label, b.at
		if name != nil {
			at = name.at
			if n, err = s.name(name, ctx); err != nil {
				return nil, &problem{at, err}
			}
		}
		if seen[n] {
			return nil, &problem{at, fmt.Errorf("two combinations of the matrix have the name %s", quote(n))}
		}
		seen[n] = true
		instances = append(instances, newInstance(b, n, ctx))
	}
	return instances, nil
}

// combine returns a context for each combination of a matrix. What is not known
// of a value is left to those that use it: often that is a tag.
func (s *scope) combine(matrix *attribute) ([]*hcl.EvalContext, error) {
	v, err := s.attribute(matrix, s.global)
	if err != nil {
		return nil, err
	}
	v, doubts := surface(v)
	if len(doubts) > 0 {
		return nil, &doubtError{"matrix", doubts}
	}
	if v.IsNull() || !v.Type().IsMapType() && !v.Type().IsObjectType() {
		return nil, errors.New("a matrix is a map of lists")
	}
	axes := v.AsValueMap()
	combined := []map[string]cty.Value{nil}
	for _, key := range slices.Sorted(maps.Keys(axes)) {
		axis, doubts := surface(axes[key])
		if len(doubts) > 0 {
			return nil, &doubtError{"matrix", doubts}
		}
		if axis.IsNull() || !axis.CanIterateElements() {
			return nil, errors.New("a matrix is a map of lists")
		}
		if axis.LengthInt()*len(combined) > maxMatrix {
			return nil, fmt.Errorf("%w: more than %d combinations", errTooMuch, maxMatrix)
		}
		var next []map[string]cty.Value
		for it := axis.ElementIterator(); it.Next(); {
			_, e := it.Element()
			for _, c := range combined {
				c = maps.Clone(c)
				if c == nil {
					c = map[string]cty.Value{}
				}
				c[key] = e
				next = append(next, c)
			}
		}
		combined = next
	}
	contexts := make([]*hcl.EvalContext, len(combined))
	for i, vars := range combined {
		contexts[i] = s.global.NewChild()
		contexts[i].Variables = vars
	}
	return contexts, nil
}

// name evaluates the name of a combination.
func (s *scope) name(a *attribute, ctx *hcl.EvalContext) (string, error) {
	v, err := s.attribute(a, ctx)
	if err != nil {
		return "", err
	}
	if v, err = convert.Convert(v, cty.String); err != nil {
		return "", err
	}
	v, doubts := settle(v)
	switch {
	case len(doubts) > 0:
		return "", &doubtError{"name", doubts}
	case v.IsNull():
		return "", errors.New("a name is null")
	case !validName(v.AsString()):
		return "", nameError(v.AsString())
	}
	return v.AsString(), nil
}

// validName reports whether bake accepts the name of a target or group.
func validName(name string) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return name != ""
}

func nameError(name string) error {
	return fmt.Errorf("%s is not a name of a target or group: letters, digits, _ and - are", quote(name))
}

// get evaluates an attribute of an instance, once, as the type bake gives it.
// It is null where the block has none.
func (bs *blocks) get(i *instance, name string) (cty.Value, error) {
	ty := attributeType(i.kind, name)
	a := i.attrs[name]
	if a == nil {
		return cty.NullVal(ty), nil
	}
	if v, ok := i.done[name]; ok {
		return v, nil
	}
	if i.busy[name] {
		return cty.NilVal, fmt.Errorf("%s.%s.%s refers to itself", i.kind, i.name, name)
	}
	i.busy[name] = true
	defer delete(i.busy, name)
	v, err := bs.scope.attribute(a, i.ctx)
	if err != nil {
		return cty.NilVal, err
	}
	if v, err = convert.Convert(v, ty); err != nil {
		return cty.NilVal, fmt.Errorf("%s: %w", name, err)
	}
	i.done[name] = v
	return v, nil
}

// A reference is `target.NAME`, or `target.NAME.ATTRIBUTE`, in an expression.
type reference struct{ kind, name, attr string }

func refer(t hcl.Traversal) (reference, error) {
	ref := reference{kind: t.RootName()}
	if len(t) < 2 {
		return ref, fmt.Errorf("%s is not a variable", ref.kind)
	}
	name, ok := t[1].(hcl.TraverseAttr)
	if !ok {
		return ref, fmt.Errorf("write %s.NAME", ref.kind)
	}
	ref.name = name.Name
	if len(t) > 2 {
		if attr, ok := t[2].(hcl.TraverseAttr); ok {
			ref.attr = attr.Name
		}
	}
	return ref, nil
}

// resolve returns the variables target and group with what refs ask for. A
// block speaks for itself: neither what it inherits nor what other files say
// of the same name is in it. Of several the last one counts.
func (bs *blocks) resolve(refs []reference) (map[string]cty.Value, error) {
	found := map[string]map[string]map[string]cty.Value{}
	for _, ref := range refs {
		if found[ref.kind] == nil {
			found[ref.kind] = map[string]map[string]cty.Value{}
		}
		for _, i := range bs.named(ref.kind, ref.name) {
			names := []string{ref.attr}
			if ref.attr == "" {
				names = attributeNames(ref.kind)
			}
			for _, name := range names {
				v, err := bs.get(i, name)
				if err != nil {
					return nil, fmt.Errorf("%s.%s: %w", ref.kind, ref.name, err)
				}
				if found[ref.kind][ref.name] == nil {
					found[ref.kind][ref.name] = map[string]cty.Value{"name": cty.StringVal(ref.name)}
				}
				if slices.Contains(attributeNames(ref.kind), name) && name != "name" && name != "matrix" {
					found[ref.kind][ref.name][name] = v
				}
			}
		}
	}
	vars := map[string]cty.Value{}
	for kind, blocks := range found {
		objects := map[string]cty.Value{}
		for name, attrs := range blocks {
			objects[name] = cty.ObjectVal(attrs)
		}
		vars[kind] = cty.ObjectVal(objects)
	}
	return vars, nil
}

// named returns the instances of a name.
func (bs *blocks) named(kind, name string) []*instance {
	list := bs.targets
	if kind == "group" {
		list = bs.groups
	}
	var is []*instance
	for _, i := range list {
		if i.name == name {
			is = append(is, i)
		}
	}
	return is
}
