//go:build race

package policy

// raced says that the race detector makes everything ten times as long.
const raced = true
