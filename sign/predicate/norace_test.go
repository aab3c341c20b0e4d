//go:build !race

package predicate_test

const raced = false
