//go:build race

package sigstore

// Raced says that the race detector makes everything ten times as long.
const Raced = true
