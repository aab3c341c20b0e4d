package bake

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// metered is an expression whose evaluation is paid for. Every expression that
// is evaluated is wrapped in one, so that the bounds hold between any two steps.
type metered struct {
	hclsyntax.Expression
	meter *meter
	// decides is set where the value only chooses between others: there an
	// unset variable counts as the empty string that bake takes it for, as in
	// `TAG == "" ? "latest" : TAG`.
	decides bool
}

// Value evaluates the expression and pays for it.
func (e *metered) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if err := e.meter.spend(stepCost); err != nil {
		return cty.DynamicVal, diagnose(err, e.Range())
	}
	v, diags := e.Expression.Value(ctx)
	if err := e.meter.measure(v); err != nil {
		return cty.DynamicVal, diagnose(err, e.Range())
	}
	if e.decides {
		v = assumeEmpty(v)
	}
	return v, diags
}

// UnwrapExpression lets HCL's static analysis see the expression itself.
func (e *metered) UnwrapExpression() hcl.Expression { return e.Expression }

// wrap returns the expression, and all within it, metered. It changes them.
func (m *meter) wrap(expr hclsyntax.Expression) hclsyntax.Expression {
	switch e := expr.(type) {
	case nil, *metered, *hclsyntax.AnonSymbolExpr: // a splat knows its symbol by identity
		return expr
	case *ranged:
		e.Expression = m.wrap(e.Expression)
	case *hclsyntax.ParenthesesExpr:
		e.Expression = m.wrap(e.Expression)
	case *hclsyntax.RelativeTraversalExpr:
		e.Source = m.wrap(e.Source)
	case *hclsyntax.FunctionCallExpr:
		m.wrapAll(e.Args)
	case *hclsyntax.ConditionalExpr:
		e.Condition, e.TrueResult, e.FalseResult = m.decider(e.Condition), m.wrap(e.TrueResult), m.wrap(e.FalseResult)
		expr = &choice{e}
	case *hclsyntax.IndexExpr:
		e.Collection, e.Key = m.wrap(e.Collection), m.wrap(e.Key)
	case *hclsyntax.TupleConsExpr:
		m.wrapAll(e.Exprs)
	case *hclsyntax.ObjectConsExpr:
		for i, item := range e.Items {
			e.Items[i].KeyExpr, e.Items[i].ValueExpr = m.wrap(item.KeyExpr), m.wrap(item.ValueExpr)
		}
	case *hclsyntax.ObjectConsKeyExpr:
		if _, name := e.Wrapped.(*hclsyntax.ScopeTraversalExpr); !name {
			e.Wrapped = m.wrap(e.Wrapped)
		}
	case *hclsyntax.ForExpr:
		e.CollExpr, e.KeyExpr, e.ValExpr, e.CondExpr = m.wrap(e.CollExpr), m.wrap(e.KeyExpr), m.wrap(e.ValExpr), m.decider(e.CondExpr)
	case *hclsyntax.SplatExpr:
		e.Source, e.Each = m.wrap(e.Source), m.wrap(e.Each)
	case *hclsyntax.BinaryOpExpr:
		e.LHS, e.RHS = m.wrap(e.LHS), m.wrap(e.RHS)
	case *hclsyntax.UnaryOpExpr:
		e.Val = m.wrap(e.Val)
	case *hclsyntax.TemplateExpr:
		m.wrapAll(e.Parts)
	case *hclsyntax.TemplateJoinExpr:
		e.Tuple = m.wrap(e.Tuple)
	case *hclsyntax.TemplateWrapExpr:
		e.Wrapped = m.wrap(e.Wrapped)
	}
	return &metered{Expression: expr, meter: m}
}

func (m *meter) wrapAll(exprs []hclsyntax.Expression) {
	for i, e := range exprs {
		exprs[i] = m.wrap(e)
	}
}

// decider wraps an expression that chooses; nil stays nil.
func (m *meter) decider(expr hclsyntax.Expression) hclsyntax.Expression {
	wrapped, ok := m.wrap(expr).(*metered)
	if !ok {
		return expr
	}
	wrapped.decides = true
	return wrapped
}

// A choice is a conditional whose result has nothing of the branch that is not
// taken. HCL gives it the marks of both.
type choice struct{ *hclsyntax.ConditionalExpr }

// Value evaluates both branches, for the type of the result is one for both.
func (c *choice) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	cond, diags := c.Condition.Value(ctx)
	yes, yesDiags := c.TrueResult.Value(ctx)
	no, noDiags := c.FalseResult.Value(ctx)
	if plain, _ := cond.Unmark(); !diags.HasErrors() && plain.IsKnown() && !plain.IsNull() {
		if b, err := convert.Convert(plain, cty.Bool); err == nil && b.True() {
			diags = append(diags, yesDiags...)
			no, _ = no.UnmarkDeep()
		} else {
			diags = append(diags, noDiags...)
			yes, _ = yes.UnmarkDeep()
		}
	}
	literal := func(v cty.Value, e hclsyntax.Expression) hclsyntax.Expression {
		return &hclsyntax.LiteralValueExpr{Val: v, SrcRange: e.Range()}
	}
	v, more := (&hclsyntax.ConditionalExpr{
		Condition:   literal(cond, c.Condition),
		TrueResult:  literal(yes, c.TrueResult),
		FalseResult: literal(no, c.FalseResult),
		SrcRange:    c.SrcRange,
	}).Value(ctx)
	return v, append(diags, more...)
}

// bare returns what a metered expression wraps.
func bare(expr hclsyntax.Expression) hclsyntax.Expression {
	for {
		switch e := expr.(type) {
		case *metered:
			expr = e.Expression
		case *ranged:
			expr = e.Expression
		case *hclsyntax.ParenthesesExpr:
			expr = e.Expression
		default:
			return expr
		}
	}
}
