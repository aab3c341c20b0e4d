package registry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

func TestReferrers(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{})
	subject := put(t)(r.PutImage("app", "v1", "seed"))
	other := put(t)(r.PutImage("app", "v2", "other"))
	var want []string
	for _, kind := range []string{"a/one", "a/two", "a/three"} {
		want = append(want, put(t)(r.PutReferrer("app", subject, kind, registrytest.Layer{MediaType: "m", Blob: []byte(kind)})).Digest.String())
	}
	put(t)(r.PutReferrer("app", other, "a/one"))
	r.Retype(want[0], "a/wrong") // none is left out for its type
	c, _ := client(registry.Options{})
	list, err := c.Referrers(t.Context(), ref(t, r.Host()+"/app"), subject.Digest.String())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range list {
		got = append(got, d.Digest.String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	wantLog(t, r, "GET /v2/app/referrers/"+subject.Digest.String()+" 200")

	list, err = c.Referrers(t.Context(), ref(t, r.Host()+"/app"), anyDigest)
	if err != nil || len(list) != 0 {
		t.Errorf("of nothing: %v, %v", list, err)
	}
}

func TestNoReferrersAPI(t *testing.T) {
	t.Parallel()
	r := start(t, registrytest.Options{NoReferrers: true})
	d := put(t)(r.PutImage("app", "v1", "seed"))
	sig := put(t)(r.PutReferrer("app", d, "a/one"))
	c, _ := client(registry.Options{})
	image := ref(t, r.Host()+"/app")
	list, err := c.Referrers(t.Context(), image, d.Digest.String())
	if list != nil || !errors.Is(err, registry.ErrNoReferrersAPI) {
		t.Errorf("got %v, %v", list, err)
	}
	m, err := c.Manifest(t.Context(), image, strings.Replace(d.Digest.String(), ":", "-", 1))
	if err != nil {
		t.Fatal(err)
	}
	list, err = registry.ParseFallback(m)
	if err != nil || len(list) != 1 || list[0].Digest != sig.Digest {
		t.Errorf("got %v, %v", list, err)
	}
}

func TestReferrersStatus(t *testing.T) {
	t.Parallel()
	const unsupported = `{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}`
	const invalid = `{"errors":[{"code":"NAME_INVALID","message":"UNSUPPORTED name"}]}`
	html := func([]byte) []byte { return []byte("<!doctype html><title>Registry</title>") }
	for name, tc := range map[string]struct {
		fault    registrytest.Fault
		requests int
		reason   verify.Reason
		kinds    []error // nil: ErrNoReferrersAPI
	}{
		"404":             {fault: registrytest.Fault{Status: 404}, requests: 1},
		"405":             {fault: registrytest.Fault{Status: 405}, requests: 1},
		"406":             {fault: registrytest.Fault{Status: 406}, requests: 1},
		"501":             {fault: registrytest.Fault{Status: 501}, requests: 1},
		"400 UNSUPPORTED": {fault: registrytest.Fault{Status: 400, Detail: unsupported}, requests: 1},
		"a page":          {fault: registrytest.Fault{Body: html, Header: map[string]string{"Content-Type": "text/html; charset=utf-8"}}, requests: 1},
		"400":             {registrytest.Fault{Status: 400}, 1, verify.Unavailable, []error{registry.ErrUnavailable}},
		"400 other":       {registrytest.Fault{Status: 400, Detail: invalid}, 1, verify.Unavailable, []error{registry.ErrUnavailable}},
		"401":             {registrytest.Fault{Status: 401, Detail: unsupported}, 1, verify.Denied, []error{registry.ErrDenied}},
		"403":             {registrytest.Fault{Status: 403, Detail: unsupported}, 1, verify.Denied, []error{registry.ErrDenied}},
		"410":             {registrytest.Fault{Status: 410}, 1, verify.Unavailable, []error{registry.ErrUnavailable}},
		"429":             {registrytest.Fault{Status: 429}, 4, verify.Unavailable, []error{registry.ErrUnavailable}},
		"500":             {registrytest.Fault{Status: 500, Detail: unsupported}, 4, verify.Unavailable, []error{registry.ErrUnavailable}},
		"503":             {registrytest.Fault{Status: 503}, 4, verify.Unavailable, []error{registry.ErrUnavailable}},
		"cut off":         {registrytest.Fault{Truncate: 1}, 4, verify.Unavailable, []error{registry.ErrUnavailable}},
		"a page as JSON":  {registrytest.Fault{Body: html}, 1, verify.Unavailable, []error{registry.ErrUnavailable, registry.ErrCorrupt}},
		"empty":           {registrytest.Fault{Body: func([]byte) []byte { return nil }}, 1, verify.Unavailable, []error{registry.ErrUnavailable, registry.ErrCorrupt}},
		"broken":          {registrytest.Fault{Body: func(b []byte) []byte { return b[:len(b)-1] }}, 1, verify.Unavailable, []error{registry.ErrUnavailable, registry.ErrCorrupt}},
		"bad digest": {
			registrytest.Fault{Body: func([]byte) []byte { return []byte(`{"manifests":[{"digest":"sha256:../../x"}]}`) }},
			1, verify.Unavailable, []error{registry.ErrUnavailable, registry.ErrCorrupt},
		},
		"ambiguous": {
			registrytest.Fault{Body: func([]byte) []byte { return []byte(`{"manifests":[],"layers":[]}`) }},
			1, verify.Unavailable, []error{registry.ErrUnavailable, registry.ErrCorrupt},
		},
		"too large": {
			registrytest.Fault{Body: func([]byte) []byte { return make([]byte, 4<<20+1) }},
			1, verify.Unavailable, []error{registry.ErrUnavailable, registry.ErrTooLarge},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, registrytest.Options{})
			d := put(t)(r.PutImage("app", "v1", "seed"))
			put(t)(r.PutReferrer("app", d, "a/one"))
			tc.fault.Path = "/referrers/"
			r.Break(tc.fault)
			c, _ := client(registry.Options{})
			list, err := c.Referrers(t.Context(), ref(t, r.Host()+"/app"), d.Digest.String())
			if list != nil {
				t.Errorf("got %v", list)
			}
			if tc.kinds != nil {
				wantErr(t, err, tc.reason, tc.kinds...)
			} else if !errors.Is(err, registry.ErrNoReferrersAPI) {
				t.Errorf("%v is not ErrNoReferrersAPI", err)
			}
			if n := len(r.Requests()); n != tc.requests {
				t.Errorf("%d requests, want %d", n, tc.requests)
			}
		})
	}
}

// pages serves pages of referrers: number n has entries(n) of them and leads
// to link(n).
func pages(t *testing.T, entries func(n int) int, link func(n int, host string) string) (host string, seen func() []string) {
	t.Helper()
	s := newStore(t, func(w http.ResponseWriter, req *http.Request) {
		n := 0
		if _, err := fmt.Sscanf(req.URL.Query().Get("page"), "%d", &n); err != nil {
			n = 0
		}
		doc := ocispec.Index{Manifests: []ocispec.Descriptor{}}
		for i := range entries(n) {
			b := fmt.Appendf(nil, "%d/%d", n, i)
			doc.Manifests = append(doc.Manifests, ocispec.Descriptor{Digest: digest.Digest(registrytest.Digest(b)), MediaType: "m", Size: 1})
		}
		w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
		if l := link(n, req.Host); l != "" {
			w.Header().Set("Link", l)
		}
		_ = json.NewEncoder(w).Encode(doc)
	})
	return hostOf(s.Server), func() []string {
		var uris []string
		for _, q := range s.requests() {
			uri, _, _ := strings.Cut(q, " ")
			uris = append(uris, uri)
		}
		return uris
	}
}

const listURI = "/v2/team/app/referrers/" + anyDigest

func TestReferrersPages(t *testing.T) {
	t.Parallel()
	two := func(int) int { return 2 }
	first := func(link func(host string) string) func(int, string) string {
		return func(n int, host string) string {
			if n > 0 {
				return ""
			}
			return link(host)
		}
	}
	for name, tc := range map[string]struct {
		entries  func(int) int
		link     func(n int, host string) string
		found    int
		requests []string // nil: not looked at
		kind     error
	}{
		"relative query":      {two, first(func(string) string { return `<?page=1&n=2>; rel="next"` }), 4, []string{listURI, listURI + "?page=1&n=2"}, nil},
		"relative path":       {two, first(func(string) string { return "<" + listURI + `?page=1>; rel="next"` }), 4, []string{listURI, listURI + "?page=1"}, nil},
		"absolute":            {two, first(func(host string) string { return "<http://" + host + listURI + `?page=1>; rel="next"` }), 4, []string{listURI, listURI + "?page=1"}, nil},
		"empty pages":         {func(n int) int { return n }, first(func(string) string { return `<?page=1>; rel="next"` }), 1, nil, nil},
		"other relation":      {two, first(func(string) string { return `<?page=1>; rel="prev"` }), 2, []string{listURI}, nil},
		"no target":           {two, first(func(string) string { return `?page=1; rel="next"` }), 2, []string{listURI}, nil},
		"16 pages":            {two, until(15), 32, nil, nil},
		"17 pages":            {two, until(16), 0, nil, registry.ErrTooMany},
		"no end":              {two, until(1 << 30), 0, nil, registry.ErrTooMany},
		"a circle":            {two, func(int, string) string { return "<" + listURI + `>; rel="next"` }, 0, nil, registry.ErrTooMany},
		"256 entries":         {func(int) int { return 128 }, until(1), 256, nil, nil},
		"258 entries":         {func(int) int { return 129 }, until(1), 0, nil, registry.ErrTooMany},
		"257 entries at once": {func(int) int { return 257 }, until(0), 0, []string{listURI}, registry.ErrTooMany},

		"another host":       {two, first(func(string) string { return "<http://127.0.0.1:1" + listURI + `?page=1>; rel="next"` }), 0, []string{listURI}, registry.ErrCorrupt},
		"a host, no scheme":  {two, first(func(string) string { return "<//evil.test" + listURI + `?page=1>; rel="next"` }), 0, []string{listURI}, registry.ErrCorrupt},
		"another scheme":     {two, first(func(host string) string { return "<https://" + host + listURI + `?page=1>; rel="next"` }), 0, []string{listURI}, registry.ErrCorrupt},
		"opaque":             {two, first(func(string) string { return `<http:page>; rel="next"` }), 0, []string{listURI}, registry.ErrCorrupt},
		"no URL":             {two, first(func(string) string { return `<http://%zz>; rel="next"` }), 0, []string{listURI}, registry.ErrCorrupt},
		"another repository": {two, first(func(string) string { return "</v2/team/apps/referrers/" + anyDigest + `>; rel="next"` }), 0, []string{listURI}, registry.ErrCorrupt},
		"not referrers":      {two, first(func(string) string { return `</v2/team/app/manifests/v1>; rel="next"` }), 0, []string{listURI}, registry.ErrCorrupt},
		"above": {two, first(func(string) string {
			return "</v2/team/app/referrers/../../other/referrers/" + anyDigest + `>; rel="next"`
		}), 0, []string{listURI}, registry.ErrCorrupt},
		"above, encoded":      {two, first(func(string) string { return `</v2/team/app/referrers/%2e%2e/manifests/v1>; rel="next"` }), 0, []string{listURI}, registry.ErrCorrupt},
		"above, half encoded": {two, first(func(string) string { return `</v2/team/app/referrers/.%2E%2fmanifests/v1>; rel="next"` }), 0, []string{listURI}, registry.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host, seen := pages(t, tc.entries, tc.link)
			c, sleeps := client(registry.Options{})
			list, err := c.Referrers(t.Context(), ref(t, host+"/team/app"), anyDigest)
			if tc.kind != nil {
				wantErr(t, err, verify.Unavailable, registry.ErrUnavailable, tc.kind)
			} else if err != nil {
				t.Error(err)
			}
			if len(list) != tc.found {
				t.Errorf("found %d, want %d", len(list), tc.found)
			}
			got := seen()
			if tc.requests != nil && !slices.Equal(got, tc.requests) {
				t.Errorf("requests %q, want %q", got, tc.requests)
			}
			if len(got) > 16 || c.Requests() != len(got) || len(sleeps.all()) != 0 {
				t.Errorf("%d requests, %d counted, waits %v", len(got), c.Requests(), sleeps.all())
			}
		})
	}
}

// until links pages 0 to n-1 to the one that follows.
func until(last int) func(int, string) string {
	return func(n int, _ string) string {
		if n >= last {
			return ""
		}
		return fmt.Sprintf(`<%s?page=%d>; rel="next"`, listURI, n+1)
	}
}

// A registry that has served one page has the API, even where the page was
// empty: half a list is no list.
func TestReferrersSecondPageMissing(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{"", `{"digest":"` + anyDigest + `"}`} {
		for _, answer := range []string{"missing", "page"} {
			s := serve(t, func(w http.ResponseWriter, req *http.Request) {
				switch {
				case req.URL.RawQuery == "":
					w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
					w.Header().Set("Link", `<?page=1>; rel="next"`)
					_, _ = w.Write([]byte(`{"manifests":[` + entry + `]}`))
				case answer == "missing":
					w.WriteHeader(http.StatusNotFound)
				default:
					w.Header().Set("Content-Type", "text/html")
					_, _ = w.Write([]byte("<html>"))
				}
			})
			c, _ := client(registry.Options{})
			list, err := c.Referrers(t.Context(), ref(t, hostOf(s)+"/app"), anyDigest)
			if list != nil {
				t.Errorf("got %v", list)
			}
			if answer == "missing" {
				wantErr(t, err, verify.NotFound, registry.ErrNotFound)
			} else {
				wantErr(t, err, verify.Unavailable, registry.ErrUnavailable, registry.ErrCorrupt)
			}
		}
	}
}

// Registries that type everything as JSON are believed.
func TestReferrersAsJSON(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"schemaVersion":2,"manifests":[{"digest":"` + anyDigest + `"}]}`,
		`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"digest":"` + anyDigest + `"}]}`,
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(body))
		})
		c, _ := client(registry.Options{})
		list, err := c.Referrers(t.Context(), ref(t, hostOf(s)+"/app"), anyDigest)
		if err != nil || len(list) != 1 || list[0].Digest != anyDigest {
			t.Errorf("got %v, %v", list, err)
		}
	}
}
