//go:build !race

package yamlshape_test

const raced = false
