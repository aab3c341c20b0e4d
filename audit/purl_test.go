package audit

import (
	"strings"
	"testing"
)

const (
	hexA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	hexB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// A package URL names exactly one image, or nothing.
func TestPURL(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		uri, ref string
		kind     Kind
	}{
		{"pkg:docker/alpine@3.20?platform=linux%2Famd64", "docker.io/library/alpine:3.20", Image},
		{"pkg:docker/moby/buildkit@v1", "docker.io/moby/buildkit:v1", Image},
		{"pkg:docker/docker/dockerfile@1?platform=linux%2Farm%2Fv7", "docker.io/docker/dockerfile:1", Image},
		{"pkg:docker/ghcr.io/acme/team/app@v1.2", "ghcr.io/acme/team/app:v1.2", Image},
		{"pkg:docker/localhost%3A5000/app@1", "localhost:5000/app:1", Image},
		{"pkg:docker/localhost:5000/app@1", "localhost:5000/app:1", Image},
		{"pkg:docker/ghcr.io/acme/app@v1?digest=sha256:" + hexA, "ghcr.io/acme/app:v1@sha256:" + hexA, Image},
		{"pkg:docker/ghcr.io/acme/app?digest=sha256%3A" + hexA, "ghcr.io/acme/app@sha256:" + hexA, Image},
		{"pkg:docker/ghcr.io/acme/app@sha256%3A" + hexA, "ghcr.io/acme/app@sha256:" + hexA, Image},
		{"pkg:docker/acme/app@sha256:" + hexA + "?repository_url=gcr.io", "gcr.io/acme/app@sha256:" + hexA, Image},
		{"pkg:oci/debian@sha256%3A" + hexA + "?repository_url=docker.io/library/debian&tag=latest", "docker.io/library/debian:latest@sha256:" + hexA, Image},
		{"pkg:oci/app@1?digest=sha256:" + hexA, "", Layout},
		{"pkg:docker/ghcr.io/acme/app@1?ref_type=blob", "", Blob},
		{"pkg:oci/app@1?ref_type=blob", "", Blob},
	} {
		p, err := parsePURL(tc.uri)
		if err != nil {
			t.Errorf("%s: %v", tc.uri, err)
			continue
		}
		kind, ref, err := p.image()
		got := ""
		if !ref.IsZero() {
			got = ref.String()
		}
		if err != nil || kind != tc.kind || got != tc.ref {
			t.Errorf("%s: %s %s, %v", tc.uri, kind, got, err)
		}
	}
	for _, bad := range []string{
		"", "docker/alpine", "pkg:", "pkg:docker", "pkg:docker/", "pkg:docker/@1", "pkg:Docker/alpine", "pkg:npm/alpine", "pkg:/alpine", "PKG:docker/alpine",
		"pkg:docker/ghcr.io%2Facme/app@1", "pkg:docker/ghcr.io%2facme/app@1", "pkg:docker/ghcr.io/acme%2F..%2Fevil/app@1",
		"pkg:docker/ghcr.io/../app@1", "pkg:docker/ghcr.io/%2E%2E/app@1", "pkg:docker/ghcr.io/./app@1", "pkg:docker/ghcr.io//app@1", "pkg:docker//ghcr.io/app@1", "pkg:docker/ghcr.io/app/@1",
		"pkg://docker/alpine@1", "pkg:docker/alpine@", "pkg:docker/alpine@1@2", "pkg:docker/alpine@1#sub", "pkg:docker/alpine%", "pkg:docker/alpine%zz", "pkg:docker/alpine@%zz",
		"pkg:docker/alpine@1?digest", "pkg:docker/alpine@1?digest=", "pkg:docker/alpine@1?digest=sha256:" + hexA + "&digest=sha256:" + hexB,
		"pkg:docker/alpine@1?Digest=sha256:" + hexA, "pkg:docker/alpine@1?dig%65st=sha256:" + hexA, "pkg:docker/alpine@1?other=x", "pkg:docker/alpine@1?platform=%zz", "pkg:docker/alpine@1?",
		"pkg:docker/alpine@1?&", "pkg:docker/alpine@1?digest=sha256:" + strings.ToUpper(hexA), "pkg:docker/alpine@1?digest=md5:" + hexA,
		"pkg:docker/alpine@sha256:" + hexA + "?digest=sha256:" + hexB, "pkg:docker/alpine@1?tag=2", "pkg:docker/ALPINE@1", "pkg:docker/al pine@1", "pkg:docker/al%20pine@1", "pkg:docker/al%00pine@1",
		"pkg:docker/alpine%403@1", "pkg:docker/alpine%3A3@1", "pkg:docker/ghcr.io/app%3A2@1", "pkg:docker/alpine%3F@1", "pkg:docker/ghcr.io/app@1%2F..", "pkg:docker/ghcr.io/app@1%40sha256:" + hexA,
		"pkg:docker/localhost@5000%2Fevil", "pkg:docker/localhost@5000%2Fevil%3A1", "pkg:oci/x?repository_url=gcr.io/app:v1", "pkg:oci/x?repository_url=gcr.io/app@sha256:" + hexA,
		"pkg:docker/app@1?repository_url=https:%2F%2Fgcr.io", "pkg:oci/app@1?repository_url=gcr.io%2F..%2Fapp", "pkg:docker/ghcr.io/\u0430pp@1",
	} {
		p, err := parsePURL(bad)
		if err == nil {
			var ref any
			if _, ref, err = p.image(); err == nil {
				t.Errorf("%s is %v", bad, ref)
			}
		}
	}
}

// Addresses that are no images are told apart as BuildKit writes them.
func TestSources(t *testing.T) {
	t.Parallel()
	sha1 := map[string]string{"sha1": "78f4997de3412f1e3aa4b32eeaeae3778b9bc8f3"}
	sha256 := map[string]string{"sha256": hexA}
	for _, tc := range []struct {
		uri     string
		digests map[string]string
		kind    Kind
	}{
		{"https://github.com/acme/app.git#main", sha1, Git},
		{"git://git.example/r.git#main", sha1, Git},
		{"ssh://git@github.com/acme/app.git", sha1, Git},
		{"git@github.com:acme/app.git", sha1, Git},
		{"git://git.example/r.git", sha256, Git}, // whose commits are SHA-256
		{"https://files.example/x.txt", sha256, Web},
		{"http://files.example/x.txt", sha256, Web},
	} {
		if m, err := parseMaterial(tc.uri, tc.digests); err != nil || m.Kind != tc.kind || m.URI != tc.uri || m.Digest != "" {
			t.Errorf("%s: %+v, %v", tc.uri, m, err)
		}
	}
	for _, bad := range []string{"", "https://", "https:///x", "HTTPS://x", "ftp://x", "docker-image://x", "oci-layout://x", "alpine", "github.com/acme/app", " https://x", "git@github.com:", "x\nhttps://y"} {
		if m, err := parseMaterial(bad, sha256); err == nil {
			t.Errorf("%q is %+v", bad, m)
		}
	}
}

// What is written where names end and begin cannot make one image of another:
// the parts of what is read are those that were written.
func FuzzPURL(f *testing.F) {
	f.Add("pkg:docker/localhost%3A5000/app@1?platform=linux%2Famd64&digest=sha256:" + hexA)
	f.Add("pkg:oci/debian@sha256%3A" + hexA + "?repository_url=docker.io/library/debian&tag=latest")
	f.Add("pkg:docker/a%2Fb/c@1#x")
	f.Add("pkg:oci/a?repository_url=!./0")
	f.Fuzz(func(t *testing.T, uri string) {
		m, err := parseMaterial(uri, map[string]string{"sha256": hexA})
		if err != nil {
			return
		}
		if m.Kind != Image {
			if !m.Ref.IsZero() || m.Digest != "" {
				t.Fatalf("%s is %+v", uri, m)
			}
			return
		}
		if m.Digest != "sha256:"+hexA || m.Ref.Name() == "" || m.Ref.Digest() != "" && m.Ref.Digest() != m.Digest {
			t.Fatalf("%q is %+v", uri, m)
		}
		// Written as BuildKit does it is the same image.
		again := "pkg:docker/" + strings.ReplaceAll(m.Ref.Name(), ":", "%3A")
		if m.Ref.Tag() != "" {
			again += "@" + m.Ref.Tag()
		}
		if m.Ref.Digest() != "" {
			again += "?digest=" + m.Ref.Digest()
		}
		n, err := parseMaterial(again, map[string]string{"sha256": hexA})
		if err != nil || n.Ref != m.Ref {
			t.Fatalf("%q is %s, and %q is %s (%v)", uri, m.Ref, again, n.Ref, err)
		}
	})
}

// Of one document there is one audit; nothing of it makes the reader panic, and
// nothing passes a gate that let in nothing unless the build used nothing.
func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`{"buildx.build.provenance":{"buildType":"https://mobyproject.org/buildkit@v1","materials":[{"uri":"pkg:docker/alpine@1","digest":{"sha256":"` + hexA + `"}}],"buildConfig":{"llbDefinition":[{"op":{"Op":{"source":{"identifier":"docker-image://alpine:1"}}}}]}}}`))
	f.Add([]byte(`{"app":{"buildx.build.provenance/linux/amd64":{"buildDefinition":{"buildType":"https://mobyproject.org/buildkit@v1","externalParameters":{"request":{"frontend":"gateway.v0","args":{"source":"a"}}}}}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		builds, err := ReadMetadata("x", body, nil)
		if (err == nil) != (len(builds) > 0) {
			t.Fatalf("%d builds, %v", len(builds), err)
		}
		for _, b := range builds {
			if (b.Provenance == nil) != (b.Err != nil) || (b.Err == nil) != (b.Reason == Undecided) {
				t.Fatalf("%+v", b)
			}
			found := Gate{}.audit(b, Options{})
			if found.Passed() && (b.Provenance == nil || !b.Provenance.Steps) {
				t.Fatalf("passed: %+v", found)
			}
			for _, u := range found.Used {
				if u.Kind == Image && u.Passed() {
					t.Fatalf("passed: %+v", u)
				}
			}
		}
	})
}
