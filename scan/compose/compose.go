// Package compose finds the images that a Compose file uses: those that its
// services pull, and those that the Dockerfiles of its builds name. It means
// what Docker Compose means (the Compose Specification, compose-go v2 and
// docker compose v5), without running it.
//
// # Which files belong together
//
// Docker Compose reads the first of compose.yaml, compose.yml,
// docker-compose.yml and docker-compose.yaml in a folder, with the first of
// compose.override.yml, compose.override.yaml and the docker-compose ones
// merged into it. So does this package where it finds the first file of that
// pair. Files that are asked for by their path (scan.Source.Named) are read as
// docker compose -f reads them: those of one folder merged in their order,
// without an override that is not among them. Every other file, an override file
// among them, is read by itself: somebody builds with it, and what it names
// counts even if another file would replace it. A service in it that has a
// build without a context mostly says what differs from the folder's default
// file: it is read merged into the service of that name there, and by itself
// only if there is a Dockerfile for it then. Where
// COMPOSE_FILE, in the environment or in .env, names other files than the default
// one of the folder, those are read in its place. What COMPOSE_ENV_FILES names is
// not read.
//
// # What counts as pulled
//
// The image of a service without build, unless its pull_policy is never or
// build. With build, image is the name of what is built, also where another
// service uses that name: it is pulled only if pull_policy says so (always,
// missing, if_not_present, refresh, daily, weekly, every_…). Without
// pull_policy, docker compose build pulls nothing, but docker compose up asks
// the registry for the name first and builds only if there is none: that is a
// warning. Images of image volumes, pre_start hooks and jobs count as well.
// Services whose profiles are not active count only where a build has them as
// an additional context; depends_on does not activate profiles (Compose
// Specification, 15-profiles.md).
//
// # What is not known
//
// Compose goes on with an empty text for a variable without a value, and so
// would a build with another image once somebody sets it: what names an image
// with such a variable in it is an error that says which one to set. What
// Compose itself would refuse is an error where images could be missed by it,
// and nothing else: the file is not validated.
//
// # What the command line says
//
// Build arguments override those of every service, as docker compose build
// --build-arg does. Targets and named contexts are those of a Dockerfile that
// is built directly; they are not applied here, as docker compose build has no
// such flags.
package compose

import (
	"fmt"
	"path"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

const (
	maxUses   = 10_000   // that are reported of one file; one more is an error
	maxLoads  = 200      // Compose and env files read for one project
	maxBuilds = 1_000    // different builds of one project
	maxBytes  = 16 << 20 // read of all files of a project
	maxNodes  = 500_000  // values of a project, what merging copies included
	maxNested = 100      // extends and include within each other
	maxText   = 64 << 10 // of one value, variables replaced
	maxTexts  = 32 << 20 // of all values of a project
	maxLevels = 8        // of the values below a key that is read
)

// A Dockerfile scans the text of a Dockerfile as package dockerfile does: file
// is the name for positions.
type Dockerfile = func(body []byte, file string, b scan.Build) scan.Found

// Format returns the format of Compose files, whose builds lead into
// dockerfile.
func Format(dockerfile Dockerfile) *scan.Format {
	return &scan.Format{
		Name:  "compose",
		Doc:   "compose.yaml, docker-compose.yml and their overrides: images of services, and what their builds use",
		Match: match,
		Scan: func(s scan.Source, path string) scan.Found {
			p := newProject(s, dockerfile)
			p.scan(path)
			return p.found.sorted()
		},
	}
}

// A project is what one file leads to: the files it is merged with, includes
// and extends, and what was found in them.
type project struct {
	source     scan.Source
	dockerfile Dockerfile
	env        *environment
	found      collection
	budget     budget
	files      map[string]*file
	builds     map[string]bool // that were scanned
}

func newProject(s scan.Source, dockerfile Dockerfile) *project {
	return &project{
		source: s, dockerfile: dockerfile,
		files: map[string]*file{}, builds: map[string]bool{},
		budget: budget{loads: maxLoads, builds: maxBuilds, bytes: maxBytes, nodes: maxNodes, texts: maxTexts},
	}
}

// A budget is what is left of the bounds of a project.
type budget struct{ loads, builds, bytes, nodes, texts int }

// take reports whether n of what is left can be had, and takes it.
func take(left *int, n int) bool {
	*left -= n
	return *left >= 0
}

// scan reads the project whose file somebody gave.
func (p *project) scan(name string) {
	group := p.group(name)
	if group[0] != name {
		return // it is read with that one
	}
	env := p.environment(path.Dir(name))
	if chosen := p.chosen(name, env); chosen != nil {
		group = chosen
	}
	if dir := path.Dir(group[0]); dir != path.Dir(name) {
		env = p.environment(dir)
	}
	in := p.opened(group, env)
	p.env = in.env
	if m := p.load(group, in); m != nil {
		active := profiles(p.source, in.env)
		own, merged := p.complete(m, group, in)
		all := p.services(p.defaults(own, in.dir), active)
		all = append(all, p.services(p.defaults(merged, in.dir), active)...)
		p.collect(all)
	}
	at := image.Position{File: name, Line: 1, Col: 1}
	if p.budget.nodes < 0 {
		p.fail(at, image.ComposeImage, "", fmt.Errorf("more than %d values in one project, merged ones counted again: not all of it was read", maxNodes))
	}
	if p.budget.texts < 0 {
		p.fail(at, image.ComposeImage, "", fmt.Errorf("texts of more than %d MiB in one project: not all of it was read", maxTexts>>20))
	}
}

// fail reports what keeps a place from being read.
func (p *project) fail(at image.Position, kind image.Kind, text string, err error) {
	p.found.use(at, image.Use{Text: text, At: at, Kind: kind, Err: err})
}
