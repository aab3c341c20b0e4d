package compose

import (
	"fmt"
	"runtime/debug"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

// lines is a stand-in for the scan of a Dockerfile: FROM at the beginning of a
// line names an image.
func lines(body []byte, file string, b scan.Build) scan.Found {
	var found scan.Found
	n := 0
	for line := range strings.Lines(string(body)) {
		n++
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "FROM "); ok {
			ref, err := image.Parse(name)
			at := image.Position{File: file, Line: n, Col: 1 + strings.Index(line, name)}
			found.Uses = append(found.Uses, image.Use{Text: name, Ref: ref, Err: err, At: at, Kind: image.From})
		}
	}
	return found
}

func scanOne(text string) scan.Found {
	return scanFiles(fstest.MapFS{"compose.yaml": {Data: []byte(text)}})
}

func scanFiles(files fstest.MapFS) scan.Found {
	return Format(lines).Scan(scan.Source{FS: files}, "compose.yaml")
}

// repeat returns what each returns for 0 up to n.
func repeat(n int, each func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(each(i))
	}
	return b.String()
}

// hostile are files of about 1 MiB that ask for more work than they are worth,
// and what the error about them has to say; "" where there need not be one.
func hostile() map[string][2]string {
	const services = "services:\n"
	long := strings.Repeat("a", 1<<20)
	laughs := "a0: &a0 {image: x}\n" + repeat(30, func(i int) string {
		return fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 10), ","))
	})
	merges := "a0: &a0 {image: x, build: {args: {A: b}}}\n" + repeat(20, func(i int) string {
		return fmt.Sprintf("a%d: &a%d {<<: [*a%d, *a%d], k%d: 1}\n", i+1, i+1, i, i, i)
	})
	return map[string][2]string{
		"laughs":         {laughs + "services: *a30\n", "nodes"},
		"laughs merged":  {merges + "services: {x: {<<: *a20}}\n", ""},
		"nested":         {services + "  x: " + strings.Repeat("[", 1<<20), ""},
		"nested flow":    {services + "  x: " + strings.Repeat("{a: ", 1<<18), ""},
		"one line":       {services + "  x: {image: " + long + "}", "with its variables"},
		"one line of 10": {services + "  x: {image: " + strings.Repeat(long, 10) + "}", "larger than 4 MiB"},
		"services":       {services + repeat(60_000, func(i int) string { return fmt.Sprintf(" s%d: {image: a}\n", i) }), "more than 10000 uses"},
		"aliases": {"x-a: &a \"" + strings.Repeat("a$$", 20_000) + "\"\n" + services + repeat(40_000, func(i int) string {
			return fmt.Sprintf(" s%d: {image: *a}\n", i)
		}), "the aliases stand for"},
		"filled": {services + repeat(12, func(i int) string {
			return fmt.Sprintf(" s%d: {image: \"%s\"}\n", i, strings.Repeat("${A:-"+strings.Repeat("b", 1000)+"}", 80))
		}), "with its variables"},
		"texts": {services + repeat(16, func(i int) string {
			return fmt.Sprintf(" s%d: {image: \"%s\"}\n", i, strings.Repeat("a", 60_000))
		}), ""},
		"defaults": {services + " x: {image: \"" + strings.Repeat("${A:-", 10_000) + strings.Repeat("}", 10_000) + "\"}\n", "defaults within"},
		"braces":   {services + " x: {image: \"" + strings.Repeat("${A:-{", 100_000) + "}\"}\n", ""},
		"dollars":  {services + " x: {image: \"" + strings.Repeat("$", 1<<19) + "\"}\n", ""},
		"extends":  {services + repeat(20_000, func(i int) string { return fmt.Sprintf(" s%d: {extends: s%d}\n", i, i+1) }), "in a row"},
		"extends lists": {services + " s0: {volumes: [" + strings.Repeat("{type: image},", 20_000) + "]}\n" + repeat(90, func(i int) string {
			return fmt.Sprintf(" s%d: {extends: s%d, volumes: [/a]}\n", i+1, i)
		}), "values in one project"},
		"extends one": {services + " s: {build: {args: {" + repeat(10_000, func(i int) string { return fmt.Sprintf("A%d: b,", i) }) + "}}}\n" + repeat(20_000, func(i int) string {
			return fmt.Sprintf(" s%d: {extends: s, build: {args: {A: b}}}\n", i)
		}), "values in one project"},
		"include itself": {"include: [" + strings.TrimSuffix(strings.Repeat("compose.yaml,", 50_000), ",") + "]\n", "include each other"},
		"resets": {services + repeat(30_000, func(i int) string { return fmt.Sprintf(" s%d: !reset null\n", i) }) + "---\n" + services + repeat(30_000, func(i int) string {
			return fmt.Sprintf(" s%d: !reset null\n", i)
		}), ""},
		"resets of what is there": {services + repeat(25_000, func(i int) string { return fmt.Sprintf(" s%d: {image: a}\n", i) }) + "---\n" + services + repeat(25_000, func(i int) string {
			return fmt.Sprintf(" s%d: !reset null\n", i)
		}), "values in one project"},
		"builds":    {services + repeat(20_000, func(i int) string { return fmt.Sprintf(" s%d: {build: b%d}\n", i, i) }), "more than 1000 builds"},
		"documents": {strings.Repeat("---\nservices: {a: {image: b}}\n", 30_000), ""},
		"inline":    {services + " a:\n  build:\n   dockerfile_inline: |\n" + strings.Repeat("    FROM a:$$b\n", 5_000), ""},
		"inlines": {services + repeat(2_000, func(i int) string {
			return fmt.Sprintf(" a%d:\n  build:\n   dockerfile_inline: |\n    %s\n", i, strings.Repeat("FROM a$$\n    ", 4))
		}), "more than 1000 builds"},
		"contexts": {services + repeat(20_000, func(i int) string {
			return fmt.Sprintf(" s%d: {build: {context: ., additional_contexts: {a: 'service:s%d'}}}\n", i, i+1)
		}), ""},
		"extends one's volumes": {services + " s: {image: a, volumes: [" + strings.Repeat("/a,", 100_000) + "]}\n" + repeat(20_000, func(i int) string {
			return fmt.Sprintf(" s%d: {extends: s}\n", i)
		}), "values in one project"},
		"long arguments": {"x-a: &a \"" + strings.Repeat("a", 60_000) + "\"\n" + services + repeat(20_000, func(i int) string {
			return fmt.Sprintf(" s%d: {build: {args: {A: *a}}}\n", i)
		}), "the aliases stand for"},
		"profiles": {services + repeat(1_000, func(i int) string {
			return fmt.Sprintf(" s%d: {image: a, profiles: [%s]}\n", i, strings.Repeat("p,", 400))
		}), ""},
	}
}

func TestHostile(t *testing.T) {
	if raced || testing.Short() {
		t.Skip("it is about time, and starts no goroutines")
	}
	for name, h := range hostile() {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			found := scanOne(h[0])
			took := time.Since(start)
			t.Logf("%d KiB: %v, %d uses", len(h[0])>>10, took, len(found.Uses))
			if limit := 5 * time.Second; took > limit {
				t.Errorf("it took %v", took)
			}
			check(t, fstest.MapFS{"compose.yaml": {Data: []byte(h[0])}}, found)
			if h[1] != "" && !said(found, h[1]) {
				t.Errorf("no error says %q: %.2000s", h[1], want(found))
			}
		})
	}
}

func said(found scan.Found, text string) bool {
	for _, u := range found.Uses {
		if u.Err != nil && strings.Contains(u.Err.Error(), text) {
			return true
		}
	}
	return false
}

func TestManyFiles(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"compose.yaml": {Data: []byte("include: [f0.yaml]\n")}}
	for i := range 300 {
		files[fmt.Sprintf("f%d.yaml", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "include: [f%d.yaml]\nservices: {s%d: {image: a}}\n", i+1, i)}
	}
	if found := scanFiles(files); !said(found, "within more than 100 others") {
		t.Errorf("a chain: %s", want(found))
	}
	var all strings.Builder
	all.WriteString("include:\n")
	for i := range 300 {
		fmt.Fprintf(&all, "- f%d.yaml\n", i)
		files[fmt.Sprintf("f%d.yaml", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "services: {s%d: {image: a}}\n", i)}
	}
	files["compose.yaml"] = &fstest.MapFile{Data: []byte(all.String())}
	if found := scanFiles(files); !said(found, "more than 200 files") {
		t.Errorf("a fan: %s", want(found))
	}
}

// A tree of includes in which each file is reached in exponentially many ways.
func TestManyWays(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"compose.yaml": {Data: []byte("include: [f0.yaml]\n")}}
	for i := range 40 {
		next := fmt.Sprintf("f%d.yaml", i+1)
		files[fmt.Sprintf("f%d.yaml", i)] = &fstest.MapFile{Data: []byte("include: [" + next + ", " + next + "]\n")}
	}
	files["f40.yaml"] = &fstest.MapFile{Data: []byte("services: {a: {image: a}}\n")}
	start := time.Now()
	found := scanFiles(files)
	if took := time.Since(start); took > 5*time.Second && !raced || !said(found, "values in one project") {
		t.Errorf("%v: %s", took, want(found))
	}
}

func TestLargeDockerfiles(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"compose.yaml": {Data: []byte("services:\n" + repeat(10, func(i int) string {
		return fmt.Sprintf(" s%d: {build: b%d}\n", i, i)
	}))}}
	for i := range 10 {
		files[fmt.Sprintf("b%d/Dockerfile", i)] = &fstest.MapFile{Data: make([]byte, 3<<20)}
	}
	files["b3/Dockerfile"].Data = make([]byte, scan.MaxFile+1)
	found := scanFiles(files)
	if !said(found, "b3/Dockerfile is larger than 4 MiB") || !said(found, "of one project are larger than 16 MiB") {
		t.Error(want(found))
	}
}

func FuzzScan(f *testing.F) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	for _, s := range samples(f) {
		text := func(name string) string {
			body, _ := s.files.ReadFile(name)
			return string(body)
		}
		f.Add(text("compose.yaml"), text("compose.override.yaml"), text(".env"))
	}
	f.Fuzz(func(t *testing.T, text, override, env string) {
		files := fstest.MapFS{
			"compose.yaml":          {Data: []byte(text)},
			"compose.override.yaml": {Data: []byte(override)},
			".env":                  {Data: []byte(env)},
			"Dockerfile":            {Data: []byte("FROM alpine\n")},
		}
		start := time.Now()
		found := scanFiles(files)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		check(t, files, found)
	})
}
