package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/predicate"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// readImages reads the references.
func (s *signing) readImages(args []string) error {
	const next = "write it as registry/repository@sha256:…, as the build or the push printed it"
	if len(args) == 0 {
		return usagef(signedImage, "name the images that were pushed, such as ghcr.io/acme/app@sha256:…", "there is nothing to sign")
	}
	seen := map[string]bool{}
	for _, a := range args {
		if scheme, _, ok := strings.Cut(a, "://"); ok {
			return usagef(signedImage, "leave out "+scheme+"://; plain http is asked for with --insecure-registry", "%q is an address, not a reference", a)
		}
		if strings.HasPrefix(a, "sha256:") {
			return usagef(signedImage, "write registry/repository@ in front of it", "%q is a digest, and nothing says of which repository", a)
		}
		if a == "true" || a == "false" {
			if s.flags.step {
				return usagef(signedImage, "write the image that was pushed, such as ghcr.io/acme/app@${{ steps.build.outputs.digest }}; a step that is not to sign has no sign", "%q is no image, and this input has the images to sign", a)
			}
			return usagef(signedImage, "join it to its flag, as in --tlog-upload=false", "%q is a flag's value, not a reference", a)
		}
		if strings.HasSuffix(a, "@") {
			if s.flags.step {
				return usagef(signedImage, "see what the expression behind @ gives: a step with that id must have run before in this job, and have that output", "%q has no digest behind its @", a)
			}
			return usagef(signedImage, "write the digest behind it, sha256:…, as the build or the push printed it; is a variable not set?", "%q has no digest behind its @", a)
		}
		if isList(a) {
			return usagef(signedImage, "give each image as an argument of its own, or in the Action on a line of its own", "%q is a list, not a reference", a)
		}
		ref, err := image.Parse(a)
		if err != nil {
			return usagef(signedImage, next, "%w", err)
		}
		if ref.Digest() == "" && !s.flags.tags {
			if s.flags.step {
				return usagef(signedImage, "write "+ref.Name()+":"+ref.Tag()+"@ and the digest that the build put out, such as ${{ steps.build.outputs.digest }}; or sign-tags: true", "%s names a tag, and somebody may have moved it since the push", ref)
			}
			s.notices = append(s.notices, fmt.Sprintf("%s is a tag: what it names now is signed; name the digest that was pushed, as %s:%s@sha256:…, or write --sign-tags", ref, ref.Name(), ref.Tag()))
		}
		if _, err := image.ParseRepository(a); err == nil {
			s.untagged[ref.String()] = true
		}
		if !seen[ref.String()] {
			seen[ref.String()] = true
			s.refs = append(s.refs, ref)
		}
	}
	return nil
}

// readOrder reads what is to be made.
func (s *signing) readOrder() error {
	f := &s.flags
	s.order = sign.Order{Recursive: f.recursive, Force: f.force}
	for _, text := range f.formats {
		format, err := s.system.format(text)
		if err != nil {
			return err
		}
		if !slices.Contains(s.order.Formats, format) {
			s.order.Formats = append(s.order.Formats, format)
		}
	}
	if len(f.formats) == 0 && !f.attestOnly {
		s.order.Formats = s.system.formats[:1]
	}
	signed := map[string]string{}
	if err := pairs("--annotation", f.annotations, signed, false); err != nil {
		return err
	}
	if err := pairs("--user-metadata", f.notation.metadata, signed, false); err != nil {
		return err
	}
	if len(signed) > 0 {
		s.order.Annotations = signed
	}
	for _, text := range f.annotations {
		if regexp.MustCompile(twoAnnotations).MatchString(text) {
			s.notices = append(s.notices, fmt.Sprintf("%q is one annotation, and the comma a part of its value: if two were meant, as cosign takes them, give each by itself", text))
		}
	}
	for _, text := range f.attest {
		made, err := s.command.readPredicate(text)
		if err != nil {
			return err
		}
		s.order.Attestations = append(s.order.Attestations, made)
	}
	if name := s.command.getenv(repositoryVariable); name != "" && f.repository == "" && s.system.name == sigstore.System {
		s.notices = append(s.notices, fmt.Sprintf("%s is set and not read: the signatures are stored beside the image; to have them there write --signature-repository", repositoryVariable))
	}
	if f.repository != "" {
		var err error
		if s.where, err = image.ParseRepository(f.repository); err != nil {
			return usagef("--signature-repository", "write registry/repository, without tag and digest", "%w", err)
		}
	}
	return nil
}

// twoAnnotations matches what cosign reads as several annotations.
const twoAnnotations = `^[^=]+=[^=]*,[^=,\s]+=`

// pairs reads the uses of a flag, each KEY=VALUE, into all. What is secret is not
// quoted.
func pairs(flag string, texts []string, all map[string]string, secret bool) error {
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		shown := fmt.Sprintf("%q", text)
		if secret {
			shown = "what it says"
		}
		if !ok || key == "" {
			return usagef(flag, "write KEY=VALUE", "%s is no KEY=VALUE", shown)
		}
		if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			return usagef(flag, "write it as UTF-8, on one line", "%s is not text", shown)
		}
		if _, twice := all[key]; twice {
			return usagef(flag, "write it once", "%q is given twice", key)
		}
		all[key] = value
	}
	return nil
}

// maxPredicate bounds a predicate's file, in bytes, a little above what package
// predicate takes: it knows better what to say.
const maxPredicate = 17 << 20

// readPredicate reads one use of --attest.
func (c Command) readPredicate(text string) (sign.Statement, error) {
	cut := strings.Index(text, "=")
	if scheme := strings.Index(text, "://"); scheme >= 0 && scheme < cut {
		cut = strings.LastIndex(text, "=") // an address may have others
	}
	if cut <= 0 || cut == len(text)-1 {
		return sign.Statement{}, usagef("--attest", "write TYPE=FILE, such as spdx=sbom.spdx.json", "%q is no TYPE=FILE", text)
	}
	name, file := text[:cut], text[cut+1:]
	uri, err := predicate.Type(name)
	if err != nil {
		return sign.Statement{}, usagef("--attest", "write one of cosign's short names, such as spdx or slsaprovenance1, or the URI of the type", "%w", err)
	}
	body, err := readBounded(c.path(file), maxPredicate)
	if err != nil {
		return sign.Statement{}, usagef("--attest", "name the file that has the predicate", "%w", err)
	}
	checked, err := predicate.Check(uri, body)
	if err != nil {
		return sign.Statement{}, usagef("--attest "+text, hintOf(err, "give the predicate itself, in JSON, and the type that it has"), "%w", bare(err))
	}
	return sign.Statement{Type: uri, Predicate: checked}, nil
}
