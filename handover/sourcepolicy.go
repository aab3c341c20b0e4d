package handover

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Of the sources that a build may have, these are the images'. The last three
// are never admitted: what they hold has no name that could have been verified.
const (
	dockerImage     = "docker-image://"
	dockerImageBlob = "docker-image+blob://"
	ociLayout       = "oci-layout://"
	ociLayoutBlob   = "oci-layout+blob://"
)

// sourcePolicyImages is the form that rules over images only. Everything is
// denied but the kinds of sources that are known to be no images: a kind that
// BuildKit may learn, or a spelling that it may take, is not admitted by
// default.
func sourcePolicyImages() Form {
	return sourcePolicyForm("source-policy", "BuildKit's source policy: no image but those admitted (buildx, bake, buildctl, compose)", false)
}

// sourcePolicyStrict is the form that denies what a build could fetch besides
// images, too.
func sourcePolicyStrict() Form {
	return sourcePolicyForm("source-policy-strict", "BuildKit's source policy: nothing but local files and the images admitted", true)
}

func sourcePolicyForm(name, doc string, strict bool) Form {
	return Form{Name: name, Doc: doc, Denies: true, Files: func(s Set, _ Options) ([]File, error) {
		policy := sourceRules(s, strict)
		body, err := policy.body()
		if err != nil {
			return nil, fmt.Errorf("write a source policy: %w", err)
		}
		if len(body) > sourcePolicyLimit {
			return nil, fmt.Errorf("%d images are more than BuildKit takes in one source policy, which is %d MiB: verify what is built together, with --file, and hand over for each build", s.Len(), sourcePolicyLimit>>20)
		}
		return []File{{Body: body, Check: admission{policy, body, s, strict}.check}}, nil
	}}
}

// sourcePolicyLimit is the bytes of a file whose rules BuildKit can be sent: the
// daemon takes, and its clients send, messages of 16 MiB (containerd's
// defaults.DefaultMaxRecvMsgSize; cmd/buildkitd/main.go, client/client.go). There
// the rules are protobuf, which is shorter than the file, so that what else is in
// the message has room.
const sourcePolicyLimit = 16 << 20

// sourceRules returns the policy. The first rule denies all that no other one
// matches, be it in more than one line, which the wildcard * is not.
//
// A tag is converted to what it was when it was verified. BuildKit then goes
// through the rules again, with the digest, as it does for references that were
// written with one: one rule for each digest of a repository allows it without
// a tag and with any, since BuildKit goes by the digest then.
func sourceRules(s Set, strict bool) sourcePolicy {
	others := "^(git|https?|local)://"
	if strict {
		others = "^local://"
	}
	p := sourcePolicy{Version: 1, Rules: []*sourceRule{
		{Action: deny, Selector: &selector{Identifier: "^", MatchType: regex}},
		{Action: allow, Selector: &selector{Identifier: others, MatchType: regex}},
	}}
	var allowed []*sourceRule
	at := map[string]*sourceRule{}
	for _, e := range s.entries {
		name := dockerImage + e.ref.Name()
		if e.ref.Digest() == "" {
			tag := name + ":" + e.ref.Tag()
			p.Rules = append(p.Rules, &sourceRule{
				Action:   convert,
				Selector: &selector{Identifier: tag, MatchType: exact},
				Updates:  &sourceUpdate{Identifier: tag + "@" + e.digest},
			})
		}
		r := at[name+"@"+e.digest]
		if r == nil {
			r = &sourceRule{Action: allow, Selector: &selector{Identifier: anyTag{name, "@" + e.digest}.pattern(), MatchType: regex}}
			at[name+"@"+e.digest] = r
			allowed = append(allowed, r)
		}
		if e.exempt != nil && r.Comment == "" {
			r.Comment = until(e.exempt) + ", not verified"
		}
	}
	p.Rules = append(p.Rules, allowed...)
	return p
}

// body returns the file, one rule a line.
func (p sourcePolicy) body() ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\n  \"version\": %d,\n  \"rules\": [", p.Version)
	for i, r := range p.Rules {
		line, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n    ")
		b.Write(line)
	}
	b.WriteString("\n  ]\n}\n")
	return b.Bytes(), nil
}

// An admission is a policy, the file it is written to, and what it is to admit.
type admission struct {
	policy sourcePolicy
	body   []byte
	set    Set
	strict bool
}

// check says what is wrong with the file. BuildKit has to read this policy in
// it, rule by rule; there is to be nothing else in it, which another reader
// might heed; and the policy has to do what it is for.
func (a admission) check(body []byte) error {
	var read sourcePolicy
	if err := json.Unmarshal(body, &read); err != nil {
		return fmt.Errorf("read the source policy back: %w", err)
	}
	if read.Version != a.policy.Version {
		return fmt.Errorf("read the source policy back: its version is %d, not %d", read.Version, a.policy.Version)
	}
	if len(read.Rules) != len(a.policy.Rules) {
		return fmt.Errorf("read the source policy back: it has %d rules, not %d", len(read.Rules), len(a.policy.Rules))
	}
	for i, r := range read.Rules {
		if want := a.policy.Rules[i]; !r.equal(want) {
			return fmt.Errorf("read the source policy back: rule %d is %s, not %s", i+1, r, want)
		}
	}
	if !bytes.Equal(body, a.body) {
		return errors.New("read the source policy back: it has the rules that were written, and something else")
	}
	return admission{policy: read, set: a.set, strict: a.strict}.prove()
}
