package cli

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/verify/sigstore"
)

// signerFlags say who must have signed.
type signerFlags struct {
	subjects, issuers []pattern // in the order they were written
	claims            map[string]*string
	keys              []string
	ignoreLog         bool
}

// A pattern is one use of an identity or issuer flag.
type pattern struct {
	flag, text string
	regexp     bool
}

func (p pattern) matcher() (sigstore.Matcher, error) {
	parse := sigstore.Pattern
	if p.regexp {
		parse = sigstore.Regexp
	}
	m, err := parse(p.text)
	if err != nil {
		next := "write the whole value, such as " + example(p.flag)
		if p.regexp {
			next = "write an RE2 expression for the whole value (it is anchored for you), such as " + example(p.flag)
		}
		return m, usagef("--"+p.flag, next, "%w", err)
	}
	return m, nil
}

func example(flag string) string {
	switch flag {
	case "certificate-identity":
		return "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main"
	case "certificate-identity-regexp":
		return `https://github\.com/acme/app/\.github/workflows/release\.yml@refs/tags/v[0-9.]+`
	case "certificate-oidc-issuer":
		return "https://token.actions.githubusercontent.com"
	}
	return `https://token\.actions\.githubusercontent\.com`
}

// A patternValue appends to a list that several flags share, so that the order
// among them is kept.
type patternValue struct {
	flag   string
	regexp bool
	list   *[]pattern
}

func (v patternValue) String() string { return "" }
func (v patternValue) Type() string   { return "string" }
func (v patternValue) Set(s string) error {
	*v.list = append(*v.list, pattern{v.flag, s, v.regexp})
	return nil
}

func (s *signerFlags) register(f *pflag.FlagSet) {
	for _, x := range []struct {
		flag, usage string
		regexp      bool
		list        *[]pattern
	}{
		{"certificate-identity", "`SUBJECT` the signing certificate must have; * stands for anything but /, ** for anything; repeatable, any of them passes", false, &s.subjects},
		{"certificate-identity-regexp", "RE2 `EXPRESSION` for the whole subject; repeatable", true, &s.subjects},
		{"certificate-oidc-issuer", "`ISSUER` that must vouch for the identity: one for all identities, or one for each in the same order", false, &s.issuers},
		{"certificate-oidc-issuer-regexp", "RE2 `EXPRESSION` for the whole issuer", true, &s.issuers},
	} {
		f.Var(patternValue{x.flag, x.regexp, x.list}, x.flag, x.usage)
	}
	s.claims = map[string]*string{}
	for _, name := range []string{"repository", "ref", "sha", "name", "trigger"} {
		s.claims["github-workflow-"+name] = f.String("certificate-github-workflow-"+name, "", "GitHub workflow "+name+" that the certificate must carry, for every identity")
	}
	f.StringArrayVar(&s.keys, "key", nil, "public key in PEM: a `FILE`, env://NAME, or the text itself; repeatable, any of them passes")
	f.BoolVar(&s.ignoreLog, "insecure-ignore-tlog", false, "accept a key's signature without a transparency log entry (keys only)")
}

// given returns a flag that names a signer, or begins to; "" if none does.
func (s *signerFlags) given() string {
	switch {
	case len(s.subjects) > 0:
		return "--" + s.subjects[0].flag
	case len(s.issuers) > 0:
		return "--" + s.issuers[0].flag
	case len(s.keys) > 0:
		return "--key"
	}
	for _, name := range slices.Sorted(maps.Keys(s.claims)) {
		if *s.claims[name] != "" {
			return "--certificate-" + name
		}
	}
	return ""
}

// issuerFor suggests an issuer for a subject.
func issuerFor(subject string) string {
	if strings.Contains(subject, "@") && !strings.Contains(subject, "://") {
		return "https://accounts.google.com or https://github.com/login/oauth"
	}
	return "https://token.actions.githubusercontent.com"
}

// identities pairs subjects with issuers.
func (s *signerFlags) identities() ([]sigstore.Identity, error) {
	switch {
	case len(s.subjects) == 0 && len(s.issuers) > 0:
		return nil, usagef("--"+s.issuers[0].flag, "add --certificate-identity: an issuer alone would accept all its users", "there is no identity to go with it")
	case len(s.subjects) > 0 && len(s.issuers) == 0:
		return nil, usagef("--"+s.subjects[0].flag, "add --certificate-oidc-issuer, such as "+issuerFor(s.subjects[0].text), "there is no issuer to go with it: anybody who runs one could claim this name")
	case len(s.issuers) > 1 && len(s.issuers) != len(s.subjects):
		return nil, usagef("--"+s.issuers[0].flag, "give one issuer for all identities, or one for each, in the same order", "there are %d issuers for %d identities", len(s.issuers), len(s.subjects))
	}
	claims := map[string]string{}
	for name, value := range s.claims {
		if *value != "" {
			claims[name] = *value
		}
	}
	if len(claims) > 0 && len(s.subjects) == 0 {
		return nil, usagef("--certificate-github-workflow-*", "add --certificate-identity and --certificate-oidc-issuer", "workflow claims only narrow an identity, and there is none")
	}
	var ids []sigstore.Identity
	for i, subject := range s.subjects {
		issuer := s.issuers[0]
		if len(s.issuers) > 1 {
			issuer = s.issuers[i]
		}
		sm, err := subject.matcher()
		if err != nil {
			return nil, err
		}
		im, err := issuer.matcher()
		if err != nil {
			return nil, err
		}
		id, err := sigstore.NewIdentity(sm, im, claims)
		if err != nil {
			return nil, usagef("--"+subject.flag, "", "%w", err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// pemBegin is how a key that is given itself, instead of its place, begins.
const pemBegin = "-----BEGIN "

func (s *signerFlags) publicKeys(getenv func(string) string) ([]sigstore.Key, error) {
	const next = "give the public key, as cosign.pub has it: a PEM file, or env://NAME for a variable that holds the PEM text"
	asWritten := func(name string) string { return name }
	var keys []sigstore.Key
	for _, name := range s.keys {
		text, err := textFlag{
			name: "--key", next: next,
			fetched: "download the key once, see that it is the right one, and keep it with the project",
			why:     "a key is not fetched: whoever answers there could exchange it",
			other:   "export the public key, as in: cosign public-key --key " + publicPart(name) + " > cosign.pub",
		}.read(getenv, asWritten, name)
		if err != nil {
			return nil, err
		}
		flag, title := "--key "+name, name
		if strings.HasPrefix(name, pemBegin) {
			flag, title = "--key", "given as PEM"
		}
		k, err := sigstore.ParseKey(title, text)
		if err != nil {
			return nil, usagef(flag, next, "%w", err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}
