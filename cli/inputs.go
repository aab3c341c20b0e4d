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

// A stepKind is what a step does: input sign makes it sign, and without it is a
// gate.
type stepKind int

const (
	gateStep stepKind = 1 << iota
	signStep
	anyStep = gateStep | signStep
)

// An input is one of action.yml.
type input struct {
	name string
	kind inputKind
	of   stepKind // that it says something to
}

// flag returns the name of the flag that i stands for: inputs with several
// values are called as those of docker/build-push-action.
func (i input) flag() string { return string(plurals(nil, i.name)) }

// actionInputs returns the inputs in the order of action.yml. Those that flags
// of boltseal verify or boltseal sign stand for have the flag's name, or its
// plural.
func actionInputs() []input {
	return []input{
		{"images", inputOwn, gateStep},
		{"files", inputLines, gateStep},
		{"exclude", inputLines, gateStep},
		{"target", inputLines, gateStep},
		{"all-stages", inputSwitch, gateStep},
		{"build-args", inputLines, gateStep},
		{"build-contexts", inputLines, gateStep},
		{"platforms", inputLines, gateStep},
		{"profile", inputLines, gateStep},
		{"implicit-images", inputLines, gateStep},
		{"strict", inputSwitch, gateStep},
		{"allow-empty", inputSwitch, gateStep},
		{"policy", inputDocument, gateStep},
		{"publishers", inputLines, gateStep},
		{"lock", inputText, gateStep},
		{"update-lock", inputSwitch, gateStep},
		{"certificate-identity", inputLines, gateStep},
		{"certificate-identity-regexp", inputLines, gateStep},
		{"certificate-oidc-issuer", inputLines, gateStep},
		{"certificate-oidc-issuer-regexp", inputLines, gateStep},
		{"certificate-github-workflow-repository", inputText, gateStep},
		{"certificate-github-workflow-ref", inputText, gateStep},
		{"certificate-github-workflow-sha", inputText, gateStep},
		{"certificate-github-workflow-name", inputText, gateStep},
		{"certificate-github-workflow-trigger", inputText, gateStep},
		{"key", inputKeys, anyStep},
		{"insecure-ignore-tlog", inputSwitch, gateStep},
		{"notation-certificate", inputKeys, gateStep},
		{"notation-identity", inputLines, gateStep},
		{"notation-tsa-certificate", inputKeys, gateStep},
		{"notation-timestamp", inputText, gateStep},
		{"notation-revocation", inputText, gateStep},
		{"notation-user-metadata", inputLines, gateStep},
		{"notation-max-signatures", inputText, gateStep},
		{"notation-trust-policy", inputDocument, gateStep},
		{"notation-trust-store", inputText, gateStep},
		{"dct-root-key-ids", inputLines, anyStep},
		{"dct-root-public-key", inputKeys, anyStep},
		{"dct-root-ca", inputKeys, anyStep},
		{"dct-signers", inputLines, gateStep},
		{"dct-tofu", inputSwitch, anyStep},
		{"dct-server", inputText, anyStep},
		{"dct-server-ca", inputKeys, anyStep},
		{"dct-cache-dir", inputText, anyStep},
		{"attestation-type", inputLines, gateStep},
		{"require-signature", inputSwitch, gateStep},
		{"signature-on", inputText, gateStep},
		{"signature-repository", inputText, anyStep},
		{"sigstore", inputText, anyStep},
		{"trusted-root", inputText, anyStep},
		{"tuf-mirror", inputText, anyStep},
		{"tuf-root", inputText, anyStep},
		{"cache-dir", inputText, anyStep},
		{"registry-username", inputText, anyStep},
		{"registry-password", inputOwn, anyStep},
		{"registry-cacert", inputText, anyStep},
		{"insecure-registry", inputLines, anyStep},
		{"github-token", inputOwn, anyStep},
		{"handover", inputOwn, gateStep},
		{"mode", inputText, gateStep},
		{"jobs", inputText, anyStep},
		{"timeout", inputText, anyStep},
		{"sign", inputOwn, signStep},
		{"sign-tags", inputSwitch, signStep},
		{"system", inputText, signStep},
		{"certificate-chain", inputDocument, signStep},
		{"plugin", inputText, signStep},
		{"plugin-sha256", inputText, signStep},
		{"key-id", inputText, signStep},
		{"plugin-config", inputLines, signStep},
		{"user-metadata", inputLines, signStep},
		{"expiry", inputText, signStep},
		{"timestamp-url", inputText, signStep},
		{"timestamp-root-cert", inputDocument, signStep},
		{"key-password", inputOwn, signStep},
		{"identity-token", inputOwn, signStep},
		{"oidc-client-id", inputText, signStep},
		{"sign-if-possible", inputSwitch, signStep},
		{"format", inputLines, signStep},
		{"recursive", inputSwitch, signStep},
		{"annotations", inputLines, signStep},
		{"attest", inputLines, signStep},
		{"attest-only", inputSwitch, signStep},
		{"require-gate", inputOwn, signStep},
		{"scan-report", inputLines, signStep},
		{"fail-on", inputText, signStep},
		{"ignore-unfixed", inputSwitch, signStep},
		{"scan-allow", inputLines, signStep},
		{"allow-empty-scan", inputSwitch, signStep},
		{"allow-partial-scan", inputSwitch, signStep},
		{"vsa", inputSwitch, signStep},
		{"force", inputSwitch, signStep},
		{"signing-config", inputText, signStep},
		{"tlog-upload", inputSwitch, signStep},
		{"bundle-dir", inputText, signStep},
		{"binary", inputOwn, anyStep},
		{"download-base", inputOwn, anyStep},
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
			return nil, usagef(name, insteadOf(lower, signs(text)), "there is no such input")
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

// set sets on f the flags that the inputs of a step of that kind stand for.
func (in inputs) set(f *pflag.FlagSet, kind stepKind) error {
	for _, i := range actionInputs() {
		if i.of&kind == 0 {
			continue
		}
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
			if strings.TrimSpace(text) != "" { // nothing is the flag's default
				values = []string{value}
			}
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
				next := map[string]string{"jobs": "write a number from 1 to 256", "notation-max-signatures": "write a number from 1 to 256", "timeout": "write a number and a unit, such as 90s or 3m"}[i.name]
				return usagef("--"+i.name, next, "%q cannot be read", v)
			}
		}
	}
	return in.paired()
}

// foreign returns the inputs that are not at their defaults although they say
// nothing to a step of that kind. f has all flags.
func (in inputs) foreign(f *pflag.FlagSet, kind stepKind) []string {
	var names []string
	for _, i := range actionInputs() {
		if i.of&kind == 0 && !in.isDefault(i, f) {
			names = append(names, i.name)
		}
	}
	return names
}

// isDefault reports whether i says nothing.
func (in inputs) isDefault(i input, f *pflag.FlagSet) bool {
	text := strings.TrimSpace(in[i.name])
	switch i.name {
	case "handover":
		return text == "" || text == bindImages
	case "require-gate":
		return text == "" || strings.EqualFold(text, gatesAuto)
	case "sign", "scan-report":
		return text == "" || text == inputOff // a sign that is there and empty makes a step that signs
	}
	if flag := f.Lookup(i.flag()); flag != nil && i.kind != inputOwn {
		if i.kind == inputSwitch {
			value, err := yes(text)
			return text == "" || err == nil && value == flag.DefValue
		}
		return text == "" || text == flag.DefValue
	}
	return text == ""
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
var flagName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`"(?:[^"\\]|\\.)*"|--[a-z][a-z0-9-]*[a-z0-9]`) })

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
	switch name {
	case "IMAGE":
		return "images"
	case signedImage:
		return "sign"
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

// insteadOf says what to write for an input that is not there.
func insteadOf(name string, signs bool) string {
	if next := inputElsewhere(name, signs); next != "" {
		return next
	}
	if near := nearest(name); near != "" {
		return "did you mean " + near + "? " + docs + "action.md lists the inputs"
	}
	return docs + "action.md lists the inputs; is this one misspelt, or does it belong to another version?"
}

// nearest returns the input that name is a slip of, "" if it looks like none.
func nearest(name string) string {
	var names []string
	for _, i := range actionInputs() {
		names = append(names, i.name)
	}
	return spelling.Nearest(name, names)
}
