package bake

import (
	"bytes"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/boltseal/boltseal/image"
)

// A tracer finds the places of an inline Dockerfile in the bake file.
type tracer struct {
	at     place
	text   string
	lines  []int   // where each begins
	pieces []piece // none if the text is not written out at the place
}

// A piece is a part of the text: literal, or what an expression became.
type piece struct {
	from, to int // in the text
	at       place
	literal  bool
	offsets  []int // of a literal's bytes in the file
}

// newTracer takes the template apart that an inline Dockerfile was made from.
func newTracer(s *scope, inline *setting) *tracer {
	t := &tracer{at: inline.at, text: inline.text}
	if inline.expr.template != "" {
		return t // JSON: places within are those of the string's value
	}
	node := bare(inline.expr.node)
	template, ok := node.(*hclsyntax.TemplateExpr)
	if !ok {
		return t
	}
	ctx, err := s.load(inline.expr, inline.owner.ctx, nil)
	if err != nil {
		return t
	}
	offset := 0
	for _, part := range template.Parts {
		v, diags := part.Value(ctx)
		if diags.HasErrors() {
			return t
		}
		v, _ = settle(v)
		if v, err = convert.Convert(v, cty.String); err != nil || v.IsNull() {
			return t
		}
		p := piece{from: offset, to: offset + len(v.AsString()), at: inline.at.src.place(part.Range())}
		if _, p.literal = bare(part).(*hclsyntax.LiteralValueExpr); p.literal {
			p.offsets = align(p.at, v.AsString())
		}
		t.pieces = append(t.pieces, p)
		offset = p.to
	}
	if offset != len(t.text) {
		t.pieces = nil
	}
	return t
}

// find returns what is written in the bake file, and where, for what stands at
// a position of the Dockerfile. Where that cannot be told it is the attribute.
func (t *tracer) find(text string, at image.Position) (string, image.Position) {
	if from, ok := t.offset(at); ok {
		for i, p := range t.pieces {
			if from >= p.from && from < p.to {
				if found, ok := t.within(i, from, text); ok {
					return found.first(), found.start()
				}
			}
		}
	}
	if n := bytes.Count(t.at.bytes(), []byte(text)); n == 1 && text != "" {
		found := t.at
		found.from += bytes.Index(t.at.bytes(), []byte(text))
		return text, found.start()
	}
	at2 := t.at.unquoted()
	return at2.first(), at2.start()
}

// literal returns a literal of the Dockerfile where it stands in the bake file;
// none where it does not, letter by letter.
func (t *tracer) literal(l image.Literal) image.Literal {
	if l.Text == "" {
		return image.Literal{}
	}
	text, at := t.find(l.Text, l.At)
	if text != l.Text || !t.written(l) {
		return image.Literal{}
	}
	return image.Literal{Text: text, At: at}
}

// written reports whether what find finds of l can be no other text: it is in
// what is literal of a template, or stands once in a string or heredoc and in
// the Dockerfile, not within ${…}, and no escape ends in it.
func (t *tracer) written(l image.Literal) bool {
	if from, ok := t.offset(l.At); ok {
		for _, p := range t.pieces {
			if from < p.from || from >= p.to {
				continue
			}
			if !p.literal || from+len(l.Text) > p.to {
				return false
			}
			if p.offsets != nil {
				return true
			}
		}
	}
	src := t.at.bytes()
	if !bytes.HasPrefix(src, []byte(`"`)) && !bytes.HasPrefix(src, []byte("<<")) {
		return false
	}
	before, _, _ := bytes.Cut(src, []byte(l.Text))
	open := max(bytes.LastIndex(before, []byte("${")), bytes.LastIndex(before, []byte("%{")))
	return strings.Count(t.text, l.Text) == 1 && open <= bytes.LastIndexByte(before, '}') && !bytes.HasSuffix(before, []byte(`\`))
}

// offset returns the byte of the text that a position is.
func (t *tracer) offset(at image.Position) (int, bool) {
	if t.lines == nil {
		t.lines = newSource("", []byte(t.text)).lines
	}
	if at.Line < 1 || at.Line > len(t.lines) || at.Col < 1 {
		return 0, false
	}
	offset := t.lines[at.Line-1] + at.Col - 1
	return offset, offset < len(t.text)
}

// within finds text that begins in the i-th piece. An expression is its own
// place: what it became is not written anywhere.
func (t *tracer) within(i, from int, text string) (place, bool) {
	p := t.pieces[i]
	if !p.literal {
		return p.at, true
	}
	if p.offsets == nil {
		return place{}, false
	}
	start := p.offsets[from-p.from]
	for j := i; j < len(t.pieces); j++ {
		q := t.pieces[j]
		end := from + len(text)
		if end > q.to {
			continue
		}
		to := q.at.to
		if q.literal {
			if q.offsets == nil {
				return place{}, false
			}
			to = q.offsets[end-q.from]
		} else if closing := bytes.IndexByte(q.at.src.text[to:], '}'); closing >= 0 {
			to += closing + 1
		}
		return place{p.at.src, start, max(start, to)}, true
	}
	return place{}, false
}

// align returns for each byte of a literal the byte of the file at which it
// stands, and for its end; nil if they do not match. The file has escapes that
// the literal has not, and indentation that a heredoc loses.
func align(at place, literal string) []int {
	src := at.bytes()
	offsets := make([]int, 0, len(literal)+1)
	i := 0
	for k := range len(literal) {
		for begins := k == 0 || literal[k-1] == '\n'; begins && i < len(src) && src[i] != literal[k] && (src[i] == ' ' || src[i] == '\t'); {
			i++
		}
		step := match(src[min(i, len(src)):], literal[k])
		if step == 0 {
			return nil
		}
		offsets = append(offsets, at.from+i)
		i += step
	}
	return append(offsets, at.from+i)
}

// match returns how many bytes of src stand for the byte c of a literal; 0 if
// they do not begin with it.
func match(src []byte, c byte) int {
	if len(src) == 0 {
		return 0
	}
	if src[0] == c && c != '\\' {
		// `$${` stands for `${`
		if (c == '$' || c == '%') && len(src) > 2 && src[1] == c && src[2] == '{' {
			return 2
		}
		return 1
	}
	if src[0] != '\\' || len(src) < 2 {
		return 0
	}
	switch {
	case src[1] == 'n' && c == '\n', src[1] == 't' && c == '\t', src[1] == 'r' && c == '\r', src[1] == c:
		return 2
	case c == '\\':
		return 1 // in a heredoc there are no escapes
	}
	return 0
}
