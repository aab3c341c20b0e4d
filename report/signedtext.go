package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/verify"
)

// SignedText writes s for people: what was looked at before, what is signed and
// what is not, and how a consumer verifies it. As in [Text], what is from outside
// stands behind a word of ours.
func SignedText(w io.Writer, s Signed, o TextOptions) error {
	t := &textWriter{o: o}
	for _, c := range s.Checks {
		t.check(c)
	}
	for _, m := range s.manifests() {
		t.made(m)
	}
	for _, f := range s.Failures {
		t.unsigned(f)
	}
	if s.Refused != nil {
		t.title("refused", said(s.Refused), verify.BadSignature)
		if hint := verify.Hint(s.Refused); hint != "" {
			t.line("next", hint)
		}
	}
	if t.b.Len() > 0 {
		t.b.WriteByte('\n')
	}
	end := verify.BadSignature
	if s.Complete() {
		end = verify.Verified
	} else if s.Skipped != "" {
		end = verify.Exempt
	}
	text := Printable(clip(s.outcome()))
	if o.Timings {
		text += ", " + s.Elapsed.Round(time.Millisecond).String()
	}
	t.b.WriteString(t.paint(end, text) + "\n")
	commands, whole := s.shown()
	if len(commands) > 0 {
		t.b.WriteString("to verify:\n")
		for _, c := range commands {
			t.b.WriteString("  " + c + "\n")
		}
		if note := s.meant(commands); note != "" {
			t.b.WriteString(note + "\n")
		}
	}
	if !whole {
		t.b.WriteString("to verify: " + notShown + "\n")
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

// notShown says that command lines are nowhere but in the document.
const notShown = "the command lines have characters that cannot be shown here; --output json has them"

// shown returns the command lines as they can be pasted; none, and false, where
// one would be another with what has to be escaped in it.
func (s Signed) shown() (commands []string, whole bool) {
	commands = s.Commands()
	for _, c := range commands {
		if Printable(clip(c)) != c {
			return nil, false
		}
	}
	return commands, true
}

// title writes a first line that begins with a word of ours.
func (t *textWriter) title(word, what string, colour verify.Reason) {
	fmt.Fprintf(&t.b, "%s %s\n", t.paint(colour, fmt.Sprintf("%-*s", label, word)), Printable(clip(what)))
}

func (t *textWriter) check(c SignCheck) {
	word, colour := "checked", verify.Verified
	if !c.Passed {
		word, colour = "refused", verify.BadSignature
	}
	t.title(word, c.What+" "+c.File+": "+c.Summary, colour)
	const most = 20
	for _, d := range first(c.Details, most) {
		t.line("note", d) // a runner obeys what begins with "::", behind blanks too
	}
	if more := len(c.Details) - most; more > 0 {
		t.line("note", fmt.Sprintf("… and %d more, listed by --output json", more))
	}
}

func (t *textWriter) made(m manifestItems) {
	word := "attested"
	for _, i := range m.items {
		if !i.attestation() {
			word = "signed"
		}
	}
	t.title(word, m.head.Image.String(), verify.Verified)
	switch {
	case m.head.Platform != "":
		t.line("of", m.head.Reference+", "+m.head.Platform)
	case m.head.Reference != m.head.Image.String():
		t.line("from", m.head.Reference)
	}
	by := ""
	for _, i := range m.items {
		if now := signer(i.Identity, i.Issuer, i.Format.System()); now != by {
			by = now
			t.line("signed by", by)
			if i.Certificate != "" {
				t.line("with", "certificate sha256:"+i.Certificate)
			}
		}
		t.line("as", i.line())
		if i.Log != "" {
			t.line("log", i.Log)
		}
		if i.File != "" {
			t.line("file", i.File)
		}
	}
}

// line says what i is, and where.
func (i SignedItem) line() string {
	s := i.what() + " (" + i.Storage + ")"
	switch {
	case i.notation():
		s += ", " + i.times()
	case i.trustData():
		s += ", " + i.until()
	case i.LogIndex != nil:
		s += fmt.Sprintf(", log index %d", *i.LogIndex)
	default:
		s += ", not logged"
	}
	if !i.SignedAt.IsZero() && !i.notation() {
		s += ", " + i.SignedAt.UTC().Format(time.RFC3339)
	}
	if i.Existed {
		s += ", was there already"
	}
	if i.Source != "" {
		s += ", at " + i.Source
	}
	return s
}

// what says what i is: the format of a signature, or the type of an attestation.
func (i SignedItem) what() string {
	switch {
	case i.attestation():
		return "attestation " + i.PredicateType
	case i.notation():
		return notationSystem + " " + string(i.Format)
	}
	return string(i.Format)
}

// times says of a Notation signature when it was made, if somebody vouches for
// that, and when it expires, if it does. All of it is ours.
func (i SignedItem) times() string {
	s := "no timestamp"
	if !i.SignedAt.IsZero() {
		s = "timestamp " + i.SignedAt.UTC().Format(time.RFC3339)
	}
	if !i.Expiry.IsZero() {
		s += ", expires " + i.Expiry.UTC().Format(time.RFC3339)
	}
	return s
}

func (t *textWriter) unsigned(f sign.Failure) {
	t.head(sign.Reason(f.Err), f.Reference)
	if d := f.Image.Digest(); d != "" && !strings.HasSuffix(f.Reference, "@"+d) {
		t.line("digest", d)
	}
	t.line("because", said(f.Err))
	if hint := verify.Hint(f.Err); hint != "" {
		t.line("next", hint)
	}
}
