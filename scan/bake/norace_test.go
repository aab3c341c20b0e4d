//go:build !race

package bake_test

const raced = false
