package kubernetes

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/scan/internal/yamlnode"
)

// A slot is where a pod has an image.
type slot struct {
	text yamlnode.Scalar // what decides the image, and where
	ref  string          // the image
	kind slotKind
	err  error
}

// A slotKind says how kustomize overrides an image.
type slotKind int

const (
	container slotKind = iota
	volume             // by newer versions of kustomize
	ephemeral          // never
)

// maxReference bounds a reference, in bytes; registries take 255 for the name.
const maxReference = 1024

// use returns the use that s is.
func (s slot) use() image.Use {
	use := image.Use{Text: s.text.Text, At: s.text.At, Kind: image.Pod, Err: s.err}
	switch {
	case s.err != nil:
	case len(s.ref) > maxReference:
		use.Err = fmt.Errorf("a reference of more than %d characters", maxReference)
	default:
		use.Ref, use.Err = image.Parse(s.ref)
	}
	return use
}

// inOrder sorts the slots of one file by their place.
func inOrder(slots []slot) {
	slices.SortStableFunc(slots, func(a, b slot) int {
		return cmp.Or(cmp.Compare(a.text.At.Line, b.text.At.Line), cmp.Compare(a.text.At.Col, b.text.At.Col))
	})
}

// collect returns the uses that slots are. What is the same at the same place,
// through aliases or because one override reaches several slots, counts once.
func collect(slots []slot, warnings []scan.Warning) scan.Found {
	type once struct {
		at  image.Position
		ref string
		err bool
	}
	seen := map[once]bool{}
	found := scan.Found{Warnings: warnings}
	for _, s := range slots {
		o := once{s.text.At, s.ref, s.err != nil}
		if !seen[o] {
			seen[o] = true
			found.Uses = append(found.Uses, s.use())
		}
	}
	return found
}
