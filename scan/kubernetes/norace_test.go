//go:build !race

package kubernetes_test

const raced = false
