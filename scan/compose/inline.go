package compose

import (
	"fmt"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

// inline scans the Dockerfile that stands in the Compose file itself. Positions
// are those of the Compose file: exact in a literal block ("|") and where a text
// of one line has no escapes, else the beginning of the text.
func (p *project) inline(b, v *value, given *parameters) {
	if v.kind != text || v.err != nil {
		_, err := v.resolved()
		p.fail(v.at(), image.From, v.written(), fmt.Errorf("dockerfile_inline: %w", err))
		return
	}
	key := fmt.Sprintf("%v %p", v.at(), v.src.env)
	p.run(b, v, given, key, func() (dockerText, error) { return inlineText(v) })
}

// inlineText returns the Dockerfile that v is.
func inlineText(v *value) (dockerText, error) {
	d := dockerText{file: v.src.Name, body: []byte(v.text), places: newPlaces(v, v.filled), lacking: v.lacking}
	if len(v.lacking) > 0 {
		other := filler{env: v.src.env, blank: noValue}
		other.fill(v.node.Value, 0)
		if other.err != nil {
			return d, other.err
		}
		f := other.filled()
		d.trial = &dockerText{file: v.src.Name, body: []byte(f.text), places: newPlaces(v, f)}
	}
	return d, nil
}

// places tells where in a Compose file what is in an inline Dockerfile stands.
type places struct {
	v     *value
	f     filled           // the Dockerfile
	out   []int            // where the lines of the Dockerfile begin
	raw   []int            // where those of the YAML value begin
	lines []image.Position // and where they are in the file; none if that cannot be told
}

func newPlaces(v *value, f filled) *places {
	return &places{v: v, f: f, out: lineStarts(f.text), raw: lineStarts(v.node.Value), lines: rawLines(v)}
}

// lineStarts returns the offsets at which the lines of s begin.
func lineStarts(s string) []int {
	starts := []int{0}
	for i := range len(s) {
		if s[i] == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// rawLines returns where each line of a scalar's value is in the file.
func rawLines(v *value) []image.Position {
	s, _ := v.src.Scalar(v.node)
	if v.node.Style&yaml.LiteralStyle == 0 {
		if s.Text == v.node.Value {
			return []image.Position{s.At}
		}
		return nil
	}
	inFile := v.src.lines()
	inValue := strings.Split(v.node.Value, "\n")
	first := 0 // line of the value with text, which is where s is
	for first < len(inValue)-1 && strings.TrimSpace(inValue[first]) == "" {
		first++
	}
	var out []image.Position
	for i, text := range inValue {
		n := s.At.Line + i - first // from 1
		if n < 1 || n > len(inFile) {
			break
		}
		line := strings.TrimSuffix(string(inFile[n-1]), "\r")
		if !strings.HasSuffix(line, text) {
			return nil
		}
		out = append(out, image.Position{File: v.src.Name, Line: n, Col: 1 + len(line) - len(text)})
	}
	return out
}

// move gives what was found in the Dockerfile its places in the Compose file.
func (pl *places) move(found scan.Found) {
	for _, uses := range [][]image.Use{found.Uses, found.Replaced} {
		for i := range uses {
			u := &uses[i]
			if u.At.File == "" {
				continue // a build argument names it
			}
			if u.Literal.At.File != "" {
				u.Literal = pl.literal(u.Literal)
			}
			u.At, u.Text, _ = pl.locate(u.At, u.Text)
		}
	}
	for i := range found.Warnings {
		w := &found.Warnings[i]
		w.At, _, _ = pl.locate(w.At, "")
	}
}

// locate returns the place in the Compose file of a text in the Dockerfile, and
// how it is written there. It is sure where that can be no other text than the
// one in the Dockerfile.
func (pl *places) locate(at image.Position, text string) (place image.Position, written string, sure bool) {
	if at.Line < 1 || at.Line > len(pl.out) || at.Col < 1 {
		return pl.v.at(), "", false
	}
	out := min(pl.out[at.Line-1]+at.Col-1, len(pl.f.text))
	raw := pl.f.rawStart(out)
	line := sort.SearchInts(pl.raw, raw+1) - 1
	if strings.HasPrefix(pl.f.text[out:], text) {
		text = pl.v.node.Value[raw:max(raw, pl.f.rawEnd(out+len(text)))]
	}
	if line >= len(pl.lines) {
		return pl.search(text)
	}
	place = pl.lines[line]
	place.Col += raw - pl.raw[line]
	return place, text, true
}

// literal returns a literal of the Dockerfile where it stands in the Compose
// file; none where it does not, letter by letter.
func (pl *places) literal(l image.Literal) image.Literal {
	at, text, sure := pl.locate(l.At, l.Text)
	if !sure || text != l.Text {
		return image.Literal{}
	}
	return image.Literal{Text: text, At: at}
}

// search returns where a text is in a scalar with escapes, or folded lines: the
// beginning of the scalar and no text if that cannot be told. It is sure where
// the text stands once in the Dockerfile, too, and no escape ends in it.
func (pl *places) search(text string) (image.Position, string, bool) {
	s, _ := pl.v.src.Scalar(pl.v.node)
	if text == "" || strings.Count(s.Text, text) != 1 {
		return s.At, "", false
	}
	i := strings.Index(s.Text, text)
	s.At.Col += i
	return s.At, text, i > 0 && s.Text[i-1] != '\\' && strings.Count(pl.f.text, text) == 1
}
