package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/action"
	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/handover"
	"github.com/boltseal/boltseal/internal/spelling"
)

const (
	// policyVariable names the source policy that buildx builds with.
	//
	// https://github.com/moby/buildkit/blob/master/docs/build-repro.md
	policyVariable = "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY"
	// policyFile is what the step calls its own, so that the next step knows it.
	policyFile = "boltseal-source-policy.json"
	// stepFolder begins the name of a step's folder in RUNNER_TEMP.
	stepFolder = "boltseal-"
)

// What the input handover says of the job's own policy.
const (
	bindImages = "env" // the default
	bindStrict = "env-strict"
	bindNone   = "off"
)

// A binding is how the steps that follow in a job are bound to what was
// verified. The zero binding binds nothing.
type binding struct {
	form    string // "" where nothing is bound
	file    string // the policy
	lenient bool   // nothing is bound unless the run passes
	lost    bool   // the runner takes no variables
	earlier string // the policy of an earlier step that still holds, or did
}

// readHandover reads the input handover: at most one word, and KIND=PATH lines.
// Without a word the job is bound: a bake file besides does not mean that it is
// not.
func readHandover(text string) (word string, more []string, err error) {
	words := []string{bindImages, bindStrict, bindNone}
	for _, line := range lines(text) {
		switch {
		case slices.Contains(words, line) && word != "" && word != line:
			return "", nil, usagef("--handover", "write one of them", "%s and %s contradict each other", word, line)
		case slices.Contains(words, line):
			word = line
		case !strings.Contains(line, "="):
			next := "write env, env-strict or off, and KIND=PATH for other builders"
			if near := spelling.Nearest(strings.ToLower(line), append(words, formNames(handover.Forms())...)); near == line {
				next = "write " + line + "=PATH, with the path of the file that is to be written"
			} else if near != "" {
				next = "did you mean " + near + "? Write env, env-strict or off, and KIND=PATH for other builders"
			}
			return "", nil, usagef("--handover", next, "%q is none of env, env-strict, off and KIND=PATH", line)
		default:
			more = append(more, line)
		}
	}
	if word == "" {
		word = bindImages
	}
	return word, more, nil
}

// bound returns the Form that the inputs bind the job with, and whether it is
// bound only if the run passes. It is asked before the inputs are known to be
// sound: what cannot be read does not turn it off.
func bound(text string) (form string, lenient bool) {
	var given map[string]any
	_ = json.Unmarshal([]byte(text), &given) // parseInputs says what is wrong with it
	var words, modes []string
	for name, value := range given {
		value, _ := value.(string) // what is no text says nothing
		switch strings.ToLower(name) {
		case "handover":
			word, _, err := readHandover(value)
			if err != nil {
				word = bindImages
			}
			words = append(words, word)
		case "mode":
			modes = append(modes, strings.TrimSpace(value))
		}
	}
	lenient = slices.Equal(modes, []string{"warn"})
	switch {
	case slices.Equal(words, []string{bindNone}):
		return "", lenient
	case slices.Equal(words, []string{bindStrict}):
		return "source-policy-strict", lenient
	}
	return "source-policy", lenient
}

// bind closes the job before anything is asked of anybody, and before the inputs
// are known to be sound: whatever becomes of this step, no later one builds from
// what it did not verify. dir is the step's folder, "" where it has none: then
// the variable names a policy that is not there, with which buildx builds
// nothing.
func (s step) bind(dir string) (*handovers, error) {
	all := &handovers{}
	b := &all.binding
	b.form, b.lenient = bound(s.command.getenv("BOLTSEAL_INPUTS"))
	set := s.command.getenv(policyVariable)
	if s.own(set) {
		b.earlier = set
	}
	if b.form == "" {
		return all, nil
	}
	if set != "" && b.earlier == "" {
		b.form = ""
		return all, usagef("--handover", "put it together with the policy of output source-policy of a step with handover: off, or leave the variable out", "%s is set to %q already, and what that denies would be allowed again", policyVariable, set)
	}
	b.file, b.lost = filepath.Join(dir, policyFile), !s.runner.TakesEnv()
	if dir == "" {
		b.file = filepath.Join(string(filepath.Separator), stepFolder+"without-a-folder", policyFile)
	}
	if !b.lenient {
		if err := s.export(b); err != nil {
			return all, err
		}
	}
	if dir == "" {
		return all, nil
	}
	form, ok := formOf(s.command.handoverForms(), b.form)
	if !ok {
		return all, fmt.Errorf("hand over %s: there is no such form", b.form)
	}
	t, err := newTarget(s.command, form, b.file)
	if err != nil {
		return all, err
	}
	t.job = true
	all.targets = []target{t}
	return all, all.close()
}

// own reports whether the variable names the policy of an earlier step.
func (s step) own(file string) bool {
	dir, temp := filepath.Dir(file), s.runner.TempDir()
	return filepath.IsAbs(file) && filepath.Base(file) == policyFile && strings.HasPrefix(filepath.Base(dir), stepFolder) && filepath.Dir(dir) == filepath.Clean(temp)
}

// export lets the steps that follow build with the policy. Where the runner
// takes no variables, they would build with none: that is an error, but in warn
// mode.
func (s step) export(b *binding) error {
	switch {
	case b.lost && b.lenient:
		return nil
	case b.lost:
		return &resultError{
			err:  fmt.Errorf("the builds that follow cannot be bound: the runner's file for variables, GITHUB_ENV, is not there"),
			next: "mount the runner's files into the container, or write handover: off and source-policy=PATH, and set " + policyVariable + " to that path in the step that builds",
		}
	}
	if err := s.runner.SetEnv(action.Pair{Name: policyVariable, Value: b.file}); err != nil {
		return err
	}
	if b.earlier != "" {
		s.runner.Annotate(action.Note{Level: action.Notice, Title: "boltseal: source policy", Text: "the policy of an earlier step no longer holds: builds may use only the images of this one"})
	}
	return nil
}

// output is what output source-policy says: the policy, also while it denies
// everything, but "" where a build is not to be bound.
func (h *handovers) output() string {
	if h.binding.form == "" || h.binding.lenient && !h.given {
		return ""
	}
	return h.binding.file
}

// said is what the binding comes to; why says why nothing was handed over.
func (b binding) said(h *handovers, why string) string {
	const who = "buildx builds of the steps that follow "
	by := fmt.Sprintf(" (%s=%s)", policyVariable, b.file)
	only := "no other image"
	if b.form == "source-policy-strict" {
		only = "nothing else but local files"
	}
	switch {
	case b.lenient && !h.given && b.earlier != "":
		return who + "are still bound by the policy of an earlier step (" + policyVariable + "=" + b.earlier + ")"
	case b.lenient && !h.given:
		return who + "are not bound: mode is warn, and " + why
	case b.lost:
		return who + "are NOT bound: the runner's file for variables is not there; set " + policyVariable + " to " + b.file + " yourself"
	case h.given:
		return who + "use " + h.counted() + " by digest, and " + only + by
	}
	return who + "are denied every image, since " + why + by
}

// closedContexts is output build-contexts where builds must not go back to tags:
// buildx refuses what is not NAME=VALUE.
const closedContexts = "boltseal-gate-closed"

// first is what outputs say before anybody is asked.
func (h *handovers) first() []action.Pair {
	return []action.Pair{{Name: "source-policy", Value: h.output()}, {Name: "build-contexts", Value: h.noContexts()}}
}

// noContexts is output build-contexts where there is no list.
func (h *handovers) noContexts() string {
	if h.binding.lenient {
		return "" // and the build goes on as it would without the step
	}
	return closedContexts
}

// contexts returns the lines for input build-contexts of
// docker/build-push-action, and why there are none to be had of a run that
// passed.
func (s step) contexts(r gate.Report, all *handovers) (text, leftOut string) {
	form, ok := formOf(s.command.handoverForms(), "build-contexts")
	if !ok || !r.Passed() {
		return all.noContexts(), ""
	}
	set, err := handover.New(r.Admitted())
	var files []handover.File
	if err == nil {
		files, err = form.Files(set, all.options)
	}
	switch {
	case err == nil && len(files) != 1:
		err = errors.New("they are not one file")
	case err == nil && len(files[0].Body) > maxContextsOutput:
		err = fmt.Errorf("the list is larger than %d bytes; hand it over to a file with handover: build-contexts=PATH", maxContextsOutput)
	}
	if err != nil {
		return all.noContexts(), "output build-contexts has no list: " + err.Error()
	}
	return strings.TrimSuffix(string(files[0].Body), "\n"), ""
}
