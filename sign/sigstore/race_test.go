//go:build race

package sigstore_test

const raceEnabled = true
