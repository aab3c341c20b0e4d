//go:build unix

package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

func (l *lab) head(w io.Writer, contests []contest) {
	fmt.Fprintf(w, "# Benchmark\n\n%s, %s/%s, %d CPUs, %s.", time.Now().UTC().Format(time.DateOnly), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	fmt.Fprintf(w, " boltseal: %s.", l.boltseal.version)
	given := map[string]bool{}
	for _, c := range contests {
		for _, t := range c.tools[1:] {
			given[t.name] = true
			if t.atATime <= 1 {
				fmt.Fprintf(w, " %s: %s.", t.name, t.version)
			}
		}
	}
	fmt.Fprint(w, "\n\n")
	for _, name := range []string{"cosign3", "cosign2", "notation"} {
		if !given[name] {
			fmt.Fprintf(w, "%s is left out: no binary was given.\n\n", name)
		}
	}
}

// tables writes the ratios, and what they are made of. There are aims only for
// cosign's formats.
func (c contest) tables(w io.Writer) {
	fmt.Fprintf(w, "## Beside %s\n\nWall time of boltseal / of %s: the least of each, and the medians.\n\n", c.peer, c.peer)
	ratios := [][]string{{"case"}}
	aims := false
	for _, t := range c.tools[1:] {
		ratios[0] = append(ratios[0], "/ "+t.name, "medians")
		aims = aims || t.cosign == 3
	}
	if aims {
		ratios[0] = append(ratios[0], "aim, of cosign3", "")
	}
	for _, r := range c.results {
		row := []string{r.String()}
		aim, met := aimOne, ""
		if r.images > 1 {
			aim = aimMany
		}
		for i, t := range c.tools[1:] {
			if len(r.runs[i+1]) == 0 {
				row = append(row, "", "")
				continue
			}
			ours, theirs := walls(r.runs[0]), walls(r.runs[i+1])
			ratio := float64(ours[0]) / float64(theirs[0])
			row = append(row, fmt.Sprintf("%.3f", ratio), fmt.Sprintf("%.3f", float64(median(ours))/float64(median(theirs))))
			if t.cosign == 3 {
				met = "missed"
				if ratio <= aim {
					met = "met"
				}
			}
		}
		if aims {
			row = append(row, fmt.Sprintf("≤ %.2f", aim), met)
		}
		ratios = append(ratios, row)
	}
	markdown(w, ratios)

	call := "One call for all images."
	if c.tools[1].atATime > 0 {
		call = fmt.Sprintf("boltseal: one call for all images; %s: one for each.", c.peer)
	}
	fmt.Fprintf(w, "\n%s Least / median of the runs; CPU time is that of all calls, and memory the most that one of them took; the registry's is not in it.\n\n", call)
	rows := [][]string{{"case", "tool", "wall ms", "CPU ms", "RSS MB", "requests"}}
	for _, r := range c.results {
		for i, t := range c.tools {
			if len(r.runs[i]) == 0 {
				continue
			}
			wall, cpu := walls(r.runs[i]), cpus(r.runs[i])
			rows = append(rows, []string{
				r.String(), t.name,
				milliseconds(wall[0]) + " / " + milliseconds(median(wall)),
				milliseconds(cpu[0]) + " / " + milliseconds(median(cpu)),
				megabytes(r.runs[i]), requests(r.runs[i]),
			})
		}
	}
	markdown(w, rows)
	fmt.Fprintln(w)
}

// brief is one setting in a line, for whoever waits.
func brief(tools []tool, r result) string {
	var parts []string
	for i, t := range tools {
		if len(r.runs[i]) == 0 {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %s ms", t.name, milliseconds(walls(r.runs[i])[0])))
	}
	return strings.Join(parts, ", ")
}

func walls(runs []sample) []time.Duration {
	return sorted(runs, func(s sample) time.Duration { return s.Wall })
}

func cpus(runs []sample) []time.Duration {
	return sorted(runs, func(s sample) time.Duration { return s.CPU })
}

func sorted[T int | int64 | time.Duration](runs []sample, of func(sample) T) []T {
	out := make([]T, 0, len(runs))
	for _, s := range runs {
		out = append(out, of(s))
	}
	slices.Sort(out)
	return out
}

func median(of []time.Duration) time.Duration { return of[len(of)/2] }

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond))
}

// megabytes is the most that any of the runs had.
func megabytes(runs []sample) string {
	rss := sorted(runs, func(s sample) int64 { return s.RSS })
	return fmt.Sprintf("%.1f", float64(rss[len(rss)-1])/1e6)
}

func requests(runs []sample) string {
	n := sorted(runs, func(s sample) int { return s.requests })
	if n[0] == n[len(n)-1] {
		return fmt.Sprint(n[0])
	}
	return fmt.Sprintf("%d–%d", n[0], n[len(n)-1])
}

// markdown writes a table that can be read as it is, too.
func markdown(w io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	line := func(row []string) {
		for i, cell := range row {
			fmt.Fprintf(w, "| %s%s ", cell, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		fmt.Fprintln(w, "|")
	}
	line(rows[0])
	rule := make([]string, len(rows[0]))
	for i := range rule {
		rule[i] = strings.Repeat("-", max(widths[i], 3))
		widths[i] = max(widths[i], 3)
	}
	line(rule)
	for _, row := range rows[1:] {
		line(row)
	}
}
