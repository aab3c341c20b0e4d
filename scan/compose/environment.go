package compose

import (
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

// An environment is what variables have as values: those of the process before
// those of env files, and those of whoever includes before those of the included.
type environment struct {
	outer    *environment // nil for that of the main file
	getenv   func(string) (string, bool)
	withheld func(string) bool
	named    bool   // whether the project has its name
	project  string // the name; "" if it is not known
	vars     map[string]variable
	dotenv   string // where a missing variable could be given
}

// A variable of an env file. Its value may have been put together from others
// that have none.
type variable struct {
	value   string
	lacking []string
}

func (e *environment) lookup(name string) (value string, ok bool, lacking []string) {
	if e.outer != nil {
		if v, ok, lacking := e.outer.lookup(name); ok {
			return v, true, lacking
		}
	}
	if name == projectName && e.named {
		if e.project == "" {
			return "", true, []string{name} // it has one for Compose
		}
		return e.project, true, nil
	}
	if e.isWithheld(name) {
		return "", true, []string{name}
	}
	if e.getenv != nil {
		if v, ok := e.getenv(name); ok {
			return v, true, nil
		}
	}
	v, ok := e.vars[name]
	return v.value, ok, v.lacking
}

// isWithheld reports whether a variable has a value that files do not see.
func (e *environment) isWithheld(name string) bool {
	for e.outer != nil {
		e = e.outer
	}
	return e.withheld != nil && e.withheld(name)
}

// value returns what is known of a variable, "" if nothing is.
func (e *environment) value(name string) string {
	v, _, _ := e.lookup(name)
	return v
}

// advice says how to give a variable its value.
func (e *environment) advice() string {
	return "set it in the environment or in " + e.dotenv
}

// environment returns the one of the project whose files are in dir.
func (p *project) environment(dir string) *environment {
	e := &environment{getenv: p.source.Getenv, withheld: p.source.Withheld, vars: map[string]variable{}, dotenv: path.Join(dir, ".env")}
	if disabled, err := strconv.ParseBool(e.value("COMPOSE_DISABLE_ENV_FILE")); err != nil || !disabled {
		p.defaultEnv(e)
	}
	return e
}

// included returns the environment of included files: e, and what env files say
// of the variables that e lacks.
func (p *project) included(e *environment, dir string) *environment {
	return &environment{outer: e, vars: map[string]variable{}, dotenv: path.Join(dir, ".env")}
}

// defaultEnv reads the file .env, if there is one.
func (p *project) defaultEnv(e *environment) {
	if info, err := fs.Stat(p.source.FS, e.dotenv); err == nil && !info.IsDir() {
		p.readEnv(e, e.dotenv)
	}
}

// readEnv adds the variables of an env file to e.
func (p *project) readEnv(e *environment, name string) {
	at := image.Position{File: name, Line: 1, Col: 1}
	p.found.opened(name)
	body, err := p.read(name)
	if err == nil {
		at.Line, err = e.parse(string(body), &p.budget)
	}
	if err != nil {
		p.fail(at, image.ComposeImage, "", err)
	}
}

// profiles returns the active ones: those of the command line or, without any,
// those of COMPOSE_PROFILES.
func profiles(s scan.Source, e *environment) []string {
	if len(s.Profiles) > 0 {
		return s.Profiles
	}
	list := strings.Split(e.value("COMPOSE_PROFILES"), ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

const projectName = "COMPOSE_PROJECT_NAME"

var notInName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[^a-z0-9_-]`) })

// name sets the project's name for its files (Compose Specification,
// 04-version-and-name.md): COMPOSE_PROJECT_NAME, what the files say, or the
// name of their folder. That of the workspace's own folder is not known.
func (e *environment) name(written, dir string) {
	if given := e.value(projectName); given != "" {
		e.named, e.project = true, given
		return
	}
	if written == "" && dir != "." {
		written = path.Base(dir)
	}
	e.named = true
	e.project = strings.TrimLeft(notInName().ReplaceAllString(strings.ToLower(written), ""), "_-")
}
