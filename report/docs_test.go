package report_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The examples of docs/reports.md are what the writers write of one run. With
// a line that is changed there the test says what it is to be.
func TestDocsReports(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "docs", "reports.md"))
	if err != nil {
		t.Fatal(err)
	}
	golden := func(ext string) string {
		body, err := os.ReadFile(filepath.Join("testdata", "reports"+ext))
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	var doc struct {
		Runs []struct{ Results []json.RawMessage }
	}
	if err := json.Unmarshal([]byte(golden(".sarif")), &doc); err != nil {
		t.Fatal(err)
	}
	var result bytes.Buffer
	if err := json.Indent(&result, doc.Runs[0].Results[0], "", "  "); err != nil {
		t.Fatal(err)
	}
	for section, want := range map[string]string{
		"text": golden(".txt"), "sarif": result.String() + "\n", "junit": golden(".junit.xml"), "code-quality": golden(".codequality"),
	} {
		_, text, _ := strings.Cut(string(page), "\n## "+section+"\n")
		text, _, _ = strings.Cut(text, "\n## ")
		m := regexp.MustCompile("(?s)\n```(?:text|json|xml)\n(.*?)```\n").FindStringSubmatch(text)
		if m == nil || m[1] != want {
			t.Errorf("section %s of docs/reports.md is to have\n%s", section, want)
		}
	}
}
