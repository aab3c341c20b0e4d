package scanreport_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/scanreport"
)

// What docs/scan-report.md shows is read, and what it says is refused is refused
// with those words.
func TestDocsScanReport(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(filepath.Join("..", "docs", "scan-report.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(body)
	fence := func(lang string) string {
		_, text, _ := strings.Cut(page, "\n```"+lang+"\n")
		text, _, _ = strings.Cut(text, "```\n")
		return text
	}
	r := mustRead(t, []byte(fence("json")))
	if m, err := r.About(scanreport.Subject{Digest: index, Configs: []string{config}}); err != nil || !m.Known {
		t.Errorf("its example is about something else: %+v (%v)", m, err)
	}
	if j := r.Judge(scanreport.Limits{FailOn: scanreport.High}, today); j.Passed() || j.Total() != 1 {
		t.Error("its example passes")
	}
	allow := fence("yaml")
	all, err := scanreport.ReadAllow("allow.yaml", []byte(allow))
	if err != nil || len(all) != 2 {
		t.Fatalf("its allow file: %v (%v)", all, err)
	}
	if j := r.Judge(scanreport.Limits{FailOn: scanreport.High, Allow: all}, today); !j.Passed() || len(j.Unused()) != 1 {
		t.Errorf("its example does not pass with its allow file: %v", j.Err())
	}
	if !strings.Contains(allow, scanreportSchemaURL) {
		t.Error("its allow file does not name the schema")
	}
	_, err = scanreport.ReadAllow("allow.yaml", []byte("version: 1\nallow:\n- {id: CVE-2026-1001, reason: known}\n"))
	if err == nil || err.Error()+"\n" != fence("text") {
		t.Errorf("a mistake is told as %v", err)
	}

	_, refused, _ := strings.Cut(page, "\n## What is refused\n")
	rows := regexp.MustCompile("(?m)^\\| .*\\| `([^`]+)` \\| (.+) \\|$").FindAllStringSubmatch(refused, -1)
	for _, row := range rows {
		_, err := scanreport.Read([]byte(row[1]))
		if err == nil || !strings.Contains(err.Error(), row[2]) {
			t.Errorf("%s: %v", row[1], err)
		}
	}
	if len(rows) != 15 {
		t.Errorf("%d rows", len(rows))
	}

	// Every severity has its row, with words and scores that are read as it.
	_, table, _ := strings.Cut(page, "\n## Severities\n")
	for _, s := range scanreport.Severities() {
		m := regexp.MustCompile("(?m)^\\| " + s.String() + " \\| ([^|]+) \\| ([^|]*) ?\\| ([^|]*) ?\\|$").FindStringSubmatch(table)
		if m == nil {
			t.Errorf("%s has no row", s)
			continue
		}
		for _, word := range regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(m[1], -1) {
			if got, err := scanreport.ParseSeverity(word[1]); got != s || err != nil {
				t.Errorf("%s is not %s", word[1], s)
			}
		}
		for _, score := range regexp.MustCompile(`^([0-9.]+) to ([0-9.]+)`).FindAllStringSubmatch(m[2], -1) {
			for _, x := range score[1:] {
				if got := severityOf(t, `"properties":{"security-severity":"`+x+`"}`); got != s {
					t.Errorf("the score %s is %s", x, got)
				}
			}
		}
		for _, level := range regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(m[3], -1) {
			if got := severityOf(t, `"level":"`+level[1]+`"`); got != s {
				t.Errorf("the level %s is %s", level[1], got)
			}
		}
	}
}

const scanreportSchemaURL = "https://raw.githubusercontent.com/boltseal/boltseal/main/docs/scan-allow.schema.json"

func severityOf(t *testing.T, result string) scanreport.Severity {
	t.Helper()
	return mustRead(t, []byte(sarif("x", "[]", `[{"ruleId":"CVE-2026-10001",`+result+`}]`))).Findings()[0].Severity
}
