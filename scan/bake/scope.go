package bake

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// A scope is what the expressions of a definition can refer to. Variables and
// functions are evaluated when something first refers to them.
type scope struct {
	meter  *meter
	getenv func(string) (string, bool)
	hidden func(string) bool // whether a variable is set and withheld
	global *hcl.EvalContext

	attrs     map[string]*attribute
	variables map[string]*block
	functions map[string]*block

	values map[string]*lazy // of variables
	funcs  map[string]*lazy // of functions; the value is in global
	blocks *blocks          // nil until the blocks' names are known: nothing can refer to them before
}

// lazy is something that is evaluated once. While it is, it is busy.
type lazy struct {
	busy bool
	err  error
}

// newScope returns the scope of several files, the later ones deciding where
// both define the same variable or function.
func newScope(files []*file, m *meter, getenv func(string) (string, bool), hidden func(string) bool, builtins map[string]cty.Value) *scope {
	s := &scope{
		meter:     m,
		getenv:    getenv,
		hidden:    hidden,
		global:    &hcl.EvalContext{Variables: maps.Clone(builtins), Functions: guarded(m, standard())},
		attrs:     map[string]*attribute{},
		variables: map[string]*block{},
		functions: map[string]*block{},
		values:    map[string]*lazy{},
		funcs:     map[string]*lazy{},
	}
	for _, f := range files {
		for _, v := range f.variables {
			s.variables[v.label] = v
		}
		for _, fn := range f.functions {
			s.functions[fn.label] = fn
		}
		for _, a := range f.attrs {
			s.attrs[a.name] = a
		}
	}
	for _, reserved := range append(slices.Collect(maps.Keys(builtins)), "target", "group") {
		delete(s.variables, reserved)
		delete(s.functions, reserved)
		delete(s.attrs, reserved)
	}
	return s
}

// attribute evaluates an attribute; ctx has what only it can refer to.
func (s *scope) attribute(a *attribute, ctx *hcl.EvalContext) (cty.Value, error) {
	if a.err != nil {
		return cty.NilVal, a.err
	}
	return s.value(a.expr, ctx)
}

// value evaluates an expression, and first what it refers to. Names that do
// not exist are left to the evaluation: try and can get over them.
func (s *scope) value(e *expr, ctx *hcl.EvalContext) (cty.Value, error) {
	ctx, err := s.load(e, ctx, nil)
	if err != nil {
		return cty.NilVal, err
	}
	v, diags := e.node.Value(ctx)
	if s.meter.err != nil { // HCL may have dropped it
		return cty.NilVal, s.meter.err
	}
	if diags.HasErrors() {
		return cty.NilVal, s.explain(e, diags)
	}
	return v, nil
}

// load evaluates what e refers to, except for params, and returns the context
// for evaluating e.
func (s *scope) load(e *expr, ctx *hcl.EvalContext, params []string) (*hcl.EvalContext, error) {
	for _, name := range e.funcs {
		if err := s.function(name); err != nil {
			return nil, err
		}
	}
	var refs []reference
	for _, t := range e.vars {
		name := t.RootName()
		if slices.Contains(params, name) {
			continue
		}
		if s.blocks != nil && (name == "target" || name == "group") {
			ref, err := refer(t)
			if err != nil {
				return nil, err
			}
			refs = append(refs, ref)
			continue
		}
		if has(ctx, name) {
			continue
		}
		if err := s.variable(name); err != nil {
			return nil, err
		}
	}
	if len(refs) == 0 {
		return ctx, nil
	}
	vars, err := s.blocks.resolve(refs)
	if err != nil {
		return nil, err
	}
	child := ctx.NewChild()
	child.Variables = vars
	return child, nil
}

func has(ctx *hcl.EvalContext, name string) bool {
	for ; ctx != nil; ctx = ctx.Parent() {
		if _, ok := ctx.Variables[name]; ok {
			return true
		}
	}
	return false
}

// function defines the user's function of that name, if there is one and none
// of the standard ones has the name.
func (s *scope) function(name string) error {
	b, ok := s.functions[name]
	if _, standard := s.global.Functions[name]; !ok || standard {
		return nil
	}
	l, ok := s.funcs[name]
	if !ok {
		l = &lazy{busy: true}
		s.funcs[name] = l
		var fn function.Function
		if fn, l.err = s.define(b); l.err == nil {
			s.global.Functions[name] = fn
		}
		l.busy = false
	}
	switch {
	case l.busy:
		return fmt.Errorf("function %s calls itself, which bake does not allow", quote(name))
	case l.err != nil:
		return fmt.Errorf("function %s: %w", quote(name), l.err)
	}
	return nil
}

// define makes a function of a block. Its body sees its parameters and what is
// global, not what is around the call.
func (s *scope) define(b *block) (function.Function, error) {
	params, result := b.attrs["params"], b.attrs["result"]
	if params == nil || result == nil {
		return function.Function{}, errors.New("it has no params or no result")
	}
	if result.err != nil {
		return function.Function{}, result.err
	}
	list, diags := hcl.ExprList(params.raw)
	if diags.HasErrors() {
		return function.Function{}, summary(diags)
	}
	spec := &function.Spec{}
	var names []string
	for _, p := range list {
		name := keyword(p)
		if name == "" {
			return function.Function{}, errors.New("a parameter is not a name")
		}
		names = append(names, name)
		spec.Params = append(spec.Params, function.Parameter{Name: name, Type: cty.DynamicPseudoType})
	}
	last := ""
	if variadic := b.attrs["variadic_params"]; variadic != nil {
		if last = keyword(variadic.raw); last == "" {
			return function.Function{}, errors.New("variadic_params is not a name")
		}
		spec.VarParam = &function.Parameter{Name: last, Type: cty.DynamicPseudoType}
	}
	if _, err := s.load(result.expr, s.global, append(slices.Clone(names), last)); err != nil {
		return function.Function{}, err
	}
	// The type is not computed beforehand: that would evaluate the body twice
	// a call, and functions calling functions would take 2ⁿ steps.
	spec.Type = function.StaticReturnType(cty.DynamicPseudoType)
	spec.Impl = func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		ctx := s.global.NewChild()
		ctx.Variables = map[string]cty.Value{}
		for i, name := range names {
			ctx.Variables[name] = args[i]
		}
		if last != "" {
			ctx.Variables[last] = cty.TupleVal(args[len(names):])
		}
		v, diags := result.expr.node.Value(ctx)
		if diags.HasErrors() {
			return cty.DynamicVal, summary(diags)
		}
		return v, nil
	}
	return function.New(spec), nil
}

// keyword returns the name that an expression is, or "".
func keyword(e hcl.Expression) string {
	if text, ok := jsonString(e); ok && len(text) > 256 {
		return "" // HCL would parse it
	}
	return hcl.ExprAsKeyword(e)
}

// explain returns what went wrong in evaluating e. A null in a template comes
// from a variable without a value; that is what the user can mend.
func (s *scope) explain(e *expr, diags hcl.Diagnostics) error {
	err := summary(diags)
	for _, t := range e.vars {
		name := t.RootName()
		if v, ok := s.global.Variables[name]; ok && s.variables[name] != nil {
			if v, _ = v.Unmark(); v.IsNull() {
				return fmt.Errorf("%w; variable %s has no value: set %s in the environment or give the variable a default", err, quote(name), clip(name))
			}
		}
	}
	return err
}
