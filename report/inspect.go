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

// InspectionVersion is the version of what [InspectionsJSON] adds to docker's
// fields. It grows by one when a field changes its meaning or goes; new fields do
// not change it.
const InspectionVersion = 1

// An Inspection is who vouches for what one argument of boltseal trust inspect
// names, in every system. It is no verdict: nobody said who should.
type Inspection struct {
	Name    string // as it was written
	Trust   ContentTrust
	Images  []InspectedImage
	Vouched bool // somebody vouches for it, and nothing that was found speaks against that
}

// ContentTrust is what Docker Content Trust says of a repository.
type ContentTrust struct {
	GUN    string // the collection, such as docker.io/library/alpine
	Server string // its address; "" where none could be derived
	Ending string // when the server ends, in a sentence; "" where that is not known

	// Reason and Err say why there are no trust data that hold; "" and nil where
	// there are.
	Reason verify.Reason
	Err    error

	Pin     string // what spoke for the root, such as "root key id"
	Pinned  bool   // somebody said which root to trust
	Tags    []SignedTag
	Omitted int // signed tags that are not in Tags, being too many
	Others  []UnreleasedTag
	Unshown int // unreleased tags that are not in Others, being too many
	Roles   []TrustRole
	Void    string // why none of the tags counts; "" if they do
}

// Found reports whether there are trust data that hold.
func (c ContentTrust) Found() bool { return c.Err == nil && c.Reason == "" }

// NoAnswer reports whether it could not be asked.
func (c ContentTrust) NoAnswer() bool {
	return c.Err != nil && (c.Reason.NoAnswer() || c.Reason == verify.Undecided)
}

// A SignedTag is a tag with a digest that was signed for it and released.
type SignedTag struct {
	Tag, Digest string // sha256:<hex>
	Role        string // the one that released it: "targets/releases" or "targets"
	Counts      bool   // it is the digest that clients take; another may be released by a role that comes after
	Signers     []string
	Served      Served
}

// What a registry has behind a tag.
const (
	ServedSame     = "same"      // the digest that was signed
	ServedMoved    = "moved"     // another digest
	ServedMissing  = "missing"   // nothing
	ServedNoAnswer = "no-answer" // the registry did not say
	ServedNotAsked = "not-asked"
)

// Served is what the registry has behind a signed tag.
type Served struct {
	State  string // ServedSame and the like
	Digest string // sha256:<hex>; "" where there was no answer
	Err    error  // why there was none
}

// An UnreleasedTag is a tag that somebody has signed and nobody has released: no
// client takes it.
type UnreleasedTag struct {
	Tag, Digest string
	Signers     []string
}

// A TrustRole is who may sign, and until when what they have signed counts.
type TrustRole struct {
	Name      string
	KeyIDs    []string
	Threshold int
	Version   int
	Expires   time.Time
	Err       error // why what it signed does not count; nil if it does
}

// idle reports whether the role has signed nothing yet, as a delegation has at
// first.
func (r TrustRole) idle() bool { return r.Err == nil && r.Version == 0 }

// signedNothing is what is said of a role that is idle.
const signedNothing = "has signed nothing yet"

// nextMoved is the next step where a tag was moved.
const nextMoved = "find out who moved the tag: if it was meant, have the new image signed, else put the old one back"

// An InspectedImage is an image, and what was found beside it in the registry.
type InspectedImage struct {
	Reference string // as it was asked for, with docker's defaults
	Pinned    string // repository@digest; "" where it was not resolved
	Digest    string
	Trusted   []SignedTag // the tags for which docker content trust has signed just this digest
	Reason    verify.Reason
	Err       error // why it was not resolved
	Systems   []InspectedSystem
}

// An InspectedSystem is what one system has for an image. Err says why that is
// not known.
type InspectedSystem struct {
	System     string
	Reason     verify.Reason
	Err        error
	Signatures []verify.Candidate
}

// Sound reports whether c proves who signed. Whoever looks expects nobody, so
// that this is how a sound one is refused.
func Sound(c verify.Candidate) bool { return c.Reason == verify.WrongSigner && c.Signer != "" }

// The document is described in docs/trust-inspect.md. Its first four fields, and
// what is spelled like them, are those of docker trust inspect.
type inspectionDoc struct {
	Name           string            `json:"Name"`
	SignedTags     []signedTagDoc    `json:"SignedTags"`
	Signers        []trustSignerDoc  `json:"Signers"`
	Administrative []trustSignerDoc  `json:"AdministrativeKeys"`
	Version        int               `json:"version"`
	Vouched        bool              `json:"vouched"`
	ContentTrust   contentTrustDoc   `json:"content_trust"`
	Images         []inspectedImgDoc `json:"images"`
}

type signedTagDoc struct {
	SignedTag string    `json:"SignedTag"`
	Digest    string    `json:"Digest"` // hex alone, as docker has it
	Signers   []string  `json:"Signers"`
	Role      string    `json:"role"`
	Counts    bool      `json:"counts"`
	Registry  servedDoc `json:"registry"`
}

type servedDoc struct {
	State   string `json:"state"`
	Digest  string `json:"digest,omitempty"`
	Message string `json:"message,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

type trustSignerDoc struct {
	Name string        `json:"Name"`
	Keys []trustKeyDoc `json:"Keys"`
}

type trustKeyDoc struct {
	ID string `json:"ID"`
}

type contentTrustDoc struct {
	Found      bool            `json:"found"`
	GUN        string          `json:"gun"`
	Server     string          `json:"server"`
	Ending     string          `json:"ending,omitempty"`
	Root       string          `json:"root,omitempty"`
	Verified   bool            `json:"root_verified"`
	Reason     string          `json:"reason,omitempty"`
	Message    string          `json:"message,omitempty"`
	Hint       string          `json:"hint,omitempty"`
	Void       string          `json:"void,omitempty"`
	Omitted    int             `json:"omitted_tags"`
	Unreleased []unreleasedDoc `json:"unreleased_tags"`
	Unshown    int             `json:"omitted_unreleased_tags"`
	Roles      []trustRoleDoc  `json:"roles"`
}

type unreleasedDoc struct {
	Tag     string   `json:"tag"`
	Digest  string   `json:"digest"`
	Signers []string `json:"signed_by"` // not "signers", which a reader of docker's could take for its own
}

type trustRoleDoc struct {
	Role      string     `json:"role"`
	KeyIDs    []string   `json:"key_ids"`
	Threshold int        `json:"threshold"`
	Version   int        `json:"version"`
	Expires   *time.Time `json:"expires,omitempty"`
	Counts    bool       `json:"counts"`
	Message   string     `json:"message,omitempty"`
}

type inspectedImgDoc struct {
	Reference string               `json:"reference"`
	Digest    string               `json:"digest,omitempty"`
	Pinned    string               `json:"pinned,omitempty"`
	Trusted   []string             `json:"trusted_tags"`
	Reason    string               `json:"reason,omitempty"`
	Message   string               `json:"message,omitempty"`
	Hint      string               `json:"hint,omitempty"`
	Systems   []inspectedSystemDoc `json:"systems"`
}

type inspectedSystemDoc struct {
	System     string          `json:"system"`
	Reason     string          `json:"reason,omitempty"`
	Message    string          `json:"message,omitempty"`
	Hint       string          `json:"hint,omitempty"`
	Signatures []inspectedSign `json:"signatures"`
}

type inspectedSign struct {
	Sound         bool              `json:"sound"`
	Reason        string            `json:"reason,omitempty"`
	Message       string            `json:"message,omitempty"`
	Format        string            `json:"format"`
	Storage       string            `json:"storage"`
	Source        string            `json:"source"`
	Signed        string            `json:"signed,omitempty"`
	Platform      string            `json:"platform,omitempty"`
	Signer        string            `json:"signer,omitempty"`
	Issuer        string            `json:"issuer,omitempty"`
	PredicateType string            `json:"predicate_type,omitempty"`
	SignedAt      *time.Time        `json:"signed_at,omitempty"`
	LogIndex      *int64            `json:"log_index,omitempty"`
	Claims        map[string]string `json:"claims,omitempty"`
}

// repoAdmin is docker's name for whoever releases a tag that no signer has signed.
const repoAdmin = "Repo Admin"

// InspectionsJSON writes what was found as docker trust inspect does: a list
// with its fields, and ours besides, which docs/trust-inspect.md describes. Its
// bytes are as harmless as those of [InspectionsText].
func InspectionsJSON(w io.Writer, all []Inspection) error {
	docs := []inspectionDoc{}
	for _, one := range all {
		docs = append(docs, inspection(one))
	}
	return Value(w, docs)
}

func inspection(one Inspection) inspectionDoc {
	t := one.Trust
	d := inspectionDoc{
		Name: one.Name, SignedTags: []signedTagDoc{}, Signers: []trustSignerDoc{}, Administrative: []trustSignerDoc{},
		Version: InspectionVersion, Vouched: one.Vouched, Images: []inspectedImgDoc{},
		ContentTrust: contentTrustDoc{
			Found: t.Found(), GUN: t.GUN, Server: t.Server, Ending: t.Ending, Root: t.Pin, Verified: t.Found() && t.Pinned, Void: t.Void,
			Omitted: t.Omitted, Unreleased: []unreleasedDoc{}, Unshown: t.Unshown, Roles: []trustRoleDoc{},
		},
	}
	if !t.Found() {
		d.ContentTrust.Reason, d.ContentTrust.Message, d.ContentTrust.Hint = whyNot(t.Reason, t.Err)
	}
	for _, tag := range t.Tags {
		row := signedTagDoc{SignedTag: tag.Tag, Digest: strings.TrimPrefix(tag.Digest, "sha256:"), Signers: tag.Signers, Role: tag.Role, Counts: tag.Counts && t.Void == ""}
		if len(row.Signers) == 0 {
			row.Signers = []string{repoAdmin}
		}
		row.Registry = servedDoc{State: cmp.Or(tag.Served.State, ServedNotAsked), Digest: tag.Served.Digest}
		if tag.Served.Err != nil {
			row.Registry.Message, row.Registry.Hint = tag.Served.Err.Error(), verify.Hint(tag.Served.Err)
		}
		if row.Counts && tag.Served.State == ServedMoved {
			row.Registry.Hint = nextMoved
		}
		d.SignedTags = append(d.SignedTags, row)
	}
	for _, other := range t.Others {
		d.ContentTrust.Unreleased = append(d.ContentTrust.Unreleased, unreleasedDoc(other))
	}
	for _, r := range t.Roles {
		d.ContentTrust.Roles = append(d.ContentTrust.Roles, trustRole(r))
		if name, isSigner := signerOf(r.Name); isSigner {
			d.Signers = append(d.Signers, trustSignerDoc{name, keysOf(r)})
		}
		if name := administrative(r.Name); name != "" {
			d.Administrative = append(d.Administrative, trustSignerDoc{name, keysOf(r)})
		}
	}
	slices.Reverse(d.Signers) // as docker sorts them
	for _, img := range one.Images {
		d.Images = append(d.Images, inspectedImage(img))
	}
	return d
}

func trustRole(r TrustRole) trustRoleDoc {
	d := trustRoleDoc{Role: r.Name, KeyIDs: append([]string{}, r.KeyIDs...), Threshold: r.Threshold, Version: r.Version, Expires: instant(r.Expires), Counts: r.Err == nil && !r.idle()}
	switch {
	case r.Err != nil:
		d.Message = r.Err.Error()
	case r.idle():
		d.Message = signedNothing
	}
	return d
}

func keysOf(r TrustRole) []trustKeyDoc {
	keys := []trustKeyDoc{}
	for _, id := range r.KeyIDs {
		keys = append(keys, trustKeyDoc{id})
	}
	return keys
}

// signerOf returns the name of the signer whose role it is. The role that
// releases is nobody's, as docker has it.
func signerOf(role string) (name string, isSigner bool) {
	name, isSigner = strings.CutPrefix(role, "targets/")
	return name, isSigner && name != "releases"
}

// administrative is docker's name for the keys of a role, "" where it shows none.
func administrative(role string) string {
	switch role {
	case "root":
		return "Root"
	case "targets":
		return "Repository"
	}
	return ""
}

// whyNot is what a document says of an error: reason, message and hint.
func whyNot(r verify.Reason, err error) (why, message, hint string) {
	if err != nil {
		message, hint = err.Error(), verify.Hint(err)
	}
	return reason(r), message, hint
}

func inspectedImage(img InspectedImage) inspectedImgDoc {
	d := inspectedImgDoc{Reference: img.Reference, Digest: img.Digest, Pinned: img.Pinned, Trusted: []string{}, Systems: []inspectedSystemDoc{}}
	for _, tag := range img.Trusted {
		d.Trusted = append(d.Trusted, tag.Tag)
	}
	if img.Err != nil {
		d.Reason, d.Message, d.Hint = whyNot(img.Reason, img.Err)
	}
	for _, s := range img.Systems {
		sd := inspectedSystemDoc{System: s.System, Signatures: []inspectedSign{}}
		if s.Err != nil {
			sd.Reason, sd.Message, sd.Hint = whyNot(s.Reason, s.Err)
		}
		for _, c := range s.Signatures {
			one := inspectedSign{
				Sound: Sound(c), Format: c.Format, Storage: c.Storage, Source: c.Source, Signed: c.Signed, Platform: c.Platform,
				Signer: c.Signer, Issuer: c.Issuer, PredicateType: c.PredicateType, SignedAt: instant(c.SignedAt), LogIndex: c.LogIndex, Claims: c.Claims,
			}
			if !one.Sound {
				one.Reason, one.Message, _ = whyNot(c.Reason, c.Err)
			}
			sd.Signatures = append(sd.Signatures, one)
		}
		d.Systems = append(d.Systems, sd)
	}
	return d
}

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
