package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// What may be a secret where a name was asked for: people paste keys and tokens
// into flags and inputs, and none of it may come back in an error, a summary or a
// debug log.

// pemInBase64 is how the base64 of a PEM text begins, and pemAnywhere what is in
// all of the text.
const (
	pemInBase64 = "LS0tLS1CRUdJTi"
	privatePEM  = "PRIVATE KEY"
)

// private reports whether text has a private key, or a part of one, in any
// form that keys are kept in. A public key is no secret.
func private(text string) bool {
	switch {
	case strings.Contains(text, privatePEM), strings.Contains(text, pemInBase64):
		return true
	case strings.Contains(text, "PUBLIC KEY"):
		return false
	}
	for _, line := range secretLines(text) {
		if opaque(line) {
			return true
		}
	}
	return false
}

// nameable reports whether text may be quoted as the name of a file: it is one
// line of a length that names have, and nothing in it looks like a secret.
func nameable(text string) bool {
	const most = 255 // bytes, as file systems have it for one element
	return len(text) <= most && !strings.ContainsFunc(text, endsLine) && !strings.Contains(text, pemBegin) && !strings.HasPrefix(text, "{") &&
		!private(text) && !webToken().MatchString(text) && accessToken(text) == ""
}

// accessToken returns the prefix that makes text an access token of a forge, which
// is no identity token and as secret; "" if it is none.
func accessToken(text string) string {
	for _, prefix := range []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "glcbt-"} {
		if strings.HasPrefix(text, prefix) {
			return prefix
		}
	}
	return ""
}

// secretLines returns the lines of a text, and of one that was written on one line
// as JSON has it.
func secretLines(text string) []string {
	return strings.FieldsFunc(strings.NewReplacer(`\n`, "\n", `\r`, "\n").Replace(text), func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune(`"'`, r)
	})
}

// longRun is what names of files do not have, unless it is the sum of something:
// paths have slashes in between.
var longRun = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[A-Za-z0-9+]{40,}`) })

// opaque reports whether s looks like a secret, such as a key in base64, and not
// like a name: nobody has to see it in an error.
func opaque(s string) bool {
	const least = 64
	whole := len(s) >= least && !strings.HasPrefix(s, "/") && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-") == ""
	return whole || slices.ContainsFunc(longRun().FindAllString(s, -1), func(run string) bool {
		return strings.Trim(run, "0123456789abcdef") != ""
	})
}

// piece is a part of a secret that is long enough to be one.
var piece = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[A-Za-z0-9+/_-]{20,}={0,2}`) })

// pieces returns what of a key is to be masked besides its lines: a runner hides
// what it is given letter by letter, and others unquote a text before they show
// it.
func pieces(key string) []string {
	var all []string
	for _, line := range secretLines(key) {
		for _, p := range piece().FindAllString(line, -1) {
			if p != key {
				all = append(all, p)
			}
		}
	}
	return all
}

// unread is why a file could not be read, with its name if that may be shown.
func unread(name string, err error) error {
	if nameable(name) {
		return err
	}
	why := errors.New("too large")
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		why = p.Err
	}
	return fmt.Errorf("it is not the name of a file that can be read (%w), and it is not shown, since it may be a secret itself", why)
}

// publicKeyNames returns what names keys without what may be secret in the
// address of a key service.
func publicKeyNames(text string) string {
	named := strings.Split(text, "\n")
	for i, name := range named {
		if strings.Contains(name, "://") {
			named[i] = publicPart(name)
		}
	}
	return strings.Join(named, "\n")
}

// keysOnly returns lines of KEY=VALUE without the values.
func keysOnly(text string) string {
	var keys []string
	for _, line := range lines(text) {
		if key, _, ok := strings.Cut(line, "="); ok && nameable(key) {
			keys = append(keys, key+"=…")
		}
	}
	return strings.Join(keys, "\n")
}
