package report_test

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/internal/golden"
	"github.com/boltseal/boltseal/internal/programtest"
	"github.com/boltseal/boltseal/internal/runnertest"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/verify"
)

const (
	signerOf = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main"
	issuerOf = "https://token.actions.githubusercontent.com"
	spdxType = "https://spdx.dev/Document"
	madeType = "https://sigstore.dev/cosign/sign/v1"
)

// made is an item about text, changed by change.
func made(text, hex string, change ...func(*report.SignedItem)) report.SignedItem {
	img, err := ref(text).Ref.Pin(digest(hex))
	if err != nil {
		panic(err)
	}
	index := int64(1234567)
	i := report.SignedItem{Record: sign.Record{
		Reference: img.Ref().String(), Image: img, Format: sign.Bundle, Storage: "referrer", Source: img.Ref().Name() + "@" + digest("f"), PredicateType: madeType,
		Identity: signerOf, Issuer: issuerOf, LogIndex: &index, SignedAt: time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC),
	}}
	for _, c := range change {
		c(&i)
	}
	return i
}

func legacy(i *report.SignedItem) {
	i.Format, i.Storage, i.Source, i.PredicateType = sign.Legacy, "sig-tag", i.Image.Ref().Name()+":sha256-x.sig", ""
}
func spdx(i *report.SignedItem)    { i.PredicateType = spdxType }
func existed(i *report.SignedItem) { i.Existed = true }
func public(i *report.SignedItem)  { i.Log = fmt.Sprintf("%s%d", report.SearchAddress, *i.LogIndex) }
func byKey(i *report.SignedItem) {
	i.Identity, i.Issuer, i.LogIndex = "key "+digest("9"), "", nil
}

const subjectOf = "x509.subject: CN=release,O=Acme's,ST=WA,C=US"

// byNotation makes it a Notation signature, whose certificate lives for a year.
func byNotation(i *report.SignedItem) {
	i.Format, i.PredicateType, i.LogIndex, i.Identity, i.Issuer = sign.JWS, "", nil, subjectOf, "CN=root,O=Acme's,ST=WA,C=US"
	i.Certificate, i.SignedAt = strings.Repeat("9", 64), time.Time{}
}
func stamped(i *report.SignedItem) {
	i.Format, i.SignedAt, i.Expiry = sign.COSE, time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC), time.Date(2027, 3, 1, 10, 30, 0, 0, time.UTC)
}

// byDelegation makes it a tag in trust data.
func byDelegation(i *report.SignedItem) {
	i.Format, i.Storage, i.PredicateType, i.LogIndex, i.SignedAt = sign.NotaryV1, "notary", "", nil, time.Time{}
	i.Source = "https://notary.acme.example/" + i.Image.Ref().String()
	i.Identity, i.Issuer, i.Expiry = "targets/alice", "root key "+strings.Repeat("9f8a7b6c", 8), time.Date(2029, 3, 1, 10, 30, 0, 0, time.UTC)
}
func on(platform, hex string) func(*report.SignedItem) {
	return func(i *report.SignedItem) {
		img, err := i.Image.At(digest(hex))
		if err != nil {
			panic(err)
		}
		i.Image, i.Platform = img, platform
	}
}

func lost(text, hex string, err error) sign.Failure {
	i := made(text, hex)
	return sign.Failure{Reference: i.Reference, Image: i.Image, Err: &verify.Error{Op: "sign " + i.Image.String(), Err: err, Hint: "run it again"}}
}

// A why is an error with a Reason.
type why verify.Reason

func (w why) Error() string         { return "because it is " + string(w) }
func (w why) Reason() verify.Reason { return verify.Reason(w) }

func signings() map[string]report.Signed {
	const app, other, third = "ghcr.io/acme/app:v1", "ghcr.io/acme/other:v1", "ghcr.io/acme/third:v1"
	gate := report.SignCheck{What: "gate", File: "gate.json", Passed: true, Summary: "passed at 2026-03-01T10:00:00Z, 2 images (1 exempt)", Details: []string{"exempt, not verified: alpine@sha256:1"}}
	scan := report.SignCheck{What: "scan", File: "trivy.json", Summary: "Trivy: 1 finding, 1 critical; 1 of them refused (high or worse)", Details: []string{"refused: critical CVE-2026-1 in openssl 1"}}
	run := func(s report.Signed) report.Signed {
		s.ToolVersion, s.Started, s.Elapsed = "0.0.0", time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC), 1500*time.Millisecond
		return s
	}
	evil := made("ghcr.io/evil/app:v1", "e", func(i *report.SignedItem) {
		i.Identity, i.Issuer, i.Source, i.Storage, i.Platform, i.PredicateType, i.File, i.Log = hostileText, hostileText, hostileText, hostileText, "", hostileText, hostileText, report.SearchAddress+hostileText
	})
	evil.Reference, evil.Format = hostileText, sign.Format(hostileText)
	signature := evil
	signature.PredicateType = ""
	envelope := evil
	envelope.PredicateType, envelope.Format, envelope.Certificate, envelope.Trusted = "", sign.JWS, hostileText, hostileText
	envelope.LogIndex = nil
	return map[string]report.Signed{
		"zero":    {},
		"one":     run(report.Signed{Items: []report.SignedItem{made(app, "a", public)}}),
		"existed": run(report.Signed{Items: []report.SignedItem{made(app, "a", existed)}}),
		"all": run(report.Signed{
			Checks:  []report.SignCheck{gate},
			Items:   []report.SignedItem{made(app, "a", public), made(app, "a", legacy), made(app, "a", spdx, existed, func(i *report.SignedItem) { i.File = "bundles/sha256-a.json" }), made(app, "a", on("linux/amd64", "b")), made(other, "c")},
			Notices: []string{"ghcr.io/acme/app:v1 is a tag"},
		}),
		"key":      run(report.Signed{Items: []report.SignedItem{made(app, "a", byKey)}, Consumer: report.Consumer{IgnoreLog: true}}),
		"attested": run(report.Signed{Items: []report.SignedItem{made(app, "a", spdx)}}),
		"elsewhere": run(report.Signed{Items: []report.SignedItem{made("registry.local:5000/acme/app:v1", "a")}, Consumer: report.Consumer{
			TrustedRoot: true, Repository: "registry.local:5000/acme/signatures", Annotations: map[string]string{"run": "1", "by": "it's me"}, Insecure: []string{"registry.local:5000"},
		}}),
		"hash":    run(report.Signed{Items: []report.SignedItem{made(app, "a", byKey, func(i *report.SignedItem) { i.Hash = "sha384" })}}),
		"staging": run(report.Signed{Items: []report.SignedItem{made(app, "a")}, Consumer: report.Consumer{Instance: "staging"}}),
		"some": run(report.Signed{
			Items:    []report.SignedItem{made(app, "a")},
			Failures: []sign.Failure{lost(other, "b", why(verify.Unavailable)), {Reference: "ghcr.io/acme/third:v1", Err: why(verify.NotFound)}},
		}),
		"notation": run(report.Signed{Items: []report.SignedItem{made(app, "a", byNotation), made(app, "a", byNotation, on("linux/amd64", "b")), made(other, "c", byNotation, existed)}}),
		"notation_stamped": run(report.Signed{
			Items:    []report.SignedItem{made("registry.local:5000/acme/app:v1", "a", byNotation, stamped)},
			Consumer: report.Consumer{Timestamps: true, Annotations: map[string]string{"run": "1", "by": "it's me"}, Insecure: []string{"registry.local:5000"}},
		}),
		"notation_authority": run(report.Signed{
			Items:    []report.SignedItem{made("127.0.0.1:5000/acme/app:v1", "a", byNotation, func(i *report.SignedItem) { i.Scheme = "notary.x509.signingAuthority" })},
			Consumer: report.Consumer{Timestamps: true, Local: []string{"127.0.0.1:5000"}},
		}),
		"notation_unseen": run(report.Signed{Items: []report.SignedItem{made(app, "a", byNotation, func(i *report.SignedItem) { i.Identity = "x509.subject: CN=re\u00a0lease,O=Acme,ST=WA,C=US" })}}),
		"notation_elsewhere": run(report.Signed{
			Items:    []report.SignedItem{made(app, "a", byNotation, func(i *report.SignedItem) { i.Trusted = "*" })},
			Consumer: report.Consumer{Timestamps: true, Repository: "registry.local:5000/acme/signatures"},
		}),
		"dct": run(report.Signed{
			Items: []report.SignedItem{
				made(app, "a", byDelegation), made(app, "a", byDelegation, func(i *report.SignedItem) { i.Identity = "targets/qa" }), made("ghcr.io/acme/app:latest", "a", byDelegation, existed),
			},
			Consumer: report.Consumer{TrustServer: "https://notary.acme.example", TrustServerCA: true},
		}),
		"dct_releases": run(report.Signed{Items: []report.SignedItem{made(app, "a", byDelegation, func(i *report.SignedItem) { i.Identity = "targets/releases" })}}),
		"hostile_dct": {Items: []report.SignedItem{made(app, "a", byDelegation, func(i *report.SignedItem) {
			i.Identity, i.Issuer, i.Source, i.Reference = hostileText, hostileText, hostileText, hostileText
		})}},
		"hostile_notation": {Items: []report.SignedItem{envelope}, Consumer: report.Consumer{Timestamps: true, Annotations: map[string]string{hostileText: hostileText}}},
		"half":             run(report.Signed{Items: []report.SignedItem{made(app, "a"), made(other, "b")}, Failures: []sign.Failure{lost(other, "b", why(verify.Denied))}}),
		"no_answer":        run(report.Signed{Failures: []sign.Failure{lost(app, "a", why(verify.Unavailable)), lost(third, "b", why(verify.Denied))}}),
		"refused":          run(report.Signed{Checks: []report.SignCheck{gate, scan}, Refused: &verify.Error{Op: "look at the scan report trivy.json", Err: errors.New("1 finding"), Hint: "mend it"}}),
		"skipped":          run(report.Signed{Skipped: "a pull request from a fork gets no identity token"}),
		"hostile": {
			ToolVersion: hostileText, Started: time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC), Items: []report.SignedItem{evil, signature}, Notices: []string{hostileText},
			Failures: []sign.Failure{{Reference: hostileText, Err: &verify.Error{Op: hostileText, Err: errors.New(hostileText), Hint: hostileText}}},
			Checks:   []report.SignCheck{{What: hostileText, File: hostileText, Summary: hostileText, Details: []string{hostileText}}},
			Consumer: report.Consumer{Instance: hostileText, Repository: hostileText, Annotations: map[string]string{hostileText: hostileText}},
		},
		"hostile_refused": {Refused: &verify.Error{Op: hostileText, Err: errors.New(hostileText), Hint: hostileText}, Skipped: hostileText},
	}
}

func TestSigned(t *testing.T) {
	t.Parallel()
	for name, s := range signings() {
		var text, doc, markdown strings.Builder
		if err := errors.Join(report.SignedText(&text, s, report.TextOptions{}), report.SignedJSON(&doc, s), report.SignedMarkdown(&markdown, s, 0)); err != nil {
			t.Fatal(err)
		}
		golden.Equal(t, filepath.Join("testdata", "signed", name+".txt"), text.String())
		if !strings.HasPrefix(name, "hostile") || name == "hostile_refused" { // whose formats and certificates are none of the schema's
			golden.Equal(t, filepath.Join("testdata", "signed", name+".json"), doc.String())
		}
		golden.Equal(t, filepath.Join("testdata", "signed", name+".md"), markdown.String())
		items, omitted := report.SignedItems(s, 1<<20)
		if omitted != 0 || !json.Valid([]byte(items)) || strings.Contains(items, "\n") {
			t.Errorf("%s: %d omitted of %s", name, omitted, items)
		}
		for _, medium := range []string{text.String(), doc.String(), markdown.String(), items} {
			if found := runnertest.Commands(medium); len(found) > 0 {
				t.Errorf("%s: the runner obeys %+v", name, found)
			}
			for line := range strings.SplitSeq(strings.TrimPrefix(medium, "### "), "\n") {
				if !inert(line) {
					t.Errorf("%s: %q can act", name, line)
				}
			}
		}
		checkSignedMarkdown(t, markdown.String())
		var b strings.Builder
		for _, n := range report.SignedNotes(s) {
			fmt.Fprintf(&b, "%s: %s\n    %s\n", n.Level, n.Title, strings.ReplaceAll(n.Text, "\n", "\n    "))
			for line := range strings.SplitSeq(n.Title+"\n"+n.Text, "\n") {
				if !inert(line) {
					t.Errorf("%s: %q can act", name, line)
				}
			}
		}
		golden.Equal(t, filepath.Join("testdata", "signed", name+".notes.txt"), b.String())
	}
}

// checkSignedMarkdown fails unless text is rendered to our elements, and quotes
// what is from outside.
func checkSignedMarkdown(t *testing.T, text string) {
	t.Helper()
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		if !entities.MatchString(m[1]) {
			t.Errorf("%q is not escaped", m[1])
		}
	}
	doc := parse(t, text)
	for n := range doc.Descendants() {
		known := append(slices.Clone(written), "", "html", "head", "body", "a")
		if n.Data != "" && n.Type == 3 && !slices.Contains(known, n.Data) {
			t.Errorf("element %s", n.Data)
		}
	}
	for _, a := range every(doc, "a") {
		if to := a.Attr[0].Val; len(a.Attr) != 1 || to != report.SearchAddress+"1234567" {
			t.Errorf("a link to %q", to)
		}
	}
}

// What stands in code or in a command cannot change the document around it.
func TestSignedHostile(t *testing.T) {
	t.Parallel()
	with := func(s string) report.Signed {
		i := made("ghcr.io/evil/app:v1", "e", func(i *report.SignedItem) {
			i.Identity, i.Issuer, i.Source, i.File, i.Reference = s+".", s+".", s, s, s
		})
		return report.Signed{
			ToolVersion: s, Items: []report.SignedItem{i}, Notices: []string{s},
			Failures: []sign.Failure{{Reference: s, Err: &verify.Error{Op: s, Err: errors.New(s), Hint: s + "."}}},
			Checks:   []report.SignCheck{{What: "gate", File: s, Summary: s, Details: []string{s}}},
		}
	}
	render := func(s string) string {
		var b strings.Builder
		if err := report.SignedMarkdown(&b, with(s), 0); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	harmless := skeleton(parse(t, render("harmless")))
	for _, s := range sample(hostilePieces(), 4) {
		text := render(s)
		checkSignedMarkdown(t, text)
		if got := skeleton(parse(t, text)); got != harmless {
			t.Errorf("%q changes the document:\n%s\nharmless is\n%s", first(s, 100), got, harmless)
		}
	}
}

// Whether all is signed is what the exit code says.
func TestSignedComplete(t *testing.T) {
	t.Parallel()
	unanswered := []string{"half", "hostile", "no_answer"}
	complete := []string{"all", "attested", "dct", "dct_releases", "elsewhere", "existed", "hash", "hostile_dct", "hostile_notation", "key", "notation", "notation_authority", "notation_elsewhere", "notation_stamped", "notation_unseen", "one", "staging"}
	for name, s := range signings() {
		if s.Complete() != slices.Contains(complete, name) || s.NoAnswer() != slices.Contains(unanswered, name) {
			t.Errorf("%s: complete %v, no answer %v", name, s.Complete(), s.NoAnswer())
		}
	}
	whole := signings()["all"]
	for name, change := range map[string]func(*report.Signed){
		"refused": func(s *report.Signed) { s.Refused = errors.New("no") },
		"skipped": func(s *report.Signed) { s.Skipped = "no" },
		"a check": func(s *report.Signed) { s.Checks = append(slices.Clone(s.Checks), report.SignCheck{}) },
		"nothing": func(s *report.Signed) { s.Items = nil },
		"failure": func(s *report.Signed) { s.Failures = []sign.Failure{{}} },
	} {
		s := whole
		if change(&s); s.Complete() {
			t.Errorf("%s: complete", name)
		}
	}
}

// A shell reads the command lines as they were meant.
func TestSignedCommands(t *testing.T) {
	t.Parallel()
	sh := programtest.Found(t, "sh")
	for _, s := range []string{"plain", "a b", "it's", "$(touch x)", "`x`", "a;b", "a\nb", `\`, `'`, "''", "!x", "~", "*", "-x", "&", "|", ">x", "#x", "a=b", "ä"} {
		i := made("ghcr.io/acme/app:v1", "a", func(i *report.SignedItem) { i.Identity, i.Issuer = s, s })
		for _, command := range (report.Signed{Items: []report.SignedItem{i}}).Commands() {
			out, err := exec.CommandContext(t.Context(), sh, "-c", `cosign() { printf '%s\0' "$@"; }; boltseal() { cosign "$@"; }; `+command).Output() //nolint:gosec // that is the question
			got := strings.Split(string(out), "\x00")
			want := s
			if strings.Contains(s, "*") && strings.HasPrefix(command, "boltseal") {
				want = `\*`
			}
			if err != nil || len(got) < 5 || got[2] != want || got[4] != s {
				t.Errorf("%q: %s: %q (%v)", s, command, got, err)
			}
		}
	}
}

// cosign reads each -a as a line of CSV: what has commas or quotes stays one
// annotation.
func TestSignedAnnotations(t *testing.T) {
	t.Parallel()
	sh := programtest.Found(t, "sh")
	for _, value := range []string{"plain", "1,y=2", ",", `"`, `a"b`, `"a"`, `"a","b"`, `it's, "it"`, " a", "a ", "", "=", "a b"} {
		run := report.Signed{Items: []report.SignedItem{made("ghcr.io/acme/app:v1", "a")}, Consumer: report.Consumer{Annotations: map[string]string{"k": value}}}
		command := run.Commands()[0]
		out, err := exec.CommandContext(t.Context(), sh, "-c", `cosign() { printf '%s\0' "$@"; }; `+command).Output() //nolint:gosec // that is the question
		args := strings.Split(string(out), "\x00")
		at := slices.Index(args, "-a")
		if err != nil || at < 0 {
			t.Fatalf("%q: %s: %q (%v)", value, command, args, err)
		}
		// As pflag does it, by which cosign reads its flags.
		if got, err := csv.NewReader(strings.NewReader(args[at+1])).Read(); err != nil || !slices.Equal(got, []string{"k=" + value}) {
			t.Errorf("%q: %s: %q (%v)", value, command, got, err)
		}
	}
}

// So it does those of notation, whose trust policy is JSON that names who signed.
func TestSignedNotationCommands(t *testing.T) {
	t.Parallel()
	sh := programtest.Found(t, "sh")
	for _, s := range []string{"plain", "a b", "it's", "$(touch x)", "`x`", "a;b", "a\nb", `\`, `'`, "''", `"`, `\"`, "%s", "-x", "<&>", "ä"} {
		i := made("ghcr.io/acme/app:v1", "a", byNotation, func(i *report.SignedItem) { i.Identity = s })
		run := report.Signed{Items: []report.SignedItem{i, made("ghcr.io/acme/other:v1", "b", byNotation)}, Consumer: report.Consumer{Annotations: map[string]string{"k": s}}}
		policy := ""
		for _, command := range run.Commands() {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "notation"), 0o750); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), sh, "-c", `notation() { printf '%s\0' "$@"; }; boltseal() { notation "$@"; }; `+command) //nolint:gosec // that is the question
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "XDG_CONFIG_HOME="+dir)
			out, err := cmd.Output()
			got := strings.Split(string(out), "\x00")
			switch {
			case err != nil:
				t.Errorf("%q: %s: %v", s, command, err)
			case strings.HasPrefix(command, "boltseal "):
				if got[4] != s && got[4] != subjectOf || got[6] != "k="+s {
					t.Errorf("%q: %s: %q", s, command, got)
				}
			case strings.HasPrefix(command, "notation verify "):
				if got[2] != "k="+s {
					t.Errorf("%q: %s: %q", s, command, got)
				}
			case strings.HasPrefix(command, "printf "):
				body, err := os.ReadFile(filepath.Join(dir, "notation", "trustpolicy.json"))
				if err != nil {
					t.Fatal(err)
				}
				policy = string(body)
			}
		}
		var doc struct {
			Version       string
			TrustPolicies []struct {
				Name                  string
				RegistryScopes        []string
				SignatureVerification struct{ Level string }
				TrustStores           []string
				TrustedIdentities     []string
			}
		}
		dec := json.NewDecoder(strings.NewReader(policy))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&doc); err != nil || doc.Version != "1.0" || len(doc.TrustPolicies) != 1 {
			t.Fatalf("%q: %v: %s", s, err, policy)
		}
		if p := doc.TrustPolicies[0]; p.SignatureVerification.Level != "strict" || !slices.Equal(p.RegistryScopes, []string{"ghcr.io/acme/app", "ghcr.io/acme/other"}) ||
			!slices.Equal(p.TrustStores, []string{"ca:boltseal"}) || !slices.Equal(p.TrustedIdentities, []string{s, subjectOf}) {
			t.Errorf("%q: %+v", s, p)
		}
	}
}

// What is left out is said, and nothing is half there.
func TestSignedBounds(t *testing.T) {
	t.Parallel()
	var s report.Signed
	s.ToolVersion = "1"
	for i := range 300 {
		text := fmt.Sprintf("ghcr.io/acme/app%d:v1", i)
		s.Items = append(s.Items, made(text, "a"))
		s.Failures = append(s.Failures, lost(fmt.Sprintf("ghcr.io/acme/lost%d:v1", i), "b", why(verify.Denied)))
		s.Notices = append(s.Notices, text)
	}
	if got := len(s.Commands()); got != 40 {
		t.Errorf("%d command lines", got)
	}
	envelopes := report.Signed{Consumer: report.Consumer{Timestamps: true}}
	for _, i := range s.Items {
		byNotation(&i)
		envelopes.Items = append(envelopes.Items, i)
	}
	if got := envelopes.Commands(); len(got) != 40 || !strings.HasPrefix(got[0], "boltseal verify ") || !strings.HasPrefix(got[39], "notation verify ") {
		t.Errorf("%d command lines of notation: %q", len(got), got)
	}
	for _, limit := range []int{0, 100, 1000, 10_000, 50_000, 200_000} {
		var b strings.Builder
		if err := report.SignedMarkdown(&b, s, limit); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		if limit > 0 && len(text) > limit || !strings.HasPrefix(text, "### Image signing: ") || limit >= 1000 && !strings.Contains(text, "… and ") {
			t.Errorf("limit %d: %d bytes: %s", limit, len(text), first(text, 200))
		}
		checkSignedMarkdown(t, text)
		items, omitted := report.SignedItems(s, limit)
		var list []map[string]any
		if err := json.Unmarshal([]byte(items), &list); err != nil || len(items) > max(limit, 2) {
			t.Errorf("limit %d: %d bytes (%v)", limit, len(items), err)
		}
		if n := len(list); n > 0 && omitted > 0 {
			if fmt.Sprint(list[n-1]["omitted"]) != fmt.Sprint(omitted) || n-1+omitted != len(s.Items) {
				t.Errorf("limit %d: %d shown, %d omitted, %v", limit, n-1, omitted, list[n-1])
			}
		} else if omitted != 0 && omitted != len(s.Items) {
			t.Errorf("limit %d: %d omitted", limit, omitted)
		}
	}
	of := map[string]int{}
	for _, n := range report.SignedNotes(s) {
		if of[n.Level]++; units(n.Title) > 320 || units(n.Text) > 4000 {
			t.Errorf("note %q", n.Title)
		}
	}
	if !maps.Equal(of, map[string]int{"error": 10, "notice": 9}) {
		t.Errorf("%v notes", of)
	}
}

// The output has what an item of the document has, for each item.
func TestSignedItems(t *testing.T) {
	t.Parallel()
	got, _ := report.SignedItems(report.Signed{Items: []report.SignedItem{made("ghcr.io/acme/app:v1", "a", spdx, existed, on("linux/arm64", "b"), func(i *report.SignedItem) { i.File = "x.json" })}}, 1000)
	want := `[{"reference":"ghcr.io/acme/app:v1","digest":"` + digest("b") + `","platform":"linux/arm64","system":"sigstore","format":"bundle","storage":"referrer","predicate_type":"` + spdxType + `","identity":"` + signerOf + `","issuer":"` + issuerOf + `","log_index":1234567,"bundle":"x.json","existed":true}]`
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	got, _ = report.SignedItems(report.Signed{Items: []report.SignedItem{made("ghcr.io/acme/app:v1", "a", byNotation, stamped)}}, 1000)
	want = `[{"reference":"ghcr.io/acme/app:v1","digest":"` + digest("a") + `","system":"notation","format":"cose","storage":"referrer","source":"ghcr.io/acme/app@` + digest("f") + `","identity":"` + subjectOf + `","issuer":"CN=root,O=Acme's,ST=WA,C=US",` +
		`"certificate":"` + strings.Repeat("9", 64) + `","signed_at":"2026-03-01T10:30:00Z","expiry":"2027-03-01T10:30:00Z","existed":false}]`
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got, _ := report.SignedItems(report.Signed{}, 10); got != "[]" {
		t.Errorf("%s", got)
	}
}
