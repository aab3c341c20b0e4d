package yamlshape

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/spelling"
	"github.com/boltseal/boltseal/internal/yamlnode"
)

// maxFaults bounds how many faults are found: a hostile file has as many as it
// has keys.
const maxFaults = 1000

// theFile is what messages call the whole of a file.
const theFile = "the file"

// Read reads body, the text of the file called name, into what into points to:
// a struct, or a map from string. The file has exactly one document.
//
// It returns every fault that it can tell, up to 1,000, in the order of the file;
// with none, all was read. An item of a list, a value of a map and what a pointer
// points to are left out where something in them is wrong, so that the rest can be
// looked at; an item that is a struct with a field Wrong is kept, with what could
// be read of it. A key that is misspelt is read as what it was meant to be.
func Read(name string, body []byte, into any) []*Fault {
	f, err := yamlnode.Parse(name, body)
	if f.Body != nil {
		if fault := hidden(f); fault != nil && len(body) <= yamlnode.MaxFile {
			return []*Fault{fault}
		}
	}
	var place *yamlnode.Error
	var twice *yamlnode.Twice
	switch {
	case errors.As(err, &place) && place.Syntax != "":
		return []*Fault{syntax(f, place, into)}
	case errors.As(err, &twice):
		return []*Fault{Faultf(place.At, "take one of them out", "%w, first in line %d", err, twice.Line)}
	case place != nil:
		return []*Fault{{At: place.At, Err: err}}
	case err != nil:
		return []*Fault{{At: top(name), Err: err}}
	case len(f.Docs) == 0 || len(f.Docs) == 1 && yamlnode.IsNull(f.Docs[0]):
		return []*Fault{Faultf(top(name), "", "the file is empty")}
	case len(f.Docs) > 1:
		return []*Fault{Faultf(f.At(f.Docs[1]), "write one file for each", "a second document begins here, after ---")}
	}
	return Decode(f, f.Docs[0], into)
}

// Decode reads one node of f as Read does.
func Decode(f *yamlnode.File, n *yaml.Node, into any) []*Fault {
	return decode(f, n, into, theFile, bounds{})
}

func decode(f *yamlnode.File, n *yaml.Node, into any, what string, b bounds) []*Fault {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		panic(fmt.Sprintf("yamlshape: cannot read into a %T", into))
	}
	d := decoder{f: f, known: map[reflect.Type][]field{}}
	d.value(n, v.Elem(), what, b)
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
	if n != nil && n.Anchor != "" && yamlnode.IsNull(n) {
		return d.f.At(n) // as &name is without quotes
	}
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
		d.faultf(d.at(n), nextForNothing(n, t, b), "%s has no value", what)
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
	case t == intType:
		v.FieldByName("At").Set(reflect.ValueOf(d.at(n)))
		d.int(n, v.FieldByName("Value"), what, b)
	case t == flagType:
		v.FieldByName("At").Set(reflect.ValueOf(d.at(n)))
		d.bool(n, v.FieldByName("Value"), what)
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
		d.table(n, v, what, b)
	case t.Kind() == reflect.Struct && t != positionType:
		d.mapping(n, v, what, b)
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
		d.unexpected(n, what, "a list", nextForList(n, v.Type(), b))
		return
	case len(items) == 0:
		d.faultf(d.f.At(n), nextForEmpty(v.Type(), b), "%s is an empty list", what)
		return
	case b.min != nil && len(items) < *b.min:
		d.faultf(d.f.At(n), "", "%s has %s, and needs at least %d", what, count(len(items), "item"), *b.min)
		return
	case b.max != nil && len(items) > *b.max:
		d.faultf(d.f.At(items[*b.max]), "", "%s has %s, and may have at most %d", what, count(len(items), "item"), *b.max)
		return
	}
	list := reflect.MakeSlice(v.Type(), 0, 0)
	for _, item := range items {
		x := reflect.New(v.Type().Elem()).Elem()
		if d.sound(func() { d.value(item, x, "an item of "+what, b.item()) }) || wrong(x) {
			list = reflect.Append(list, x)
		}
	}
	v.Set(list)
}

// wrong reports whether x is a struct that says that something in it is wrong.
func wrong(x reflect.Value) bool {
	flag := wrongField(x)
	return flag.IsValid() && flag.Bool()
}

func wrongField(x reflect.Value) reflect.Value {
	if x.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	flag := x.FieldByName("Wrong")
	if sf, ok := x.Type().FieldByName("Wrong"); !ok || sf.Type.Kind() != reflect.Bool || sf.Tag != "" {
		return reflect.Value{}
	}
	return flag
}

// table reads a mapping whose keys are anybody's.
func (d *decoder) table(n *yaml.Node, v reflect.Value, what string, b bounds) {
	pairs, ok := d.pairs(n, what, nextForMapping(n, v.Type(), b))
	if !ok {
		return
	}
	if len(pairs) == 0 {
		d.faultf(d.f.At(n), nextForEmpty(v.Type(), b), "%s is an empty mapping", what)
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
		if d.sound(func() { d.value(p.Value, x, word(key.Value), bounds{key: key.Value}) }) {
			table.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), x)
		}
	}
	v.Set(table)
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, what string, b bounds) {
	next := nextForMapping(n, v.Type(), b)
	if what == theFile && n.Kind != yaml.MappingNode && strings.HasPrefix(next, "write ") {
		next = "begin it with " + strings.Join(exampleKeys(v.Type()), ", ")
	}
	pairs, ok := d.pairs(n, what, next)
	if !ok {
		return
	}
	if at := v.FieldByName("At"); at.IsValid() && at.Type() == positionType {
		at.Set(reflect.ValueOf(d.f.At(n)))
	}
	sound := d.sound(func() { d.keys(n, pairs, v, what) })
	if flag := wrongField(v); flag.IsValid() {
		flag.SetBool(!sound)
	}
}

// keys reads the pairs of the mapping n into the fields of v.
func (d *decoder) keys(n *yaml.Node, pairs []yamlnode.Pair, v reflect.Value, what string) {
	all, seen := d.known[v.Type()], map[string]bool{}
	if all == nil {
		all = fields(v.Type())
		d.known[v.Type()] = all
	}
	for _, p := range pairs {
		if i := known(all, p.Key); i >= 0 {
			seen[all[i].name] = true
		}
	}
	astray := map[*yaml.Node]bool{} // keys that belong below another
	for j, p := range pairs {
		if len(d.faults) >= maxFaults {
			return
		}
		if astray[p.Key] {
			continue
		}
		i := known(all, p.Key)
		if i < 0 {
			if i = d.unknown(p.Key, what, all); i < 0 || seen[all[i].name] {
				continue
			}
			seen[all[i].name] = true
		}
		f := all[i]
		if below := besides(pairs, j, all, v.Type().FieldByIndex(f.index).Type); len(below) > 0 {
			d.faultf(d.at(p.Value), nextForAstray(f.name, below), "%s has no value", f.name)
			for _, key := range below {
				astray[key] = true
			}
			continue
		}
		d.value(p.Value, v.FieldByIndex(f.index), f.name, f.bounds)
	}
	for _, f := range all {
		if f.required && !seen[f.name] {
			d.faultf(d.f.At(n), nextForMissing(v.Type().FieldByIndex(f.index).Type, f.bounds), "%s lacks the key %s", what, f.name)
		}
	}
}

// known returns which of all a key is, or -1.
func known(all []field, key *yaml.Node) int {
	return slices.IndexFunc(all, func(f field) bool { return keyIs(key, f.name) })
}

// besides returns the keys that stand beside pair j, which has no value, and
// belong below it: all has none of them, and what is to be read into t has.
func besides(pairs []yamlnode.Pair, j int, all []field, t reflect.Type) []*yaml.Node {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || special(t) {
		return nil
	}
	inner := fields(t)
	var below []*yaml.Node
	for _, key := range followers(pairs, j) {
		if known(all, key) >= 0 || known(inner, key) < 0 {
			break
		}
		below = append(below, key)
	}
	return below
}

// followers returns the keys in the lines below pair j, indented as it is, where
// nothing is written as its value.
func followers(pairs []yamlnode.Pair, j int) []*yaml.Node {
	p := pairs[j]
	if p.Value.Kind != yaml.ScalarNode || p.Value.Tag != "!!null" || p.Value.Value != "" || p.Value.Anchor != "" {
		return nil
	}
	var keys []*yaml.Node
	line := p.Key.Line
	for _, next := range pairs[j+1:] {
		if next.Key.Kind != yaml.ScalarNode || next.Key.Column != p.Key.Column || next.Key.Line <= line {
			break
		}
		line = next.Key.Line
		keys = append(keys, next.Key)
	}
	return keys
}

// keyIs reports whether a key is the text name, for every reader of YAML.
func keyIs(key *yaml.Node, name string) bool {
	return key.Kind == yaml.ScalarNode && key.Value == name && key.ShortTag() == "!!str"
}

// unknown says that there is no such key, and returns which of all was meant, or
// -1.
func (d *decoder) unknown(key *yaml.Node, what string, all []field) int {
	if key.Kind != yaml.ScalarNode {
		d.unexpected(key, "a key of "+what, "a text", "")
		return -1
	}
	var names []string
	for _, f := range all {
		names = append(names, f.name)
	}
	next := "the keys here are " + strings.Join(names, ", ")
	near := spelling.Nearest(key.Value, names)
	if near != "" {
		next = "did you mean " + near + "?"
	}
	d.faultf(d.at(key), next, "%s has no key %s", what, word(key.Value))
	return slices.Index(names, near)
}

// pairs returns the pairs of a mapping, and whether it is one; next is what to do
// if not.
func (d *decoder) pairs(n *yaml.Node, what, next string) ([]yamlnode.Pair, bool) {
	pairs, fault := pairs(d.f, n, what, next)
	if fault != nil {
		d.faults = append(d.faults, fault)
	}
	return pairs, fault == nil
}

func pairs(f *yamlnode.File, n *yaml.Node, what, next string) ([]yamlnode.Pair, *Fault) {
	if n.Kind != yaml.MappingNode || !plainTag(n) {
		if what == theFile && n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" { // whose it is nobody knows
			return nil, Faultf(f.At(n), next, "the file must be a mapping, and is a text")
		}
		return nil, unexpected(f, n, what, "a mapping", next)
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
func clip(s string) string { return strconv.Quote(clipped(s)) }

// word returns a key for a message: as it is where it looks like one.
func word(key string) string {
	if strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && len(key) > 0 && len(key) <= 40 {
		return key
	}
	return clip(key)
}
