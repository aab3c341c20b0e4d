package report

import (
	"cmp"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/boltseal/boltseal/verify"
)

// InspectionVersion is the version of what [InspectionsJSON] adds to docker's
// fields. It grows by one when a field changes its meaning or goes; new fields do
// not change it.
const InspectionVersion = 1

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
