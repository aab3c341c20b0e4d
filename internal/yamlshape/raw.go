package yamlshape

import (
	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlnode"
)

// A Raw is a node that is read later, by whoever knows its shape. It is not
// null. The zero Raw is nothing, and every way to read it returns a Fault.
type Raw struct {
	At   image.Position
	file *yamlnode.File
	node *yaml.Node // no alias
	what string
	key  string // whose value it is; "" for an item
}

// A Kind is what a Raw can be read as.
type Kind int

// The Kinds. A Scalar is a text, or looks like a number, a date or a boolean.
const (
	Nothing Kind = iota // the zero Raw
	Scalar
	List
	Mapping
)

// Kind returns what r is.
func (r Raw) Kind() Kind {
	if r.node == nil {
		return Nothing
	}
	switch r.node.Kind {
	case yaml.MappingNode:
		return Mapping
	case yaml.SequenceNode:
		return List
	default:
		return Scalar
	}
}

// Decode reads r into what into points to, as [Read] does.
func (r Raw) Decode(into any) []*Fault {
	if r.node == nil {
		return []*Fault{r.nothing()}
	}
	return decode(r.file, r.node, into, r.what, bounds{key: r.key, required: true})
}

// Text reads r as a text.
func (r Raw) Text() (Text, *Fault) {
	if r.node == nil {
		return Text{}, r.nothing()
	}
	return readText(r.file, r.node, r.what, nil)
}

// A Pair is a key of a mapping and its value.
type Pair struct {
	Key   Text
	Value Raw
}

// Pairs reads r as a mapping from texts to anything but null, in the order of
// the file. What is wrong is left out.
func (r Raw) Pairs() ([]Pair, []*Fault) {
	if r.node == nil {
		return nil, []*Fault{r.nothing()}
	}
	found, fault := pairs(r.file, r.node, r.what, nextForMapping(r.node, rawType, bounds{}))
	if fault != nil {
		return nil, []*Fault{fault}
	}
	var all []Pair
	var faults []*Fault
	for j, p := range found {
		key, fault := readText(r.file, p.Key, "a key of "+r.what, nil)
		if fault != nil {
			faults = append(faults, fault)
			continue
		}
		if below := followers(found, j); len(below) > 0 {
			faults = append(faults, Faultf(r.file.At(p.Value), nextForAstray(key.Value, below), "%s has no value", word(key.Value)))
			continue
		}
		var value Raw
		if wrong := decode(r.file, p.Value, &value, word(key.Value), bounds{key: key.Value, required: true}); len(wrong) > 0 {
			faults = append(faults, wrong...)
			continue
		}
		value.key = key.Value
		all = append(all, Pair{Key: key, Value: value})
	}
	return all, faults
}

// Items reads r as a list of anything but null. What is wrong is left out.
func (r Raw) Items() ([]Raw, []*Fault) {
	var items []Raw
	faults := r.Decode(&items)
	return items, faults
}

func (r Raw) nothing() *Fault { return Faultf(r.At, "", "nothing is written here") }
