package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/handover"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
)

// verifyFlags are the flags of boltseal verify.
type verifyFlags struct {
	scan     scanFlags
	signers  signerFlags
	notation notationSigners
	dct      dctSigners
	policy   policyFlags
	trust    trustFlags
	registry registryFlags
	files    fileFlags
	handover handoverFlags

	asking func(reads []string) error // called before policies that lie elsewhere are asked for

	implicit         []string
	attestations     []string
	requireSignature bool
	platforms        []string
	signatureOn      string
	signatureRepo    string
	mode, output     string
	jobs             int
	timeout          time.Duration
}

func (c Command) verify(code *int) *cobra.Command {
	var v verifyFlags
	cmd := &cobra.Command{
		Use:   "verify [IMAGE…] [-f FILE]…",
		Short: "Verify who signed images, before the build",
		Long: `verify resolves each image once to a digest, and checks that this digest was
signed by whom it should be, with Sigstore (cosign) or Notation. Every storage
format is considered for every image: cosign's tags, Sigstore bundles and Notation
envelopes as referrers, and the fallback tag of registries without a referrers API.
Where Docker Content Trust is asked for, a Notary server says which digest a tag has.

The images are those given, and those that the files use which --file names.
With neither, the whole workspace is searched, as boltseal scan does.

Who must have signed is said by identities, keys, certificates or roots, for all
images alike; or else by a policy, --policy or .boltseal.yaml of the workspace, which
can ask for several systems; or else by what is known of publishers (boltseal policy
publishers). What none of them speaks of fails.

Only repository@digest is ever reported as verified.

Exit codes: 0 passed, 1 gate closed, 2 bad flag, input or policy, 3 no answer.`,
		Example: `  boltseal verify
  boltseal verify --file Dockerfile --build-arg TAG=v1 --policy .boltseal.yaml

  boltseal verify gcr.io/distroless/static-debian12:nonroot \
    --certificate-identity keyless@distroless.iam.gserviceaccount.com \
    --certificate-oidc-issuer https://accounts.google.com

  boltseal verify ghcr.io/acme/app:v1 --key cosign.pub --output json
  boltseal verify registry.acme.example/app:v1 --notation-certificate acme-root.crt \
    --notation-identity 'C=US, ST=WA, O=Acme, CN=release'
  boltseal verify registry.acme.example/app:v1 --dct-server https://notary.acme.example \
    --dct-root-key-ids 9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a \
    --dct-signers alice`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			*code, err = c.runVerify(cmd.Context(), v, args)
			return err
		},
	}
	v.register(cmd.Flags())
	return cmd
}

func (v *verifyFlags) register(f *pflag.FlagSet) {
	v.registerDemand(f, v.policy.registerLock)
	f.StringArrayVar(&v.implicit, "implicit-image", nil, "`IMAGE` that no file names and the builder pulls by itself, such as the generator of an SBOM: it is verified besides the others; repeatable")
	f.StringVar(&v.mode, "mode", "enforce", "`MODE`: enforce, or warn to report the same and exit 0")
	f.StringVar(&v.output, "output", "text", "`FORMAT` of the report: text, or json (docs/json.md)")
	v.files.register(f)
	v.handover.register(f)
	v.registerPace(f)
}

// registerDemand registers what says which images are looked at, and who must
// have signed them; lock registers the flags of the lock.
func (v *verifyFlags) registerDemand(f *pflag.FlagSet, lock func(*pflag.FlagSet)) {
	f.SortFlags = false
	f.SetNormalizeFunc(plurals)
	v.scan.gate = true
	v.scan.register(f)
	v.policy.register(f)
	lock(f)
	v.signers.register(f)
	v.notation.register(f)
	v.dct.register(f)
	f.StringArrayVar(&v.attestations, "attestation-type", nil, "require an attestation of this predicate `TYPE` (slsaprovenance1, spdx, cyclonedx, vuln … or a URI) instead of a signature; repeatable, all are required")
	f.BoolVar(&v.requireSignature, "require-signature", false, "require a signature besides the attestations")
	f.StringSliceVar(&v.platforms, "platform", nil, "`OS/ARCH[/VARIANT]` that is built for: it decides which images files use, and its manifests may vouch, those of all platforms given, for an index that is unsigned itself; repeatable")
	f.StringVar(&v.signatureOn, "signature-on", verify.SignedImage, "`WHAT` has to be signed: image, or attestation-manifest (BuildKit's, of each platform)")
	f.StringVar(&v.signatureRepo, "signature-repository", "", "`REPOSITORY` that holds the signatures, if not the image's own")
	v.trust.register(f)
	v.registry.register(f)
}

// registerPace registers what says how many images are checked at a time, and
// for how long.
func (v *verifyFlags) registerPace(f *pflag.FlagSet) {
	f.IntVar(&v.jobs, "jobs", gate.DefaultJobs, "images to check at a time, `N` of 1 to 256")
	f.DurationVar(&v.timeout, "timeout", 3*time.Minute, "`DURATION` of the whole run, such as 90s")
}

func (c Command) runVerify(ctx context.Context, v verifyFlags, args []string) (int, error) {
	run, err := c.prepare(ctx, v, args)
	if err != nil {
		return ExitUsage, err
	}
	files, err := v.files.create(c, run.reads()...)
	if err != nil {
		return ExitUsage, err
	}
	progress := c.progress()
	r, about := run.check(ctx, progress.step)
	about = c.placed(about)
	progress.end()
	kept, failed := run.lock.keep(r)
	about.Warnings = append(about.Warnings, kept...)
	if failed == nil {
		failed = run.handovers.give(r)
	}
	about = run.handovers.tell(r, about)
	if err := errors.Join(c.report(r, v, about), files.write(r, about)); err != nil {
		failed = errors.Join(failed, fmt.Errorf("write the report: %w", err))
	}
	if failed != nil {
		c.untold(errors.Join(failed, run.handovers.close()))
		return ExitNoAnswer, nil // whatever was found, nobody has been told
	}
	return exitCode(r, about), nil
}

// untold says why the result of a run went nowhere, or not where it should.
func (c Command) untold(err error) {
	c.warn(err.Error())
	if h := (*resultError)(nil); errors.As(err, &h) {
		fmt.Fprintf(c.Stderr, "  next: %s\n", report.Printable(h.next))
	}
}

// A verification is ready to run: its input was found to be sound.
type verification struct {
	flags     verifyFlags
	uses      []image.Use
	files     []string // that the images were found in
	demand    demand
	rules     gate.Rules
	client    *registry.Client
	trusts    *trusts
	lock      lockFile
	build     handover.Options // what is known of the build
	handovers *handovers
	now       func() time.Time // nil: the clock's
	warnings  []report.Warning
}

// reads returns the files that the run reads, as far as they are known. Some may
// be empty, or no names at all.
func (v *verification) reads() []string { return append(v.demand.files(), v.known()...) }

// known returns those that are known before the policy was read.
func (v *verification) known() []string {
	return append([]string{v.flags.trust.file, v.flags.trust.root, v.flags.registry.caFile, v.lock.name}, v.files...)
}

// prepare finds everything that can be wrong with the input, before anything
// is asked of anybody but those whom a policy extends.
func (c Command) prepare(ctx context.Context, v verifyFlags, args []string) (*verification, error) {
	uses, err := v.uses(c, args)
	if err != nil {
		return nil, err
	}
	return c.prepareFor(ctx, v, len(args) == 0 && len(v.scan.files) == 0, func(run *verification) error {
		run.uses = uses
		return run.search(c, args)
	})
}

// prepareFor prepares to verify the images that gather gives the run. All is
// whether those are every image of the workspace.
func (c Command) prepareFor(ctx context.Context, v verifyFlags, all bool, gather func(*verification) error) (*verification, error) {
	if err := v.sound(); err != nil {
		return nil, err
	}
	run := &verification{flags: v, trusts: &trusts{command: c, flags: &v.trust, seen: v.dct.cache}, now: c.Now}
	var err error
	if run.handovers, err = v.handover.read(c); err != nil {
		return nil, err
	}
	if err := gather(run); err != nil {
		return nil, err
	}
	run.handovers.options = run.build
	if run.lock, err = v.policy.openLock(c, all); err != nil {
		return nil, err
	}
	if err := run.separate(c); err != nil {
		return nil, err
	}
	// Policies may lie elsewhere, and whoever has them is asked.
	var shut error
	run.flags.asking = func(reads []string) error {
		shut = run.handovers.shutAll(slices.Concat(run.known(), reads))
		return shut
	}
	run.demand, err = run.flags.demand(ctx, c, run.trusts)
	switch {
	case shut != nil:
		return nil, shut
	case err != nil:
		return nil, err
	}
	if run.client, err = run.flags.registry.client(c, run.uses); err != nil {
		return nil, err
	}
	rules, warnings, err := run.demand.rules(run.uses, run.client, c.now())
	if err != nil {
		return nil, err
	}
	run.rules = run.lock.hold(rules)
	run.warnings = append(warnings, run.warnings...)
	return run, run.handovers.shutAll(run.reads())
}

// separate says what is wrong with what is handed over beside the images and the
// reports of the run.
func (v *verification) separate(c Command) error {
	reports, err := v.flags.files.reported(c)
	if err != nil {
		return err
	}
	if err := v.handovers.apart("the file of a report", reports); err != nil {
		return err
	}
	return v.handovers.suit(v.uses)
}

// search adds the images of files, where they are to be looked for, and those
// that are in none.
func (v *verification) search(c Command, args []string) error {
	implicit, err := v.flags.implicitUses()
	if err != nil {
		return err
	}
	if len(args) > 0 && len(v.flags.scan.files) == 0 {
		v.uses = append(v.uses, implicit...)
		for _, name := range v.flags.scan.targets {
			v.build.Targets = append(v.build.Targets, handover.Target{Name: name})
		}
		return nil
	}
	all, err := v.flags.scan.find(c, v.flags.scan.files, v.flags.platforms)
	if err != nil {
		return err
	}
	v.add(c, all)
	v.build = handover.Options{Targets: all.targets, Scanned: true, Contexts: all.contexts}
	if len(v.uses) > 0 || v.flags.scan.noImage {
		// What the builder adds is no build: it does not make up for a
		// repository that was not checked out.
		v.uses = append(v.uses, implicit...)
	}
	return nil
}

// add adds what a scan of files came to.
func (v *verification) add(c Command, all found) {
	v.uses = append(v.uses, all.uses...)
	v.files = all.read(c.Dir)
	v.warnings = append(v.warnings, report.Gathered(all.warnings)...)
	if len(v.uses) == 0 && !v.flags.scan.noImage {
		v.warnings = append(v.warnings, report.Warning{Text: all.nothing()})
	}
}

// check runs the gate; done is called after each image.
func (v *verification) check(ctx context.Context, done func(done, of int)) (gate.Report, report.Run) {
	ctx, cancel := context.WithTimeoutCause(ctx, v.flags.timeout, timeoutError{v.flags.timeout})
	defer cancel()
	v.trusts.start(ctx) // beside the registry requests
	r := gate.Check(ctx, v.uses, v.rules, v.client, gate.Options{Jobs: v.flags.jobs, Reason: registry.Reason, Now: v.now, Done: done, Meter: meter})
	warnings := slices.Concat(v.warnings, v.trusts.warnings(), unrevoked(r), trustDataDoubts(r, r.Started()))
	return r, report.Run{ToolVersion: version(), Mode: v.flags.mode, Requests: v.client.Requests(), Warnings: warnings, AllowEmpty: v.flags.scan.noImage}
}

// meter counts the requests of one image.
func meter(ctx context.Context) gate.Meter {
	n := &registry.Counter{}
	return gate.Meter{Context: registry.WithCounter(ctx, n), Requests: n.Requests}
}

// A timeoutError says that --timeout is over.
type timeoutError struct{ after time.Duration }

func (e timeoutError) Error() string     { return fmt.Sprintf("--timeout %s ran out", e.after) }
func (e timeoutError) Is(err error) bool { return err == context.DeadlineExceeded }
func (e timeoutError) Timeout() bool     { return true }

// exitCode is what the process says of r.
func exitCode(r gate.Report, about report.Run) int {
	switch {
	case r.Passed(), about.Lenient(r):
		return ExitPassed
	case r.NoAnswer():
		return ExitNoAnswer
	}
	return ExitClosed
}

// report writes r to standard output, and warnings to standard error unless
// the output carries them.
func (c Command) report(r gate.Report, v verifyFlags, about report.Run) error {
	if v.output == "json" {
		return report.JSON(c.Stdout, r, about)
	}
	c.tell(about.Warnings)
	colour := terminal(c.Stdout) && c.getenv("NO_COLOR") == "" && c.getenv("TERM") != "dumb"
	return report.Text(c.Stdout, r, report.TextOptions{Color: colour, Warn: about.Lenient(r), Timings: terminal(c.Stdout), Handover: about.Handover})
}

// tell writes warnings to standard error.
func (c Command) tell(warnings []report.Warning) {
	for _, w := range warnings {
		fmt.Fprintf(c.Stderr, "warning: %s\n", report.Printable(w.String()))
	}
}

// uses reads the references.
func (v *verifyFlags) uses(c Command, args []string) ([]image.Use, error) {
	var uses []image.Use
	for _, a := range args {
		if scheme, _, ok := strings.Cut(a, "://"); ok {
			return nil, usagef("IMAGE", "leave out "+scheme+"://; plain http is asked for with --insecure-registry", "%q is an address, not a reference", a)
		}
		if info, err := os.Stat(filepath.Join(c.Dir, a)); err == nil && (info.Mode().IsRegular() || strings.HasSuffix(a, "/")) && !strings.ContainsAny(a, "@:") {
			return nil, usagef("IMAGE", "write --file "+a+" for the images that it uses", "%q is a file or folder here", a)
		}
		if isList(a) {
			return nil, usagef("IMAGE", "give each image as an argument of its own, or in the Action on a line of its own", "%q is a list, not a reference", a)
		}
		ref, err := image.Parse(a)
		if err != nil {
			return nil, usagef("IMAGE", "write it as registry/repository:tag or registry/repository@sha256:…; files are named by --file", "%w", err)
		}
		uses = append(uses, image.Use{Text: a, Ref: ref})
	}
	return uses, nil
}

// sound checks the flags that stand for themselves.
func (v *verifyFlags) sound() error {
	for _, h := range v.registry.insecure {
		if h == "" || strings.ContainsAny(h, "/@ ") {
			return usagef("--insecure-registry", "write HOST or HOST:PORT as it stands in the reference", "%q is not a host", h)
		}
	}
	switch {
	case v.mode != "enforce" && v.mode != "warn":
		return usagef("--mode", "write enforce or warn", "%q is neither enforce nor warn", v.mode)
	case v.output != "text" && v.output != "json":
		return usagef("--output", "write text or json", "%q is neither text nor json", v.output)
	case v.jobs < 1 || v.jobs > 256:
		return usagef("--jobs", "write a number from 1 to 256", "%d is out of range", v.jobs)
	case v.timeout <= 0:
		return usagef("--timeout", "write a duration such as 2m", "%s is no time at all", v.timeout)
	case v.signatureOn != verify.SignedImage && v.signatureOn != verify.SignedAttestation:
		return usagef("--signature-on", "write image or attestation-manifest", "%q is neither", v.signatureOn)
	}
	return checkPlatforms(v.platforms)
}

var platformPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([A-Za-z0-9]+)/([A-Za-z0-9_-]+)(?:/([A-Za-z0-9.]+))?$`)
})

func checkPlatforms(platforms []string) error {
	for _, p := range platforms {
		if !platformPattern().MatchString(p) {
			return usagef("--platform", "write os/arch or os/arch/variant, such as linux/arm64; repeat the flag for each", "%q is no platform", p)
		}
	}
	return nil
}

// asListed returns platforms as indexes list them.
func asListed(platforms []string) []string {
	var out []string
	for _, p := range platforms {
		m := platformPattern().FindStringSubmatch(p)
		if m[2] == "arm" && m[3] == "" {
			out = append(out, strings.ToLower(p)) // every variant; Platform would mean v7
		} else {
			out = append(out, image.Platform(m[1], m[2], m[3]))
		}
	}
	return out
}

// isList reports whether text is several references, as other tools take them.
func isList(text string) bool {
	parts := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	for _, p := range parts {
		if _, err := image.Parse(p); err != nil {
			return false
		}
	}
	return len(parts) > 1
}

// implicitUses reads what --implicit-image names.
func (v *verifyFlags) implicitUses() ([]image.Use, error) {
	var uses []image.Use
	for _, text := range v.implicit {
		ref, err := image.Parse(text)
		if err != nil {
			return nil, usagef("--implicit-image", cmp.Or(listed(text), "write it as registry/repository:tag or registry/repository@sha256:…"), "%w", err)
		}
		uses = append(uses, image.Use{Text: text, Ref: ref, Kind: image.Implicit})
	}
	return uses, nil
}

// listed is what to do about text where it is several references.
func listed(text string) string {
	if isList(text) {
		return "repeat the flag for each image; in the Action, write each on a line of its own"
	}
	return ""
}
