package report

import "strings"

// A part is a piece of a document that must not grow beyond a bound. It is
// shown with as many of its items as fit, always whole ones, and says what is
// missing.
type part struct {
	open  string
	items []string
	shut  string                 // behind the items
	rest  func(shown int) string // says what is missing, "" if nothing is; behind shut
	end   string                 // behind rest

	shown int // items,
	bytes int // and their size
}

// text returns p as it is shown; without a single item only what is missing.
func (p *part) text() string {
	if p.shown == 0 {
		return p.rest(0)
	}
	return p.open + strings.Join(p.items[:p.shown], "") + p.shut + p.rest(p.shown) + p.end
}

// size is the length of p's text if it shows that many items, of that many bytes.
func (p *part) size(shown, bytes int) int {
	if shown == 0 {
		return len(p.rest(0))
	}
	return len(p.open) + bytes + len(p.shut) + len(p.rest(shown)) + len(p.end)
}

// grow shows more of the first n items as long as they take at most free bytes,
// and returns how many they took.
func (p *part) grow(n, free int) int {
	before := p.size(p.shown, p.bytes)
	for p.shown < min(n, len(p.items)) {
		bytes := p.bytes + len(p.items[p.shown])
		if p.size(p.shown+1, bytes)-before > free {
			break
		}
		p.shown, p.bytes = p.shown+1, bytes
	}
	return p.size(p.shown, p.bytes) - before
}

// A claim is for room for the first n items of a part, at most share percent of
// what is still free.
type claim struct {
	part  *part
	n     int
	share int
}

// compose returns the parts in their order, in at most limit bytes. Claims are
// met in theirs. It returns "" if not even what the parts say of themselves
// fits.
func compose(parts []*part, claims []claim, limit int) string {
	free := limit
	for _, p := range parts {
		free -= p.size(0, 0)
	}
	if free < 0 {
		return ""
	}
	for _, c := range claims {
		free -= c.part.grow(c.n, free*c.share/100)
	}
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.text())
	}
	return b.String()
}
