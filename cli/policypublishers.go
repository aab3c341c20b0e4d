package cli

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/boltseal/boltseal/internal/spelling"
	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/report"
)

// publishersVersion is the version of the JSON of policy publishers.
const publishersVersion = 1

func (c Command) policyPublishers(code *int) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "publishers [NAME…]",
		Short: "List the publishers whose rules are built in",
		Long: `publishers lists the publishers whose images a policy can name by one word, as in
publishers: [distroless], and a command line with --publisher. With NAME it says
what is asked of the publisher's images, and where that is known from.`,
		Example: `  boltseal policy publishers
  boltseal policy publishers chainguard-private
  boltseal policy publishers --output json`,
		RunE: func(_ *cobra.Command, args []string) error {
			if output != "text" && output != "json" {
				return usagef("--output", "write text or json", "%q is neither text nor json", output)
			}
			all, err := policy.Publishers()
			if err != nil {
				return err
			}
			if all, err = pickPublishers(all, args); err != nil {
				return err
			}
			var b bytes.Buffer
			switch {
			case output == "json":
				err = publishersJSON(&b, all)
			case len(args) == 0:
				err = publishersTable(&b, all)
			default:
				describePublishers(&b, all)
			}
			if err != nil {
				return err
			}
			*code = c.print(b.Bytes())
			return nil
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&output, "output", "text", "`FORMAT` of the list: text, or json (docs/policy-commands.md)")
	return cmd
}

// pickPublishers returns those that names name, all where there is none.
func pickPublishers(all []policy.Publisher, names []string) ([]policy.Publisher, error) {
	if len(names) == 0 {
		return all, nil
	}
	known := map[string]policy.Publisher{}
	var list []string
	for _, p := range all {
		known[p.Name] = p
		list = append(list, p.Name)
	}
	var picked []policy.Publisher
	for _, name := range names {
		p, ok := known[name]
		if !ok {
			next := "boltseal policy publishers lists those there are"
			if near := spelling.Nearest(name, list); near != "" {
				next = "did you mean " + near + "?"
			}
			return nil, usagef("NAME", next, "no publisher called %q is built in", name)
		}
		picked = append(picked, p)
	}
	return picked, nil
}

func publishersTable(w *bytes.Buffer, all []policy.Publisher) error {
	var lines bytes.Buffer
	fmt.Fprintln(&lines, "NAME\tIMAGES\tSIGNED BY")
	wide := false
	for _, p := range all {
		name := p.Name
		if p.Wide != "" {
			name, wide = name+" *", true
		}
		fmt.Fprintf(&lines, "%s\t%s\t%s\n", name, shortList(publisherImages(p)), shortList(publisherSigners(p)))
	}
	if err := aligned(w, lines.Bytes()); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nboltseal policy publishers NAME says more of one, and where that is known from")
	if wide {
		fmt.Fprintln(w, "* accepts more than one would like, which NAME tells")
	}
	return nil
}

// shortList returns the first of texts and how many more there are.
func shortList(texts []string) string {
	switch len(texts) {
	case 0:
		return "-"
	case 1:
		return texts[0]
	}
	return fmt.Sprintf("%s and %d more", texts[0], len(texts)-1)
}

func publisherImages(p policy.Publisher) []string {
	var images []string
	for _, r := range p.Rules {
		images = append(images, r.Images...)
	}
	return images
}

// publisherSigners returns in words who may sign.
func publisherSigners(p policy.Publisher) []string {
	var who []string
	for _, r := range p.Rules {
		if r.Unsigned != "" {
			who = append(who, "nobody (by digest only)")
		}
		for _, s := range r.Signers {
			who = append(who, signerText(s))
		}
	}
	return who
}

func signerText(s policy.Signer) string {
	if s.Key != "" {
		return "key " + s.Key
	}
	return s.Subject
}

// describePublishers tells all that is known of publishers.
func describePublishers(w *bytes.Buffer, all []policy.Publisher) {
	for i, p := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s: %s\n", p.Name, p.About)
		fmt.Fprintf(w, "  source    %s (of %s, checked on %s; confidence %s)\n", p.Source, p.Dated, p.Checked.Format(time.DateOnly), p.Confidence)
		fmt.Fprintf(w, "  formats   %s\n", p.Formats)
		if p.Wide != "" {
			fmt.Fprintf(w, "  wide      %s\n", p.Wide)
		}
		fmt.Fprintf(w, "  to use    publishers: [%s]\n", publisherItem(p))
		for _, x := range p.Parameters {
			many := ""
			if x.Many {
				many = " (one, or a list)"
			}
			fmt.Fprintf(w, "  parameter %s%s: %s\n", x.Name, many, x.About)
		}
		for _, r := range p.Rules {
			describeRule(w, r)
		}
	}
}

// publisherItem is how a policy lists p.
func publisherItem(p policy.Publisher) string {
	if len(p.Parameters) == 0 {
		return p.Name
	}
	var pairs []string
	for _, x := range p.Parameters {
		pairs = append(pairs, fmt.Sprintf("%s: %q", x.Name, x.Example))
	}
	return "{" + p.Name + ": {" + strings.Join(pairs, ", ") + "}}"
}

func describeRule(w *bytes.Buffer, r policy.PublisherRule) {
	fmt.Fprintf(w, "  images    %s\n", strings.Join(r.Images, ", "))
	if r.Unsigned != "" {
		fmt.Fprintf(w, "    pass unsigned, by digest only: %s\n", r.Unsigned)
	}
	for i, s := range r.Signers {
		word := "must be signed by"
		if i > 0 {
			word = "or by"
		}
		fmt.Fprintf(w, "    %s %s\n", word, signerText(s))
		if s.Issuer != "" {
			fmt.Fprintf(w, "      for whom %s vouches\n", s.Issuer)
		}
		if s.Key != "" {
			fmt.Fprintf(w, "      sha256 %s%s\n", s.SHA256, keySpan(s))
		}
		for _, from := range s.Sources {
			fmt.Fprintf(w, "      found at %s\n", from)
		}
	}
	for _, c := range r.Certificates {
		fmt.Fprintf(w, "    %s: %s\n      sha256 %s\n", c.Store, c.Name, c.SHA256)
		for _, by := range c.Sources {
			fmt.Fprintf(w, "      confirmed by %s\n", by)
		}
	}
	for _, t := range r.Terms {
		fmt.Fprintf(w, "    with %s\n", t)
	}
}

// keySpan says when a key counts.
func keySpan(s policy.Signer) string {
	text := ""
	if !s.From.IsZero() {
		text += ", from " + s.From.Format(time.DateOnly)
	}
	if !s.Until.IsZero() {
		text += ", until " + s.Until.Format(time.DateOnly)
	}
	return text
}

// The JSON of policy publishers, which docs/policy-commands.md describes.
type (
	publishersDoc struct {
		Version    int            `json:"version"`
		Publishers []publisherDoc `json:"publishers"`
	}
	publisherDoc struct {
		Name       string         `json:"name"`
		About      string         `json:"about"`
		Source     string         `json:"source"`
		Dated      string         `json:"dated"`
		Checked    string         `json:"checked"`
		Confidence string         `json:"confidence"`
		Formats    string         `json:"formats"`
		Wide       string         `json:"wide,omitempty"`
		Parameters []parameterDoc `json:"parameters"`
		Rules      []pubRuleDoc   `json:"rules"`
	}
	parameterDoc struct {
		Name    string `json:"name"`
		About   string `json:"about"`
		Example string `json:"example"`
		Many    bool   `json:"many"`
	}
	pubRuleDoc struct {
		Images   []string       `json:"images"`
		Requires []string       `json:"requires"`
		Signers  []pubSignerDoc `json:"signers"`
		Certs    []pubCertDoc   `json:"certificates,omitempty"`
		Terms    []string       `json:"terms"`
		Unsigned string         `json:"unsigned,omitempty"`
	}
	pubCertDoc struct {
		Store   string   `json:"store"`
		Name    string   `json:"name"`
		SHA256  string   `json:"sha256"`
		PEM     string   `json:"pem"`
		Sources []string `json:"sources"`
	}
	pubSignerDoc struct {
		Issuer  string   `json:"issuer,omitempty"`
		Subject string   `json:"subject,omitempty"`
		Key     string   `json:"key,omitempty"`
		SHA256  string   `json:"sha256,omitempty"`
		PEM     string   `json:"pem,omitempty"`
		From    string   `json:"from,omitempty"`
		Until   string   `json:"until,omitempty"`
		Sources []string `json:"sources,omitempty"`
	}
)

func publishersJSON(w *bytes.Buffer, all []policy.Publisher) error {
	day := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(time.DateOnly)
	}
	doc := publishersDoc{Version: publishersVersion, Publishers: []publisherDoc{}}
	for _, p := range all {
		d := publisherDoc{
			Name: p.Name, About: p.About, Source: p.Source, Dated: p.Dated, Checked: day(p.Checked), Confidence: p.Confidence,
			Formats: p.Formats, Wide: p.Wide, Parameters: []parameterDoc{}, Rules: []pubRuleDoc{},
		}
		for _, x := range p.Parameters {
			d.Parameters = append(d.Parameters, parameterDoc{x.Name, x.About, x.Example, x.Many})
		}
		for _, r := range p.Rules {
			rd := pubRuleDoc{
				Images: append([]string{}, r.Images...), Requires: append([]string{}, r.Systems...),
				Signers: []pubSignerDoc{}, Terms: append([]string{}, r.Terms...), Unsigned: r.Unsigned,
			}
			for _, s := range r.Signers {
				rd.Signers = append(rd.Signers, pubSignerDoc{s.Issuer, s.Subject, s.Key, s.SHA256, s.PEM, day(s.From), day(s.Until), s.Sources})
			}
			for _, c := range r.Certificates {
				rd.Certs = append(rd.Certs, pubCertDoc(c))
			}
			d.Rules = append(d.Rules, rd)
		}
		doc.Publishers = append(doc.Publishers, d)
	}
	return report.Value(w, doc)
}
