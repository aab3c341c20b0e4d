package bake

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
)

// A file is one bake file, parsed and sorted by what its parts define.
type file struct {
	src       *source
	meter     *meter
	targets   []*block
	groups    []*block
	variables []*block
	functions []*block
	attrs     []*attribute // outside of blocks: they define variables, too
}

// A block is `target "name" { … }` or another of the blocks with a label.
type block struct {
	kind, label string
	at          place // of the label
	attrs       map[string]*attribute
}

// An attribute is `name = …`. JSON strings can be wrong inside; err is met
// where the attribute is used.
type attribute struct {
	name string
	raw  hcl.Expression
	expr *expr
	err  error
	at   place // of the value
}

// parse reads a file. What HCL finds wrong with it is a problem of the file:
// bake would stop there.
func parse(src *source, m *meter) (*file, *problem) {
	f := &file{src: src, meter: m}
	body, diags := parseBody(src)
	if !diags.HasErrors() {
		diags = f.sort(body)
	}
	if diags.HasErrors() {
		return nil, src.problem(diags)
	}
	return f, nil
}

// parseBody parses by the file's name, as bake does: a name that says nothing
// is tried as both.
func parseBody(src *source) (hcl.Body, hcl.Diagnostics) {
	if src.json() {
		return parseJSON(src)
	}
	diags := shallow(src.text, src.name)
	if !diags.HasErrors() {
		var f *hcl.File
		if f, diags = hclsyntax.ParseConfig(src.text, src.name, hcl.InitialPos); !diags.HasErrors() {
			return f.Body, nil
		}
	}
	if src.named() {
		return nil, diags
	}
	if body, jsonDiags := parseJSON(src); !jsonDiags.HasErrors() {
		return body, nil
	}
	return nil, diags
}

func parseJSON(src *source) (hcl.Body, hcl.Diagnostics) {
	if diags := shallowJSON(src.text, src.name); diags.HasErrors() {
		return nil, diags
	}
	f, diags := json.Parse(src.text, src.name)
	if diags.HasErrors() {
		return nil, diags
	}
	return f.Body, nil
}

// sort distributes the file's parts. Blocks of other types and nested blocks
// are nothing to bake, and ignored by it.
func (f *file) sort(body hcl.Body) hcl.Diagnostics {
	label := []string{"name"}
	content, rest, diags := body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "target", LabelNames: label},
		{Type: "group", LabelNames: label},
		{Type: "variable", LabelNames: label},
		{Type: "function", LabelNames: label},
	}})
	if diags.HasErrors() {
		return diags
	}
	for _, b := range content.Blocks {
		sorted, diags := f.newBlock(b)
		if diags.HasErrors() {
			return diags
		}
		list := map[string]*[]*block{"target": &f.targets, "group": &f.groups, "variable": &f.variables, "function": &f.functions}[b.Type]
		*list = append(*list, sorted)
	}
	attrs, _ := rest.JustAttributes() // complains of blocks
	for _, a := range attrs {
		f.attrs = append(f.attrs, f.newAttribute(a))
	}
	slices.SortFunc(f.attrs, func(a, b *attribute) int { return a.at.before(b.at) })
	return nil
}

func (f *file) newBlock(b *hcl.Block) (*block, hcl.Diagnostics) {
	schema := &hcl.BodySchema{}
	for _, name := range attributeNames(b.Type) {
		schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: name})
	}
	content, _, diags := b.Body.PartialContent(schema)
	if diags.HasErrors() {
		return nil, diags
	}
	sorted := &block{kind: b.Type, label: b.Labels[0], attrs: map[string]*attribute{}, at: f.src.place(b.LabelRanges[0])}
	for name, a := range content.Attributes {
		sorted.attrs[name] = f.newAttribute(a)
	}
	return sorted, nil
}

func (f *file) newAttribute(a *hcl.Attribute) *attribute {
	attr := &attribute{name: a.Name, raw: a.Expr, at: f.src.place(a.Expr.Range())}
	if _, native := a.Expr.(hclsyntax.Expression); native && a.Name == "type" {
		return attr // a type looks like an expression and is none
	}
	var diags hcl.Diagnostics
	if attr.expr, diags = f.newExpr(a.Expr); diags.HasErrors() {
		attr.err = summary(diags)
	}
	return attr
}
