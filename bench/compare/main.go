//go:build unix

// Command compare measures boltseal against the command lines of cosign and of
// the Notary Project: the same signed images, the same registry, one tool after
// the other in turns.
//
// Every run has to exit with 0, and with another identity with something else;
// otherwise there is no result.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/boltseal/boltseal/bench"
)

const (
	many       = 50   // images of a larger build
	verymany   = 1000 // images of the memory bound
	memoryRuns = 3

	// What boltseal aims at: parts of cosign v3's wall time, and bounds.
	aimOne    = 0.45
	aimMany   = 0.07
	aimMemory = 96_000_000 // bytes
	aimWall   = 500 * time.Millisecond
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == runnerArg {
		if err := runner(os.Stdin, os.Stdout); err != nil {
			fatal(err)
		}
		return
	}
	var o options
	flag.StringVar(&o.boltseal, "boltseal", "", "boltseal `binary`")
	flag.StringVar(&o.cosign3, "cosign3", "", "cosign v3 `binary`; without it, it is left out")
	flag.StringVar(&o.cosign2, "cosign2", "", "cosign v2 `binary`; without it, it is left out")
	flag.StringVar(&o.notation, "notation", "", "notation `binary`; without it, it is left out")
	flag.StringVar(&o.out, "o", "", "Markdown `file` to write, besides standard output")
	flag.DurationVar(&o.delay, "delay", 20*time.Millisecond, "how late the registry answers in the cases with a delay")
	flag.IntVar(&o.rounds, "rounds", 15, "runs of each case with one image")
	flag.IntVar(&o.manyRounds, "many-rounds", 5, fmt.Sprintf("runs of each case with %d images", many))
	flag.BoolVar(&o.memory, "memory", false, fmt.Sprintf("only measure the memory that %d images take", verymany))
	flag.Parse()
	if o.boltseal == "" || flag.NArg() > 0 || o.rounds < 1 || o.manyRounds < 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(o); err != nil {
		fatal(err)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "compare:", err)
	os.Exit(1)
}

type options struct {
	boltseal, cosign3, cosign2, notation, out string
	delay                                     time.Duration
	rounds, manyRounds                        int
	memory                                    bool
}

// A tool is a binary and how it is called.
type tool struct {
	name, version, path string
	cosign              int // its major version; 0: another tool
	// So many calls are made at a time, for one image each; 0: there is one call
	// for all images. The command line of the Notary Project takes one image.
	atATime int
}

// A contest is what tools are compared in. The first one is boltseal.
type contest struct {
	peer    string // whose formats they are
	formats []string
	tools   []tool
	results []result
}

// atATime is how many images boltseal verifies at the same time by default.
const atATime = 16

// A lab is what all measurements share.
type lab struct {
	stage    *bench.Stage
	run      *client
	dir      string // of the files that the tools are given; their HOME is in it
	boltseal tool
}

func run(o options) (err error) {
	l := lab{}
	if l.dir, err = os.MkdirTemp("", "boltseal-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(l.dir) //nolint:errcheck // nothing can be done
	if l.stage, err = bench.NewStage(); err != nil {
		return err
	}
	defer l.stage.Close()
	if err := l.files(); err != nil {
		return err
	}
	if l.run, err = startRunner(l.home()); err != nil {
		return err
	}
	defer l.run.close()
	if l.boltseal, err = l.find(tool{name: "boltseal", path: o.boltseal}); err != nil {
		return err
	}
	contests := []contest{
		{peer: "cosign", formats: []string{bench.Legacy, bench.Bundle}, tools: []tool{
			{name: "cosign3", path: o.cosign3, cosign: 3}, {name: "cosign2", path: o.cosign2, cosign: 2},
		}},
		{peer: "notation", formats: []string{bench.Notation}, tools: []tool{
			{name: "notation", path: o.notation, atATime: 1}, {name: fmt.Sprintf("notation, %d at a time", atATime), path: o.notation, atATime: atATime},
		}},
	}
	var doc strings.Builder
	if o.memory {
		contests = nil
	}
	for i, c := range contests {
		if c.tools, err = l.findAll(c.tools); err != nil {
			return err
		}
		contests[i] = c
	}
	l.head(&doc, contests)
	for _, c := range contests {
		if len(c.tools) == 1 {
			continue // nobody to compare with
		}
		if c.results, err = l.compare(o, c); err != nil {
			return err
		}
		c.tables(&doc)
	}
	memoryErr := l.memory(&doc)
	fmt.Print(doc.String())
	if o.out != "" {
		err = os.WriteFile(o.out, []byte(doc.String()), 0o644) //nolint:gosec // a report
	}
	return errors.Join(memoryErr, err)
}

func (l *lab) home() string            { return filepath.Join(l.dir, "home") }
func (l *lab) file(name string) string { return filepath.Join(l.dir, name) }

// findAll returns boltseal and those of the tools whose binary was given.
func (l *lab) findAll(tools []tool) ([]tool, error) {
	found := []tool{l.boltseal}
	for _, t := range tools {
		if t.path == "" {
			continue
		}
		t, err := l.find(t)
		if err != nil {
			return nil, err
		}
		found = append(found, t)
	}
	return found, nil
}

// find makes sure of a tool's path and version.
func (l *lab) find(t tool) (_ tool, err error) {
	if t.path, err = filepath.Abs(t.path); err != nil {
		return t, err
	}
	t.version, err = l.version(t)
	return t, err
}

var versionPattern = regexp.MustCompile(`v?\d+\.\d+\.\d+[-+.\w]*`)

func (l *lab) version(t tool) (string, error) {
	s, err := l.run.do([][]string{{t.path, "version"}}, 1, nil)
	if err != nil {
		return "", err
	}
	if s.Code != 0 {
		return "", fmt.Errorf("%s version: exit %d: %s", t.name, s.Code, s.Output)
	}
	v := versionPattern.FindString(s.Output)
	if t.cosign != 0 && !strings.HasPrefix(v, fmt.Sprintf("v%d.", t.cosign)) {
		return "", fmt.Errorf("%s is version %q", t.name, v)
	}
	return v, nil
}

// A setting is one case of the comparison.
type setting struct {
	format string
	images int
	digest bool
	delay  time.Duration
}

func (s setting) String() string {
	by, n := "tag", "1 image"
	if s.digest {
		by = "digest"
	}
	if s.images > 1 {
		n = fmt.Sprintf("%d images", s.images)
	}
	return fmt.Sprintf("%s, %s by %s, %s", s.format, n, by, delayText(s.delay))
}

func delayText(d time.Duration) string {
	if d == 0 {
		return "no delay"
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// A result is what the tools did in one setting, in the order of the tools;
// those that were left out have no runs.
type result struct {
	setting
	runs [][]sample
}

func (l *lab) compare(o options, c contest) ([]result, error) {
	var results []result
	for _, format := range c.formats {
		images, err := l.stage.Sign(format, many)
		if err != nil {
			return nil, err
		}
		if err := l.control(c.tools, format, images.Tags[0]); err != nil {
			return nil, err
		}
		for _, s := range []setting{{images: 1}, {images: 1, digest: true}, {images: many}} {
			for _, s.delay = range []time.Duration{0, o.delay} {
				s.format = format
				refs, rounds := images.Tags, o.rounds
				if s.digest {
					refs = images.Digests
				}
				if s.images > 1 {
					rounds = o.manyRounds
				}
				r, err := l.measure(c.tools, s, refs[:s.images], rounds)
				if err != nil {
					return nil, err
				}
				results = append(results, r)
				fmt.Fprintf(os.Stderr, "%s: %s\n", s, brief(c.tools, r))
			}
		}
	}
	return results, nil
}

// control makes sure that the tools tell signers apart.
func (l *lab) control(tools []tool, format, ref string) error {
	for _, t := range tools {
		s, err := l.verify(t, format, false, []string{ref}, 0)
		if err != nil {
			return err
		}
		if s.Code == 0 {
			return fmt.Errorf("%s passes a %s signature of somebody else: %s", t.name, format, s.Output)
		}
	}
	return nil
}

func (l *lab) measure(tools []tool, s setting, refs []string, rounds int) (result, error) {
	r := result{s, make([][]sample, len(tools))}
	for round := -1; round < rounds; round++ { // the first one warms up
		for i, t := range tools {
			if t.atATime > s.images {
				continue // as one of fewer at a time
			}
			m, err := l.verify(t, s.format, true, refs, s.delay)
			if err != nil {
				return r, err
			}
			if m.Code != 0 {
				return r, fmt.Errorf("%s: %s: exit %d:\n%s", s, t.name, m.Code, m.Output)
			}
			if round >= 0 {
				r.runs[i] = append(r.runs[i], m)
			}
		}
	}
	return r, nil
}

// verify has the tool verify refs, by the signer or by somebody who did not
// sign, and counts its requests.
func (l *lab) verify(t tool, format string, signer bool, refs []string, delay time.Duration) (sample, error) {
	args, env := l.call(t, format, signer)
	calls := [][]string{append(slices.Clip(args), refs...)}
	if t.atATime > 0 {
		calls = nil
		for _, ref := range refs {
			calls = append(calls, append(slices.Clip(args), ref))
		}
	}
	l.stage.Registry.Reset(delay)
	runtime.GC() // not meanwhile
	m, err := l.run.do(calls, max(t.atATime, 1), env)
	m.requests = len(l.stage.Registry.Requests())
	return m, err
}

func (l *lab) memory(w io.Writer) error {
	fmt.Fprintf(w, "## Bounds\n\nboltseal alone, %d runs each, by tag.\n\n", memoryRuns)
	var worst int64
	for _, format := range []string{bench.Legacy, bench.Bundle, bench.Notation} {
		images, err := l.stage.Sign(format, verymany)
		if err != nil {
			return err
		}
		var runs []sample
		for range memoryRuns {
			m, err := l.verify(l.boltseal, format, true, images.Tags, 0)
			if err != nil {
				return err
			}
			if m.Code != 0 {
				return fmt.Errorf("%d images: exit %d:\n%s", verymany, m.Code, m.Output)
			}
			runs = append(runs, m)
			worst = max(worst, m.RSS)
		}
		fmt.Fprintf(w, "- %d images, %s, no delay: %s MB at most, %s ms at least, %s requests.\n",
			verymany, format, megabytes(runs), milliseconds(walls(runs)[0]), requests(runs))
		s, err := l.least(format, images.Tags[:many])
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "- %d images, %s, 20 ms per request: %s ms at least; the aim is %d ms.\n", many, format, milliseconds(s), aimWall.Milliseconds())
	}
	if worst > aimMemory {
		fmt.Fprintf(w, "\n%d images take more than %d MB: the bound is **exceeded**.\n", verymany, aimMemory/1_000_000)
		return fmt.Errorf("%d images take %d bytes of memory, more than %d", verymany, worst, aimMemory)
	}
	fmt.Fprintf(w, "\n%d images take at most %d MB: the bound is kept.\n", verymany, aimMemory/1_000_000)
	return nil
}

// least returns boltseal's least wall time with a delay of 20 ms.
func (l *lab) least(format string, refs []string) (time.Duration, error) {
	r, err := l.measure([]tool{l.boltseal}, setting{format: format, images: len(refs), delay: 20 * time.Millisecond}, refs, memoryRuns)
	if err != nil {
		return 0, err
	}
	return walls(r.runs[0])[0], nil
}
