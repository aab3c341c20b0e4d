package condition

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"

	"github.com/boltseal/boltseal/internal/spelling"
)

// variables are what an expression may ask for, and fields those of image.
func variables() []string { return []string{"predicate", "signer", "issuer", "claims", "image"} }
func fields() []string    { return []string{"name", "tag", "digest"} }

// knownFunctions are those that people look for; CEL has a few more.
func knownFunctions() []string {
	return []string{"startsWith", "endsWith", "contains", "matches", "size", "has", "exists", "all", "exists_one", "filter", "map"}
}

var (
	undeclared = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^undeclared reference to '([^']*)'`) })
	mismatched = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^Syntax error: (?:mismatched|extraneous|no viable alternative at) input '([^']*)'`)
	})
)

// explained says e in the words of people who do not know how CEL is read. What
// it has no words for it leaves.
func explained(text string, e *Error) *Error {
	rest := behind(text, e)
	message := e.Err.Error()
	say := func(next, format string, args ...any) *Error {
		return &Error{Line: e.Line, Col: e.Col, Err: fmt.Errorf(format, args...), Next: next}
	}
	if m := undeclared().FindStringSubmatch(message); m != nil {
		if strings.HasPrefix(rest, "(") || strings.HasPrefix(rest, m[1]+"(") {
			return say(nearest(m[1], knownFunctions(), "the functions are "), "there is no function %s", m[1])
		}
		return say(nearest(m[1], variables(), "write one of "), "there is no variable %s", m[1])
	}
	if strings.HasPrefix(message, "Syntax error: token recognition error") {
		for _, op := range []struct{ wrong, right string }{{"=", "=="}, {"&", "&&"}, {"|", "||"}} {
			if strings.HasPrefix(rest, op.wrong) {
				return say("write "+op.right, "there is no operator like this: %s is written %s", map[string]string{"=": "equality", "&": "and", "|": "or"}[op.wrong], op.right)
			}
		}
		switch {
		case strings.HasPrefix(rest, `"`), strings.HasPrefix(rest, `'`):
			return say("close it", "nothing closes this quote")
		case strings.IndexAny(rest, "‘’“”„«»") == 0:
			return say(`write ' or " in its place`, "this quote is none of CEL")
		}
		return say("", "this cannot be read here")
	}
	m := mismatched().FindStringSubmatch(message)
	if m == nil {
		return e
	}
	before := strings.TrimSpace(strings.TrimSuffix(text, rest))
	switch word := strings.ToLower(m[1]); {
	case m[1] == "<EOF>":
		return say("write what is missing at its end", "it ends too early")
	case word == "and":
		return say("write &&", "there is no operator %s: and is written &&", m[1])
	case word == "or":
		return say("write ||", "there is no operator %s: or is written ||", m[1])
	case strings.EqualFold(before, "not"):
		return say("write ! in front", "there is no operator %s: not is written !", before)
	case strings.HasSuffix(before, "<") && m[1] == ">":
		return say("write !=", "there is no operator <>: inequality is written !=")
	}
	return say("", "%.60q is not expected here", m[1])
}

// behind returns what of text stands at the place of e.
func behind(text string, e *Error) string {
	lines := strings.SplitAfter(text, "\n")
	if e.Line > len(lines) {
		return ""
	}
	line := []rune(lines[e.Line-1])
	return string(line[min(e.Col-1, len(line)):]) + strings.Join(lines[e.Line:], "")
}

func nearest(name string, names []string, list string) string {
	if near := spelling.Nearest(name, names); near != "" {
		return "did you mean " + near + "?"
	}
	return list + strings.Join(names, ", ")
}

// wrongField returns what is wrong with a field of image: to CEL it is any map,
// in which nothing but name, tag and digest will ever be found.
func wrongField(checked *cel.Ast) *Error {
	native := checked.NativeRep()
	var found *Error
	shadowed := false // somebody called a variable of a loop image
	ast.PostOrderVisit(native.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		var operand ast.Expr
		name := ""
		switch x.Kind() {
		case ast.ComprehensionKind:
			c := x.AsComprehension()
			shadowed = shadowed || c.IterVar() == "image" || c.IterVar2() == "image" || c.AccuVar() == "image"
			return
		case ast.SelectKind:
			operand, name = x.AsSelect().Operand(), x.AsSelect().FieldName()
		case ast.CallKind:
			c := x.AsCall()
			if c.FunctionName() != operators.Index || len(c.Args()) != 2 || c.Args()[1].Kind() != ast.LiteralKind {
				return
			}
			text, ok := c.Args()[1].AsLiteral().Value().(string)
			if !ok {
				return
			}
			operand, name = c.Args()[0], text
		default:
			return
		}
		if found != nil || operand.Kind() != ast.IdentKind || operand.AsIdent() != "image" || slices.Contains(fields(), name) {
			return
		}
		place := native.SourceInfo().GetStartLocation(operand.ID())
		found = &Error{
			Line: max(place.Line(), 1), Col: max(place.Column()+1, 1),
			Err: fmt.Errorf("image has no field %.60q, so that this could never be true", name), Next: nearest(name, fields(), "write one of "),
		}
	}))
	if shadowed {
		return nil
	}
	return found
}

// Next returns what an error of Compile says to do, "" for nothing in particular.
func Next(err error) string {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Next
	}
	return ""
}
