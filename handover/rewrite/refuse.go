package rewrite

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/verify"
)

// Why a place is not rewritten.
var (
	errNotAdmitted = errors.New("no run admitted an image for it")
	errNoFile      = errors.New("it is in no file")
	errReference   = errors.New("the text there is another reference")
	errOverride    = errors.New("a kustomization puts the reference together")
	errExpression  = errors.New("an expression makes it")
	errVariables   = errors.New("it is made of variables")
	errBuilt       = errors.New("a service that is built has this name, which cannot have a digest then")
	errContext     = errors.New("something else stands in for what is written there: a named context, say")
	errReplaced    = errors.New("a build puts a named context in its place, which would not apply to the name with a digest")
	errNotWhole    = errors.New("it is not written in one piece: there are escapes, or several texts decide it")
)

func otherImage(ref image.Ref) error {
	return fmt.Errorf("what was admitted is %s, another reference", ref)
}

func disagreement(a, b string) error {
	return fmt.Errorf("it would have to be both %s and %s", a, b)
}

func overlap(s *site) error {
	return fmt.Errorf("%s, at %s, is part of the same text", s.Old, place(s.At))
}

// twofold is the error of a place where another build finds another image: new
// text there might change that one.
func twofold(u image.Use) error {
	return fmt.Errorf("another build finds %s there, which cannot be rewritten", u.Ref)
}

// A hintedError says what to write.
type hintedError struct {
	error
	hint string
}

// indirect says why t has no literal.
func (p *planner) indirect(t Target) error {
	u := t.Use
	written, err := image.Parse(u.Text)
	switch base := path.Base(u.At.File); {
	case u.Kind == image.Pod && (strings.HasPrefix(base, "kustomization.") || base == "Kustomization"):
		return errOverride
	case strings.Contains(u.Text, "${{"):
		return errExpression
	case strings.ContainsRune(u.Text, '$'), identifier(u) != "":
		return errVariables
	case err == nil && u.Kind == image.ComposeImage && written == u.Ref && p.source(u.At.File).ends(u):
		return errBuilt
	case err == nil && written != u.Ref:
		return errContext
	}
	return errNotWhole
}

// identifier returns the name that u's text is in HCL; "" where it is none.
func identifier(u image.Use) string {
	if !strings.HasSuffix(u.At.File, ".hcl") || !variableName().MatchString(u.Text) {
		return ""
	}
	return u.Text
}

// firstVariable returns the first variable in u's text, "" where there is none.
func firstVariable(u image.Use) string {
	if m := firstName().FindStringSubmatch(u.Text); m != nil {
		return m[1]
	}
	return identifier(u)
}

// declare says in errors about variables where the first of them has its value.
func (p *planner) declare(targets []Target, errs []error) {
	unsaid := map[int]string{}            // the variables
	names := map[string]map[string]bool{} // the same, by file
	for i, t := range targets {
		file, name := t.Use.At.File, firstVariable(t.Use)
		if name == "" || !errors.Is(errs[i], errVariables) {
			continue
		}
		if names[file] == nil {
			names[file] = map[string]bool{}
		}
		unsaid[i], names[file][name] = name, true
	}
	lines := map[string]map[string][]int{}
	for file, asked := range names {
		lines[file] = p.source(file).mentions(asked)
	}
	for i, name := range unsaid {
		file := targets[i].Use.At.File
		for _, n := range lines[file][name] {
			if m := declaration().FindStringSubmatch(p.source(file).line(n)); m != nil && (m[1] == "" || m[1] == name) {
				errs[i] = hintedError{
					fmt.Errorf("%w: the first of them is %s, which line %d declares", errVariables, name, n),
					fmt.Sprintf("write %s in place of the variables, or give them another value there and in what else sets them", targets[i].whole()),
				}
				break
			}
		}
	}
}

// whole returns the reference that t asks for, with all defaults.
func (t Target) whole() string {
	whole := t.Use.Ref.Name()
	if tag := t.Use.Ref.Tag(); tag != "" {
		whole += ":" + tag
	}
	return whole + "@" + t.To.Pinned().Digest()
}

// refusal returns why, with what to write instead.
func (t Target) refusal(why error) error {
	e := &verify.Error{Op: "pin " + t.Use.Ref.String(), Err: why}
	if t.Use.Ref.IsZero() {
		e.Op = "pin an image"
	}
	hinted := hintedError{}
	switch {
	case errors.As(why, &hinted):
		e.Err, e.Hint = hinted.error, hinted.hint
	case t.Use.Err != nil:
		e.Hint = "write a reference there that can be read without a build"
	case t.To.Pinned().Digest() == "":
		e.Hint = "verify it first: only what a run admitted is written"
	case errors.Is(why, errMoved):
		e.Hint = "run it again"
	case errors.Is(why, errOverride):
		e.Hint = fmt.Sprintf("add digest: %s to the entry of images at %s", t.To.Pinned().Digest(), place(t.Use.At))
	case errors.Is(why, errBuilt):
		e.Hint = "set pull_policy: build for what is built, or give it a name of its own"
	case errors.Is(why, errExpression) && strings.Contains(t.Use.Text, "matrix"):
		e.Hint = "write " + t.whole() + " where the matrix has it"
	case errors.Is(why, errReplaced):
		e.Hint = fmt.Sprintf("write %s there and call the context so, too, if builds without the context have to be pinned", t.whole())
	case errors.Is(why, errNoFile), errors.Is(why, errContext):
		e.Hint = "write " + t.whole() + " where that is said"
	default:
		e.Hint = "write " + t.whole() + " there yourself"
	}
	return e
}

func place(at image.Position) string { return fmt.Sprintf("%s:%d:%d", at.File, at.Line, at.Col) }

var (
	variableName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`) })
	firstName    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)`) })
	// declaration matches a line that gives a variable its value: in a
	// Dockerfile, which may declare several, or in a bake file.
	declaration = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^\s*(?:(?i:ARG)\s|(?:variable\s+)?"([A-Za-z0-9_]+)"\s*[:{])`)
	})
)
