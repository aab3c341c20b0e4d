package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// defaultTimeout bounds a run.
const defaultTimeout = 3 * time.Minute

// signFlags are the flags of boltseal sign.
type signFlags struct {
	system   string
	by       signerChoice
	notation notationFlags
	dct      dctSigners
	trust    trustFlags
	registry registryFlags
	checks   checkFlags

	config      string
	upload      bool
	formats     []string
	recursive   bool
	annotations []string
	repository  string
	attest      []string
	attestOnly  bool
	force, tags bool
	bundleDir   string
	output      string
	jobs        int
	timeout     time.Duration

	step bool // of the Action, which takes digests only
}

func (c Command) sign(code *int) *cobra.Command {
	var s signFlags
	cmd := &cobra.Command{
		Use:   "sign IMAGE[@DIGEST]…",
		Short: "Sign images that were pushed, and verify them back",
		Long: `sign signs the digests of images that were pushed: keyless with the identity of
the job, or by a key. A tag is resolved once, and the digest is signed. What is
there already is not made again, so it can be run twice. In the end everything
is read back from the registry and verified, and only that is reported.

What needs no network is looked at first: bad input, a gate that did not pass
(--require-gate) and scan reports that exceed the limits (--scan-report) leave
the registry and the log as they are.

The identity comes from --identity-token, SIGSTORE_ID_TOKEN or the GitHub runner,
or is that of --key (with COSIGN_PASSWORD for an encrypted one).

With --system notation a signature of the Notary Project is made, by --key with its
--certificate-chain, or by a --plugin that keeps a key.

With --system dct the tag gets its digest in the trust data of a Notary (v1) server,
in all delegations of --key (DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE has its
password), among them targets/releases. --dct-root-key-ids or the like says whose
trust data they have to be.

Flags that go with one system only are refused with another.

Exit codes: 0 all is signed and verified, 1 refused, 2 bad flag, input, key or
predicate, 3 no answer (a service or the registry could not be asked, or refused
access).`,
		Example: `  boltseal sign ghcr.io/acme/app@sha256:749454f7de71939c56ec0421cb1d6facfda71ac1b8561f990e71ec8ce8c1eb61
  boltseal sign ghcr.io/acme/app:v1 --key cosign.key --attest spdx=sbom.spdx.json
  boltseal sign ghcr.io/acme/app:v1 --require-gate gate.json --scan-report trivy.json --fail-on high --vsa
  boltseal sign ghcr.io/acme/app:v1 --system notation --key release.key --certificate-chain release.pem --expiry 8760h
  boltseal sign registry.acme.example/app:v1@sha256:749454f7de71939c56ec0421cb1d6facfda71ac1b8561f990e71ec8ce8c1eb61 \
    --system dct --key alice.key --dct-server https://notary.acme.example \
    --dct-root-key-ids 2d4f5c1e9f0a4b7c8d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c`,
		RunE: func(cmd *cobra.Command, args []string) error {
			err := given(cmd.Flags())
			if err == nil {
				err = s.suit(cmd.Flags())
			}
			if err == nil {
				*code, err = c.runSign(cmd.Context(), s, args)
			}
			return err
		},
	}
	s.register(cmd.Flags())
	return cmd
}

func (f *signFlags) register(flags *pflag.FlagSet) {
	flags.SortFlags = false
	flags.SetNormalizeFunc(plurals)
	flags.StringVar(&f.system, "system", sigstore.System, "`NAME` of the way of signing: sigstore, notation (Notary Project) by a key with certificates, or dct (Docker Content Trust) by the key of a delegation")
	f.by.register(flags)
	flags.StringArrayVar(&f.formats, "format", nil, "`FORMAT` of the signature: bundle (the default), or legacy for verifiers on cosign 2; of notation jws (the default), or cose; repeatable")
	flags.BoolVar(&f.recursive, "recursive", false, "sign each manifest that an index lists, besides the index")
	flags.StringArrayVarP(&f.annotations, "annotation", "a", nil, "`KEY=VALUE` that is signed with the signature; repeatable")
	flags.StringArrayVar(&f.attest, "attest", nil, "`TYPE=FILE`: attest the predicate in the file, of a type (slsaprovenance1, spdx, cyclonedx, vuln … or a URI); repeatable")
	flags.BoolVar(&f.attestOnly, "attest-only", false, "make the attestations, and no signature")
	flags.StringVar(&f.repository, "signature-repository", "", "`REPOSITORY` that gets the signatures, if not the image's own")
	f.checks.register(flags)
	flags.BoolVar(&f.force, "force", false, "sign also what is signed by the same identity already")
	flags.BoolVar(&f.tags, "sign-tags", false, "images may be named by tags, which somebody may move before they are resolved; without it the command line tells of each, and the Action refuses them")
	flags.StringVar(&f.config, "signing-config", "", "signing_config.json `FILE` that names the services, instead of that of the instance's TUF repository")
	flags.BoolVar(&f.upload, "tlog-upload", true, "record signatures in the transparency log; only with a key it may be false")
	f.trust.register(flags)
	f.registry.register(flags)
	flags.StringVar(&f.bundleDir, "bundle-dir", "", "`DIR` that gets the bundles, once they are verified")
	flags.StringVar(&f.output, "output", "text", "`FORMAT` of the report: text, or json (docs/sign.md)")
	flags.IntVar(&f.jobs, "jobs", gate.DefaultJobs, "images to sign at a time, `N` of 1 to 256")
	flags.DurationVar(&f.timeout, "timeout", defaultTimeout, "`DURATION` of the whole run, such as 90s")
	f.notation.register(flags)
	f.dct.registerSigning(flags)
}

// given refuses flags that are there and say nothing: what they were to name would
// be chosen by something else, such as the identity of the job for a key whose
// variable is not set.
func given(flags *pflag.FlagSet) error {
	var err error
	flags.Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			if strings.TrimSpace(v) == "" && err == nil {
				err = usagef("--"+f.Name, "give it a value, or leave the flag out", "it is empty; is a variable not set?")
			}
		}
	})
	if err == nil && flags.Changed("fail-on") && !flags.Changed("scan-report") {
		err = withoutScan("--fail-on")
	}
	return err
}

// within returns a context that ends with the run.
func (f *signFlags) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if f.timeout <= 0 { // which is bad input
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, f.timeout, timeoutError{f.timeout})
}

// runSign signs, and reports.
func (c Command) runSign(ctx context.Context, f signFlags, args []string) (int, error) {
	ctx, cancel := f.within(ctx)
	defer cancel()
	run, err := c.prepareSign(ctx, f, args)
	if err != nil {
		return ExitUsage, err
	}
	progress := c.progress()
	s, err := run.do(ctx, progress.signed)
	progress.end()
	if u := (*usageError)(nil); errors.As(err, &u) {
		return ExitUsage, err
	}
	if err == nil {
		err = c.signed(f, s)
	}
	if err != nil {
		c.untold(err)
		return ExitNoAnswer, nil
	}
	return signedCode(s), nil
}

// signed writes the report.
func (c Command) signed(f signFlags, s report.Signed) error {
	if f.output == "json" {
		return report.SignedJSON(c.Stdout, s)
	}
	for _, text := range s.Notices {
		fmt.Fprintf(c.Stderr, "notice: %s\n", report.Printable(text))
	}
	colour := terminal(c.Stdout) && c.getenv("NO_COLOR") == "" && c.getenv("TERM") != "dumb"
	return report.SignedText(c.Stdout, s, report.TextOptions{Color: colour, Timings: terminal(c.Stdout)})
}

// signedCode is what the process says of s.
func signedCode(s report.Signed) int {
	switch {
	case s.Complete(), s.Skipped != "" && s.Refused == nil && len(s.Failures) == 0:
		return ExitPassed
	case s.NoAnswer():
		return ExitNoAnswer
	}
	return ExitClosed
}

// A signing is ready to run: its input was found to be sound.
type signing struct {
	command Command
	flags   signFlags
	refs    []image.Ref
	// untagged has the refs, as text, whose tag latest nobody has written.
	untagged map[string]bool
	order    sign.Order // without the images
	where    image.Ref  // of the signatures; zero for beside each image
	system   signSystem
	skipped  string // why there is nothing to sign with, and nobody minds
	means    means  // nil where that is so
	checks   checks
	started  time.Time
	notices  []string
}

// prepareSign finds everything that can be wrong with the input, and asks
// nobody. It takes no longer than the run may: an input may be a pipe, and who
// writes it may not.
func (c Command) prepareSign(ctx context.Context, f signFlags, args []string) (*signing, error) {
	type prepared struct {
		run *signing
		err error
	}
	ready := make(chan prepared, 1)
	go func() {
		run, err := c.readSign(f, args)
		ready <- prepared{run, err}
	}()
	select {
	case p := <-ready:
		return p.run, p.err
	case <-ctx.Done():
		return nil, usagef("", "see whether one of the files is a pipe that nobody writes", "read what the flags name: %w", context.Cause(ctx))
	}
}

// readSign is prepareSign without an end.
func (c Command) readSign(f signFlags, args []string) (*signing, error) {
	s := &signing{command: c, flags: f, started: c.now(), untagged: map[string]bool{}}
	var err error
	if s.system, err = f.chosen(); err != nil {
		return nil, err
	}
	if err := f.sound(); err != nil {
		return nil, err
	}
	if s.skipped = f.by.excused(c); s.skipped != "" { // what is still asked is whether the gate passed
		gates := checkFlags{gates: f.checks.gates, ofJob: f.checks.ofJob, failOn: defaultFailOn}
		s.checks, err = gates.read(c, s.started, 0)
		return s, err
	}
	if err := s.readImages(args); err != nil {
		return nil, err
	}
	if err := s.readOrder(); err != nil {
		return nil, err
	}
	if s.means, err = s.system.read(s); err != nil {
		return nil, err
	}
	if s.checks, err = f.checks.read(c, s.started, len(s.refs)); err != nil {
		return nil, err
	}
	if err := s.openBundles(); err != nil {
		return nil, err
	}
	return s, nil
}

// sound checks the flags that stand for themselves.
func (f *signFlags) sound() error {
	for _, h := range f.registry.insecure {
		if h == "" || strings.ContainsAny(h, "/@ ") {
			return usagef("--insecure-registry", "write HOST or HOST:PORT as it stands in the reference", "%q is not a host", h)
		}
	}
	switch {
	case f.output != "text" && f.output != "json":
		return usagef("--output", "write text or json", "%q is neither text nor json", f.output)
	case f.jobs < 1 || f.jobs > 256:
		return usagef("--jobs", "write a number from 1 to 256", "%d is out of range", f.jobs)
	case f.timeout <= 0:
		return usagef("--timeout", "write a duration such as 2m", "%s is no time at all", f.timeout)
	case f.attestOnly && len(f.attest) == 0 && !f.checks.attest:
		return usagef("--attest-only", "add --attest TYPE=FILE, or leave the flag out", "there is nothing to attest")
	case f.attestOnly && (len(f.formats) > 0 || len(f.annotations) > 0):
		return usagef("--attest-only", "leave out --format and --annotation, which are for signatures, or --attest-only", "no signature is made")
	}
	return nil
}

// result begins the report of the run.
func (s *signing) result() report.Signed {
	r := report.Signed{
		ToolVersion: version(), Started: s.started, Checks: s.checks.done, Notices: s.notices,
		Consumer: report.Consumer{Annotations: s.order.Annotations, Insecure: s.flags.registry.insecure},
	}
	if s.means == nil {
		return r
	}
	if s.flags.repository != "" {
		r.Consumer.Repository = s.where.Name()
	}
	s.means.consumer(&r.Consumer)
	return r
}

// do signs. An error is bad input that only others could tell of, or says that
// what was signed could not be written down.
func (s *signing) do(ctx context.Context, done func(done, of int)) (report.Signed, error) {
	r := s.result()
	switch {
	case s.checks.refused != nil:
		r.Refused = s.checks.refused
	case s.skipped != "":
		r.Skipped = s.skipped
	default:
		if err := s.sign(ctx, &r, done); err != nil {
			return r, err
		}
	}
	r.Elapsed = s.command.now().Sub(s.started)
	return r, nil
}

// bare returns the cause of an error that says what was being done, where the flag
// says that already.
func bare(err error) error {
	if e, ok := err.(*verify.Error); ok { //nolint:errorlint // what wraps it says something else
		return e.Err
	}
	return err
}

// hintOf is what err suggests, or else next.
func hintOf(err error, next string) string { return cmp.Or(verify.Hint(err), next) }

// repositoryVariable says to cosign where signatures are stored.
const repositoryVariable = "COSIGN_REPOSITORY"

// signedImage is what an error calls an argument.
const signedImage = "IMAGE[@DIGEST]"
