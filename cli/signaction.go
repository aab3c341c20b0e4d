package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/action"
	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/report"
)

// signFolder begins the name of a signing step's folder in RUNNER_TEMP. It is no
// gate's: those begin with stepFolder.
const signFolder = "signed-by-boltseal-"

// inputOff is what the inputs sign and scan-report say where they are not used,
// their default. An empty one is an expression that came to nothing.
const inputOff = "off"

// What the input require-gate says besides paths.
const (
	gatesAuto = "auto" // the default: those of this job must have passed
	gatesAll  = "true" // the same, and there must be one
	gatesNone = "false"
)

// maxSignedOutput bounds the output signed, in bytes, as those of the gate are.
const maxSignedOutput = 192 << 10

// inputTexts returns the inputs that are text, with their names in lower case. It is
// for what is asked before they are known to be sound: [parseInputs] says what is
// wrong with them.
func inputTexts(text string) map[string]string {
	var all map[string]any
	_ = json.Unmarshal([]byte(text), &all)
	of := map[string]string{}
	for name, value := range all {
		name = strings.ToLower(name)
		if value, ok := value.(string); ok && of[name] == "" {
			of[name] = value
		}
	}
	return of
}

// signs reports whether the inputs make the step one that signs. An input sign
// that is empty does: whoever wrote it wants something signed.
func signs(text string) bool {
	images, there := inputTexts(text)["sign"]
	return there && strings.TrimSpace(images) != inputOff
}

// suit refuses inputs that say nothing to a step of that kind: whoever wrote them
// believes that they do.
func (in inputs) suit(kind stepKind) error {
	all := pflag.NewFlagSet("action", pflag.ContinueOnError)
	var (
		v verifyFlags
		s signFlags
	)
	v.register(all)
	of := pflag.NewFlagSet("sign", pflag.ContinueOnError)
	s.register(of)
	all.AddFlagSet(of) // those of one name have one default
	names := in.foreign(all, kind)
	switch {
	case len(names) == 0:
		return nil
	case kind == signStep:
		return usagef("--"+names[0], "give them to a step without input sign, which verifies before the build", "a step that signs does not verify base images, and takes no %s", strings.Join(names, ", "))
	}
	return usagef("--"+names[0], "add input sign, with the images that were pushed, or leave them out", "a step that does not sign takes no %s", strings.Join(names, ", "))
}

// checked refuses inputs that are there and say nothing where they keep images from
// being signed: the check would be left out, or be another one.
func (in inputs) checked() error {
	for _, x := range []struct{ name, none string }{
		{"require-gate", gatesAuto + " for the gates of this job, or " + gatesNone}, {"scan-report", inputOff + " where there is none"}, {"fail-on", defaultFailOn + ", or another severity"},
	} {
		if text, there := in[x.name]; there && len(lines(text)) == 0 {
			return usagef("--"+x.name, "see what the expression in it gives; write "+x.none, "it is empty: an expression in it may have come to nothing, such as an output of a step that did not run")
		}
	}
	return nil
}

// sign signs, tells the runner, and returns the exit code. untold is what went
// wrong when the outputs were to say no.
func (s step) sign(ctx context.Context, untold error) int {
	dir, err := os.MkdirTemp(s.runner.TempDir(), signFolder)
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		err = &resultError{fmt.Errorf("make a folder in RUNNER_TEMP: %w", err), "see that RUNNER_TEMP names a folder that may be written"}
	}
	none := &handovers{}
	if err := errors.Join(untold, err); err != nil {
		return s.untold(err, none)
	}
	c, f, images, err := s.signFlags(dir)
	if err != nil {
		return s.refuseSign(err)
	}
	ctx, cancel := f.within(ctx)
	defer cancel()
	run, err := c.prepareSign(ctx, f, images)
	if err != nil {
		return s.refuseSign(err)
	}
	r, err := run.do(ctx, nil)
	if u := (*usageError)(nil); errors.As(err, &u) {
		return s.refuseSign(err)
	}
	if err != nil {
		return s.untold(err, none)
	}
	for i, text := range r.Notices {
		r.Notices[i] = asInput(text)
	}
	text, omitted := report.SignedItems(r, maxSignedOutput)
	if omitted > 0 {
		r.Notices = append(r.Notices, fmt.Sprintf("output signed leaves out %d of %d signatures, which are in the log", omitted, len(r.Items)))
	}
	if err := report.SignedText(s.command.Stdout, r, report.TextOptions{Timings: s.runner.Debugging()}); err != nil {
		return s.untold(err, none)
	}
	for _, n := range report.SignedNotes(r) {
		s.runner.Annotate(action.Note{Level: action.Level(n.Level), Title: n.Title, Text: n.Text})
	}
	var summary strings.Builder
	if err := report.SignedMarkdown(&summary, r, 0); err == nil {
		s.appendSummary(summary.String())
	}
	pairs, _ := s.outputs(gate.Report{}, "", none)
	for i, p := range pairs {
		if p.Name == "signed" {
			pairs[i].Value = text
		}
	}
	if err := s.runner.SetOutputs(pairs...); err != nil {
		return s.untold(err, none)
	}
	return signedCode(r)
}

// refuseSign tells of bad input.
func (s step) refuseSign(err error) int {
	text, next := s.wrong(err)
	s.appendSummary(report.SignRefusal(text, next))
	return refused(err)
}

// signFlags reads the inputs.
func (s step) signFlags(dir string) (Command, signFlags, []string, error) {
	c := s.command
	var f signFlags
	in, err := parseInputs(c.getenv("BOLTSEAL_INPUTS"))
	if err != nil {
		return c, f, nil, fmt.Errorf("read BOLTSEAL_INPUTS, which action.yml sets: %w", err)
	}
	if s.runner.Event() == "pull_request_target" {
		return c, f, nil, usagef(signedImage, "sign where it is merged, on push", "nothing is signed on pull_request_target, which runs with the repository's secrets on a proposal by anybody; no key and no token was read")
	}
	if err := in.suit(signStep); err != nil {
		return c, f, nil, err
	}
	empty := in.checked()
	if strings.TrimSpace(in["scan-report"]) == inputOff {
		delete(in, "scan-report")
	}
	if len(keyLines(in["key"])) > 1 {
		return c, f, nil, usagef("--key", "give one private key: a file, env://NAME, or its text", "there are several, and one signs")
	}
	flags := pflag.NewFlagSet("action", pflag.ContinueOnError)
	f.register(flags)
	if err := in.set(flags, signStep); err != nil {
		return c, f, nil, err
	}
	f.step = true
	if err := f.suit(flags); err != nil {
		return c, f, nil, err
	}
	system, err := f.chosen()
	if err != nil {
		return c, f, nil, err
	}
	for _, name := range []string{"identity-token", "key-password"} { // which are no flags here
		if strings.TrimSpace(in[name]) != "" && fits()[name]&system.fit == 0 {
			return c, f, nil, system.unfit([]string{name})
		}
	}
	f.by.password = strings.TrimRight(in["key-password"], "\r\n") // a block of YAML ends in one
	f.by.passwordName = "--key-password"
	if f.by.password != "" && f.by.key == "" {
		return c, f, nil, usagef("--key", "see whether its secret has that name, and is there; without a key leave key-password out, and the job's identity signs", "it is empty, and there is a password for it")
	}
	if token := strings.TrimSpace(in["identity-token"]); webToken().MatchString(token) {
		f.by.tokenText = token
	} else {
		f.by.token = token
	}
	if f.checks.gates, f.checks.ofJob, err = s.gates(in["require-gate"]); err != nil {
		return c, f, nil, err
	}
	images := lines(in["sign"])
	if f.by.excused(c) != "" { // nothing was pushed, and there are no secrets
		return c, f, images, nil
	}
	if len(images) == 0 {
		return c, f, nil, usagef(signedImage, "write the images that were pushed: an expression in it may have come to nothing, such as an output of a step that did not run", "it names nothing: there is nothing to sign")
	}
	if empty != nil {
		return c, f, nil, empty
	}
	if err := s.access(&c, &f.registry, in); err != nil {
		return c, f, nil, err
	}
	if fits()["bundle-dir"]&system.fit != 0 {
		f.bundleDir = cmp.Or(f.bundleDir, dir)
	}
	s.debug(in)
	return c, f, images, nil
}

// gates returns the reports that must say passed, and whether they are those of
// this job.
func (s step) gates(text string) (reports []string, ofJob bool, err error) {
	named := lines(text)
	word := gatesAuto
	if len(named) == 1 {
		word = strings.ToLower(named[0])
	}
	switch {
	case len(named) > 1:
		return named, false, nil
	case word == gatesNone:
		return nil, false, nil
	case word == gatesAuto, word == gatesAll:
		found, err := s.gatesOfJob()
		if err == nil && len(found) == 0 && word == gatesAll {
			err = usagef("--require-gate", "let a step verify the base images before the build, in this job; or name the report of another job", "no step of this job has verified anything")
		}
		return found, true, err
	}
	if _, err := os.Stat(s.command.path(named[0])); errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(named[0], `/\.`) {
		return nil, false, usagef("--require-gate", "write auto, true or false, or the paths of reports, one a line", "%q is none of them, and no file", named[0])
	}
	return named, false, nil
}

// gatesOfJob returns the reports of the steps of this job that verified before.
// One that did not come to its end has left an empty report, or none. Whatever
// else bears the name of such a step's folder may hide one.
func (s step) gatesOfJob() ([]string, error) {
	temp := s.runner.TempDir()
	if temp == "" { // where a step would have written to a folder that everybody has
		return nil, usagef("--require-gate", "set RUNNER_TEMP to a folder of this job, as the runner does; or name the reports", "RUNNER_TEMP is not set, and nothing says where this job's gates wrote their reports")
	}
	entries, err := os.ReadDir(temp)
	if err != nil {
		return nil, usagef("--require-gate", "see that RUNNER_TEMP names a folder that may be read", "look for reports of the gate: %w", err)
	}
	const next = "remove what is not boltseal's from RUNNER_TEMP, or run the job again"
	var found []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), stepFolder) {
			continue
		}
		if !e.IsDir() {
			return nil, usagef("--require-gate", next, "look for reports of the gate: %s is no folder of a step that verified", filepath.Join(temp, e.Name()))
		}
		name := stepReports()[0].path(filepath.Join(temp, e.Name()))
		info, err := os.Lstat(name)
		if err == nil && !info.Mode().IsRegular() { // a pipe would keep the run waiting, a link may lead to any report
			err = fmt.Errorf("%s is no regular file", name)
		}
		if err != nil {
			return nil, usagef("--require-gate", next, "look for reports of the gate: %w", err)
		}
		found = append(found, name)
	}
	return found, nil
}
