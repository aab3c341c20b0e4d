package kubernetes

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlnode"
	"github.com/boltseal/boltseal/scan"
)

// A slot is where a pod has an image.
type slot struct {
	text yamlnode.Scalar // what decides the image, and where
	ref  string          // the image
	kind slotKind
	// decided is whether an override has a say: text is a part of the reference
	// then. Of a digest it is all that counts.
	decided, byDigest bool
	err               error
}

// A slotKind says how kustomize overrides an image.
type slotKind int

const (
	container slotKind = iota
	volume             // by newer versions of kustomize
	fixed              // never
)

// maxReference bounds a reference, in bytes; registries take 255 for the name.
const maxReference = 1024

var errLong = fmt.Errorf("a reference of more than %d characters", maxReference)

// use returns the use that s is.
func (s slot) use() image.Use {
	use := image.Use{Text: s.text.Text, At: s.text.At, Kind: image.Pod, Err: s.err}
	if s.err != nil {
		return use
	}
	if use.Ref, use.Err = image.Parse(s.ref); use.Err != nil {
		use.Err = explained(s.ref, use.Err)
	}
	if !s.decided && s.text.Text == s.ref || s.byDigest && s.text.Text == use.Ref.Digest() {
		use.Literal = image.Literal{Text: s.text.Text, At: s.text.At}
	}
	return use
}

var (
	errVariable = errors.New("it has a variable, whose value is not known here: give the file with the value written in")
	errKo       = errors.New("ko builds this image: give what ko resolve -f FILE writes")
)

// variable matches what envsubst and OpenShift, ${IMAGE}, Tekton,
// $(params.image), or Argo, {{inputs.parameters.image}}, put a value in for.
// What Helm puts in begins with a dot or a "$", or has more than one word.
var variable = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[^{]*\$[({A-Za-z_]|\{\{(?:=|\s*[A-Za-z_]+(?:\.[\w-]+)*\s*\}\})`)
})

// explained returns the error of an image that is no reference: what to do
// where it is known what it stands for, else err. A kustomization could have
// replaced it, so that this is told at the end.
func explained(ref string, err error) error {
	switch {
	case variable().MatchString(ref):
		return errVariable
	case strings.Contains(ref, "{{"):
		return errTemplate
	case strings.HasPrefix(ref, "ko://"):
		return errKo
	}
	return err
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
