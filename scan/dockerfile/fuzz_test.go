package dockerfile

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/boltseal/boltseal/scan"
)

// Whatever the file is, a scan ends, every use stands in it and has an image or
// an error, and the same file gives the same.
func FuzzScan(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.body, "V", "1", "", "linux/amd64")
	}
	f.Add([]byte("ARG V\nFROM a:${V#x} AS b\nFROM b\nONBUILD RUN --mount=from=c,target=/d e\n"), "V", "x1", "b", "")
	f.Fuzz(func(t *testing.T, body []byte, name, value, target, builder string) {
		if bytes.Contains(body, []byte("<<")) && len(body) > 1<<12 {
			t.Skip("slow under the fuzzer")
		}
		b := scan.Build{
			Args:          map[string]string{name: value},
			Contexts:      map[string]string{name: "docker-image://" + value},
			BuildPlatform: builder,
		}
		if target != "" {
			b.Targets = []string{target}
		}
		got := Scan(body, "Dockerfile", b)
		check(t, body, got)
		if a, b := want(got), want(Scan(body, "Dockerfile", b)); a != b {
			t.Errorf("once:\n%stwice:\n%s", a, b)
		}
		b.AllStages = true
		check(t, body, Scan(body, "Dockerfile", b))
	})
}

// expand gives what BuildKit's lexer gives, and names no variable that has a
// value.
func FuzzExpand(f *testing.F) {
	for _, word := range []string{"a:$V", "${V:-x}$W", "${V:+${W}}", "${W#${X}}", "'$X'", `\$X"${X-$W}"`, "${X//a/$W}", "${V%%${W:-*}}", "$$", "${V?}"} {
		f.Add(word, "v", "w")
	}
	f.Fuzz(func(t *testing.T, word, v, w string) {
		if !utf8.ValidString(word) || strings.Contains(word, "\x00") {
			return // the lexer would say so on standard error
		}
		work := maxTotal
		s := newScope('\\', &work)
		s.vars["V"], s.vars["W"] = plain(v), plain(w)
		got, err := s.expand(word)
		if err != nil {
			return
		}
		exact, _, err := newScope('\\', &work).lex.ProcessWord(word, exact{s})
		if err != nil {
			t.Fatalf("the lexer: %v", err)
		}
		if got.text != exact {
			t.Fatalf("%q: got %q, the lexer %q", word, got.text, exact)
		}
		for _, name := range s.absent(got) {
			if name == "V" || name == "W" {
				t.Fatalf("%q: %s has a value", word, name)
			}
		}
	})
}
