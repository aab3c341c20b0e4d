package handover_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/sourcepolicy"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"google.golang.org/protobuf/proto"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/handover"
	"github.com/boltseal/boltseal/internal/golden"
)

// policyOf returns the one file of a source policy.
func policyOf(t testing.TB, name string, s handover.Set) handover.File {
	t.Helper()
	files, err := form(t, name).Files(s, handover.Options{})
	if err != nil || len(files) != 1 || files[0].Suffix != "" {
		t.Fatalf("%s: %d files, %v", name, len(files), err)
	}
	return files[0]
}

// A builder evaluates sources with BuildKit's own engine.
type builder struct {
	policy *spb.Policy
	engine *sourcepolicy.Engine
}

// buildkit returns the builder that reads the file as buildx and buildctl do.
func buildkit(policy []byte) (b builder, err error) {
	b.policy = &spb.Policy{}
	err = json.Unmarshal(policy, b.policy)
	b.engine = sourcepolicy.NewEngine([]*spb.Policy{b.policy})
	return b, err
}

// evaluate returns what becomes of the source, and whether it is refused by the
// rules; err is set where there is another cause.
func (b builder) evaluate(t testing.TB, source string) (becomes string, denied bool, err error) {
	defer func() {
		if r := recover(); r != nil { // a selector that is missing ends buildkitd
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	op := &pb.SourceOp{Identifier: source}
	_, err = b.engine.Evaluate(t.Context(), op)
	if errors.Is(err, sourcepolicy.ErrSourceDenied) {
		return op.Identifier, true, nil
	}
	return op.Identifier, false, err
}

// sourcePolicies are the two forms of the source policy.
func sourcePolicies() []string { return []string{"source-policy", "source-policy-strict"} }

func TestSourcePolicyGolden(t *testing.T) {
	t.Parallel()
	some := set(t,
		given{"alpine:3.22", digest("a"), nil},
		given{"alpine", digest("a"), nil},
		given{"alpine:edge", digest("b"), &until},
		given{"ghcr.io/acme/app@" + digest("c"), digest("c"), nil},
		given{"ghcr.io/acme/app:v1@" + digest("c"), digest("c"), &unsigned},
		given{"localhost:5000/team/sub/base:1", digest("d"), nil},
	)
	for _, name := range sourcePolicies() {
		for kind, s := range map[string]handover.Set{"empty": {}, "some": some} {
			f := policyOf(t, name, s)
			golden.Equal(t, "testdata/"+name+"-"+kind+".json", string(f.Body))
			if err := f.Check(f.Body); err != nil {
				t.Errorf("%s, %s: %v", name, kind, err)
			}
		}
	}
}

// What the real engine makes of a policy, spelling by spelling.
func TestSourcePolicy(t *testing.T) {
	t.Parallel()
	const image = "docker-image://"
	a, b, c := digest("a"), digest("b"), digest("c")
	s := set(t,
		given{"alpine:3.22", a, nil},
		given{"alpine:edge", b, &until},
		given{"ghcr.io/acme/app:v1@" + c, c, nil},
		given{"127.0.0.1:5000/x/y:1", a, nil},
		given{"GHCR.IO/acme/up:1", a, nil},
	)
	for _, tc := range []struct{ source, images, strict string }{
		{image + "docker.io/library/alpine:3.22", "@" + a, "@" + a},
		{image + "docker.io/library/alpine:edge", "@" + b, "@" + b},
		{image + "docker.io/library/alpine:3.22@" + a, "same", "same"},
		{image + "docker.io/library/alpine@" + a, "same", "same"},
		{image + "docker.io/library/alpine:other@" + b, "same", "same"},
		{image + "ghcr.io/acme/app:v1@" + c, "same", "same"},
		{image + "ghcr.io/acme/app:v2@" + c, "same", "same"},
		{image + "127.0.0.1:5000/x/y:1", "@" + a, "@" + a},
		{image + "GHCR.IO/acme/up:1", "@" + a, "@" + a},
		{"local://context", "same", "same"},
		{"git://github.com/acme/app.git#main", "same", "denied"},
		{"https://example.com/x", "same", "denied"},
		{"http://example.com/x", "same", "denied"},

		{image + "docker.io/library/alpine:latest", "denied", "denied"},
		{image + "docker.io/library/alpine@" + c, "denied", "denied"},
		{image + "docker.io/library/alpine:3.22@" + c, "denied", "denied"},
		{image + "docker.io/library/alpine:3.220", "denied", "denied"},
		{image + "docker.io/library/alpine2:3.22", "denied", "denied"},
		{image + "docker.io/library/alpine/x:3.22", "denied", "denied"},
		{image + "dockerxio/library/alpine@" + a, "denied", "denied"},
		{image + "index.docker.io/library/alpine:3.22", "denied", "denied"},
		{image + "registry-1.docker.io/library/alpine@" + a, "denied", "denied"},
		{image + "localhost:5000/x/y:1", "denied", "denied"},
		{image + "localhost:5000/x/y@" + a, "denied", "denied"},
		{image + "127.0.0.1:5000/x:1", "denied", "denied"},
		{image + "ghcr.io/acme/app:v1", "denied", "denied"}, // nobody looked at the tag
		{image + "ghcr.io/acme/up:1", "denied", "denied"},
		{image + "evil.example/x@" + a, "denied", "denied"},
		{image + "evil.example/" + image + "docker.io/library/alpine@" + a, "denied", "denied"},
		{image + "docker.io/library/alpine@" + a + "@" + c, "denied", "denied"},
		{image + "docker.io/library/alpine:x@" + c + "@" + a, "denied", "denied"},
		// BuildKit decodes %0a of a name and of a git URL before it asks.
		{image + "evil.example/x:\n@" + c, "denied", "denied"},
		{image + "evil.example/x\n:1", "denied", "denied"},
		{"git://evil.example/x\n.git", "same", "denied"},
		{"docker-image+blob://docker.io/library/alpine@" + a, "denied", "denied"},
		{"oci-layout://docker.io/library/alpine@" + a, "denied", "denied"},
		{"oci-layout://docker.io/library/alpine:3.22@" + a, "denied", "denied"},
		{"oci-layout+blob://docker.io/library/alpine@" + a, "denied", "denied"},
		{"DOCKER-IMAGE://docker.io/library/alpine:3.22", "denied", "denied"},
		{" " + image + "docker.io/library/alpine:3.22", "denied", "denied"},
		{"new-kind-of-image://docker.io/library/alpine:3.22", "denied", "denied"},
		{"docker.io/library/alpine:3.22", "denied", "denied"},
		{"", "denied", "denied"},
	} {
		for name, full := range map[string]string{sourcePolicies()[0]: tc.images, sourcePolicies()[1]: tc.strict} {
			for kind, s := range map[string]handover.Set{"admitted": s, "empty": {}} {
				want := full
				b, err := buildkit(policyOf(t, name, s).Body)
				if err != nil {
					t.Fatal(err)
				}
				if kind == "empty" && strings.HasPrefix(tc.source, image) {
					want = "denied"
				}
				becomes, denied, err := b.evaluate(t, tc.source)
				if err != nil {
					t.Fatal(err)
				}
				got := becomes
				switch rest, longer := strings.CutPrefix(becomes, tc.source); {
				case denied:
					got = "denied"
				case becomes == tc.source:
					got = "same"
				case longer:
					got = rest
				}
				if got != want {
					t.Errorf("%s, %s: %q: %s, want %s", name, kind, tc.source, got, want)
				}
			}
		}
	}
}

// Each of these files does something else than was meant, and would not stop
// the build.
func TestSourcePolicyCheck(t *testing.T) {
	t.Parallel()
	a, b := digest("a"), digest("b")
	const (
		everything = `{"action":"DENY","selector":{"identifier":"^","match_type":"REGEX"}}`
		others     = `{"action":"ALLOW","selector":{"identifier":"^(git|https?|local)://","match_type":"REGEX"}}`
	)
	allowed := `^docker-image://docker\\.io/library/app(:[\\w.-]+)?@` + a + `$`
	f := policyOf(t, "source-policy", set(t, given{"app:1", a, nil}, given{"app:2", a, &until}))
	swap := func(old, by string) string {
		if n := strings.Count(string(f.Body), old); n != 1 {
			t.Fatalf("%q is there %d times", old, n)
		}
		return strings.Replace(string(f.Body), old, by, 1)
	}
	last := func(rule string) string {
		return swap("\n  ]", ",\n    "+rule+"\n  ]")
	}
	for _, tc := range []struct{ name, body, want string }{
		{"as it is", string(f.Body), ""},
		{"another layout", strings.ReplaceAll(strings.ReplaceAll(string(f.Body), "\n", ""), " \"", "\""), "and something else"},
		{"nothing", "", "unexpected end"},
		{"only space", "\n", "unexpected end"},
		{"empty object", "{}", "its version is 0, not 1"},
		{"null", "null", "its version is 0, not 1"},
		{"list", "[]", "cannot unmarshal array"},
		{"no rules", `{"version":1}`, "0 rules, not 5"},
		{"empty rules", `{"version":1,"rules":[]}`, "0 rules, not 5"},
		{"rules are null", `{"version":1,"rules":null}`, "0 rules, not 5"},
		{"a rule is null", swap(others, "null"), "rule 2 is null"},
		{"truncated", string(f.Body[:len(f.Body)-3]), "unexpected end"},
		{"truncated in the middle", string(f.Body[:len(f.Body)/2]), "unexpected end"},
		{"trailing data", string(f.Body) + "{}", "invalid character '{' after"},
		{"trailing zeros", string(f.Body) + "\x00\x00", "invalid character"},
		{"a byte order mark", "\ufeff" + string(f.Body), "invalid character"},
		{"no version", swap("\"version\": 1,", ""), "its version is 0, not 1"},
		{"another version", swap(`"version": 1`, `"version": 2`), "its version is 2, not 1"},
		{"no action", swap(`"action":"DENY",`, ""), `rule 1 is {"action":"ALLOW"`},
		{"action null", swap(`"DENY"`, `null`), `rule 1 is {"action":"ALLOW"`},
		{"another action", swap(`"DENY"`, `"ALLOW"`), `rule 1 is {"action":"ALLOW"`},
		{"an unknown action", swap(`"DENY"`, `"REFUSE"`), `"REFUSE" is none of [ALLOW DENY CONVERT]`},
		{"an action in small letters", swap(`"DENY"`, `"deny"`), `"deny" is none of`},
		{"an action by a number that is none", swap(`"DENY"`, `3`), `3 is none of`},
		{"matchType", swap(`"^","match_type"`, `"^","matchType"`), `rule 1 is {"action":"DENY","selector":{"identifier":"^","match_type":"WILDCARD"}}`},
		{"match-type", swap(`"^","match_type"`, `"^","match-type"`), `rule 1 is {"action":"DENY","selector":{"identifier":"^","match_type":"WILDCARD"}}`},
		{"Match_Type", swap(`"^","match_type"`, `"^","Match_Type"`), "and something else"},
		{"no match type", swap(`"^","match_type":"REGEX"`, `"^"`), `rule 1 is {"action":"DENY","selector":{"identifier":"^","match_type":"WILDCARD"}}`},
		{"an unknown match type", swap(`"^","match_type":"REGEX"`, `"^","match_type":"REGEXP"`), `"REGEXP" is none of`},
		{"no DENY", swap(everything+",", ""), "4 rules, not 5"},
		{"DENY twice instead", swap(others, everything), `rule 2 is {"action":"DENY"`},
		{"DENY last", strings.Replace(last(everything), everything+",", "", 1), `rule 1 is {"action":"ALLOW"`},
		{"DENY of less", swap(`"^",`, `"^docker-image://",`), `rule 1 is {"action":"DENY","selector":{"identifier":"^docker-image://"`},
		{"DENY of one line", swap(`"^","match_type":"REGEX"`, `"*","match_type":"WILDCARD"`), `rule 1 is {"action":"DENY","selector":{"identifier":"*"`},
		{"DENY no selector", swap(`,"selector":{"identifier":"^","match_type":"REGEX"}`, ""), "rule 1 is"},
		{"another ALLOW", last(`{"action":"ALLOW","selector":{"identifier":"docker-image://evil.example/x:1","match_type":"EXACT"}}`), "6 rules, not 5"},
		{"an ALLOW of everything", last(`{"action":"ALLOW","selector":{"identifier":"*"}}`), "6 rules, not 5"},
		{"a rule of nothing", last(`{}`), "6 rules, not 5"},
		{"others without an anchor", swap(`"^(git|`, `"(git|`), "rule 2 is"},
		{"others with images", swap(`^(git|https?|local)`, `^(git|https?|local|docker-image)`), "rule 2 is"},
		{"regexp without a start", swap(allowed, allowed[1:]), "rule 5 is"},
		{"regexp without an end", swap(allowed, allowed[:len(allowed)-1]), "rule 5 is"},
		{"a dot that is any character", swap(allowed, strings.Replace(allowed, `\\.`, ".", 1)), "rule 5 is"},
		{"any tag at all", swap(allowed, strings.Replace(allowed, `[\\w.-]+`, `[^@]+`, 1)), "rule 5 is"},
		{"another digest", swap(allowed, strings.Replace(allowed, a, b, 1)), "rule 5 is"},
		{"a tag to another digest", swap(`/app:2@`+a, `/app:2@`+b), "rule 4 is"},
		{"a tag to another image", swap(`"docker-image://docker.io/library/app:2@`, `"docker-image://evil.example/app:2@`), "rule 4 is"},
		{"a tag to itself", swap(`/app:2@`+a, `/app:2`), "rule 4 is"},
		{"any tag to a digest", swap(`"docker-image://docker.io/library/app:2"`, `"docker-image://docker.io/library/app:*"`), "rule 4 is"},
		{"updates where there are none", swap(`"DENY"`, `"DENY","updates":{}`), "rule 1 is"},
		{"no updates", swap(`,"updates":{"identifier":"docker-image://docker.io/library/app:2@`+a+`"}`, ""), "rule 4 is"},
		{"attributes", swap(`/app:2@`+a+`"`, `/app:2@`+a+`","attrs":{"image.checksum":"`+b+`"}`), `rule 4 is`},
		{"constraints", swap(`"^","match_type":"REGEX"`, `"^","match_type":"REGEX","constraints":[{"key":"k","value":"v"}]`), "rule 1 is"},
		{"constraint of nothing", swap(`"^","match_type":"REGEX"`, `"^","match_type":"REGEX","constraints":[null]`), "rule 1 is"},
		{"the mark is gone", swap(`"comment":"exempt until 2027-01-31, not verified",`, ""), "rule 5 is"},
		{"another mark", swap(`exempt until 2027-01-31, not verified`, "verified"), "rule 5 is"},
		{"rules twice", swap("\n  ]", "\n  ], \"rules\": []"), "0 rules, not 5"},
		{"Rules besides", swap("\n  ]", "\n  ], \"Rules\": []"), "0 rules, not 5"},
		{"ruleſ besides", swap("\n  ]", "\n  ], \"rule\u017f\": []"), "0 rules, not 5"},
		{"version twice", swap(`"version": 1`, `"version": 2, "version": 1`), "and something else"},
		{"action twice", swap(`"action":"DENY"`, `"action":"DENY","action":"ALLOW"`), `rule 1 is {"action":"ALLOW"`},
		{"Action besides", swap(`"action":"DENY"`, `"action":"DENY","Action":"ALLOW"`), `rule 1 is {"action":"ALLOW"`},
		{"identifier twice", swap(`"identifier":"^"`, `"identifier":"^","identifier":"x"`), `rule 1 is {"action":"DENY","selector":{"identifier":"x"`},
		{"an unknown key", swap(`"version": 1`, `"version": 1, "default": "ALLOW"`), "and something else"},
		{"a long escape", swap(`"DENY"`, `"\u0044ENY"`), "and something else"},
		{"more space", string(f.Body) + "\n", "and something else"},
		{"action twice, the other way around", swap(`"action":"DENY"`, `"action":"ALLOW","action":"DENY"`), "and something else"},
	} {
		err := f.Check([]byte(tc.body))
		if tc.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tc.name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	for n := range f.Body {
		if err := f.Check(f.Body[:n]); err == nil {
			t.Errorf("truncated after %d bytes: no error", n)
		}
	}
	for _, name := range sourcePolicies() { // another run's is none of this run's
		if err := policyOf(t, name, handover.Set{}).Check(f.Body); err == nil || !strings.Contains(err.Error(), "5 rules, not 2") {
			t.Errorf("%s: another run's: %v", name, err)
		}
	}
	if err := f.Check(policyOf(t, "source-policy-strict", set(t, given{"app:1", a, nil}, given{"app:2", a, &until})).Body); err == nil || !strings.Contains(err.Error(), "rule 2 is") {
		t.Errorf("the other form: %v", err)
	}
}

// A policy that was written wrongly, and read back as it was written, does
// something that its images do not explain.
func TestSourcePolicyProve(t *testing.T) {
	t.Parallel()
	a, b := digest("a"), digest("b")
	s := set(t, given{"app:1", a, nil}, given{"ghcr.io/acme/up:2@" + b, b, &until})
	for strict, name := range sourcePolicies() {
		body := string(policyOf(t, name, s).Body)
		if err := handover.Prove([]byte(body), s, strict == 1); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		deny, app := `{"action":"DENY","selector":{"identifier":"^","match_type":"REGEX"}}`, `^docker-image://docker\\.io/library/app(:[\\w.-]+)?@`+a+`$`
		convert := `"docker-image://docker.io/library/app:1"`
		for _, tc := range []struct{ name, old, by, want string }{
			{"allowed first", `"DENY"`, `"ALLOW"`, `allows "docker-image://_/_:_", which is not admitted`},
			{"of one line", `"^","match_type":"REGEX"`, `"*","match_type":"WILDCARD"`, "which is not admitted"},
			{"of one scheme", `"identifier":"^",`, `"identifier":"^docker-image://",`, `allows "oci-layout://_/_:_", which is not admitted`},
			{"of another match type", `"^","match_type":"REGEX"`, `"^"`, "which is not admitted"},
			{"denied last", "\n  ]", ",\n" + deny + "]", `denies "local://context", which is admitted`},
			{"all are allowed", "\n  ]", `,{"action":"ALLOW","selector":{"identifier":"docker-image://*"}}]`, "which is not admitted"},
			{"all of the registry", "\n  ]", `,{"action":"ALLOW","selector":{"identifier":"docker-image://docker.io/*"}}]`, "which is not admitted"},
			{"layouts are allowed", "\n  ]", `,{"action":"ALLOW","selector":{"identifier":"oci-layout://*"}}]`, `allows "oci-layout:`},
			{"blobs are allowed", "\n  ]", `,{"action":"ALLOW","selector":{"identifier":"docker-image+blob://*"}}]`, `allows "docker-image+blob:`},
			{"other kinds are", "\n  ]", `,{"action":"ALLOW","selector":{"identifier":"image://*"}}]`, `allows "image:`},
			{"no start", app, app[1:], "which is not admitted"},
			{"no end", app, app[:len(app)-1], "which is not admitted"},
			{"a dot that is any character", app, strings.Replace(app, `\\.`, ".", 1), "which is not admitted"},
			{"tags of any character", app, strings.Replace(app, `[\\w.-]`, `.`, 1), "which is not admitted"},
			{"tags of any letter but @", app, strings.Replace(app, `[\\w.-]`, `[^@]`, 1), "which is not admitted"},
			{"tags with a slash", app, strings.Replace(app, `[\\w.-]`, `[\\w./-]`, 1), "which is not admitted"},
			{"small tags only", app, strings.Replace(app, `[\\w.-]`, `[a-z0-9]`, 1), "which is admitted"},
			{"a scheme twice", app, strings.Replace(app, `docker-image://`, `(docker-image://)+`, 1), "which is not admitted"},
			{"any tag of any digest", app, strings.Replace(app, a, "sha256:.*", 1), "which is not admitted"},
			{"the repositories below", app, strings.Replace(app, "/app(", "/app(/.*)?(", 1), "which is not admitted"},
			{"without a tag only", app, strings.Replace(app, `(:[\\w.-]+)?`, "", 1), "which is admitted"},
			{"with a tag only", app, strings.Replace(app, `)?@`, `)@`, 1), "which is admitted"},
			{"another digest", app, strings.Replace(app, a, b, 1), "which is admitted"},
			{"no regexp", app, "(", "cannot be evaluated"},
			{"no conversion", convert, `"x"`, "which is admitted"},
			{"a conversion of all tags", convert, `"docker-image://docker.io/library/app:*"`, "which is admitted"},
			{"to itself", `"` + "docker-image://docker.io/library/app:1@" + a + `"`, convert, "which is admitted"},
			{"to another spelling", `app:1@` + a, `app@` + a, `makes "docker-image://docker.io/library/app@` + a + `" of`},
			{"to attributes", `app:1@` + a + `"`, `app:1@` + a + `","attrs":{"image.checksum":"` + b + `"}`, "a rule sets attributes"},
			{"constraints", `"^","match_type":"REGEX"`, `"^","match_type":"REGEX","constraints":[null]`, "a rule has constraints"},
			{"a tag that nobody looked at", "\n  ]", `,{"action":"CONVERT","selector":{"identifier":"docker-image://ghcr.io/acme/up:2"},"updates":{"identifier":"docker-image://ghcr.io/acme/up:2@` + b + `"}}]`, `"docker-image://ghcr.io/acme/up:2", which is not admitted`},
		} {
			if strings.Count(body, tc.old) != 1 {
				t.Fatalf("%s, %s: %q is there %d times", name, tc.name, tc.old, strings.Count(body, tc.old))
			}
			broken := strings.Replace(body, tc.old, tc.by, 1)
			if err := handover.Prove([]byte(broken), s, strict == 1); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s, %s: %v, want %q", name, tc.name, err, tc.want)
			}
		}
		if err := handover.Prove([]byte(body), s, strict == 0); err == nil || !strings.Contains(err.Error(), "git://") {
			t.Errorf("%s for the other form: %v", name, err)
		}
		if err := handover.Prove([]byte(`{"version":1,"rules":[]}`), handover.Set{}, strict == 1); err == nil || !strings.Contains(err.Error(), "which is not admitted") {
			t.Errorf("%s without rules: %v", name, err)
		}
	}
}

// A message to BuildKit has 16 MiB; the rules are shorter in it than in the file.
func TestSourcePolicyTooMuch(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("many images: looked at without the race detector")
	}
	long := strings.Repeat("a", 200)
	var images []given
	for i := range 16_000 {
		images = append(images, given{fmt.Sprintf("registry.example/%s/%d:%s", long, i, long[:100]), digest("a"), nil})
	}
	all := admitted(t, images...)
	for _, name := range sourcePolicies() {
		few, err := handover.New(all[:8_000])
		if err != nil {
			t.Fatal(err)
		}
		f := policyOf(t, name, few)
		b, err := buildkit(f.Body)
		if err != nil {
			t.Fatal(err)
		}
		if size := proto.Size(b.policy); len(f.Body) < 8<<20 || size >= len(f.Body) {
			t.Errorf("%s: a file of %d bytes has %d in a message", name, len(f.Body), size)
		}
		s, err := handover.New(all)
		if err != nil {
			t.Fatal(err)
		}
		_, err = form(t, name).Files(s, handover.Options{})
		if want := "16000 images are more than BuildKit takes in one source policy, which is 16 MiB: verify what is built together"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
}

// Who may use an image that nobody has verified says so of it, in UTC, also where
// it is the first rule of its kind.
func TestSourcePolicyMark(t *testing.T) {
	t.Parallel()
	west := time.FixedZone("", -5*60*60)
	a := digest("a")
	for _, tc := range []struct {
		exempt gate.Exemption
		want   string
		lock   string // what images-lock has for it
	}{
		{until, "exempt until 2027-01-31", `"until": "2027-02-01T00:00:00Z"`},
		{unsigned, "exempt, unsigned by its publisher", `"exempt": {`},
		{gate.Exemption{Until: time.Date(2027, 1, 31, 19, 0, 0, 0, west), Owner: "x", Reason: "x"}, "exempt until 2027-01-31", `"until": "2027-02-01T00:00:00Z"`},
		{gate.Exemption{Until: time.Date(2027, 1, 31, 20, 30, 0, 0, west), Owner: "x", Reason: "x"}, "exempt until 2027-02-01T01:30:00Z", `"until": "2027-02-01T01:30:00Z"`},
	} {
		for _, ref := range []string{"app@" + a, "app:1@" + a, "app:1"} {
			s := set(t, given{ref, a, &tc.exempt})
			for _, name := range sourcePolicies() {
				f := policyOf(t, name, s)
				if got := strings.Count(string(f.Body), `"comment":"`+tc.want+`, not verified"`); got != 1 {
					t.Errorf("%s, %s, until %s: %d comments %q\n%s", name, ref, tc.exempt.Until, got, tc.want, f.Body)
				}
				if err := f.Check(f.Body); err != nil {
					t.Errorf("%s, %s: %v", name, ref, err)
				}
			}
			for name, want := range map[string]string{"rego": `"` + tc.want + `, not verified"`, "pinned": "# " + tc.want + ": not verified\n", "images-lock": tc.lock} {
				all := files(t, name, s, handover.Options{})
				if body := string(all[len(all)-1].Body); !strings.Contains(body, want) {
					t.Errorf("%s, %s: no %q in\n%s", name, ref, want, body)
				}
			}
		}
	}
}
