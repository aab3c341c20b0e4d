package policy

import (
	_ "embed" // the catalogue
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlnode"
	"github.com/boltseal/boltseal/internal/yamlshape"
)

//go:embed publishers.yaml
var publishersYAML string

// The text of the built-in publishers. Rules are read as those of a policy
// file, once their parameters are filled in.
type (
	catalogueText struct {
		Publishers []publisherText `yaml:"publishers,required"`
		NotShipped []omittedText   `yaml:"not-shipped,required"`
	}
	publisherText struct {
		Name       yamlshape.Text    `yaml:"name,required"`
		About      yamlshape.Text    `yaml:"about,required"`
		Source     yamlshape.Text    `yaml:"source,required"`
		Dated      yamlshape.Text    `yaml:"dated,required"`
		Checked    yamlshape.Date    `yaml:"checked,required"`
		Confidence yamlshape.Text    `yaml:"confidence,required" enum:"high"`
		Formats    yamlshape.Text    `yaml:"formats,required"`
		Wide       *yamlshape.Text   `yaml:"wide"`
		Parameters []parameterText   `yaml:"parameters"`
		Keys       []keySourcesText  `yaml:"keys"`
		Certs      []certSourcesText `yaml:"certificates"`
		Rules      []yamlshape.Raw   `yaml:"rules,required"`
		nodes      []*yaml.Node      // of Rules
	}
	parameterText struct {
		Name    yamlshape.Text `yaml:"name,required"`
		About   yamlshape.Text `yaml:"about,required"`
		Pattern yamlshape.Text `yaml:"pattern,required"`
		Example yamlshape.Text `yaml:"example,required"`
		Many    bool           `yaml:"many"`
	}
	keySourcesText struct {
		Name    yamlshape.Text   `yaml:"name,required"`
		Sources []yamlshape.Text `yaml:"sources,required"`
	}
	certSourcesText struct {
		Name    yamlshape.Text   `yaml:"name,required"`   // its common name
		SHA256  yamlshape.Text   `yaml:"sha256,required"` // of its DER
		Sources []yamlshape.Text `yaml:"sources,required"`
	}
	omittedText struct {
		Who    yamlshape.Text   `yaml:"who,required"`
		Images []yamlshape.Text `yaml:"images,required"`
		Why    yamlshape.Text   `yaml:"why,required"`
		Signs  yamlshape.Text   `yaml:"signs,required" enum:"key,certificate,nothing,unknown"`
	}
)

// A catalogue is what publishers.yaml says.
type catalogue struct {
	file  *yamlnode.File
	text  catalogueText
	known []known
}

// known are images of a publisher without parameters.
type known struct {
	publisher string
	images    Patterns
}

// builtin returns the catalogue. It is read once: whoever has a Policy without
// publishers never pays for it.
var builtin = sync.OnceValues(func() (catalogue, error) { return readCatalogue([]byte(publishersYAML)) })

func readCatalogue(body []byte) (catalogue, error) {
	f, err := yamlnode.Parse("publishers.yaml", body)
	if err != nil {
		return catalogue{}, fmt.Errorf("built-in publishers: %w", err)
	}
	if len(f.Docs) != 1 {
		return catalogue{}, fmt.Errorf("built-in publishers: %d documents", len(f.Docs))
	}
	c := catalogue{file: f}
	if faults := yamlshape.Decode(f, f.Docs[0], &c.text); len(faults) > 0 {
		return catalogue{}, fmt.Errorf("built-in publishers: %w", faultsError(faults))
	}
	for i, n := range yamlnode.Items(yamlnode.Find(f.Docs[0], "publishers")) {
		p := &c.text.Publishers[i]
		p.nodes = yamlnode.Items(yamlnode.Find(n, "rules"))
		if len(p.Parameters) > 0 {
			continue
		}
		rules, faults := c.rules(p, nil, image.Position{})
		for _, r := range rules {
			images, wrong := ParsePatterns(r.Images)
			faults = append(faults, wrong...)
			c.known = append(c.known, known{publisher: p.Name.Value, images: images})
		}
		if len(faults) > 0 {
			return catalogue{}, fmt.Errorf("built-in publisher %s: %w", p.Name, faultsError(faults))
		}
	}
	return c, nil
}

func faultsError(faults []*yamlshape.Fault) error {
	var all []error
	for _, f := range faults {
		all = append(all, f)
	}
	return errors.Join(all...)
}

// find returns the publisher called name, or nil.
func (c catalogue) find(name string) *publisherText {
	i := slices.IndexFunc(c.text.Publishers, func(p publisherText) bool { return p.Name.Value == name })
	if i < 0 {
		return nil
	}
	return &c.text.Publishers[i]
}

func (c catalogue) names() []string {
	var names []string
	for _, p := range c.text.Publishers {
		names = append(names, p.Name.Value)
	}
	return names
}

// rules returns the rules of p for values of its parameters, all of which are
// sound. They stand at a place of their own: where a policy lists p.
func (c catalogue) rules(p *publisherText, values map[string][]string, at image.Position) ([]ruleText, []*yamlshape.Fault) {
	var rules []ruleText
	for _, n := range fillList(p.nodes, values) {
		var r ruleText
		if faults := yamlshape.Decode(c.file, n, &r); len(faults) > 0 {
			return nil, faults
		}
		r.At = at
		for i := range r.Images {
			r.Images[i].At = at
		}
		if r.AllowUnsigned != nil {
			r.AllowUnsigned.At, r.AllowUnsigned.Reason.At = at, at
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// fillList returns copies of the items of a list with values for the
// {parameters} in their texts. What is filled in are texts that were read
// before, so that a value cannot be anything but a part of its text. An item
// with a parameter of several values is there once for each, unless a list
// within the item has it.
func fillList(items []*yaml.Node, values map[string][]string) []*yaml.Node {
	var filled []*yaml.Node
	for _, item := range items {
		item = yamlnode.Resolve(item)
		each := []map[string]string{{}}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			if !mentions(item, name) {
				continue
			}
			var more []map[string]string
			for _, one := range each {
				for _, value := range values[name] {
					with := maps.Clone(one)
					with[name] = value
					more = append(more, with)
				}
			}
			each = more
		}
		for _, one := range each {
			filled = append(filled, fill(item, one, values))
		}
	}
	return filled
}

// mentions reports whether a text of n has the parameter, outside of lists.
func mentions(n *yaml.Node, name string) bool {
	n = yamlnode.Resolve(n)
	switch n.Kind {
	case yaml.ScalarNode:
		return strings.Contains(n.Value, "{"+name+"}")
	case yaml.MappingNode:
		return slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return mentions(c, name) })
	}
	return false
}

// fill copies n with one value for each parameter outside of lists.
func fill(n *yaml.Node, one map[string]string, all map[string][]string) *yaml.Node {
	filled := *yamlnode.Resolve(n)
	switch filled.Kind {
	case yaml.ScalarNode:
		var pairs []string
		for name, value := range one {
			pairs = append(pairs, "{"+name+"}", value)
		}
		filled.Value = strings.NewReplacer(pairs...).Replace(filled.Value)
	case yaml.SequenceNode:
		filled.Content = fillList(filled.Content, all)
	default:
		filled.Content = nil
		for _, c := range yamlnode.Resolve(n).Content {
			filled.Content = append(filled.Content, fill(c, one, all))
		}
	}
	return &filled
}
