//go:build !race

package contenttrust_test

const raced = false
