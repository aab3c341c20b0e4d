//go:build !race

package dockerfile

const raced = false
