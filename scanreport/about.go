package scanreport

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// ErrOther says that a report is about another image.
var ErrOther = errors.New("it is about another image")

// A Subject is the image that a report has to be about.
type Subject struct {
	Ref      image.Ref // as it was asked for; may be without a tag
	Digest   string    // of the manifest or the index
	Children []string  // digests of the platform manifests that the index lists, without attestation manifests
	// Configs are the digests of the configs of the manifest, or of the Children in
	// their order, "" for what has none. There may be none at all where they are not
	// known.
	Configs []string
}

// manifests returns the digests by which the image can be pulled.
func (s Subject) manifests() []string { return append([]string{s.Digest}, s.Children...) }

// configs returns the digests of the configs that there are.
func (s Subject) configs() []string {
	return slices.DeleteFunc(slices.Clone(s.Configs), func(c string) bool { return c == "" })
}

// platform returns the one of the children that a digest is of, by itself or as
// that of its config; "" for none.
func (s Subject) platform(digest string) string {
	for i, child := range s.Children {
		if digest == child || i < len(s.Configs) && digest == s.Configs[i] {
			return child
		}
	}
	return ""
}

// A Match says how a report and an image belong together. The zero Match is one
// of a report that does not say which image it is about.
type Match struct {
	Known  bool   // the report names a digest of the image
	Digest string // which; "" unless Known
	// Whole is whether it is Known to be about all of the image, which lists no other
	// platforms. Platform is the one of the Children that it is about otherwise; ""
	// where it does not say which.
	Whole    bool
	Platform string
	Warning  string // what a person should know, one printable line; "" for nothing
}

// about is what a report says of one image that was scanned.
type about struct {
	id      string   // of the content: the digest of the config, or whatever its store calls the image by
	digests []string // of manifests or indexes, each once
	names   []string // without a digest, each once
}

// newAbout sorts what a scanner knows an image by. What stands behind an @ is a
// digest, whatever the name in front of it: one digest may have several names.
func newAbout(id string, known []string) about {
	a := about{id: cut(id)}
	if id != "" && !strings.Contains(id, ":") {
		a.id = cut("sha256:" + id) // as podman writes it
	}
	for _, k := range known {
		a.add(k)
	}
	return a
}

// add adds what a scanner knows an image by.
func (a *about) add(known string) {
	_, digest, pinned := strings.Cut(known, "@")
	switch {
	case known == "":
	case pinned && !slices.Contains(a.digests, digest):
		a.digests = append(a.digests, digest)
	case !pinned && !slices.Contains(a.names, known):
		a.names = append(a.names, known)
	}
}

// named reports whether there is anything that the image is known by.
func (a about) named() bool { return a.id != "" || len(a.digests)+len(a.names) > 0 }

// About compares what the report says of the image that was scanned with an
// image. Where the report has digests and they are others the error is a
// [*verify.Error] of [ErrOther], likewise where it has names only and they are of
// other repositories or tags.
//
// The ID of the content decides where the report has one: it is the digest of
// the config, which has the digests of what is in the layers. Otherwise all
// digests that the report has must be of the image: one that is not may be what
// was scanned.
func (r Report) About(s Subject) (Match, error) {
	if !r.sound || !image.ValidDigest(s.Digest) {
		return Match{}, &verify.Error{Op: "compare the scan report with the image", Err: errors.New("there is no report, or no digest of the image")}
	}
	if len(r.about) == 0 {
		return Match{Warning: silent}, nil
	}
	var all []Match
	for _, a := range r.about {
		m, err := a.match(s)
		if err != nil {
			return Match{}, err
		}
		all = append(all, m)
	}
	// The worst of them, where a report has runs of several scanners. Of two that are
	// about two platforms neither is about more.
	worst := all[0]
	for _, m := range all {
		if worst.Known && (!m.Known || worst.Whole && !m.Whole) {
			worst = m
		}
	}
	return worst, nil
}

// silent is the warning about a report that could be about any image.
const silent = "the scan report does not say which image was scanned: nothing but its name shows that it is of this one"

func (a about) match(s Subject) (Match, error) {
	if a.id != "" {
		switch {
		case slices.Contains(append(s.manifests(), s.configs()...), a.id):
			return known(a.id, s), nil
		case len(s.configs()) > 0:
			return Match{}, other(s, "the ID of the image that was scanned is %s, and what is signed has %s", quoted(a.id), some(s.configs()))
		case len(a.digests) == 0:
			return Match{}, other(s, "the ID of the image that was scanned is %s, and what is signed is %s", quoted(a.id), s.Digest)
		}
	}
	var of, not []string
	for _, d := range a.digests {
		if slices.Contains(append(s.manifests(), s.configs()...), d) {
			of = append(of, d)
		} else {
			not = append(not, d)
		}
	}
	switch {
	case len(of) == 0 && len(not) > 0:
		return Match{}, other(s, "what was scanned is %s, and what is signed is %s", some(not), s.Digest)
	case len(not) > 0:
		return Match{}, other(s, "what was scanned is called %s, and %s as well, which is no digest of what is signed, and nothing in the report says which it was", some(of), some(not))
	case len(of) > 0:
		return known(of[0], s), nil
	}
	return a.byName(s)
}

// known returns the Match of a report that names a digest of the image.
func known(digest string, s Subject) Match {
	m := Match{Known: true, Digest: digest, Whole: len(s.Children) < 2}
	if !m.Whole {
		m.Platform = s.platform(digest)
	}
	switch {
	case len(s.Children) < 2:
	case digest == s.Digest:
		m.Warning = fmt.Sprintf("a scanner looks at one platform, and the scan report does not say which: the index lists %d", len(s.Children))
	default:
		m.Warning = fmt.Sprintf("the scan report is about one platform (%s), and the index lists %d: nothing is said of the others", digest, len(s.Children))
	}
	return m
}

// byName compares names, which anybody may give to anything.
func (a about) byName(s Subject) (Match, error) {
	var others []string
	for _, n := range a.names {
		ref, err := image.Parse(n)
		switch {
		case err != nil:
		case sameName(ref, s.Ref):
			return Match{Warning: fmt.Sprintf("the scan report has no digest of the image that was scanned: it is of something called %s, which may have been another image then", ref)}, nil
		default:
			others = append(others, n)
		}
	}
	switch {
	case len(others) > 0 && s.Ref.IsZero(), len(others) == 0:
		return Match{Warning: silent}, nil
	default:
		return Match{}, other(s, "what was scanned is called %s, and what is signed is %s", some(others), s.Ref)
	}
}

// sameName reports whether a and b may be the same image: of one repository, and
// with the same tag where both have one.
func sameName(a, b image.Ref) bool {
	return strings.EqualFold(a.Registry(), b.Registry()) && a.Repository() == b.Repository() && (a.Tag() == b.Tag() || a.Tag() == "" || b.Tag() == "")
}

// some returns a few texts of a report.
func some(all []string) string {
	var out []string
	for _, s := range all[:min(len(all), 3)] {
		if image.ValidDigest(s) {
			out = append(out, s)
		} else {
			out = append(out, quoted(s))
		}
	}
	if len(all) > len(out) {
		out = append(out, fmt.Sprintf("%d more", len(all)-len(out)))
	}
	return strings.Join(out, ", ")
}

func other(s Subject, format string, args ...any) error {
	target := s.Digest
	if name := s.Ref.Name(); !s.Ref.IsZero() {
		target = name + "@" + s.Digest
	}
	return &verify.Error{
		Op: "compare the scan report with the image", Hint: "scan what is signed, by its digest: " + target,
		Err: fmt.Errorf("%w: %w", ErrOther, fmt.Errorf(format, args...)),
	}
}
