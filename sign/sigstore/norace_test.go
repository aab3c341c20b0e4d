//go:build !race

package sigstore_test

const raceEnabled = false
