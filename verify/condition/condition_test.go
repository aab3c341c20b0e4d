package condition_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/verify/condition"
)

const slsa = `{
  "buildDefinition": {
    "buildType": "https://actions.github.io/buildtypes/workflow/v1",
    "externalParameters": {"workflow": {"ref": "refs/tags/v1.2.3", "repository": "https://github.com/acme/app"}},
    "resolvedDependencies": [{"uri": "git+https://github.com/acme/app", "digest": {"gitCommit": "abc"}}]
  },
  "count": 1, "ratio": 0.5, "ok": true, "nothing": null
}`

func vars(predicate string) condition.Vars {
	return condition.Vars{
		Predicate: []byte(predicate), Signer: "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.2.3",
		Issuer: "https://token.actions.githubusercontent.com",
		Claims: map[string]string{"runner-environment": "github-hosted"},
		Image:  condition.Image{Name: "ghcr.io/acme/app", Tag: "v1.2.3", Digest: "sha256:00"},
	}
}

func TestEval(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		expr string
		want bool
		err  string // a part of it; "" for none
	}{
		{`true`, true, ""},
		{`predicate.buildDefinition.buildType == "https://actions.github.io/buildtypes/workflow/v1"`, true, ""},
		{`predicate.buildDefinition.buildType == "other"`, false, ""},
		{`predicate.buildDefinition.externalParameters.workflow.ref.startsWith("refs/tags/v")`, true, ""},
		{`predicate.buildDefinition.externalParameters.workflow.ref.endsWith("/" + image.tag)`, true, ""},
		{`predicate["buildDefinition"].resolvedDependencies.exists(d, d.uri == "git+https://github.com/acme/app")`, true, ""},
		{`predicate.buildDefinition.resolvedDependencies.all(d, d.digest.gitCommit.matches("^[0-9]+$"))`, false, ""},
		{`predicate.count == 1`, true, ""},
		{`predicate.count == 1.0`, true, ""},
		{`predicate.count < 2`, true, ""},
		{`predicate.count == "1"`, false, ""},
		{`predicate.ratio > 0.4 && predicate.ok == true && predicate.nothing == null`, true, ""},
		{`signer.contains("/acme/") && issuer.startsWith("https://") && image.name == "ghcr.io/acme/app" && image.digest == "sha256:00"`, true, ""},
		{`claims["runner-environment"] == "github-hosted"`, true, ""},
		{`"build-trigger" in claims`, false, ""},
		{`has(predicate.missing)`, false, ""},
		{`has(predicate.missing.deeper)`, false, "no such key"},

		// What cannot be answered is not true, however it is asked.
		{`predicate.missing == "x"`, false, "no such key"},
		{`predicate.missing != "x"`, false, "no such key"},
		{`claims["build-trigger"] != "push"`, false, "no such key"},
		{`predicate.count.startsWith("x")`, false, "no such overload"},
		{`!predicate.count`, false, "no such overload"},
		{`predicate.buildDefinition.resolvedDependencies[7].uri == ""`, false, "index out of bounds"},
		{`1 / 0 == 1`, false, "division by zero"},
	} {
		c, err := condition.Compile(tc.expr)
		if err != nil {
			t.Errorf("%s: %v", tc.expr, err)
			continue
		}
		got, err := c.Eval(t.Context(), vars(slsa))
		if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: %v, %v; want %v, %q", tc.expr, got, err, tc.want, tc.err)
		}
	}
}

func TestCompile(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		expr      string
		line, col int
		want      string
	}{
		{``, 1, 1, "empty"},
		{` `, 1, 1, "empty"},
		{strings.Repeat("x", condition.MaxText+1), 1, 1, "longer than 4096"},
		{`predicate`, 1, 1, "not true or false"},
		{`predicate.ok`, 1, 1, "compare it"},
		{`"true"`, 1, 1, "not true or false"},
		{`signer == 1`, 1, 8, "no matching overload"},
		{`predicat.x == 1`, 1, 1, "no variable predicat"},
		{"true &&\n  predicate.x ==", 2, 17, "ends too early"},
		{"true &&\n  singer == 'x'", 2, 3, "no variable singer"},
		{`predicate.x.format([1]) == ""`, 1, 19, "no function format"},
		{`signer.matches("(")`, 1, 1, ""},
		{strings.Repeat("!", 3000) + "true", 1, 1, ""},
		{strings.Repeat("(", 500) + "true" + strings.Repeat(")", 500), 1, 0, ""},
		{`[1,2].map(a, [1,2].map(b, 1))`, 1, 1, "not true or false"},
	} {
		_, err := condition.Compile(tc.expr)
		e := (*condition.Error)(nil)
		switch {
		case tc.want == "" && tc.col == 1: // found when it is evaluated
			if err != nil {
				t.Errorf("%.40s: %v", tc.expr, err)
			}
		case !errors.As(err, &e) || e.Line != tc.line || tc.col > 0 && e.Col != tc.col || !strings.Contains(err.Error(), tc.want):
			t.Errorf("%.40s: %v; want %d:%d %s", tc.expr, err, tc.line, tc.col, tc.want)
		}
	}
}

// What is wrong with an expression is said with what to write.
func TestCompileSays(t *testing.T) {
	t.Parallel()
	const all = "predicate, signer, issuer, claims, image"
	for _, tc := range []struct {
		expr       string
		line, col  int
		want, next string
	}{
		{`signer = "x"`, 1, 8, "there is no operator like this: equality is written ==", "write =="},
		{`signer === "x"`, 1, 10, "there is no operator like this: equality is written ==", "write =="},
		{`true & true`, 1, 6, "there is no operator like this: and is written &&", "write &&"},
		{`true | true`, 1, 6, "there is no operator like this: or is written ||", "write ||"},
		{`true and true`, 1, 6, "there is no operator and: and is written &&", "write &&"},
		{"true\n OR true", 2, 2, "there is no operator OR: or is written ||", "write ||"},
		{`not true`, 1, 5, "there is no operator not: not is written !", "write ! in front"},
		{`signer <> "x"`, 1, 9, "there is no operator <>: inequality is written !=", "write !="},
		{`signer == "x`, 1, 11, "nothing closes this quote", "close it"},
		{`signer == ‘x’`, 1, 11, "this quote is none of CEL", "write ' or \" in its place"},
		{`signer ~= "x"`, 1, 8, "this cannot be read here", ""},
		{`signer == `, 1, 11, "it ends too early", "write what is missing at its end"},
		{`foo == "x"`, 1, 1, "there is no variable foo", "write one of " + all},
		{`predicat.a == "x"`, 1, 1, "there is no variable predicat", "did you mean predicate?"},
		{`signer.startswith("x")`, 1, 18, "there is no function startswith", "did you mean startsWith?"},
		{`signer.beginsWith("x")`, 1, 18, "there is no function beginsWith", "the functions are startsWith, endsWith, contains, matches, size, has, exists, all, exists_one, filter, map"},
		{`image.nme == "x"`, 1, 1, `image has no field "nme", so that this could never be true`, "did you mean name?"},
		{`true || image["repository"] == "x"`, 1, 9, `image has no field "repository", so that this could never be true`, "write one of name, tag, digest"},
		{"true ||\n has(image.nme)", 2, 6, `image has no field "nme", so that this could never be true`, "did you mean name?"},
		{`[1].exists(x, image.nam == "")`, 1, 15, `image has no field "nam", so that this could never be true`, "did you mean name?"},
		{`[claims].exists(image, image.nme == "x")`, 0, 0, "", ""},
		{`image.all(k, image[k] != "")`, 0, 0, "", ""},
		{`image.name == image["digest"] || has(image.tag)`, 0, 0, "", ""},
	} {
		_, err := condition.Compile(tc.expr)
		e := (*condition.Error)(nil)
		if tc.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tc.expr, err)
			}
			continue
		}
		if !errors.As(err, &e) || e.Line != tc.line || e.Col != tc.col || e.Err.Error() != tc.want || condition.Next(err) != tc.next {
			t.Errorf("%s: %v; next %q", tc.expr, err, condition.Next(err))
		}
	}
	if condition.Next(errors.New("x")) != "" {
		t.Error("a next step of nothing")
	}
}

// Whoever signs the predicate cannot make a check last, or take all memory.
func TestBounds(t *testing.T) {
	t.Parallel()
	list := "[" + strings.TrimSuffix(strings.Repeat("1,", 20_000), ",") + "]"
	for name, tc := range map[string]struct {
		expr, predicate string
		large           bool
	}{
		"a loop in a loop":                   {`predicate.all(a, predicate.all(b, a == b))`, list, true},
		"many sums":                          {`predicate.map(a, predicate.map(b, string(a) + string(b))).size() == 1`, list, true},
		"a long expression":                  {`predicate.matches(predicate + predicate)`, `"` + strings.Repeat("a", 100_000) + `"`, true},
		"a short expression for a long text": {`predicate.matches("(a?){1000}b")`, `"` + strings.Repeat("a", 256<<10) + `"`, true},
		"the same, where an error would do":  {`predicate.matches("(a?){1000}b") || true`, `"` + strings.Repeat("a", 256<<10) + `"`, true},
		"a large program":                    {`"x".matches("[ab]{1000}[ab]{1000}[ab]{1000}[ab]{1000}[ab]{1000}[ab]{1000}[ab]{1000}")`, `1`, true},
		"a large program of the predicate's": {`"x".matches(predicate)`, `"` + strings.Repeat("[ab]{1000}", 300) + `"`, true},
		"an expression without an end":       {`"x".matches(predicate)`, `"` + strings.Repeat("a", 5000) + `"`, true},
		"large classes":                      {`"x".matches(predicate)`, `"` + strings.Repeat(`\\pL`, 800) + `"`, true},
		"many expressions":                   {`predicate.exists(x, predicate.exists(y, "b".matches(y)))`, `["[ab]{900}x"` + strings.Repeat(`,"[ab]{900}x"`, 100) + `]`, true},
		"many expressions that are none":     {`predicate.exists(x, predicate.exists(y, "b".matches(y)))`, `["("` + strings.Repeat(`,"("`, 1000) + `]`, true},
		"doubling":                           {`predicate` + strings.Repeat(`.map(a, a + a)`, 40) + `.size() == 1`, `["aaaaaaaaaa"]`, true},
		"searching a list":                   {`predicate.exists(x, !(x in predicate))`, list, true},
		"comparing texts":                    {`predicate.all(x, predicate.all(y, x <= y))`, `["` + strings.Repeat("a", 100_000) + `"` + strings.Repeat(`,"b"`, 1000) + `]`, true},
		"too many bytes":                     {`true`, `"` + strings.Repeat("a", condition.MaxPredicate) + `"`, true},
		"too many values":                    {`true`, "[" + strings.Repeat("1,", 1<<20) + "1]", true},
		"too deep":                           {`true`, strings.Repeat("[", 600) + strings.Repeat("]", 600), true},
		"a name twice":                       {`true`, `{"a":1,"b":{"c":1,"c":2}}`, false},
		"two documents":                      {`true`, `{} {}`, false},
		"half a document":                    {`true`, `{"a":`, false},
		"nothing":                            {`true`, ``, false},
	} {
		if raced && (len(tc.predicate) > 1<<20 || name == "a loop in a loop" || name == "many expressions that are none") {
			continue
		}
		c, err := condition.Compile(tc.expr)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		ok, err := c.Eval(t.Context(), vars(tc.predicate))
		if ok || err == nil || errors.Is(err, condition.ErrTooLarge) != tc.large {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
	if raced {
		return
	}
	sbom := `{"packages":[` + strings.TrimSuffix(strings.Repeat(`{"name":"a","license":"MIT"},`, 8000), ",") + `]}`
	if c, err := condition.Compile(`predicate.packages.all(p, p.name != "x" && p.license != "GPL")`); err != nil {
		t.Error(err)
	} else if ok, err := c.Eval(t.Context(), vars(sbom)); !ok || err != nil {
		t.Errorf("a large SBOM: %v, %v", ok, err)
	}
}

// The bounds leave room for what policies ask.
func TestMatches(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		expr, predicate string
		want            bool
		fails           string
	}{
		{`predicate.all(p, p.matches("^(pkg:[a-z]+/|cpe:).{3,64}$"))`, `["pkg:deb/abc"` + strings.Repeat(`,"pkg:golang/github.com/acme/app"`, 1000) + `]`, true, ""},
		{`matches(predicate, "b+$")`, `"` + strings.Repeat("a", 1<<19) + `b"`, true, ""},
		{`predicate.matches("^[0-9a-f]{40}$")`, `"` + strings.Repeat("0a", 20) + `"`, true, ""},
		{`predicate.matches("^[0-9a-f]{40}$")`, `"` + strings.Repeat("0a", 21) + `"`, false, ""},
		{`predicate.matches("b")`, `"abc"`, true, ""}, // any part, as everywhere in CEL
		{`predicate.matches("")`, `""`, true, ""},
		{`predicate.matches("a")`, `1`, false, "no such overload"},
		{`"a".matches(predicate)`, `1`, false, "no such overload"},
		{`"a".matches(predicate)`, `"("`, false, "missing closing )"},
		{`predicate.matches("(") || true`, `"a"`, true, ""},
	} {
		c, err := condition.Compile(tc.expr)
		if err != nil {
			t.Fatalf("%s: %v", tc.expr, err)
		}
		ok, err := c.Eval(t.Context(), vars(tc.predicate))
		if ok != tc.want || (err != nil) != (tc.fails != "") || err != nil && !strings.Contains(err.Error(), tc.fails) {
			t.Errorf("%s: %v, %v", tc.expr, ok, err)
		}
	}
}

// An ending is a context that ends when it was asked a few times.
type ending struct {
	context.Context
	asked, after int
}

func (e *ending) Err() error {
	if e.asked++; e.asked > e.after {
		return context.Canceled
	}
	return nil
}

// A large predicate is not read to its end when the run ends.
func TestEndOfReading(t *testing.T) {
	t.Parallel()
	c, err := condition.Compile(`true`)
	if err != nil {
		t.Fatal(err)
	}
	ctx := &ending{Context: t.Context(), after: 3}
	body := "[" + strings.Repeat("1,", 10_000) + "}" // no JSON: who reads on says that
	if ok, err := c.Eval(ctx, vars(body)); ok || err != nil && strings.Contains(err.Error(), "invalid character") || ctx.asked > 6 {
		t.Errorf("%v, %v, asked %d times", ok, err, ctx.asked)
	}
}

// A run that has ended is not told that something is true.
func TestEnd(t *testing.T) {
	t.Parallel()
	c, err := condition.Compile(`true`)
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("the run has ended")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if ok, err := c.Eval(ctx, vars(`{}`)); ok || !errors.Is(err, cause) {
		t.Errorf("%v, %v", ok, err)
	}
}

// No text makes Compile or Eval panic or last, and none is true with an error.
func FuzzCondition(f *testing.F) {
	for _, expr := range []string{`predicate.count == 1`, `predicate.all(a, a > 0)`, `signer.matches("a+")`, `[1].map(x, x)[0] == 1`, `has(predicate.a.b)`} {
		f.Add(expr, slsa)
	}
	f.Fuzz(func(t *testing.T, expr, predicate string) {
		began := time.Now()
		c, err := condition.Compile(expr)
		if err != nil {
			return
		}
		if ok, err := c.Eval(t.Context(), vars(predicate)); ok && err != nil {
			t.Fatal("true with an error")
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Fatalf("took %s", took)
		}
	})
}
