package policy

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
)

// Bounds of one pattern. Image names have at most 255 bytes, tags 128, so more
// is no pattern of an image.
const (
	maxPattern = 512 // bytes
	maxStars   = 32
)

// dockerHub is the registry of names that say none.
const dockerHub = "docker.io"

// Patterns are the items of an images list. The zero Patterns match nothing.
type Patterns struct {
	match []Pattern // without !
	not   []Pattern // with !
	wary  bool      // see lettingThrough
}

// lettingThrough returns p for what lets images through that nobody verifies.
// Its exclusions are of whatever may be what they name: a digest may be that of
// an excluded tag, and a tag may stand for an excluded digest. Otherwise the
// other way to write an image would be the way around.
func (p Patterns) lettingThrough() Patterns {
	p.wary = true
	return p
}

// ParsePatterns reads the items of an images list, and returns what is wrong
// with them at the place of each. An empty list gives Patterns that match
// nothing: only the caller knows the place to complain at.
func ParsePatterns(texts []yamlshape.Text) (Patterns, []*yamlshape.Fault) {
	all, faults := parsePatterns(texts)
	if len(faults) == 0 && len(all.match) == 0 && len(all.not) > 0 {
		return Patterns{}, []*yamlshape.Fault{yamlshape.Faultf(all.not[0].at, "add the pattern that it is an exception from",
			"the list only has patterns with ! in front, so it speaks of no image")}
	}
	return all, faults
}

// parsePatterns reads the items of a list that may have had others.
func parsePatterns(texts []yamlshape.Text) (Patterns, []*yamlshape.Fault) {
	var (
		all    Patterns
		faults []*yamlshape.Fault
	)
	for _, t := range texts {
		p, fault := parsePattern(t)
		switch {
		case fault != nil:
			faults = append(faults, fault)
		case p.not:
			all.not = append(all.not, p)
		default:
			all.match = append(all.match, p)
		}
	}
	if len(faults) > 0 {
		return Patterns{}, faults
	}
	return all, nil
}

// Match returns the most specific pattern that matches r, and whether one does
// and none excludes it. Of patterns that are equally specific it is the first by
// its text, so that their order in the list does not matter.
func (p Patterns) Match(r image.Ref) (Pattern, bool) { return p.best(targetOf(r)) }

func (p Patterns) best(t target) (Pattern, bool) {
	found := -1
	for i := range p.match {
		if p.match[i].matches(t) && (found < 0 || before(p.match[i], p.match[found])) {
			found = i
		}
	}
	if found < 0 || p.excludes(t) {
		return Pattern{}, false
	}
	return p.match[found], true
}

func (p Patterns) excludes(t target) bool {
	for i := range p.not {
		if p.not[i].matches(t) || p.wary && p.not[i].mayBe(t) {
			return true
		}
	}
	return false
}

// mayBe reports whether t, which p does not match, may be pulled as what p
// names.
func (p *Pattern) mayBe(t target) bool {
	unknown := p.digest != "" && t.digest == "" || p.tag.text != "" && t.digest != ""
	return unknown && matchName(p.name, t.name)
}

// before reports whether p is chosen rather than q, of one list.
func before(p, q Pattern) bool {
	if c := p.Compare(q); c != 0 {
		return c > 0
	}
	return p.text < q.text
}

// A Pattern is one item of an images list. The zero Pattern matches nothing.
type Pattern struct {
	text   string // as it was written
	at     image.Position
	not    bool      // written with ! in front
	name   []segment // the registry first; none in the zero Pattern
	tag    segment   // its text is "" where no tag was written
	digest string    // "" where none was written
}

// String returns the pattern as it was written.
func (p Pattern) String() string { return p.text }

// At returns where it was written.
func (p Pattern) At() image.Position { return p.at }

// Match reports whether the pattern, without its !, matches r. With a tag it
// matches only references with that tag and no digest: where a digest is
// written it decides what is pulled, and the tag beside it is a mere claim.
func (p Pattern) Match(r image.Ref) bool { return p.matches(targetOf(r)) }

func (p *Pattern) matches(t target) bool {
	switch {
	case p.digest != "" && p.digest != t.digest,
		p.tag.text != "" && (t.digest != "" || !p.tag.matches(t.tag)):
		return false
	}
	return matchName(p.name, t.name)
}

// Compare returns a positive number where p is more specific than q, 0 where
// they are equally specific. Names are compared segment by segment from the
// left, by their weights; then a digest beats a tag, which beats none.
func (p Pattern) Compare(q Pattern) int {
	if c := slices.CompareFunc(p.name, q.name, func(a, b segment) int { return cmp.Compare(a.weight, b.weight) }); c != 0 {
		return c
	}
	return cmp.Compare(p.end(), q.end())
}

// end is the weight of what follows the name. No glob comes near MaxInt32:
// patterns have at most maxPattern bytes.
func (p Pattern) end() int64 {
	switch {
	case p.digest != "":
		return math.MaxInt64
	case p.tag.text != "":
		return int64(p.tag.weight)
	}
	return -1
}

// A target is an image as patterns see it.
type target struct {
	full        string   // the name
	name        []string // its segments, the registry first; none for the zero Ref
	tag, digest string
}

func targetOf(r image.Ref) target {
	if r.IsZero() {
		return target{}
	}
	full := nameOf(r)
	return target{full: full, name: strings.Split(full, "/"), tag: r.Tag(), digest: r.Digest()}
}

// nameOf returns the name of r with its registry as serverOf has it: otherwise
// GHCR.io would be a way around the rules for ghcr.io, and around its locks.
func nameOf(r image.Ref) string {
	host, path := serverOf(r.Registry()), r.Repository()
	if host == dockerHub && !strings.Contains(path, "/") {
		path = "library/" + path
	}
	return host + "/" + path
}

// serverOf returns one spelling for all that reach the same registry: hosts are
// in lower case, may end with a dot, and have the port of https where they have
// none. What would not be a registry without its dot or port keeps it:
// acme:443/app is not the image acme/app of Docker Hub.
func serverOf(registry string) string {
	registry = strings.ToLower(registry)
	host, port := registry, ""
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host, port = host[:i], strings.TrimLeft(host[i+1:], "0")
	}
	host = strings.TrimSuffix(host, ".")
	switch dotted := strings.Contains(host, "."); {
	case !dotted && host != "localhost":
		return registry
	case port != "" && !(port == "443" && dotted): // on localhost it is not the usual one
		return host + ":" + port
	case slices.Contains([]string{"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}, host):
		return dockerHub
	}
	return host
}

// parsePattern reads NAME[:TAG] or NAME@DIGEST, with ! in front or not.
func parsePattern(t yamlshape.Text) (Pattern, *yamlshape.Fault) {
	p := Pattern{text: t.Value, at: t.At}
	rest, not := strings.CutPrefix(t.Value, "!")
	p.not = not
	fault := func(next, format string, args ...any) (Pattern, *yamlshape.Fault) {
		return Pattern{}, yamlshape.Faultf(t.At, next, "image pattern %q: "+format, append([]any{clip(t.Value)}, args...)...)
	}
	switch {
	case len(t.Value) > maxPattern:
		return fault("shorten it", "it has %d bytes, and no image name has more than %d", len(t.Value), maxPattern)
	case strings.Count(rest, "*") > maxStars:
		return fault("use fewer", "it has more than %d *", maxStars)
	case rest == "":
		return fault("write it as registry/repository", "it names nothing")
	case strings.HasPrefix(rest, "!"):
		return fault("write one !", "it is excluded twice")
	case strings.Contains(rest, "://"):
		return fault("leave out the part up to ://", "image names have no scheme")
	}
	name, digest, pinned := strings.Cut(rest, "@")
	switch {
	case pinned && strings.Contains(digest, "*"):
		return fault("write all of it, or none", "a digest is not a pattern")
	case pinned && !image.ValidDigest(digest):
		return fault("write it as @sha256: and 64 lower-case hex digits", "%q is not a digest", clip(digest))
	}
	p.digest = digest
	tag := ""
	if i := strings.LastIndexByte(name, ':'); i >= 0 && !strings.Contains(name[i:], "/") {
		name, tag = name[:i], name[i+1:]
		switch {
		case pinned:
			return fault("leave out the tag", "it has a tag and a digest, of which the digest alone says what is pulled")
		case tag == "":
			return fault("write a tag, or leave out the colon", "nothing follows the colon")
		}
	}
	var err error
	if p.name, err = parseName(name); err != nil {
		return fault(nextForName(err), "%w", err)
	}
	if tag != "" {
		if p.tag, err = parseTag(tag); err != nil {
			return fault("tags have letters, digits, _ . and -, at most 128; * stands for any of them", "%w", err)
		}
	}
	return p, nil
}

// What is wrong with acme**/app, and with Acme/app.
var (
	errDeep  = errors.New("** stands for whole segments, and is glued to something else")
	errUpper = errors.New("image names are in lower case")
)

// nextForName says what to do about a name that parseName refuses.
func nextForName(err error) string {
	switch {
	case errors.Is(err, errDeep):
		return "write / on both sides of **, or one * for a part of a segment"
	case errors.Is(err, errUpper):
		return "write it in lower case"
	}
	return "write it as registry/repository, with * for anything within a segment and ** for any segments"
}

// splitHost divides a name as docker does: its first segment is a registry only
// if it has a dot or a port, or is localhost. "**" says nothing of the registry,
// and stays a part of the path.
func splitHost(name string) (host, path string) {
	first, rest, more := strings.Cut(name, "/")
	if more && (first == "localhost" || strings.ContainsAny(first, ".:")) {
		return strings.ToLower(first), rest
	}
	return "", name
}

// parseName reads the name of a pattern, and fills in what docker would.
func parseName(text string) ([]segment, error) {
	host, path := splitHost(text)
	parts := strings.Split(path, "/")
	for _, s := range append([]string{host}, parts...) {
		if strings.Contains(s, "**") && s != "**" {
			return nil, errDeep
		}
	}
	if strings.ToLower(path) != path {
		return nil, errUpper
	}
	// An image that the pattern would match has to be one. A digit is allowed
	// wherever a * is: in a name, a host and a port.
	sample := path
	if host != "" {
		sample = host + "/" + path
	}
	ref, err := image.ParseRepository(strings.ReplaceAll(strings.ReplaceAll(sample, "**", "1"), "*", "1"))
	if err != nil {
		return nil, whyNoName(sample, err)
	}
	if parts[0] == "**" && host == "" {
		return segmentsOf(parts), nil
	}
	if !strings.Contains(host, "*") {
		host = ref.Registry()
	}
	host = serverOf(host)
	if host == dockerHub && len(parts) == 1 && parts[0] != "**" {
		parts = []string{"library", parts[0]}
	}
	return segmentsOf(append([]string{host}, parts...)), nil
}

// whyNoName shortens what package image says of a name: the pattern is named
// already, and in what was asked each * was a digit.
func whyNoName(name string, err error) error {
	if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("it has spaces, or characters beyond ASCII")
	}
	inner := errors.Unwrap(err)
	if inner == nil {
		return errors.New("no image name is like this")
	}
	why := inner.Error()
	if i := strings.LastIndex(why, ": "); i > 0 {
		why = why[:i]
	}
	return errors.New("no image name is like this: " + why)
}

func parseTag(text string) (segment, error) {
	if strings.Contains(text, "**") {
		return segment{}, errors.New("** stands for segments of a name, and a tag has none")
	}
	if _, err := image.Parse("x:" + strings.ReplaceAll(text, "*", "1")); err != nil {
		return segment{}, fmt.Errorf("%q is not a tag", clip(text))
	}
	return segmentOf(text), nil
}

// A segment is one part of a name between slashes, or a tag.
type segment struct {
	text   string
	deep   bool     // **: one or more segments
	weight int32    // how specific it is: ** 0, with * 1 and one more for each other character, literal MaxInt32
	pieces []string // what stands between its *; nil in a literal
}

func segmentsOf(texts []string) []segment {
	out := make([]segment, len(texts))
	for i, t := range texts {
		out[i] = segmentOf(t)
	}
	return out
}

func segmentOf(text string) segment {
	stars := strings.Count(text, "*")
	switch {
	case text == "**":
		return segment{text: text, deep: true}
	case stars == 0:
		return segment{text: text, weight: math.MaxInt32}
	}
	return segment{text: text, weight: 1 + int32(len(text)-stars), pieces: strings.Split(text, "*")} //nolint:gosec // at most maxPattern
}

func (s *segment) literal() bool { return s.weight == math.MaxInt32 }

// matches reports whether s, which is not deep, matches one segment. Of the
// pieces between two * the first place is always as good as any later one, so
// that nothing is tried twice.
func (s *segment) matches(t string) bool {
	if s.pieces == nil {
		return s.text == t
	}
	first, last := s.pieces[0], s.pieces[len(s.pieces)-1]
	if len(t) < len(first)+len(last) || !strings.HasPrefix(t, first) || !strings.HasSuffix(t, last) {
		return false
	}
	t = t[len(first) : len(t)-len(last)]
	for _, piece := range s.pieces[1 : len(s.pieces)-1] {
		i := strings.Index(t, piece)
		if i < 0 {
			return false
		}
		t = t[i+len(piece):]
	}
	return true
}

// matchName reports whether the segments of a pattern match those of a name. It
// returns to the last ** only: what an earlier one could take, the last can.
func matchName(p []segment, name []string) bool {
	i, j := 0, 0
	deep, taken := -1, 0 // the last **, and where what it has taken ends
	for j < len(name) {
		switch {
		case i < len(p) && p[i].deep:
			j++
			deep, taken = i, j
			i++
		case i < len(p) && p[i].matches(name[j]):
			i, j = i+1, j+1
		case deep >= 0:
			taken++
			i, j = deep+1, taken
		default:
			return false
		}
	}
	return i == len(p) && i > 0
}
