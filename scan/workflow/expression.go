package workflow

import (
	"errors"
	"fmt"
	"strings"
)

// An expression gives its value for a combination of the matrix, an object or
// unknown.
type expression func(matrix value) value

// maxNesting and maxLength are GitHub's bounds of one expression. maxText bounds
// the texts that one works with, in bytes: format can double one again and again.
const (
	maxNesting = 50
	maxLength  = 21000
	maxText    = 4 << 10
)

var errUnclosed = errors.New("${{ is not closed")

// parse parses a string with expressions in it. A string that is nothing but
// one expression has its value, of any type; others are strings.
func parse(s string) (expression, error) {
	var parts []expression
	for {
		before, rest, found := strings.Cut(s, "${{")
		if before != "" {
			parts = append(parts, constant(before))
		}
		if !found {
			break
		}
		end := closing(rest)
		if end < 0 {
			return nil, errUnclosed
		}
		e, err := parseExpression(rest[:end])
		if err != nil {
			return nil, err
		}
		parts = append(parts, e)
		s = rest[end+len("}}"):]
	}
	switch len(parts) {
	case 0:
		return constant(""), nil
	case 1:
		return parts[0], nil
	}
	return func(matrix value) value {
		var b strings.Builder
		for _, p := range parts {
			v := p(matrix)
			if v == (unknown{}) {
				return v
			}
			if b.WriteString(asText(v)); b.Len() > maxText {
				return unknown{}
			}
		}
		return b.String()
	}, nil
}

// closing returns where the first }} outside of a string is, -1 for nowhere.
func closing(s string) int {
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '\'':
			quoted = !quoted
		case !quoted && strings.HasPrefix(s[i:], "}}"):
			return i
		}
	}
	return -1
}

func constant(v value) expression { return func(value) value { return v } }

// A parser reads one expression by recursive descent.
type parser struct {
	tokens []string
	depth  int
}

func parseExpression(s string) (expression, error) {
	if len(s) > maxLength {
		return nil, fmt.Errorf("an expression of more than %d characters", maxLength)
	}
	tokens, err := split(s)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	e, err := p.or()
	if err == nil && len(p.tokens) > 0 {
		err = fmt.Errorf("unexpected %s in an expression", p.tokens[0])
	}
	return e, err
}

// peek returns the next token, "" at the end.
func (p *parser) peek() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

// accept skips the next token if it is t.
func (p *parser) accept(t string) bool {
	if p.peek() != t {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

func (p *parser) or() (expression, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, fmt.Errorf("an expression nested more than %d levels deep", maxNesting)
	}
	defer func() { p.depth-- }()
	return p.chain("||", p.and, func(a value, b func() value) value {
		switch yes, known := truthy(a); {
		case !known || yes:
			return a
		}
		return b()
	})
}

func (p *parser) and() (expression, error) {
	return p.chain("&&", p.equality, func(a value, b func() value) value {
		switch yes, known := truthy(a); {
		case !known || !yes:
			return a
		}
		return b()
	})
}

// chain parses operands with an operator between them.
func (p *parser) chain(operator string, operand func() (expression, error), combine func(a value, b func() value) value) (expression, error) {
	operands := []expression{}
	for {
		e, err := operand()
		if err != nil {
			return nil, err
		}
		operands = append(operands, e)
		if !p.accept(operator) {
			break
		}
	}
	return func(matrix value) value {
		v := operands[0](matrix)
		for _, o := range operands[1:] {
			v = combine(v, func() value { return o(matrix) })
		}
		return v
	}, nil
}

func (p *parser) equality() (expression, error) {
	left, err := p.relation()
	if err != nil {
		return nil, err
	}
	for {
		op := p.peek()
		if !p.accept("==") && !p.accept("!=") {
			return left, nil
		}
		a := left
		b, err := p.relation()
		if err != nil {
			return nil, err
		}
		left = func(matrix value) value {
			v := equal(a(matrix), b(matrix))
			if same, ok := v.(bool); ok {
				return same == (op == "==")
			}
			return v
		}
	}
}

// relation parses comparisons by size. No image depends on them that anybody
// has seen: they count as unknown.
func (p *parser) relation() (expression, error) {
	e, err := p.not()
	for err == nil && (p.accept("<") || p.accept("<=") || p.accept(">") || p.accept(">=")) {
		_, err = p.not()
		e = constant(unknown{})
	}
	return e, err
}

func (p *parser) not() (expression, error) {
	negations := 0
	for p.accept("!") {
		negations++
	}
	e, err := p.postfix()
	if err != nil || negations == 0 {
		return e, err
	}
	return func(matrix value) value {
		yes, known := truthy(e(matrix))
		if !known {
			return unknown{}
		}
		return yes == (negations%2 == 0)
	}, nil
}

// postfix parses an operand and what is looked up in it.
func (p *parser) postfix() (expression, error) {
	e, err := p.primary()
	for err == nil {
		of := e
		switch {
		case p.accept("."):
			name := p.peek()
			if name != "*" && !isName(name) {
				return nil, fmt.Errorf("unexpected %q behind a dot", name)
			}
			p.accept(name)
			if name == "*" {
				e = constant(unknown{})
				continue
			}
			e = func(matrix value) value { return index(of(matrix), name) }
		case p.accept("["):
			if p.accept("*") {
				e = constant(unknown{})
			} else {
				var key expression
				if key, err = p.or(); err != nil {
					return nil, err
				}
				e = func(matrix value) value { return index(of(matrix), key(matrix)) }
			}
			if !p.accept("]") {
				return nil, fmt.Errorf("%q where ] is missing", p.peek())
			}
		default:
			return e, nil
		}
	}
	return e, err
}

// index returns the item of v that key names, null where there is none.
func index(v, key value) value {
	if v == (unknown{}) || key == (unknown{}) {
		return unknown{}
	}
	switch v := v.(type) {
	case object:
		if s, ok := key.(string); ok {
			return v.get(s)
		}
	case array:
		if f := numeric(key); f >= 0 && f < float64(len(v)) {
			return v[int(f)]
		}
	}
	return nil
}

func (p *parser) primary() (expression, error) {
	t := p.peek()
	switch {
	case t == "":
		return nil, errors.New("an expression ends too early")
	case p.accept("("):
		e, err := p.or()
		if err == nil && !p.accept(")") {
			err = fmt.Errorf("%q where ) is missing", p.peek())
		}
		return e, err
	}
	p.accept(t)
	switch {
	case t[0] == '\'':
		return constant(strings.ReplaceAll(t[1:len(t)-1], "''", "'")), nil
	case isName(t):
		if p.accept("(") {
			return p.call(t)
		}
		return named(t), nil
	}
	if v, ok := plain(t); ok {
		return constant(v), nil
	}
	return nil, fmt.Errorf("unexpected %s in an expression", t)
}

// named returns a keyword or a context. Only the matrix stands in the file.
func named(name string) expression {
	switch strings.ToLower(name) {
	case "matrix":
		return func(matrix value) value { return matrix }
	case "null":
		return constant(nil)
	case "true":
		return constant(true)
	case "false":
		return constant(false)
	}
	return constant(unknown{})
}

// call parses a function's arguments, behind the parenthesis.
func (p *parser) call(name string) (expression, error) {
	var args []expression
	for !p.accept(")") {
		if len(args) > 0 && !p.accept(",") {
			return nil, fmt.Errorf("%q between the arguments of %s", p.peek(), name)
		}
		e, err := p.or()
		if err != nil {
			return nil, err
		}
		args = append(args, e)
	}
	do := function(name, len(args))
	if do == nil {
		return constant(unknown{}), nil
	}
	return func(matrix value) value {
		values := make([]value, len(args))
		for i, a := range args {
			if values[i] = a(matrix); values[i] == (unknown{}) {
				return unknown{}
			}
		}
		return do(values)
	}, nil
}
