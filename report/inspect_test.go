package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/internal/golden"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
)

func hex64(s string) string { return strings.Repeat(s, 64) }

// inspections are of a repository, of a tag, and of an image that nobody knows.
func inspections() []report.Inspection {
	index := int64(7)
	until := time.Date(2029, 3, 1, 12, 0, 0, 0, time.UTC)
	a, b := "sha256:"+hex64("a"), "sha256:"+hex64("b")
	silent := &verify.Error{Op: "resolve registry.acme.example/team/app:v10", Hint: "run it again", Err: errors.New("no answer")}
	trust := report.ContentTrust{
		GUN: "registry.acme.example/team/app", Server: "https://notary.acme.example", Pin: "first use",
		Tags: []report.SignedTag{
			{Tag: "v1", Digest: a, Role: "targets/releases", Counts: true, Signers: []string{"alice", "bob"}, Served: report.Served{State: report.ServedSame, Digest: a}},
			{Tag: "v2", Digest: a, Role: "targets/releases", Counts: true, Signers: []string{"alice"}, Served: report.Served{State: report.ServedMoved, Digest: b}},
			{Tag: "v2", Digest: b, Role: "targets", Served: report.Served{State: report.ServedSame, Digest: b}},
			{Tag: "v9", Digest: b, Role: "targets", Counts: true, Served: report.Served{State: report.ServedMissing, Err: errors.New("not found")}},
			{Tag: "v10", Digest: b, Role: "targets/releases", Counts: true, Served: report.Served{State: report.ServedNoAnswer, Err: silent}},
		},
		Omitted: 2, Unshown: 3,
		Others: []report.UnreleasedTag{{Tag: "v11", Digest: b, Signers: []string{"bob"}}},
		Roles: []report.TrustRole{
			{Name: "root", KeyIDs: []string{hex64("1")}, Threshold: 1, Version: 1, Expires: until.AddDate(7, 0, 0)},
			{Name: "targets", KeyIDs: []string{hex64("2")}, Threshold: 1, Version: 4, Expires: until},
			{Name: "snapshot", KeyIDs: []string{hex64("3")}, Threshold: 1, Version: 9, Expires: until},
			{Name: "timestamp", KeyIDs: []string{hex64("4")}, Threshold: 1, Version: 12, Expires: until.AddDate(-2, 0, 0)},
			{Name: "targets/alice", KeyIDs: []string{hex64("5"), hex64("6")}, Threshold: 1, Version: 2, Expires: until},
			{Name: "targets/bob", KeyIDs: []string{hex64("7")}, Threshold: 1, Err: errors.New("targets/bob has expired on 2026-01-01")},
			{Name: "targets/carol", KeyIDs: []string{hex64("8")}, Threshold: 1},
			{Name: "targets/releases", KeyIDs: []string{hex64("5"), hex64("7")}, Threshold: 1, Version: 3, Expires: until},
		},
	}
	tagged := trust
	tagged.Pin, tagged.Pinned, tagged.Tags, tagged.Others, tagged.Omitted, tagged.Unshown = "root key id", true, trust.Tags[:1], nil, 0, 0
	tagged.Ending = "content trust of Azure Container Registry ends on 2028-03-31"
	sound := verify.Candidate{
		System: "sigstore", Format: "bundle-v0.3", Storage: "referrer", Source: "registry.acme.example/team/app@sha256:" + hex64("c"), Reason: verify.WrongSigner,
		Err: errors.New("nobody is expected to sign it"), Signed: verify.SignedImage, Signer: "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1",
		Issuer: "https://token.actions.githubusercontent.com", SignedAt: until.AddDate(-3, 0, 0), LogIndex: &index, PredicateType: "https://sigstore.dev/cosign/sign/v1",
	}
	broken := verify.Candidate{System: "notation", Format: "notation-jws", Storage: "referrer", Source: "registry.acme.example/team/app@sha256:" + hex64("d"), Reason: verify.Expired, Err: errors.New("the signature has expired on 2026-01-01"), Signer: "C=US, ST=WA, O=Acme, CN=release"}
	return []report.Inspection{
		{Name: "registry.acme.example/team/app", Trust: trust},
		{
			Name: "registry.acme.example/team/app:v1", Trust: tagged, Vouched: true,
			Images: []report.InspectedImage{{
				Reference: "registry.acme.example/team/app:v1", Pinned: "registry.acme.example/team/app@" + a, Digest: a, Trusted: tagged.Tags,
				Systems: []report.InspectedSystem{{System: "sigstore", Signatures: []verify.Candidate{sound}}, {System: "notation", Signatures: []verify.Candidate{broken}}},
			}},
		},
		{
			Name:  "ghcr.io/acme/app",
			Trust: report.ContentTrust{GUN: "ghcr.io/acme/app", Server: "https://ghcr.io", Reason: verify.Unsigned, Err: &verify.Error{Op: "read trust data", Hint: "sign it", Err: errors.New("remote trust data does not exist for ghcr.io/acme/app")}},
			Images: []report.InspectedImage{{
				Reference: "ghcr.io/acme/app:latest", Pinned: "ghcr.io/acme/app@" + b, Digest: b,
				Systems: []report.InspectedSystem{{System: "sigstore", Reason: verify.Unavailable, Err: &verify.Error{Op: "read signatures", Hint: "run it again", Err: errors.New("no answer")}}, {System: "notation"}},
			}},
		},
		{
			Name:   "ghcr.io/acme/gone:v1",
			Trust:  report.ContentTrust{GUN: "ghcr.io/acme/gone", Server: "https://ghcr.io", Reason: verify.Unsigned, Err: errors.New("remote trust data does not exist")},
			Images: []report.InspectedImage{{Reference: "ghcr.io/acme/gone:v1", Reason: verify.NotFound, Err: &verify.Error{Op: "resolve ghcr.io/acme/gone:v1", Hint: "check the name", Err: errors.New("not found")}}},
		},
		{
			Name: "registry.acme.example/team/void",
			Trust: report.ContentTrust{
				GUN: "registry.acme.example/team/void", Server: "https://notary.acme.example", Pin: "root ca", Pinned: true,
				Void: "targets/releases does not count", Tags: []report.SignedTag{{Tag: "v1", Digest: a, Role: "targets", Counts: true}},
			},
		},
		{Name: "registry.acme.example/team/empty", Trust: report.ContentTrust{GUN: "registry.acme.example/team/empty", Server: "https://notary.acme.example", Pin: "first use"}},
	}
}

// What people and programs are shown.
func TestInspections(t *testing.T) {
	t.Parallel()
	all := inspections()
	var text, colour, doc bytes.Buffer
	if err := errors.Join(
		report.InspectionsText(&text, all, report.TextOptions{}), report.InspectionsText(&colour, all, report.TextOptions{Color: true}), report.InspectionsJSON(&doc, all),
	); err != nil {
		t.Fatal(err)
	}
	golden.Equal(t, filepath.Join("testdata", "inspect", "all.txt"), text.String())
	golden.Equal(t, filepath.Join("testdata", "inspect", "all.json"), doc.String())
	plain := strings.NewReplacer("\x1b[31m", "", "\x1b[32m", "", "\x1b[33m", "", "\x1b[0m", "").Replace(colour.String())
	if plain != text.String() || strings.Count(colour.String(), "\x1b[31m") < 5 {
		t.Errorf("colours change the text, or are missing:\n%s", plain)
	}
}

// Whoever read what docker trust inspect wrote reads this, with docker's own
// types (docker/cli v28.5.2, cli/command/trust/common.go).
func TestInspectionsReadAsDockers(t *testing.T) {
	t.Parallel()
	type (
		trustTagKey struct{ SignedTag, Digest string }
		trustTagRow struct {
			trustTagKey
			Signers []string
		}
		trustKey struct {
			ID string `json:",omitempty"`
		}
		trustSigner struct {
			Name string     `json:",omitempty"`
			Keys []trustKey `json:",omitempty"`
		}
		trustRepo struct {
			Name               string
			SignedTags         []trustTagRow
			Signers            []trustSigner
			AdministrativeKeys []trustSigner
		}
	)
	var b bytes.Buffer
	if err := report.InspectionsJSON(&b, inspections()[:2]); err != nil {
		t.Fatal(err)
	}
	var docs []trustRepo
	if err := json.Unmarshal(b.Bytes(), &docs); err != nil {
		t.Fatal(err)
	}
	one := docs[0]
	if len(docs) != 2 || one.Name != "registry.acme.example/team/app" || len(one.SignedTags) != 5 || len(one.Signers) != 3 || len(one.AdministrativeKeys) != 2 {
		t.Fatalf("%+v", docs)
	}
	if one.SignedTags[0].SignedTag != "v1" || one.SignedTags[0].Digest != hex64("a") || strings.Join(one.SignedTags[0].Signers, " ") != "alice bob" || one.SignedTags[3].Signers[0] != "Repo Admin" {
		t.Errorf("%+v", one.SignedTags)
	}
	if one.Signers[1].Name != "bob" || one.Signers[2].Keys[1].ID != hex64("6") || one.AdministrativeKeys[0].Name != "Root" || one.AdministrativeKeys[1].Keys[0].ID != hex64("2") {
		t.Errorf("%+v %+v", one.Signers, one.AdministrativeKeys)
	}
	// Without anything there are lists all the same.
	b.Reset()
	if err := report.InspectionsJSON(&b, inspections()[5:]); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"SignedTags": []`, `"Signers": []`, `"AdministrativeKeys": []`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s is missing in\n%s", want, b.String())
		}
	}
}

// Nothing that comes from outside moves the cursor, begins a line, or is a
// command of a CI system; and a table stays one.
func TestInspectionsHostile(t *testing.T) {
	t.Parallel()
	const evil = "a\x1b[2Jb\r\n::set-output name=x::y\t##[add-mask]\u202e\xff\v\f"
	err := &verify.Error{Op: evil, Hint: evil, Err: errors.New(evil)}
	all := []report.Inspection{{
		Name: evil,
		Trust: report.ContentTrust{
			GUN: evil, Server: evil, Ending: evil, Pin: evil, Void: evil,
			Tags: []report.SignedTag{
				{Tag: evil, Digest: evil, Role: evil, Signers: []string{evil, strings.Repeat("x", 10000)}, Served: report.Served{State: report.ServedMoved, Digest: evil}},
				{Tag: strings.Repeat("y", 10000), Digest: evil, Served: report.Served{State: report.ServedNoAnswer, Err: err}},
			},
			Others: []report.UnreleasedTag{{Tag: evil, Digest: evil, Signers: []string{evil}}},
			Roles:  []report.TrustRole{{Name: "targets/" + evil, KeyIDs: []string{evil}, Err: err}, {Name: "root", KeyIDs: []string{evil}}},
		},
		Images: []report.InspectedImage{{
			Reference: evil, Pinned: evil, Trusted: []report.SignedTag{{Tag: evil, Signers: []string{evil}}},
			Systems: []report.InspectedSystem{{System: evil, Err: err, Signatures: []verify.Candidate{
				{Format: evil, Source: evil, Signer: evil, Issuer: evil, Reason: verify.WrongSigner}, {Format: evil, Source: evil, Signer: evil, Err: err},
			}}},
		}},
	}, {Name: evil, Trust: report.ContentTrust{Err: err, Reason: verify.Unavailable}, Images: []report.InspectedImage{{Reference: evil, Err: err}}}}
	var text, doc bytes.Buffer
	if err := errors.Join(report.InspectionsText(&text, all, report.TextOptions{}), report.InspectionsJSON(&doc, all)); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(doc.Bytes()) {
		t.Errorf("no JSON:\n%s", doc.String())
	}
	for name, out := range map[string]string{"text": text.String(), "json": doc.String()} {
		for _, bad := range []string{"\x1b", "\r", "\n::", "\t", "##[", "\u202e", "\xff", "\v", "\f"} {
			if strings.Contains(out, bad) {
				t.Errorf("%s has %q", name, bad)
			}
		}
	}
	for line := range strings.Lines(text.String()) {
		if len(line) > 6000 {
			t.Errorf("a line of %d bytes: %.100s", len(line), line)
		}
	}
}
