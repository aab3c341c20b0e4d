//go:build !race

package scanreport_test

const raced = false
