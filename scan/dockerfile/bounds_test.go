package dockerfile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/scan"
)

// hostile are files of about a megabyte that are made to take long; shorter
// ones with -short.
func hostile() map[string]string {
	size := 1 << 20
	if testing.Short() {
		size = 1 << 16
	}
	fill := func(line string) string { return strings.Repeat(line, size/len(line)) }
	deep := strings.Repeat("${a:-", maxDepth) + "%s" + strings.Repeat("}", maxDepth)
	return map[string]string{
		"stages":          fill("FROM a\n"),
		"named stages":    "FROM a AS a\n" + strings.Repeat("FROM a AS a\n", maxStages-2),
		"copies":          "FROM a\n" + fill("COPY --from=b c d\n"),
		"copies of stage": "FROM a AS b\nFROM a\n" + fill("COPY --from=b c d\n"),
		"mounts":          "FROM a\n" + fill("RUN --mount=from=b,target=/c d\n"),
		"many mounts":     "FROM a\nRUN " + fill("--mount=from=b \\\n") + " c\n",
		"triggers":        "FROM a AS b\n" + strings.Repeat("ONBUILD COPY --from=c d e\n", size/52) + strings.Repeat("FROM b\n", maxStages-1),
		"triggers used":   "FROM a AS b\n" + strings.Repeat("ONBUILD COPY --from=c d e\n", size/52) + "FROM b AS b1\n" + strings.Repeat("FROM b\nCOPY --from=b1 x y\n", maxStages-2),
		"args":            fill("ARG A=1\n") + "FROM a\n",
		"one arg":         "ARG " + fill("A=1 \\\n") + "\nFROM a\n",
		"arg names":       "ARG " + argNames(size) + "\nFROM a\n",
		"values":          "ARG A=" + strings.Repeat("a", size/18) + "\n" + fill("ARG B=$A\n") + "FROM $B\n",
		"missing":         "ARG A=x\n" + fill("ARG A=$A$B\n") + "FROM $A\n",
		"names":           manyNames(size),
		"patterns":        "ARG A=" + strings.Repeat("a", 500) + "\n" + fill("ARG B=${A#"+strings.Repeat("*a", 200)+"b}\n") + "FROM a\n",
		"replacements":    "ARG A=" + strings.Repeat("a", 500) + "\n" + fill("ARG B=${A//a/"+strings.Repeat("b", 200)+"}\n") + "FROM a\n",
		"nested":          "FROM a\nRUN << " + fmt.Sprintf(deep, fill("x\\\n")) + "\n",
		"nested lines":    "FROM a\n" + fill("RUN << "+strings.Repeat("${a:-", maxDepth)+strings.Repeat("}", maxDepth)+"\n"),
		"nested deeper":   "FROM a\nRUN << " + fill("${a:-\\\n") + "\n",
		"here-documents":  "FROM a\n" + fill("RUN <<E\nFROM x\nE\n"),
		"here-words":      "FROM a\nRUN " + fill("<<E \\\n") + "\n" + strings.Repeat("E\n", size/6),
		"comments":        fill("# x\n") + "FROM a\n",
		"one line":        "FROM " + strings.Repeat("a", size) + "\n",
		"no line":         strings.Repeat("a", size),
		"continued":       "FROM \\\n" + fill("a\\\n") + "\n",
		"continued name":  "FROM a\nCOPY --from=\\\n" + fill("a\\\n") + " b c\n",
		"empty lines":     fill("\n"),
		"braces":          "# syntax=x\n" + fill("{"),
		"json":            fill(`{"syntax":`),
		"json members":    "{" + fill(`"syntax":"a",`) + `"syntax":"b"}`,
		"zeros":           "FROM a\nRUN <<E " + strings.Repeat("\x00", size),
		"stage argument":  strings.Repeat("FROM a$TARGETSTAGE\n", maxStages),
	}
}

func manyNames(size int) string {
	var b strings.Builder
	b.WriteString("ARG A=x\n")
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "ARG A=$A$N%d\n", i)
	}
	b.WriteString("FROM $A\n")
	return b.String()
}

func argNames(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "A%d=1 \\\n", i)
	}
	return b.String()
}

// Nothing of a megabyte takes long. The bound is wide, because tests run beside
// each other.
func TestHostile(t *testing.T) {
	if raced {
		t.Skip("it is about time, and starts no goroutines")
	}
	all := hostile()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		body := all[name]
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			f := Scan([]byte(body), "Dockerfile", scan.Build{BuildPlatform: "linux/amd64", AllStages: true})
			took := time.Since(start)
			if took > 20*time.Second {
				t.Errorf("%v for %d bytes", took, len(body))
			}
			t.Logf("%s: %v, %d bytes, %d uses", name, took, len(body), len(f.Uses))
			check(t, []byte(body), f)
		})
	}
}
