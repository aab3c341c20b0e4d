//go:build race

package handover_test

// raced says that the race detector makes everything ten times as long.
const raced = true
