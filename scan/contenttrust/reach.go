package contenttrust

import (
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

// maxSettings and maxBuilds bound what is remembered of one file.
const (
	maxSettings = 64
	maxBuilds   = 1024
)

// A setting is a place that switches Docker Content Trust on or off.
type setting struct {
	row    int
	at     int
	how    way
	off    bool
	inside bool // a YAML key that its line does not begin with
}

func (r *reader) keep(s setting) {
	if len(r.settings) < maxSettings && s.how != byDefault && s.how != inContainer && s.how != inImage {
		r.settings = append(r.settings, s)
	}
}

// A builder is what builds or pulls without a look at the variable.
type builder byte

const (
	built    builder = iota // by BuildKit
	plain                   // by BuildKit, unless that is switched off
	composed                // by Compose
)

// A build is a place where images are built or pulled.
type build struct {
	row int
	w   word
	by  builder
}

func (r *reader) build(w word, by builder) {
	if len(r.builds) < maxBuilds && !(by == plain && r.classic) {
		r.builds = append(r.builds, build{len(r.rows) - 1, w, by})
	}
}

// A reach is the lines that a setting is for, by their rows.
type reach struct {
	setting
	from, to int
}

// unverified warns of the builds for which Docker Content Trust is switched on:
// that verified nothing.
func (r *reader) unverified() {
	var all []reach
	for _, s := range r.settings {
		from, to := r.reach(s)
		all = append(all, reach{s, from, to})
	}
	for _, b := range r.builds {
		if !switchedOnFor(b, all) {
			continue
		}
		text := buildBlind
		if b.by == composed {
			text = composeBlind
		}
		r.found = append(r.found, scan.Warning{At: image.Position{File: r.file, Line: b.w.line, Col: b.w.at - b.w.begin + 1}, Text: text})
	}
}

// switchedOnFor reports whether the setting that is nearest to a build switches
// Docker Content Trust on: the one for the fewest lines, or else the last.
func switchedOnFor(b build, all []reach) bool {
	nearest := -1
	for i, s := range all {
		if b.row < s.from || b.row > s.to || s.how != byKey && b.w.at < s.at {
			continue
		}
		if nearest < 0 || s.to-s.from <= all[nearest].to-all[nearest].from {
			nearest = i
		}
	}
	return nearest >= 0 && !all[nearest].off
}

// reach returns the rows that a setting is for, as far as columns tell.
func (r *reader) reach(s setting) (from, to int) {
	last := len(r.rows) - 1
	switch {
	case s.how == forOne:
		return s.row, s.row
	case !r.style.yaml:
		return s.row, last
	case s.how == byKey:
		return r.siblings(s)
	case s.how == forSteps:
		if steps := r.above(s.row, keySteps); steps >= 0 {
			return s.row, r.below(s.row, r.rows[steps].key, true)
		}
		return s.row, last
	}
	if r.rows[s.row].name == keyRun {
		return s.row, s.row
	}
	if before := r.above(s.row, keyBefore); before >= 0 {
		if r.rows[before].key == 0 {
			return s.row, last
		}
		return s.row, r.below(s.row, r.rows[before].key, false)
	}
	return s.row, r.below(s.row, r.rows[s.row].col, r.rows[s.row].item)
}

// siblings returns the rows of the mapping whose env, variables or environment
// has the setting.
func (r *reader) siblings(s setting) (from, to int) {
	env := s.row
	if !s.inside {
		env = r.parent(s.row)
	}
	if env < 0 || r.rows[env].key == 0 {
		return 0, len(r.rows) - 1
	}
	column := r.rows[env].key
	from = env
	for from > 0 && !(r.rows[from].item && r.rows[from].key == column) && r.rows[from-1].key >= column {
		from--
	}
	return from, r.below(env, column, false)
}

// below returns the last row after one that is not left of a column; with items,
// those in the column have to be list items.
func (r *reader) below(row, column int, items bool) int {
	for row+1 < len(r.rows) {
		next := r.rows[row+1]
		if next.col < column || items && next.col == column && !next.item {
			break
		}
		row++
	}
	return row
}

// parent returns the row of the key that a row belongs to, -1 if there is none.
func (r *reader) parent(row int) int {
	column, item := r.rows[row].key, r.rows[row].item
	for {
		if item {
			column = r.rows[row].col
		}
		found := false
		for row--; row >= 0; row-- {
			above := r.rows[row]
			if above.key < column || item && above.key == column && !above.item {
				return row
			}
			if !item && above.item && above.key == column { // the first line of the same item
				item, found = true, true
				break
			}
		}
		if !found {
			return -1
		}
	}
}

// above returns the nearest row that a row is below of, by its key; -1 if there is
// none.
func (r *reader) above(row int, key rowKey) int {
	for row = r.parent(row); row >= 0; row = r.parent(row) {
		if r.rows[row].name == key {
			return row
		}
	}
	return -1
}
