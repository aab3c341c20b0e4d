package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/policy"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// testFlags are the flags of boltseal policy test.
type testFlags struct {
	verifyFlags // of which some are flags of test

	record bool
}

func (c Command) policyTest(code *int) *cobra.Command {
	var f testFlags
	cmd := &cobra.Command{
		Use:   "test [FILE…]",
		Short: "Say whether a policy judges images as it should",
		Long: `test reads files of cases (default: ` + casesName + ` beside the workspace's
policy), each an image and how the policy should judge it, and says which differ,
with what boltseal verify would say of them. A case with evidence, a file that --record wrote, is judged by
that, and no registry is asked; the trust root is not asked for either where the
file of cases names one. Nor are the servers asked that say whether certificates
of Notation signatures were revoked: a case that passes without says so. The others
are judged by what their registries say.

Exit codes: 0 all cases are as they should be, 1 some differ, 2 bad input, 3 some
could not be judged.`,
		Example: `  boltseal policy test
  boltseal policy test team/policy-test.yaml
  boltseal policy test policy-test.yaml --record`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			*code, err = c.runTest(cmd.Context(), f, args)
			return err
		},
	}
	f.register(cmd.Flags())
	return cmd
}

func (v *testFlags) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.SetNormalizeFunc(plurals)
	f.BoolVar(&v.record, "record", false, "ask the registries, and write what they answer to the evidence files of the cases")
	f.StringVar(&v.output, "output", "text", "`FORMAT` of the result: text, or json (docs/policy-commands.md)")
	v.trust.register(f)
	v.registry.register(f)
	f.IntVar(&v.jobs, "jobs", gate.DefaultJobs, "cases to judge at a time, `N` of 1 to 256")
	f.DurationVar(&v.timeout, "timeout", 3*time.Minute, "`DURATION` of the whole run, such as 90s")
	v.mode, v.signatureOn = "enforce", verify.SignedImage
}

func (c Command) runTest(ctx context.Context, v testFlags, names []string) (int, error) {
	if err := v.sound(); err != nil {
		return ExitUsage, err
	}
	if len(names) == 0 {
		name, err := c.defaultCases()
		if err != nil {
			return ExitUsage, err
		}
		names = []string{name}
	}
	var (
		suites []*suite
		uses   []image.Use
	)
	for _, name := range names {
		s, err := c.readSuite(ctx, v, name)
		if wrong := casesError(nil); errors.As(err, &wrong) {
			return c.refuseCases(wrong), nil
		}
		if err != nil {
			return ExitUsage, err
		}
		suites = append(suites, s)
		uses = append(uses, s.asked(v.record)...)
	}
	client, err := v.registry.client(c, uses)
	if err != nil {
		return ExitUsage, err
	}
	for _, s := range suites {
		if err := s.bind(c, client, v.record); err != nil {
			return ExitUsage, err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, v.timeout, timeoutError{v.timeout})
	defer cancel()
	var all outcomes
	for _, s := range suites {
		all = append(all, s.run(ctx, v.jobs)...)
		if v.record {
			if err := s.save(); err != nil {
				c.warn("write evidence: " + err.Error())
				return ExitNoAnswer, nil
			}
		}
	}
	var b bytes.Buffer
	write := all.text
	if v.output == "json" {
		write = all.json
	}
	if err := write(&b); err != nil {
		return ExitUsage, err
	}
	if code := c.print(b.Bytes()); code != ExitPassed {
		return code, nil
	}
	return all.code(), nil
}

// A suite is a file of cases, and the policy that they are about.
type suite struct {
	suiteText
	dir     string // that its paths are relative to, which evidence never leaves
	policy  *policy.Policy
	trusts  *trusts
	now     time.Time
	refs    []image.Ref // of the cases
	tapes   []*tape
	checked []check // of the cases
}

// A check is what a case needs to be judged.
type check struct {
	rules gate.Rules
	store *watched
	tape  *tape // nil where the registry is asked

	// unasked is whether servers would have been asked if this were no case with
	// evidence, which has no answer of theirs.
	unasked bool

	// look has everything recorded that another policy could ask for, so that the
	// evidence outlives a change of the policy; nil where nothing is recorded.
	look looker
}

// casesName is the file of cases that is read where none is named.
const casesName = "policy-test.yaml"

// defaultCases returns the file of cases that stands beside the workspace's
// policy.
func (c Command) defaultCases() (string, error) {
	rules, _, err := defaultPolicy(c)
	if err != nil {
		return "", err
	}
	beside := cmp.Or(rules, policyName)
	name := path.Join(path.Dir(beside), casesName)
	if _, err := os.Stat(c.path(filepath.FromSlash(name))); errors.Is(err, fs.ErrNotExist) {
		return "", usagef("", "name a file of cases, or write "+name+"; docs/policy-commands.md has one", "no file was given, and there is no %s beside %s", casesName, beside)
	}
	return name, nil
}

// refuseCases says what is wrong with a file of cases, and returns the exit
// code.
func (c Command) refuseCases(all casesError) int {
	for _, f := range all {
		c.warn(f.Error())
		if f.Next != "" {
			fmt.Fprintf(c.Stderr, "  next: %s\n", report.Printable(f.Next))
		}
	}
	return ExitUsage
}

// readSuite reads a file of cases and the policy that it names.
func (c Command) readSuite(ctx context.Context, v testFlags, name string) (*suite, error) {
	full := c.path(name)
	body, err := c.readPolicy(full, givenByUser)
	if err != nil {
		return nil, usagef(name, "name a file of cases; docs/policy-commands.md has one", "%w", err)
	}
	s := &suite{dir: filepath.Dir(full), now: c.now()}
	slashed := filepath.ToSlash(name)
	if err := s.read(slashed, body); err != nil {
		return nil, err
	}
	if s.Now != nil {
		s.now = s.Now.Time
	}
	beside := func(file string) string {
		if filepath.IsAbs(filepath.FromSlash(file)) {
			return file
		}
		return path.Join(path.Dir(slashed), file)
	}
	trust := v.trust
	if trust.file == "" && s.TrustedRoot != nil {
		trust.file = c.path(filepath.FromSlash(beside(s.TrustedRoot.Value)))
		if err := c.checkRoot(trust); err != nil {
			return nil, usagef(place(s.TrustedRoot.At), "give a trusted_root.json, as `cosign trusted-root create` writes it", "trusted-root: %w", err)
		}
	}
	s.trusts = &trusts{command: c, flags: &trust}
	rules, at := policyName, name
	if s.Policy != nil {
		rules, at = s.Policy.Value, place(s.Policy.At)
	}
	rules = beside(rules)
	text, err := c.readPolicy(c.path(filepath.FromSlash(rules)), givenByPolicy)
	if err != nil {
		return nil, usagef(at, "name the policy that the cases are about as policy:, relative to their file", "%w", err)
	}
	if s.policy, err = v.load(ctx, c, newSystems(c, s.trusts, nil), rules, text); err != nil {
		return nil, v.policy.bad(err)
	}
	return s, nil
}

// checkRoot reads the trust root that a file of cases names.
func (c Command) checkRoot(t trustFlags) error {
	body, err := c.readPolicy(t.file, givenByPolicy)
	if err == nil {
		_, err = sigstore.TrustJSON(body, t.rules())
	}
	return err
}

// asked returns the images that registries are asked about.
func (s *suite) asked(record bool) []image.Use {
	var uses []image.Use
	for i, t := range s.Cases {
		if t.Evidence == nil || record {
			uses = append(uses, image.Use{Text: t.Image.Value, Ref: s.refs[i]})
		}
	}
	return uses
}

// bind says whom each case asks, and makes its rules.
func (s *suite) bind(c Command, client *registry.Client, record bool) error {
	for i, t := range s.Cases {
		store := &watched{store: client}
		var evidence *tape
		if t.Evidence != nil {
			var err error
			if evidence, err = s.tape(t, client, record); err != nil {
				return err
			}
			if store.store = evidence.replayer; record {
				store.store = evidence.recorder
			}
		}
		systems := newSystems(c, s.trusts, s.platforms())
		systems.recorded = evidence != nil
		systems.bind(store, s.now)
		rules, err := s.policy.Rules([]image.Use{s.use(i)}, systems.list(), s.now)
		if err != nil {
			return (&policyFlags{}).bad(err)
		}
		one := check{rules: rules, store: store, tape: evidence, unasked: systems.unasked}
		if evidence != nil && record {
			one.look, _ = systems.looker() // who needs what is wrong with it has been told
		}
		s.checked = append(s.checked, one)
	}
	return nil
}

func (s *suite) use(i int) image.Use {
	return image.Use{Text: s.Cases[i].Image.Value, Ref: s.refs[i]}
}

// run judges all cases, several at a time.
func (s *suite) run(ctx context.Context, jobs int) outcomes {
	all := make(outcomes, len(s.Cases))
	var group errgroup.Group
	group.SetLimit(jobs)
	for i := range s.Cases {
		group.Go(func() error {
			all[i] = s.judge(ctx, i)
			return nil
		})
	}
	_ = group.Wait() // what went wrong is an outcome
	for i, o := range all {
		if t := s.checked[i].tape; t != nil && o.result == unanswered {
			t.useless = true
		}
	}
	return all
}

// errIncomplete says that evidence is no basis for a judgement.
var errIncomplete = fmt.Errorf("the evidence does not have all that the policy asks for: %w", registry.ErrNotRecorded)

func (s *suite) judge(ctx context.Context, i int) outcome {
	check, t := s.checked[i], s.Cases[i]
	now := func() time.Time { return s.now }
	r := gate.Check(ctx, []image.Use{s.use(i)}, check.rules, check.store, gate.Options{Jobs: 1, Reason: registry.Reason, Now: now})
	f := r.Findings()[0]
	if check.look != nil && f.Pinned.Digest() != "" {
		_, _ = check.look(ctx, f.Pinned, asListed(s.platforms())) // what it finds does not matter
	}
	o := outcome{text: t, got: f.Reason(), signers: signersOf(f), report: r, unasked: check.unasked && passedUnasked(f)}
	for _, v := range f.Verdicts {
		if !v.Passed() {
			o.err = v.Err()
			break
		}
	}
	switch {
	case check.store.missing.Load():
		o.result, o.err = unanswered, errIncomplete
	case string(o.got) == t.Expect.Value && (t.Signer == nil || slices.Contains(o.signers, t.Signer.Value)):
		o.result = asExpected
	case o.got.NoAnswer(), o.got == verify.Undecided:
		o.result = unanswered
	default:
		o.result = differs
	}
	return o
}
