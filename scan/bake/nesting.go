package bake

import (
	"bytes"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// HCL's parsers and evaluators recurse, and Go ends the process when a stack
// outgrows its limit. What is handed to them was looked through first.
const (
	maxNesting = 250       // of brackets, operators and template directives within each other
	maxTokens  = 128 << 10 // in a file: one takes 100 bytes of memory, from a byte of the file
	maxDigits  = 1024      // of a number
	maxJoining = 1 << 29   // bytes that are copied to join the literals of templates
)

// shallow returns an error if the native syntax of text is nested too deeply.
func shallow(text []byte, name string) hcl.Diagnostics {
	return nested(text, name, hclsyntax.LexConfig)
}

// shallowTemplate is shallow for what stands within a JSON string.
func shallowTemplate(text []byte, name string) hcl.Diagnostics {
	if !bytes.ContainsAny(text, "$%") {
		return nil
	}
	return nested(text, name, hclsyntax.LexTemplate)
}

// shallowExpression is shallow for an expression alone.
func shallowExpression(text []byte, name string) hcl.Diagnostics {
	return nested(text, name, hclsyntax.LexExpression)
}

func nested(text []byte, name string, lex func([]byte, string, hcl.Pos) (hclsyntax.Tokens, hcl.Diagnostics)) hcl.Diagnostics {
	begin := hcl.Pos{Line: 1, Column: 1}
	if n := tokensIn(text); n > maxTokens {
		return tooDeep(hcl.Range{Filename: name, Start: begin, End: begin}, fmt.Sprintf("the file has %d words and signs, which is more than %d", n, maxTokens))
	}
	tokens, _ := lex(text, name, begin) // what is wrong with them, the parser says
	var d depth
	for _, t := range tokens {
		if err := d.next(t); err != "" {
			return tooDeep(t.Range, err)
		}
	}
	return nil
}

func tooDeep(at hcl.Range, why string) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: why, Subject: &at}}
}

// tokensIn returns how many tokens there can be in text, more or less: words,
// and all other bytes that are not blanks. What is in comments and strings
// counts as well; it is cheaper than looking.
func tokensIn(text []byte) int {
	n := 0
	word := false
	for _, c := range text {
		switch {
		case c == ' ' || c == '\t':
			word = false
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_':
			if !word {
				n++
			}
			word = true
		default:
			n++
			word = false
		}
	}
	return n
}

// depth follows how deep the parser is: brackets, and within each the operators
// since the last comma or line, as `1-(2-(3…` and `----1` nest alike.
type depth struct {
	levels     []level
	sum        int // operators in all levels
	directives int // %{if} and %{for} that are open
	control    bool
	joining    int
}

type level struct {
	opened    hclsyntax.TokenType
	operators int
	literals  int // tokens of text in a row, as a heredoc has one for each line
	text      int // bytes of them
}

func (d *depth) next(t hclsyntax.Token) string {
	if len(d.levels) == 0 {
		d.levels = append(d.levels, level{})
	}
	top := &d.levels[len(d.levels)-1]
	if d.control {
		d.directive(string(t.Bytes))
	}
	d.control = t.Type == hclsyntax.TokenTemplateControl
	switch t.Type {
	case hclsyntax.TokenOParen, hclsyntax.TokenOBrace, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc,
		hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
		d.levels = append(d.levels, level{opened: t.Type})
	case hclsyntax.TokenOBrack: // an index nests to the left as well
		top.operators++
		d.sum++
		d.levels = append(d.levels, level{opened: t.Type})
	case hclsyntax.TokenCParen, hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
		d.close()
	case hclsyntax.TokenComma:
		d.rest(top)
	case hclsyntax.TokenNewline, hclsyntax.TokenComment: // one that begins with # has the line's end in it
		if top.opened == 0 || top.opened == hclsyntax.TokenOBrace { // elsewhere a line's end means nothing
			d.rest(top)
		}
	case hclsyntax.TokenNumberLit:
		if len(t.Bytes) > maxDigits || bytes.ContainsAny(t.Bytes, "eE") && len(t.Bytes)-bytes.IndexAny(t.Bytes, "eE") > 5 {
			return fmt.Sprintf("a number of more than %d digits", maxDigits)
		}
	case hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit:
		// The parser joins literals two by two: in all, their number squared.
		top.literals++
		top.text += len(t.Bytes)
		if d.joining += top.text + 16*top.literals; d.joining > maxJoining {
			return "a string or heredoc has too many lines"
		}
	case hclsyntax.TokenIdent, hclsyntax.TokenColon, hclsyntax.TokenEqual:
	default:
		top.operators++
		d.sum++
	}
	if len(d.levels)+d.sum+d.directives > maxNesting {
		return fmt.Sprintf("an expression is nested more than %d levels deep", maxNesting)
	}
	return ""
}

func (d *depth) directive(keyword string) {
	switch keyword {
	case "if", "for":
		d.directives++
	case "endif", "endfor":
		d.directives = max(d.directives-1, 0)
	}
}

// close leaves a level. A file may have more closing brackets than opening ones.
func (d *depth) close() {
	if n := len(d.levels); n > 1 {
		d.rest(&d.levels[n-1])
		d.levels = d.levels[:n-1]
	}
}

func (d *depth) rest(l *level) {
	d.sum -= l.operators
	l.operators = 0
}

// shallowJSON is shallow for HCL's JSON syntax.
func shallowJSON(text []byte, name string) hcl.Diagnostics {
	deep, inString, marks, digits := 0, false, 0, 0
	at := func(i int) hcl.Range {
		p := hcl.Pos{Line: 1, Column: 1, Byte: i}
		return hcl.Range{Filename: name, Start: p, End: p}
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		if inString {
			switch c {
			case '\\':
				i++
			case '"':
				inString = false
			}
			continue
		}
		if c >= '0' && c <= '9' || c == '.' || c == '-' || c == '+' {
			digits++
		} else if c == 'e' || c == 'E' {
			digits += maxDigits - 5 // an exponent has four digits at most
		} else {
			digits = 0
		}
		switch c {
		case '"':
			inString, marks = true, marks+1
		case '[', '{':
			deep, marks = deep+1, marks+1
		case ']', '}':
			deep = max(deep-1, 0)
		case ',', ':':
			marks++
		}
		switch {
		case deep > maxNesting:
			return tooDeep(at(i), fmt.Sprintf("the file is nested more than %d levels deep", maxNesting))
		case digits > maxDigits:
			return tooDeep(at(i), fmt.Sprintf("a number of more than %d digits", maxDigits))
		case marks > maxTokens:
			return tooDeep(at(i), fmt.Sprintf("the file has more than %d values", maxTokens))
		}
	}
	return nil
}
