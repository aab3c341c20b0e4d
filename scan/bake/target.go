package bake

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/boltseal/boltseal/scan"
)

// A target is what bake builds: the blocks of its name, merged, over what they
// inherit. A nil setting is one that nothing says.
type target struct {
	name string
	at   place // of the label of its first block

	context, dockerfile, inline, stage *setting
	args, contexts                     map[string]*setting
	platforms                          *platforms
	inherits                           []string
	inheritsAt                         place

	warnings []scan.Warning
	problems []*problem
}

// A setting is a string that a target sets, and where.
type setting struct {
	text   string
	doubts []doubt // about the text; it is a stand-in then
	at     place   // what says it, as it is written
	expr   *expr   // of the whole attribute, for dockerfile-inline
	owner  *instance
}

type platforms struct {
	list   []string
	doubts []doubt
}

// settled returns the text, or what there is to say of doubts about it.
func (s *setting) settled(what string) (string, error) {
	if len(s.doubts) > 0 {
		return "", &doubtError{what, s.doubts}
	}
	return s.text, nil
}

// decode evaluates what decides which images a target pulls. What cannot be
// evaluated is a problem of the target, at its attribute.
func (bs *blocks) decode(i *instance) *target {
	t := &target{name: i.name, at: i.at}
	d := decoder{bs, i, t}
	t.context = d.text("context")
	t.dockerfile = d.text("dockerfile")
	t.inline = d.text("dockerfile-inline")
	t.stage = d.text("target")
	t.args = d.table("args")
	t.contexts = d.table("contexts")
	t.inherits = d.list("inherits")
	if a := i.attrs["inherits"]; a != nil {
		t.inheritsAt = a.at
	}
	d.platforms()
	d.warn("cache-from")
	d.warn("attest")
	return t
}

type decoder struct {
	*blocks
	i *instance
	t *target
}

func (d *decoder) problem(at place, err error) {
	d.t.problems = append(d.t.problems, &problem{at, err})
}

// get returns an attribute's value; false where there is none, or a problem.
func (d *decoder) get(name string) (cty.Value, *attribute, bool) {
	a := d.i.attrs[name]
	if a == nil {
		return cty.NilVal, nil, false
	}
	v, err := d.blocks.get(d.i, name)
	if err != nil {
		d.problem(a.at, err)
		return cty.NilVal, nil, false
	}
	if plain, _ := v.Unmark(); plain.IsNull() {
		return cty.NilVal, nil, false
	}
	return v, a, true
}

func (d *decoder) text(name string) *setting {
	v, a, ok := d.get(name)
	if !ok {
		return nil
	}
	v, doubts := settle(v)
	return &setting{text: v.AsString(), doubts: doubts, at: a.at, expr: a.expr, owner: d.i}
}

// list reads a list of names. Doubts about it are a problem: nothing can be
// said of what is built then.
func (d *decoder) list(name string) []string {
	v, a, ok := d.get(name)
	if !ok {
		return nil
	}
	list, doubts, err := listOf(v)
	if err == nil && len(doubts) > 0 {
		err = &doubtError{name, doubts}
	}
	if err != nil {
		d.problem(a.at, err)
	}
	return list
}

// listOf returns the strings of a list.
func listOf(v cty.Value) ([]string, []doubt, error) {
	v, doubts := settle(v)
	list := []string{}
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		if e.IsNull() {
			return nil, nil, errors.New("an element is null")
		}
		list = append(list, e.AsString())
	}
	return list, doubts, nil
}

func (d *decoder) platforms() {
	v, a, ok := d.get("platforms")
	if !ok {
		return
	}
	list, doubts, err := listOf(v)
	if err != nil {
		d.problem(a.at, err)
		return
	}
	d.t.platforms = &platforms{list, doubts}
}

// table reads a map of strings. A null entry of args is none; bake accepts no
// other nulls.
func (d *decoder) table(name string) map[string]*setting {
	v, a, ok := d.get(name)
	if !ok {
		return nil
	}
	v, whole := surface(v)
	places := d.places(a)
	table := map[string]*setting{}
	entries := v.AsValueMap()
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		s := &setting{at: a.at}
		if at, ok := places[key]; ok {
			s.at = at
		}
		e, doubts := settle(entries[key])
		s.doubts = append(slices.Clone(whole), doubts...)
		switch {
		case !e.IsNull():
			s.text = e.AsString()
		case name == "args":
			continue
		default:
			d.problem(s.at, fmt.Errorf("%s of %s is null", quote(key), name))
			continue
		}
		table[key] = s
	}
	return table
}

// warn says of what else is fetched from a registry, but is no image of the
// build.
func (d *decoder) warn(name string) {
	v, a, ok := d.get(name)
	if !ok {
		return
	}
	v, _ = settle(v)
	if !v.CanIterateElements() || v.Type().IsMapType() || v.Type().IsObjectType() {
		return
	}
	places := d.elements(a)
	n := 0
	for it := v.ElementIterator(); it.Next(); n++ {
		_, e := it.Element()
		at := a.at
		if n < len(places) {
			at = places[n]
		}
		if text := warning(name, options(e)); text != "" {
			d.t.warnings = append(d.t.warnings, scan.Warning{At: at.unquoted().start(), Text: text})
		}
	}
}

// warning returns what to say of an entry of cache-from or attest, if anything.
func warning(attribute string, entry map[string]string) string {
	switch {
	case attribute == "cache-from" && entry["type"] == "registry":
		return "cache-from: build steps may come from the cache image " + clip(entry["ref"]) + ", whose signature is not looked at"
	case attribute == "attest" && entry["type"] == "sbom" && entry["disabled"] != "true":
		generator := entry["generator"]
		if generator == "" {
			generator = "docker/buildkit-syft-scanner"
		}
		return "attest: the builder pulls the scanner image " + clip(generator) + ", whose signature is not looked at"
	}
	return ""
}

// options reads `type=registry,ref=…`, a reference alone, or an object.
func options(v cty.Value) map[string]string {
	m := map[string]string{}
	if v.IsNull() {
		return m
	}
	if v.Type() == cty.String {
		fields, err := record(v.AsString(), ',')
		if err != nil {
			return m
		}
		for _, field := range fields {
			if key, value, ok := strings.Cut(field, "="); ok {
				m[strings.ToLower(key)] = value
			} else {
				m["type"], m["ref"] = "registry", field
			}
		}
		return m
	}
	if table, err := convert.Convert(v, cty.Map(cty.String)); err == nil && !table.IsNull() {
		for key, e := range table.AsValueMap() {
			if !e.IsNull() {
				m[key] = e.AsString()
			}
		}
	}
	return m
}

// merge lays u over t, as bake does for blocks of one name and for what is
// inherited: lists replace each other, maps are joined, warnings add up.
func (t *target) merge(u *target) {
	for _, s := range []struct{ to, from **setting }{
		{&t.context, &u.context}, {&t.dockerfile, &u.dockerfile}, {&t.inline, &u.inline}, {&t.stage, &u.stage},
	} {
		if *s.from != nil {
			*s.to = *s.from
		}
	}
	t.args = join(t.args, u.args)
	t.contexts = join(t.contexts, u.contexts)
	if u.platforms != nil {
		t.platforms = u.platforms
	}
	t.warnings = append(slices.Clip(t.warnings), u.warnings...)
	t.problems = append(slices.Clip(t.problems), u.problems...)
}

func join(to, from map[string]*setting) map[string]*setting {
	if len(from) == 0 {
		return to
	}
	joined := maps.Clone(to)
	if joined == nil {
		joined = map[string]*setting{}
	}
	maps.Copy(joined, from)
	return joined
}

// normalize removes the contexts that were set to nothing, which is how a
// target gets rid of one it inherits.
func (t *target) normalize() {
	if slices.ContainsFunc(slices.Collect(maps.Values(t.contexts)), (*setting).nothing) {
		t.contexts = maps.Clone(t.contexts)
		maps.DeleteFunc(t.contexts, func(_ string, s *setting) bool { return s.nothing() })
	}
}

func (s *setting) nothing() bool { return s.text == "" && len(s.doubts) == 0 }

// size is what merging the target costs.
func (t *target) size() int {
	return 64 + 16*(len(t.args)+len(t.contexts)+len(t.warnings)+len(t.problems))
}
