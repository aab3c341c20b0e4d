package gitfiles_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/boltseal/boltseal/scan/internal/gitfiles"
)

// BenchmarkWorst measures what the most expensive rules cost.
func BenchmarkWorst(b *testing.B) {
	long := strings.Repeat("a", 250)
	deep := strings.Repeat("aaaaaaa/", 250)
	for _, tc := range []struct{ name, line, path string }{
		{"names", "/folder-of-some-name-that-is-rather-long-%d/x\n", "folder/x"},
		{"same prefix", "/folder-of-some-name-that-is-rather-long/%d\n", "folder-of-some-name-that-is-rather-long/x"},
		{"stars", "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*%db*a\n", long},
		{"one star", "*aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%dbaaa\n", long},
		{"one star, and a class", "*aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%d[ab]\n", long},
		{"class of many", "*[" + strings.Repeat("bcdefgh", 20) + "]%d[ab]\n", long},
		{"deep, one star", "**/*aaaaaaaaaaaaaaaaaaaaaaaa%d[ab]\n", strings.Repeat(strings.Repeat("a", 80)+"/", 10) + "a"},
		{"deep folders", "**/" + strings.Repeat("a/", 30) + "b%d[ab]\n", strings.Repeat("a/", 200) + "a"},
		{"deep", "**/*a*a*a*a/*a*a*a*a/**/*a*a*a*a/*a/*%db*a\n", deep + "a"},
		{"classes", "*[b-z][b-z][b-z]%d*a\n", long},
		{"long class", "*[bcdefghijklmnopqrstuvwxyz]%d*a\n", long},
		{"questions", "????????????????????????????????????????%d*a\n", long},
		{"a few", "*.x%d\n", strings.Repeat("ä", 120)},
	} {
		b.Run(tc.name, func(b *testing.B) {
			var text strings.Builder
			for i := 0; text.Len() < 830_000; i++ {
				fmt.Fprintf(&text, tc.line, i)
			}
			fsys := fstest.MapFS{".gitignore": {Data: []byte(text.String())}}
			for b.Loop() {
				tree := gitfiles.NewTree(fsys)
				f, err := tree.Outside().Enter(".", false, true)
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for begin := time.Now(); !tree.Exhausted() && time.Since(begin) < 20*time.Second; n++ {
					f.Ignores(tc.path, true)
				}
				b.ReportMetric(float64(n), "paths")
			}
		})
	}
}
