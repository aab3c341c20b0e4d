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

// include returns cfg with what it includes (Compose Specification,
// 14-include.md): each is a project of its own, with its own directory and env
// file. What cfg says of the same service is merged into it, as in compose-go.
func (p *project) include(cfg *value, resets [][]string, in *loading) *value {
	inc := cfg.get("include")
	if inc == nil {
		return cfg
	}
	cfg = cfg.with("include", nil)
	if inc.kind != list {
		p.fail(inc.at(), image.ComposeImage, inc.written(), errors.New("include is not a list"))
		return cfg
	}
	for _, item := range inc.items {
		cfg = p.imported(cfg, p.includedModel(item, in), resets)
	}
	return cfg
}

// imported returns cfg with the services of an included model.
func (p *project) imported(cfg, from *value, resets [][]string) *value {
	for _, key := range sections() {
		theirs := from.get(key)
		if theirs == nil {
			continue
		}
		ours := cfg.get(key)
		if ours == nil {
			cfg = cfg.with(key, theirs)
			continue
		}
		if !take(&p.budget.nodes, len(theirs.keys)+len(ours.keys)) {
			return cfg
		}
		both := *ours
		both.keys, both.of = slices.Clone(ours.keys), make(map[string]*value, len(ours.of))
		for k, v := range ours.of {
			both.of[k] = v
		}
		for _, name := range theirs.keys {
			had, ok := both.of[name]
			if !ok {
				both.keys = append(both.keys, name)
				both.of[name] = theirs.of[name]
				continue
			}
			both.of[name] = p.merge(p.reset(theirs.of[name], resets, key, name), had, key, name)
		}
		cfg = cfg.with(key, &both)
	}
	return cfg
}

// includedModel returns the model of one item of include; nil where it cannot
// be read, which is reported.
func (p *project) includedModel(item *value, in *loading) *value {
	paths := item.list()
	if item.kind == mapping {
		paths = item.get("path").list()
	}
	if len(paths) == 0 {
		p.fail(item.at(), image.ComposeImage, "", errors.New("include without a path"))
		return nil
	}
	var names []string
	for _, v := range paths {
		name, ok := p.located(v, in.dir)
		if !ok {
			return nil
		}
		names = append(names, name)
	}
	main := paths[0]
	around := append(slices.Clone(in.within), main.src.Name)
	switch {
	case slices.Contains(around, names[0]):
		p.fail(main.at(), image.ComposeImage, main.written(), fmt.Errorf("the files include each other: %s", strings.Join(append(around, names[0]), ", ")))
		return nil
	case len(around) > maxNested:
		p.fail(main.at(), image.ComposeImage, main.written(), fmt.Errorf("include within more than %d others", maxNested))
		return nil
	}
	dir, ok := p.directory(item, path.Dir(names[0]), in.dir)
	if !ok {
		return nil
	}
	sub := &loading{dir: dir, env: p.included(in.env, dir), within: around, bases: map[string]*bases{}}
	if !p.includedEnv(item, sub.env, in.dir) {
		return nil
	}
	return p.defaults(p.load(names, sub), dir)
}

// directory returns the project directory of what item includes.
func (p *project) directory(item *value, standard, dir string) (string, bool) {
	v := item.get("project_directory")
	if v == nil {
		return standard, true
	}
	written, err := v.resolved()
	if err == nil {
		dir, err = within(dir, written)
	}
	if err != nil {
		p.fail(v.at(), image.ComposeImage, v.written(), err)
		return "", false
	}
	return dir, true
}

// includedEnv reads the env files of what item includes.
func (p *project) includedEnv(item *value, env *environment, dir string) bool {
	files := item.get("env_file").list()
	if len(files) == 0 {
		p.defaultEnv(env)
		return true
	}
	for _, v := range files {
		if v.text == "/dev/null" {
			continue
		}
		name, ok := p.located(v, dir)
		if !ok {
			return false
		}
		env.dotenv = name
		p.readEnv(env, name)
	}
	return true
}

// located returns the path of the file that v names. That there is none, or
// none in the workspace, is reported at v.
func (p *project) located(v *value, dir string) (string, bool) {
	name, err := v.resolved()
	if err == nil {
		name, err = within(dir, name)
	}
	if err == nil {
		var info fs.FileInfo
		if info, err = fs.Stat(p.source.FS, name); err == nil && info.IsDir() {
			err = fmt.Errorf("%s is a folder", name)
		}
	}
	if err != nil {
		p.fail(v.at(), image.ComposeImage, v.written(), err)
		return "", false
	}
	return name, true
}
