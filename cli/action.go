package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/action"
	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
)

// Bounds on the outputs, in bytes. The runner allows all outputs of a job
// together 1 MB, and counts two bytes a character.
const (
	maxImagesOutput   = 192 << 10
	maxPinnedOutput   = 128 << 10
	maxContextsOutput = 96 << 10
)

func (c Command) action(code *int) *cobra.Command {
	return &cobra.Command{
		Use:    "action",
		Short:  "Run verify, or sign, as a step of GitHub Actions; action.yml does",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := step{command: c, runner: action.New(c.Stdout, c.getenv)}
			if !s.runner.Running() {
				return usagef("", "use boltseal verify; "+docs+"ci.md says how, in any CI", "boltseal action only runs as a step of GitHub Actions")
			}
			*code = s.run(cmd.Context())
			return nil
		},
	}
}

// A step is one run of the Action.
type step struct {
	command Command
	runner  *action.Runner
	dir     string // the step's own folder, "" where it has none
}

// run verifies or signs, tells the runner, and returns the exit code.
func (s step) run(ctx context.Context) int {
	// First of all the outputs say no, so that they do whatever happens later,
	// be it a crash or a kill.
	all := &handovers{}
	no, _ := s.outputs(gate.Report{}, "", all)
	untold := s.runner.SetOutputs(no...)
	text := s.command.getenv("BOLTSEAL_INPUTS")
	s.mask(text)
	if signs(text) {
		return s.sign(ctx, untold)
	}
	dir, nowhere := s.folder()
	s.dir = dir
	all, err := s.bind(dir) // also where the step cannot go on
	if u := (*usageError)(nil); errors.As(err, &u) {
		return s.refuse(err, all)
	}
	if err = errors.Join(untold, nowhere, err); err == nil {
		err = s.runner.SetOutputs(all.first()...)
	}
	if err != nil {
		return s.untold(err, all)
	}
	v, err := s.prepare(ctx, all)
	if err != nil {
		return s.refuse(err, all)
	}
	if n := len(v.files); n > 0 {
		s.say("searched " + number(n, "file") + " of the workspace for images")
	}
	r, about := v.check(ctx, nil)
	about = s.command.placed(about)
	kept, err := v.lock.keep(r)
	if err == nil {
		err = all.give(r)
	}
	if err == nil && all.binding.lenient && all.given {
		err = s.export(&all.binding)
	}
	if err != nil {
		return s.untold(err, all)
	}
	about.Warnings = append(about.Warnings, kept...)
	about = s.command.placed(all.tell(r, about))
	for i, w := range about.Warnings {
		about.Warnings[i].Text = asInput(w.Text)
	}
	pairs, leftOut := s.outputs(r, dir, all)
	for _, text := range leftOut {
		about.Warnings = append(about.Warnings, report.Warning{Text: text})
	}
	if err := errors.Join(s.log(r, about), s.write(dir, r, about)); err != nil {
		return s.untold(err, all)
	}
	s.annotate(r, about)
	s.summarize(r, about, dir)
	if err := s.runner.SetOutputs(pairs...); err != nil {
		return s.untold(err, all)
	}
	return exitCode(r, about)
}

// prepare reads the inputs. all is what was closed before.
func (s step) prepare(ctx context.Context, all *handovers) (*verification, error) {
	c := s.command
	in, err := parseInputs(c.getenv("BOLTSEAL_INPUTS"))
	if err != nil {
		return nil, fmt.Errorf("read BOLTSEAL_INPUTS, which action.yml sets: %w", err)
	}
	var v verifyFlags
	f := pflag.NewFlagSet("action", pflag.ContinueOnError)
	v.register(f)
	if err := in.suit(gateStep); err != nil {
		return nil, err
	}
	if err := in.set(f, gateStep); err != nil {
		return nil, err
	}
	v.handover.job = all
	if _, v.handover.wanted, err = readHandover(in["handover"]); err != nil {
		return nil, err
	}
	if err := s.access(&c, &v.registry, in); err != nil {
		return nil, err
	}
	for _, name := range []string{"images", "files"} {
		if in[name] != "" && len(lines(in[name])) == 0 {
			return nil, usagef(name, "write images or files, or leave both out to search the whole workspace", "it is there and names nothing, and an empty list never passes")
		}
	}
	s.debug(in)
	run, err := c.prepare(ctx, v, lines(in["images"]))
	if err == nil && v.registry.anonymous {
		run.warnings = append(run.warnings, report.Warning{Text: "on pull_request_target no credentials are read, not even those of docker login: private images cannot be verified"})
	}
	return run, err
}

// mask hides the secrets among the inputs, before they are known to be sound.
func (s step) mask(text string) {
	if password := s.command.getenv(delegationPassword); password != "" {
		s.runner.Mask(password)
	}
	for name, value := range inputTexts(text) {
		value = strings.TrimSpace(value)
		switch name {
		case "registry-password", "github-token", "key-password":
			s.runner.Mask(value)
		case "identity-token":
			if webToken().MatchString(value) || !nameable(value) {
				s.runner.Mask(value)
			}
		case "plugin-config":
			for _, line := range lines(value) {
				if _, secret, _ := strings.Cut(line, "="); !nameable(secret) {
					s.runner.Mask(secret)
				}
			}
		case "key":
			if private(value) {
				s.maskAll(value)
			}
		case "certificate-chain", "timestamp-root-cert":
			if strings.Contains(value, privatePEM) || !strings.HasPrefix(value, pemBegin) && private(value) {
				s.maskAll(value)
			}
		case "notation-certificate", "notation-tsa-certificate", "dct-root-public-key", "dct-root-ca", "dct-server-ca":
			if strings.Contains(value, privatePEM) { // certificates are no secret, and opaque, too
				s.maskAll(value)
			}
		}
	}
}

// maskAll hides a text, and each piece that somebody may quote of it.
func (s step) maskAll(text string) {
	s.runner.Mask(text)
	for _, piece := range pieces(text) {
		s.runner.Mask(piece)
	}
}

// access reads who asks registries.
func (s step) access(c *Command, r *registryFlags, in inputs) error {
	password, token := strings.TrimSpace(in["registry-password"]), strings.TrimSpace(in["github-token"])
	if s.runner.Event() == "pull_request_target" {
		// It runs with the secrets of the repository on a proposal by anybody.
		if err := noSecrets(password, token); err != nil {
			return err
		}
		r.anonymous = true
	}
	r.token = token
	if r.username != "" && password == "" {
		return usagef("registry-username", "add registry-password", "there is no password to go with it")
	}
	if password != "" {
		if strings.ContainsFunc(password, endsLine) {
			return usagef("registry-password", "write it on one line", "it has several lines")
		}
		r.passwordStdin = true
		c.Stdin = strings.NewReader(password)
	}
	return nil
}

func noSecrets(password, token string) error {
	const next = "use the pull_request event, or leave the input out: public images need no credentials"
	for _, x := range []struct{ name, value string }{{"registry-password", password}, {"github-token", token}} {
		if x.value != "" {
			return usagef(x.name, next, "boltseal reads no secrets on pull_request_target, which runs with the repository's secrets on a proposal by anybody")
		}
	}
	return nil
}

// debug shows in the debug log how the inputs were understood.
func (s step) debug(in inputs) {
	if !s.runner.Debugging() {
		return
	}
	s.runner.Debug("boltseal " + version() + ", event " + s.runner.Event())
	for _, i := range actionInputs() {
		value := in[i.name]
		switch i.name {
		case "registry-password", "github-token", "key-password", "identity-token":
			continue
		case "key":
			if private(value) {
				continue
			}
			value = publicKeyNames(value)
		case "plugin-config": // whose values are the plugin's, and may be secret
			value = keysOnly(value)
		case "certificate-chain", "timestamp-root-cert", "plugin", "plugin-sha256", "key-id": // who errs gives a key
			if !nameable(value) {
				continue
			}
		case "tuf-mirror", "download-base", "timestamp-url", "dct-server":
			value = publicPart(value)
		}
		if value != "" {
			s.runner.Debug("input " + i.name + ": " + strconv.Quote(value))
		}
	}
}

// refuse tells of bad input to the gate.
func (s step) refuse(err error, all *handovers) int {
	text, next := s.wrong(err)
	said := all.tell(gate.Report{}, report.Run{}).Handover
	s.appendSummary(report.Refusal(text, next, said...))
	for _, line := range said {
		s.say(line)
	}
	return refused(err)
}

// wrong annotates what is wrong with the input, and returns it, and what to do.
func (s step) wrong(err error) (text, next string) {
	where, text, next := "inputs", err.Error(), docs+"action.md lists the inputs"
	if u := (*usageError)(nil); errors.As(err, &u) {
		if name := inputName(u.flag); name != "" {
			where = "input " + name
		}
		text, next = asInput(u.err.Error()), asInput(u.next)
	}
	text = where + ": " + text // the runner's log shows no title
	s.runner.Annotate(action.Note{Level: action.Error, Title: "boltseal: " + where, Text: report.Printable(text) + "\nnext: " + report.Printable(next)})
	s.pointOut(err)
	return text, next
}

// pointOut shows what is wrong with a policy at its lines, unless it has none in
// the workspace.
func (s step) pointOut(err error) {
	p := (*policy.Error)(nil)
	if !errors.As(err, &p) {
		return
	}
	const most = 9 // the runner shows ten, and one says it all
	for i, f := range p.Faults() {
		if i == most {
			break
		}
		if _, err := os.Stat(s.command.path(filepath.FromSlash(f.At.File))); err == nil {
			s.runner.Annotate(action.Note{Level: action.Error, File: f.At.File, Line: f.At.Line, Column: f.At.Col, Title: "boltseal: policy", Text: report.Printable(f.Err.Error())})
		}
	}
}

// untold says that the result could not be told or handed over. Whatever it is,
// the step fails, and what was handed over is closed: nobody was told.
func (s step) untold(err error, all *handovers) int {
	next := "look for a full disk, or for a step that changed the runner's files"
	if h := (*resultError)(nil); errors.As(err, &h) {
		next = h.next
	}
	if all.given {
		next += "; what was handed over is closed again"
	}
	err = errors.Join(err, all.close())
	if s.dir != "" { // it may say passed already
		err = errors.Join(err, os.WriteFile(stepReports()[0].path(s.dir), nil, 0o600))
	}
	s.runner.Annotate(action.Note{
		Level: action.Error, Title: "boltseal: write the result",
		Text: report.Printable(err.Error()) + "\nnext: " + report.Printable(next),
	})
	return ExitNoAnswer
}

// folder makes a folder for the reports and the policy that no other step has.
// It is in the runner's temporary directory, which ends with the job.
func (s step) folder() (string, error) {
	dir, err := os.MkdirTemp(s.runner.TempDir(), stepFolder)
	if err == nil {
		dir, err = filepath.Abs(dir) // builds may run in any folder
	}
	if err == nil {
		// Until the step comes to its end, it has not passed: a step that signs
		// looks here.
		err = os.WriteFile(stepReports()[0].path(dir), nil, 0o600)
	}
	if err != nil {
		return "", &resultError{fmt.Errorf("make a folder in RUNNER_TEMP: %w", err), "see that RUNNER_TEMP names a folder that may be written"}
	}
	return dir, nil
}

// A stepReport is a file that every step writes, and the output that names it.
type stepReport struct {
	output, file string
	write        writer
}

func stepReports() []stepReport {
	return []stepReport{
		{"report", "report.json", report.JSON},
		{"sarif", "boltseal.sarif", report.SARIF},
		{"junit", "boltseal.xml", report.JUnit},
	}
}

// path is where the report is, "" without a folder for it.
func (x stepReport) path(dir string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, x.file)
}

func (s step) write(dir string, r gate.Report, about report.Run) error {
	for _, x := range stepReports() {
		var b bytes.Buffer
		if err := x.write(&b, r, about); err != nil {
			return err
		}
		if err := os.WriteFile(x.path(dir), b.Bytes(), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// log writes what is not verified for everybody to see, and what is folded.
func (s step) log(r gate.Report, about report.Run) error {
	o := report.TextOptions{Warn: about.Lenient(r), Timings: s.runner.Debugging()}
	unverified := func(f gate.Finding) bool { return !f.Verified() }
	if err := report.Findings(s.command.Stdout, r, o, unverified); err != nil {
		return err
	}
	verified := 0
	for _, f := range r.Findings() {
		if f.Verified() {
			verified++
		}
	}
	if verified > 0 {
		end := s.runner.Group(fmt.Sprintf("verified: %d of %d", verified, len(r.Findings())))
		err := report.Findings(s.command.Stdout, r, o, gate.Finding.Verified)
		end()
		if err != nil {
			return err
		}
	}
	if s.runner.Debugging() {
		for _, f := range r.Findings() {
			what := f.Use.Text
			if what == "" {
				what = f.Use.At.File
			}
			s.runner.Debug(fmt.Sprintf("%s: %s, %s", report.Printable(what), number(f.Requests, "request"), f.Elapsed))
		}
	}
	o.Handover = about.Handover
	return report.Outcome(s.command.Stdout, r, o)
}

// say writes a line of ours to the log.
func (s step) say(text string) {
	fmt.Fprintln(s.command.Stdout, report.Printable(text)) //nolint:errcheck // if the log is lost, the report says so
}

func (s step) annotate(r gate.Report, about report.Run) {
	for _, n := range report.Notes(r, report.NotesOptions{Warn: about.Lenient(r), Warnings: about.Warnings}) {
		s.runner.Annotate(action.Note{Level: action.Level(n.Level), File: n.At.File, Line: n.At.Line, Column: n.At.Col, Title: n.Title, Text: n.Text})
	}
}

func (s step) summarize(r gate.Report, about report.Run, dir string) {
	var b strings.Builder
	err := report.Markdown(&b, r, report.MarkdownOptions{Run: about, ReportFile: stepReports()[0].path(dir)})
	if err != nil {
		s.runner.Annotate(action.Note{Level: action.Warning, Title: "boltseal: job summary", Text: report.Printable(err.Error())})
		return
	}
	s.appendSummary(b.String())
}

// appendSummary writes the job summary. It is for people, who also have the
// log: if it cannot be written, the result stands.
func (s step) appendSummary(markdown string) {
	if err := s.runner.AppendSummary(markdown); err != nil {
		s.runner.Annotate(action.Note{Level: action.Warning, Title: "boltseal: job summary", Text: report.Printable(err.Error())})
	}
}

// outputs returns every output that action.yml declares, and says what did not
// fit into them. Those of the zero Report, no folder with reports and no
// handovers say no.
func (s step) outputs(r gate.Report, dir string, all *handovers) (pairs []action.Pair, leftOut []string) {
	verdict := r.Reason()
	if verdict == verify.Undecided {
		verdict = "undecided"
	}
	images, omitted := report.Images(r, maxImagesOutput)
	if omitted > 0 {
		leftOut = append(leftOut, fmt.Sprintf("output images leaves out %d of %d images, which are in the file that output report names", omitted, len(r.Findings())))
	}
	pinned := strings.Join(report.Pinned(r), "\n")
	if len(pinned) > maxPinnedOutput {
		pinned = "" // half a list would look like a whole one
		leftOut = append(leftOut, "output pinned is empty, since the list is larger than the runner takes; it is in the file that output report names")
	}
	contexts, why := s.contexts(r, all)
	if why != "" {
		leftOut = append(leftOut, why)
	}
	pairs = []action.Pair{
		{Name: "passed", Value: strconv.FormatBool(r.Passed())},
		{Name: "verdict", Value: string(verdict)},
		{Name: "images", Value: images},
		{Name: "pinned", Value: pinned},
		{Name: "source-policy", Value: all.output()},
		{Name: "build-contexts", Value: contexts},
	}
	for _, x := range stepReports() {
		pairs = append(pairs, action.Pair{Name: x.output, Value: x.path(dir)})
	}
	pairs = append(pairs, action.Pair{Name: "signed", Value: "[]"})
	return pairs, leftOut
}
