package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/scanreport"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/predicate"
	"github.com/boltseal/boltseal/verify"
)

// checkFlags say what has to be in order before anything is signed.
type checkFlags struct {
	gates, scans, allow               []string
	failOn                            string
	ignoreUnfixed, allowEmpty, attest bool
	allowPartial                      bool

	ofJob bool // gates are those that the Action found, and nobody named
}

func (k *checkFlags) register(f *pflag.FlagSet) {
	f.StringArrayVar(&k.gates, "require-gate", nil, "JSON report `FILE` of boltseal verify in this job: nothing is signed unless it passed, within a day; repeatable")
	f.StringArrayVar(&k.scans, "scan-report", nil, "report `FILE` of a vulnerability scanner (JSON of Trivy or Grype, SARIF, cosign's vuln predicate) about the image: nothing is signed if it has findings beyond the limits; repeatable")
	f.StringVar(&k.failOn, "fail-on", defaultFailOn, "`SEVERITY` of the least finding that refuses: critical, high, medium, low, negligible or unknown")
	f.BoolVar(&k.ignoreUnfixed, "ignore-unfixed", false, "findings without a fix refuse nothing")
	f.StringArrayVar(&k.allow, "scan-allow", nil, "YAML `FILE` of findings that are let through until a date (docs/scan-report.md); repeatable")
	f.BoolVar(&k.allowEmpty, "allow-empty-scan", false, "a scan report that shows nothing that was scanned refuses nothing")
	f.BoolVar(&k.allowPartial, "allow-partial-scan", false, "platforms of an index that no scan report is about refuse nothing")
	f.BoolVar(&k.attest, "vsa", false, "attest what was checked, as a SLSA verification summary")
}

const defaultFailOn = "high"

// What a gate's report may be of, in the time of its run.
const (
	oldestGate = 24 * time.Hour
	clockSkew  = 5 * time.Minute
)

// checks are what was looked at before anything is signed.
type checks struct {
	done    []report.SignCheck
	refused error // the first no, a *verify.Error
	gates   []predicate.Checked
	scans   []scanned
	limits  scanreport.Limits
	partial bool   // platforms that no scan is about are let through
	attest  bool   // what was checked
	allowed []byte // the text of all that is let through, nil for none
	// whole has the images, by their String, of which the scans say that each platform
	// was scanned.
	whole map[string]bool
}

// A scanned is a report of a scanner that is within the limits.
type scanned struct {
	file   string
	report scanreport.Report
	read   predicate.Checked
	at     int  // in done
	empty  bool // it shows nothing that was scanned
	// about has the images that it is about, by their String, and the digest by which
	// it knows each; "" for none.
	about map[string]string
}

// read looks at all of them. An error is bad input; what speaks against signing
// is in the checks.
func (k *checkFlags) read(c Command, now time.Time, images int) (checks, error) {
	all := checks{attest: k.attest, partial: k.allowPartial}
	var err error
	if all.limits, all.allowed, err = k.limits(c); err != nil {
		return all, err
	}
	for _, name := range k.gates {
		if err := all.gate(c, name, now, k.ofJob); err != nil {
			return all, err
		}
	}
	for _, name := range k.scans {
		if err := all.scan(c, name, now); err != nil {
			return all, err
		}
	}
	if k.attest && len(all.done) == 0 {
		return all, usagef("--vsa", "add --require-gate or --scan-report", "nothing was checked that could be attested")
	}
	return all, nil
}

// limits reads what scan reports are held to, and the text of what is let
// through all the same.
func (k *checkFlags) limits(c Command) (l scanreport.Limits, allowed []byte, err error) {
	l = scanreport.Limits{IgnoreUnfixed: k.ignoreUnfixed, AllowEmpty: k.allowEmpty}
	if l.FailOn, err = scanreport.ParseSeverity(k.failOn); err != nil {
		next := "write critical, high, medium, low, negligible or unknown"
		if strings.Contains(k.failOn, ",") {
			next = "write the least of them alone: what is worse refuses, too"
		}
		return l, nil, usagef("--fail-on", next, "%w", err)
	}
	if len(k.scans) == 0 {
		for _, x := range []struct {
			flag string
			set  bool
		}{{"--fail-on", k.failOn != defaultFailOn}, {"--scan-allow", len(k.allow) > 0}, {"--ignore-unfixed", k.ignoreUnfixed}, {"--allow-empty-scan", k.allowEmpty}, {"--allow-partial-scan", k.allowPartial}} {
			if x.set {
				return l, nil, withoutScan(x.flag)
			}
		}
	}
	for _, name := range k.allow {
		text, err := readBounded(c.path(name), maxText)
		if err != nil {
			return l, nil, usagef("--scan-allow", "name the file that lists what is let through", "%w", err)
		}
		entries, err := scanreport.ReadAllow(name, text)
		if err != nil {
			return l, nil, usagef("--scan-allow", docs+"scan-report.md says how it is written", "%w", err)
		}
		l.Allow = append(l.Allow, entries...)
		allowed = append(allowed, text...)
	}
	return l, allowed, nil
}

// withoutScan is about a flag that says how reports are judged, where there is
// none.
func withoutScan(flag string) error {
	return usagef(flag, "add --scan-report, or leave it out", "there is no scan report that it could be about")
}

// refuse keeps the first no.
func (k *checks) refuse(err error) {
	if k.refused == nil {
		k.refused = err
	}
}

// gate looks at one report of the gate, which may be one that nobody named.
func (k *checks) gate(c Command, name string, now time.Time, ofJob bool) error {
	body, err := readBounded(c.path(name), report.MaxJSON)
	if err != nil {
		return usagef("--require-gate", "name the file that boltseal verify wrote with --report json=FILE in this job", "%w", err)
	}
	past, err := report.Read(body)
	if err == nil {
		err = fresh(past.Started, now)
	}
	done := report.SignCheck{What: "gate", File: name, Passed: err == nil}
	if err != nil {
		done.Summary = "it does not show that the gate passed"
		if k.refused != nil { // of the first no the reason is said as that of the run
			done.Details = append(done.Details, err.Error())
		}
		k.done = append(k.done, done)
		next := hintOf(err, "run the gate again, in this job")
		if ofJob {
			next = "see the log and the summary of the step of this job that verified base images: it did not pass, or did not end"
		}
		k.refuse(&verify.Error{Op: "look at the gate's report " + name, Err: err, Hint: next})
		return nil
	}
	exempt := 0
	for _, img := range past.Images {
		if img.Exempt {
			exempt++
			done.Details = append(done.Details, "exempt, not verified: "+img.Pinned.String())
		}
	}
	done.Summary = fmt.Sprintf("passed at %s, %s", past.Started.UTC().Format(time.RFC3339), number(len(past.Images), "image"))
	if exempt > 0 {
		done.Summary += fmt.Sprintf(" (%d exempt)", exempt)
	}
	k.gates = append(k.gates, predicate.Checked{Name: filepath.Base(name), Body: body, Time: past.Started, Exempt: exempt})
	k.done = append(k.done, done)
	return nil
}

// fresh says what is wrong with the time of a gate's run.
func fresh(started, now time.Time) error {
	switch age := now.Sub(started); {
	case age > oldestGate:
		return fmt.Errorf("it is %s old, and at most %s are taken", age.Round(time.Minute), oldestGate)
	case age < -clockSkew:
		return fmt.Errorf("it is of %s, which is yet to come", started.UTC().Format(time.RFC3339))
	}
	return nil
}

// scan looks at one report of a scanner. Whether it is about the image is for
// when that is known.
func (k *checks) scan(c Command, name string, now time.Time) error {
	body, err := readBounded(c.path(name), scanreport.MaxReport)
	if err != nil {
		return usagef("--scan-report", "name the file that the scanner wrote", "%w", err)
	}
	r, err := scanreport.Read(body)
	empty := errors.Is(err, scanreport.ErrNothingScanned)
	if err != nil && !empty {
		return usagef("--scan-report "+name, hintOf(err, "give the JSON report of Trivy or Grype, or SARIF"), "%w", bare(err))
	}
	j := r.Judge(k.limits, now)
	done := report.SignCheck{What: "scan", File: name, Passed: j.Passed(), Summary: judged(r, j, k.limits.FailOn)}
	if empty && !j.Passed() { // the report says better than what was made of it why it shows nothing
		done.Summary = bare(err).Error()
		k.done = append(k.done, done)
		k.refuse(&verify.Error{Op: "look at the scan report " + name, Err: bare(err), Hint: hintOf(err, hintOf(j.Err(), "scan the image itself"))})
		return nil
	}
	for _, f := range j.Exceeding() {
		done.Details = append(done.Details, "refused: "+finding(f))
	}
	for _, a := range j.Allowed() {
		done.Details = append(done.Details, fmt.Sprintf("let through until %s: %s (%s)", a.By.Until.UTC().Format(time.DateOnly), finding(a.Finding), a.By.Reason))
	}
	done.Details = append(done.Details, j.Warnings()...)
	k.done = append(k.done, done)
	if !j.Passed() {
		why := j.Err()
		if why == nil {
			why = scanreport.ErrExceeded
		}
		k.refuse(&verify.Error{Op: "look at the scan report " + name, Err: why, Hint: hintOf(why, "mend what was found, or let it through for a while with --scan-allow")})
		return nil
	}
	k.scans = append(k.scans, scanned{file: name, report: r, read: predicate.Checked{Name: filepath.Base(name), Body: body}, at: len(k.done) - 1, empty: empty, about: map[string]string{}})
	return nil
}

// judged says in a few words what a scan came to.
func judged(r scanreport.Report, j scanreport.Judgement, failOn scanreport.Severity) string {
	text := number(j.Total(), "finding")
	if tool := r.Tool(); tool != "" {
		text = tool + ": " + text
	}
	for _, s := range scanreport.Severities() {
		if n := j.Count(s); n > 0 {
			text += fmt.Sprintf(", %d %s", n, s)
		}
	}
	if n := len(j.Exceeding()); n > 0 {
		return text + fmt.Sprintf("; %d of them refused (%s or worse)", n, failOn)
	}
	return text + fmt.Sprintf("; none refused (%s or worse)", failOn)
}

// finding is f in a line.
func finding(f scanreport.Finding) string {
	text := f.Severity.String() + " " + f.ID
	if f.Package != "" {
		text += " in " + f.Package + " " + f.Version
	}
	if len(f.FixedIn) > 0 {
		text += ", fixed in " + f.FixedIn[0]
	}
	return text
}

// match sees that each report is about one of the images, and that each image
// has one, and of an index each platform. An error says that the registry gave no answer; what speaks against
// signing is in the checks.
func (k *checks) match(ctx context.Context, client *registry.Client, images []image.Pinned) error {
	if len(k.scans) == 0 {
		return nil
	}
	covered := make([]bool, len(images))
	subjects := make([]scanSubject, len(images))
	platforms := make([]map[string]bool, len(images)) // of which a report says that it is
	for i, img := range images {
		var err error
		if subjects[i], err = subjectOf(ctx, client, img); err != nil {
			return err
		}
		platforms[i] = map[string]bool{}
	}
	k.whole = map[string]bool{}
	for _, s := range k.scans {
		about, why := 0, error(nil)
		for i, subject := range subjects {
			m, err := s.report.About(subject.Subject)
			switch {
			case err != nil:
				why = cmp.Or(why, err)
				continue
			case !m.Known && len(images) > 1:
				why = errors.New("it has no digest of the image that was scanned, and there are several")
				continue
			}
			about++
			covered[i] = true
			s.about[images[i].String()] = m.Digest
			platforms[i][m.Platform] = true
			if m.Whole {
				k.whole[images[i].String()] = true
			}
			if m.Warning != "" {
				k.done[s.at].Details = append(k.done[s.at].Details, m.Warning)
			}
		}
		if about == 0 {
			k.done[s.at].Passed = false
			k.done[s.at].Summary = "nothing says that it is about what is signed"
			k.done[s.at].Details = append(k.done[s.at].Details, why.Error())
			k.refuse(&verify.Error{Op: "look at the scan report " + s.file, Err: why, Hint: hintOf(why, "scan each image by its digest, and give each report")})
		}
	}
	for i, ok := range covered {
		if !ok {
			k.refuse(&verify.Error{Op: "look at the scan reports", Err: fmt.Errorf("none of them is about %s", images[i]), Hint: "scan that image by its digest, and add the report; or sign it in a run of its own"})
		}
		missing := subjects[i].without(platforms[i])
		switch {
		case subjects[i].nested != "":
			delete(k.whole, images[i].String())
			k.refuse(&verify.Error{
				Op: "look at the scan reports", Err: fmt.Errorf("%s lists another index, %s, whose platforms no report can be matched with", images[i], subjects[i].nested),
				Hint: "make one index of all platforms, or sign each index by itself",
			})
		case len(subjects[i].Children) < 2:
		case len(missing) == 0:
			k.whole[images[i].String()] = true
		case ok && !k.partial:
			k.refuse(&verify.Error{
				Op: "look at the scan reports", Err: fmt.Errorf("of the %s of %s none of them says that it is about %s", number(len(subjects[i].Children), "platform"), images[i], some(missing)),
				Hint: "scan each, as with trivy image --platform OS/ARCH, and give each report; or let them through with --allow-partial-scan",
			})
		}
	}
	return nil
}

// some names the first of several.
func some(names []string) string {
	const most = 5
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// summary is the verification summary of an image that is to be signed. notice is
// what it does not claim although it was checked; "" for nothing.
func (k *checks) summary(img image.Pinned) (made sign.Statement, notice string, err error) {
	name := img.String()
	v := predicate.VSA{
		Resource: name, Gates: k.gates, Version: version(), Scanned: k.whole[name],
		Limits: predicate.Limits{FailOn: k.limits.FailOn.String(), IgnoreUnfixed: k.limits.IgnoreUnfixed, AllowEmpty: k.limits.AllowEmpty, AllowPartial: k.partial, Allow: k.allowed},
	}
	for _, s := range k.scans {
		if digest, ok := s.about[name]; ok {
			read := s.read
			read.About = digest
			v.Scans = append(v.Scans, read)
			v.Scanned = v.Scanned && digest != "" && !s.empty
		}
	}
	body, unclaimed, err := predicate.Summary(v)
	if len(unclaimed) > 0 {
		notice = fmt.Sprintf("the verification summary of %s does not say %s (docs/attestations.md)", name, strings.Join(unclaimed, ", "))
	}
	return sign.Statement{Type: predicate.SummaryType, Predicate: body}, notice, err
}

// maxConfigs bounds the manifests that are read to know what an image is called
// in a report.
const maxConfigs = 64

// A scanSubject is what a scanner may call an image.
type scanSubject struct {
	scanreport.Subject
	platforms []string // of the Children, "" where the index names none
	nested    string   // the first of the Children that is an index itself
}

// without returns the children that are not in a set of digests, as people know them.
func (s scanSubject) without(set map[string]bool) []string {
	var names []string
	for i, digest := range s.Children {
		if !set[digest] {
			names = append(names, strings.TrimSpace(s.platforms[i]+" ("+digest+")"))
		}
	}
	return names
}

// subjectOf returns what a scanner may call an image.
func subjectOf(ctx context.Context, client *registry.Client, img image.Pinned) (scanSubject, error) {
	s := scanSubject{Subject: scanreport.Subject{Ref: img.Ref(), Digest: img.Digest()}}
	img, err := client.Describe(ctx, img)
	if err != nil {
		return s, err
	}
	for _, c := range img.Children() {
		if c.Attests == "" {
			s.Children = append(s.Children, c.Digest)
			s.platforms = append(s.platforms, c.Platform)
			if registry.IsIndex(c.MediaType) {
				s.nested = cmp.Or(s.nested, c.Digest)
			}
		}
	}
	manifests := s.Children
	if len(manifests) == 0 {
		manifests = []string{img.Digest()}
	}
	if len(manifests) > maxConfigs {
		return s, nil // who lists as many is known by their digests
	}
	for _, digest := range manifests {
		m, err := client.Manifest(ctx, img.Ref(), digest)
		if err != nil {
			return s, registry.Explain("read manifest "+digest+" of "+img.String(), img.Ref().Registry(), err)
		}
		var doc struct {
			Config struct {
				Digest string `json:"digest"`
			} `json:"config"`
		}
		if len(s.Children) > 0 && registry.IsIndex(m.MediaType) { // whatever it is listed as
			s.nested = cmp.Or(s.nested, digest)
		}
		// What is no manifest has no config, and is known by its digest alone.
		if json.Unmarshal(m.Body, &doc) != nil || !image.ValidDigest(doc.Config.Digest) {
			doc.Config.Digest = ""
		}
		s.Configs = append(s.Configs, doc.Config.Digest)
	}
	return s, nil
}
