package kubernetes

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/internal/yamlnode"
)

// An override is an entry of a kustomization's images.
type override struct {
	name    string
	pattern *regexp.Regexp // where name is more than a name
	// What it sets; the zero Scalar for what it does not.
	newName, newTag, digest, tagSuffix yamlnode.Scalar
}

// maxPattern bounds the name in an override, in bytes.
const maxPattern = 512

// newOverride reads an entry of images. The error is about the scalar that is
// returned with it, or about the whole entry.
func newOverride(f *yamlnode.File, n *yaml.Node) (override, yamlnode.Scalar, error) {
	var o override
	var name yamlnode.Scalar
	for _, field := range []struct {
		key string
		to  *yamlnode.Scalar
	}{{"name", &name}, {"newName", &o.newName}, {"newTag", &o.newTag}, {"digest", &o.digest}, {"tagSuffix", &o.tagSuffix}} {
		value := yamlnode.Find(n, field.key)
		if yamlnode.IsNull(value) {
			continue
		}
		text, ok := f.Scalar(value)
		if !ok {
			return o, yamlnode.Scalar{At: f.At(value)}, errors.New(field.key + " is no string")
		}
		if err := unambiguous(value); err != nil {
			return o, text, fmt.Errorf("%s: %w", field.key, err)
		}
		if len(text.Value) > maxReference {
			return o, text, fmt.Errorf("%s: %w", field.key, errLong)
		}
		*field.to = text
	}
	if name.Value == "" {
		return o, yamlnode.Scalar{At: f.At(n)}, errors.New("an override of images without a name")
	}
	if len(name.Value) > maxPattern {
		return o, name, fmt.Errorf("a name of more than %d characters", maxPattern)
	}
	if o.name = name.Value; plainName().MatchString(o.name) {
		return o, name, nil
	}
	pattern, err := regexp.Compile(`^` + o.name + tagAndDigest)
	if err != nil {
		return o, name, fmt.Errorf("kustomize reads the name as a regular expression: %w", err)
	}
	o.pattern = pattern
	return o, name, nil
}

// tagAndDigest is what may stand behind a name, as kustomize has it.
const tagAndDigest = `(:[a-zA-Z0-9_.{}-]*)?(@sha256:[a-zA-Z0-9_.{}-]*)?$`

var (
	plainName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9_./:@-]*$`) })
	behind    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^` + tagAndDigest) })
)

// matches reports whether a reference is of the name, which kustomize takes for
// the beginning of a regular expression: "." is any character.
func (o override) matches(ref string) bool {
	if o.pattern != nil {
		return o.pattern.MatchString(ref)
	}
	for i := range len(o.name) {
		r, w := utf8.DecodeRuneInString(ref)
		if w == 0 || rune(o.name[i]) != r && (o.name[i] != '.' || r == '\n') {
			return false
		}
		ref = ref[w:]
	}
	return behind().MatchString(ref)
}

// cost is what it takes to try the override on so many slots.
func (o override) cost(slots int) int {
	if o.pattern != nil {
		return costPattern + 64*slots
	}
	if o.tagSuffix.Value != "" { // it can double them
		return 16 + 4*costSlot*slots
	}
	return 16 + slots
}

// unambiguous refuses a plain scalar that kustomize reads as a number or a
// truth value and writes in another way: 1.10 would become 1.1.
func unambiguous(n *yaml.Node) error {
	s, same := n.Value, n.Value
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	switch {
	case n.Style&quoted != 0:
	case n.Tag == "!!float":
		if f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64); err == nil {
			same = strconv.FormatFloat(f, 'g', -1, 64)
		} else {
			same = ""
		}
	case n.Tag == "!!int":
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			same = strconv.FormatInt(i, 10)
		} else {
			same = ""
		}
	case n.Tag == "!!bool", slices.Contains([]string{"y", "n", "yes", "no", "on", "off"}, strings.ToLower(s)):
		if s != "true" && s != "false" {
			same = ""
		}
	}
	if s != same {
		return fmt.Errorf("%s is no string for kustomize: write quotes around it", s)
	}
	return nil
}

// apply returns s as the override leaves it. The text that decides is the one
// of the override that says most: digest, tag, name.
func (o override) apply(s slot) slot {
	if s.err != nil || s.kind == fixed || !o.matches(s.ref) {
		return s
	}
	s.decided, s.byDigest = true, o.digest.Value != ""
	name, tag, digest := split(s.ref)
	if o.newName.Value != "" {
		name = o.newName.Value
		s.text = o.newName
	}
	switch {
	case o.digest.Value != "":
		tag, digest = o.newTag.Value, o.digest.Value
		s.text = o.digest
	case o.newTag.Value != "":
		tag, digest = o.newTag.Value, ""
		s.text = o.newTag
	case o.tagSuffix.Value != "":
		tag, digest = tag+o.tagSuffix.Value, ""
		s.text = o.tagSuffix
	}
	s.ref = name
	if tag != "" {
		s.ref += ":" + tag
	}
	if digest != "" {
		s.ref += "@" + digest
	}
	if len(s.ref) > maxReference { // no more: suffixes could make it as long as they like
		s.err = errLong
	}
	return s
}

// split takes a reference apart as kustomize does.
func split(ref string) (name, tag, digest string) {
	name, digest, _ = strings.Cut(ref, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name, tag = name[:i], name[i+1:]
	}
	return name, tag, digest
}
