//go:build !race

package dct

// Raced says that the race detector makes everything ten times as long.
const Raced = false
