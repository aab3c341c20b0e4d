//go:build !race

package cli

const Raced = false
