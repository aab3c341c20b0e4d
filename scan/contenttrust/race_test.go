//go:build race

package contenttrust_test

// raced says that the race detector makes everything ten times as long.
const raced = true
