package compose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
)

// noValue stands for a variable without a value in a trial. No image has a name
// with such a character in it.
const noValue = "no\u00a0value"

// A dockerText is a Dockerfile to scan.
type dockerText struct {
	file    string
	body    []byte
	places  *places     // where it stands in a Compose file; nil for a file of its own
	lacking []string    // variables without a value that took part in it
	trial   *dockerText // with noValue for them; nil where there are none
}

func (t dockerText) scan(dockerfile Dockerfile, b scan.Build) scan.Found {
	found := dockerfile(t.body, t.file, b)
	if t.places != nil {
		t.places.move(found)
	}
	return found
}

// scan returns what a Dockerfile uses. Where variables without a value took
// part in it or in build arguments, it is scanned a second time, with something
// else for them: what differs depends on them.
func (g *parameters) scan(dockerfile Dockerfile, text dockerText) scan.Found {
	found := text.scan(dockerfile, g.Build)
	lacking := slices.Concat(g.lacking, text.lacking)
	if len(lacking) == 0 {
		return found
	}
	if text.trial != nil {
		text = *text.trial
	}
	other := g.Build
	other.Args = g.trial
	trial := text.scan(dockerfile, other)
	return doubted(found, trial, fmt.Errorf("this depends on variables of the Compose file: %w", valueless(lacking, g.env)))
}

// doubted returns what two scans of a Dockerfile found, with err for each place
// where they differ.
func doubted(found, trial scan.Found, err error) scan.Found {
	left := map[string]int{} // of the trial's uses
	for _, u := range trial.Uses {
		left[identity(u)]++
	}
	told := map[string]bool{}
	for i, u := range found.Uses {
		if left[identity(u)]--; left[identity(u)] < 0 {
			found.Uses[i].Ref, found.Uses[i].Err = image.Ref{}, err
			told[place(u)] = true
		}
	}
	for _, u := range trial.Uses {
		if left[identity(u)] > 0 && !told[place(u)] {
			left[identity(u)]--
			u.Ref, u.Err = image.Ref{}, err
			found.Uses = append(found.Uses, u)
		}
	}
	return found
}

func place(u image.Use) string { return fmt.Sprintf("%v %q %q", u.At, u.Kind, u.Stage) }

func identity(u image.Use) string {
	return strings.Join([]string{place(u), u.Ref.String(), fmt.Sprint(u.Err)}, " ")
}
