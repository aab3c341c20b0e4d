package policy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/verify"
)

// An elsewhere has what policies extend, and counts what is asked of it.
type elsewhere struct {
	files, urls map[string]string
	artifacts   map[string]string // by digest
	// signers is who signed an artifact, by digest: a Reason for none.
	signers map[string]string
	err     error         // of urls and artifacts that are not there
	reason  verify.Reason // of err
	asked   []string
}

// digestOf is what a text is named by as an artifact: in these tests, its own
// digest.
func sumOf(text string) string    { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }
func digestOf(text string) string { return "sha256:" + sumOf(text) }

func (w *elsewhere) sources() Sources {
	get := func(kind string, from map[string]string, key string) ([]byte, error) {
		w.asked = append(w.asked, kind+" "+key)
		if text, ok := from[key]; ok {
			return []byte(text), nil
		}
		if w.err != nil {
			return nil, w.err
		}
		return nil, errors.New("there is none")
	}
	return Sources{
		File: func(name string) ([]byte, error) { return get("file", w.files, name) },
		URL:  func(_ context.Context, address string) ([]byte, error) { return get("url", w.urls, address) },
		Artifact: func(_ context.Context, img image.Pinned) ([]byte, error) {
			return get("artifact", w.artifacts, img.Digest())
		},
		Reason: func(error) verify.Reason { return w.reason },
	}
}

// systems are the fakes, of which stamp can be checked.
func (w *elsewhere) systems() []System {
	all := fakes()
	all[0].Verifier = func(f Form, u image.Use) (verify.Verifier, error) {
		if !u.Foreign {
			return nil, errors.New("platforms could vouch for a policy")
		}
		return stamped{w, f.(*stampForm).By.Value}, nil
	}
	return all
}

type stamped struct {
	*elsewhere
	by string
}

func (s stamped) Verify(_ context.Context, img image.Pinned) verify.Verdict {
	s.asked = append(s.asked, "signature "+img.String())
	switch who := s.signers[img.Digest()]; who {
	case s.by:
		return verify.Pass(img, verify.Evidence{System: "stamp", Format: "stamp", Digest: img.Digest(), Signer: who})
	case "":
		return verify.Fail(img, verify.Unsigned, errors.New("nobody stamped it"))
	case "attestation":
		return verify.Fail(img, verify.WrongType, errors.New("it has an attestation only"))
	case "silence":
		return verify.Fail(img, verify.Unavailable, errors.New("nobody answers"))
	case "denial":
		return verify.Fail(img, verify.Denied, errors.New("log in"))
	case "nothing":
		return verify.Verdict{}
	case "another":
		other, _ := img.At(digestOf("another"))
		return verify.Pass(other, verify.Evidence{System: "stamp", Format: "stamp", Digest: other.Digest(), Signer: "me"})
	default:
		return verify.Fail(img, verify.WrongSigner, errors.New(who+" stamped it"))
	}
}

func (w *elsewhere) load(body string) (*Policy, error) {
	return Load(context.Background(), "dir/p.yml", []byte(body), Options{Systems: w.systems()}, w.sources())
}

// rule is a policy with one rule, and what else it says.
func policyFor(images, by, more string) string {
	return "version: 1\n" + more + "rules:\n  - images: [" + images + "]\n    require: [stamp: {by: " + by + "}]\n"
}

const trusted = "version: 1\nrules:\n  - images: [reg.example/policies/**]\n    require: [stamp: {by: me}]\n"

func TestExtends(t *testing.T) {
	t.Parallel()
	far := policyFor("c/**", "far", "")
	deep := policyFor("d/**", "deep", "extends: [{url: 'https://x.example/far.yml?token=1', sha256: "+sumOf(far)+"}]\n")
	w := &elsewhere{
		files: map[string]string{
			"base.yml":         policyFor("a/**", "base", "extends: [{file: dir/other.yml}, {file: dir/sub/more.yml}]\n"),
			"dir/other.yml":    policyFor("b/**", "other", ""),
			"dir/sub/more.yml": policyFor("e/**", "more", "exceptions: [{images: [x/y], until: 2027-01-31, owner: me, reason: why}]\n"),
			"/abs/p.yml":       policyFor("f/**", "abs", ""),
		},
		urls:      map[string]string{"https://x.example/far.yml?token=1": far},
		artifacts: map[string]string{digestOf(deep): deep},
		signers:   map[string]string{digestOf(deep): "me"},
	}
	p, err := w.load(trusted + "extends: [{file: ../base.yml}, {artifact: reg.example/policies/x@" + digestOf(deep) + "}, {file: other.yml}, {file: /abs/p.yml}]\n")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range p.rules {
		got = append(got, fmt.Sprintf("%d %s %s", r.origin.layer, r.origin.name, r.at.File))
	}
	want := []string{
		"0 policy dir/p.yml",
		"1 policy base.yml base.yml", "1 policy dir/other.yml dir/other.yml", "1 policy /abs/p.yml /abs/p.yml", "2 policy dir/sub/more.yml dir/sub/more.yml",
		"1 policy reg.example/policies/x@" + digestOf(deep) + " reg.example/policies/x@" + digestOf(deep),
		"2 policy https://x.example/far.yml https://x.example/far.yml",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(p.exceptions) != 1 || p.exceptions[0].origin != (origin{"policy dir/sub/more.yml", 2}) {
		t.Errorf("exceptions %+v", p.exceptions)
	}
	const fetched = "file base.yml, file dir/other.yml, file /abs/p.yml, file dir/sub/more.yml, signature, artifact, url https://x.example/far.yml?token=1"
	if got := strings.NewReplacer(" reg.example/policies/x@", "", " "+digestOf(deep), "", digestOf(deep), "").Replace(strings.Join(w.asked, ", ")); got != fetched {
		t.Errorf("asked %s", got)
	}
}

// A rule here is before what is extended, and what is nearer before what is not.
func TestExtendsLayers(t *testing.T) {
	t.Parallel()
	w := &elsewhere{files: map[string]string{
		"dir/a.yml": policyFor("x/**", "a", "extends: [{file: b.yml}]\n"),
		"dir/b.yml": policyFor("x/**", "b", "") + "  - images: [x/special]\n    require: [stamp: {by: special}]\n",
	}}
	for body, want := range map[string]string{
		policyFor("x/**", "own", "extends: [{file: a.yml}]\n"): "policy",
		"version: 1\nextends: [{file: a.yml}]\n":               "policy dir/a.yml",
		"version: 1\nextends: [{file: b.yml}, {file: a.yml}]":  "tie",
	} {
		p, err := w.load(body)
		if want == "tie" {
			if p != nil || err == nil || NoAnswer(err) || !strings.Contains(err.Error(), "dir/a.yml:") || !strings.Contains(err.Error(), "dir/b.yml:") {
				t.Errorf("%s: %v", body, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		ref, _ := image.Parse("x/app:v1")
		special, _ := image.Parse("x/special:v1")
		uses := []image.Use{{Ref: ref, Foreign: true}, {Ref: special, Foreign: true}}
		rules, err := p.Rules(uses, w.systems(), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if got := rules.For(uses[0]).Rule.Origin; got != want {
			t.Errorf("%s: %s decides, want %s", body, got, want)
		}
		if got := rules.For(uses[1]).Rule.Origin; got != "policy dir/b.yml" {
			t.Errorf("%s: %s decides for what is more specific", body, got)
		}
	}
}

// A policy that is extended twice is read once, where it is nearest.
func TestExtendsTwice(t *testing.T) {
	t.Parallel()
	far := policyFor("c/**", "far", "")
	byURL := "{url: 'https://x.example/far.yml', sha256: " + sumOf(far) + "}"
	near := "version: 1\nextends: [" + byURL + "]\n"
	w := &elsewhere{
		urls:  map[string]string{"https://x.example/far.yml": far, "https://x.example/near.yml": near},
		files: map[string]string{"dir/a.yml": "version: 1\nextends: [{file: b.yml}]\n", "dir/b.yml": near},
	}
	p, err := w.load("version: 1\nextends: [{file: a.yml}, {url: 'https://x.example/near.yml', sha256: " + sumOf(near) + "}]\n")
	if err != nil || len(p.rules) != 1 || p.rules[0].origin.layer != 2 {
		t.Errorf("%v, %+v", err, p)
	}
}

func TestExtendsAtMost(t *testing.T) {
	t.Parallel()
	for n, good := range map[int]bool{32: true, 33: false} {
		w := &elsewhere{files: map[string]string{}}
		var near, far []string
		for i := range n {
			name := fmt.Sprintf("%d.yml", i)
			w.files["dir/"+name] = policyFor(fmt.Sprintf("a%d/**", i), "x", "")
			if i < 16 {
				near = append(near, "{file: "+name+"}")
			} else {
				far = append(far, "{file: "+name+"}")
			}
		}
		w.files["dir/0.yml"] = "version: 1\nextends: [" + strings.Join(far, ", ") + "]\n"
		if _, err := w.load("version: 1\nextends: [" + strings.Join(near, ", ") + "]\n"); (err == nil) != good {
			t.Errorf("%d: %v", n, err)
		}
	}
	for n, good := range map[int]bool{8: true, 9: false} {
		w := &elsewhere{files: map[string]string{}}
		for i := range n {
			w.files[fmt.Sprintf("dir/%d.yml", i)] = fmt.Sprintf("version: 1\nextends: [{file: %d.yml}]\n", i+1)
		}
		w.files[fmt.Sprintf("dir/%d.yml", n-1)] = policyFor("a/**", "x", "")
		if _, err := w.load("version: 1\nextends: [{file: 0.yml}]\n"); (err == nil) != good {
			t.Errorf("%d deep: %v", n, err)
		}
	}
}

// What a policy may not extend, and by what it may not be extended: each is said
// at its place, and nothing of the policy counts.
func TestExtendsRefused(t *testing.T) {
	t.Parallel()
	good := policyFor("a/**", "x", "")
	ref := "reg.example/policies/x@" + digestOf(good)
	extend := func(items ...string) string { return "extends:\n  - " + strings.Join(items, "\n  - ") + "\n" }
	byURL := "{url: 'https://x.example/p.yml', sha256: " + sumOf(good) + "}"
	byArtifact := "{artifact: " + ref + "}"
	fileInURL := "version: 1\nextends: [{file: local.yml}]\n"
	chain := map[string]string{}
	for i := range 12 {
		chain[fmt.Sprintf("dir/%d.yml", i)] = fmt.Sprintf("version: 1\nextends: [{file: %d.yml}]\n", i+1)
	}
	many := map[string]string{}
	var manyItems, manyMore []string
	for i := range 40 {
		many[fmt.Sprintf("dir/%d.yml", i)] = policyFor(fmt.Sprintf("a%d/**", i), "x", "")
		if i < 20 {
			manyItems = append(manyItems, fmt.Sprintf("{file: %d.yml}", i))
		} else {
			manyMore = append(manyMore, fmt.Sprintf("{file: %d.yml}", i))
		}
	}
	many["dir/0.yml"] = "version: 1\n" + extend(manyMore...)
	noAnswer := errors.New("it does not answer")
	huge := good + strings.Repeat(" ", MaxText)

	for _, tc := range []struct {
		name     string
		body     string
		world    elsewhere
		want     []string // parts of the error
		noAnswer bool
		asked    int // of others: signatures, urls and artifacts
	}{
		// The item.
		{"nothing", extend("{sha256: " + sumOf("") + "}"), elsewhere{}, []string{"p.yml:3:5: it names 0 policies"}, false, 0},
		{"two", extend("{file: a.yml, artifact: " + ref + "}"), elsewhere{}, []string{"p.yml:3:5: it names 2 policies"}, false, 0},
		{"sha256 of a file", extend("{file: a.yml, sha256: " + sumOf("") + "}"), elsewhere{}, []string{"p.yml:3:5: sha256 is for url only"}, false, 0},
		{"an unknown key", extend("{file: a.yml, optional: true}"), elsewhere{}, []string{"optional"}, false, 0},
		{"http", extend("{url: 'http://x.example/p.yml', sha256: " + sumOf(good) + "}"), elsewhere{}, []string{"p.yml:3:5: url is not an https address"}, false, 0},
		{"a file as url", extend("{url: 'file:///etc/passwd', sha256: " + sumOf(good) + "}"), elsewhere{}, []string{"url is not an https address"}, false, 0},
		{"no host", extend("{url: 'https:///p.yml', sha256: " + sumOf(good) + "}"), elsewhere{}, []string{"url is not an https address"}, false, 0},
		{"a fragment", extend("{url: 'https://x.example/p.yml#x', sha256: " + sumOf(good) + "}"), elsewhere{}, []string{"fragment"}, false, 0},
		{"credentials", extend("{url: 'https://me:hunter2@x.example/p.yml', sha256: " + sumOf(good) + "}"), elsewhere{}, []string{"p.yml:3:5: url has a user name or a password"}, false, 0},
		{"credentials in nonsense", extend("{url: 'https://me:hunter2@x.example:port/p.yml', sha256: " + sumOf(good) + "}"), elsewhere{}, []string{"p.yml:3:5: url is no address"}, false, 0},
		{"no sha256", extend("{url: 'https://x.example/p.yml'}"), elsewhere{}, []string{"p.yml:3:5: url without sha256"}, false, 0},
		{"a short sha256", extend("{url: 'https://x.example/p.yml', sha256: abcd}"), elsewhere{}, []string{"sha256 is not a hex SHA-256"}, false, 0},
		{"a tag", extend("{artifact: 'reg.example/policies/x:v1'}"), elsewhere{}, []string{"p.yml:3:5: artifact is not named by its digest alone"}, false, 0},
		{"a tag beside the digest", extend("{artifact: 'reg.example/policies/x:v1@" + digestOf(good) + "'}"), elsewhere{}, []string{"not named by its digest alone"}, false, 0},
		{"no reference", extend("{artifact: 'https://reg.example/x'}"), elsewhere{}, []string{"p.yml:3:5: artifact: "}, false, 0},
		// Files.
		{"no such file", extend("{file: a.yml}"), elsewhere{}, []string{"p.yml:3:5: read dir/a.yml: there is none"}, false, 0},
		{"a file with a fault", extend("{file: a.yml}"), elsewhere{files: map[string]string{"dir/a.yml": "version: 1\nruels: []\n"}}, []string{"dir/a.yml:2:1: "}, false, 0},
		{"itself", extend("{file: p.yml}"), elsewhere{}, []string{"p.yml:3:5: dir/p.yml extends itself"}, false, 0},
		{"itself by another name", extend("{file: ../dir/./p.yml}"), elsewhere{}, []string{"p.yml:3:5: dir/p.yml extends itself"}, false, 0},
		{"a cycle", extend("{file: a.yml}"), elsewhere{files: map[string]string{"dir/a.yml": "version: 1\nextends: [{file: b.yml}]\n", "dir/b.yml": "version: 1\nextends:\n  - {file: a.yml}\n"}}, []string{"dir/b.yml:3:5: dir/a.yml extends itself"}, false, 0},
		{"too deep", extend("{file: 0.yml}"), elsewhere{files: chain}, []string{"dir/7.yml:2:11: policies extend each other more than 8 deep"}, false, 0},
		{"too many", extend(manyItems...), elsewhere{files: many}, []string{"dir/0.yml:", "the policy extends more than 32 others"}, false, 0},
		{"nobody is asked while a file is wrong", extend(byURL, "{file: a.yml}"), elsewhere{urls: map[string]string{"https://x.example/p.yml": good}, files: map[string]string{"dir/a.yml": "version: 1\nextends: [{file: b.yml}]", "dir/b.yml": "version: 3\n"}}, []string{"dir/b.yml:1:10: "}, false, 0},
		// Addresses.
		{"other bytes", extend(byURL), elsewhere{urls: map[string]string{"https://x.example/p.yml": good + " "}}, []string{"p.yml:3:5: the SHA-256 of https://x.example/p.yml is " + sumOf(good+" ")}, false, 1},
		{"no answer", extend(byURL), elsewhere{err: noAnswer, reason: verify.Unavailable}, []string{"p.yml:3:5: no answer: it does not answer"}, true, 1},
		{"denied", extend(byURL), elsewhere{err: noAnswer, reason: verify.Denied}, []string{"p.yml:3:5: no answer: it does not answer"}, true, 1},
		{"not found", extend(byURL), elsewhere{err: noAnswer, reason: verify.NotFound}, []string{"p.yml:3:5: it does not answer"}, false, 1},
		{"no answer, and other bytes", extend(byURL, "{url: 'https://y.example/', sha256: "+sumOf("")+"}"), elsewhere{err: noAnswer, reason: verify.Unavailable, urls: map[string]string{"https://x.example/p.yml": "x"}}, []string{"the SHA-256 of"}, false, 1},
		{"a file by way of an address", extend("{url: 'https://x.example/p.yml', sha256: " + sumOf(fileInURL) + "}"), elsewhere{urls: map[string]string{"https://x.example/p.yml": fileInURL}, files: map[string]string{"local.yml": good, "https:/x.example/local.yml": good}}, []string{"https://x.example/p.yml:2:11: https://x.example/p.yml is no file here"}, false, 1},
		// Artifacts.
		{"no rule for it", policyFor("other/**", "me", extend(byArtifact)), elsewhere{signers: map[string]string{digestOf(good): "me"}}, []string{"p.yml:3:5: no rule of a local file requires a signature of the policy " + ref}, false, 0},
		{"allowed unsigned", extend(byArtifact) + "rules: [{images: [reg.example/**], allow-unsigned: {reason: x, require-digest: false}}]\n", elsewhere{signers: map[string]string{digestOf(good): "me"}}, []string{"p.yml:3:5: no rule of a local file requires"}, false, 0},
		{"an exception for it", extend(byArtifact) + "rules: [{images: [other/**], require: [stamp: {by: me}]}]\nexceptions: [{images: ['reg.example/**'], until: 2999-01-31, owner: me, reason: why}]\n", elsewhere{signers: map[string]string{digestOf(good): "me"}}, []string{"p.yml:3:5: no rule of a local file requires"}, false, 0},
		{"an exception beside the rule", trusted + extend(byArtifact) + "exceptions: [{images: ['reg.example/policies/x'], until: 2999-01-31, owner: me, reason: why}]\n", elsewhere{artifacts: map[string]string{digestOf(good): good}}, []string{"is not signed as reg.example/policies/** requires at dir/p.yml:3:5: unsigned"}, false, 1},
		{"unsigned", trusted + extend(byArtifact), elsewhere{artifacts: map[string]string{digestOf(good): good}}, []string{"p.yml:6:5: the policy " + ref + " is not signed", "dir/p.yml:3:5: unsigned: nobody stamped it"}, false, 1},
		{"signed by somebody else", trusted + extend(byArtifact), elsewhere{signers: map[string]string{digestOf(good): "mallory"}, artifacts: map[string]string{digestOf(good): good}}, []string{"wrong-signer: mallory stamped it"}, false, 1},
		{"an attestation only", trusted + extend(byArtifact), elsewhere{signers: map[string]string{digestOf(good): "attestation"}, artifacts: map[string]string{digestOf(good): good}}, []string{"wrong-type: "}, false, 1},
		{"a verdict about another", trusted + extend(byArtifact), elsewhere{signers: map[string]string{digestOf(good): "another"}, artifacts: map[string]string{digestOf(good): good}}, []string{"is not signed as"}, false, 1},
		{"no verdict", trusted + extend(byArtifact), elsewhere{signers: map[string]string{digestOf(good): "nothing"}, artifacts: map[string]string{digestOf(good): good}}, []string{"undecided: no cause is known"}, false, 1},
		{"no answer about signatures", trusted + extend(byArtifact), elsewhere{signers: map[string]string{digestOf(good): "silence"}}, []string{"unavailable: no answer: nobody answers"}, true, 1},
		{"no access to signatures", trusted + extend(byArtifact), elsewhere{signers: map[string]string{digestOf(good): "denial"}}, []string{"denied: no answer: log in"}, true, 1},
		{"signed, and no answer", trusted + extend(byArtifact), elsewhere{signers: map[string]string{digestOf(good): "me"}, err: noAnswer, reason: verify.Unavailable}, []string{"p.yml:6:5: no answer: it does not answer"}, true, 2},
		{"signed, and not a policy", trusted + extend(byArtifact), elsewhere{signers: map[string]string{digestOf(good): "me"}, err: noAnswer, reason: verify.Unsupported}, []string{"p.yml:6:5: it does not answer"}, false, 2},
		{"a requirement that cannot be checked", extend(byArtifact) + "rules: [{images: [reg.example/**], require: [seal: {}]}]\n", elsewhere{signers: map[string]string{digestOf(good): "me"}}, []string{"p.yml:3:5: choose a rule for " + ref, "seal cannot be checked here"}, false, 0},
		{"two rules for it", policyFor("reg.example/**", "me", extend(byArtifact)) + "  - images: [reg.example/**]\n    require: [stamp: {by: you}]\n", elsewhere{signers: map[string]string{digestOf(good): "me"}}, []string{"p.yml:3:5: choose a rule for " + ref, "p.yml:5:14", "p.yml:7:14"}, false, 0},
		// A rule that is extended does not vouch for what extends by it.
		{"a rule from the address", extend("{url: 'https://x.example/p.yml', sha256: "+sumOf(policyFor("reg.example/**", "me", ""))+"}", byArtifact), elsewhere{urls: map[string]string{"https://x.example/p.yml": policyFor("reg.example/**", "me", "")}, signers: map[string]string{digestOf(good): "me"}}, []string{"p.yml:4:5: no rule of a local file requires"}, false, 1},
		{"a rule from the file it names", extend("{file: a.yml}", byArtifact), elsewhere{files: map[string]string{"dir/a.yml": policyFor("reg.example/**", "me", "")}, signers: map[string]string{digestOf(good): "me"}}, []string{"p.yml:4:5: no rule of a local file requires"}, false, 0},
		{"too much, by its right name", extend("{url: 'https://x.example/p.yml', sha256: " + sumOf(huge) + "}"), elsewhere{urls: map[string]string{"https://x.example/p.yml": huge}}, []string{"https://x.example/p.yml:1:1: the file is larger than 4 MiB"}, false, 1},
	} {
		body := tc.body
		if !strings.HasPrefix(body, "version") {
			body = "version: 1\n" + body
		}
		w := tc.world
		p, err := w.load(body)
		fault := (*Error)(nil)
		if p != nil || !errors.As(err, &fault) || len(fault.Faults()) == 0 {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		for _, part := range tc.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: got\n%s\nwant %s", tc.name, err, part)
			}
		}
		if NoAnswer(err) != tc.noAnswer {
			t.Errorf("%s: no answer = %v: %v", tc.name, !tc.noAnswer, err)
		}
		asked := slices.DeleteFunc(slices.Clone(w.asked), func(s string) bool { return strings.HasPrefix(s, "file") })
		if len(asked) != tc.asked {
			t.Errorf("%s: asked %v", tc.name, asked)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: a password is in %v", tc.name, err)
		}
	}
}

// An artifact that names another is vouched for by the local rule, and so is the
// other: what the first says of it does not count.
func TestExtendsArtifactOfArtifact(t *testing.T) {
	t.Parallel()
	inner := policyFor("a/**", "x", "")
	outer := "version: 1\nextends: [{artifact: reg.example/policies/inner@" + digestOf(inner) + "}]\nrules: [{images: [reg.example/policies/inner], require: [stamp: {by: mallory}]}]\n"
	w := &elsewhere{
		artifacts: map[string]string{digestOf(inner): inner, digestOf(outer): outer},
		signers:   map[string]string{digestOf(outer): "me", digestOf(inner): "mallory"},
	}
	body := trusted + "extends: [{artifact: reg.example/policies/outer@" + digestOf(outer) + "}]\n"
	if _, err := w.load(body); err == nil || NoAnswer(err) || !strings.Contains(err.Error(), "reg.example/policies/outer@"+digestOf(outer)+":2:11: the policy reg.example/policies/inner@") || !strings.Contains(err.Error(), "wrong-signer") {
		t.Errorf("the artifact chose who signs: %v", err)
	}
	w.signers[digestOf(inner)] = "me"
	if p, err := w.load(body); err != nil || len(p.rules) != 3 {
		t.Errorf("%v", err)
	}
	// One that could name itself would go in circles.
	self := digestOf("self")
	w = &elsewhere{artifacts: map[string]string{self: "version: 1\nextends: [{artifact: reg.example/policies/x@" + self + "}]\n"}, signers: map[string]string{self: "me"}}
	if _, err := w.load(trusted + "extends: [{artifact: reg.example/policies/x@" + self + "}]\n"); err == nil || !strings.Contains(err.Error(), "extends itself") || len(w.asked) != 2 {
		t.Errorf("%v, asked %v", err, w.asked)
	}
}

// What is a local file says whom to believe about what it names.
func TestExtendsFromFile(t *testing.T) {
	t.Parallel()
	inner := policyFor("a/**", "x", "")
	w := &elsewhere{
		files:     map[string]string{"dir/base.yml": trusted + "extends: [{artifact: reg.example/policies/x@" + digestOf(inner) + "}]\n"},
		artifacts: map[string]string{digestOf(inner): inner},
		signers:   map[string]string{digestOf(inner): "me"},
	}
	if p, err := w.load("version: 1\nextends: [{file: base.yml}]\n"); err != nil || len(p.rules) != 2 {
		t.Errorf("%v", err)
	}
	// The file that names it in turn does not.
	w.files["dir/base.yml"] = "version: 1\nextends: [{artifact: reg.example/policies/x@" + digestOf(inner) + "}]\n"
	if _, err := w.load(trusted + "extends: [{file: base.yml}]\n"); err == nil || !strings.Contains(err.Error(), "dir/base.yml:2:11: no rule of a local file requires") {
		t.Errorf("%v", err)
	}
}

// With nowhere to read from, a policy that extends others is none.
func TestExtendsNowhere(t *testing.T) {
	t.Parallel()
	for _, item := range []string{"{file: a.yml}", "{url: 'https://x.example/', sha256: " + sumOf("") + "}", "{artifact: reg.example/policies/x@" + digestOf("") + "}"} {
		body := trusted + "extends: [" + item + "]\n"
		if p, err := read(body); p != nil || err == nil || !strings.Contains(err.Error(), "p.yml:5:11: what it extends cannot be read here") {
			t.Errorf("%s: Read: %v", item, err)
		}
		w := &elsewhere{}
		if p, err := Load(t.Context(), "p.yml", []byte(body), Options{Systems: w.systems()}, Sources{}); p != nil || err == nil || NoAnswer(err) || !strings.Contains(err.Error(), "p.yml:5:11: what it extends cannot be read here") {
			t.Errorf("%s: Load: %v", item, err)
		}
	}
	if NoAnswer(nil) || NoAnswer(errors.New("x")) || NoAnswer(&Error{[]*yamlshape.Fault{{Err: errors.New("x")}, {Err: ErrNoAnswer}}}) {
		t.Error("NoAnswer of what is something else")
	}
}
