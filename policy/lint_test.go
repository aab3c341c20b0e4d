package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/internal/yamlshape"
)

func TestLint(t *testing.T) {
	no := false
	rules := func(list ...rule) *Policy { return &Policy{rules: list} }
	exempt := func(list ...exception) *Policy { return &Policy{exceptions: list} }
	doubtful := func(line int, name string) requirement {
		r := needs(line, "a")
		r.form.(*fakeForm).doubts = []Doubt{{Fault: *yamlshape.Faultf(at(line), "", "anybody"), Lint: name}}
		return r
	}
	with := func(r rule, require ...requirement) rule { r.require = require; return r }
	for _, tt := range []struct {
		name   string
		policy *Policy
		want   []string // place, lint and a part of what is said
	}{
		{"nothing", rules(ruleFor(t, 1, own, "ghcr.io/acme/** !ghcr.io/acme/legacy-*"), ruleFor(t, 2, own, "**"), unsignedFor(t, 3, "docker.io/library/**", nil)), nil},

		{"duplicate", rules(ruleFor(t, 1, own, "alpine busybox docker.io/library/alpine")), []string{"1:12 duplicate-pattern docker.io/library/alpine says the same as alpine at policy.yaml:1:10"}},
		{"duplicate with !", rules(ruleFor(t, 1, own, "ghcr.io/** !ghcr.io/a !ghcr.io/a")), []string{"1:12 duplicate-pattern"}},
		{"duplicate in an exception", exempt(exceptionFor(t, 1, "alpine alpine", "2027-06-01", "a")), []string{"1:11 duplicate-pattern"}},
		{"other tags", rules(ruleFor(t, 1, own, "alpine alpine:3 alpine:4 alpine@"+digestA+" alpine@"+digestB)), nil},

		{"excluded", rules(ruleFor(t, 1, own, "quay.io/a ghcr.io/acme/a* !ghcr.io/acme/*")), []string{"1:11 excluded-pattern ghcr.io/acme/a* never matches: !ghcr.io/acme/* at policy.yaml:1:12 excludes all of it"}},
		{"excluded itself", rules(ruleFor(t, 1, own, "alpine !alpine")), []string{"1:10 excluded-pattern"}},
		{"excluded deep", rules(ruleFor(t, 1, own, "ghcr.io/**/*/a* !ghcr.io/*/**/*")), []string{"1:10 excluded-pattern"}},
		{"excluded tag", rules(ruleFor(t, 1, own, "alpine:3.* !alpine:3*")), []string{"1:10 excluded-pattern"}},
		{"excluded by tag in part", rules(ruleFor(t, 1, own, "alpine !alpine:3* busybox@"+digestA+" !busybox:1")), []string{"1:13 idle-exclusion"}},
		{"excluded in part", rules(ruleFor(t, 1, own, "ghcr.io/** !ghcr.io/*")), nil},

		{"idle", rules(ruleFor(t, 1, own, "ghcr.io/acme/** !ghcr.io/acne/legacy !ghcr.io/acme")), []string{"1:11 idle-exclusion !ghcr.io/acne/legacy excludes nothing", "1:12 idle-exclusion !ghcr.io/acme excludes"}},
		{"idle digest", rules(ruleFor(t, 1, own, "alpine@"+digestA+" !alpine@"+digestB)), []string{"1:11 idle-exclusion"}},
		{"not idle", rules(ruleFor(t, 1, own, "ghcr.io/acme/app* !ghcr.io/acme/*-old !**/app2")), nil},

		{"hub names", rules(ruleFor(t, 1, own, "ghcr.io localhost:5000 my-registry:5000 * */app *:3 *@"+digestA)), []string{
			"1:10 docker-hub-name ghcr.io stands for library/ghcr.io of Docker Hub; write ghcr.io/** for the images of that registry, or docker.io/library/ghcr.io for this one",
			"1:11 docker-hub-name localhost:5000 stands for library/localhost of Docker Hub; write localhost:5000/** for",
			"1:12 docker-hub-name my-registry:5000 stands for library/my-registry of Docker Hub; write my-registry:5000/** for",
			"1:13 docker-hub-name * stands for library/* of Docker Hub; write ** for every image, or docker.io/library/* for these",
			"1:14 docker-hub-name */app stands for */app of Docker Hub; write **/app for those of any registry, or docker.io/*/app for these",
			"1:15 docker-hub-name *:3 stands for library/* of Docker Hub; write **:3 for every image, or docker.io/library/*:3 for these",
			"1:16 docker-hub-name *@sha256:"}},
		{"hub name with !", rules(ruleFor(t, 1, own, "** !ghcr.io")), []string{"1:11 docker-hub-name !ghcr.io stands for library/ghcr.io of Docker Hub; write !ghcr.io/** for the images of that registry, or !docker.io/library/ghcr.io for"}},
		{"hub name in an exception", exempt(exceptionFor(t, 1, "quay.io", "2027-06-01", "a")), []string{"1:10 docker-hub-name quay.io stands"}},
		{"hub names as people write them", rules(ruleFor(t, 1, own, "alpine eclipse-temurin:21 registry:5000 acme/app acme/* bitnami*/** a* docker.io/* docker.io/library/ghcr.io *.gcr.io/x **/app")), nil},

		{"shadowed", rules(ruleFor(t, 1, own, "ghcr.io/**/*"), ruleFor(t, 2, own, "ghcr.io/*/**")), []string{"1:5 shadowed-rule the rule for ghcr.io/**/* never decides: ghcr.io/*/** at policy.yaml:2:10 always does"}},
		{"shadowed by itself", rules(ruleFor(t, 1, own, "ghcr.io/**/* ghcr.io/*/**")), nil},
		{"shadowed by another and itself", rules(ruleFor(t, 1, own, "ghcr.io/**/**/* ghcr.io/**/*/*"), ruleFor(t, 2, own, "ghcr.io/*/**/*")), []string{"1:5 shadowed-rule the rule for ghcr.io/**/**/* never decides: ghcr.io/*/**/* at policy.yaml:2:10 always does"}},
		{"one pattern shadowed", rules(ruleFor(t, 1, own, "ghcr.io/**/* quay.io/a"), ruleFor(t, 2, own, "ghcr.io/*/**")), nil},
		{"all shadowed or excluded", rules(ruleFor(t, 1, own, "quay.io/a ghcr.io/**/* !quay.io/a"), ruleFor(t, 2, own, "ghcr.io/*/**")), []string{"1:5 shadowed-rule", "1:10 excluded-pattern"}},
		{"shadow with a hole", rules(ruleFor(t, 1, own, "ghcr.io/**/*"), ruleFor(t, 2, own, "ghcr.io/*/** !ghcr.io/acme/*")), nil},
		{"shadowed in a base", rules(ruleFor(t, 1, base, "ghcr.io/**/*"), ruleFor(t, 2, base, "ghcr.io/*/**")), []string{"1:5 shadowed-rule"}},
		{"shadowed in a publisher", rules(ruleFor(t, 1, pub, "ghcr.io/**/*"), ruleFor(t, 2, pub, "ghcr.io/*/**")), nil},
		{"more specific", rules(ruleFor(t, 1, own, "ghcr.io/**"), ruleFor(t, 2, own, "ghcr.io/*/**"), ruleFor(t, 3, own, "ghcr.io/*")), nil},

		{"overridden publisher", rules(ruleFor(t, 3, own, "quay.io/b"), ruleFor(t, 1, own, "cgr.dev/**"), ruleFor(t, 2, own, "quay.io/a"), ruleFor(t, 8, pub, "cgr.dev/**"), ruleFor(t, 9, pub, "quay.io/a quay.io/b")),
			[]string{"1:10 overridden-rules no rule of publisher acme ever decides: those of policy, such as the one for cgr.dev/**,"}},
		{"overridden base", rules(ruleFor(t, 1, own, "cgr.dev/**"), ruleFor(t, 8, base, "cgr.dev/**")), []string{"1:10 overridden-rules no rule of policy base.yaml"}},
		{"overridden, but for exceptions", &Policy{rules: []rule{ruleFor(t, 1, own, "cgr.dev/**"), ruleFor(t, 8, base, "cgr.dev/**")}, exceptions: []exception{func() exception {
			e := exceptionFor(t, 9, "alpine", "2027-06-01", "a")
			e.origin = base
			return e
		}()}}, nil},
		{"overridden in part", rules(ruleFor(t, 1, own, "cgr.dev/**"), ruleFor(t, 8, base, "cgr.dev/**"), ruleFor(t, 9, base, "quay.io/a")), nil},
		{"overridden with a hole", rules(ruleFor(t, 1, own, "cgr.dev/** !cgr.dev/x"), ruleFor(t, 8, base, "cgr.dev/**")), nil},

		{"tag needs digest", rules(unsignedFor(t, 1, "alpine alpine:3", nil)), []string{"1:11 tag-needs-digest alpine:3 matches only references without a digest"}},
		{"tag needs none", rules(unsignedFor(t, 1, "alpine:3", &no)), []string{"2:5 unsigned-by-tag nothing says what these images are"}},

		{"everything unsigned", rules(unsignedFor(t, 1, "**", nil)), []string{"1:10 wide-allow-unsigned ** lets every image through unsigned"}},
		{"any registry unsigned", rules(unsignedFor(t, 1, "**/alpine", nil)), []string{"1:10 wide-allow-unsigned **/alpine lets images of any registry through"}},
		{"a registry unsigned", rules(unsignedFor(t, 1, "docker.io/** quay.io/*/* ghcr.io/* ghcr.io/*/**", nil)), []string{"1:10 wide-allow-unsigned docker.io/** lets the images of all of docker.io", "1:11 wide-", "1:12 wide-", "1:13 wide-"}},
		{"open registries unsigned", rules(unsignedFor(t, 1, "registry.*/acme/app *acme.com/acme/app *.io/acme/app *.*.io/acme/app", nil)),
			[]string{"1:10 wide-allow-unsigned registry.*/acme/app lets images of registries that anybody may open", "1:11 wide-", "1:12 wide-", "1:13 wide-"}},
		{"not wide", rules(unsignedFor(t, 1, "*.acme.com/team/** docker.io/library/* docker.io/a*/** **@"+digestA, nil)), nil},
		{"wide and signed", rules(ruleFor(t, 1, own, "** docker.io/** registry.*/a")), nil},

		{"wide exception", exempt(exceptionFor(t, 1, "alpine ghcr.io/**", "2027-06-01", "a")), []string{"1:11 wide-exception ghcr.io/** lets the images of all of ghcr.io through unverified"}},
		{"expired", exempt(exceptionFor(t, 1, "alpine", "2027-01-14", "platform")), []string{"1:5 expired-exception the exception of platform ended with 2027-01-14"}},
		{"last day", exempt(exceptionFor(t, 1, "alpine", "2027-01-15", "platform")), []string{"1:5 expiring-exception the exception of platform ends with 2027-01-15"}},
		{"13 days", exempt(exceptionFor(t, 1, "alpine", "2027-01-28", "platform")), []string{"1:5 expiring-exception"}},
		{"14 days", exempt(exceptionFor(t, 1, "alpine", "2027-01-29", "platform")), nil},
		{"366 days", exempt(exceptionFor(t, 1, "alpine", "2028-01-16", "platform")), nil},
		{"367 days", exempt(exceptionFor(t, 1, "alpine", "2028-01-17", "platform")), []string{"1:5 open-ended-exception the exception of platform ends with 2028-01-17"}},

		{"forms", rules(with(ruleFor(t, 1, own, "alpine"), doubtful(4, "any-ref"), requirement{anyOf: []requirement{doubtful(3, "any-workflow"), {allOf: []requirement{doubtful(2, "http-key")}}}})),
			[]string{"2:5 http-key anybody", "3:5 any-workflow anybody", "4:5 any-ref anybody"}},
		{"forms of a publisher", rules(with(ruleFor(t, 1, pub, "alpine"), doubtful(2, "any-ref"))), nil},
		{"patterns of a publisher", rules(ruleFor(t, 1, pub, "alpine alpine busybox !busybox")), nil},
		{"forms of a base", rules(with(ruleFor(t, 1, base, "alpine"), doubtful(2, "any-ref"))), []string{"2:5 any-ref"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 { // in both orders
				var got []string
				for _, d := range tt.policy.Lint(today) {
					got = append(got, fmt.Sprintf("%d:%d %s %s; %s", d.At.Line, d.At.Col, d.Lint, d.Err, d.Next))
				}
				if !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
					t.Errorf("got  %q\nwant %q", got, tt.want)
				}
				slices.Reverse(tt.policy.rules)
			}
		})
	}
}

// Every lint is told of, and each of our own has a next step.
func TestLints(t *testing.T) {
	no := false
	p := &Policy{
		rules: []rule{
			unsignedFor(t, 1, "** ** ghcr.io/a !ghcr.io/a quay.io/y:3", nil), unsignedFor(t, 3, "busybox localhost", &no),
			ruleFor(t, 5, own, "ghcr.io/**/* !quay.io/x"), ruleFor(t, 6, own, "ghcr.io/*/** docker.io/**"), ruleFor(t, 9, base, "docker.io/**"),
		},
		exceptions: []exception{
			exceptionFor(t, 21, "**", "2027-01-01", "a"), exceptionFor(t, 22, "alpine", "2027-01-20", "a"), exceptionFor(t, 23, "alpine", "2037-01-20", "a"),
		},
	}
	seen := map[string]bool{}
	for _, d := range p.Lint(today) {
		seen[d.Lint] = true
		if d.Next == "" || d.At.Line == 0 {
			t.Errorf("%s: %+v", d.Lint, d)
		}
	}
	for _, l := range Lints() {
		if !seen[l.Name] {
			t.Errorf("%s: not in the example", l.Name)
		}
		delete(seen, l.Name)
		if !strings.HasSuffix(l.Doc, ".") || strings.Count(l.Doc, ". ") > 0 {
			t.Errorf("%s: %q is not one sentence", l.Name, l.Doc)
		}
	}
	for name := range seen {
		t.Errorf("%s is not among Lints", name)
	}
}

// Neither a day too early nor too late.
func TestLintMidnight(t *testing.T) {
	p := &Policy{exceptions: []exception{exceptionFor(t, 1, "alpine", "2027-01-28", "a")}}
	midnight := today.Truncate(24 * time.Hour)
	if d := p.Lint(midnight); len(d) > 0 { // 14 days are left
		t.Error(d)
	}
	if d := p.Lint(midnight.Add(1)); len(d) != 1 || d[0].Lint != lintExpiring {
		t.Error(d)
	}
	p.exceptions = []exception{exceptionFor(t, 1, "alpine", "2028-01-16", "a")}
	if d := p.Lint(midnight); len(d) > 0 { // it is 366 days away
		t.Error(d)
	}
}

// Policies that would take hours to look into are not looked into further.
func TestLintBound(t *testing.T) {
	if raced {
		t.Skip("much data: looked at without the race detector")
	}
	p := &Policy{}
	var stars, not []string
	for i := range 400 {
		stars = append(stars, fmt.Sprintf("ghcr.io/%s%03d", strings.Repeat("*a", 31), i))
		not = append(not, fmt.Sprintf("!ghcr.io/%s%03db", strings.Repeat("*a", 31), i))
	}
	for i := range 50 {
		p.rules = append(p.rules, rule{at: at(i + 1), origin: base, images: patterns(t, i+1, slices.Concat(stars, not)...)})
	}
	l := len(p.Lint(today))
	p.rules = p.rules[:1]
	if one := len(p.Lint(today)); one != 0 || l != 0 { // too much already, or nothing to tell
		t.Error(one, l)
	}
}

// What covers says is held against what matches: it may overlook, never invent.
func TestCovers(t *testing.T) {
	var all []Pattern
	for _, line := range ladder {
		for _, text := range strings.Fields(line) {
			all = append(all, patterns(t, 1, text).match[0])
		}
	}
	covered := 0
	for _, q := range all {
		if !q.covers(q) {
			t.Errorf("%s does not cover itself", q)
		}
		for _, p := range all {
			covers := q.covers(p)
			if covers {
				covered++
				if !q.meets(p) {
					t.Errorf("%s covers %s and does not meet it", q, p)
				}
			}
			for _, text := range sampleRefs {
				r := ref(t, text)
				if p.Match(r) && covers && !q.Match(r) {
					t.Errorf("%s covers %s, but does not match %s", q, p, text)
				}
				if p.Match(r) && q.Match(r) && !q.meets(p) {
					t.Errorf("%s and %s have %s in common", q, p, text)
				}
			}
		}
	}
	if covered < 300 {
		t.Error("few are covered:", covered)
	}
}

var sampleRefs = []string{
	"alpine", "alpine:v1", "alpine:latest", "alpine@" + digestA, "alpine@" + digestB, "busybox", "acme/app", "acme/app:v1",
	"ghcr.io/acme", "ghcr.io/acme/app", "ghcr.io/acme/app:v", "ghcr.io/acme/app:v1", "ghcr.io/acme/app:v1.", "ghcr.io/acme/app:v1.2@" + digestA, "ghcr.io/acme/app@" + digestB,
	"ghcr.io/acme/app-1", "ghcr.io/acme/app/x", "ghcr.io/acme/app/x/y", "ghcr.io/beta/app", "ghcr.io/abba/x", "ghcr.io/app", "ghcr.io/a/b/app",
	"eu.gcr.io/acme/app", "eu.gcr.io/x", "quay.io/a/b/c", "localhost:5000/app", "example.io/x",
}
