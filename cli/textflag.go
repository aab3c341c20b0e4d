package cli

import (
	"cmp"
	"crypto/x509"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/verify"
)

// A textFlag is a flag that a text in PEM is given with: the text itself,
// env://NAME for a variable that has it, or a file.
type textFlag struct {
	name, next     string
	fetched, other string // what to do about an address, and about one of another scheme
	why            string // an address is not fetched
}

// read returns the text of one value of the flag. Path finds a file.
func (f textFlag) read(getenv, path func(string) string, value string) ([]byte, error) {
	if value == "" {
		return nil, usagef(f.name, f.next, "it is empty; is a variable not set?")
	}
	if strings.HasPrefix(value, pemBegin) {
		return []byte(value), nil
	}
	scheme, _, address := strings.Cut(value, "://")
	switch {
	case address && (scheme == "https" || scheme == "http"):
		return nil, usagef(f.name+" "+value, f.fetched, "%s", f.why)
	case address && scheme != "env":
		return nil, usagef(f.name+" "+publicPart(value), f.other, "key services and addresses are not asked")
	case address:
		variable := strings.TrimPrefix(value, "env://")
		text := getenv(variable)
		if text == "" {
			return nil, usagef(f.name+" "+value, f.next, "the variable %s is empty or not set", variable)
		}
		return []byte(text), nil
	}
	text, err := readBounded(path(value), maxText)
	switch {
	case err == nil:
		return text, nil
	case errors.Is(err, fs.ErrNotExist) && nameable(value):
		return nil, usagef(f.name, "name a PEM file as it is found from the working directory; in CI, check out the repository before this step", "%w", err)
	}
	return nil, usagef(f.name, f.next, "%w", unread(value, err))
}

// each gives take the texts of all values of the flag, each with a title for
// messages. Its error is bad input.
func (f textFlag) each(c Command, values []string, take func(title string, text []byte) error) error {
	for _, value := range values {
		text, err := f.read(c.getenv, c.path, value)
		if err != nil {
			return err
		}
		title := value
		if strings.HasPrefix(value, pemBegin) {
			title = "the text"
		}
		if err := take(title, text); err != nil {
			return usagef(f.name, cmp.Or(verify.Hint(err), f.next), "%w", err)
		}
	}
	return nil
}

// certificatesOf returns the certificates that a flag names, each once.
func certificatesOf(c Command, flag string, names []string, parse func(string, []byte) ([]*x509.Certificate, error)) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	err := textFlag{
		name: flag, next: "give the certificate: a PEM or DER file, or env://NAME for a variable that holds the PEM text",
		fetched: "download the certificate once, see that it is the right one, and keep it with the project",
		why:     "a certificate is not fetched: whoever answers there could exchange it",
		other:   "export the certificate to a file",
	}.each(c, names, func(title string, text []byte) error {
		certs, err := parse(title, text)
		for _, cert := range certs {
			if !slices.ContainsFunc(all, cert.Equal) {
				all = append(all, cert)
			}
		}
		return err
	})
	return all, err
}

// filesOf returns the paths of the files among values of such flags.
func filesOf(c Command, values []string) []string {
	var all []string
	for _, value := range values {
		if value != "" && !strings.HasPrefix(value, pemBegin) && !written(value) {
			all = append(all, c.path(value))
		}
	}
	return all
}
