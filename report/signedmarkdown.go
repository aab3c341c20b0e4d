package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/verify"
)

// SignedMarkdown writes s as the summary of a job: first the outcome, then what
// failed and what to do, then what is signed, by whom and where it is logged,
// then what was looked at before, and how a consumer verifies it. It writes at
// most limit bytes (0: [DefaultMax]), leaves out whole rows, and says so.
func SignedMarkdown(w io.Writer, s Signed, limit int) error {
	if limit <= 0 {
		limit = DefaultMax
	}
	heading := "### Image signing: " + s.verdict() + "\n\n"
	refused, failed, signed, checks, notices, commands := s.refusedPart(), s.failedPart(), s.signedPart(), s.checksPart(), s.noticesPart(), s.commandsPart()
	footer := fixed("")
	if s.ToolVersion != "" {
		footer = either(fmt.Sprintf("boltseal %s · %s\n", code(s.ToolVersion, maxText), s.Elapsed.Round(time.Millisecond)), "")
	}
	const all = 1 << 30
	text := compose([]*part{fixed(heading), refused, failed, signed, checks, notices, commands, footer}, []claim{
		{footer, all, 25},
		{refused, all, 60},
		{failed, all, 40},
		{notices, all, 20},
		{signed, all, 60},
		{checks, all, 60},
		{commands, all, 100},
		{failed, all, 100}, // what the others left
		{signed, all, 100},
		{checks, all, 100},
		{notices, all, 100},
	}, limit)
	if text == "" && len(heading) <= limit {
		text = heading
	}
	_, err := io.WriteString(w, text)
	return err
}

// verdict is the outcome in a few words, all of them ours.
func (s Signed) verdict() string {
	done, of := s.images()
	switch {
	case s.Complete():
		return strings.ToUpper(s.done()) + " — " + count(of, "image")
	case s.Skipped != "":
		return "SKIPPED — nothing was signed"
	case s.Refused != nil || of == 0:
		return "REFUSED — nothing was signed"
	case s.NoAnswer():
		return fmt.Sprintf("NO ANSWER — %d of %s signed", done, count(of, "image"))
	}
	return fmt.Sprintf("FAILED — %d of %s signed", done, count(of, "image"))
}

// refusedPart says why nothing was to be signed.
func (s Signed) refusedPart() *part {
	text := ""
	switch {
	case s.Skipped != "":
		text = code(s.Skipped, 1000) + "\n\n"
	case s.Refused != nil:
		text = code(said(s.Refused), 1000) + "\n\n"
		if hint := verify.Hint(s.Refused); hint != "" {
			text += "**Fix:** " + code(hint, 1000) + "\n\n"
		}
	}
	return either(text, "")
}

// restOf says that there are more than were shown, and where.
func restOf(what string, all int) func(int) string {
	return func(shown int) string {
		if shown == all {
			return ""
		}
		return fmt.Sprintf("… and %s: see the log.\n\n", count(all-shown, "more "+what))
	}
}

func (s Signed) failedPart() *part {
	var items []string
	for _, f := range first(s.Failures, maxRows) {
		mark := "❌"
		if sign.Reason(f.Err).NoAnswer() {
			mark = "❔"
		}
		text := "- " + mark + " " + code(f.Reference, maxImage) + " is **" + s.unsigned(f) + "**, **" + word(sign.Reason(f.Err)) + "**: " + code(said(f.Err), 600)
		if hint := verify.Hint(f.Err); hint != "" {
			text += "\n  **Fix:** " + code(hint, 600)
		}
		items = append(items, text+"\n")
	}
	return &part{items: items, shut: "\n", rest: restOf("failure", len(s.Failures))}
}

func (s Signed) signedPart() *part {
	var rows []string
	for _, i := range first(s.Items, maxRows) {
		what := code(string(i.Format), maxText)
		switch {
		case i.attestation():
			what = "attestation " + code(i.PredicateType, maxText)
		case i.notation():
			what = notationSystem + " " + what + " " + code(i.Storage, maxText)
		}
		if i.Existed {
			what += ", was there already"
		}
		ref := i.Reference
		if i.Platform != "" {
			ref += " (" + i.Platform + ")"
		}
		by := code(shortKey(i.Identity), maxText)
		if i.Issuer != "" {
			by += " " + vouchingWord(i.Format.System()) + " " + code(i.Issuer, maxText)
		}
		if i.Certificate != "" {
			by += " certificate " + beginning("sha256:"+i.Certificate)
		}
		log := "not logged"
		switch {
		case i.notation():
			log = i.times()
		case i.trustData():
			log = i.until()
		case i.LogIndex != nil:
			log = fmt.Sprint(*i.LogIndex)
		}
		if i.Log != "" && inLog(i.Log) {
			log = fmt.Sprintf("[%s](%s)", log, i.Log)
		}
		rows = append(rows, fmt.Sprintf("| ✅ | %s | %s | %s | %s | %s |\n", code(ref, maxImage), beginning(i.Image.Digest()), what, by, log))
	}
	last := "Log"
	if slices.ContainsFunc(s.Items, func(i SignedItem) bool { return i.notation() || i.trustData() }) {
		last = "Time"
	}
	return &part{
		open:  "| | Image | Digest | What | Signed by | " + last + " |\n|---|---|---|---|---|---|\n",
		items: rows, shut: "\n", rest: restOf("signature", len(s.Items)),
	}
}

// inLog reports whether an address can stand in Markdown as it is: it is one of
// ours, and ends in a number.
func inLog(address string) bool {
	index, ok := strings.CutPrefix(address, SearchAddress)
	return ok && index != "" && strings.Trim(index, "0123456789") == ""
}

// SearchAddress is where everybody can look up an entry of the public log; its
// index stands behind.
const SearchAddress = "https://search.sigstore.dev/?logIndex="

// beginning is enough of a digest for people.
func beginning(d string) string {
	const enough = len("sha256:") + 12
	if len(d) <= enough {
		return ""
	}
	return code(d[:enough], maxText)
}

func (s Signed) checksPart() *part {
	var items []string
	for _, c := range s.Checks {
		mark := "✅"
		if !c.Passed {
			mark = "❌"
		}
		items = append(items, "- "+mark+" "+code(c.What+" "+c.File, maxText)+" "+code(c.Summary, 600)+"\n")
		for _, d := range first(c.Details, maxFixes) {
			items = append(items, "  - "+code(d, maxText)+"\n")
		}
		if more := len(c.Details) - maxFixes; more > 0 {
			items = append(items, fmt.Sprintf("  - … and %d more\n", more))
		}
	}
	return &part{open: "**Checked before**\n\n", items: items, shut: "\n", rest: restOf("line", len(items))}
}

func (s Signed) noticesPart() *part {
	var items []string
	for _, n := range first(s.Notices, maxWarnings) {
		items = append(items, "- "+code(n, maxText)+"\n")
	}
	return &part{open: "**Notices**\n\n", items: items, shut: "\n", rest: restOf("notice", len(s.Notices))}
}

// commandsPart is what a consumer runs.
func (s Signed) commandsPart() *part {
	commands, whole := s.shown()
	if !whole {
		commands = []string{notShown}
	}
	var items []string
	for _, c := range commands {
		items = append(items, block(c)+"\n")
	}
	note := s.meant(commands)
	if note != "" {
		note += "\n\n"
	}
	return &part{open: "**To verify**\n\n<pre>", items: items, shut: "</pre>\n\n" + note, rest: restOf("command line", len(commands))}
}

// SignRefusal returns the summary of a job whose input was refused, so that
// nothing was signed: what is wrong with it, and the next step.
func SignRefusal(cause, next string) string {
	text := "### Image signing: NOT RUN — the input is wrong\n\n" + code(cause, 1000) + "\n"
	if next != "" {
		text += "\n**Fix:** " + code(next, 1000) + "\n"
	}
	return text
}
