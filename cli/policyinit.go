package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

// initFlags are the flags of boltseal policy init.
type initFlags struct {
	verifyFlags // of which some are flags of init

	images  []string
	file    string
	force   bool
	fromDCT bool
	maxTags int
}

func (c Command) policyInit(code *int) *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init [PATH…]",
		Short: "Write a first policy, of those who have signed the images found",
		Long: `init finds the images of a workspace as boltseal scan does, or takes those that
--image names, looks at who has signed each of them, and writes a policy: the
built-in publishers whose rules hold, and for other images a rule with the exact
identity that signed, bound to its branch, or to tags like the one it signed at.
What it finds unsigned, or signed with a key or with Notation, becomes a comment
with suggestions: the key or the certificate has to be obtained from its publisher.

With --from-dct the arguments are images that Docker Content Trust vouched for so
far; of a repository without a tag, its signed tags. Images that carry a Sigstore or
Notation signature get the same as any others. Of the rest it says so, and the rule
that would hold them to Docker Content Trust becomes a comment.

It believes what it sees today, and so does whoever uses the policy: read each
identity before you commit it.

Exit codes: 0 a policy was written, 1 there is nothing that one could be made of,
2 bad flag, 3 some images could not be looked at, though the rest was written.`,
		Example: `  boltseal policy init --output-file .boltseal.yaml
  boltseal policy init Dockerfile --target release
  boltseal policy init --image gcr.io/distroless/static-debian12:nonroot
  boltseal policy init --from-dct registry.acme.example/team/app`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			*code, err = c.runInit(cmd.Context(), f, args)
			return err
		},
	}
	f.register(cmd.Flags())
	return cmd
}

func (v *initFlags) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.SetNormalizeFunc(plurals)
	v.scan.gate = true
	f.StringArrayVar(&v.images, "image", nil, "`REFERENCE` of an image to look at, instead of a workspace's; repeatable")
	f.StringVarP(&v.file, "output-file", "o", "", "`FILE` to write the policy to, such as "+policyName+" (default: standard output)")
	f.BoolVar(&v.force, "force", false, "write over the file of --output-file")
	f.BoolVar(&v.fromDCT, "from-dct", false, "take the arguments for images that Docker Content Trust vouched for, a repository for its signed tags")
	f.IntVar(&v.maxTags, "max-tags", 25, "signed tags of a repository to look at with --from-dct, those with the highest names, `N` of 1 to 1000")
	v.dct.registerTrust(f)
	v.scan.register(f)
	f.StringSliceVar(&v.platforms, "platform", nil, "`OS/ARCH[/VARIANT]` that is built for; repeatable")
	v.trust.register(f)
	v.registry.register(f)
	f.IntVar(&v.jobs, "jobs", gate.DefaultJobs, "images to look at at a time, `N` of 1 to 256")
	f.DurationVar(&v.timeout, "timeout", 3*time.Minute, "`DURATION` of the whole run, such as 90s")
	v.mode, v.output, v.signatureOn = "enforce", "text", verify.SignedImage
}

func (c Command) runInit(ctx context.Context, v initFlags, args []string) (int, error) {
	if err := v.free(c); err != nil {
		return ExitUsage, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, v.timeout, timeoutError{v.timeout})
	defer cancel()
	prepare := c.prepareInit
	if v.fromDCT {
		prepare = c.prepareTrusted
	}
	run, err := prepare(ctx, v, args)
	if err != nil {
		return ExitUsage, byPath(err, v.scan.files)
	}
	progress := c.progress()
	r, about := run.check(ctx, progress.step)
	progress.end()
	c.tell(about.Warnings)
	if r.Interrupted() {
		c.warn("the run was ended before all images had been looked at; nothing was written")
		return ExitNoAnswer, nil
	}
	found := findSigners(r, v.instance(), run.trusted)
	text := found.draft().Text()
	for _, s := range slices.Concat(run.trusted.untold(), found.untold) {
		c.warn(s)
	}
	if !found.any() {
		// No policy can be made of nothing, and a file of comments alone would be
		// bad input to everybody.
		return max(ExitClosed, found.code()), c.nothingFound(found, text)
	}
	doubts, err := run.readBack(text, c.now())
	if err != nil {
		return ExitUsage, err
	}
	if code := c.writePolicy(v, text); code != ExitPassed {
		return code, nil
	}
	for _, n := range found.notes {
		c.warn(n)
	}
	for _, d := range doubts {
		c.warn(fmt.Sprintf("%s [%s]", d.Error(), d.Lint))
	}
	c.warn(found.summary())
	return found.code(), nil
}

// nothingFound says why no policy was written, and what could be said in one.
func (c Command) nothingFound(found foundSigners, text []byte) error {
	const none = "no policy was written: "
	switch {
	case found.open == 0:
		c.warn(none + "there is no image to write one for")
		return nil
	case found.open == len(found.untold):
		c.warn(none + "none of the images could be looked at")
		return nil
	}
	c.warn(none + "there is nobody whom it could name as a signer; this could stand in one, once somebody has decided:")
	_, err := c.Stderr.Write(text)
	return err
}

// instance returns the Sigstore instance that rules have to name, "" where it is
// the usual one, or one that only a flag can give.
func (v *initFlags) instance() string {
	if v.trust.instance == "public-good" || v.trust.file != "" || v.trust.mirror != "" {
		return ""
	}
	return v.trust.instance
}

// free reports an error if the policy's file is there and must not be.
func (v *initFlags) free(c Command) error {
	switch {
	case v.file == "" && v.force:
		return usagef("--force", "add --output-file FILE, or leave it out", "there is no file to write over")
	case v.file == "":
		return nil
	}
	name := c.path(v.file)
	if leads(name) {
		return usagef("--output-file", "name the file itself", "%s is a link, and whoever wrote it chose the file that would be overwritten", v.file)
	}
	if _, err := os.Lstat(name); err == nil && !v.force {
		return usagef("--output-file", "add --force to write over it, or name another file", "%s is there already", v.file)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return usagef("--output-file", "name a file in a folder that exists", "%w", err)
	}
	return nil
}

// writePolicy writes the policy to where it was asked for, and returns the exit
// code.
func (c Command) writePolicy(v initFlags, text []byte) int {
	if v.file == "" {
		return c.print(text)
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if v.force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(c.path(v.file), flags, 0o644) //nolint:gosec // the user names it, and others may read a policy
	if err == nil {
		_, err = f.Write(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		c.warn("write the policy: " + err.Error())
		return ExitNoAnswer
	}
	return ExitPassed
}

// An initRun is ready to look at images.
type initRun struct {
	verification
	systems *systems
	trusted *contentTrusted // nil but for --from-dct
}

// prepareInit finds everything that can be wrong with the input.
func (c Command) prepareInit(_ context.Context, v initFlags, args []string) (*initRun, error) {
	if flag := cmp.Or(v.dct.given(), v.dct.narrowing(), v.dct.keeping()); flag != "" {
		return nil, usagef(flag, "add --from-dct and name the images, or leave it out", "Docker Content Trust is not asked without --from-dct")
	}
	if err := v.sound(); err != nil {
		return nil, err
	}
	uses, err := v.uses(c, v.images)
	if err != nil {
		return nil, err
	}
	run := &initRun{verification: verification{flags: v.verifyFlags, uses: uses, trusts: &trusts{command: c, flags: &v.trust}, now: c.Now}}
	run.flags.scan.files = slices.Concat(args, v.scan.files)
	if err := run.search(c, v.images); err != nil {
		return nil, err
	}
	if run.client, err = v.registry.client(c, run.uses); err != nil {
		return nil, err
	}
	run.rules, err = run.seekers(c)
	return run, err
}

// seekers returns rules by which each image is held to the built-in publisher
// that knows it, and otherwise asked who has signed it.
func (v *initRun) seekers(c Command) (gate.Rules, error) {
	v.systems = newSystems(c, v.trusts, v.flags.platforms)
	v.systems.bind(v.client, c.now())
	builtIn, err := policy.BuiltIn(v.systems.list())
	if err != nil {
		return nil, err
	}
	known, err := builtIn.Rules(v.uses, v.systems.list(), c.now())
	if err != nil {
		return nil, fmt.Errorf("built-in publishers: %w", err)
	}
	look, err := v.systems.looker()
	if err != nil {
		return nil, err
	}
	return seekRules{known: known, seeker: seeker{look: look, platforms: asListed(v.flags.platforms)}, trusted: v.trusted}, nil
}

// notSigned is why a publisher's rule was chosen that asks for nothing.
const notSigned = "its publisher does not sign"

type seekRules struct {
	known   gate.Rules
	seeker  seeker
	trusted *contentTrusted
}

// For implements gate.Rules.
func (s seekRules) For(u image.Use) gate.Terms {
	one := s.seeker
	terms := s.known.For(u)
	one.known = terms.Require
	if u.Foreign {
		one.platforms = nil
	}
	rule := gate.Rule{Origin: "policy init"}
	if name, ok := strings.CutPrefix(terms.Rule.Origin, "publisher "); ok {
		rule.Name = name
		if terms.Exempt != nil {
			rule.Why = notSigned
		}
	}
	return gate.Terms{Require: []verify.Verifier{unmoved{one, s.trusted}}, Rule: rule}
}

// A seeker looks for everybody who has signed an image. It passes an image only
// where the rules of a built-in publisher do.
type seeker struct {
	known     []verify.Verifier
	look      looker
	platforms []string
}

// errNobody is why what a seeker found is no verdict.
var errNobody = errors.New("nobody has said yet who should have signed it")

// Verify implements verify.Verifier.
func (s seeker) Verify(ctx context.Context, img image.Pinned) verify.Verdict {
	if len(s.known) > 0 {
		if v := verify.AllOf(s.known...).Verify(ctx, img); v.Passed() || v.Reason().NoAnswer() || v.Reason() == verify.Undecided {
			return v
		}
	}
	found, err := s.look(ctx, img, s.platforms)
	switch reason := registry.Reason(err); {
	case err != nil && (reason.NoAnswer() || reason == verify.NotFound):
		return verify.Fail(img, reason, err).With(found)
	case err != nil:
		return verify.Fail(img, verify.Unavailable, err).With(found)
	case len(found) == 0:
		return verify.Fail(img, verify.Unsigned, errNobody)
	}
	return verify.Fail(img, verify.NoRule, errNobody).With(found)
}

// readBack reads the policy that was written as verify will, chooses its rules,
// and returns what is doubtful in it. What cannot be used is not given to anybody.
func (v *initRun) readBack(text []byte, now time.Time) ([]policy.Doubt, error) {
	p, err := policy.Read("policy", text, policy.Options{Systems: v.systems.list()})
	if err != nil {
		return nil, fmt.Errorf("read the policy that was to be written: %w; nothing was written; please report this", err)
	}
	if _, err := p.Rules(v.uses, v.systems.list(), now); err != nil {
		return nil, fmt.Errorf("choose rules of the policy that was to be written: %w; nothing was written; please report this", err)
	}
	return p.Lint(now), nil
}

// summary says in a sentence what was found.
func (f foundSigners) summary() string {
	var parts []string
	for _, x := range []struct {
		n    int
		what string
	}{{f.known, " of known publishers"}, {f.signed, " with rules of their own"}, {f.open, " to decide on, which the comments are about"}} {
		if x.n > 0 {
			parts = append(parts, number(x.n, "image")+x.what)
		}
	}
	return "policy for " + strings.Join(parts, ", ") + "; read each identity before you commit it: it is who has signed, not who should have"
}
