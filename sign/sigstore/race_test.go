//go:build race

package sigstore_test

// raced says that the race detector makes everything ten times as long.
const raced = true
