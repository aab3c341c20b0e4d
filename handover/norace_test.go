//go:build !race

package handover_test

const raced = false
