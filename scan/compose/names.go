package compose

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
)

// defaultNames and overrideNames are looked for in this order
// (compose-go, cli/options.go, DefaultFileNames).
func defaultNames() []string {
	return []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}
}

func overrideNames() []string {
	return []string{
		"compose.override.yml", "compose.override.yaml",
		"docker-compose.override.yml", "docker-compose.override.yaml",
	}
}

// match reports whether a file has a name that Compose looks for, or one like
// compose.prod.yaml.
func match(name string) bool {
	base := path.Base(name)
	if slices.Contains(defaultNames(), base) {
		return true
	}
	rest, ok := strings.CutPrefix(base, "docker-compose.")
	if !ok {
		rest, ok = strings.CutPrefix(base, "compose.")
	}
	variant, dotted := strings.CutSuffix(rest, ".yaml")
	if !dotted {
		variant, dotted = strings.CutSuffix(rest, ".yml")
	}
	return ok && dotted && variant != ""
}

// group returns the files that Compose merges if it finds this one, or is given
// it.
func (p *project) group(name string) []string {
	if together := p.source.Together(name); together != nil {
		return together
	}
	dir := path.Dir(name)
	if name != p.first(dir, defaultNames()) {
		return []string{name}
	}
	if override := p.first(dir, overrideNames()); override != "" {
		return []string{name, override}
	}
	return []string{name}
}

// chosen returns the files that COMPOSE_FILE names in place of the default file
// of a folder; nil for every other file, and where it names none.
func (p *project) chosen(name string, env *environment) []string {
	dir := path.Dir(name)
	if p.source.Together(name) != nil || name != p.first(dir, defaultNames()) {
		return nil
	}
	list, set, lacking := env.lookup("COMPOSE_FILE")
	if !set || list == "" && len(lacking) == 0 {
		return nil
	}
	separator := env.value("COMPOSE_PATH_SEPARATOR")
	if separator == "" {
		separator = ":"
	}
	var names []string
	err := error(nil)
	if len(lacking) > 0 {
		err = valueless(lacking, env)
	}
	for n := range strings.SplitSeq(list, separator) {
		full, outside := within(dir, n)
		err = errors.Join(err, outside)
		names = append(names, full)
	}
	if err != nil {
		at := image.Position{File: name, Line: 1, Col: 1}
		p.fail(at, image.ComposeImage, "", fmt.Errorf("COMPOSE_FILE, which names the files to read in place of this one: %w", err))
		return nil
	}
	return names
}

// first returns the path of the first of names that is in dir; "" if none is.
func (p *project) first(dir string, names []string) string {
	for _, n := range names {
		full := path.Join(dir, n)
		if info, err := fs.Stat(p.source.FS, full); err == nil && !info.IsDir() {
			return full
		}
	}
	return ""
}
