package bake_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/boltseal/boltseal/scan"
)

// hostile are files of up to a megabyte that are made to take long, much or
// deep. Each is an attribute of the target that is built, unless it says more.
func hostile() map[string]string {
	size := 1 << 20
	if testing.Short() {
		size = 1 << 16
	}
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	target := func(expr string) string { return "target \"default\" {\n  args = { X = " + expr + " }\n}\n" }
	functions := func(n int, body string) string {
		var b strings.Builder
		fmt.Fprintf(&b, "function \"f0\" {\n  params = [s]\n  result = s\n}\n")
		for i := 1; i <= n; i++ {
			fmt.Fprintf(&b, "function \"f%d\" {\n  params = [s]\n  result = %s\n}\n", i, strings.ReplaceAll(body, "f(", fmt.Sprintf("f%d(", i-1)))
		}
		return b.String() + target(fmt.Sprintf(`f%d("x")`, n))
	}
	variables := func(n int, first, body string) string {
		var b strings.Builder
		fmt.Fprintf(&b, "v0 = %s\n", first)
		for i := 1; i <= n; i++ {
			fmt.Fprintf(&b, "v%d = %s\n", i, strings.ReplaceAll(body, "v", fmt.Sprintf("v%d", i-1)))
		}
		return b.String() + target(fmt.Sprintf("v%d", n))
	}
	json := func(value string) string { return `{"target": {"default": {"args": {"X": ` + value + `}}}}` }
	return map[string]string{
		"brackets":             target(fill("[")),
		"parentheses":          target(fill("(")),
		"braces":               target(fill("{")),
		"closing":              target(fill("]")),
		"object keys":          target(fill("{a=")),
		"minus":                target(fill("-") + "1"),
		"not":                  target(fill("!") + "true"),
		"minus spaced":         target(fill("- ") + "1"),
		"conditions":           target(fill("true?1:") + "1"),
		"sum":                  target(fill("1+") + "1"),
		"and":                  target(fill("true&&") + "true"),
		"indexes":              target("a" + fill("[0]")),
		"attributes":           target("a" + fill(".b")),
		"splats":               target("a" + fill("[*]")),
		"attribute splats":     target("a" + fill(".*")),
		"calls":                target(fill("f(")),
		"balanced":             target(strings.Repeat("(", size/2) + "1" + strings.Repeat(")", size/2)),
		"templates":            target(fill(`"${`)),
		"directives":           target(`"` + fill("%{if true}")),
		"for":                  target(fill("[for a in ")),
		"heredocs":             fill("a = <<E\n"),
		"heredoc in heredoc":   target("<<E\n" + fill("${<<E\n")),
		"unclosed string":      target(`"` + fill("x")),
		"unclosed comment":     "/*" + fill("x"),
		"one line":             "# " + fill("x"),
		"new lines":            fill("\n"),
		"quotes":               fill(`"`),
		"dollars":              target(`"` + fill("$")),
		"blocks":               fill("a {\n"),
		"labels":               "target " + fill(`"a" `),
		"identifiers":          fill("a "),
		"NUL":                  fill("\x00"),
		"not UTF-8":            fill("\xff"),
		"digits":               target(fill("9")),
		"exponent":             target(`"${1e999999999}"`),
		"negative exponent":    target(`"${1e-999999999}"`),
		"index exponent":       target("{a = 1}[1e999999999]"),
		"key exponent":         target("{(1e999999999) = 1}"),
		"legacy index":         target("[1]." + fill("9")),
		"number from a string": target(`convert("1e999999999", number)`),
		"implicit number":      target(`"${"1e999999999" * 1}"`),
		"long number":          target(`"` + fill("9") + `" * 1`),
		"powers":               variables(64, "10000000000", "v * v"),
		"doubling":             variables(64, `"0123456789"`, `"${v}${v}"`),
		"doubling lists":       variables(64, "[1, 2]", "[v, v]"),
		"doubling objects":     variables(64, "{a = 1}", "{a = v, b = v}"),
		"concat":               variables(64, "[1, 2]", "concat(v, v)"),
		"calls twice":          functions(64, `"${f(s)}${f(s)}"`),
		"calls empty":          functions(64, `substr("${f(s)}${f(s)}", 0, 0)`),
		"calls in turn":        functions(2000, `f(s)`),
		"types twice":          functions(24, `[f(s), f(s)]`),
		"loops":                target("[for a in range(1000) : [for b in range(1000) : [for c in range(1000) : c]]]"),
		"loops with text":      target("[for a in range(1000) : \"" + strings.Repeat("x", 1000) + "\"]"),
		"directive loops":      target(`"%{for a in range(1000)}%{for b in range(1000)}%{for c in range(1000)}${c}%{endfor}%{endfor}%{endfor}"`),
		"splat of splats":      target("[for a in range(1000) : range(1000)][*][*]"),
		"setproduct":           target("length(setproduct(range(1000), range(1000), range(1000)))"),
		"format":               target(`format("%999999999d", 1)`),
		"format precision":     target(`format("%.999999999f", 1)`),
		"formatlist":           target(`formatlist("%[1]999999999d", [1])`),
		"indent":               target(`indent(999999999, "a\nb")`),
		"replace":              target(`replace("` + strings.Repeat("a", 1<<17) + `", "a", "` + strings.Repeat("b", 1<<17) + `")`),
		"regex_replace":        target(`regex_replace("` + strings.Repeat("a", 1<<17) + `", "a", "` + strings.Repeat("b", 1<<17) + `")`),
		"regex group":          target(`regex_replace("` + strings.Repeat("a", 1<<17) + `", "(.*)", "` + strings.Repeat("$1", 1<<17) + `")`),
		"join":                 target(`join("` + strings.Repeat("a", 1<<17) + `", split("", "` + strings.Repeat("b", 4000) + `"))`),
		"split":                target(`distinct(split("", "` + strings.Repeat("b", 1<<17) + `"))`),
		"distinct":             target(`length(distinct([for i in range(1000) : i]))`),
		"jsondecode":           target(`jsondecode("` + strings.Repeat("[", 1<<17) + `")`),
		"jsondecode number":    target(`"${jsondecode("1e999999999")}"`),
		"parseint":             target(`parseint("` + strings.Repeat("9", 1<<17) + `", 10)`),
		"int":                  target(`int(1e999999999)`),
		"pow":                  target(`"${pow(10, 300) * pow(10, 300) * pow(10, 300) * pow(10, 300) * pow(10, 300)}"`),
		"trim":                 target(`trim("` + strings.Repeat("ä", 1<<16) + `", "` + strings.Repeat("ö", 1<<16) + `")`),
		"range":                target(`range(0, 1, 0.000001)`),
		"chunklist":            target(`chunklist(range(1000), 0)`),
		"self":                 "target \"default\" {\n  args = target.default.args\n}\n",
		"matrix":               "target \"default\" {\n  matrix = { a = range(1000), b = range(1000) }\n  name = \"n${a}\"\n}\n",
		"types":                "variable \"v\" {\n  type = " + fill("list(") + "\n}\n" + target("v"),
		"many types":           target("[" + strings.Repeat(`{a = 1}, {b = 1}, `, 1<<15) + "]"),
		"many targets":         strings.Repeat("target \"default\" {\n  args = { A = \"x\" }\n}\n", size/40),
		"many names":           manyTargets(20000, "", ""),
		"many inherits":        manyTargets(3000, "inherits = [\"t%d\"]", ""),
		"many contexts":        manyTargets(3000, "contexts = { x = \"target:t%d\" }", ""),
		"many variables":       variables(20000, `"x"`, "v"),
		"many variables wide":  target("["+strings.Repeat("w, ", 1<<17)+"]") + "w = \"" + strings.Repeat("x", 1000) + "\"\n",
		"groups":               manyGroups(60),
		"many inline":          manyTargets(5000, "", "FROM alpine"),
		"inline":               "target \"default\" {\n  dockerfile-inline = <<E\n" + strings.Repeat("FROM alpine AS a\n", 1<<14) + "E\n}\n",
		"inline quoted":        "target \"default\" {\n  dockerfile-inline = \"" + strings.Repeat("FROM alpine AS a\\n", 1<<13) + "\"\n}\n",
		"json brackets":        json(fill("[")),
		"json objects":         json(fill(`{"a":`)),
		"json template":        json(`"` + fill("${") + `"`),
		"json minus":           json(`"${` + fill("-") + `1}"`),
		"json digits":          json(fill("9")),
		"json exponent":        json("1e999999999"),
		"json exponent point":  json("1.0E+999999999"),
		"json escapes":         json(`"` + fill(`\u0024{`) + `"`),
		"json unclosed":        json(`"` + fill("x")),
		"json strings":         json("[" + fill(`"",`) + `""]`),
		"json keys":            json("{" + fill(`"${a}":1,`) + `"a":1}`),
		"json many targets":    `{"target": [` + fill(`{"default":{}},`) + `{}]}`,
		"json type":            `{"variable": {"v": {"type": "` + fill("list(") + `"}}, "target": {"default": {"args": {"X": "${v}"}}}}`,
		"json params":          `{"function": {"f": {"params": ["` + fill("a.") + `"], "result": "x"}}, "target": {"default": {"args": {"X": "${f(1)}"}}}}`,
		"json matrix":          `{"target": {"default": {"matrix": "` + fill("${a}") + `"}}}`,
		"json spaces":          fill(" "),
		"json commas":          "{" + fill(","),
	}
}

// manyTargets makes targets t0, t1…, each with attributes that may name the one
// before it, and a target default that needs the last.
func manyTargets(n int, attribute, inline string) string {
	var b strings.Builder
	for i := range n {
		line := ""
		if attribute != "" && i > 0 {
			line = fmt.Sprintf("  "+attribute+"\n", i-1)
		}
		if inline != "" {
			line += fmt.Sprintf("  dockerfile-inline = \"%s:%d\"\n", inline, i)
		}
		fmt.Fprintf(&b, "target \"t%d\" {\n%s}\n", i, line)
	}
	if inline != "" {
		b.WriteString("group \"default\" {\n  targets = [\n")
		for i := range n {
			fmt.Fprintf(&b, "    \"t%d\",\n", i)
		}
		b.WriteString("  ]\n}\n")
	} else {
		fmt.Fprintf(&b, "target \"default\" {\n  inherits = [\"t%d\"]\n  contexts = { x = \"target:t%d\" }\n}\n", n-1, n-1)
	}
	return b.String()
}

// manyGroups makes groups that have the one before twice.
func manyGroups(n int) string {
	var b strings.Builder
	b.WriteString("group \"g0\" {\n  targets = [\"a\", \"b\"]\n}\ntarget \"a\" {}\ntarget \"b\" {}\n")
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "group \"g%d\" {\n  targets = [\"g%d\", \"g%d\"]\n}\n", i, i-1, i-1)
	}
	fmt.Fprintf(&b, "group \"default\" {\n  targets = [\"g%d\"]\n}\n", n)
	return b.String()
}

// Hostile files come to an end, and to a use that says why or an image.
func TestBounds(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("it is about time, and starts no goroutines")
	}
	all := hostile()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		text := all[name]
		t.Run(name, func(t *testing.T) {
			file := "docker-bake.hcl"
			if strings.HasPrefix(name, "json ") {
				file = "docker-bake.json"
			}
			files := fstest.MapFS{file: {Data: []byte(text)}, "Dockerfile": {Data: []byte("ARG X\nFROM alpine:1\n")}}
			start := time.Now()
			got := format().Scan(scan.Source{FS: files, Build: scan.Build{BuildPlatform: "linux/amd64"}}, file)
			t.Log(time.Since(start).Round(time.Millisecond))
			if len(got.Uses) == 0 {
				t.Error("nothing was found")
			}
			for _, u := range got.Uses[:min(3, len(got.Uses))] {
				t.Log(u.Ref, u.At, u.Err)
			}
			check(t, files, got)
		})
	}
}
