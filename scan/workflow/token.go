package workflow

import (
	"errors"
	"fmt"
	"strings"
)

// split returns the tokens of an expression: strings with their quotes, names,
// numbers, operators.
func split(s string) ([]string, error) {
	var tokens []string
	for {
		s = strings.TrimLeft(s, " \t\r\n")
		if s == "" {
			return tokens, nil
		}
		n, err := token(s, tokens)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, s[:n])
		s = s[n:]
	}
}

// token returns the length of the token at the beginning of s, which is not
// empty.
func token(s string, before []string) (int, error) {
	for _, op := range []string{"||", "&&", "==", "!=", "<=", ">="} {
		if strings.HasPrefix(s, op) {
			return len(op), nil
		}
	}
	c := s[0]
	switch {
	case c == '\'':
		return quoted(s)
	case c == '.' && (len(before) == 0 || !ends(before[len(before)-1])), '0' <= c && c <= '9', c == '+', c == '-':
		return 1 + span(s[1:], func(c byte) bool { return part(c) || c == '.' || c == '+' }), nil
	case strings.IndexByte("()[],.*!<>", c) >= 0:
		return 1, nil
	case part(c):
		return span(s, part), nil
	}
	return 0, fmt.Errorf("unexpected %q in an expression", c)
}

// quoted returns the length of a string with its quotes; a quote in it is
// doubled.
func quoted(s string) (int, error) {
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			continue
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			i++
			continue
		}
		return i + 1, nil
	}
	return 0, errors.New("a string is not closed in an expression")
}

// ends reports whether something can be looked up in what t ends.
func ends(t string) bool { return t == ")" || t == "]" || t == "*" || isName(t) }

func span(s string, of func(byte) bool) int {
	for i := range len(s) {
		if !of(s[i]) {
			return i
		}
	}
	return len(s)
}

// part reports whether c can be in a name.
func part(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

func isName(t string) bool {
	return t != "" && span(t, part) == len(t) && t[0] != '-' && (t[0] < '0' || t[0] > '9')
}
