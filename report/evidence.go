package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/boltseal/boltseal/gate"
	source "github.com/boltseal/boltseal/image" // this package has a function image
	"github.com/boltseal/boltseal/verify"
)

// evidence has an entry for each signature that satisfied a check.
func (s summary) evidence() *part {
	var items []string
	signatures := 0
	for _, f := range s.findings {
		for _, v := range f.Verdicts {
			for _, ev := range v.Evidence() {
				if signatures++; signatures <= maxEvidence {
					items = append(items, "- "+s.mark(f)+" "+proof(f, ev)+"\n")
				}
			}
		}
	}
	return &part{
		open:  "<details><summary>Evidence: " + count(signatures, "signature") + "</summary>\n\n",
		items: items, shut: "\n", end: "</details>\n\n",
		rest: func(shown int) string { return s.see(s.missing(shown, signatures, "signature")) },
	}
}

// proof is what ev says of the image of f.
func proof(f gate.Finding, ev verify.Evidence) string {
	text := code(f.Pinned.String(), maxImage+80) + " signed by " + code(signerName(ev.Signer, ev.KeyName), maxText) // 80: the digest
	fact := func(word, value string) {
		if value != "" {
			text += " · " + word + code(value, maxText)
		}
	}
	fact(vouchingWord(ev.System)+" ", ev.Issuer)
	fact("", ev.Format)
	fact("", ev.Storage)
	if ev.Signed != verify.SignedImage {
		fact("on the "+onWhat(ev.Signed), ev.Digest)
		fact("platform ", ev.Platform)
	}
	fact("type ", ev.PredicateType)
	fact("named ", otherName(f.Pinned, ev))
	if !ev.SignedAt.IsZero() {
		text += " · " + ev.SignedAt.UTC().Format(time.RFC3339)
	}
	if ev.LogIndex != nil {
		text += fmt.Sprintf(" · log index %d", *ev.LogIndex)
	}
	for _, name := range first(slices.Sorted(maps.Keys(ev.Claims)), maxClaims) {
		fact("", name+"="+ev.Claims[name])
	}
	if more := len(ev.Claims) - maxClaims; more > 0 {
		text += " · " + count(more, "more claim")
	}
	return text
}

// otherName is the name that the signer gave the image, where it is another one.
func otherName(img source.Pinned, ev verify.Evidence) string {
	name := strings.Replace(ev.SignedReference, "index.docker.io/", "docker.io/", 1)
	if name == img.Ref().Name() {
		return ""
	}
	return name
}

func onWhat(signed string) string {
	switch signed {
	case verify.SignedPlatform:
		return "platform manifest "
	case verify.SignedAttestation:
		return "attestation manifest "
	}
	return "manifest "
}

// pinned lists what the build is given. A run that did not pass gives it
// nothing, not even the images that did: whoever copied those would build from
// the others unverified.
func (s summary) pinned() *part {
	all := Pinned(s.r)
	var items []string
	for _, p := range all {
		items = append(items, block(p)+"\n")
	}
	return &part{
		open:  "<details><summary>Pinned references for the build</summary>\n\n<pre>\n",
		items: items, shut: "</pre>\n\n", end: "</details>\n\n",
		rest: func(shown int) string { return s.see(s.missing(shown, len(all), "pinned reference")) },
	}
}
