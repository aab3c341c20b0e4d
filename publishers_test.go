package main_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/internal/golden"
	"github.com/boltseal/boltseal/policy"
)

// The page says what the catalogue says. With -update it is written anew.
func TestDocsPublishers(t *testing.T) {
	all, err := policy.Publishers()
	if err != nil {
		t.Fatal(err)
	}
	unlisted, err := policy.NotShipped()
	if err != nil {
		t.Fatal(err)
	}
	golden.Equal(t, "docs/publishers.md", publishersPage(all, unlisted))
}

const publishersHead = `# Publishers

<!-- Made of policy/publishers.yaml by "go test . -run DocsPublishers -update". -->

Of these publishers boltseal knows how they sign their images, or that they do not. A policy lists those it trusts:

` + "```yaml" + `
version: 1
publishers:
  - distroless
  - chainguard-private: {organisation: example.com, uidp: "720909c9f5279097d847ad02120b6ce85c14b2b5/4fe8b6d3f3b8a9c1"}
` + "```" + `

Without a policy file, ` + "`boltseal verify --publisher distroless`" + ` does the same, once for each publisher; parameters stand behind a
colon, such as ` + "`--publisher chainguard-private:organisation=example.com,uidp=…`" + `, where a parameter with several values is written
several times. With no trust given at all, all publishers without parameters count for their images, and every other image is ` + "`no-rule`" + `.

A publisher's rules are those of a policy, behind all others: a rule of your own that is as specific wins. They hold for exactly the
images below; a mirror of them needs a rule of its own. Signatures are accepted in every [format](formats.md), whichever the publisher uses today.

What is listed rests on what publishers say of themselves, or on their source, as of the date beside it. **Wide** marks who accepts
more signers than one would like. Keys are part of the program: none is fetched, and each was found in the same form in two independent places.
`

func publishersPage(all []policy.Publisher, unlisted []policy.Omitted) string {
	var b strings.Builder
	b.WriteString(publishersHead)
	b.WriteString("\n## Signed\n")
	for _, p := range all {
		if p.Rules[0].Unsigned == "" {
			publisherSection(&b, p)
		}
	}
	b.WriteString("\n## Unsigned upstream\n\nThese images carry no signature that could be verified. They are let through by digest only, and shown as `exempt`, never as\n`verified`: the digest keeps what you once looked at from changing, and says nothing of who made it.\n")
	for _, p := range all {
		if p.Rules[0].Unsigned != "" {
			publisherSection(&b, p)
		}
	}
	b.WriteString("\n## Not shipped\n\nThese are known, and rules for them are yours to write: what would be needed could not be established.\n\n| who | images | why |\n|---|---|---|\n")
	for _, u := range unlisted {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", u.Who, spans(u.Images), u.Why)
	}
	return b.String()
}

func publisherSection(b *strings.Builder, p policy.Publisher) {
	fmt.Fprintf(b, "\n### %s\n\n%s\n\n| | |\n|---|---|\n", p.Name, p.About)
	row := func(name, value string) { fmt.Fprintf(b, "| %s | %s |\n", name, value) }
	for _, x := range p.Parameters {
		many := ""
		if x.Many {
			many = "; one, or a list"
		}
		row("parameter `"+x.Name+"`", x.About+", such as `"+x.Example+"`"+many)
	}
	for _, r := range p.Rules {
		row("images", spans(r.Images))
		if r.Unsigned != "" {
			row("required", "a digest; "+r.Unsigned)
			continue
		}
		row("required", spans(r.Systems))
		for _, s := range r.Signers {
			row("signed by", signer(s))
		}
		if len(r.Terms) > 0 {
			row("with", spans(r.Terms))
		}
	}
	if p.Wide != "" {
		row("**wide**", p.Wide)
	}
	row("formats", p.Formats)
	row("source", fmt.Sprintf("<%s>, as of %s", p.Source, p.Dated))
	row("checked", fmt.Sprintf("%s, confidence %s", p.Checked.Format(time.DateOnly), p.Confidence))
}

func signer(s policy.Signer) string {
	if s.Key == "" {
		return fmt.Sprintf("`%s`, vouched for by `%s`", s.Subject, s.Issuer)
	}
	text := fmt.Sprintf("key %s, SHA-256 `%s`, from %s on", s.Key, s.SHA256, s.From.Format(time.DateOnly))
	if !s.Until.IsZero() {
		text += " until " + s.Until.Format(time.DateOnly)
	}
	return text + "; found in " + strings.Join(s.Sources, "; in ")
}

func spans(texts []string) string { return "`" + strings.Join(texts, "`, `") + "`" }
