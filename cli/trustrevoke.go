package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/sign"
	notary "github.com/boltseal/boltseal/sign/dct"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/dct"
)

// revokeFlags are the flags of boltseal trust revoke.
type revokeFlags struct {
	by       signerChoice
	dct      dctSigners
	registry registryFlags
	all      bool
	output   string
	timeout  time.Duration
}

func (c Command) trustRevoke(code *int) *cobra.Command {
	var f revokeFlags
	cmd := &cobra.Command{
		Use:   "revoke IMAGE:TAG…",
		Short: "Take tags out of the trust data that a key has signed",
		Long: `revoke takes tags out of all delegations of Docker Content Trust that --key signs,
targets/releases and the signer's own, publishes that, and looks whether the tags are
still signed: others may have signed them too. The registry's tags stay as they are.
What is not there any more is no error, so it can be run twice.

The password of the key is that of DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE.
--dct-root-key-ids or the like says whose trust data they have to be. Without a tag
--all takes out all that the key has signed of the repository.

Exit codes: 0 no tag that was named is signed any more, 1 one is, or may be, or it was
refused, 2 bad flag, input or key, 3 the server could not be asked, or refused access.`,
		Example: `  boltseal trust revoke registry.acme.example/app:v1 --key alice.key \
    --dct-server https://notary.acme.example \
    --dct-root-key-ids 2d4f5c1e9f0a4b7c8d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c`,
		RunE: func(cmd *cobra.Command, args []string) error {
			err := given(cmd.Flags())
			if err == nil {
				*code, err = c.runTrustRevoke(cmd.Context(), f, args)
			}
			return err
		},
	}
	f.register(cmd.Flags())
	return cmd
}

func (f *revokeFlags) register(flags *pflag.FlagSet) {
	flags.SortFlags = false
	flags.SetNormalizeFunc(plurals)
	flags.StringVar(&f.by.key, "key", "", "private key of a delegation: a PEM `FILE`, or env://NAME")
	flags.BoolVar(&f.all, "all", false, "take out every tag that the key has signed of a repository that is named without one")
	f.dct.registerSigning(flags)
	f.registry.register(flags)
	flags.StringVar(&f.output, "output", "text", "`FORMAT` of what was done: text, or json (docs/dct.md)")
	flags.DurationVar(&f.timeout, "timeout", defaultTimeout, "`DURATION` of the whole run, such as 90s")
}

// A revoking is what is to be taken out of one repository.
type revoking struct {
	repo image.Ref
	tags []string // none for all
}

// A revoked is what became of it.
type revoked struct {
	repo image.Ref
	notary.Revoked
	err error
}

// revokings reads the arguments: each repository once.
func (f *revokeFlags) revokings(c Command, args []string) ([]revoking, error) {
	const flag, next = "IMAGE:TAG", "write it as registry/repository:tag"
	if len(args) == 0 {
		return nil, usagef(flag, next, "no tag was named")
	}
	subjects, err := c.subjects(args)
	if err != nil {
		return nil, err
	}
	var all []revoking
	for _, s := range subjects {
		ref := s.ref
		switch {
		case ref.Digest() != "":
			return nil, usagef(flag, "leave out @sha256:…, as in "+ref.Name()+":TAG", "%s names a digest, and it is tags that are revoked, whatever they name", ref)
		case s.repo && !f.all:
			return nil, usagef(flag, "name the tag, as in "+ref.Name()+":v1; or write --all, to take out all that the key has signed", "%s has no tag", ref.Name())
		case !s.repo && f.all:
			return nil, usagef("--all", "leave out --all, or the tag", "%s names a tag", ref)
		}
		at := slices.IndexFunc(all, func(r revoking) bool { return r.repo.Name() == ref.Name() })
		if at < 0 {
			at = len(all)
			all = append(all, revoking{repo: ref})
		}
		if !s.repo && !slices.Contains(all[at].tags, ref.Tag()) {
			all[at].tags = append(all[at].tags, ref.Tag())
		}
	}
	return all, nil
}

func (f *revokeFlags) sound() error {
	v := signFlags{registry: f.registry, output: f.output, jobs: 1, timeout: f.timeout}
	return v.sound()
}

func (c Command) runTrustRevoke(ctx context.Context, f revokeFlags, args []string) (int, error) {
	within := signFlags{timeout: f.timeout}
	ctx, cancel := within.within(ctx)
	defer cancel()
	if err := f.sound(); err != nil {
		return ExitUsage, err
	}
	all, err := f.revokings(c, args)
	if err != nil {
		return ExitUsage, err
	}
	config, err := f.dct.collections(c)
	if err != nil {
		return ExitUsage, err
	}
	key, err := f.by.readDelegation(c)
	if err != nil {
		return ExitUsage, err
	}
	var uses []image.Use
	for _, r := range all {
		uses = append(uses, image.Use{Ref: r.repo})
	}
	client, err := f.registry.client(c, uses)
	if err != nil {
		return ExitUsage, err
	}
	by, err := c.delegationSigner(&f.dct, notary.Options{Store: client, Key: key, Config: config})
	if err != nil {
		return ExitUsage, err
	}
	done := make([]revoked, 0, len(all))
	for _, r := range all { // one after the other: few name more than one
		what, err := by.Revoke(ctx, r.repo, r.tags)
		done = append(done, revoked{r.repo, what, err})
	}
	var repos []image.Ref
	for _, r := range all {
		repos = append(repos, r.repo)
	}
	if err := c.writeRevoked(f.output, done, changed(config, f.dct.cache, repos, c.now())); err != nil {
		c.untold(err)
		return ExitNoAnswer, nil
	}
	return revokedCode(done), nil
}

// revokedCode is what the process says.
func revokedCode(all []revoked) int {
	code := ExitPassed
	for _, r := range all {
		if r.err != nil && !sign.Reason(r.err).NoAnswer() || r.err == nil && !r.Complete() {
			return ExitClosed
		}
		if r.err != nil {
			code = ExitNoAnswer
		}
	}
	return code
}

// nextAfter is what to do about a tag that is still signed.
func nextAfter(gun string, r notary.Revocation) string {
	var who []string
	for _, t := range r.Left {
		switch signer, _ := strings.CutPrefix(t.Role, "targets/"); {
		case t.Role == "targets":
			how := ""
			if ref, err := image.Parse(gun + ":" + r.Tag); err == nil && ref.Tag() == r.Tag { // a stranger's text
				how = ": notary remove " + gun + " " + r.Tag + " --publish"
			}
			who = append(who, "the owner of the repository has to take it out of targets"+how)
		case signer == "releases":
			who = append(who, "somebody whose key is in targets/releases has to revoke it, too")
		default:
			who = append(who, "where "+signer+" is required it still counts: "+signer+" has to revoke it, too")
		}
	}
	return strings.Join(who, "; ")
}

// nextVoid is what to do about roles that do not count.
func nextVoid(gun string, void []notary.Void) string {
	var who []string
	for _, v := range void {
		who = append(who, "have somebody who holds a key of "+v.Role+" run notary witness "+gun+" "+v.Role+" --publish, and run this again at once; or have the owner of the repository run notary delegation remove "+gun+" "+v.Role+" --publish")
	}
	return strings.Join(who, "; ")
}

// The document is described in docs/dct.md.
type revokedDoc struct {
	Version      int             `json:"version"`
	Complete     bool            `json:"complete"`
	Repositories []revokedInRepo `json:"repositories"`
	Notices      []string        `json:"notices"`
}

type revokedInRepo struct {
	Repository string       `json:"repository"`
	Tags       []revokedTag `json:"tags"`
	Void       []voidRole   `json:"void"`
	Reason     string       `json:"reason,omitempty"`
	Message    string       `json:"message,omitempty"`
	Hint       string       `json:"hint,omitempty"`
}

type revokedTag struct {
	Tag     string       `json:"tag"`
	Revoked []string     `json:"revoked"`
	Left    []leftSigned `json:"left"`
	Signed  bool         `json:"signed"`
	Hint    string       `json:"hint,omitempty"`
}

type voidRole struct {
	Role    string `json:"role"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

type leftSigned struct {
	Role   string `json:"role"`
	Digest string `json:"digest,omitempty"`
}

func (c Command) writeRevoked(output string, all []revoked, notices []string) error {
	if output == "json" {
		doc := revokedDocument(all)
		doc.Notices = append(doc.Notices, notices...)
		return report.Value(c.Stdout, doc)
	}
	for _, text := range notices {
		fmt.Fprintf(c.Stderr, "notice: %s\n", report.Printable(text))
	}
	var b strings.Builder
	line := func(format string, a ...any) { b.WriteString(report.Printable(fmt.Sprintf(format, a...)) + "\n") }
	for _, r := range all {
		gun := dct.GUN(r.repo)
		if r.err != nil {
			line("%s %s", sign.Reason(r.err), gun)
			line("  because %v", r.err)
			if hint := verify.Hint(r.err); hint != "" {
				line("  next    %s", hint)
			}
			continue
		}
		if len(r.Tags)+len(r.Void) == 0 {
			line("the key has signed no tag of %s", gun)
		}
		for _, t := range r.Tags {
			revokedText(line, gun, t, len(r.Void) > 0)
		}
		if len(r.Void) > 0 {
			line("not known what else is signed of %s", gun)
		}
		for _, v := range r.Void {
			line("  because %s does not count, and was left as it is (%s: %v)", v.Role, sign.Reason(v.Err), v.Err)
		}
		if next := nextVoid(gun, r.Void); next != "" {
			line("  next    %s", next)
		}
	}
	_, err := c.Stdout.Write([]byte(b.String()))
	return err
}

// revokedText tells of one tag; others may have it where that is not known.
func revokedText(line func(string, ...any), gun string, t notary.Revocation, unknown bool) {
	switch {
	case t.Signed():
		line("still signed %s:%s", gun, t.Tag)
	case unknown:
		line("perhaps signed %s:%s", gun, t.Tag)
	case len(t.From) > 0:
		line("revoked %s:%s", gun, t.Tag)
	default:
		line("not signed %s:%s, there was nothing to take out", gun, t.Tag)
	}
	if len(t.From) > 0 {
		line("  from    %s", strings.Join(t.From, ", "))
	}
	for _, l := range t.Left {
		line("  left    %s has %s", l.Role, l.Digest)
	}
	if next := nextAfter(gun, t); next != "" {
		line("  next    %s", next)
	}
}

func revokedDocument(all []revoked) revokedDoc {
	doc := revokedDoc{Version: 1, Complete: revokedCode(all) == ExitPassed, Repositories: []revokedInRepo{}, Notices: []string{}}
	for _, r := range all {
		in := revokedInRepo{Repository: dct.GUN(r.repo), Tags: []revokedTag{}, Void: []voidRole{}, Hint: nextVoid(dct.GUN(r.repo), r.Void)}
		if r.err != nil {
			in.Reason, in.Message, in.Hint = string(sign.Reason(r.err)), r.err.Error(), verify.Hint(r.err)
		}
		for _, t := range r.Tags {
			tag := revokedTag{Tag: t.Tag, Revoked: append([]string{}, t.From...), Left: []leftSigned{}, Signed: t.Signed(), Hint: nextAfter(in.Repository, t)}
			for _, l := range t.Left {
				tag.Left = append(tag.Left, leftSigned{l.Role, l.Digest})
			}
			in.Tags = append(in.Tags, tag)
		}
		for _, v := range r.Void {
			in.Void = append(in.Void, voidRole{v.Role, string(sign.Reason(v.Err)), v.Err.Error()})
		}
		doc.Repositories = append(doc.Repositories, in)
	}
	return doc
}
