package handover

import (
	"errors"
	"fmt"
	"strings"
)

// sampled is how many references the whole policy is tried with. With all of
// them, the time would grow with the square of their number.
const sampled = 3

// prove evaluates the policy. What it makes of a source has to follow from the
// Set alone, however the rules came about: each reference is tried with the
// rules that speak of it, and a few with all rules, beside what is like them
// and was not admitted.
func (a admission) prove() error {
	want := expectationOf(a.set)
	if err := try(a.policy.Rules, append(strangers(), fetched(a.strict)...)); err != nil {
		return err
	}
	of := map[string]*sourceRule{}
	for _, r := range a.policy.Rules {
		of[r.Selector.Identifier] = r
	}
	first := a.policy.Rules[0]
	for i, e := range a.set.entries {
		rules := []*sourceRule{first}
		for _, selector := range []string{
			dockerImage + e.ref.Name() + ":" + e.ref.Tag(),
			anyTag{dockerImage + e.ref.Name(), "@" + e.digest}.pattern(),
		} {
			if r := of[selector]; r != nil {
				rules = append(rules, r)
			}
		}
		trials := want.spellings(e)
		if i%(len(a.set.entries)/sampled+1) == 0 {
			rules, trials = a.policy.Rules, append(trials, want.lookalikes(e)...)
		}
		if err := try(rules, trials); err != nil {
			return err
		}
	}
	return nil
}

// A trial is a source, and what has to become of it; "" if it has to be denied.
type trial struct{ source, becomes string }

// stays returns the trial of a source that has to stay as it is.
func stays(source string) trial { return trial{source, source} }

// try says which of the trials end otherwise than they have to.
func try(rules []*sourceRule, trials []trial) error {
	for _, t := range trials {
		got, err := evaluate(rules, t.source)
		switch {
		case errors.Is(err, errDenied) && t.becomes == "":
		case errors.Is(err, errDenied):
			return fmt.Errorf("the source policy denies %q, which is admitted", t.source)
		case err != nil:
			return fmt.Errorf("the source policy cannot be evaluated for %q: %w", t.source, err)
		case t.becomes == "":
			return fmt.Errorf("the source policy allows %q, which is not admitted", t.source)
		case got != t.becomes:
			return fmt.Errorf("the source policy makes %q of %q, not %q", got, t.source, t.becomes)
		}
	}
	return nil
}

// An expectation says what a Set admits, without any rules.
type expectation struct {
	tags    map[string]string // digests, by NAME:TAG
	digests map[string]bool   // of NAME@DIGEST
}

func expectationOf(s Set) expectation {
	x := expectation{map[string]string{}, map[string]bool{}}
	for _, e := range s.entries {
		x.digests[e.ref.Name()+"@"+e.digest] = true
		if e.ref.Digest() == "" {
			x.tags[e.ref.Name()+":"+e.ref.Tag()] = e.digest
		}
	}
	return x
}

// image returns the trial of an image with a tag, a digest or both.
func (x expectation) image(name, tag, digest string) trial {
	source := dockerImage + name
	if tag != "" {
		source += ":" + tag
	}
	if digest == "" {
		if d := x.tags[name+":"+tag]; d != "" {
			return trial{source, source + "@" + d}
		}
		return trial{source, ""}
	}
	source += "@" + digest
	if x.digests[name+"@"+digest] {
		return stays(source)
	}
	return trial{source, ""}
}

// spellings returns all ways to write e, and the tag it was written with.
func (x expectation) spellings(e entry) []trial {
	name, tag := e.ref.Name(), e.ref.Tag()
	trials := []trial{
		x.image(name, "", e.digest),
		x.image(name, "latest", e.digest),
		x.image(name, "0_other.Tag-1", e.digest),
	}
	if tag != "" {
		trials = append(trials, x.image(name, tag, e.digest), x.image(name, tag, ""))
	}
	return trials
}

// lookalikes returns what is like e, and is admitted for reasons of its own or
// not at all.
func (x expectation) lookalikes(e entry) []trial {
	name, tag, digest := e.ref.Name(), e.ref.Tag(), e.digest
	if tag == "" {
		tag = "latest"
	}
	last := "0"
	if strings.HasSuffix(digest, last) {
		last = "1"
	}
	other := digest[:len(digest)-1] + last
	trials := []trial{
		x.image(name, tag+"x", ""),
		x.image(name, "", other),
		x.image(name, tag, other),
		{dockerImage + name, ""},
		{dockerImage + name + ":" + tag + "\n", ""},
		{dockerImage + name + ":\n@" + digest, ""},
		{dockerImage + name + ":" + tag + "/x@" + digest, ""},
		{dockerImage + name + ":" + tag + "@" + digest + "0", ""},
		{dockerImage + name + ":" + tag + "@" + other + "@" + digest, ""},
		{dockerImageBlob + name + "@" + digest, ""},
		{ociLayout + name + "@" + digest, ""},
		{ociLayout + name + ":" + tag + "@" + digest, ""},
		{ociLayoutBlob + name + "@" + digest, ""},
		{"x" + dockerImage + name + "@" + digest, ""},
		{strings.ToUpper(dockerImage) + name + "@" + digest, ""},
		{name + ":" + tag + "@" + digest, ""},
	}
	for _, n := range []string{
		name + "x", name + "/x", "x" + name, "x.example/" + name, dockerImage + name, "index." + name,
		strings.Replace(name, ".", "x", 1),
	} {
		trials = append(trials, x.image(n, tag, ""), x.image(n, "", digest), x.image(n, tag, digest))
	}
	return trials
}

// strangers returns what no Set admits, whose names no reference can have.
func strangers() []trial {
	return []trial{
		{dockerImage + "_/_:_", ""},
		{dockerImage + "_/_@sha256:", ""},
		{dockerImage + "_/\n:_", ""},
		{ociLayout + "_/_:_", ""},
		{"", ""},
		{"\n", ""},
		{"image://_/_:_", ""},
		{"xlocal://_", ""},
		{"\nlocal://_", ""},
		stays("local://context"),
	}
}

// fetched returns sources that are no images and are fetched, denied or not.
func fetched(denied bool) []trial {
	trials := []trial{
		stays("git://example.com/repository.git#main"),
		stays("https://example.com/file"),
		stays("http://example.com/file"),
	}
	for i := range trials {
		if denied {
			trials[i].becomes = ""
		}
	}
	return trials
}
