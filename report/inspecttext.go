package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/boltseal/boltseal/verify"
)

// InspectionsText writes what was found for people, escaped as [Text] escapes.
func InspectionsText(w io.Writer, all []Inspection, o TextOptions) error {
	t := &inspectionText{textWriter: textWriter{o: o}}
	for i, one := range all {
		if i > 0 {
			t.b.WriteString("\n\n")
		}
		t.inspection(one)
	}
	if t.err != nil {
		return t.err
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

// An inspectionText writes tables as docker trust inspect --pretty has them.
type inspectionText struct {
	textWriter
	err error
}

// maxCell bounds a cell of a table, in characters: whatever is longer would push
// the others out of sight.
const maxCell = 120

// table writes rows in columns, behind an empty line and a title. The last cell
// of a row takes what room it needs.
func (t *inspectionText) table(title string, head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(&t.b, "\n%s\n\n", title)
	var lines bytes.Buffer
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			if i < len(row)-1 {
				lines.WriteString(Printable(middle(cell, maxCell)) + "\t")
			} else {
				lines.WriteString(cell + "\n")
			}
		}
	}
	var out bytes.Buffer
	tw := tabwriter.NewWriter(&out, 0, 0, 3, ' ', 0)
	_, err := tw.Write(lines.Bytes())
	t.err = cmp.Or(t.err, err, tw.Flush())
	for line := range strings.Lines(out.String()) {
		t.b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
}

func (t *inspectionText) inspection(one Inspection) {
	t.b.WriteString(Printable(clip(one.Name)) + "\n")
	t.contentTrust(one)
	for _, img := range one.Images {
		t.image(img)
	}
}

// red is for what speaks against an image.
func (t *inspectionText) red(s string) string { return t.paint(verify.Unavailable, s) }

func (t *inspectionText) say(key, value string) {
	fmt.Fprintf(&t.b, "  %-10s %s\n", Printable(key), Printable(clip(value)))
}

// warn writes a line whose first word is red.
func (t *inspectionText) warn(key, word, value string) {
	fmt.Fprintf(&t.b, "  %-10s %s: %s\n", Printable(key), t.red(word), Printable(clip(value)))
}

func (t *inspectionText) contentTrust(one Inspection) {
	c := one.Trust
	title := "Docker Content Trust of " + c.GUN
	if c.Server != "" {
		title += ", which " + c.Server + " keeps"
	}
	fmt.Fprintf(&t.b, "\n%s\n\n", Printable(clip(title)))
	if c.Ending != "" {
		t.say("ending", c.Ending+"; sign with Sigstore or Notation before")
	}
	if !c.Found() {
		t.warn("trust data", reason(c.Reason), plain(c.Err))
		if hint := verify.Hint(c.Err); hint != "" {
			t.say("next", hint)
		}
		return
	}
	if c.Pinned {
		t.say("root", "trusted by the "+c.Pin+" that was given")
	} else {
		t.warn("root", "NOT VERIFIED", "whoever answers for this server, or keeps it, could show any keys. Compare the Root key with its publisher's, and give it with --dct-root-key-ids")
	}
	if c.Void != "" {
		t.warn("tags", "NONE COUNTS", c.Void)
	}
	if len(c.Tags) == 0 {
		fmt.Fprintf(&t.b, "\nNo signatures for %s\n", Printable(clip(one.Name)))
	}
	t.tags(one)
	var rows [][]string
	for _, u := range c.Others {
		rows = append(rows, []string{u.Tag, u.Digest, Printable(clip(strings.Join(u.Signers, ", ")))})
	}
	t.table("Signed but not released, so that no client takes them", []string{"TAG", "DIGEST", "SIGNERS"}, rows)
	if c.Unshown > 0 {
		fmt.Fprintf(&t.b, "… and %s that come before them, and are not listed\n", count(c.Unshown, "more tag"))
	}
	t.keys(c)
}

// plain is err as one line, "" for nil.
func plain(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (t *inspectionText) tags(one Inspection) {
	var rows [][]string
	for _, tag := range one.Trust.Tags {
		served := t.served(tag.Served)
		if !tag.Counts {
			served += "; " + t.red("does not count") + ": targets/releases has another digest"
		}
		rows = append(rows, []string{tag.Tag, tag.Digest, signedBy(tag), served})
	}
	t.table("Signatures for "+Printable(clip(one.Name)), []string{"SIGNED TAG", "DIGEST", "SIGNERS", "REGISTRY"}, rows)
	if one.Trust.Omitted > 0 {
		fmt.Fprintf(&t.b, "… and %s that come before them, and are not listed\n", count(one.Trust.Omitted, "more tag"))
	}
	if slices.ContainsFunc(one.Trust.Tags, func(tag SignedTag) bool {
		return tag.Counts && one.Trust.Void == "" && tag.Served.State == ServedMoved
	}) {
		t.b.WriteString("\n")
		t.say("next", nextMoved)
	}
}

// signedBy names who has signed a tag.
func signedBy(tag SignedTag) string {
	return cmp.Or(strings.Join(tag.Signers, ", "), "("+repoAdmin+")")
}

// served says what the registry has behind a tag.
func (t *inspectionText) served(s Served) string {
	switch s.State {
	case ServedSame:
		return "serves it"
	case ServedMoved:
		return t.red("MOVED") + ": serves " + Printable(clip(s.Digest))
	case ServedMissing:
		return t.red("missing") + ": has no such tag"
	case ServedNoAnswer:
		return t.red("no answer") + ": " + Printable(middle(plain(s.Err), maxText))
	}
	return "not asked"
}

func (t *inspectionText) keys(c ContentTrust) {
	var signers, keys, roles [][]string
	for _, r := range c.Roles {
		ids := strings.Join(r.KeyIDs, ", ")
		if name, isSigner := signerOf(r.Name); isSigner {
			signers = append(signers, []string{name, Printable(clip(ids))})
		}
		if name := administrative(r.Name); name != "" {
			keys = append(keys, []string{name + " Key:", Printable(clip(ids))})
		}
		counts := "yes"
		if r.Err != nil {
			counts = t.red("NO") + ": " + Printable(clip(r.Err.Error()))
		}
		until, version := "not known", "not known"
		if !r.Expires.IsZero() {
			until = r.Expires.UTC().Format(time.RFC3339)
		}
		if r.Version > 0 {
			version = fmt.Sprint(r.Version)
		}
		if r.idle() {
			until, version, counts = "-", "-", signedNothing
		}
		roles = append(roles, []string{r.Name, fmt.Sprintf("%d of %d", r.Threshold, len(r.KeyIDs)), version, until, counts})
	}
	t.table("List of signers and their keys", []string{"SIGNER", "KEYS"}, signers)
	if len(keys) > 0 {
		t.b.WriteString("\nAdministrative keys\n\n")
		for _, k := range keys {
			fmt.Fprintf(&t.b, "  %-16s %s\n", k[0], k[1])
		}
	}
	t.table("Roles", []string{"ROLE", "KEYS NEEDED", "VERSION", "EXPIRES", "COUNTS"}, roles)
}

// image writes what was found beside an image.
func (t *inspectionText) image(img InspectedImage) {
	fmt.Fprintf(&t.b, "\nSignatures in the registry, of %s\n\n", Printable(clip(cmp.Or(img.Pinned, img.Reference))))
	if img.Pinned != "" && img.Pinned != img.Reference {
		t.say("from", img.Reference)
	}
	if img.Err != nil {
		t.warn("image", reason(img.Reason), img.Err.Error())
		if hint := verify.Hint(img.Err); hint != "" {
			t.say("next", hint)
		}
		return
	}
	const most = 20 // an image may carry hundreds; JSON has them all
	for _, tag := range first(img.Trusted, most) {
		t.say("dct", "signed by "+signedBy(tag)+" for the tag "+tag.Tag)
	}
	if more := len(img.Trusted) - most; more > 0 {
		t.say("dct", fmt.Sprintf("… and for %s, listed by --output json", count(more, "more tag")))
	}
	for _, s := range img.Systems {
		for _, c := range first(s.Signatures, most) {
			if Sound(c) {
				t.say(s.System, "signed by "+signer(signerName(c.Signer, c.KeyName), c.Issuer, c.System))
				t.say("", candidateWhere(c))
				continue
			}
			t.say(s.System, "does not hold: "+candidateLine(c, true, false))
		}
		if more := len(s.Signatures) - most; more > 0 {
			t.say(s.System, fmt.Sprintf("… and %d more, listed by --output json", more))
		}
		switch {
		case s.Err != nil:
			t.warn(s.System, reason(s.Reason), s.Err.Error())
			if hint := verify.Hint(s.Err); hint != "" {
				t.say("next", hint)
			}
		case len(s.Signatures) == 0:
			t.say(s.System, "nobody")
		}
	}
}

// candidateWhere says what a sound signature is and where it lies.
func candidateWhere(c verify.Candidate) string {
	c.Signer, c.Err = "", nil
	s := candidateLine(c, false, true)
	if c.LogIndex != nil {
		s += fmt.Sprintf(", log index %d", *c.LogIndex)
	}
	return s
}
