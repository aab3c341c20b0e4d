package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/handover"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/scan/contenttrust"
	"github.com/boltseal/boltseal/scan/dockerfile"
)

// scanFlags say in which files images are looked for, and what is built from
// them.
type scanFlags struct {
	files, exclude  []string
	targets         []string
	allStages       bool
	args, contexts  []string
	profiles        []string
	strict, noImage bool

	gate bool // where it is not known what git tracks, nothing is ignored
}

func (s *scanFlags) register(f *pflag.FlagSet) {
	f.StringArrayVarP(&s.files, "file", "f", nil, "`FILE`, folder or glob to find images in, with FORMAT: before it where the name does not tell (dockerfile, compose, bake, workflow, kubernetes); repeatable")
	f.StringArrayVar(&s.exclude, "exclude", nil, "`GLOB` of files and folders to leave out; repeatable")
	f.StringArrayVar(&s.targets, "target", nil, "`STAGE` of the Dockerfiles, or target of the bake files, to build (default: the last stage, the group default); repeatable")
	f.BoolVar(&s.allStages, "all-stages", false, "all stages and bake targets count, whether they are built or not")
	f.StringArrayVar(&s.args, "build-arg", nil, "`NAME=VALUE` of a build argument, or NAME to take it from the environment; repeatable")
	f.StringArrayVar(&s.contexts, "build-context", nil, "`NAME=VALUE` of a named build context, such as base=docker-image://alpine:3.20; repeatable")
	f.StringArrayVar(&s.profiles, "profile", nil, "Compose `PROFILE` that is started; repeatable")
	f.BoolVar(&s.strict, "strict", false, "what is only warned of in files fails as well")
	f.BoolVar(&s.noImage, "allow-empty", false, "go on where no image is found at all")
}

// plurals are names of lists, as docker/build-push-action has them, for flags
// that docker build calls otherwise.
func plurals(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	switch name {
	case "files", "build-args", "build-contexts", "platforms", "publishers", "implicit-images", "annotations":
		name = strings.TrimSuffix(name, "s")
	}
	return pflag.NormalizedName(name)
}

// found is what a scan of files came to.
type found struct {
	uses     []image.Use
	warnings []report.Warning
	notices  []report.Warning // that never fail, not even with --strict
	files    []report.File
	targets  []handover.Target // of bake files, those that are built
	replaced []image.Use       // the places that a build's contexts stand in for
	contexts map[string]string // those of --build-context, as BuildKit calls them
}

// read returns the paths of files that are known to have been read for images,
// those that others lead to among them.
func (f found) read(dir string) []string {
	var names []string
	for _, file := range f.files {
		names = append(names, file.Path)
	}
	for _, u := range f.uses {
		names = append(names, u.At.File)
	}
	for _, w := range f.warnings {
		if w.At.File != "" && !w.Apart {
			names = append(names, w.At.File)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for i, name := range names {
		if names[i] = filepath.FromSlash(name); !filepath.IsAbs(name) {
			names[i] = filepath.Join(dir, names[i])
		}
	}
	return names
}

// nothing says that no image was found.
func (f found) nothing() string {
	if len(f.files) == 0 {
		return "no file that uses images was found; check out the repository before this step, or name files with --file (Kubernetes manifests are looked at only then)"
	}
	return fmt.Sprintf("no image was found in %s; name the files that your build uses with --file, or, if that is right, give --allow-empty", number(len(f.files), "file"))
}

// build returns what the flags say of the build.
func (s *scanFlags) build(c Command, platforms []string) (scan.Build, error) {
	b := scan.Build{
		Targets: s.targets, AllStages: s.allStages, Platforms: platforms, Given: asListed(platforms),
		Args: map[string]string{}, Contexts: map[string]string{},
		BuildPlatform: "linux/" + runtime.GOARCH, // BuildKit runs on Linux, also behind Docker Desktop
	}
	if s.allStages && len(s.targets) > 0 {
		return b, usagef("--all-stages", "leave one of them out", "it contradicts --target, which picks stages")
	}
	for _, t := range s.targets {
		if t == "" {
			return b, usagef("--target", "write the name of a stage or of a bake target, or leave it out", "it is empty")
		}
	}
	for _, text := range s.args {
		name, value, given := strings.Cut(text, "=")
		if name == "" || strings.ContainsFunc(name, unicode.IsSpace) {
			return b, usagef("--build-arg", "write NAME=VALUE, or NAME to take it from the environment", "%q is no build argument", text)
		}
		if !given {
			if value, given = c.LookupEnv(name); !given {
				continue // as with docker build
			}
			if c.anybodys() {
				return b, usagef("--build-arg", "write "+name+"=VALUE", "boltseal takes no values from the environment on pull_request_target")
			}
		}
		b.Args[name] = value
	}
	for _, text := range s.contexts {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" || value == "" {
			return b, usagef("--build-context", "write NAME=VALUE, such as base=docker-image://alpine:3.20 or lib=../lib", "%q is no build context", text)
		}
		known, err := dockerfile.ContextName(name)
		if err != nil {
			return b, usagef("--build-context", "name it like a stage or an image", "%w", err)
		}
		b.Contexts[known] = value
	}
	return b, nil
}

// find scans files: those that are asked for, or all of the workspace.
func (s *scanFlags) find(c Command, asked, platforms []string) (found, error) {
	build, err := s.build(c, platforms)
	if err != nil {
		return found{}, err
	}
	spaces, err := workspaces(c.Dir, asked, s.exclude)
	if err != nil {
		return found{}, err
	}
	var all found
	for _, w := range spaces {
		f, err := s.in(c, w, build)
		if err != nil {
			return found{}, err
		}
		all.uses = append(all.uses, f.uses...)
		all.warnings = append(all.warnings, f.warnings...)
		all.notices = append(all.notices, f.notices...)
		all.files = append(all.files, f.files...)
		all.targets = append(all.targets, f.targets...)
	}
	all.warnings = append(all.warnings, all.notices...) // behind those about images
	if len(all.notices) > 0 {
		all.warnings = append(all.warnings, report.Warning{Text: "what to write instead of Docker Content Trust, and by when: " + docs + "dct-migration.md"})
	}
	all.contexts = build.Contexts
	return all, nil
}

// secretPart and secretWord match names of variables that are not for files to
// see, anywhere and as words between underscores, some of which mean a secret
// only where they are the last: AUTH_TAG is the tag of a service. An image whose
// name has such a value in it would be asked for at a registry of the file's
// choice.
var (
	secretPart = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|^BOLTSEAL_|^ACTIONS_`)
	})
	secretWord = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)(^|_)(PAT|PWD|PW|CREDS?|JWT|DSN|WEBHOOK|KUBECONFIG|AUTH_CONFIG|CONNECTION_STRING)(_|$)|(^|_)([A-Z]*KEYS?|PASS|AUTH|COOKIES?|SESSION|LOGIN|SAS|CERT|PEM|SIGNATURE)$`)
	})
)

// isSecret reports whether a variable's name speaks of a secret, or its value is
// an address, which often has one in it and is part of no image's name.
func isSecret(name, value string) bool {
	return secretPart().MatchString(name) || secretWord().MatchString(name) || strings.Contains(value, "://")
}

// anybodys reports whether anybody may have written the files, while the job
// has secrets.
func (c Command) anybodys() bool { return c.getenv("GITHUB_EVENT_NAME") == "pull_request_target" }

// withheld reports whether a variable is set, and not for files to see.
func (c Command) withheld(name string) bool {
	value, set := c.LookupEnv(name)
	return set && (c.anybodys() || isSecret(name, value))
}

// in scans one workspace.
func (s *scanFlags) in(c Command, w workspace, build scan.Build) (found, error) {
	fsys, shut, err := w.open()
	if err != nil {
		return found{}, err
	}
	defer shut() //nolint:errcheck // only read
	notices := &contenttrust.Notices{}
	all, err := s.read(c, w, fsys, build, notices)
	for _, x := range notices.Warnings() {
		x.At.File = w.named(x.At.File)
		all.notices = append(all.notices, report.Warning{At: x.At, Text: x.Text, Apart: true})
	}
	return all, err
}

// over scans a workspace whose files are those of fsys, for nothing but images.
func (s *scanFlags) over(c Command, w workspace, fsys fs.FS, build scan.Build) (found, error) {
	return s.read(c, w, fsys, build, nil)
}

// read scans a workspace. Notices, unless nil, gets what its files and scripts
// say of Docker Content Trust: that is about no image, and decides nothing.
func (s *scanFlags) read(c Command, w workspace, fsys fs.FS, build scan.Build, notices *contenttrust.Notices) (found, error) {
	fsys = scan.Regular(fsys)
	search := scan.Search{Formats: formats(), Files: w.files, Within: w.inside, Exclude: w.exclude, Gate: s.gate}
	src := scan.Source{
		FS: fsys, Build: build, Profiles: s.profiles,
		Within: w.inside,
		Getenv: func(name string) (string, bool) {
			if c.withheld(name) {
				return "", false
			}
			return c.LookupEnv(name)
		},
		Withheld: c.withheld,
	}
	if notices != nil {
		search.Beside, src.Read = contenttrust.Script, notices.Read
	}
	listing, err := search.Find(fsys)
	if err != nil {
		return found{}, w.badSearch(err)
	}
	if len(s.exclude) > 0 && listing.Excluded.Count == 0 {
		listing.Warnings = append(listing.Warnings, scan.Warning{Text: "--exclude left nothing out: no file or folder matches"})
	}
	got := scan.Scan(src, listing.Files)
	if notices != nil {
		notices.Look(fsys, listing.Beside)
	}
	all := found{uses: append(listing.Wrong, got.Uses...)}
	for _, x := range append(listing.Warnings, got.Warnings...) {
		if s.strict {
			all.uses = append(all.uses, image.Use{Text: x.Written, Kind: x.Kind, At: x.At, Err: errors.New(x.Text + " (--strict)")})
			continue
		}
		x.At.File = w.named(x.At.File)
		all.warnings = append(all.warnings, report.Warning{At: x.At, Text: x.Text, Kind: x.Kind, Written: x.Written})
	}
	all.replaced = got.Replaced
	for _, uses := range [][]image.Use{all.uses, all.replaced} {
		for i := range uses {
			u := &uses[i]
			u.At.File, u.Literal.At.File, u.Kind = w.named(u.At.File), w.named(u.Literal.At.File), cmp.Or(u.Kind, image.File)
		}
	}
	slices.SortStableFunc(all.uses, func(a, b image.Use) int {
		return cmp.Or(cmp.Compare(a.At.File, b.At.File), cmp.Compare(a.At.Line, b.At.Line), cmp.Compare(a.At.Col, b.At.Col))
	})
	all.targets = bakeTargets(got.Targets)
	for _, f := range listing.Files {
		all.files = append(all.files, report.File{Path: w.named(f.Path), Format: f.Format.Name})
	}
	return all, nil
}

// bakeTargets returns the targets of bake files; where there is none, the services
// that are built: bake reads Compose files as well.
func bakeTargets(all []scan.Target) []handover.Target {
	services := !slices.ContainsFunc(all, func(t scan.Target) bool { return !t.Service })
	var targets []handover.Target
	for _, t := range all {
		if t.Service == services {
			targets = append(targets, handover.Target{Name: t.Name, Contexts: t.Contexts, Mentioned: t.Mentioned})
		}
	}
	return targets
}

func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// badSearch says which flag asks for what is not there.
func (w workspace) badSearch(err error) error {
	var e *scan.Error
	if !errors.As(err, &e) {
		return err
	}
	flag := "--file"
	if slices.Contains(w.exclude, e.Asked) {
		flag = "--exclude"
	}
	cause := e.Err.Error()
	if errors.Is(e.Err, fs.ErrNotExist) {
		cause = "there is no such file or folder"
	}
	text := fmt.Sprintf("%q: %s", w.asked(e.Asked), cause)
	if all, ok := err.(interface{ Unwrap() []error }); ok && len(all.Unwrap()) > 1 {
		text += fmt.Sprintf(" (and %d more that cannot be found)", len(all.Unwrap())-1)
	}
	return usagef(flag, e.Hint, "%s", text)
}
