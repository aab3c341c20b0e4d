// Package condition evaluates what a policy asks of an attestation's predicate:
// one CEL expression (https://cel.dev) over what was signed and who signed it.
//
// Expressions have the standard library of CEL and nothing else: no clock, no
// network, no files. They cannot loop without an end, and what they match with
// regular expressions is bounded.
package condition

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common"
	celenv "github.com/google/cel-go/common/env"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
)

const (
	// MaxText bounds an expression, in bytes.
	MaxText = 4 << 10
	// maxNesting bounds how deep an expression may be nested.
	maxNesting = 64
	// maxCost bounds an evaluation, in CEL's units: about one for each operation,
	// and for each ten characters or items that are looked at. That is enough for
	// two questions to each of 8,000 packages of an SBOM. It takes a third of a
	// second at worst: to count takes quadratic time (refValStack.drop of cel-go v0.26.1).
	maxCost = 100_000
	// interruptEvery is after how many rounds of a loop the context is looked at.
	interruptEvery = 100
)

// ErrTooLarge says that an evaluation was given up: the predicate is too large,
// or the expression needs too many steps for it.
var ErrTooLarge = errors.New("too large to be checked")

// A Condition is a compiled expression. It may be used by several goroutines.
type Condition struct {
	text    string
	program cel.Program
}

// Vars are what an expression may ask for.
type Vars struct {
	// Predicate is the JSON of the predicate, as it was signed: predicate. Its
	// numbers are doubles.
	Predicate []byte
	Signer    string            // signer
	Issuer    string            // issuer
	Claims    map[string]string // claims, by name
	Image     Image             // image.name, image.tag, image.digest
}

// An Image is the image that is checked. Tag is "" where the reference has none.
type Image struct{ Name, Tag, Digest string }

// An Error is about a place in an expression.
type Error struct {
	Line, Col int // from 1; Col counts characters
	Err       error
	Next      string // one imperative sentence; "" where there is none in particular
}

func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d of the expression: %s", e.Line, e.Col, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Compile compiles an expression that is true or false. The error is an [*Error].
func Compile(text string) (c *Condition, err error) {
	defer func() {
		if r := recover(); r != nil {
			c, err = nil, at(1, 1, "it cannot be read: %v", r)
		}
	}()
	switch {
	case strings.TrimSpace(text) == "":
		return nil, at(1, 1, "it is empty")
	case len(text) > MaxText:
		return nil, at(1, 1, "it is longer than %d bytes", MaxText)
	}
	env, err := environment()
	if err != nil {
		return nil, at(1, 1, "%w", err)
	}
	ast, issues := env.Compile(text)
	if issues != nil && issues.Err() != nil {
		return nil, explained(text, first(issues.Errors()))
	}
	if e := wrongField(ast); e != nil {
		return nil, e
	}
	if !ast.OutputType().IsExactType(cel.BoolType) {
		return nil, at(1, 1, "it is a value of type %s, not true or false; compare it, as in: … == true", ast.OutputType())
	}
	if cost, err := env.EstimateCost(ast, sizes{}); err != nil || cost.Min > maxCost {
		return nil, at(1, 1, "it takes too many steps, whatever the predicate is")
	}
	program, err := env.Program(ast, cel.CostTracking(costs{}), cel.CostLimit(maxCost), cel.InterruptCheckFrequency(interruptEvery))
	if err != nil {
		return nil, at(1, 1, "%w", err)
	}
	return &Condition{text, program}, nil
}

func at(line, col int, format string, args ...any) *Error {
	return &Error{Line: line, Col: col, Err: fmt.Errorf(format, args...)}
}

// first returns the error that stands first, which the others often follow from.
func first(all []*common.Error) *Error {
	best := all[0]
	for _, e := range all[1:] {
		l, b := e.Location, best.Location
		if l.Line() < b.Line() || l.Line() == b.Line() && l.Column() < b.Column() {
			best = e
		}
	}
	return at(max(best.Location.Line(), 1), max(best.Location.Column()+1, 1), "%s", best.Message)
}

// environment is made for each expression: policies have few, and programs that
// have none should not pay for it.
func environment() (*cel.Env, error) {
	texts := cel.MapType(cel.StringType, cel.StringType)
	return cel.NewCustomEnv(
		cel.StdLib(cel.StdLibSubset(celenv.NewLibrarySubset().AddExcludedFunctions(celenv.NewFunction(overloads.Matches)))),
		matching(),
		cel.ParserExpressionSizeLimit(MaxText),
		cel.ParserRecursionLimit(maxNesting),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.Variable("predicate", cel.DynType),
		cel.Variable("signer", cel.StringType),
		cel.Variable("issuer", cel.StringType),
		cel.Variable("claims", texts),
		cel.Variable("image", texts),
	)
}

// sizes estimates nothing: what a predicate holds is not known before.
type sizes struct{}

func (sizes) EstimateSize(checker.AstNode) *checker.SizeEstimate { return nil }
func (sizes) EstimateCallCost(_, _ string, _ *checker.AstNode, _ []checker.AstNode) *checker.CallEstimate {
	return nil
}

// costs is what calls cost in an evaluation, where the types of what they are
// given are not known before: CEL would take those for free.
type costs struct{}

func (costs) CallCost(function, _ string, args []ref.Val, result ref.Val) *uint64 {
	switch function {
	case overloads.Matches:
		text, isText := args[0].(types.String)
		pattern, isPattern := args[1].(types.String)
		if !isText || !isPattern {
			return nil
		}
		cost := matchCost(text, pattern)
		return &cost
	case operators.Add, operators.In, operators.OldIn, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
	default:
		return nil // as CEL has it
	}
	cost := uint64(1) + size(result)/10
	for _, a := range args {
		cost += size(a) / 10
	}
	return &cost
}

// size is how many characters or items v has.
func size(v ref.Val) uint64 {
	if s, ok := v.(traits.Sizer); ok {
		if n, ok := s.Size().(types.Int); ok && n > 0 {
			return uint64(n)
		}
	}
	return 0
}

// String returns the expression.
func (c *Condition) String() string { return c.text }

// Eval reports whether the expression is true of v. An error says that it is
// neither true nor false, such as for a field that the predicate does not have;
// it is [ErrTooLarge] where it would have taken too long to say, and that of ctx
// where that has ended. It is always false with an error.
func (c *Condition) Eval(ctx context.Context, v Vars) (ok bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			ok, err = false, fmt.Errorf("%v", r)
		}
	}()
	predicate, err := decode(ctx, v.Predicate)
	switch {
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case err != nil:
		return false, err
	}
	claims := v.Claims
	if claims == nil {
		claims = map[string]string{}
	}
	out, _, err := c.program.ContextEval(ctx, map[string]any{
		"predicate": predicate,
		"signer":    v.Signer,
		"issuer":    v.Issuer,
		"claims":    claims,
		"image":     map[string]string{"name": v.Image.Name, "tag": v.Image.Tag, "digest": v.Image.Digest},
	})
	if ctx.Err() != nil { // also where the end of the evaluation came first
		return false, context.Cause(ctx)
	}
	if gaveUp := (interpreter.EvalCancelledError{}); errors.As(err, &gaveUp) && gaveUp.Cause == interpreter.CostLimitExceeded {
		return false, fmt.Errorf("%w: the expression takes more than %d steps", ErrTooLarge, maxCost)
	}
	if err != nil {
		return false, err
	}
	yes, isBool := out.Value().(bool)
	if !isBool {
		return false, fmt.Errorf("it is a %s, not true or false", out.Type().TypeName())
	}
	return yes, nil
}
