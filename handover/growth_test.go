//go:build unix && !race

package handover_test

import (
	"syscall"
	"testing"
	"time"
)

// Four times the images may take four times as long, and not 16 times: also if
// they are all of one repository. What is measured is the time of the processor,
// which the machine's other work does not make longer.
func TestSourcePolicyGrowth(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a second")
	}
	for _, one := range []bool{false, true} {
		few, more := admitted(t, many(250, one)...), admitted(t, many(1000, one)...)
		fewTook, moreTook := time.Hour, time.Hour
		for range 7 {
			start := processor(t)
			handOver(t, few)
			middle := processor(t)
			handOver(t, more)
			fewTook, moreTook = min(fewTook, middle-start), min(moreTook, processor(t)-middle)
		}
		t.Logf("250 images: %v, 1,000 images: %v", fewTook, moreTook)
		if moreTook > 9*fewTook {
			t.Errorf("250 images took %v and 1,000 %v", fewTook, moreTook)
		}
	}
}

// processor returns the time that the processor has spent on this process.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
