package report_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	markup "github.com/yuin/goldmark/renderer/html"
	"golang.org/x/net/html"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/golden"
	"github.com/boltseal/boltseal/internal/runnertest"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
)

// at returns s, used in a line of a file.
func (s subject) at(file string, line int) subject {
	s.use.At, s.use.Kind, s.use.Stage = image.Position{File: file, Line: line, Col: 6}, image.From, file
	return s
}

// unsigned returns an image without a signature.
func unsigned(text string) subject {
	return tagged(text, "b", fail(verify.Unsigned, "there are none: no signature tag, no referrer, no fallback tag", "sign the image"))
}

// A summary is a run and how its summary is written.
type summary struct {
	run
	file string // of the report
	most int
}

func (s summary) write(t testing.TB) string {
	t.Helper()
	return s.of(t, s.report())
}

func (s summary) of(t testing.TB, r gate.Report) string {
	t.Helper()
	requests := 0
	for _, f := range r.Findings() {
		requests += f.Requests
	}
	var b bytes.Buffer
	about := report.Run{ToolVersion: "1.2.3", Mode: s.mode, Requests: requests, Warnings: s.warnings}
	if err := report.Markdown(&b, r, report.MarkdownOptions{Run: about, ReportFile: s.file, Max: s.most}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// hostileName is a registry that is 10,000 characters long; nothing forbids it.
func hostileName(i int) string {
	return fmt.Sprintf("%s%04d.example.com/app:v1", strings.Repeat("registry.", 1110), i)
}

// thousand are images with such names. Every 334th is unsigned.
var thousand = sync.OnceValue(func() []subject {
	var all []subject
	for i := range 1000 {
		if i%334 == 333 {
			all = append(all, unsigned(hostileName(i)))
		} else {
			all = append(all, tagged(hostileName(i), "a", pass(bundled)))
		}
	}
	return all
})

func summaries() []summary {
	var all []summary
	for _, r := range runs() {
		all = append(all, summary{run: r, file: "boltseal-report.json"})
	}
	return append(
		all,
		summary{run: run{name: "attestations", subjects: []subject{
			tagged("ghcr.io/acme/app:v1", "a", pass(attested)),
			tagged("ghcr.io/acme/both:v1", "b", pass(bundled), pass(attested)),
			tagged("ghcr.io/acme/keyed:v1", "c", pass(bundled, keyed), pass(attested, func(ev *verify.Evidence) { ev.Signer += "2" })),
		}}},
		summary{run: run{name: "thousand", subjects: thousand()}, file: "report.json", most: 24 << 10},
	)
}

func TestMarkdownGolden(t *testing.T) {
	t.Parallel()
	for _, s := range summaries() {
		t.Run(s.name, func(t *testing.T) {
			text := s.write(t)
			golden.Equal(t, filepath.Join("testdata", s.name+".md"), text)
			if again := s.write(t); again != text {
				t.Error("the same report gave other bytes")
			}
			checkMarkdown(t, text)
		})
	}
}

// render returns text as GitHub renders it, before GitHub throws away what it
// does not allow.
func render(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	md := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(markup.WithUnsafe()))
	if err := md.Convert([]byte(text), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// written are the elements that a summary is made of, none of which has
// attributes but the picture's.
var written = []string{"h3", "p", "strong", "code", "pre", "ul", "li", "details", "summary", "table", "thead", "tbody", "tr", "th", "td"}

const picture = `<code class="language-mermaid">`

// What is quoted of others has nothing that any reader of Markdown could take
// for more than text.
var (
	quoted   = regexp.MustCompile(`(?s)<(?:code|pre)>(.*?)</(?:code|pre)>`)
	entities = regexp.MustCompile(`^(?:[A-Za-z0-9 \n]|&#[0-9]+;)*$`)
)

// checkMarkdown fails unless text is rendered to our elements alone, each of
// them closed, and is harmless in a log.
func checkMarkdown(t testing.TB, text string) {
	t.Helper()
	if !utf8.ValidString(text) || !strings.HasPrefix(text, "### Image signature gate: ") || !strings.HasSuffix(text, "\n") {
		t.Errorf("not a summary: %q", first(text, 100))
	}
	if commands := runnertest.Commands(text); len(commands) > 0 {
		t.Errorf("a runner that reads the summary in a log obeys %+v", commands)
	}
	for i, line := range strings.Split(strings.TrimPrefix(text, "### "), "\n") {
		if !inert(line) {
			t.Errorf("line %d can act: %q", i+1, line)
		}
	}
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		if !entities.MatchString(m[1]) {
			t.Errorf("%q is not escaped", m[1])
		}
	}
	var open []string
	tokens := html.NewTokenizer(strings.NewReader(render(t, text)))
	for {
		kind := tokens.Next()
		token := tokens.Token()
		switch kind {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("not closed: %q", open)
			}
			return
		case html.StartTagToken:
			if !slices.Contains(written, token.Data) || len(token.Attr) > 0 && token.String() != picture {
				t.Errorf("element %s", token)
			}
			open = append(open, token.Data)
		case html.EndTagToken:
			if len(open) == 0 || open[len(open)-1] != token.Data {
				t.Errorf("%s closes %q", token, open)
				return
			}
			open = open[:len(open)-1]
		case html.SelfClosingTagToken, html.CommentToken, html.DoctypeToken:
			t.Errorf("element %s", token)
		}
	}
}

func first(s string, n int) string { return s[:min(n, len(s))] }

// parse returns the document that text is rendered to.
func parse(t testing.TB, text string) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(render(t, text)))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// every returns the elements called name.
func every(doc *html.Node, name string) []*html.Node {
	var all []*html.Node
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && n.Data == name {
			all = append(all, n)
		}
	}
	return all
}

// content is the text of n.
func content(n *html.Node) string {
	text := ""
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			text += d.Data
		}
	}
	return text
}

// skeleton is what is left of a document without what stands in code: its
// elements and our own words.
func skeleton(n *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
			return
		}
		b.WriteString("<" + n.Data + ">")
		if n.Data != "code" && n.Data != "pre" {
			for c := range n.ChildNodes() {
				walk(c)
			}
		}
		b.WriteString("</" + n.Data + ">")
	}
	walk(n)
	return b.String()
}

// spelled is s as a reader is to see it.
func spelled(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsPrint(r) && r != utf8.RuneError && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// clipped is s in at most n characters.
func clipped(s string, n int) string {
	if all := []rune(s); len(all) > n {
		return string(all[:n-1]) + "…"
	}
	return s
}

// rows returns the cells of the table, its head left out.
func rows(doc *html.Node) [][]string {
	var all [][]string
	for _, tr := range every(doc, "tr") {
		var cells []string
		for _, td := range every(tr, "td") {
			cells = append(cells, content(td))
		}
		if cells != nil {
			all = append(all, cells)
		}
	}
	return all
}

// Every use has one row, failures come first, and say why in one word.
func TestMarkdownRows(t *testing.T) {
	t.Parallel()
	for _, s := range summaries() {
		if s.name == "thousand" { // not all of it is shown
			continue
		}
		r := s.report()
		var want [][]string
		for _, mark := range []string{"❌❔", "🟡", "✅"} {
			for _, f := range r.Findings() {
				if cells := row(f); strings.Contains(mark, cells[0]) {
					want = append(want, cells)
				}
			}
		}
		got := rows(parse(t, s.of(t, r)))
		if len(got) != len(want) {
			t.Fatalf("%s: %d rows, want %d", s.name, len(got), len(want))
		}
		for i, cells := range got {
			if len(cells) == 5 != slices.Contains([]string{"places", "exempt", "explained", "reports"}, s.name) {
				t.Fatalf("%s: %q", s.name, cells)
			}
			if !slices.Equal(cells[:4], want[i]) {
				t.Errorf("%s: row %q, want %q", s.name, cells[:4], want[i])
			}
		}
		if s.name == "places" {
			var places []string
			for _, cells := range got {
				places = append(places, cells[4])
			}
			if want := []string{"Dockerfile:9 deploy/compose.yml:4", "Dockerfile:12", "bad.Dockerfile:2", "Dockerfile:1 deploy/compose.yml"}; !slices.Equal(places, want) {
				t.Errorf("places %q, want %q", places, want)
			}
		}
	}
}

// row is what the first cells of f's row are to say.
func row(f gate.Finding) []string {
	name := f.Use.Text
	switch {
	case !f.Use.Ref.IsZero():
		name = f.Use.Ref.String()
	case name == "" && f.Use.At.File != "":
		name = fmt.Sprintf("%s:%d:%d", f.Use.At.File, f.Use.At.Line, f.Use.At.Col)
	}
	cells := []string{"❌", clipped(spelled(name), 200), first(f.Pinned.Digest(), 19), string(f.Reason())}
	switch f.Reason() {
	case verify.Verified:
		ev := f.Verdicts[0].Evidence()[0]
		who := clipped(spelled(ev.Signer), 300)
		if strings.HasPrefix(who, "key sha256:") {
			who = who[:23] + "…"
		}
		if ev.KeyName != "" && strings.HasPrefix(who, "key sha256:") {
			who = `key "` + spelled(ev.KeyName) + `" (` + strings.TrimPrefix(who, "key ") + ")"
		}
		cells[0], cells[3] = "✅", who+" "+clipped(spelled(ev.Format), 300)
		for _, v := range f.Verdicts[1:] {
			if v.Evidence()[0].Signer != ev.Signer {
				cells[3] += " and 1 more"
			}
		}
	case verify.Exempt:
		cells[0], cells[3] = "🟡", "exempt until the end of 2026-03-31"
		if e, _ := f.Exemption(); e.Unsigned {
			cells[3] = "exempt unsigned by its publisher"
		}
		if strings.Contains(name, "evil") {
			cells[3] = "exempt until the end of 2029-12-31"
		}
	case verify.Undecided:
		cells[0], cells[3] = "❔", "undecided"
	case verify.Denied, verify.Unavailable:
		cells[0] = "❔"
	}
	return cells
}

// The first line says how it ended.
func TestMarkdownOutcome(t *testing.T) {
	t.Parallel()
	signed, bad, silent := tagged("ghcr.io/acme/app:v1", "a", pass()), unsigned("ghcr.io/acme/base:v1"), subject{use: ref("ghcr.io/acme/down:v1"), checks: []check{pass()}, missing: errAnswer}
	other := tagged("ghcr.io/acme/other:v1", "c", pass())
	background := context.Background()
	late, stop := context.WithDeadline(background, time.Unix(0, 0))
	defer stop()
	ended, end := context.WithCancel(background)
	end()
	for _, tc := range []struct {
		name     string
		ctx      context.Context
		subjects []subject
		enforce  string
		warn     string
		cause    string
	}{
		{"passed", background, []subject{signed, other}, "PASSED — 2 images verified", "PASSED — 2 images verified", ""},
		{"twice", background, []subject{signed, signed}, "PASSED — 1 image verified", "PASSED — 1 image verified", ""},
		{"one", background, []subject{signed}, "PASSED — 1 image verified", "PASSED — 1 image verified", ""},
		{"failed", background, []subject{signed, bad, other}, "BLOCKED — 1 of 3 images failed", "WARNING (not enforced) — 1 of 3 images failed", ""},
		{"no answer", background, []subject{signed, silent}, "NO ANSWER — 1 of 2 images could not be checked", "WARNING (not enforced) — 1 of 2 images could not be checked", ""},
		{"refused, and no answer", background, []subject{silent, bad}, "BLOCKED — 2 of 2 images failed", "WARNING (not enforced) — 2 of 2 images failed", ""},
		{"nothing", background, nil, "BLOCKED — there was no image to verify", "WARNING (not enforced) — there was no image to verify", ""},
		{"interrupted", ended, []subject{signed, bad}, "INTERRUPTED — 0 of 2 images verified", "INTERRUPTED — 0 of 2 images verified", "context canceled"},
		{"late", late, []subject{signed, other}, "NO ANSWER — 2 of 2 images could not be checked", "WARNING (not enforced) — 2 of 2 images could not be checked", "context deadline exceeded"},
		{"late, nothing", late, nil, "NO ANSWER — the run did not end in time", "WARNING (not enforced) — the run did not end in time", "context deadline exceeded"},
	} {
		for mode, want := range map[string]string{"enforce": tc.enforce, "": tc.enforce, "warn": tc.warn} {
			r := gateReport(tc.ctx, tc.subjects)
			text := summary{run: run{mode: mode}}.of(t, r)
			if got, _, _ := strings.Cut(text, "\n"); got != "### Image signature gate: "+want {
				t.Errorf("%s, mode %q: %q, want %q", tc.name, mode, got, want)
			}
			checkMarkdown(t, text)
			notice := "Nothing is to be built from this"
			if mode == "warn" && !r.Interrupted() {
				notice = "nothing is handed over as verified"
			}
			if closed := strings.Contains(text, notice); closed == r.Passed() {
				t.Errorf("%s, mode %q: %q is said = %v, passed = %v", tc.name, mode, notice, closed, r.Passed())
			}
			if got := content(parse(t, text)); tc.cause != "" && !strings.Contains(got, "The run ended early: "+tc.cause+". ") {
				t.Errorf("%s: no cause in %q", tc.name, got)
			}
		}
	}
	if got := (summary{}).of(t, gate.Report{}); !strings.HasPrefix(got, "### Image signature gate: INTERRUPTED — 0 of 0 images verified\n") {
		t.Errorf("the zero Report: %q", got)
	}
}

// Pinned references are there to be copied: all of a run that passed, as they
// are, and none of any other.
func TestMarkdownPinned(t *testing.T) {
	t.Parallel()
	for _, s := range summaries() {
		if s.name == "thousand" {
			continue
		}
		r := s.report()
		var got []string
		for _, pre := range every(parse(t, s.of(t, r)), "pre") {
			if len(every(pre, "code")) == 0 {
				got = append(got, strings.Split(strings.TrimSuffix(content(pre), "\n"), "\n")...)
			}
		}
		verified := slices.ContainsFunc(r.Admitted(), func(a gate.Admitted) bool { _, exempt := a.Exemption(); return !exempt })
		if want := report.Pinned(r); !slices.Equal(got, want) || (len(got) > 0) != verified {
			t.Errorf("%s: %q, want %q", s.name, got, want)
		}
	}
}

// A failure says why, what was expected, what was found and what to do.
func TestMarkdownFix(t *testing.T) {
	t.Parallel()
	r := run{subjects: []subject{
		tagged("ghcr.io/acme/many:v1", "a", fail(verify.WrongSigner, "one\ntwo", "do this",
			verify.WrongSigner, verify.Expired, verify.BadSignature, verify.BadSignature, verify.BadSignature, verify.WrongType, verify.WrongType)),
		tagged("ghcr.io/acme/checks:v1", "b", fail(verify.Revoked, "1", ""), pass(), fail(verify.Unsigned, "2", ""), fail(verify.Unsigned, "3", ""), fail(verify.Unsigned, "4", ""), fail(verify.Unsigned, "5", "")),
		{use: image.Use{Text: "$A", Err: errors.New("A has no value")}},
		{use: image.Use{Text: "$A", Err: errors.New("A has two values")}},
		{use: image.Use{Text: "$A", Err: errors.New("A has two values")}},
		tagged("ghcr.io/acme/mute:v1", "c", func(image.Pinned) verify.Verdict { return pass()(stranger()) }),
	}}
	var got []string
	for _, li := range every(parse(t, summary{run: r}.write(t)), "li") {
		got = append(got, strings.SplitN(strings.TrimSpace(content(li)), "\n", 2)[0])
	}
	source := "at ghcr.io/acme/many@" + digest("f")
	many := "ghcr.io/acme/many@" + digest("a") + ": one; two"
	want := []string{
		"Fix ghcr.io/acme/many:v1: wrong-signer",
		"next do this",
		"because verify " + many,
		"expected " + required,
		"found wrong-signer: bundle-v0.3 " + source + ", signed by somebody@example.com (issuer https://accounts.google.com), ref refs/heads/main, 2026-03-01T10:30:00Z: one; two",
		"found expired: bundle-v0.3 " + source + ": one; two",
		"found bad-signature: bundle-v0.3 " + source + ": one; two",
		"found bad-signature: bundle-v0.3 " + source + ": one; two",
		"found bad-signature: bundle-v0.3 " + source + ": one; two",
		"… and 2 more signatures",
		"Fix ghcr.io/acme/checks:v1: revoked",
		"because verify ghcr.io/acme/checks@" + digest("b") + ": 1", "expected " + required,
		"because verify ghcr.io/acme/checks@" + digest("b") + ": 2", "expected " + required,
		"because verify ghcr.io/acme/checks@" + digest("b") + ": 3", "expected " + required,
		"… and 2 more checks failed",
		"Fix $A: unresolved", "because A has no value",
		"Fix $A: unresolved", "because A has two values",
		"Fix ghcr.io/acme/mute:v1: undecided", "because no check of this image ran to its end",
	}
	if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A Reason that is none of ours is hostile, too; a check that gives none in a run
// that was not cut short is a fault of the program, and no lack of an answer.
func TestMarkdownReason(t *testing.T) {
	t.Parallel()
	r := run{subjects: []subject{
		tagged("ghcr.io/acme/odd:v1", "a", fail("**<b>**", "x", "")),
		tagged("ghcr.io/acme/none:v1", "a", fail("", "x", "")),
	}}
	text := summary{run: r}.write(t)
	checkMarkdown(t, text)
	got := rows(parse(t, text))
	if len(got) != 2 || got[0][3] != "**<b>**" || got[1][3] != "undecided" || got[0][0] != "❌" || got[1][0] != "❌" {
		t.Errorf("rows %q", got)
	}
}

func stranger() image.Pinned {
	p, err := ref("ghcr.io/acme/stranger:v1").Ref.Pin(digest("9"))
	if err != nil {
		panic(err)
	}
	return p
}

// The evidence has all that there is to check it elsewhere.
func TestMarkdownEvidence(t *testing.T) {
	t.Parallel()
	r := run{subjects: []subject{{use: ref("ghcr.io/acme/app:v1"), digest: digest("c"), pinned: indexed, checks: []check{each(verify.SignedAttestation), pass(keyed, func(ev *verify.Evidence) { ev.SignedReference = "docker.io/other/name" })}}}}
	details := every(parse(t, summary{run: r}.write(t)), "details")[0]
	if got := content(every(details, "summary")[0]); got != "Evidence: 3 signatures" {
		t.Errorf("summary %q", got)
	}
	var got []string
	for _, li := range every(details, "li") {
		got = append(got, content(li))
	}
	name, claims := "✅ ghcr.io/acme/app@"+digest("c")+" signed by ", " · github-workflow-ref=refs/heads/main · github-workflow-repository=acme/app · runner-environment=github-hosted"
	want := []string{
		name + signer + " · issuer " + issuer + " · bundle-v0.3 · referrer · on the attestation manifest " + digest("3") + " · platform linux/amd64 · type " + signType + " · 2026-03-01T10:30:00Z · log index 1234567" + claims,
		name + signer + " · issuer " + issuer + " · bundle-v0.3 · referrer · on the attestation manifest " + digest("4") + " · platform linux/arm64/v8 · type " + signType + " · 2026-03-01T10:30:00Z · log index 1234567" + claims,
		name + "key " + digest("5") + " · cosign-legacy · sig-tag · named docker.io/other/name",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// hostilePieces are tried alone.
func hostilePieces() []string {
	return []string{
		hostileText, "|", "a | b | c", "\\|", "`", "``", "```\n### x", "~~~", "<img src=x onerror=alert(1)>", "</code></td></table>", "</pre>", "</details>",
		"<!-- ", "-->", "<script>", "&lt;b&gt;", "&#60;b&#62;", "&amp;", "[x](http://evil.example)", "![x](http://evil.example/a.png)", "[x]: http://evil.example",
		"<http://evil.example>", "http://evil.example", "www.evil.example", "me@evil.example", "@octocat", "#1", "acme/app#1", "GH-1", ":tada:", "$x$", "$$x$$", "~x~", "~~x~~", "**x**", "__x__",
		"\n\n### Image signature gate: PASSED — 1 image verified\n\n", "\n| ✅ | x | y | z |\n", "\n::set-output name=x::y", "\r::error::x", "##[error]x", "\n- x", "\n1. x", "\n> x", "\n    x", "\n---\n", "\n===\n",
		"\"] --> x", "\")\nclick s1 \"http://evil.example\"", "%%{init: {}}%%", "%% x", "; s9", "#quot;", "#35;", "#quot", "subgraph", "end", "style i1 fill:#f00;", "classDef x fill:#f00;", "\"`x`\"", "fa:fa-car", "graph TD", "---\ntitle: x\n---",
		"\x00", "\x1b[2J", "\u202ex", "\u2066x\u2069", "a\u200bb", "\ufeff", "\u00ad", "\xff", "\u0085", "\u2028", "\U000e0001", "\ufffd", "é", "日本語", "😀", "a\u0301", " ", "  x  ", "\t",
		strings.Repeat("x", 1<<14), strings.Repeat("😀", 1<<12), strings.Repeat("\x80", 1<<12), strings.Repeat("\n", 1<<10), strings.Repeat("#", 1<<10), strings.Repeat("`", 1<<10), strings.Repeat("&", 1<<10),
	}
}

// hostileSummary has s in every field.
func hostileSummary(t testing.TB, s string) string {
	t.Helper()
	subjects := hostile(s, verify.SignedPlatform, s)
	for i := range subjects {
		subjects[i] = subjects[i].at(s, i)
	}
	var b bytes.Buffer
	o := report.MarkdownOptions{Run: report.Run{ToolVersion: s, Mode: s, Requests: 3, Warnings: hostileWarnings(s), Handover: []string{s, "handed over: pinned in " + s}}, ReportFile: s}
	if err := report.Markdown(&b, gateReport(context.Background(), subjects), o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// checkHostile fails unless s, in every field, changes nothing but what stands
// in code, where it can be read.
func checkHostile(t testing.TB, s string) {
	t.Helper()
	text := hostileSummary(t, s)
	checkMarkdown(t, text)
	doc, harmless := parse(t, text), parse(t, hostileSummary(t, "harmless"))
	if got, want := skeleton(doc), skeleton(harmless); got != want {
		t.Errorf("%q changes the document:\n%s\nharmless is\n%s", first(s, 200), got, want)
	}
	seen := map[string]bool{}
	for _, code := range every(doc, "code") {
		seen[content(code)] = true
	}
	for _, want := range []string{clipped(spelled(s), 200), clipped(spelled(s), 300)} { // a reference, a signer
		if !seen[want] {
			t.Errorf("%q cannot be read in\n%s", want, first(text, 4000))
		}
	}
	checkPicture(t, doc)
}

func TestMarkdownHostile(t *testing.T) {
	t.Parallel()
	for _, s := range sample(hostilePieces(), 4) {
		checkHostile(t, s)
	}
}

func FuzzMarkdown(f *testing.F) {
	for _, s := range sample(hostilePieces(), 5) {
		if len(s) < 1000 {
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		// An empty value leaves out its line; the name that the image has does, too.
		if s == "" || s == "ghcr.io/evil/passes" || s == "warn" {
			t.Skip()
		}
		checkHostile(t, s)
	})
}

// arrow is the only kind of line in the picture besides its first.
var arrow = regexp.MustCompile(`^  s\d+(\(("(?:[A-Za-z0-9 ./]|#\d+;)+")\))? --> i\d+(\[("(?:[A-Za-z0-9 ./]|#\d+;)+")\])?$`)

// pictures returns the source of the pictures.
func pictures(doc *html.Node) []string {
	var all []string
	for _, pre := range every(doc, "pre") {
		for _, code := range every(pre, "code") {
			all = append(all, content(code))
		}
	}
	return all
}

// checkPicture returns the labels of the picture, and fails unless it has
// nothing but arrows between labels.
func checkPicture(t testing.TB, doc *html.Node) (signers, images []string) {
	t.Helper()
	for _, text := range pictures(doc) {
		body, ok := strings.CutPrefix(text, "flowchart LR\n")
		if !ok {
			t.Errorf("picture %q", text)
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(body, "\n"), "\n") {
			m := arrow.FindStringSubmatch(line)
			if m == nil {
				t.Errorf("the picture has %q", line)
				continue
			}
			for i, to := range []*[]string{&signers, &images} {
				if label := m[2+2*i]; label != "" {
					label = decode(label[1 : len(label)-1])
					if utf8.RuneCountInString(label) > 60 {
						t.Errorf("label %q", label)
					}
					*to = append(*to, label)
				}
			}
		}
	}
	return signers, images
}

// decode undoes the entities of Mermaid.
func decode(label string) string {
	return regexp.MustCompile(`#\d+;`).ReplaceAllStringFunc(label, func(s string) string {
		n, err := strconv.ParseInt(s[1:len(s)-1], 10, 32)
		if err != nil {
			panic(err)
		}
		return string(rune(n))
	})
}

func TestMarkdownPicture(t *testing.T) {
	t.Parallel()
	var many []subject
	for i := range 25 {
		many = append(many, tagged(fmt.Sprintf("ghcr.io/acme/app%d:v1", i), "a", pass()))
	}
	six := tagged("ghcr.io/acme/six:v1", "a")
	for i := range 6 {
		six.checks = append(six.checks, pass(func(ev *verify.Evidence) { ev.Signer = fmt.Sprint("signer ", i) }))
	}
	long := "https://github.com/acme/app/.g…s/release.yml@refs/heads/main"
	for _, tc := range []struct {
		name            string
		subjects        []subject
		signers, images []string
		arrows          int
	}{
		{"nobody", []subject{unsigned("ghcr.io/acme/app:v1")}, nil, nil, 0},
		{"one of two", []subject{unsigned("ghcr.io/acme/app:v1"), tagged("alpine", "b", pass())}, []string{long}, []string{"docker.io/library/alpine:latest"}, 1},
		{"shared", []subject{tagged("a.io/x:v1", "a", pass()), tagged("a.io/y:v1", "a", pass(), pass(keyed)), tagged("a.io/x:v1", "a", pass())}, []string{long, "key sha256:555555555555…"}, []string{"a.io/x:v1", "a.io/y:v1"}, 3},
		{"same name, other issuer", []subject{tagged("a.io/x:v1", "a", pass(), pass(func(ev *verify.Evidence) { ev.Issuer = "https://evil.example" }))}, []string{long, long}, []string{"a.io/x:v1"}, 2},
		{"by digest", []subject{{use: ref("a.io/x@" + digest("b")), checks: []check{pass(keyed)}}}, []string{"key sha256:555555555555…"}, []string{"a.io/x@sha256:bbbbbbbbbbbb…"}, 1},
		{"many signers", []subject{six}, []string{"signer 0", "signer 1", "signer 2", "signer 3", "signer 4"}, []string{"ghcr.io/acme/six:v1"}, 5},
		{"not its platforms", []subject{{use: ref("a.io/x:v1"), digest: digest("b"), pinned: indexed, checks: []check{each(verify.SignedPlatform)}}}, []string{long}, []string{"a.io/x:v1"}, 1},
		{"a check that failed", []subject{tagged("a.io/x:v1", "a", pass(), fail(verify.Unsigned, "x", ""))}, nil, nil, 0},
	} {
		doc := parse(t, summary{run: run{subjects: tc.subjects}}.write(t))
		signers, images := checkPicture(t, doc)
		arrows := strings.Count(strings.Join(pictures(doc), ""), "-->")
		if !slices.Equal(signers, tc.signers) || !slices.Equal(images, tc.images) || arrows != tc.arrows {
			t.Errorf("%s: %q to %q by %d arrows, want %q to %q by %d", tc.name, signers, images, arrows, tc.signers, tc.images, tc.arrows)
		}
	}
	doc := parse(t, summary{run: run{subjects: many}}.write(t))
	if _, images := checkPicture(t, doc); len(images) != 20 || !strings.Contains(content(doc), "… and 5 more images.") {
		t.Errorf("%d images in the picture", len(images))
	}
}

func FuzzMermaidLabel(f *testing.F) {
	for _, s := range append(hostilePieces(), "\r\u17b4") { // printable, and not to be seen
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" || strings.HasPrefix(s, "key sha256:") {
			t.Skip()
		}
		text := summary{run: run{subjects: []subject{tagged("a.io/x:v1", "a", pass(func(ev *verify.Evidence) { ev.Signer = s }))}}}.write(t)
		signers, images := checkPicture(t, parse(t, text))
		if len(signers) != 1 || !slices.Equal(images, []string{"a.io/x:v1"}) {
			t.Fatalf("%q draws %q and %q", s, signers, images)
		}
		want := []rune(spelled(s))
		if len(want) > 60 {
			want = slices.Concat(want[:30], []rune("…"), want[len(want)-29:])
		}
		if signers[0] != string(want) {
			t.Errorf("label %q, want %q", signers[0], string(want))
		}
	})
}

// Whatever comes in, and however little room there is, the summary keeps to it
// and stays whole, and the outcome stands first.
func TestMarkdownMax(t *testing.T) {
	t.Parallel()
	worst := strings.Repeat("\U000e0041", 1000) // twelve bytes each, and all of them four
	deep := hostile(worst, verify.SignedPlatform, worst)
	for i := range deep {
		deep[i] = deep[i].at(worst, 1)
	}
	reports := map[string]gate.Report{"deep": gateReport(context.Background(), deep), "thousand": run{subjects: thousand()}.report()}
	for _, s := range runs() {
		reports[s.name] = s.report()
	}
	limits := sample([]int{1 << 10, 1025, 1100, 1234, 1500, 2 << 10, 3000, 4 << 10, 10_000, 50_000, 1 << 20}, 10)
	for name, r := range reports {
		for _, limit := range limits {
			o := report.MarkdownOptions{Run: report.Run{ToolVersion: worst, Mode: "warn", Warnings: slices.Repeat(hostileWarnings(worst), 50)}, ReportFile: worst, Max: limit}
			var b bytes.Buffer
			if err := report.Markdown(&b, r, o); err != nil {
				t.Fatal(err)
			}
			if b.Len() > limit {
				t.Errorf("%s: %d bytes, limit %d", name, b.Len(), limit)
			}
			if limit < 2000 || name == "deep" {
				checkMarkdown(t, b.String())
			}
			if !strings.Contains(b.String(), "boltseal") {
				t.Errorf("%s: the end is missing in %q", name, b.String())
			}
		}
		for limit := 1; limit < 1<<10; limit += 111 {
			text := summary{most: limit}.of(t, r)
			if len(text) > limit || text != "" && !strings.HasPrefix(text, "### Image signature gate: ") {
				t.Errorf("%s: limit %d: %q", name, limit, text)
			}
		}
	}
}

// What is left out is said, and failures are left out last.
func TestMarkdownLeftOut(t *testing.T) {
	t.Parallel()
	failing := func(n, of int) gate.Report {
		var all []subject
		for i := range of {
			s := tagged(fmt.Sprintf("ghcr.io/acme/app%d:v1", i), "a", pass(bundled))
			if i >= of-n {
				s = unsigned(fmt.Sprintf("ghcr.io/acme/app%d:v1", i))
			}
			all = append(all, s)
		}
		return gateReport(context.Background(), all)
	}
	for _, tc := range []struct {
		name          string
		failed, of    int
		limit         int
		rows, failed2 int // shown
		says          []string
	}{
		{"rows", 3, 1000, 0, 200, 3, []string{"… and 800 more images: see r.json.", "… and 797 more signatures: see r.json."}},
		{"failed rows", 203, 1000, 0, 200, 200, []string{"… and 800 more images, 3 of them failed: see r.json.", "… and 153 more failures: see r.json."}},
		{"all passed", 0, 300, 0, 200, 0, []string{"… and 100 more images: see r.json.", "… and 280 more images.", "… and 100 more signatures: see r.json."}},
		{"little room", 3, 1000, 2200, 3, 3, []string{"… and 997 more images: see r.json.", "… and 1 more failure: see r.json.", "Left out: 997 signatures: see r.json.", "The picture of who vouches for which image was left out."}},
		{"no room", 30, 1000, 1100, 3, 3, []string{"… and 997 more images, 27 of them failed: see r.json.", "Left out: 30 failures: see r.json."}},
	} {
		if raced && tc.limit == 0 {
			continue
		}
		text := summary{file: "r.json", most: tc.limit}.of(t, failing(tc.failed, tc.of))
		doc := parse(t, text)
		got := rows(doc)
		failed := 0
		for i, cells := range got {
			if cells[0] == "❌" {
				failed++
				if failed != i+1 {
					t.Errorf("%s: row %d is a failure behind a pass", tc.name, i)
				}
			}
		}
		if len(got) != tc.rows || failed != tc.failed2 {
			t.Errorf("%s: %d rows, %d of them failed; want %d, %d", tc.name, len(got), failed, tc.rows, tc.failed2)
		}
		for _, want := range tc.says {
			if !strings.Contains(content(doc), want) {
				t.Errorf("%s: does not say %q:\n%s", tc.name, want, first(text, 3000))
			}
		}
		checkMarkdown(t, text)
	}
	if text := (summary{most: 3000}).of(t, failing(3, 1000)); !strings.Contains(text, ": see the JSON report.") {
		t.Errorf("no word about the rest: %s", text)
	}
}

// Lists that others fill have an end.
func TestMarkdownLists(t *testing.T) {
	t.Parallel()
	claims := map[string]string{}
	for i := range 20 {
		claims[fmt.Sprintf("claim-%02d", i)] = "x"
	}
	r := run{warnings: slices.Repeat([]report.Warning{{Text: "careful"}}, 23), subjects: []subject{tagged("a.io/x:v1", "a", pass(func(ev *verify.Evidence) { ev.Claims = claims }))}}
	text := summary{run: r}.write(t)
	if n := strings.Count(text, "careful"); n != 20 || !strings.Contains(text, "… and 3 more warnings: see the JSON report.") {
		t.Errorf("%d warnings:\n%s", n, text)
	}
	if n := strings.Count(text, "claim&#45;"); n != 16 || !strings.Contains(text, "<code>claim&#45;15&#61;x</code> · 4 more claims\n") {
		t.Errorf("%d claims:\n%s", n, text)
	}
	var many []subject
	for i := range 400 {
		many = append(many, tagged(fmt.Sprintf("ghcr.io/acme/app%d:v1", i), "a", pass()))
	}
	doc := parse(t, summary{run: run{subjects: many}, most: 20_000}.write(t))
	shown := 0
	for _, pre := range every(doc, "pre") {
		if len(every(pre, "code")) == 0 {
			shown = strings.Count(content(pre), "\n")
		}
	}
	if want := fmt.Sprintf("… and %d more pinned references: see the JSON report.", 400-shown); shown == 0 || !strings.Contains(content(doc), want) {
		t.Errorf("%d pinned references, and not %q", shown, want)
	}
}

func TestMarkdownWriteError(t *testing.T) {
	t.Parallel()
	if report.Markdown(broken{}, gate.Report{}, report.MarkdownOptions{}) == nil {
		t.Error("a failed write went unnoticed")
	}
}
