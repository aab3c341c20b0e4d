package yamlshape

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/spelling"
	"github.com/boltseal/boltseal/internal/yamlnode"
)

// maxFaults bounds how many faults are found: a hostile file has as many as it
// has keys.
const maxFaults = 1000

// Read reads body, the text of the file called name, into what into points to:
// a struct, or a map from string. The file has exactly one document.
//
// It returns every fault, up to 1,000, in the order of the file; with none, all
// was read. An item of a list, a value of a map and what a pointer points to are
// left out where something in them is wrong, so that the rest can be looked at.
func Read(name string, body []byte, into any) []*Fault {
	f, err := yamlnode.Parse(name, body)
	if err != nil {
		at := image.Position{File: name, Line: 1, Col: 1}
		var place *yamlnode.Error
		if errors.As(err, &place) {
			at = place.At
		}
		return []*Fault{{At: at, Err: err}}
	}
	switch {
	case len(f.Docs) == 0 || len(f.Docs) == 1 && yamlnode.IsNull(f.Docs[0]):
		return []*Fault{Faultf(image.Position{File: name, Line: 1, Col: 1}, "", "the file is empty")}
	case len(f.Docs) > 1:
		return []*Fault{Faultf(f.At(f.Docs[1]), "write one file for each", "a second document begins here, after ---")}
	}
	return Decode(f, f.Docs[0], into)
}

// Decode reads one node of f as Read does.
func Decode(f *yamlnode.File, n *yaml.Node, into any) []*Fault {
	return decode(f, n, into, "the file")
}

func decode(f *yamlnode.File, n *yaml.Node, into any, what string) []*Fault {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		panic(fmt.Sprintf("yamlshape: cannot read into a %T", into))
	}
	d := decoder{f: f, known: map[reflect.Type][]field{}}
	d.value(n, v.Elem(), what, bounds{})
	Sort(d.faults)
	return d.faults
}

type decoder struct {
	f      *yamlnode.File
	faults []*Fault
	known  map[reflect.Type][]field
}

func (d *decoder) faultf(at image.Position, next, format string, args ...any) {
	d.faults = append(d.faults, Faultf(at, next, format, args...))
}

// at is where the value of n stands: of a text its first letter.
func (d *decoder) at(n *yaml.Node) image.Position {
	if s, ok := d.f.Scalar(n); ok {
		return s.At
	}
	return d.f.At(n)
}

// value reads n into v. What says what n is, for messages.
func (d *decoder) value(n *yaml.Node, v reflect.Value, what string, b bounds) {
	n = yamlnode.Resolve(n)
	switch t := v.Type(); {
	case len(d.faults) >= maxFaults:
		return
	case yamlnode.IsNull(n):
		d.faultf(d.at(n), "", "%s has no value", what)
	case t == rawType:
		v.Set(reflect.ValueOf(Raw{At: d.f.At(n), file: d.f, node: n, what: what}))
	case t == textType:
		if text, fault := readText(d.f, n, what, b.enum); fault != nil {
			d.faults = append(d.faults, fault)
		} else {
			v.Set(reflect.ValueOf(text))
		}
	case t == dateType:
		d.date(n, v, what)
	case t.Kind() == reflect.Bool:
		d.bool(n, v, what)
	case t.Kind() == reflect.Int:
		d.int(n, v, what, b)
	case t.Kind() == reflect.Pointer:
		item := reflect.New(t.Elem())
		if d.sound(func() { d.value(n, item.Elem(), what, b) }) {
			v.Set(item)
		}
	case t.Kind() == reflect.Slice:
		d.list(n, v, what, b)
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		d.table(n, v, what)
	case t.Kind() == reflect.Struct && t != positionType:
		d.mapping(n, v, what)
	default:
		panic(fmt.Sprintf("yamlshape: cannot read a %s", t))
	}
}

// sound reports whether read found no fault.
func (d *decoder) sound(read func()) bool {
	before := len(d.faults)
	read()
	return len(d.faults) == before && before < maxFaults
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, what string, b bounds) {
	items := yamlnode.Items(n)
	switch {
	case n.Kind != yaml.SequenceNode || !plainTag(n):
		d.unexpected(n, what, "a list", `write each item on a line of its own behind "- "`)
		return
	case len(items) == 0:
		d.faultf(d.f.At(n), "", "%s is an empty list", what)
		return
	case b.min != nil && len(items) < *b.min:
		d.faultf(d.f.At(n), "", "%s has %d items, and needs at least %d", what, len(items), *b.min)
		return
	case b.max != nil && len(items) > *b.max:
		d.faultf(d.f.At(items[*b.max]), "", "%s has %d items, and may have at most %d", what, len(items), *b.max)
		return
	}
	list := reflect.MakeSlice(v.Type(), 0, 0)
	for _, item := range items {
		x := reflect.New(v.Type().Elem()).Elem()
		if d.sound(func() { d.value(item, x, "an item of "+what, bounds{enum: b.enum}) }) {
			list = reflect.Append(list, x)
		}
	}
	v.Set(list)
}

// table reads a mapping whose keys are anybody's.
func (d *decoder) table(n *yaml.Node, v reflect.Value, what string) {
	pairs, ok := d.pairs(n, what)
	if !ok {
		return
	}
	if len(pairs) == 0 {
		d.faultf(d.f.At(n), "", "%s is an empty mapping", what)
		return
	}
	table := reflect.MakeMapWithSize(v.Type(), len(pairs))
	for _, p := range pairs {
		key, fault := readText(d.f, p.Key, "a key of "+what, nil)
		if fault != nil {
			d.faults = append(d.faults, fault)
			continue
		}
		x := reflect.New(v.Type().Elem()).Elem()
		if d.sound(func() { d.value(p.Value, x, word(key.Value), bounds{}) }) {
			table.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), x)
		}
	}
	v.Set(table)
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, what string) {
	pairs, ok := d.pairs(n, what)
	if !ok {
		return
	}
	if at := v.FieldByName("At"); at.IsValid() && at.Type() == positionType {
		at.Set(reflect.ValueOf(d.f.At(n)))
	}
	all, seen := d.known[v.Type()], map[string]bool{}
	if all == nil {
		all = fields(v.Type())
		d.known[v.Type()] = all
	}
	for _, p := range pairs {
		if len(d.faults) >= maxFaults {
			return
		}
		i := slices.IndexFunc(all, func(f field) bool { return keyIs(p.Key, f.name) })
		if i < 0 {
			d.unknown(p.Key, what, all)
			continue
		}
		seen[all[i].name] = true
		d.value(p.Value, v.FieldByIndex(all[i].index), all[i].name, all[i].bounds)
	}
	for _, f := range all {
		if f.required && !seen[f.name] {
			d.faultf(d.f.At(n), "", "%s lacks the key %s", what, f.name)
		}
	}
}

// keyIs reports whether a key is the text name, for every reader of YAML.
func keyIs(key *yaml.Node, name string) bool {
	return key.Kind == yaml.ScalarNode && key.Value == name && key.ShortTag() == "!!str"
}

func (d *decoder) unknown(key *yaml.Node, what string, all []field) {
	if key.Kind != yaml.ScalarNode {
		d.unexpected(key, "a key of "+what, "a text", "")
		return
	}
	var names []string
	for _, f := range all {
		names = append(names, f.name)
	}
	next := "the keys here are " + strings.Join(names, ", ")
	if near := spelling.Nearest(key.Value, names); near != "" {
		next = "did you mean " + near + "?"
	}
	d.faultf(d.at(key), next, "%s has no key %s", what, word(key.Value))
}

// pairs returns the pairs of a mapping, and whether it is one.
func (d *decoder) pairs(n *yaml.Node, what string) ([]yamlnode.Pair, bool) {
	pairs, fault := pairs(d.f, n, what)
	if fault != nil {
		d.faults = append(d.faults, fault)
	}
	return pairs, fault == nil
}

func pairs(f *yamlnode.File, n *yaml.Node, what string) ([]yamlnode.Pair, *Fault) {
	if n.Kind != yaml.MappingNode || !plainTag(n) {
		return nil, unexpected(f, n, what, "a mapping", `write "key: value"`)
	}
	if bad := badMerge(n); bad != nil {
		return nil, unexpected(f, bad, "what << merges", "a mapping", "")
	}
	return yamlnode.Pairs(n), nil
}

// badMerge returns what a merge key of m stands before and is no mapping; other
// readers refuse it, and yamlnode takes it for an empty one.
func badMerge(m *yaml.Node) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if yamlnode.Resolve(m.Content[i]).Tag != "!!merge" {
			continue
		}
		merged := []*yaml.Node{yamlnode.Resolve(m.Content[i+1])}
		if merged[0].Kind == yaml.SequenceNode {
			merged = yamlnode.Items(merged[0])
		}
		for _, n := range merged {
			if n.Kind != yaml.MappingNode {
				return n
			}
			if bad := badMerge(n); bad != nil {
				return bad
			}
		}
	}
	return nil
}

// plainTag reports whether a list or mapping is no more than that: no !!set,
// and no tag of somebody's own.
func plainTag(n *yaml.Node) bool {
	tag := n.ShortTag()
	return tag == "!!seq" || tag == "!!map"
}

func (d *decoder) unexpected(n *yaml.Node, what, want, next string) {
	d.faults = append(d.faults, unexpected(d.f, n, what, want, next))
}

// unexpected says that n is not what was wanted.
func unexpected(f *yamlnode.File, n *yaml.Node, what, want, next string) *Fault {
	at := f.At(n)
	if s, ok := f.Scalar(n); ok {
		at = s.At
	}
	return Faultf(at, next, "%s must be %s, and is %s", what, want, describe(n))
}

// describe says what n is.
func describe(n *yaml.Node) string {
	switch tag := n.ShortTag(); tag {
	case "!!map":
		return "a mapping"
	case "!!seq":
		return "a list"
	case "!!null":
		return "nothing"
	case "!!str":
		return "the text " + clip(n.Value)
	case "!!int", "!!float":
		return "the number " + clip(n.Value)
	case "!!bool":
		return "the boolean " + clip(n.Value)
	case "!!timestamp":
		return "the date " + clip(n.Value)
	default:
		return "something with the tag " + clip(tag)
	}
}

// clip quotes a text of the file for a message.
func clip(s string) string { return fmt.Sprintf("%.60q", s) }

// word returns a key for a message: as it is where it looks like one.
func word(key string) string {
	if strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && len(key) > 0 && len(key) <= 40 {
		return key
	}
	return clip(key)
}
