package report_test

import (
	"context"
	"testing"
	"time"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/report"
)

// Only a run that ended by itself goes on without having passed.
func TestLenient(t *testing.T) {
	t.Parallel()
	ended, end := context.WithCancel(context.Background())
	end()
	late, stop := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer stop()
	bad := []subject{unsigned("ghcr.io/acme/base:v1")}
	good := []subject{tagged("ghcr.io/acme/app:v1", "a", pass())}
	for _, tc := range []struct {
		name        string
		r           gate.Report
		warn, empty bool // what it is in warn mode, and with AllowEmpty
	}{
		{"passed", gateReport(context.Background(), good), false, false},
		{"refused", gateReport(context.Background(), bad), true, false},
		{"nothing", gateReport(context.Background(), nil), true, true},
		{"nothing, interrupted", gateReport(ended, nil), false, false},
		{"nothing, late", gateReport(late, nil), true, false},
		{"interrupted", gateReport(ended, bad), false, false},
		{"late", gateReport(late, bad), true, false},
		{"no run", gate.Report{}, false, false},
	} {
		if got := (report.Run{Mode: "warn"}).Lenient(tc.r); got != tc.warn {
			t.Errorf("%s, warn mode: %v", tc.name, got)
		}
		if got := (report.Run{Mode: "enforce", AllowEmpty: true}).Lenient(tc.r); got != tc.empty {
			t.Errorf("%s, empty is allowed: %v", tc.name, got)
		}
		if (report.Run{Mode: "enforce"}).Lenient(tc.r) || (report.Run{}).Lenient(tc.r) {
			t.Errorf("%s: lenient without being told", tc.name)
		}
	}
}
