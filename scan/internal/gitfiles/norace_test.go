//go:build !race

package gitfiles_test

const raced = false
