//go:build !race

package sigstore

const Raced = false
