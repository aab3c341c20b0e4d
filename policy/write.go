package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Draft is a policy that is to be written. All of its texts may come from
// outside: they are escaped, so that each stays a part of its comment or value.
type Draft struct {
	Head       []string // comments on the whole
	Publishers []DraftPublisher
	Rules      []DraftRule
	// Open is what somebody has to decide. It is written as comments, and nothing
	// in it counts before they are taken away.
	Open []DraftOpen
}

// A DraftPublisher is a built-in publisher that is to be listed.
type DraftPublisher struct {
	Name     string
	Comments []string
}

// A DraftRule asks for a signature of one of its Signers.
type DraftRule struct {
	Comments []string
	Images   []string
	Signers  []DraftSigner // at least one
	Instance string        // of Sigstore; "" is that of the command line
	// Attested are attestations that could be required too. They are written as
	// comments.
	Attested []DraftAttestation
}

// A DraftAttestation is an attestation of one type by any of its Signers.
type DraftAttestation struct {
	Type    string
	Signers []DraftSigner
}

// A DraftSigner is an identity. With Expression its Subject is an expression,
// else a pattern.
type DraftSigner struct {
	Comments        []string
	Issuer, Subject string
	Expression      bool
	Claims          map[string]string
}

// A DraftOpen is what is known of images that no rule was written for, with
// what could be said of them. At most one of the others is set.
type DraftOpen struct {
	Comments []string
	// Unsigned is an image that nobody has signed: a rule by its digest and an
	// exception for it as it is written are suggested, both with what somebody has
	// to fill in.
	Unsigned *DraftUnsigned
	// Attested is a rule for attestations alone.
	Attested *DraftRule
	// Signed is a rule for signers whom somebody has to look at first.
	Signed *DraftRule
	// Key is a rule for a key that has to be named.
	Key *DraftKey
	// Notation is a rule for a certificate's subject, under a certificate that has
	// to be obtained.
	Notation *DraftNotation
	// DCT is a rule for Docker Content Trust, whose root somebody has to compare.
	DCT *DraftDCT
}

// A DraftUnsigned is one image in two patterns.
type DraftUnsigned struct{ ByDigest, AsWritten string }

// A DraftKey asks for a signature by a key of which only the fingerprint is
// known.
type DraftKey struct{ Image, SHA256 string }

// A DraftNotation asks for a Notation signature by the Identity, a subject as
// trust policies have it. File is what the certificate is to be called that has
// to vouch for it.
type DraftNotation struct{ Image, Identity, File string }

// A DraftDCT asks that Docker Content Trust has signed the tag of an image: by one
// of the Roots, key IDs of certificates, and by all of Signers. ServerCA is what the
// authority of the server's own certificate is to be called, "" for the system's.
type DraftDCT struct {
	Images           []string
	Server, ServerCA string
	Roots, Signers   []string
}

// maxComment bounds a comment, in characters.
const maxComment = 500

// Text returns the policy as YAML. It is made of ASCII alone, and of the same
// bytes for the same Draft. It has no rule and no publisher but those of d; with
// neither it is no policy that can be read.
func (d Draft) Text() []byte {
	w := draftWriter{block: counts}
	for _, c := range d.Head {
		w.comment(0, c)
	}
	w.line(0, "version: 1")
	if len(d.Publishers) > 0 {
		w.line(0, "")
		w.line(0, "publishers:")
	}
	for _, p := range d.Publishers {
		for _, c := range p.Comments {
			w.comment(2, c)
		}
		w.line(2, "- "+Quote(p.Name))
	}
	if len(d.Rules)+len(d.Open) == 0 {
		return []byte(w.text.String())
	}
	w.line(0, "")
	if len(d.Rules) == 0 { // a list without an item is none
		w.suggest(0)
		w.comment(0, "No rule counts yet. With the first, this counts too:")
	}
	w.line(0, "rules:")
	w.block = counts
	for i, r := range d.Rules {
		if i > 0 {
			w.line(0, "")
		}
		w.rule(r)
	}
	var exceptions []string
	for i, o := range d.Open {
		if i > 0 || len(d.Rules) > 0 {
			w.line(0, "")
		}
		w.open(o)
		if o.Unsigned != nil {
			exceptions = append(exceptions, o.Unsigned.AsWritten)
		}
	}
	if len(exceptions) > 0 {
		w.line(0, "")
		w.suggest(0)
		w.comment(0, "Or let them through for a while, each with a day, somebody who answers for it, and why:")
		w.line(0, "exceptions:")
		for _, image := range exceptions {
			w.line(2, `- {images: [`+Quote(image)+`], until: "", owner: "", reason: ""}`)
		}
	}
	return []byte(w.text.String())
}

// A draftWriter writes lines.
type draftWriter struct {
	text  strings.Builder
	block int // where the suggestion that is being written begins; counts for what is none
}

// counts says that what is written is no suggestion.
const counts = -1

// suggest begins a suggestion, of which no line is indented less than at.
func (w *draftWriter) suggest(at int) { w.block = at }

// line writes a line of YAML. All lines of a suggestion have "# " in the same
// column, as editors comment a block: whoever takes that away, by hand or with
// an editor's key for it, has the YAML at the right depth.
func (w *draftWriter) line(indent int, text string) {
	switch {
	case text == "":
		indent = 0
	case w.block != counts:
		text = "# " + strings.Repeat(" ", indent-w.block) + text
		indent = w.block
	}
	fmt.Fprintf(&w.text, "%*s%s\n", indent, "", text)
}

// comment writes a remark. In a suggestion it begins with "## ", so that it is
// one still when the suggestion counts.
func (w *draftWriter) comment(indent int, text string) {
	mark := "#"
	if w.block != counts {
		indent, mark = w.block, "##"
	}
	fmt.Fprintf(&w.text, "%*s%s %s\n", indent, "", mark, inert(text))
}

func (w *draftWriter) rule(r DraftRule) {
	for _, c := range r.Comments {
		w.comment(2, c)
	}
	w.images(r.Images)
	w.line(4, "require:")
	if len(r.Signers) > 0 {
		w.line(6, "- sigstore:")
		w.instance(r)
		w.signers(10, r.Signers)
	}
	whole := w.block
	for _, a := range r.Attested {
		if whole == counts {
			w.suggest(6)
			w.comment(6, "It is attested too. This would require it:")
		}
		w.line(6, "- attestation:")
		w.line(10, "type: "+Quote(a.Type))
		w.instance(r)
		w.signers(10, a.Signers)
		w.block = whole
	}
}

func (w *draftWriter) instance(r DraftRule) {
	if r.Instance != "" {
		w.line(10, "instance: "+Quote(r.Instance))
	}
}

func (w *draftWriter) images(images []string) {
	w.line(2, "- images: ["+quoted(images)+"]")
}

func (w *draftWriter) signers(indent int, signers []DraftSigner) {
	w.line(indent, "identities:")
	for _, s := range signers {
		for _, c := range s.Comments {
			w.comment(indent+2, c)
		}
		key := "subject: "
		if s.Expression {
			key = "subject-regexp: "
		}
		w.line(indent+2, "- issuer: "+Quote(s.Issuer))
		w.line(indent+4, key+Quote(s.Subject))
		if len(s.Claims) == 0 {
			continue
		}
		w.line(indent+4, "claims:")
		for _, name := range slices.Sorted(maps.Keys(s.Claims)) {
			w.line(indent+6, Quote(name)+": "+Quote(s.Claims[name]))
		}
	}
}

func (w *draftWriter) open(o DraftOpen) {
	w.suggest(2)
	defer func() { w.block = counts }()
	for _, c := range o.Comments {
		w.comment(2, c)
	}
	switch {
	case o.Unsigned != nil:
		w.images([]string{o.Unsigned.ByDigest})
		w.line(4, `allow-unsigned: {reason: ""}`)
	case o.Attested != nil:
		w.rule(*o.Attested)
	case o.Signed != nil:
		w.rule(*o.Signed)
	case o.Key != nil:
		w.images([]string{o.Key.Image})
		w.line(4, "require:")
		w.line(6, "- sigstore:")
		w.line(10, "keys:")
		w.line(12, "- {file: cosign.pub, sha256: "+Quote(o.Key.SHA256)+"}")
	case o.Notation != nil:
		w.images([]string{o.Notation.Image})
		w.line(4, "require:")
		w.line(6, "- notation:")
		w.line(10, "certificates: ["+Quote(o.Notation.File)+"]")
		w.line(10, "identities: ["+Quote(o.Notation.Identity)+"]")
	case o.DCT != nil:
		w.dct(*o.DCT)
	}
}

func (w *draftWriter) dct(d DraftDCT) {
	w.images(d.Images)
	w.line(4, "require:")
	w.line(6, "- dct:")
	w.line(10, "server: "+Quote(d.Server))
	if d.ServerCA != "" {
		w.line(10, "server-ca: ["+Quote(d.ServerCA)+"]")
	}
	w.line(10, "roots:")
	for _, id := range d.Roots {
		w.line(12, "- "+Quote(id))
	}
	if len(d.Signers) > 0 {
		w.line(10, "signers: ["+quoted(d.Signers)+"]")
	}
}

// quoted returns texts as the items of a list.
func quoted(texts []string) string {
	var all []string
	for _, t := range texts {
		all = append(all, Quote(t))
	}
	return strings.Join(all, ", ")
}

// Quote returns s as a value of YAML: between double quotes, in ASCII. It is for
// texts that are UTF-8; bytes that are not are lost.
func Quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	last := rune(0)
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '#' && last == '#': // begins commands of some CI systems
			b.WriteString(`\x23`)
		case r >= ' ' && r <= '~':
			b.WriteRune(r)
		case r <= 0xff:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		last = r
	}
	b.WriteByte('"')
	return b.String()
}

// inert returns s as a part of a comment: one line of printable ASCII.
func inert(s string) string {
	var b strings.Builder
	n, last := 0, rune(0)
	for _, r := range s {
		if n++; n > maxComment {
			b.WriteString("...")
			break
		}
		switch {
		case r == '#' && last == '#':
			b.WriteString(`\x23`)
		case r >= ' ' && r <= '~':
			b.WriteRune(r)
		case r == '…': // which our own messages have
			b.WriteString("...")
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
		last = r
	}
	return b.String()
}

// Writable reports whether s can be written into a policy as it is and be seen
// for what it is: a text that is not blank, of at most 2048 bytes, without
// control characters and the like.
func Writable(s string) bool {
	return len(s) <= 2048 && strings.TrimSpace(s) != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsPrint(r) || r == utf8.RuneError
	})
}
