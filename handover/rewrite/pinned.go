package rewrite

import (
	"strings"

	"github.com/boltseal/boltseal/image"
)

// pinned returns what is to stand where u's literal stands: the repository as it
// is spelled there, the tag, and the digest; or only that where there was no
// more.
func pinned(u image.Use, digest string) string {
	if image.ValidDigest(u.Literal.Text) { // of a kustomization
		return digest
	}
	name, _, _ := strings.Cut(u.Literal.Text, "@")
	if tag := u.Ref.Tag(); tag != "" && !strings.HasSuffix(name, ":"+tag) {
		name += ":" + tag
	}
	return name + "@" + digest
}

// reads reports whether the old text is the reference of u, and the new one that
// with the digest.
func reads(text string, u image.Use, digest string) bool {
	if image.ValidDigest(u.Literal.Text) {
		return u.Literal.Text == u.Ref.Digest() && text == digest
	}
	old, err := image.Parse(u.Literal.Text)
	if err != nil || old != u.Ref {
		return false
	}
	ref, err := image.Parse(text)
	return err == nil && ref.Name() == u.Ref.Name() && ref.Tag() == u.Ref.Tag() && ref.Digest() == digest
}

// fits says why t is not to be written, whatever the file says.
func (t Target) fits() error {
	to := t.To.Pinned()
	use, ref := t.Use.Ref, to.Ref()
	switch {
	case t.Use.Err != nil:
		return t.Use.Err
	case to.Digest() == "":
		return errNotAdmitted
	case t.Use.At.File == "":
		return errNoFile
	case use.Name() != ref.Name() || use.Tag() != ref.Tag() || ref.Digest() != "" && ref.Digest() != use.Digest():
		return otherImage(ref)
	}
	return nil
}
