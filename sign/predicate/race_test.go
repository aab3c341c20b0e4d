//go:build race

package predicate_test

// raced says that the race detector makes everything ten times as long.
const raced = true
