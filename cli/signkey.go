package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"sync"

	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/action"
	"github.com/boltseal/boltseal/registry"
	maker "github.com/boltseal/boltseal/sign/sigstore"
	"github.com/boltseal/boltseal/verify"
)

// Variables of the environment.
const (
	tokenVariable    = "SIGSTORE_ID_TOKEN" //nolint:gosec // the name; as cosign has it, and GitLab's documentation
	passwordVariable = "COSIGN_PASSWORD"
	keyVariable      = "COSIGN_PRIVATE_KEY" // as cosign generate-key-pair leaves it with CI systems
)

// defaultAudience is for whom tokens are: Fulcio, as all its clients call it.
const defaultAudience = "sigstore"

// maxToken bounds an identity token, in bytes; real ones have about 2,000.
const maxToken = 64 << 10

// signerChoice are the flags that say who signs.
type signerChoice struct {
	key, token, audience string
	ifPossible           bool

	// What the Action was given in inputs, which is no name of anything.
	tokenText, password string
	passwordName        string // of what the password is given in; "" for its variable
}

func (s *signerChoice) register(f *pflag.FlagSet) {
	f.StringVar(&s.key, "key", "", "private key instead of an identity: a `FILE` (cosign.key or PEM), env://NAME, or NAME://… of a key service whose plugin sigstore-kms-NAME is installed")
	f.StringVar(&s.token, "identity-token", "", "`FILE` or env://NAME that holds an OpenID Connect token (default: that of SIGSTORE_ID_TOKEN, or of the GitHub runner)")
	f.StringVar(&s.audience, "oidc-client-id", defaultAudience, "`AUDIENCE` that the token has to be for")
	f.BoolVar(&s.ifPossible, "sign-if-possible", false, "exit 0 with a notice, and sign nothing, in a pull request from a fork, which gets no token")
}

// credentials are what a run signs with: a key, a key service or a token.
type credentials struct {
	key     *maker.Key
	service string // URI of a key service
	token   func(context.Context) (maker.Token, error)
}

// noForkToken is why a pull request from a fork cannot be signed in.
const noForkToken = "a pull request from a fork gets no identity token"

// excused says why there is nothing to sign with, and nobody minds; "" where there is
// something, or somebody does. Nothing but the gate is looked at then: a fork has no
// secrets and pushes nothing, so that there may be no digest, no password and no scan
// report.
func (s *signerChoice) excused(c Command) string {
	runner := action.New(nil, c.getenv)
	given := s.key != "" || s.token != "" || s.tokenText != "" || c.getenv(tokenVariable) != "" || c.getenv(keyVariable) != "" || runner.GivesIDToken()
	if !s.ifPossible || given || !runner.Running() || !fromFork(c) {
		return ""
	}
	return noForkToken
}

// read finds who signs. It asks nobody.
func (s *signerChoice) read(c Command, upload bool) (credentials, error) {
	switch {
	case s.key != "" && (s.token != "" || s.tokenText != ""):
		return credentials{}, usagef("--key", "leave one of --key and --identity-token out", "a signature is made by a key, or by an identity")
	case s.key != "":
		return s.readKey(c)
	case !upload:
		return credentials{}, usagef("--tlog-upload", "leave it out, or sign with --key", "without the log nothing shows that a keyless signature was made while its certificate was valid")
	}
	name, text, err := s.readToken(c)
	if err != nil {
		return credentials{}, err
	}
	if name == "" {
		return s.runnerToken(c)
	}
	parse := func(context.Context) (maker.Token, error) {
		token, err := maker.ParseToken(text, s.audience, c.now())
		if err != nil {
			return token, &verify.Error{Op: "read the identity token", Err: err, Hint: verify.Hint(err)}
		}
		return token, nil
	}
	if _, err := maker.ParseToken(text, s.audience, c.now()); err != nil {
		return credentials{}, usagef(name, hintOf(err, "get a new token for the audience "+s.audience+" just before this command"), "%w", bare(err))
	}
	return credentials{token: parse}, nil
}

// webToken is the shape of an OpenID Connect token: a JSON Web Token whose header
// is an object.
var webToken = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.?`)
})

// readToken returns the token that the user or the environment names, and where
// it comes from; no name where there is none.
func (s *signerChoice) readToken(c Command) (name, text string, err error) {
	const flag = "--identity-token"
	const next = "name a file that has the token, or env://NAME for a variable that has it"
	switch variable, inEnv := strings.CutPrefix(s.token, "env://"); {
	case s.tokenText != "":
		return flag, s.tokenText, nil
	case s.token == "":
		if text := strings.TrimSpace(c.getenv(tokenVariable)); text != "" {
			return tokenVariable, text, nil
		}
		return "", "", nil
	case webToken().MatchString(s.token): // not quoted: it is a secret
		return "", "", usagef(flag, next, "it looks like the token itself, which everybody on this machine could read on a command line")
	case accessToken(s.token) != "":
		return "", "", usagef(flag, next, "it is an access token (%s…), not an identity token", accessToken(s.token))
	case inEnv && !isVariable(variable):
		return "", "", usagef(flag, next, "what follows env:// is no name of a variable")
	case inEnv:
		text := strings.TrimSpace(c.getenv(variable))
		if text == "" {
			return "", "", usagef(flag+" "+s.token, next, "the variable %s is empty or not set", variable)
		}
		return flag + " " + s.token, text, nil
	}
	body, err := readBounded(c.path(s.token), maxToken)
	if err != nil && opaque(s.token) {
		return "", "", usagef(flag, next, "it looks like a secret itself, and not like the name of a file")
	}
	if err != nil {
		return "", "", usagef(flag, next, "%w", unread(s.token, err))
	}
	return flag + " " + s.token, strings.TrimSpace(string(body)), nil
}

// runnerToken returns the credentials of a job of GitHub.
func (s *signerChoice) runnerToken(c Command) (credentials, error) {
	// Without a log: what a runner reads there as a command may be a file here,
	// and the mask of a secret is the secret.
	runner := action.New(nil, c.getenv)
	runner.Proxy, runner.Sleep = c.proxy(), c.Sleep
	const flag = "--identity-token"
	switch {
	case runner.GivesIDToken():
		return credentials{token: func(ctx context.Context) (maker.Token, error) { return s.ask(ctx, c, runner) }}, nil
	case c.getenv(keyVariable) != "":
		return credentials{}, usagef("--key", "write --key env://"+keyVariable+" to sign with the key in that variable", "nothing says who signs: there is no identity token")
	case !runner.Running():
		return credentials{}, usagef(flag, "name a token with --identity-token or "+tokenVariable+" (on GitLab: id_tokens: "+tokenVariable+": aud: "+s.audience+"), or sign with --key", "nothing says who signs: there is no identity token")
	case !fromFork(c):
		return credentials{}, usagef(flag, "give the job `permissions: id-token: write`, or sign with --key", "the runner gives this job no identity token")
	}
	return credentials{}, usagef(flag, "sign where it is merged; or write --sign-if-possible, to go on without a signature", noForkToken)
}

// ask gets a token from the runner.
func (s *signerChoice) ask(ctx context.Context, c Command, runner *action.Runner) (maker.Token, error) {
	text, err := runner.IDToken(ctx, s.audience)
	if err != nil {
		e := &verify.Error{Op: "sign keyless", Err: err, Hint: "run the job again; https://www.githubstatus.com tells of outages of GitHub's token service"}
		if s := (*action.StatusError)(nil); errors.As(err, &s) && s.Refused() {
			e.Err = fmt.Errorf("%w: %w", registry.ErrDenied, err)
			e.Hint = "see that the job has `permissions: id-token: write` and still runs, as what it asks for tokens with ends with it"
		}
		return maker.Token{}, e
	}
	token, err := maker.ParseToken(text, s.audience, c.now())
	if err != nil {
		return maker.Token{}, &verify.Error{Op: "read the runner's identity token", Err: err, Hint: hintOf(err, "run the job again")}
	}
	return token, nil
}

// maxEvent bounds the file that tells of a workflow's event, in bytes. GitHub's
// have at most 25 MB.
const maxEvent = 26 << 20

// fromFork reports whether this is a workflow of a pull request from another
// repository. Where nothing can be read of it, it is none.
func fromFork(c Command) bool {
	if !strings.HasPrefix(c.getenv("GITHUB_EVENT_NAME"), "pull_request") {
		return false
	}
	body, err := readBounded(c.getenv("GITHUB_EVENT_PATH"), maxEvent)
	if err != nil {
		return false
	}
	type side struct {
		Repo *struct {
			Name string `json:"full_name"`
		} `json:"repo"`
	}
	var event struct {
		PullRequest *struct {
			Head, Base side
		} `json:"pull_request"`
	}
	if json.Unmarshal(body, &event) != nil || event.PullRequest == nil || event.PullRequest.Base.Repo == nil {
		return false
	}
	head := event.PullRequest.Head.Repo // null where the fork is gone
	return head == nil || !strings.EqualFold(head.Name, event.PullRequest.Base.Repo.Name)
}

// A givenKey is what --key gives: the text of a private key, or the address of a
// service that keeps it.
type givenKey struct {
	name, flag string // of the key, and what an error calls it
	text       []byte
	service    string // URI of a key service, "" where there is a text
}

// given reads --key; next is what to do where it gives none. A key is never
// quoted.
func (s *signerChoice) given(c Command, next string) (givenKey, error) {
	scheme, _, address := strings.Cut(s.key, "://")
	switch variable, inEnv := strings.CutPrefix(s.key, "env://"); {
	case strings.HasPrefix(strings.TrimSpace(s.key), pemBegin):
		return givenKey{name: "given as PEM", flag: "--key", text: []byte(strings.TrimSpace(s.key))}, nil
	case strings.Contains(s.key, privatePEM), strings.Contains(s.key, pemBegin): // none of these is quoted
		return givenKey{}, usagef("--key", "give the text as the file has it, from -----BEGIN on and without quotes; or put it into a variable and write env://NAME", "it has a key in it, and does not begin with one")
	case strings.Contains(s.key, pemInBase64):
		return givenKey{}, usagef("--key", "decode it first, as base64 -d does", "it looks like a key in base64")
	case strings.ContainsFunc(s.key, endsLine):
		return givenKey{}, usagef("--key", next, "it has several lines, and does not begin with %s", strings.TrimSpace(pemBegin))
	case inEnv && !isVariable(variable):
		return givenKey{}, usagef("--key", "write env:// and the name of the variable, such as env://"+keyVariable, "what follows env:// is no name of a variable")
	case inEnv || s.key == keyVariable && c.getenv(keyVariable) != "":
		k := givenKey{name: s.key, flag: "--key " + s.key, text: []byte(c.getenv(variable))}
		if len(k.text) == 0 {
			return givenKey{}, usagef(k.flag, next, "the variable %s is empty or not set", variable)
		}
		return k, nil
	case address && (scheme == "http" || scheme == "https"):
		return givenKey{}, usagef("--key", next, "a private key is not fetched from an address")
	case address:
		return givenKey{service: s.key}, nil
	case strings.HasPrefix(s.key, "pkcs11:"):
		return givenKey{}, usagef("--key", "name a key service whose plugin can use the token, NAME://…, or give another key", "it is a key on a hardware token, which is not read")
	}
	text, err := readBounded(c.path(s.key), maxText)
	if errors.Is(err, fs.ErrNotExist) && s.key == keyVariable {
		return givenKey{}, usagef("--key", next, "there is no file of that name, and the variable %s is empty or not set", keyVariable)
	}
	if errors.Is(err, fs.ErrNotExist) && nameable(s.key) {
		return givenKey{}, usagef("--key", "name the file as it is found from the working directory", "%w", err)
	}
	if err != nil {
		return givenKey{}, usagef("--key", next, "%w", unread(s.key, err))
	}
	return givenKey{name: s.key, flag: "--key " + s.key, text: text}, nil
}

// readKey reads --key.
func (s *signerChoice) readKey(c Command) (credentials, error) {
	const next = "give a private key: a file such as cosign.key, env://NAME for a variable that has its text, or NAME://… of a key service"
	given, err := s.given(c, next)
	if err != nil {
		return credentials{}, err
	}
	if given.service != "" {
		if err := maker.FindKMS(given.service); err != nil {
			return credentials{}, noService(given.service, err)
		}
		return credentials{service: given.service}, nil
	}
	where := cmp.Or(s.passwordName, passwordVariable)
	password := s.passwordOf(c)
	key, err := maker.ReadKey(given.name, given.text, password)
	switch {
	case errors.Is(err, maker.ErrNoPassword):
		return credentials{}, usagef(given.flag, "set "+where+" to its password", "%w", bare(err))
	case errors.Is(err, maker.ErrPassword):
		return credentials{}, usagef(given.flag, "set "+where+" to the password that the key was made with"+oddly(password), "%w", bare(err))
	case err != nil:
		return credentials{}, usagef(given.flag, hintOf(err, next), "%w", bare(err))
	}
	return credentials{key: key}, nil
}

// noService is about a key service that cannot be used as it is named.
func noService(uri string, err error) error {
	return usagef("--key "+publicPart(uri), hintOf(err, "see that the plugin of the key service is installed"), "%w", bare(err))
}

// oddly says what of a password that is wrong may not have been meant as a part of
// it, "" if nothing. It quotes none of it.
func oddly(password []byte) string {
	text := string(password)
	switch {
	case text == "":
		return "; the one that is there is empty"
	case strings.ContainsFunc(text, endsLine):
		return "; the one that is there has a line break, as from a file with CRLF, or from echo"
	case strings.TrimSpace(text) != text:
		return "; the one that is there has blanks around it"
	case len(text) > 1 && text[0] == text[len(text)-1] && strings.ContainsRune(`"'`, rune(text[0])):
		return "; the one that is there stands in quotes, which are a part of it"
	}
	return ""
}

// isVariable reports whether name is one that shells have for a variable, and no
// token.
func isVariable(name string) bool {
	return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(name) && nameable(name)
}

// passwordOf returns the password of the key, nil where none is given; one that
// is empty is one.
func (s *signerChoice) passwordOf(c Command) []byte {
	if s.password != "" {
		return []byte(s.password)
	}
	if value, ok := c.LookupEnv(passwordVariable); ok {
		return []byte(value)
	}
	return nil
}
