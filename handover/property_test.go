package handover_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/handover"
	"github.com/boltseal/boltseal/image"
)

// denied stands for a source that is refused.
const denied = "\x00denied"

// becomes returns what has to become of a source where these images are
// admitted. It is written without a thought of rules: a tag becomes its digest,
// a digest stays what it is, with any tag or none, and all else is refused.
func becomes(images []gate.Admitted, source string, strict bool) string {
	scheme, name, _ := strings.Cut(source, "://")
	switch {
	case scheme == "local" && strings.Contains(source, "://"):
		return source
	case !strict && (scheme == "git" || scheme == "http" || scheme == "https") && strings.Contains(source, "://"):
		return source
	case scheme != "docker-image":
		return denied
	}
	for _, a := range images {
		ref, digest := a.Pinned().Ref(), a.Pinned().Digest()
		if ref.Digest() == "" && name == ref.Name()+":"+ref.Tag() {
			return source + "@" + digest
		}
		tag, ok := strings.CutPrefix(name, ref.Name())
		if !ok {
			continue
		}
		tag, ok = strings.CutSuffix(tag, "@"+digest)
		if ok && (tag == "" || tag[0] == ':' && len(tag) > 1 && strings.Trim(tag[1:], letters) == "") {
			return source
		}
	}
	return denied
}

// letters are those of tags.
const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

// checkPolicies holds that the forms of the policy make of the sources what
// becomes says, by BuildKit's engine and by ours, and that they pass their own
// checks.
func checkPolicies(t *testing.T, forms []string, images []gate.Admitted, sources []string) {
	t.Helper()
	s, err := handover.New(images)
	if err != nil {
		return // a tag that moved is not handed over
	}
	for _, name := range forms {
		f := policyOf(t, name, s)
		if err := f.Check(f.Body); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, f.Body)
		}
		b, err := buildkit(f.Body)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, f.Body)
		}
		ours, err := handover.NewEngine(f.Body)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, f.Body)
		}
		for _, source := range sources {
			want := becomes(images, source, name == sourcePolicies()[1])
			got, refused, err := b.evaluate(t, source)
			if refused {
				got = denied
			}
			if err != nil || got != want {
				t.Errorf("%s: %q becomes %q, %v, want %q\n%s", name, source, got, err, want, f.Body)
			}
			got, refused, err = ours.Evaluate(source)
			if refused {
				got = denied
			}
			if err != nil || got != want {
				t.Errorf("%s: %q becomes %q, %v, by our engine, want %q\n%s", name, source, got, err, want, f.Body)
			}
		}
	}
}

// Whatever is admitted, the policy admits it in every spelling, and nothing
// else.
func TestSourcePolicyProperty(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(6, 2)) // the same in each run
	admits, denies := 0, 0
	for i := range shorter(2000) {
		var images []gate.Admitted
		for range r.IntN(4) {
			images = append(images, admitted(t, randomImage(r))...)
		}
		sources := make([]string, 0, 40)
		for range 8 {
			sources = append(sources, randomSource(r))
		}
		for _, a := range images {
			p := a.Pinned()
			for _, like := range lookalikes(p.Ref().Name(), p.Ref().Tag(), p.Digest()) {
				if r.IntN(10) == 0 {
					sources = append(sources, like)
				}
			}
		}
		for _, s := range sources {
			if strings.HasPrefix(s, "docker-image://") {
				if becomes(images, s, false) == denied {
					denies++
				} else {
					admits++
				}
			}
		}
		checkPolicies(t, sourcePolicies()[i%2:i%2+1], images, sources)
		if t.Failed() {
			return
		}
	}
	if admits < shorter(2000) || denies < shorter(2000) {
		t.Errorf("%d images were admitted and %d denied: too few to say anything", admits, denies)
	}
}

func registries() []string {
	return []string{
		"docker.io", "index.docker.io", "registry-1.docker.io", "docker.io:443", "DOCKER.IO", "localhost:5000", "localhost", "127.0.0.1:5000",
		"[::1]:5000", "ghcr.io", "GHCR.IO", "ghcrxio.example", "ghcr.io.example", "xghcr.io", "a*b.example", "$1.example", "(a)+.example", "a.example:50",
	}
}

func repositories() []string {
	return []string{"library/alpine", "library/alpine2", "alpine", "library/alpine/x", "acme/app", "acme/app/app", "app", "acme/a.p", "acme/axp", "acme/a__p", "acme/a-p"}
}

func allTags() []string {
	return []string{"latest", "1", "1.2", "1x2", "v1_0-rc.1", "Latest", strings.Repeat("t", 128)}
}

func digests() []string { return []string{digest("a"), digest("b"), digest("0"), digest("1")} }

func pick(r *rand.Rand, of []string) string { return of[r.IntN(len(of))] }

// randomImage returns an image by tag, digest or both, verified or exempt.
func randomImage(r *rand.Rand) given {
	g := given{ref: pick(r, registries()) + "/" + pick(r, repositories()), digest: pick(r, digests())}
	if r.IntN(4) > 0 {
		g.ref += ":" + pick(r, allTags())
	}
	if r.IntN(3) == 0 {
		g.ref += "@" + g.digest
	}
	switch r.IntN(6) {
	case 0:
		g.exempt = &until
	case 1:
		g.exempt = &unsigned
	}
	return g
}

// randomSource returns what a build may ask for.
func randomSource(r *rand.Rand) string {
	s := pick(r, []string{
		"docker-image://", "docker-image://", "docker-image://", "docker-image://", "docker-image+blob://", "oci-layout://", "oci-layout+blob://",
		"git://", "https://", "http://", "local://", "Docker-Image://", "docker-image:", "", "\n", "https:", "containers-storage://",
	}) + pick(r, registries()) + "/" + pick(r, repositories())
	if r.IntN(4) > 0 {
		s += ":" + pick(r, append(allTags(), "", "*", "$1", "a:b", "a/b", "\n"))
	}
	if r.IntN(3) > 0 {
		s += "@" + pick(r, append(digests(), "", "sha256:", "sha512:"+strings.Repeat("a", 128)))
	}
	return s
}

// lookalikes returns what is like an image, or is one of its spellings.
func lookalikes(name, tag, digest string) []string {
	if tag == "" {
		tag = "latest"
	}
	var all []string
	for _, n := range []string{
		name, name + "x", name + "/x", "x" + name, "x/" + name, "evil.example/docker-image://" + name, strings.Replace(name, ".", "x", 1), strings.ToUpper(name),
		strings.Replace(name, "docker.io/", "index.docker.io/", 1), strings.TrimPrefix(name, "docker.io/"), strings.TrimPrefix(name, "docker.io/library/"),
		strings.Replace(name, "localhost", "127.0.0.1", 1), name[:len(name)-1],
	} {
		for _, rest := range []string{
			"", ":" + tag, "@" + digest, ":" + tag + "@" + digest, ":other@" + digest, ":" + tag + "x", ":" + tag + "@" + digest + "0", ":" + tag + "@" + digest + "\n",
			":" + tag + "@" + digest[:len(digest)-1], "@sha256:" + strings.Repeat("e", 64) + "@" + digest, ":" + tag + "\n@" + digest, "::" + tag + "@" + digest,
			":@" + digest, ":$1@" + digest, ":" + tag + "/x@" + digest, "?" + tag + "@" + digest, "@" + strings.ToUpper(digest),
		} {
			all = append(all, "docker-image://"+n+rest)
		}
	}
	for _, scheme := range []string{"docker-image+blob", "oci-layout", "oci-layout+blob", "DOCKER-IMAGE", " docker-image", "image"} {
		all = append(all, scheme+"://"+name+":"+tag, scheme+"://"+name+"@"+digest)
	}
	return all
}

// FuzzSourcePolicy holds the same for any images, one a line, and any source.
func FuzzSourcePolicy(f *testing.F) {
	a := digest("a")
	for _, s := range []struct{ images, source string }{
		{"", "docker-image://docker.io/library/alpine:3"},
		{"alpine:3", "docker-image://docker.io/library/alpine:3"},
		{"alpine:3\nalpine:3@" + a, "docker-image://docker.io/library/alpine:x@" + a},
		{"[::1]:5/a\n$1.example/a*b:c", "docker-image://[::1]:5/a@" + a},
		{"GHCR.IO/a/b", "oci-layout://ghcr.io/a/b:latest"},
		{"a.b/c", "docker-image://axb/c@" + a},
		{"localhost/x", "git://localhost/x\n"},
		{"a.b/c", "docker-image+blob://a.b/c@" + a},
	} {
		f.Add(s.images, s.source)
	}
	f.Fuzz(func(t *testing.T, lines, source string) {
		var images []gate.Admitted
		var sources []string
		r := rand.New(rand.NewPCG(uint64(len(lines)), uint64(len(source)))) // the same each time
		for i, line := range strings.SplitN(lines, "\n", 5) {
			ref, err := image.Parse(line)
			if err != nil {
				continue
			}
			g := given{ref: line, digest: ref.Digest()}
			if g.digest == "" {
				g.digest = fmt.Sprintf("sha256:%064x", 10+i%2)
			}
			images = append(images, admitted(t, g)...)
			all := lookalikes(ref.Name(), ref.Tag(), g.digest)
			for range 4 { // all of them take too long for a fuzzer
				sources = append(sources, pick(r, all))
			}
		}
		checkPolicies(t, sourcePolicies(), images, append(sources, source))
	})
}
