package dockerfile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/containerd/platforms"
)

// ContextName returns the name under which BuildKit knows a context that the
// command line of docker build calls name: docker.io/library/alpine:latest is
// "alpine" there. Build.Contexts has such names. Bake and Compose hand over
// names as they stand in the file.
func ContextName(name string) (string, error) {
	ref, err := image.Parse(name)
	if err != nil {
		return "", fmt.Errorf("context name: %w", err)
	}
	return ref.Familiar(), nil
}

// context returns what stands in for name on a platform, nil if nothing does.
func (g *graph) context(name string, p *platforms.Platform) (*string, error) {
	return contextOf(g.build.Contexts, name, p)
}

func contextOf(contexts map[string]string, name string, p *platforms.Platform) (*string, error) {
	if p == nil {
		for key := range contexts {
			if strings.HasPrefix(key, name+"::") {
				return nil, errors.New("a build context stands in for it on some platforms: give --platform")
			}
		}
	} else if v, ok := contexts[name+"::"+platforms.FormatAll(platforms.Normalize(*p))]; ok {
		return &v, nil
	}
	if v, ok := contexts[name]; ok {
		return &v, nil
	}
	return nil, nil
}

// resolve returns the use of a state's image: none if a stage or nothing but a
// directory is behind it. Replaced is whether that is by a context of the image's
// name, not the stage's. What comes after FROM is looked at in the order of
// convert.go, resolveReachableStages and resolveBaseImage.
func resolve(d *state, contexts map[string]string) (u image.Use, ok, replaced bool) {
	switch {
	case d.base != nil:
		return image.Use{}, false, false
	case d.context != nil && d.image != "":
		u, ok = stand(d.use, *d.context)
		return u, ok, false
	case d.use.Err != nil:
		return d.use, true, false
	case d.image == scratch:
		return image.Use{}, false, false
	}
	return settle(d.use, d.image, contexts, d.platform)
}

// settle gives u the image of this name, or what a context puts in its place,
// which replaced says.
func settle(u image.Use, name string, contexts map[string]string, p *platforms.Platform) (_ image.Use, ok, replaced bool) {
	ref, err := image.Parse(name)
	if err != nil {
		u.Err = brief(err)
		return u, true, false
	}
	v, err := contextOf(contexts, ref.Familiar(), p)
	switch {
	case err != nil:
		u.Err = err
		return u, true, false
	case v != nil:
		u, ok = stand(u, *v)
		return u, ok, true
	}
	u.Ref = ref
	return u, true, false
}

// stand gives u the image that a named context is, if it is one:
// dockerui/namedcontext.go, load.
func stand(u image.Use, context string) (image.Use, bool) {
	name, ok := strings.CutPrefix(context, "docker-image://")
	if !ok || name == scratch {
		return image.Use{}, false
	}
	u.Literal = image.Literal{} // another text decides
	u.Ref, u.Err = image.Parse(name)
	if u.Err != nil {
		u.Err = fmt.Errorf("build context: %w", brief(u.Err))
	}
	return u, true
}
