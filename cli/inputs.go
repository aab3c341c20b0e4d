package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/internal/spelling"
)

// How an input's text becomes flags.
type inputKind int

const (
	inputText     inputKind = iota // one value, for the flag of the same name
	inputLines                     // one value a line, each a use of the flag
	inputKeys                      // the same, and PEM blocks count as one line
	inputSwitch                    // true or false
	inputDocument                  // one value of any number of lines, as it is
	inputOwn                       // read by the step itself
)

// An input is one of action.yml.
type input struct {
	name string
	kind inputKind
}

// flag returns the name of the flag that i stands for: inputs with several
// values are called as those of docker/build-push-action.
func (i input) flag() string { return string(plurals(nil, i.name)) }

// actionInputs returns the inputs in the order of action.yml. Those that flags
// of boltseal verify stand for have the flag's name, or its plural.
func actionInputs() []input {
	return []input{
		{"images", inputOwn},
		{"files", inputLines},
		{"exclude", inputLines},
		{"target", inputLines},
		{"all-stages", inputSwitch},
		{"build-args", inputLines},
		{"build-contexts", inputLines},
		{"platforms", inputLines},
		{"profile", inputLines},
		{"implicit-images", inputLines},
		{"strict", inputSwitch},
		{"allow-empty", inputSwitch},
		{"policy", inputDocument},
		{"publishers", inputLines},
		{"lock", inputText},
		{"update-lock", inputSwitch},
		{"certificate-identity", inputLines},
		{"certificate-identity-regexp", inputLines},
		{"certificate-oidc-issuer", inputLines},
		{"certificate-oidc-issuer-regexp", inputLines},
		{"certificate-github-workflow-repository", inputText},
		{"certificate-github-workflow-ref", inputText},
		{"certificate-github-workflow-sha", inputText},
		{"certificate-github-workflow-name", inputText},
		{"certificate-github-workflow-trigger", inputText},
		{"key", inputKeys},
		{"insecure-ignore-tlog", inputSwitch},
		{"attestation-type", inputLines},
		{"require-signature", inputSwitch},
		{"signature-on", inputText},
		{"signature-repository", inputText},
		{"sigstore", inputText},
		{"trusted-root", inputText},
		{"tuf-mirror", inputText},
		{"tuf-root", inputText},
		{"cache-dir", inputText},
		{"registry-username", inputText},
		{"registry-password", inputOwn},
		{"registry-cacert", inputText},
		{"insecure-registry", inputLines},
		{"github-token", inputOwn},
		{"handover", inputOwn},
		{"mode", inputText},
		{"jobs", inputText},
		{"timeout", inputText},
		{"binary", inputOwn},
		{"download-base", inputOwn},
	}
}

// inputs are the step's inputs as they were written, by name.
type inputs map[string]string

// maxInputs bounds them all, in bytes; what an operating system passes to a
// process is less.
const maxInputs = 4 << 20

// parseInputs reads the JSON object that action.yml makes of all inputs. Unlike
// one variable for each, it shows those that action.yml does not know: the
// runner warns of them and goes on, but a misspelt certificate-identity must
// not be overlooked. Names are compared as the runner does, without case.
func parseInputs(text string) (inputs, error) {
	if len(text) > maxInputs {
		return nil, fmt.Errorf("they are larger than %d bytes", maxInputs)
	}
	var given map[string]string
	if err := json.Unmarshal([]byte(text), &given); err != nil {
		return nil, err
	}
	if given == nil {
		return nil, errors.New("they are null, not an object")
	}
	in := inputs{}
	for name, value := range given {
		lower := strings.ToLower(name)
		if !isInput(lower) {
			next := docs + "action.md lists the inputs; is this one misspelt, or does it belong to another version?"
			if near := nearest(lower); near != "" {
				next = "did you mean " + near + "? " + docs + "action.md lists the inputs"
			}
			return nil, usagef(name, next, "there is no such input")
		}
		if _, twice := in[lower]; twice {
			return nil, usagef(name, "write it once", "it is given twice, in upper and lower case")
		}
		in[lower] = value
	}
	return in, nil
}

// endsLine reports whether somebody who reads the workflow may see the line end
// at r. If only \n did, the rest of what looks like a comment's line could hide.
func endsLine(r rune) bool { return strings.ContainsRune("\n\r\v\f\u0085\u2028\u2029", r) }

// lines returns the values of a list: one a line, without empty lines and
// comments.
func lines(text string) []string {
	var out []string
	for line := range strings.FieldsFuncSeq(text, endsLine) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

// keyLines returns the same, with each PEM block as one value.
func keyLines(text string) []string {
	var out []string
	inside := false
	for _, line := range lines(text) {
		if inside {
			out[len(out)-1] += "\n" + line
		} else {
			out = append(out, line)
		}
		switch {
		case strings.HasPrefix(line, pemBegin):
			inside = true
		case strings.HasPrefix(line, "-----END "):
			inside = false
		}
	}
	return out
}

// set sets on f the flags that the inputs stand for.
func (in inputs) set(f *pflag.FlagSet) error {
	for _, i := range actionInputs() {
		var values []string
		switch text := in[i.name]; i.kind {
		case inputText:
			if text = strings.TrimSpace(text); strings.ContainsFunc(text, endsLine) {
				return usagef("--"+i.name, "write one value on one line", "it takes one value, and there are several lines")
			} else if text != "" {
				values = []string{text}
			}
		case inputLines:
			values = lines(text)
		case inputKeys:
			values = keyLines(text)
		case inputSwitch:
			value, err := yes(text)
			if err != nil {
				return usagef("--"+i.name, "write true or false", "%w", err)
			}
			values = []string{value}
		case inputDocument:
			switch {
			case strings.TrimSpace(text) != "":
				values = []string{text}
			case text != "": // an expression in it may have come to nothing
				return usagef("--"+i.name, "write it, or leave the input out", "it is there, and has nothing but blanks")
			}
		case inputOwn:
		}
		for _, v := range values {
			if err := f.Set(i.flag(), v); err != nil {
				next := map[string]string{"jobs": "write a number from 1 to 256", "timeout": "write a number and a unit, such as 90s or 3m"}[i.name]
				return usagef("--"+i.name, next, "%q cannot be read", v)
			}
		}
	}
	return in.paired()
}

// paired refuses lists whose order is not known: flags keep theirs on the
// command line, inputs with two names do not.
func (in inputs) paired() error {
	issuers := len(lines(in["certificate-oidc-issuer"])) + len(lines(in["certificate-oidc-issuer-regexp"]))
	for _, name := range []string{"certificate-identity", "certificate-oidc-issuer"} {
		if issuers > 1 && len(lines(in[name])) > 0 && len(lines(in[name+"-regexp"])) > 0 {
			return usagef("--"+name+"-regexp", "write them all as expressions, or use a step for each issuer", "with --%s and more than one issuer, nothing says which issuer goes with which identity", name)
		}
	}
	return nil
}

// yes reads a switch as YAML's core schema writes it.
func yes(text string) (string, error) {
	switch text = strings.TrimSpace(text); text {
	case "", "false", "False", "FALSE":
		return "false", nil
	case "true", "True", "TRUE":
		return "true", nil
	}
	return "", fmt.Errorf("%q is neither true nor false", text)
}

// flagName is a flag in a sentence, or a quotation, in which nothing is one.
var flagName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`"(?:[^"\\]|\\.)*"|--[a-z][a-z-]*[a-z]`) })

// asInput returns text that speaks of flags as the user of the Action knows
// them.
func asInput(text string) string {
	return flagName().ReplaceAllStringFunc(text, func(flag string) string {
		if in := inputName(flag); strings.HasPrefix(flag, "--") && isInput(in) {
			return in
		}
		return flag
	})
}

// inputName returns the input that a usageError's flag stands for, "" if it is
// about none.
func inputName(flag string) string {
	name, _, _ := strings.Cut(flag, " ")
	if name == "IMAGE" {
		return "images"
	}
	name, isFlag := strings.CutPrefix(name, "--")
	if !isFlag {
		return name
	}
	if name == "registry-password-stdin" {
		return "registry-password"
	}
	for _, i := range actionInputs() {
		if i.flag() == name {
			return i.name
		}
	}
	return name
}

func isInput(name string) bool {
	return slices.ContainsFunc(actionInputs(), func(i input) bool { return i.name == name })
}

// nearest returns the input that name is a slip of, "" if it looks like none.
func nearest(name string) string {
	var names []string
	for _, i := range actionInputs() {
		names = append(names, i.name)
	}
	return spelling.Nearest(name, names)
}
