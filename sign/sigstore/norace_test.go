//go:build !race

package sigstore_test

const raced = false
