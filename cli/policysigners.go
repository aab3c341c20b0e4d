package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/notation"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// foundSigners is what policy init found, sorted into what a policy says and
// what somebody has to decide.
type foundSigners struct {
	instance   string              // of Sigstore, that rules have to name
	publishers map[string][]string // comments, by name
	rules      []policy.DraftRule
	opens      []policy.DraftOpen
	notes      []string // what is to be said at once, besides
	untold     []string // the images that nothing is known of, and why
	trusted    *contentTrusted

	known, signed, open int // images
	unanswered          bool
}

// any reports whether there is anything that a policy could say.
func (f foundSigners) any() bool { return len(f.publishers)+len(f.rules) > 0 }

func (f foundSigners) code() int {
	if f.unanswered {
		return ExitNoAnswer
	}
	return ExitPassed
}

// schemaComment tells editors where the schema is.
const schemaComment = "yaml-language-server: $schema=https://raw.githubusercontent.com/boltseal/boltseal/main/docs/policy.schema.json"

func (f foundSigners) draft() policy.Draft {
	d := policy.Draft{
		Head: []string{
			schemaComment,
			"Written by boltseal policy init. It believed what it saw: these are the signers that the images had, whether or not",
			"they should have them. Read each identity before you commit this, and take out what you cannot explain.",
		},
		Rules: f.rules, Open: f.opens,
	}
	if len(f.opens) > 0 {
		d.Head = append(d.Head,
			`Suggestions have one # in front of each line: take "# " away from all lines of one, as editors do, and fill in`,
			"what is empty, to use it. Lines with two # are remarks, as are those that stand in or above a rule that counts.",
		)
	}
	for _, name := range slices.Sorted(maps.Keys(f.publishers)) {
		d.Publishers = append(d.Publishers, policy.DraftPublisher{Name: name, Comments: f.publishers[name]})
	}
	return d
}

// A seenImage is an image, and those who have signed it.
type seenImage struct {
	finding  gate.Finding
	signers  []policy.DraftSigner // whom a rule can name
	suspect  []policy.DraftSigner // whom somebody has to look at first
	keys     []string             // fingerprints
	attested map[string][]policy.DraftSigner
	notation []seenNotation
	remarks  []string
}

// A seenNotation is who has signed with Notation.
type seenNotation struct {
	subject  string // as an identity of a policy
	identity string // what a policy has to say instead; "" for the subject
	root     string // the subject of the certificate that vouches for it
	sha256   string // hex, of that certificate
	seen     string // what was seen of the signature
}

// file is what that certificate is to be called. Those of several publishers lie
// in one folder.
func (n seenNotation) file() string { return "root-" + n.sha256[:min(len(n.sha256), 12)] + ".crt" }

// under says which certificate vouches for the signer.
func (n seenNotation) under() string {
	return n.subject + " under the certificate " + n.root + " (SHA-256 " + n.sha256 + ")"
}

// findSigners sorts what a run of seekers found, in an instance of Sigstore that
// rules have to name; "" for what they mean without. trusted is what Docker Content
// Trust has signed of the images, nil where that was not asked.
func findSigners(r gate.Report, instance string, trusted *contentTrusted) foundSigners {
	f := foundSigners{instance: instance, publishers: map[string][]string{}, trusted: trusted}
	f.unanswered = trusted.unanswered()
	byRepository := map[string][]seenImage{}
	for _, finding := range r.Findings() {
		switch reason := finding.Reason(); {
		case finding.Use.Err != nil:
			f.leaveUntold(fmt.Sprintf("%s is not known before the build: %s", finding.Use.Text, finding.Use.Err))
		case reason == verify.Verified:
			f.known++
			f.publishers[finding.Rule.Name] = append(f.publishers[finding.Rule.Name], told(finding)+": signed as its publisher says")
		case reason.NoAnswer(), reason == verify.Undecided:
			f.unanswered = true
			f.leaveUntold(told(finding) + " could not be looked at: " + reasonText(finding))
		case finding.Pinned.Digest() == "", reason == verify.NotFound, reason == verify.Unsupported, trusted.moved(finding.Pinned) != nil:
			f.leaveUntold(told(finding) + " was not looked at: " + reasonText(finding))
		default:
			name := repositoryPattern(finding.Use.Ref)
			byRepository[name] = append(byRepository[name], look(finding))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byRepository)) {
		f.repository(name, byRepository[name])
	}
	return f
}

func (f *foundSigners) leave(o policy.DraftOpen) {
	f.open++
	f.opens = append(f.opens, o)
}

// leaveUntold leaves an image of which nothing is known.
func (f *foundSigners) leaveUntold(why string) {
	f.untold = append(f.untold, why)
	f.leave(policy.DraftOpen{Comments: []string{why}})
}

// told says which image it is and where it is used.
func told(f gate.Finding) string {
	text := f.Use.Ref.String()
	var places []string
	for _, u := range f.Uses() {
		if u.At.File != "" {
			places = append(places, fmt.Sprintf("%s:%d:%d", u.At.File, u.At.Line, u.At.Col))
		}
	}
	const most = 3
	if n := len(places) - most; n > 0 {
		places = append(places[:most], fmt.Sprintf("%d more", n))
	}
	if len(places) > 0 {
		text += " (" + strings.Join(places, ", ") + ")"
	}
	if f.Use.Ref.Digest() == "" && f.Pinned.Digest() != "" {
		text += " was " + f.Pinned.Digest()
	}
	return text
}

func reasonText(f gate.Finding) string {
	for _, v := range f.Verdicts {
		if !v.Passed() && v.Err() != nil {
			return string(f.Reason()) + ", " + report.Printable(v.Err().Error())
		}
	}
	return string(cmp.Or(f.Reason(), "undecided"))
}

// repositoryPattern returns the pattern of all images of a repository.
func repositoryPattern(r image.Ref) string {
	return strings.ToLower(r.Registry()) + "/" + r.Repository()
}

// imagePattern returns the pattern of an image as it is written: where a digest
// is, it decides.
func imagePattern(r image.Ref) string {
	if r.Digest() != "" {
		return repositoryPattern(r) + "@" + r.Digest()
	}
	return repositoryPattern(r) + ":" + r.Tag()
}

// maxSigners bounds the signers that are told of one image.
const maxSigners = 16

// look sorts the signatures of an image.
func look(f gate.Finding) seenImage {
	seen := seenImage{finding: f, attested: map[string][]policy.DraftSigner{}}
	var all []verify.Candidate
	for _, v := range f.Verdicts {
		all = append(all, v.Candidates()...)
	}
	slices.SortStableFunc(all, func(a, b verify.Candidate) int {
		return cmp.Or(cmp.Compare(a.Signer, b.Signer), cmp.Compare(a.Issuer, b.Issuer), a.SignedAt.Compare(b.SignedAt), cmp.Compare(a.Source, b.Source))
	})
	for _, c := range all {
		seen.add(c)
	}
	return seen
}

func (s *seenImage) add(c verify.Candidate) {
	attestation := c.PredicateType != "" && c.PredicateType != sigstore.SignPredicate
	fingerprint, key := strings.CutPrefix(c.Signer, "key sha256:")
	switch {
	case c.Signer == "" && c.Reason == verify.WrongSigner:
		s.remark("It has a signature that was made with a key, of which nothing is known: " + c.Source)
		return
	case c.System == notation.System && c.Reason == verify.WrongSigner:
		s.addNotation(c)
		return
	case c.Reason != verify.WrongSigner: // which is how a sound one by nobody in particular is refused
		s.remark(fmt.Sprintf("A signature does not hold: %s, %s", c.Reason, errorText(c.Err)))
		return
	case key && c.Issuer == "":
		if !attestation && !slices.Contains(s.keys, fingerprint) && len(s.keys) < maxSigners {
			s.keys = append(s.keys, fingerprint)
		}
		return
	}
	signer, problem, err := signerOf(c)
	if err == nil && problem == "" {
		problem = lookTwice(&signer, c)
	}
	switch {
	case err != nil:
		s.remark("A signer cannot be written: " + err.Error())
	case attestation && (problem != "" || !policy.Writable(c.PredicateType)):
		s.remark(fmt.Sprintf("An attestation of type %s by %s is not suggested. %s", c.PredicateType, c.Signer, problem))
	case attestation:
		s.attested[c.PredicateType] = addSigner(s.attested[c.PredicateType], signer)
	case problem != "":
		signer.Comments = append(signer.Comments, problem)
		s.suspect = addSigner(s.suspect, signer)
	default:
		s.signers = addSigner(s.signers, signer)
	}
}

// addNotation adds who has made a sound Notation signature.
func (s *seenImage) addNotation(c verify.Candidate) {
	n := seenNotation{subject: c.Signer, root: c.Issuer, sha256: c.Claims["root"], seen: strings.TrimSuffix(seenText(c), ", as "+c.Signer)}
	_, err := notation.ParseIdentity(n.subject)
	if err != nil && n.sha256 != "" && n.sha256 == c.Claims["certificate"] {
		err, n.identity = nil, "*" // the certificate vouches for itself alone
	}
	switch {
	case err != nil:
		s.remark("A signer cannot be written: " + err.Error())
	case !policy.Writable(n.subject):
		s.remark("A signer cannot be written: its subject is too long, or has characters that cannot be seen: " + n.subject)
	case len(s.notation) < maxSigners && !slices.ContainsFunc(s.notation, func(have seenNotation) bool {
		return have.subject == n.subject && have.sha256 == n.sha256
	}):
		s.notation = append(s.notation, n)
	}
}

func (s *seenImage) remark(text string) {
	if len(s.remarks) < maxSigners && !slices.Contains(s.remarks, text) {
		s.remarks = append(s.remarks, text)
	}
}

func errorText(err error) string {
	if err == nil {
		return "nobody says why"
	}
	return report.Printable(err.Error())
}

// addSigner adds a signer that is not among all.
func addSigner(all []policy.DraftSigner, s policy.DraftSigner) []policy.DraftSigner {
	if len(all) >= maxSigners || slices.ContainsFunc(all, func(have policy.DraftSigner) bool { return identityKey(have) == identityKey(s) }) {
		return all
	}
	return append(all, s)
}

// identityKey is the same for the same identity, whatever is remarked of it.
func identityKey(s policy.DraftSigner) string {
	return fmt.Sprintf("%q %q %v %q", s.Issuer, s.Subject, s.Expression, s.Claims)
}

// together returns one seenImage for each pattern: the same image may be asked
// about for a platform that is built for, and for another.
func together(all []seenImage) []seenImage {
	var out []seenImage
	at := map[string]int{}
	for _, s := range all {
		pattern := imagePattern(s.finding.Use.Ref)
		i, again := at[pattern]
		if !again {
			at[pattern] = len(out)
			out = append(out, s)
			continue
		}
		one := &out[i]
		if (len(one.signers) == 0) != (len(s.signers) == 0) {
			one.remark("It is not signed for every platform that it is used for.")
		}
		for _, x := range s.signers {
			one.signers = addSigner(one.signers, x)
		}
		for _, x := range s.suspect {
			one.suspect = addSigner(one.suspect, x)
		}
		for _, x := range s.notation {
			if len(one.notation) < maxSigners && !slices.Contains(one.notation, x) {
				one.notation = append(one.notation, x)
			}
		}
		for _, text := range s.remarks {
			one.remark(text)
		}
	}
	return out
}

// repository writes what is known of the images of one repository.
func (f *foundSigners) repository(name string, all []seenImage) {
	groups := map[string][]seenImage{}
	var trusted []seenImage // by docker content trust alone
	for _, s := range together(all) {
		key := ""
		for _, signer := range s.signers {
			key += identityKey(signer) + "\n"
		}
		publisher := s.finding.Rule.Name
		switch {
		case f.trusted.trustedOnly(s):
			trusted = append(trusted, s)
		case publisher != "" || len(s.signers) == 0:
			f.leaveSeen(s, publisher)
		default:
			groups[key] = append(groups[key], s)
		}
	}
	if len(trusted) > 0 {
		f.leaveTrusted(name, trusted, len(trusted) == len(all))
	}
	if len(groups) > 1 {
		f.notes = append(f.notes, fmt.Sprintf("%s has images of different signers, and a rule for each; find out why", name))
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		group := groups[key]
		f.signed += len(group)
		rule := policy.DraftRule{Images: []string{name}, Signers: group[0].signers, Instance: f.instance, Attested: attestedByAll(group)}
		if len(groups) > 1 {
			rule.Images = patternsOf(group)
		}
		for _, s := range group {
			rule.Comments = append(rule.Comments, told(s.finding))
			if text := f.trusted.remark(s.finding); text != "" {
				rule.Comments = append(rule.Comments, text)
			}
			rule.Comments = append(rule.Comments, s.others()...)
		}
		if len(rule.Signers) > 1 {
			rule.Comments = append(rule.Comments, fmt.Sprintf("It has %d signers, any of whom will do. Keep those who should sign it.", len(rule.Signers)))
			f.notes = append(f.notes, fmt.Sprintf("%s has %d signers, any of whom will do; keep those who should sign it", name, len(rule.Signers)))
		}
		if len(groups) > 1 {
			rule.Comments = append(rule.Comments, "Other images of this repository have other signers, so that this is about these alone.")
		}
		f.rules = append(f.rules, rule)
	}
}

// patternsOf returns the patterns of just these images.
func patternsOf(group []seenImage) []string {
	var images []string
	for _, s := range group {
		images = append(images, imagePattern(s.finding.Use.Ref))
	}
	slices.Sort(images)
	return slices.Compact(images)
}

// attestedByAll returns the attestations that all images of a group have by the
// same signers.
func attestedByAll(group []seenImage) []policy.DraftAttestation {
	var out []policy.DraftAttestation
	for _, predicate := range slices.Sorted(maps.Keys(group[0].attested)) {
		signers := group[0].attested[predicate]
		same := func(s seenImage) bool {
			return slices.EqualFunc(s.attested[predicate], signers, func(a, b policy.DraftSigner) bool { return identityKey(a) == identityKey(b) })
		}
		if !slices.ContainsFunc(group, func(s seenImage) bool { return !same(s) }) {
			out = append(out, policy.DraftAttestation{Type: predicate, Signers: signers})
		}
	}
	return out
}

// others tells what else was found on an image that a rule is written for.
func (s *seenImage) others() []string {
	out := slices.Clone(s.remarks)
	for _, k := range s.keys {
		out = append(out, "It is also signed with the key sha256:"+k+", which the rule does not count.")
	}
	for _, n := range s.notation {
		out = append(out, "It is also signed with Notation by "+n.under()+", which the rule does not count.")
	}
	for _, x := range s.suspect {
		out = append(out, "It is also signed by "+x.Subject+" (issuer "+x.Issuer+"), which the rule does not count: "+strings.Join(x.Comments, "; "))
	}
	return out
}

// leaveSeen leaves an image to somebody's decision, with what could be said.
func (f *foundSigners) leaveSeen(s seenImage, publisher string) {
	pattern := imagePattern(s.finding.Use.Ref)
	o := policy.DraftOpen{Comments: []string{told(s.finding)}}
	remark := func(text string) { o.Comments = append(o.Comments, text) }
	if text := f.trusted.remark(s.finding); text != "" {
		remark(text)
	}
	for _, text := range s.remarks {
		remark(text)
	}
	omitted, known := policy.KnownOmitted(s.finding.Use.Ref)
	switch {
	case known:
		remark("Its publisher is known, and not built in: " + omitted.Who + ": " + omitted.Why + ".")
	case publisher == "":
	case s.finding.Rule.Why == notSigned:
		remark("The built-in publisher " + publisher + " does not sign. With publishers: [" + publisher + "], its images pass by digest alone.")
	default:
		remark("The built-in publisher " + publisher + " knows it, and what it asks for was not found. boltseal policy publishers " + publisher + " says what that is.")
	}
	unsure := slices.Concat(s.suspect, s.signers)
	unsigned := &policy.DraftUnsigned{ByDigest: repositoryPattern(s.finding.Use.Ref) + "@" + s.finding.Pinned.Digest(), AsWritten: pattern}
	switch {
	case len(unsure) > 0:
		remark("Somebody has signed it who may not be the one who should. Find out before you use this:")
		o.Signed = &policy.DraftRule{Images: []string{pattern}, Signers: unsure, Instance: f.instance}
	case len(s.keys) > 0:
		remark("It is signed with a key. Get the public key from its publisher, not from the registry; this holds it to the one that was used:")
		o.Key = &policy.DraftKey{Image: pattern, SHA256: s.keys[0]}
	case len(s.notation) > 0:
		n := s.notation[0]
		for _, other := range s.notation[1:] {
			remark("It is also signed with Notation by " + other.under() + ".")
		}
		remark("It is signed with Notation by " + n.under() + ": " + n.seen + ".")
		remark("Get that certificate from its publisher, not from the registry, see that it has this SHA-256, and put it beside the policy:")
		o.Notation = &policy.DraftNotation{Image: pattern, Identity: cmp.Or(n.identity, n.subject), File: n.file()}
	case len(s.attested) > 0:
		remark("It is attested, and not signed. This would require the attestations instead of a signature:")
		o.Attested = &policy.DraftRule{Images: []string{pattern}, Instance: f.instance, Attested: attestedByAll([]seenImage{s})}
	case len(s.remarks) > 0:
		remark("So nothing is suggested: find out why before you use this image.")
	default:
		remark("Nobody has signed it. To let it through, write it with its digest where it is used, and say why:")
		o.Unsigned = unsigned
	}
	f.leave(o)
}
