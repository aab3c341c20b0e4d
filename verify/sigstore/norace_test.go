//go:build !race

package sigstore

const raceEnabled = false
