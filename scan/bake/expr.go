package bake

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// An expr is an expression of either syntax, ready to be evaluated.
type expr struct {
	node  hclsyntax.Expression // metered throughout
	vars  []hcl.Traversal      // what it refers to
	funcs []string             // what it calls
	at    place
	// template is set where node was read from a JSON string: what it says of
	// places is about the string's value.
	template string
}

// newExpr reads an expression that HCL parsed. JSON is turned into the native
// syntax's tree: what follows then knows only one of them.
func (f *file) newExpr(raw hcl.Expression) (*expr, hcl.Diagnostics) {
	e := &expr{at: f.src.place(raw.Range())}
	node, ok := raw.(hclsyntax.Expression)
	if !ok {
		var diags hcl.Diagnostics
		if node, diags = f.fromJSON(raw); diags.HasErrors() {
			return nil, diags
		}
		if s, ok := jsonString(raw); ok {
			e.template = s
		}
	}
	e.vars = node.Variables()
	_ = hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		if call, ok := n.(*hclsyntax.FunctionCallExpr); ok {
			e.funcs = append(e.funcs, call.Name)
		}
		return nil
	})
	e.node = f.meter.wrap(node)
	return e, nil
}

// fromJSON turns a JSON value into an expression of the native syntax. Its
// depth was checked with the file's.
func (f *file) fromJSON(raw hcl.Expression) (hclsyntax.Expression, hcl.Diagnostics) {
	rng := raw.Range()
	if pairs, diags := hcl.ExprMap(raw); !diags.HasErrors() {
		object := &hclsyntax.ObjectConsExpr{SrcRange: rng, OpenRange: raw.StartRange()}
		for _, pair := range pairs {
			key, diags := f.fromJSON(pair.Key)
			if diags.HasErrors() {
				return nil, diags
			}
			value, diags := f.fromJSON(pair.Value)
			if diags.HasErrors() {
				return nil, diags
			}
			object.Items = append(object.Items, hclsyntax.ObjectConsItem{KeyExpr: key, ValueExpr: value})
		}
		return object, nil
	}
	if list, diags := hcl.ExprList(raw); !diags.HasErrors() {
		tuple := &hclsyntax.TupleConsExpr{SrcRange: rng, OpenRange: raw.StartRange()}
		for _, e := range list {
			value, diags := f.fromJSON(e)
			if diags.HasErrors() {
				return nil, diags
			}
			tuple.Exprs = append(tuple.Exprs, value)
		}
		return tuple, nil
	}
	text, ok := jsonString(raw)
	if !ok {
		v, diags := raw.Value(nil)
		return &hclsyntax.LiteralValueExpr{Val: v, SrcRange: rng}, diags
	}
	if diags := shallowTemplate([]byte(text), rng.Filename); diags.HasErrors() {
		diags[0].Subject = &rng
		return nil, diags
	}
	start := rng.Start
	start.Byte++ // the quotation mark
	start.Column++
	node, diags := hclsyntax.ParseTemplate([]byte(text), rng.Filename, start)
	if diags.HasErrors() {
		return nil, diags
	}
	return &ranged{node, rng}, nil
}

// jsonString returns the text of a JSON string, as it stands.
func jsonString(raw hcl.Expression) (string, bool) {
	if _, native := raw.(hclsyntax.Expression); native {
		return "", false
	}
	if v, diags := raw.Value(nil); !diags.HasErrors() && v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
		return v.AsString(), true
	}
	return "", false
}

// ranged is an expression with a place of its own: that of the JSON string it
// was read from, with its quotation marks and escapes.
type ranged struct {
	hclsyntax.Expression
	rng hcl.Range
}

// Range returns the place of the JSON string.
func (r *ranged) Range() hcl.Range { return r.rng }

// UnwrapExpression lets HCL's static analysis see the expression itself.
func (r *ranged) UnwrapExpression() hcl.Expression { return r.Expression }
