package bake

// A mention is which targets the attributes of a definition refer to, as
// target.NAME. Of several blocks of a name that is the last one alone, so that
// one more block in another file would change what they say.
type mention struct {
	names map[string]bool
	all   bool // some name cannot be told
}

func mentioned(files []*file) mention {
	m := mention{names: map[string]bool{}}
	for _, f := range files {
		for _, a := range f.attrs {
			m.add(a)
		}
		for _, list := range [][]*block{f.targets, f.groups, f.variables, f.functions} {
			for _, b := range list {
				for _, a := range b.attrs {
					m.add(a)
				}
			}
		}
	}
	return m
}

func (m *mention) add(a *attribute) {
	if a.expr == nil {
		return // a type, or what stops bake
	}
	for _, t := range a.expr.vars {
		if t.RootName() != "target" {
			continue
		}
		if ref, err := refer(t); err == nil {
			m.names[ref.name] = true
		} else {
			m.all = true
		}
	}
}

// of reports whether something refers to a target.
func (m mention) of(name string) bool { return m.all || m.names[name] }
