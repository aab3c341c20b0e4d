package rewrite_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/boltseal/boltseal/handover/rewrite"
	"github.com/boltseal/boltseal/image"
)

// A diff is what git and diff -u write.
func TestDiff(t *testing.T) {
	t.Parallel()
	digest := map[string]string{}
	var uses []image.Use
	lines := func(n int, changed ...int) string {
		uses = nil
		var b strings.Builder
		for i := 1; i <= n; i++ {
			word := "line"
			for _, c := range changed {
				if c == i {
					u := at(t, fmt.Sprintf("alpine:%d", i), i, 6)
					uses = append(uses, u)
					digest[fmt.Sprintf("D%d", i)] = digestOf(u.Ref)
					word = "FROM"
				}
			}
			if word == "FROM" {
				fmt.Fprintf(&b, "FROM alpine:%d\n", i)
			} else {
				fmt.Fprintf(&b, "line %d\n", i)
			}
		}
		return b.String()
	}
	for _, tc := range []struct{ name, file, want string }{
		{"one line", lines(1, 1), "@@ -1 +1 @@\n-FROM alpine:1\n+FROM alpine:1@D1\n"},
		{"no line break at the end", strings.TrimSuffix(lines(2, 2), "\n"), "@@ -1,2 +1,2 @@\n line 1\n-FROM alpine:2\n\\ No newline at end of file\n+FROM alpine:2@D2\n\\ No newline at end of file\n"},
		{"none behind the context", strings.TrimSuffix(lines(2, 1), "\n"), "@@ -1,2 +1,2 @@\n-FROM alpine:1\n+FROM alpine:1@D1\n line 2\n\\ No newline at end of file\n"},
		{"context", lines(9, 5), "@@ -2,7 +2,7 @@\n line 2\n line 3\n line 4\n-FROM alpine:5\n+FROM alpine:5@D5\n line 6\n line 7\n line 8\n"},
		{"two of one hunk", lines(8, 1, 8), "@@ -1,8 +1,8 @@\n-FROM alpine:1\n+FROM alpine:1@D1\n line 2\n line 3\n line 4\n line 5\n line 6\n line 7\n-FROM alpine:8\n+FROM alpine:8@D8\n"},
		{"two hunks", lines(9, 1, 9), "@@ -1,4 +1,4 @@\n-FROM alpine:1\n+FROM alpine:1@D1\n line 2\n line 3\n line 4\n@@ -6,4 +6,4 @@\n line 6\n line 7\n line 8\n-FROM alpine:9\n+FROM alpine:9@D9\n"},
		{"next to each other", lines(3, 1, 2), "@@ -1,3 +1,3 @@\n-FROM alpine:1\n-FROM alpine:2\n+FROM alpine:1@D1\n+FROM alpine:2@D2\n line 3\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			uses = nil
			for i, l := range strings.Split(tc.file, "\n") {
				if text, ok := strings.CutPrefix(l, "FROM "); ok {
					uses = append(uses, at(t, text, i+1, 6))
				}
			}
			changes, refused := rewrite.Plan(reader(fstest.MapFS{"f": {Data: []byte(tc.file)}}), targetsOf(t, uses, false))
			if len(changes) != 1 || len(refused) > 0 {
				t.Fatalf("changes %v, refused %v", changes, refused)
			}
			want := "--- a/f\n+++ b/f\n" + tc.want
			for short, d := range digest {
				want = strings.ReplaceAll(want, "@"+short+"\n", "@"+d+"\n")
			}
			if got := string(changes[0].Diff()); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}
