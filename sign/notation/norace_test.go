//go:build !race

package notation_test

const raced = false
