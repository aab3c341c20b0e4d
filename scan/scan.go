// Package scan finds the images that a workspace's files use, without running
// or asking anything. What a file means is the business of the formats, the
// packages below this one; scan walks, chooses and orders.
package scan

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
)

// A Format is one kind of file that uses images.
type Format struct {
	Name string // as in "dockerfile"
	Doc  string // one line: which files, and what in them

	// Match reports whether a walk takes the file of this slash-separated path
	// for one of this format. It does not look into the file.
	Match func(path string) bool
	// Asked formats are looked for only where they are asked for by name.
	Asked bool

	// Scan returns what the file uses, in the order of the text. What cannot be
	// read or resolved is a Use with an Err, at its place: nothing is skipped.
	Scan func(s Source, path string) Found
}

// Found is what a file uses.
type Found struct {
	Uses     []image.Use
	Warnings []Warning
	Targets  []Target // of bake and Compose files, in the order in which they are built
	// Replaced are the places where a build puts a named context, an image or
	// not, instead of what is written there: with another reference the context
	// would not apply. They have no Ref.
	Replaced []image.Use
}

// A Target is one that is built: not a group, not a pattern, but what bake calls
// it once it has read everything.
type Target struct {
	Name string
	At   image.Position // of its first block
	// Contexts are its named contexts, by name; one whose value is not known is
	// "".
	Contexts map[string]string
	// Mentioned is whether an attribute refers to one of its, which a block of
	// its name in one more file would hide.
	Mentioned bool
	// Service is whether it is one of a Compose file, which bake takes for a
	// target where it reads that.
	Service bool
}

// A Warning is about a place that does not decide whether the gate opens.
type Warning struct {
	At   image.Position
	Text string

	// Kind and Written are those of an image that is used there but not known;
	// Kind is empty where the warning is about something else.
	Kind    image.Kind
	Written string
}

// A Source is a workspace, and what is known of the build.
type Source struct {
	FS    fs.FS // the workspace; paths are slash-separated and relative to it
	Build Build
	// Getenv looks up variables that files may refer to (Compose, Bake); nil
	// means that none is set.
	Getenv func(name string) (value string, ok bool)
	// Withheld reports whether a variable is set and not for files to see: what
	// depends on it is not known. Nil means that none is.
	Withheld func(name string) bool
	Profiles []string // of Compose; services of other profiles are not started

	// Within is the current folder, slash-separated and relative to the
	// workspace; "" is its root.
	Within string

	// Read is given the text of each file that a format reads, those that others
	// lead to among them, a file perhaps more than once. It must not change the
	// text, nor keep it. Nil means that nobody else looks.
	Read func(name string, text []byte)

	// Named are the files of the format at hand that were asked for by their
	// path, in that order. As with -f of the tools they are for, no other file
	// is read with one of them because of its name, and those of one folder are
	// read together: the first of them stands for all.
	Named []string
}

// A Build is what a command line says of the build of a Dockerfile.
type Build struct {
	Targets   []string // stages to build; none means the last one
	AllStages bool     // all of them, whether a target needs them or not
	// Args are build arguments, by name.
	Args map[string]string
	// Contexts are named contexts, by name: docker-image://REF stands for an
	// image, anything else for none.
	Contexts map[string]string
	// Platforms are those of the target, such as linux/arm64: what any of them
	// uses counts. None means BuildPlatform.
	Platforms []string
	// Given are the platforms that the user says are built for, as indexes list
	// them ([image.Platform]), whatever a file says: uses of others are Foreign.
	// None means that none is.
	Given []string
	// BuildPlatform is that of the builder; "" means that what depends on it
	// cannot be resolved.
	BuildPlatform string
}

// MaxFile bounds a file that is read, in bytes.
const MaxFile = 4 << 20

// Foreign reports whether a platform, as OS/ARCH or OS/ARCH/VARIANT, is none of
// Given, and no variant of one: what vouches for a platform of an index has
// looked at all of its variants there.
func (b Build) Foreign(platform string) bool {
	parts := append(strings.SplitN(platform, "/", 3), "", "")
	p := image.Platform(parts[0], parts[1], parts[2])
	return len(b.Given) > 0 && !slices.ContainsFunc(b.Given, func(g string) bool {
		return p == g || strings.HasPrefix(p, g+"/")
	})
}

// Together returns the named files that are read together with the file of this
// name, itself included, in order; nil if it was not asked for by its path.
func (s Source) Together(name string) []string {
	if !slices.Contains(s.Named, name) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.Named), func(n string) bool { return path.Dir(n) != path.Dir(name) })
}

// WithheldError says that a variable is set, and that files do not see it.
func WithheldError(name string) error {
	return fmt.Errorf("%s is set, but files do not see it: its name speaks of a secret, or anybody may have written the files: call it otherwise, or write its value", name)
}
