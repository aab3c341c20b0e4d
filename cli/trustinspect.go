package cli

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/dct"
)

// inspectFlags are the flags of boltseal trust inspect.
type inspectFlags struct {
	dct       dctSigners
	sigstore  trustFlags
	registry  registryFlags
	platforms []string
	maxTags   int
	output    string
	jobs      int
	timeout   time.Duration
}

// maxInspected bounds the arguments of one run.
const maxInspected = 256

func (c Command) trustInspect(code *int) *cobra.Command {
	var f inspectFlags
	cmd := &cobra.Command{
		Use:   "inspect IMAGE…",
		Short: "Show who vouches for an image: Docker Content Trust, Sigstore and Notation",
		Long: `inspect shows what Docker Content Trust says of a repository, as docker trust
inspect does: its signed tags with their digests and signers, the keys, and when
what they signed expires. It asks the registry whether it serves what was signed.

Of an image with a tag or a digest it also shows who has signed it with Sigstore
(cosign) and Notation. A repository without signed tags is taken for its tag
latest.

It decides nothing: whoever is shown may not be who should have signed. Without
--dct-root-key-ids or the like not even the trust data are proven to be whose they
seem, which is said; boltseal verify is the gate.

Exit codes: 0 somebody vouches for each IMAGE, 1 nobody does, trust data do not
hold, or a tag leads elsewhere than was signed, 2 bad flag or input, 3 somebody
could not be asked, though the rest is shown.`,
		Example: `  boltseal trust inspect registry.acme.example/team/app
  boltseal trust inspect registry.acme.example/team/app:v1 --output json
  boltseal trust inspect registry.acme.example/team/app:v1 \
    --dct-server https://notary.acme.example \
    --dct-root-key-ids 2d4f5c1e9f0a4b7c8d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			*code, err = c.runTrustInspect(cmd.Context(), f, args)
			return err
		},
	}
	f.register(cmd.Flags())
	return cmd
}

func (f *inspectFlags) register(flags *pflag.FlagSet) {
	flags.SortFlags = false
	flags.SetNormalizeFunc(plurals)
	flags.StringVar(&f.output, "output", "text", "`FORMAT` of what was found: text, or json (docs/trust-inspect.md)")
	flags.IntVar(&f.maxTags, "max-tags", 25, "signed tags of a repository to ask its registry about, those with the highest names, `N` of 0 to 1000")
	flags.StringSliceVar(&f.platforms, "platform", nil, "`OS/ARCH[/VARIANT]` whose manifest to look at where an index is unsigned itself, instead of all; repeatable")
	f.dct.registerTrust(flags)
	f.sigstore.register(flags)
	f.registry.register(flags)
	flags.IntVar(&f.jobs, "jobs", gate.DefaultJobs, "requests of registries to make at a time, `N` of 1 to 256")
	flags.DurationVar(&f.timeout, "timeout", 3*time.Minute, "`DURATION` of the whole run, such as 90s")
}

// sound checks the flags that stand for themselves.
func (f *inspectFlags) sound() error {
	v := verifyFlags{registry: f.registry, mode: "enforce", output: f.output, jobs: f.jobs, timeout: f.timeout, platforms: f.platforms, signatureOn: verify.SignedImage}
	if f.maxTags < 0 || f.maxTags > 1000 {
		return usagef("--max-tags", "write a number from 0 to 1000", "%d is out of range", f.maxTags)
	}
	return v.sound()
}

// A subject is what an argument names: an image, or a repository as a whole.
type subject struct {
	text string
	ref  image.Ref
	repo bool // neither a tag nor a digest was written
}

// subjects reads the arguments.
func (c Command) subjects(args []string) ([]subject, error) {
	const next = "write it as registry/repository, registry/repository:tag or registry/repository@sha256:…"
	switch {
	case len(args) == 0:
		return nil, usagef("IMAGE", next, "no image was given")
	case len(args) > maxInspected:
		return nil, usagef("IMAGE", "inspect them in several runs", "%d images are more than %d", len(args), maxInspected)
	}
	var all []subject
	for _, arg := range args {
		if scheme, _, ok := strings.Cut(arg, "://"); ok {
			return nil, usagef("IMAGE", "leave out "+scheme+"://; plain http is asked for with --insecure-registry", "%q is an address, not a reference", arg)
		}
		if info, err := os.Stat(filepath.Join(c.Dir, arg)); err == nil && info.Mode().IsRegular() && !strings.ContainsAny(arg, "@:") {
			return nil, usagef("IMAGE", next, "%q is a file here", arg)
		}
		one := subject{text: arg}
		var err error
		if one.ref, err = image.ParseRepository(arg); err == nil {
			one.repo = true
		} else if one.ref, err = image.Parse(arg); err != nil {
			return nil, usagef("IMAGE", next, "%w", err)
		}
		all = append(all, one)
	}
	return all, nil
}

func (c Command) runTrustInspect(ctx context.Context, f inspectFlags, args []string) (int, error) {
	subjects, err := c.subjects(args)
	if err == nil {
		err = f.sound()
	}
	if err != nil {
		return ExitUsage, err
	}
	run, err := c.newInspector(f, subjects)
	if err != nil {
		return ExitUsage, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, f.timeout, timeoutError{f.timeout})
	defer cancel()
	found := run.inspect(ctx, subjects)
	c.tell(run.warnings(found))
	if f.output == "json" {
		err = report.InspectionsJSON(c.Stdout, found)
	} else {
		err = report.InspectionsText(c.Stdout, found, report.TextOptions{Color: c.colour()})
	}
	if err != nil {
		c.warn("write what was found: " + err.Error())
		return ExitNoAnswer, nil
	}
	return inspected(found), nil
}

// inspected returns the exit code of what was found.
func inspected(all []report.Inspection) int {
	code := ExitPassed
	for _, one := range all {
		switch {
		case silent(one):
			return ExitNoAnswer
		case !one.Vouched:
			code = ExitClosed
		}
	}
	return code
}

// silent reports whether somebody gave no answer.
func silent(one report.Inspection) bool {
	noAnswer := func(r verify.Reason, err error) bool { return err != nil && (r.NoAnswer() || r == verify.Undecided) }
	if noAnswer(one.Trust.Reason, one.Trust.Err) {
		return true
	}
	for _, tag := range one.Trust.Tags {
		if tag.Served.State == report.ServedNoAnswer {
			return true
		}
	}
	return slices.ContainsFunc(one.Images, func(img report.InspectedImage) bool {
		return noAnswer(img.Reason, img.Err) || slices.ContainsFunc(img.Systems, func(s report.InspectedSystem) bool { return noAnswer(s.Reason, s.Err) })
	})
}

// An inspector looks at images. What it asks for each is shared by all of a run.
type inspector struct {
	flags  inspectFlags
	client *registry.Client
	trust  trustData
	each   []namedLooker
	trusts *trusts
	turns  chan struct{} // as many as requests are made at a time
}

// A namedLooker looks at what one system has signed.
type namedLooker struct {
	system string
	look   looker
}

func (c Command) newInspector(f inspectFlags, subjects []subject) (*inspector, error) {
	var uses []image.Use
	for _, s := range subjects {
		uses = append(uses, image.Use{Text: s.text, Ref: s.ref})
	}
	v := &inspector{flags: f, turns: make(chan struct{}, f.jobs), trusts: &trusts{command: c, flags: &f.sigstore, seen: f.dct.cache}}
	var err error
	if v.client, err = f.registry.client(c, uses); err != nil {
		return nil, err
	}
	if v.trust, err = c.trustData(&f.dct, v.client, v.trusts); err != nil {
		return nil, err
	}
	systems := newSystems(c, v.trusts, f.platforms)
	systems.bind(v.client, v.trust.now)
	for _, one := range systems.each {
		name := one.requirements()[0].Name
		if name == dct.System { // which is shown whole
			continue
		}
		look, err := one.looker()
		if err != nil {
			return nil, err
		}
		v.each = append(v.each, namedLooker{name, look})
	}
	return v, nil
}

// warnings says once what is not known for certain.
func (v *inspector) warnings(found []report.Inspection) []report.Warning {
	out := v.trusts.warnings()
	for _, one := range found {
		if w := unverified(one.Trust); w.Text != "" && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// reasonOf is what an error of looking at an image means: whatever is no answer
// of a registry is one that was not had.
func reasonOf(err error) verify.Reason {
	if r := registry.Reason(err); r.NoAnswer() || r == verify.NotFound || r == verify.Unsupported {
		return r
	}
	return verify.Unavailable
}
