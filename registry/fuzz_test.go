package registry_test

import (
	"bytes"
	"errors"
	"net/url"
	"path"
	"reflect"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
)

func FuzzIndex(f *testing.F) {
	for _, s := range []string{
		"", "null", "[]", "{}", `{"manifests":null}`, `{"manifests":[null]}`,
		`{"schemaVersion":2,"manifests":[{"digest":"` + anyDigest + `","size":-1,"platform":{"os":"linux","architecture":"arm","variant":"v7"}}]}`,
		`{"manifests":[{"digest":"` + anyDigest + `","platform":{"os":"unknown","architecture":"unknown"},` +
			`"annotations":{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":"../x"}}]}`,
		`{"manifests":[],"layers":[]}`, `{"manifests":[],"CONFIG":null}`, `{"mediaType":"x"}`,
		`{"manifests":[{"digest":"sha256:../../../v2/"}]}`,
	} {
		f.Add([]byte(s))
	}
	img, err := image.Parse("registry.test/app@" + anyDigest)
	if err != nil {
		f.Fatal(err)
	}
	pinned, err := img.Pin(anyDigest)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		list, err := registry.ParseFallback(registry.Manifest{Body: body})
		switch {
		case err == nil && len(list) > 256:
			t.Errorf("%d entries", len(list))
		case err != nil && (list != nil || !errors.Is(err, registry.ErrCorrupt) && !errors.Is(err, registry.ErrTooMany)):
			t.Errorf("%d entries with %v", len(list), err)
		case err != nil && len(err.Error()) > 4000:
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
		for _, d := range list {
			if !image.ValidDigest(d.Digest.String()) {
				t.Errorf("digest %q", d.Digest)
			}
		}
		got, derr := registry.Describe(pinned, registry.Manifest{Digest: anyDigest, MediaType: ocispec.MediaTypeImageIndex, Body: body})
		if derr != nil {
			if !errors.Is(derr, registry.ErrMalformed) || got.MediaType() != "" || got.Children() != nil {
				t.Errorf("%+v with %v", got, derr)
			}
			if err == nil {
				t.Errorf("ParseFallback accepts what is refused with %v", derr)
			}
			return
		}
		for _, c := range got.Children() {
			if !image.ValidDigest(c.Digest) || c.Attests != "" && c.Platform != "" {
				t.Errorf("child %+v", c)
			}
		}
	})
}

// Whatever a registry gives as the next page, the request for it stays among
// the referrers of the same repository of the same registry.
func FuzzNextPage(f *testing.F) {
	const prefix = "/v2/team/app/"
	for _, s := range []string{
		"", "?page=2", listURI + "?n=1&last=x", "https://registry.test" + listURI, "//evil.test" + listURI, "http:x", "https:" + listURI,
		"../../other/referrers/x", "%2e%2e/x", "..%2f..", `..\..\x`, "https://registry.test@evil.test" + listURI,
		"https://user:pw@registry.test" + listURI, listURI + "#x?y", listURI + "/%3f/../..", "/v2/team/app/referrers/\x00", "/v2/team/app/referrers//evil.test/",
	} {
		f.Add("<" + s + `>; rel="next"`)
	}
	page, err := url.Parse("https://registry.test" + listURI + "?page=1")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, link string) {
		next, err := registry.NextPage(page, link, prefix)
		if err != nil {
			if next != "" || !errors.Is(err, registry.ErrCorrupt) {
				t.Errorf("%q with %v", next, err)
			}
			return
		}
		if next == "" {
			return
		}
		u, err := url.Parse("https://registry.test" + prefix + next)
		if err != nil {
			t.Fatalf("%q cannot be asked for: %v", next, err)
		}
		if u.Scheme != "https" || u.Host != "registry.test" || u.User != nil || u.Fragment != "" ||
			!strings.HasPrefix(path.Clean(u.Path)+"/", prefix+"referrers/") || strings.Contains(u.Path, "..") {
			t.Errorf("%q leads to %s", link, u)
		}
	})
}

// The query of a URL, in which stores sign requests, stands in no error.
func FuzzScrub(f *testing.F) {
	for _, s := range [][2]string{
		{"", ""}, {"https://store.test/blob", "&X-Amz-Date=1"}, {"a?b", "c#d"}, {`x"`, `y"`}, {`\`, `\`}, {"\n", "\n"}, {"\xff", "\x00"},
		{`"?"`, ` " `},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		const marker = "S3CR3T-S1GN4TUR3"
		if strings.Contains(before+after, marker) {
			return
		}
		err := registry.Scrub(&url.Error{Op: "Get", URL: before + "?sig=" + marker + after, Err: errors.New("connection refused")})
		if s := err.Error(); strings.Contains(s, marker) || len(s) > 400 {
			t.Errorf("%q", s)
		}
	})
}

// Whatever is added to an index, what was there stays there, byte by byte.
func FuzzAppendReferrer(f *testing.F) {
	const one = `{"digest":"` + anyDigest + `","size":1,"mediaType":"m","x":{"manifests":[]}}`
	for _, s := range []string{
		"", "null", `{"schemaVersion":2,"manifests":null}`, `{"schemaVersion":2,"manifests":[]}`, `{"manifests":[ ],"schemaVersion":2} `,
		"{ \"schemaVersion\" : 2 ,\n \"manifests\" :\t[ " + one + " ] , \"x\" : [1.0, \"\\u003c\", \"]\"] }",
		`{"x":{"manifests":[1]},"schemaVersion":2,"manifests":[` + one + `,` + one + `],"annotations":{"manifests":"["}}`,
		`{"schemaVersion":2,"manif\u0065sts":[` + one + `]}`, `{"schemaVersion":2,"manifests":[],"manifests":[]}`,
	} {
		f.Add([]byte(s))
	}
	entry := ocispec.Descriptor{MediaType: "m", Digest: "sha256:" + hex64, Size: 7, Annotations: map[string]string{"]": `"`}}
	f.Fuzz(func(t *testing.T, body []byte) {
		before, err := registry.ParseFallback(registry.Manifest{Body: body})
		got, aerr := registry.AppendReferrer(registry.Manifest{MediaType: ocispec.MediaTypeImageIndex, Body: body}, entry)
		if aerr != nil {
			if got != nil || !errors.Is(aerr, registry.ErrMalformed) && !errors.Is(aerr, registry.ErrTooMany) {
				t.Errorf("%q with %v", got, aerr)
			}
			return
		}
		if err != nil {
			t.Fatalf("added to what is refused with %v", err)
		}
		after, err := registry.ParseFallback(registry.Manifest{Body: got})
		if err != nil || len(after) != len(before)+1 || len(before) > 0 && !reflect.DeepEqual(after[:len(before)], before) || !reflect.DeepEqual(after[len(before)], entry) {
			t.Fatalf("%+v, %v", after, err)
		}
		// What was added is one piece, and nothing else was touched but spaces.
		prefix := 0
		for prefix < len(body) && body[prefix] == got[prefix] {
			prefix++
		}
		if rest := body[prefix:]; len(before) > 0 && !bytes.HasSuffix(got, bytes.TrimLeft(rest, " \t\r\n")) {
			t.Errorf("%q became %q", body, got)
		}
	})
}
