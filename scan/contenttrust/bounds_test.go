package contenttrust_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/scan/contenttrust"
)

// Nobody can keep a scan busy: the time is linear, whatever is repeated.
func TestHostile(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("it measures time")
	}
	const size = 1 << 19
	steps := &strings.Builder{}
	for column := 0; steps.Len() < size; column++ {
		steps.WriteString(strings.Repeat(" ", column%900) + "- steps:\n")
	}
	for name, text := range map[string]string{
		"a.sh":                  "DOCKER_CONTENT_TRUST=",
		"words.sh":              "DOCKER_CONTENT_TRUST=1 ",
		"lines.sh":              "DOCKER_CONTENT_TRUST=1 \\\n",
		"exports.sh":            "export DOCKER_CONTENT_TRUST=1\n",
		"builds.sh":             "DOCKER_CONTENT_TRUST=1 docker build .\n",
		"one line.sh":           "docker trust sign;",
		"flags.sh":              "docker trust -D --config ",
		"notary.sh":             "notary -s ",
		"echo.sh":               "echo docker trust sign ",
		"echoes.sh":             "echo notary; ",
		"documents.sh":          "cat <<notary\n",
		"unended.sh":            "cat <<notary\n x\n",
		"a.hcl":                 "variable DOCKER_CONTENT_TRUST { default = 1 }\n",
		"items.ps1":             "Env:DOCKER_CONTENT_TRUST ",
		"defaults.sh":           ": ${DOCKER_CONTENT_TRUST:=1} ",
		"quotes.sh":             `'"notary `,
		"backslashes.sh":        `\`,
		"escapes.sh":            `\" `,
		"operators.sh":          "DOCKER_CONTENT_TRUST:::===",
		"signs.sh":              ">&|;",
		"Jenkinsfile":           "/* */ ",
		"open.groovy":           "/* ",
		"a.bat":                 "^\nrem notary\n",
		"a.ps1":                 "<# #>`\n",
		"dashes.yml":            "- ",
		"items.yml":             "- DOCKER_CONTENT_TRUST: 1\n",
		"pairs.yml":             "- name: DOCKER_CONTENT_TRUST\n  value: 1\n",
		"described.yml":         "description: notary\n ",
		"steps.yml":             "- run: echo DOCKER_CONTENT_TRUST=1 >> $GITHUB_ENV\n- uses: docker/bake-action@v6\n",
		"secrets.yml":           "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: --system dc\n",
		"Dockerfile":            "ENV \\\n# DOCKER_CONTENT_TRUST\n",
		"a.json":                `{"DOCKER_CONTENT_TRUST":`,
		"blanks.yml":            " ",
		"hosts.sh":              "notary.docker.io",
		"az.sh":                 "az acr config content-trust ",
		"a very long path/a.sh": "/docker",
	} {
		text = "notary DOCKER_CONTENT_TRUST\n" + strings.Repeat(text, size/len(text)) + "\n export DOCKER_CONTENT_TRUST=1\n docker build .\n"
		start := time.Now()
		got := contenttrust.Find(name, []byte(text))
		if took := time.Since(start); took > 5*time.Second || len(got) > 20 {
			t.Errorf("%s: %v, %d warnings", name, took, len(got))
		}
	}
	start := time.Now()
	contenttrust.Find("deep.yml", []byte("DOCKER_CONTENT_TRUST: 1\n"+steps.String()+strings.Repeat("export DOCKER_CONTENT_TRUST=1\n", 100)))
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("deep: %v", took)
	}
}

// Nothing of the file is in a warning: no secret, no line that would be one of a
// workflow's commands.
func TestNothingTold(t *testing.T) {
	t.Parallel()
	text := "export DOCKER_CONTENT_TRUST=hunter2 DOCKER_CONTENT_TRUST_SERVER=https://u:hunter2@h\x1b[31m::error::x NOTARY_ROOT_PASSPHRASE=hunter2\nnotary -s https://u:hunter2@x list hunter2\n"
	got := contenttrust.Find("a.sh", []byte(text))
	if len(got) != 4 {
		t.Errorf("%d warnings", len(got))
	}
	for _, w := range got {
		if strings.Contains(w.Text, "hunter2") || strings.ContainsAny(w.Text, "\x1b\n") || strings.Contains(w.Text, "::error") {
			t.Errorf("%q", w.Text)
		}
	}
}

// However long a line is, its words are looked at in parts: memory is for so many.
func TestWords(t *testing.T) {
	t.Parallel()
	const many = 20*contenttrust.MaxWords + 300
	for name, text := range map[string]string{
		"one line":   strings.Repeat("a ", many) + "; docker trust sign x",
		"no blanks":  strings.Repeat("a;", many) + "; docker trust sign x",
		"continued":  strings.Repeat("a a a \\\n", many/3) + "; docker trust sign x",
		"short ones": strings.Repeat("a a a\n", many/3) + "docker trust sign x",
	} {
		if got := contenttrust.Words("a.sh", text); got > 2*contenttrust.MaxWords {
			t.Errorf("%s: memory for %d words", name, got)
		}
		if got := contenttrust.Find("a.sh", []byte(text)); len(got) != 1 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Of a file that is too long the first lines are looked at, and where that ended is
// said, unless nothing behind it could matter.
func TestLongFile(t *testing.T) {
	t.Parallel()
	const more = "nobody looked for Docker Content Trust from here on: the file is larger than 1 MiB"
	const sign = "docker trust sign x\n"
	blank := strings.Repeat("# a comment\n", 1<<20/12) // 4 bytes less than 1 MiB
	for _, test := range []struct{ name, text, want string }{
		{"just so long", sign + blank[:len(blank)-17] + "x\n", "1"},
		{"nothing behind", sign + blank + blank, "1"},
		{"something behind", sign + blank + sign, "1 87381:1"},
		{"only behind", blank + sign, "87382:1"},
		{"one line", "docker trust sign x; " + strings.Repeat("a b ", 1<<18) + sign, "1 1:1048577"},
		{"many", strings.Repeat(sign, 1000) + blank + sign, strings.TrimSpace(strings.Repeat("1 ", 19)) + " 86715:1"},
	} {
		var got []string
		for _, w := range contenttrust.Find("a.sh", []byte(test.text)) {
			if w.Text == more {
				got = append(got, fmt.Sprintf("%d:%d", w.At.Line, w.At.Col))
			} else {
				got = append(got, "1")
			}
		}
		if got := strings.Join(got, " "); got != test.want {
			t.Errorf("%s: %s, not %s", test.name, got, test.want)
		}
	}
}
