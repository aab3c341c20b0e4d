//go:build !race

package yamlnode_test

const raced = false
