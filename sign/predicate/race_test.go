//go:build race

package predicate_test

const raceEnabled = true
