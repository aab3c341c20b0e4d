// Package differential_test holds what package scan finds against what the
// builders themselves ask for: BuildKit's Dockerfile frontend, Compose's loader
// and buildx's bake, each the Go package that the real program runs.
//
// The race detector has something to say of BuildKit v0.33 itself, which writes
// "true" to one field at several times (dockerfile/builder/resolvecache.go).
package differential_test

import (
	"cmp"
	"context"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/builder"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	scratch     = "scratch"
	dockerImage = "docker-image://"

	// builderPlatform is the builder's, if a test does not say otherwise, whatever
	// machine runs it.
	builderPlatform = "linux/amd64"
)

// imageConfig is that of every image. It has a layer, as BuildKit takes an image
// without one for scratch, and a working directory, as nothing can be mounted on
// the root.
const imageConfig = `{"architecture":"amd64","os":"linux","config":{"WorkingDir":"/src"},"rootfs":{"type":"layers","diff_ids":["sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]}}`

// A build is one run of the frontend: a Dockerfile, and the attributes that
// buildx sends along ("target", "platform", "build-arg:NAME", "context:NAME").
type build struct {
	dockerfile []byte
	attrs      map[string]string
	builder    string // its platform
}

// pulls returns the images that BuildKit pulls for b, the frontend's among them.
// Of a build that fails it returns none: which ones BuildKit has come to by then
// is a matter of chance.
func (b build) pulls(ctx context.Context) answer {
	worker, err := platforms.Parse(cmp.Or(b.builder, builderPlatform))
	if err != nil {
		return answer{err: err}
	}
	attrs := map[string]string{"platform": platforms.Format(worker)}
	maps.Copy(attrs, b.attrs)
	d := &daemon{dockerfile: b.dockerfile, attrs: attrs, worker: worker, asked: map[string]bool{}}
	if _, err := builder.Build(ctx, d); err != nil {
		return answer{err: err}
	}
	return answer{images: slices.Sorted(maps.Keys(d.asked))}
}

// A daemon plays BuildKit to its Dockerfile frontend. It has a Dockerfile and
// nothing else, and notes which images it is asked for.
type daemon struct {
	client.Client // no other method of it is called
	dockerfile    []byte
	attrs         map[string]string
	worker        ocispecs.Platform

	mu    sync.Mutex // the frontend asks for several images at a time
	asked map[string]bool
}

func (d *daemon) BuildOpts() client.BuildOpts {
	return client.BuildOpts{
		Opts:    d.attrs,
		LLBCaps: pb.Caps.CapSet(pb.Caps.All()),
		Caps:    gwpb.Caps.CapSet(gwpb.Caps.All()),
		Workers: []client.WorkerInfo{{Platforms: []ocispecs.Platform{d.worker}}},
	}
}

func (d *daemon) Inputs(context.Context) (map[string]llb.State, error) { return nil, nil }

func (d *daemon) Warn(context.Context, digest.Digest, string, client.WarnOpts) error { return nil }

// ResolveImageConfig is asked for what a build is based on. What is in an OCI
// layout is not pulled.
func (d *daemon) ResolveImageConfig(_ context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	if opt.OCILayoutOpt == nil {
		d.note(ref)
	}
	return ref, "", []byte(imageConfig), nil
}

// Solve is asked for the build context, for a frontend that the Dockerfile
// names, and for the build. An image can be in the build alone: BuildKit does
// not look at the configuration of every image it takes files from.
func (d *daemon) Solve(ctx context.Context, req client.SolveRequest) (*client.Result, error) {
	if req.Frontend == "gateway.v0" {
		return d.frontend(ctx, req.FrontendOpt["source"])
	}
	if err := d.sources(req.Definition); err != nil {
		return nil, err
	}
	res := client.NewResult()
	res.SetRef(&workspace{dockerfile: d.dockerfile})
	return res, nil
}

// frontend pulls the frontend that a Dockerfile names, as BuildKit does in
// frontend/gateway/gateway.go, Solve. In place of what is in that image, it runs
// BuildKit's own frontend, which sees by the attributes that it was chosen.
func (d *daemon) frontend(ctx context.Context, source string) (*client.Result, error) {
	c, err := dockerui.NewClient(d)
	if err != nil {
		return nil, err
	}
	named, err := c.NamedContext(source, dockerui.ContextOpt{Platform: &d.worker})
	if err != nil {
		return nil, err
	}
	if named != nil {
		if _, _, err := named.Load(ctx); err != nil {
			return nil, err
		}
		return builder.Build(ctx, d)
	}
	ref, err := reference.ParseNormalizedNamed(source)
	if err != nil {
		return nil, err
	}
	d.note(ref.String())
	return builder.Build(ctx, d)
}

// sources notes the images in a definition.
func (d *daemon) sources(def *pb.Definition) error {
	for _, dt := range def.Def {
		var op pb.Op
		if err := op.UnmarshalVT(dt); err != nil {
			return err
		}
		if ref, ok := strings.CutPrefix(op.GetSource().GetIdentifier(), dockerImage); ok {
			d.note(ref)
		}
	}
	return nil
}

func (d *daemon) note(ref string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked[normal(ref)] = true
}

// normal returns a reference with Docker's defaults filled in, and anything
// else as it is.
func normal(ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ref
	}
	return reference.TagNameOnly(named).String()
}

// A workspace is the files of a build, which is the Dockerfile.
type workspace struct {
	client.Reference // no other method of it is called
	dockerfile       []byte
}

func (w *workspace) ReadFile(_ context.Context, req client.ReadRequest) ([]byte, error) {
	if req.Filename != dockerui.DefaultDockerfileName {
		return nil, fs.ErrNotExist
	}
	return w.dockerfile, nil
}
