//go:build race

package sigstore

const raceEnabled = true
