package handover_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/handover"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/golden"
)

// various has a bit of everything: short and long names, a host with capitals, a
// port, a tag with a digest, a digest alone, the same image twice, exceptions.
func various(t testing.TB) handover.Set {
	t.Helper()
	hostile := gate.Exemption{
		Until: time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC), Owner: "\"}]\n- evil",
		Reason: "*/ ${env} \u2028 --> {{.}}\nallow := true",
	}
	soon := gate.Exemption{Until: time.Date(2026, 12, 24, 18, 30, 0, 0, time.UTC), Owner: "me", Reason: "tonight"}
	return set(t,
		given{"node:22", digest("a"), nil},
		given{"docker.io/library/node:22", digest("a"), nil},
		given{"node:22@" + digest("a"), digest("a"), nil},
		given{"ghcr.io/acme/app:v1.0", digest("b"), &hostile},
		given{"ghcr.io/acme/app:v1.0@" + digest("c"), digest("c"), nil},
		given{"127.0.0.1:5000/team/base", digest("d"), &unsigned},
		given{"team/base", digest("d"), nil},
		given{"GHCR.io/acme/app:v1.0", digest("e"), &soon},
		given{"[::1]:5000/a/b/c/d:x_Y.z-1", digest("f"), nil},
		given{"registry.example/only@" + digest("9"), digest("9"), nil},
	)
}

// files returns what a form has to write, and checks that it takes nothing else
// for it.
func files(t testing.TB, name string, s handover.Set, o handover.Options) []handover.File {
	t.Helper()
	all, err := form(t, name).Files(s, o)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(all) == 0 || all[0].Suffix != "" {
		t.Fatalf("%s: %d files, none of the name that is asked for", name, len(all))
	}
	for _, f := range all {
		if f.Check == nil {
			t.Errorf("%s%s is not checked", name, f.Suffix)
			continue
		}
		if err := f.Check(f.Body); err != nil {
			t.Errorf("%s%s: %v", name, f.Suffix, err)
		}
		for _, other := range [][]byte{append([]byte("x"), f.Body...), append(slices.Clone(f.Body), "x"...), []byte("{}")} {
			if f.Check(other) == nil {
				t.Errorf("%s%s: %q passes for it", name, f.Suffix, other)
			}
		}
		if len(f.Body) > 0 && f.Check(f.Body[:len(f.Body)/2]) == nil {
			t.Errorf("%s%s: half of it passes", name, f.Suffix)
		}
	}
	return all
}

// forms are those that this file is about.
func forms() []string {
	return []string{"build-contexts", "bake", "rego", "containers-policy", "pinned", "images-lock"}
}

func TestForms(t *testing.T) {
	t.Parallel()
	s := various(t)
	id := regexp.MustCompile(`(id"?(?::| ==) ")[a-z2-7]{26}"`) // of a policy for buildx, at random
	for _, name := range forms() {
		for _, f := range files(t, name, s, handover.Options{Targets: targets("app", "db"), Path: "policies/a b.rego"}) {
			golden.Equal(t, "testdata/forms/"+name+f.Suffix+".golden", id.ReplaceAllString(string(f.Body), `${1}THE-ID"`))
		}
		if doc := form(t, name).Doc; doc == "" || strings.Contains(doc, "\n") {
			t.Errorf("%s is documented as %q", name, doc)
		}
	}
}

// Where there is nothing to hand over, forms that deny refuse everything, and the
// others say nothing.
func TestEmptySet(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"build-contexts":    "",
		"bake":              "{}\n",
		"containers-policy": "{\n  \"default\": [\n    {\n      \"type\": \"reject\"\n    }\n  ]\n}\n",
		"pinned":            "",
		"images-lock":       "{\n  \"version\": 1,\n  \"images\": []\n}\n",
	} {
		if got := string(files(t, name, handover.Set{}, handover.Options{})[0].Body); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if body := string(files(t, "rego", handover.Set{}, handover.Options{})[1].Body); !strings.Contains(body, `"images": {}`) {
		t.Errorf("rego: %s", body)
	}
	if !form(t, "rego").Denies || !form(t, "containers-policy").Denies || form(t, "bake").Denies || form(t, "build-contexts").Denies {
		t.Error("which forms deny is not what they do")
	}
}

// A name that could be a stage's, or another image's, is not handed over; nor is
// one that is something else in the file.
func TestRefusals(t *testing.T) {
	t.Parallel()
	const (
		stage   = "a stage can be called"
		another = "for another image as well"
		host    = "for no host"
	)
	for _, tc := range []struct{ ref, contexts, others string }{
		{"node", stage, ""},
		{"node:latest", stage, ""},
		{"docker.io/library/node:latest", stage, ""},
		{"0", stage, ""}, // COPY --from=0
		{"no.de", stage, ""},
		{"no-de_1", stage, ""},
		{"node:22", "", ""},
		{"node@" + digest("a"), "", ""},
		{"node:latest@" + digest("a"), "", ""},
		{"team/node", "", ""},
		{"ghcr.io/node", "", ""},
		{"localhost/node", "", ""},
		{"[::1]/node", "", ""},
		{"docker.io/localhost/node:1", another, ""}, // is localhost/node:1 to BuildKit
		{"docker.io/my.org/node:1", another, ""},
		{"docker.io/library/a/b:1", "", ""},
		{`a"b.io/x:1`, host, host},
		{"a,b.io/x:1", host, host},
		{"node=b.io/x:1", host, host}, // --build-context takes it for node
		{"a$b.io/x:1", host, host},
		{"a'b.io/x:1", host, host},
		{"a*.io/x:1", host, host},
		{"a_b.io/x:1", host, host},
		{"-a.io/x:1", host, host},
		{"a..io/x:1", host, host},
		{"a.io:/x:1", host, host},
		{"a=b.io/x@" + digest("a"), "", host}, // needs no context
	} {
		ref, err := image.Parse(tc.ref)
		if err != nil {
			t.Fatal(err)
		}
		s := set(t, given{tc.ref, digest("a"), nil})
		for name, want := range map[string]string{
			"build-contexts": tc.contexts, "bake": tc.contexts, "rego": tc.others, "containers-policy": tc.others, "pinned": "", "images-lock": "",
		} {
			f := form(t, name)
			_, err := f.Files(s, handover.Options{})
			refuses(t, name, ref, err, want)
			if f.Refuses != nil {
				refuses(t, name, ref, f.Refuses(ref), want)
			} else if want != "" {
				t.Errorf("%s does not say before that it refuses %s", name, ref)
			}
		}
	}
}

func refuses(t *testing.T, form string, ref image.Ref, err error, want string) {
	t.Helper()
	switch {
	case err == nil && want != "":
		t.Errorf("%s takes %s, want %q", form, ref, want)
	case err != nil && (want == "" || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), ref.String())):
		t.Errorf("%s refuses %s: %q, want %q", form, ref, err, want)
	}
}

// Every image that is refused is named.
func TestRefusesAll(t *testing.T) {
	t.Parallel()
	_, err := form(t, "build-contexts").Files(set(t, given{"node", digest("a"), nil}, given{"alpine", digest("b"), nil}, given{"a:1", digest("c"), nil}), handover.Options{})
	if err == nil || !strings.Contains(err.Error(), "library/node:latest") || !strings.Contains(err.Error(), "library/alpine:latest") || strings.Contains(err.Error(), "library/a:1") {
		t.Errorf("error %v", err)
	}
}

// What the build has in place of an image stays; where that is an admitted image,
// it is bound to its digest.
func TestOwnContexts(t *testing.T) {
	t.Parallel()
	s := set(t,
		given{"node:22", digest("a"), nil},
		given{"mirror.example/node:22", digest("b"), nil},
		given{"alpine:3@" + digest("c"), digest("c"), nil},
	)
	own := map[string]string{
		"node:22":               "docker-image://mirror.example/node:22",
		"base":                  "docker-image://node:22",
		"node:22::linux/arm64":  "docker-image://docker.io/library/node:22",
		"src":                   "../src",
		"other":                 "docker-image://other:1",
		"fixed":                 "docker-image://alpine:3@" + digest("c"),
		"nothing":               "docker-image://scratch",
		"target":                "target:node",
		"mirror.example/node:2": "docker-image://node:22",
		"a\"b\n${c}":            "docker-image://node:22", // no name of an image: nothing is looked for by it
		"a=b":                   "docker-image://node:22",
		"a,b":                   "docker-image://node:22",
	}
	want := map[string]string{
		"node:22":                "docker-image://mirror.example/node:22@" + digest("b"),
		"mirror.example/node:22": "docker-image://mirror.example/node:22@" + digest("b"),
		"base":                   "docker-image://docker.io/library/node:22@" + digest("a"),
		"mirror.example/node:2":  "docker-image://docker.io/library/node:22@" + digest("a"),
	}
	o := handover.Options{Targets: []handover.Target{{Name: "app", Contexts: own}, {Name: "lib"}}, Contexts: own}
	if got := contextsOf(t, files(t, "build-contexts", s, o)[0].Body); !maps.Equal(got, want) {
		t.Errorf("build-contexts\n%v\nwant\n%v", got, want)
	}
	want["node:22::linux/arm64"] = "docker-image://docker.io/library/node:22@" + digest("a") // which --build-context does not take
	got := targetsOf(t, files(t, "bake", s, o)[0].Body)
	if len(got) != 2 || !maps.Equal(got["app"], want) || got["lib"]["node:22"] != "docker-image://docker.io/library/node:22@"+digest("a") {
		t.Errorf("bake: %v", got)
	}
	own["node:22"], own["mirror.example/node:22"] = "../here", "../there"
	if got := contextsOf(t, files(t, "build-contexts", s, o)[0].Body); got["node:22"] != "" || got["mirror.example/node:22"] != "" {
		t.Errorf("folders are replaced by images: %v", got)
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	s := set(t, given{"node:22", digest("a"), nil})
	for _, bad := range []string{"", "a.b", "a b", "${x}", "a\"b", "a\n", "../a", "//", "a*", "ä"} {
		if _, err := form(t, "bake").Files(s, handover.Options{Targets: targets("ok", bad)}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q is not the name of a bake target", bad)) {
			t.Errorf("target %q: error %v", bad, err)
		}
	}
	for _, tc := range [][]string{nil, {"a"}, {"b", "a", "A-_9"}, {"a", "a"}} {
		want := slices.Compact(slices.Sorted(slices.Values(tc)))
		if len(want) == 0 {
			want = []string{"default"}
		}
		if got := slices.Sorted(maps.Keys(targetsOf(t, files(t, "bake", s, handover.Options{Targets: targets(tc...)})[0].Body))); !slices.Equal(got, want) {
			t.Errorf("targets %q, want %q", got, want)
		}
	}
}

// Two bake files can have targets of one name. What is one for both is handed
// over; where that would replace a context of one of them, nothing is.
func TestTargetsOfOneName(t *testing.T) {
	t.Parallel()
	s := set(t, given{"node:22", digest("a"), nil}, given{"mirror.example/node:22", digest("b"), nil})
	f := form(t, "bake")
	mirrored := map[string]string{"node:22": "docker-image://mirror.example/node:22"}
	if _, err := f.Files(s, handover.Options{Targets: []handover.Target{{Name: "app"}, {Name: "app", Contexts: map[string]string{"src": "."}}}}); err != nil {
		t.Error(err)
	}
	if _, err := f.Files(s, handover.Options{Targets: []handover.Target{{Name: "app"}, {Name: "app", Contexts: mirrored}}}); err == nil || !strings.Contains(err.Error(), "two bake files have a target app") {
		t.Errorf("error %v", err)
	}
}

// The comment of an override is about what stands in it.
func TestBakeComment(t *testing.T) {
	t.Parallel()
	s := set(t, given{"node:22", digest("a"), &until}, given{"node:23", digest("b"), nil}, given{"node@" + digest("c"), digest("c"), &until})
	var doc struct {
		Comment []string `json:"//"`
	}
	read(t, files(t, "bake", s, handover.Options{})[0].Body, &doc)
	if want := []string{"docker.io/library/node:22: exempt until 2027-01-31, not verified"}; !slices.Equal(doc.Comment, want) {
		t.Errorf("%q, want %q", doc.Comment, want)
	}
}

// Where files were looked at and have no target, an override would be read by
// nobody.
func TestNoTarget(t *testing.T) {
	t.Parallel()
	o := handover.Options{Scanned: true}
	if _, err := form(t, "bake").Files(set(t, given{"node:22", digest("a"), nil}), o); err == nil || !strings.Contains(err.Error(), "no bake target is known") {
		t.Errorf("error %v", err)
	}
	if got := string(files(t, "bake", handover.Set{}, o)[0].Body); got != "{}\n" {
		t.Errorf("nothing to hand over: %q", got)
	}
}

// What the attributes of a target are to others is what its last block has: an
// override would hide them.
func TestTargetsMentioned(t *testing.T) {
	t.Parallel()
	o := handover.Options{Targets: []handover.Target{{Name: "app", Mentioned: true}}}
	if _, err := form(t, "bake").Files(set(t, given{"node:22", digest("a"), nil}), o); err == nil || !strings.Contains(err.Error(), "refer to target.app") {
		t.Errorf("error %v", err)
	}
	if _, err := form(t, "bake").Files(set(t, given{"node@" + digest("a"), digest("a"), nil}), o); err != nil {
		t.Errorf("nothing needs an override: %v", err)
	}
}

// A policy.json that lets more through, or less, does not pass for the one that
// was written.
func TestContainersPolicyCheck(t *testing.T) {
	t.Parallel()
	one := "docker.io/library/node@" + digest("a")
	two := "ghcr.io/acme/app@" + digest("b")
	f := files(t, "containers-policy", set(t, given{"node:22", digest("a"), nil}, given{"ghcr.io/acme/app", digest("b"), nil}), handover.Options{})[0]
	const refuse, take = `[{"type":"reject"}]`, `[{"type":"insecureAcceptAnything"}]`
	both := fmt.Sprintf(`%q:%s,%q:%s`, one, take, two, take)
	for _, tc := range []struct{ body, want string }{
		{`{"default":` + refuse + `,"transports":{"docker":{` + both + `}}}`, "not what was written"}, // says the same
		{`{"default":` + take + `,"transports":{"docker":{` + both + `}}}`, "not refused"},
		{`{"default":[],"transports":{"docker":{` + both + `}}}`, "not refused"},
		{`{"transports":{"docker":{` + both + `}}}`, "not refused"},
		{`{"default":` + refuse + `}`, "does not admit " + one},
		{`{"default":` + refuse + `,"transports":{"docker":{` + fmt.Sprintf(`%q:%s`, one, take) + `}}}`, "does not admit " + two},
		{`{"default":` + refuse + `,"transports":{"docker":{` + both + `,"docker.io":` + take + `}}}`, `admits "docker.io"`},
		{`{"default":` + refuse + `,"transports":{"docker":{` + both + `,"":` + refuse + `}}}`, `admits ""`},
		{`{"default":` + refuse + `,"transports":{"docker":{` + both + `},"oci":{"":` + take + `}}}`, `transport "oci"`},
		{`{"default":` + refuse + `,"transports":{"docker":{` + both + `}},"more":1}`, "unknown field"},
		{`{"default":` + refuse + `,"transports":{"docker":{` + both + `}}}{}`, "something follows"},
		{`{"default":[{"type":"reject","keyPath":"x"}],"transports":{"docker":{` + both + `}}}`, "unknown field"},
		{``, "not the JSON"},
	} {
		if err := f.Check([]byte(tc.body)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s\nerror %v, want %q", tc.body, err, tc.want)
		}
	}
}

// The data of a policy for buildx is that of its program, and has what was
// admitted.
func TestRegoCheck(t *testing.T) {
	t.Parallel()
	s := set(t, given{"node:22", digest("a"), nil}, given{"ghcr.io/acme/app@" + digest("b"), digest("b"), &until}, given{"ghcr.io/acme/app@" + digest("c"), digest("c"), nil})
	all := files(t, "rego", s, handover.Options{})
	body := string(all[1].Body)
	a, b := digest("a"), digest("b")
	for _, tc := range []struct{ old, new, want string }{
		{"", "", ""},
		{"\n", " ", "not what was written"}, // says the same
		{`"id": "`, `"id": "x`, "belongs to another program"},
		{`"id"`, `"more": 1, "id"`, "unknown field"},
		{`"22": "` + a, `"22": "` + b, `takes docker.io/library/node:22 for "` + b},
		{`"22": "`, `"23": "`, `takes docker.io/library/node:22 for ""`},
		{`"22": "`, `"23": "` + a + `", "22": "`, `admits "docker.io/library/node:23"`},
		{`"` + a + `": "verified"`, `"` + b + `": "verified"`, "does not admit docker.io/library/node@" + a},
		{`"` + a + `": "verified"`, `"` + a + `": "verified", "` + b + `": "verified"`, `admits "docker.io/library/node@` + b},
		{`"exempt until 2027-01-31, not verified"`, `"verified"`, "does not admit ghcr.io/acme/app@" + b + " as what it is"},
		{`"ghcr.io/acme/app": {`, `"ghcr.io/acme": {"digests": {"` + b + `": "verified"}}, "ghcr.io/acme/app": {`, `admits "ghcr.io/acme@` + b},
		{`"digests": {`, `"tags": {"1": "` + b + `"}, "digests": {`, `admits "docker.io/library/node:1"`},
	} {
		changed := strings.Replace(body, tc.old, tc.new, 1)
		err := all[1].Check([]byte(changed))
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s for %s: error %v, want %q", tc.new, tc.old, err, tc.want)
		}
	}
	again := files(t, "rego", s, handover.Options{})
	if err := all[1].Check(again[1].Body); err == nil || !strings.Contains(err.Error(), "belongs to another program") {
		t.Errorf("the data of another run: %v", err)
	}
	if err := all[0].Check(again[0].Body); err == nil {
		t.Error("the program of another run passes")
	}
	for _, text := range []string{"node", "acme", a, b} {
		if strings.Contains(string(all[0].Body), text) {
			t.Errorf("the program has %s in it", text)
		}
	}
}

// load_json reads 4 MiB and does not say that there is more.
func TestRegoTooMuch(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("many images: looked at without the race detector")
	}
	var images []given
	for i := range 26_000 {
		images = append(images, given{fmt.Sprintf("registry.example/%s/image-%d@%s", strings.Repeat("a", 20), i, digest("a")), digest("a"), nil})
	}
	_, err := form(t, "rego").Files(set(t, images...), handover.Options{})
	if err == nil || !strings.Contains(err.Error(), "26000 images are more than a buildx policy can load") {
		t.Errorf("error %v", err)
	}
}

// For any images, each form names exactly the digests that were admitted, each
// with its own repository, and nothing else.
func TestFormsNameWhatWasAdmitted(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(6, 1))
	for range 300 {
		images := randomImages(rng)
		s := set(t, images...)
		all, tags, exempt := map[string]bool{}, map[string]string{}, map[string]bool{}
		for _, g := range images {
			ref, _ := image.Parse(g.ref)
			all[ref.Name()+"@"+g.digest] = true
			if ref.Digest() == "" {
				tags[ref.String()] = g.digest
			}
			if g.exempt != nil {
				exempt[ref.String()] = true
			}
		}
		o := handover.Options{Targets: targets("a", "b")}

		var policy struct {
			Transports map[string]map[string]any
		}
		read(t, files(t, "containers-policy", s, o)[0].Body, &policy)
		if got := keys(policy.Transports["docker"]); !maps.Equal(got, all) {
			t.Fatalf("containers-policy admits %v, want %v", got, all)
		}
		var data regoData
		read(t, files(t, "rego", s, o)[1].Body, &data)
		admits, converts := map[string]bool{}, map[string]string{}
		for name, i := range data.Images {
			for d := range i.Digests {
				admits[name+"@"+d] = true
			}
			for tag, d := range i.Tags {
				converts[name+":"+tag] = d
			}
		}
		if !maps.Equal(admits, all) || !maps.Equal(converts, tags) {
			t.Fatalf("rego admits %v and %v, want %v and %v", admits, converts, all, tags)
		}
		contexts := contextsOf(t, files(t, "build-contexts", s, o)[0].Body)
		for _, c := range append(slices.Collect(maps.Values(targetsOf(t, files(t, "bake", s, o)[0].Body))), contexts) {
			got := map[string]string{}
			for name, value := range c {
				ref, err := image.Parse(name)
				if err != nil {
					t.Fatal(err)
				}
				base, d, _ := strings.Cut(strings.TrimPrefix(value, "docker-image://"), "@")
				if base != ref.String() {
					t.Fatalf("%s stands for %s", name, value)
				}
				got[ref.String()] = d
			}
			if !maps.Equal(got, tags) {
				t.Fatalf("contexts %v, want %v", got, tags)
			}
		}
		got, marked := map[string]bool{}, false
		for line := range strings.Lines(string(files(t, "pinned", s, o)[0].Body)) {
			if line = strings.TrimSuffix(line, "\n"); strings.HasPrefix(line, "#") {
				marked = true
				continue
			}
			ref, err := image.Parse(line)
			if err != nil {
				t.Fatal(err)
			}
			if got[ref.Name()+"@"+ref.Digest()] = true; !marked && exempt[strings.TrimSuffix(line, "@"+ref.Digest())] {
				t.Fatalf("%s is not marked as exempt", line)
			}
			marked = false
		}
		if !maps.Equal(got, all) {
			t.Fatalf("pinned has %v, want %v", got, all)
		}
		var lock struct{ Images []lockImage }
		read(t, files(t, "images-lock", s, o)[0].Body, &lock)
		got = map[string]bool{}
		for _, i := range lock.Images {
			ref, err := image.Parse(i.Pinned)
			if err != nil || ref.Digest() != i.Digest || i.Verified == exempt[i.Reference] || (i.Exempt == nil) != i.Verified {
				t.Fatalf("locked: %+v (%v)", i, err)
			}
			got[ref.Name()+"@"+i.Digest] = true
		}
		if !maps.Equal(got, all) {
			t.Fatalf("images-lock has %v, want %v", got, all)
		}
	}
}

type regoData struct {
	ID     string
	Images map[string]struct{ Tags, Digests map[string]string }
}

type lockImage struct {
	Reference, Digest, Pinned string
	Verified                  bool
	Exempt                    map[string]string
}

// randomImages returns images whose names have a chance to be taken for each
// other, no reference twice.
func randomImages(rng *rand.Rand) []given {
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	var images []given
	seen := map[string]bool{}
	for range rng.IntN(8) {
		ref := pick("", "ghcr.io/", "GHCR.io/", "ghcr.io:443/", "localhost/", "docker.io/", "[::1]:5/") + pick("", "team/", "team/a/") + pick("node", "node1", "node-1", "n.o_d__e")
		d := digest(pick("a", "b", "c"))
		switch rng.IntN(3) {
		case 0:
			ref += "@" + d
		case 1:
			ref += ":" + pick("1", "latest-1", "A_.-", "docker-image") + "@" + d
		default:
			ref += ":" + pick("1", "latest-1", "A_.-", "docker-image")
		}
		parsed, err := image.Parse(ref)
		if err != nil || seen[parsed.String()] {
			continue
		}
		seen[parsed.String()] = true
		images = append(images, given{ref, d, []*gate.Exemption{nil, nil, &until, &unsigned}[rng.IntN(4)]})
	}
	return images
}

// contextsOf reads lines of named contexts, as buildx does.
func contextsOf(t testing.TB, body []byte) map[string]string {
	t.Helper()
	contexts := map[string]string{}
	for line := range strings.Lines(string(body)) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if _, again := contexts[name]; !ok || again || strings.ContainsAny(line, "\",#'") {
			t.Fatalf("%q is no line of its own", line)
		}
		contexts[name] = value
	}
	return contexts
}

// targetsOf reads a bake file.
func targetsOf(t testing.TB, body []byte) map[string]map[string]string {
	t.Helper()
	var doc struct {
		Target map[string]struct{ Contexts map[string]string }
	}
	read(t, body, &doc)
	targets := map[string]map[string]string{}
	for name, target := range doc.Target {
		if targets[name] = target.Contexts; regexp.MustCompile(`[$%]\{`).Match(body) {
			t.Fatalf("%s is a template", body)
		}
	}
	return targets
}

func read(t testing.TB, body []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(body, v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
}

func keys(m map[string]any) map[string]bool {
	set := map[string]bool{}
	for k := range m {
		set[k] = true
	}
	return set
}

func targets(names ...string) []handover.Target {
	var all []handover.Target
	for _, name := range names {
		all = append(all, handover.Target{Name: name})
	}
	return all
}

// BenchmarkForms is to take no more than 50 ms for 1,000 images, with the checks.
func BenchmarkForms(b *testing.B) {
	images := admitted(b, many(1000, false)...)
	for _, name := range forms() {
		b.Run(name, func(b *testing.B) {
			f := form(b, name)
			for b.Loop() {
				s, err := handover.New(images)
				if err != nil {
					b.Fatal(err)
				}
				all, err := f.Files(s, handover.Options{})
				if err != nil {
					b.Fatal(err)
				}
				for _, file := range all {
					if err := file.Check(file.Body); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
