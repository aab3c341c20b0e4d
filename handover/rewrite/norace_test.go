//go:build !race

package rewrite_test

const raced = false
