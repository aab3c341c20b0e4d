package workflow

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlnode"
)

const (
	// maxJobs is how many jobs GitHub makes of a matrix.
	maxJobs = 256
	// maxProduct bounds combinations before exclude.
	maxProduct = 16 * maxJobs
	// maxWork bounds what all matrices of a file cause: combinations that are
	// compared, and expressions that are evaluated for one.
	maxWork = 1 << 16
)

// A matrix is the combinations of its values: each an object, or unknown for
// those that are not in the file. A job without a matrix has one combination,
// of nothing.
type matrix []value

// open is the matrix of which nothing is known.
func open() matrix { return matrix{unknown{}} }

// matrix returns the combinations of a job's strategy.
// https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstrategymatrix
func (r *reader) matrix(strategy *yaml.Node) matrix {
	n := yamlnode.Find(strategy, "matrix")
	if n == nil {
		if !yamlnode.IsNull(strategy) && strategy.Kind != yaml.MappingNode {
			return open()
		}
		return matrix{newObject()}
	}
	o, ok := literal(n).(object)
	if !ok {
		return open()
	}
	axes, jobs := axesOf(o)
	include, certain := list(o, "include")
	exclude, _ := list(o, "exclude")
	if !r.spend(jobs*(1+len(axes.keys)+weight(include)+weight(exclude))) || jobs > maxProduct {
		r.warn(r.file.At(n), "a matrix too large to be looked into: images that depend on it are not verified")
		return open()
	}
	m := matrix{}
	if len(axes.keys) > 0 {
		m = axes.product(jobs).without(exclude)
	}
	if len(m) <= maxJobs {
		m = m.with(include, axes)
	}
	if !certain {
		m = append(m, unknown{})
	}
	if len(m) > maxJobs {
		r.warn(r.file.At(n), fmt.Sprintf("a matrix of more than %d jobs, which GitHub refuses: images that depend on it are not verified", maxJobs))
		return open()
	}
	return m
}

// spend takes work off the budget and reports whether it was there.
func (r *reader) spend(work int) bool {
	if work > r.budget {
		return false
	}
	r.budget -= work
	return true
}

// axesOf returns what the combinations of a matrix are made of, each value an
// array, and how many combinations that makes: more than maxProduct may be any
// number that is.
func axesOf(o object) (axes object, product int) {
	axes, product = newObject(), 1
	for _, key := range o.keys {
		if key == "include" || key == "exclude" {
			continue
		}
		values, ok := o.values[key].(array)
		if !ok { // an expression; GitHub refuses anything else
			values = array{unknown{}}
		}
		axes.set(key, values)
		product = min(product*len(values), maxProduct+1)
	}
	return axes, product
}

// weight is how much there is to compare.
func weight(objects []object) int {
	w := len(objects)
	for _, o := range objects {
		w += len(o.keys)
	}
	return w
}

// list returns the mappings of include or exclude, and whether they are all
// there is.
func list(o object, key string) ([]object, bool) {
	items, ok := o.get(key).(array)
	certain := ok || o.get(key) == nil
	var objects []object
	for _, item := range items {
		if o, ok := item.(object); ok {
			objects = append(objects, o)
		} else {
			certain = false
		}
	}
	return objects, certain
}

// product returns every combination of the values of the axes.
func (axes object) product(n int) matrix {
	m := make(matrix, 0, n)
	for i := range n {
		combination := newObject()
		block := n
		for _, key := range axes.keys {
			values, _ := axes.values[key].(array)
			block /= len(values)
			combination.set(key, values[i/block%len(values)])
		}
		m = append(m, combination)
	}
	return m
}

// without returns m less the combinations that a filter of exclude has. One
// that may be excluded, or not, stays.
func (m matrix) without(exclude []object) matrix {
	kept := matrix{}
	for _, combination := range m {
		excluded := false
		for _, filter := range exclude {
			excluded = excluded || matches(filter, combination) == true
		}
		if !excluded {
			kept = append(kept, combination)
		}
	}
	return kept
}

// with adds each of include to the combinations whose values on the axes it
// has. What fits none is a combination of its own. Where it is not known whether
// it fits, there is an unknown combination besides.
func (m matrix) with(include []object, axes object) matrix {
	original, certain := len(m), true
	for _, extra := range include {
		filter := newObject()
		for _, key := range extra.keys {
			if axes.has(key) {
				filter.set(key, extra.values[key])
			}
		}
		added := false
		for i := range original {
			combination, _ := m[i].(object)
			fits := matches(filter, combination)
			if fits == false {
				continue
			}
			added = added || fits == true
			certain = certain && fits == true
			for _, key := range extra.keys {
				if !axes.has(key) {
					combination.set(key, extra.values[key])
				}
			}
		}
		if !added {
			m = append(m, extra)
		}
	}
	if !certain {
		m = append(m, unknown{})
	}
	return m
}

// matches returns whether v has all that filter has, or unknown. Objects may
// have more.
func matches(filter, v value) value {
	switch f := filter.(type) {
	case object:
		if v == (unknown{}) {
			return v
		}
		o, _ := v.(object)
		result := value(true)
		for _, key := range f.keys {
			switch matches(f.values[key], o.get(key)) {
			case false:
				return false
			case unknown{}:
				result = unknown{}
			}
		}
		return result
	case array:
		if v == (unknown{}) {
			return v
		}
		a, ok := v.(array)
		if !ok || len(a) != len(f) {
			return false
		}
		result := value(true)
		for i := range f {
			switch matches(f[i], a[i]) {
			case false:
				return false
			case unknown{}:
				result = unknown{}
			}
		}
		return result
	}
	return equal(filter, v)
}

// evaluate calls do with what text is for each combination of m. What is not
// known before the workflow runs is a warning.
func (r *reader) evaluate(text yamlnode.Scalar, kind image.Kind, m matrix, do func(value)) {
	if !strings.Contains(text.Value, "${{") {
		do(text.Value)
		return
	}
	work := 1 + len(text.Value)/64 + 8*strings.Count(text.Value, "(") // functions look at whole texts
	if !r.spend(work * (1 + len(m))) {
		r.unknown(text, kind, "%s is not verified: too many combinations of matrices")
		return
	}
	e, err := parse(text.Value)
	if err != nil {
		r.unknown(text, kind, "%s is not verified: %v", err)
		return
	}
	for _, combination := range m {
		if v := e(combination); v == (unknown{}) {
			r.unknown(text, kind, runtime)
		} else {
			do(v)
		}
	}
}

// resolved adds what an expression gives for a container.
func (r *reader) resolved(text yamlnode.Scalar, kind image.Kind, v value) {
	if o, ok := v.(object); ok {
		v = o.get("image")
	}
	switch v := v.(type) {
	case nil:
	case unknown:
		r.unknown(text, kind, runtime)
	case object, array:
		r.unknown(text, kind, "%s is no image in some combination, which GitHub refuses")
	default:
		if ref := strings.TrimPrefix(asText(v), scheme); ref != "" {
			r.use(text, kind, ref)
		}
	}
}
