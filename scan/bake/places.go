package bake

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// places returns where the entries of an attribute are written, by key. Those
// of a map that is not written out there have no place of their own.
func (d *decoder) places(a *attribute) map[string]place {
	object, ok := bare(a.expr.node).(*hclsyntax.ObjectConsExpr)
	if !ok {
		return nil
	}
	ctx, err := d.scope.load(a.expr, d.i.ctx, nil)
	if err != nil {
		return nil
	}
	places := map[string]place{}
	for _, item := range object.Items {
		v, diags := item.KeyExpr.Value(ctx)
		if diags.HasErrors() {
			continue
		}
		v, _ = settle(v)
		if v, err = convert.Convert(v, cty.String); err == nil && !v.IsNull() && v.IsKnown() {
			places[v.AsString()] = a.at.src.place(item.ValueExpr.Range())
		}
	}
	return places
}

// elements returns where the elements of a list are written.
func (d *decoder) elements(a *attribute) []place {
	tuple, ok := bare(a.expr.node).(*hclsyntax.TupleConsExpr)
	if !ok {
		return nil
	}
	var places []place
	for _, e := range tuple.Exprs {
		places = append(places, a.at.src.place(e.Range()))
	}
	return places
}
