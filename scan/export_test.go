package scan

import "io/fs"

// Bounds are bounds.
type Bounds struct{ Entries, Aside, Depth, Files, Links, Beside int }

// Find searches within b.
func (b Bounds) Find(s Search, fsys fs.FS) (Listing, error) {
	return s.find(fsys, bounds{b.Entries, b.Aside, b.Depth, b.Files, b.Links, b.Beside})
}

// YAMLKeys is yamlKeys.
var YAMLKeys = yamlKeys
