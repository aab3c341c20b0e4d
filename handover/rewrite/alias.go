package rewrite

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlnode"
)

// aliases refuses sites of a YAML file that aliases lead to from a place which is
// not known to be an image: an environment variable, a label, an input. That may
// be an alias of the text, or of something around it.
func (s *source) aliases(sites []*site, targets []Target) {
	if len(sites) == 0 || bytes.IndexByte(s.text, '*') < 0 {
		return
	}
	file, err := yamlnode.Parse(sites[0].At.File, s.text)
	if err != nil {
		for _, at := range sites {
			if kind := at.kind(targets); len(readers(kind)) > 0 && !inDockerfile(kind) { // else it is no YAML
				at.fail(err)
			}
		}
		return
	}
	r := reading{file: file, sites: map[*yaml.Node][]*visited{}}
	for _, doc := range file.Docs {
		r.locate(doc)
	}
	slices.SortStableFunc(r.texts, func(a, b text) int { return cmp.Compare(a.from, b.from) })
	var all []*visited
	for _, at := range sites {
		if i := sort.Search(len(r.texts), func(i int) bool { return r.texts[i].from > at.from }); i > 0 {
			v := &visited{site: at, kind: at.kind(targets)}
			all = append(all, v)
			r.sites[r.texts[i-1].node] = append(r.sites[r.texts[i-1].node], v)
		}
	}
	for _, doc := range file.Docs {
		r.walk(way{}, doc)
	}
	for _, v := range all {
		v.settle(file)
	}
}

// kind is what the site's text is used as.
func (s *site) kind(targets []Target) image.Kind { return targets[s.targets[0]].Use.Kind }

// A reading follows a YAML file from its documents to the texts, through aliases,
// which package yamlnode bounds.
type reading struct {
	file  *yamlnode.File
	texts []text // as they are written
	sites map[*yaml.Node][]*visited
	path  []string // to where it is: the keys, and "[]" for an item of a list
}

// A text is a scalar, and where it begins.
type text struct {
	node *yaml.Node
	from int
}

// A way is what of the way to a node counts beside the path.
type way struct {
	within *yaml.Node // the mapping of the last key, that which "<<" is part of
	alias  *yaml.Node // the last on the way, nil for none
}

// A visited is a site, and what ways there are to its text.
type visited struct {
	*site
	kind  image.Kind
	ways  int
	wrong *way       // the first that leads to no image
	alias *yaml.Node // the first on any way
}

// settle refuses a site that is read in several ways, unless all are images.
func (v *visited) settle(file *yamlnode.File) {
	if v.ways < 2 || v.wrong == nil || v.alias == nil {
		return
	}
	name, line := v.alias.Value, v.At.Line
	if by := v.wrong.alias; by != nil {
		name, line = by.Value, file.At(by).Line
	}
	v.fail(hintedError{
		fmt.Errorf("it has the anchor &%s, and line %d may use it for something else than an image", name, line),
		fmt.Sprintf("write %s there yourself, if that is right for line %d", v.New, line),
	})
}

// locate notes where all texts begin.
func (r *reading) locate(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Value != "" { // where nothing is written, is no place either
		r.texts = append(r.texts, text{n, r.file.Written(n)})
	}
	for _, c := range n.Content {
		r.locate(c)
	}
}

// walk follows n, which is at the end of r.path.
func (r *reading) walk(w way, n *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		w.alias, n = n, n.Alias
	}
	for _, v := range r.sites[n] {
		v.ways++
		v.alias = cmp.Or(v.alias, w.alias)
		if v.wrong == nil && !w.isImage(r.path, v.kind) {
			v.wrong = &w
		}
	}
	switch n.Kind {
	case yaml.SequenceNode:
		for _, c := range n.Content {
			r.down("[]", w, c)
		}
	case yaml.MappingNode:
		r.mapping(w, n, n)
	}
}

// mapping walks a mapping that is part of within by a merge key, or is within.
func (r *reading) mapping(w way, n, within *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		w.within = within
		if yamlnode.Resolve(key).Tag != "!!merge" {
			r.down("the key", w, key)
			r.down(yamlnode.Resolve(key).Value, w, value)
			continue
		}
		merged := []*yaml.Node{value}
		if list := yamlnode.Resolve(value); list.Kind == yaml.SequenceNode {
			merged = list.Content
		}
		for _, m := range merged {
			next := w
			if m.Kind == yaml.AliasNode {
				next.alias = m
			}
			if m = yamlnode.Resolve(m); m.Kind == yaml.MappingNode {
				r.mapping(next, m, within)
			}
		}
	}
}

func (r *reading) down(key string, w way, n *yaml.Node) {
	r.path = append(r.path, key)
	r.walk(w, n)
	r.path = r.path[:len(r.path)-1]
}

// isImage reports whether a path leads to where the format of this kind has
// images, which may have a digest, or to where nobody reads anything.
func (w way) isImage(path []string, kind image.Kind) bool {
	if len(path) > 0 && strings.HasPrefix(path[0], "x-") && (kind == image.ComposeImage || inDockerfile(kind)) {
		return true // Compose leaves these keys to its users
	}
	for _, r := range readers(kind) {
		if !r.matches(path) {
			continue
		}
		if r.unless != "" && yamlnode.Find(w.within, r.unless) != nil {
			return false
		}
		if r.kind != "" {
			is := yamlnode.Find(w.within, "type")
			return is != nil && is.Value == r.kind
		}
		return true
	}
	return false
}

// A reader is a place where a format has images.
type reader struct {
	path   string // keys; "*" is any, "…" any number of them
	unless string // a key beside it with which it is no image that is pulled
	kind   string // what the key "type" beside it has to say
}

// readers returns the places of a kind; none where it is not in YAML.
func readers(kind image.Kind) []reader {
	switch kind {
	case image.ComposeImage:
		return []reader{{path: "services * image", unless: "build"}, {path: "services * pre_start [] image"}, {path: "services * volumes [] source", kind: "image"}}
	case image.From, image.CopyFrom, image.MountFrom:
		return []reader{{path: "services * build dockerfile_inline"}}
	case image.Syntax:
		return []reader{{path: "services * build dockerfile_inline"}, {path: "services * build args BUILDKIT_SYNTAX"}}
	case image.Container, image.Service, image.DockerUses:
		return []reader{
			{path: "jobs * container"}, {path: "jobs * container image"}, {path: "jobs * services * image"},
			{path: "jobs * steps [] uses"}, {path: "runs steps [] uses"}, {path: "runs image"},
		}
	case image.Pod:
		return []reader{
			{path: "… containers [] image"}, {path: "… initContainers [] image"}, {path: "… ephemeralContainers [] image"},
			{path: "… volumes [] image reference"}, {path: "images [] digest"},
		}
	}
	return nil
}

// inDockerfile reports whether a kind is that of a Dockerfile, which Compose files
// have in them, too.
func inDockerfile(kind image.Kind) bool {
	return kind == image.From || kind == image.CopyFrom || kind == image.MountFrom || kind == image.Syntax
}

func (r reader) matches(path []string) bool {
	want := strings.Fields(r.path)
	if want[0] == "…" {
		want = want[1:]
		path = path[max(0, len(path)-len(want)):]
	}
	return slices.EqualFunc(want, path, func(w, key string) bool { return w == "*" || w == key })
}
