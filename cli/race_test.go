//go:build race

package cli

// Raced says that the race detector makes everything ten times as long.
const Raced = true
