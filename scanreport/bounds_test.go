package scanreport_test

import (
	"errors"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/scanreport"
)

// What a hostile report takes in memory is a few times its size, whatever it is
// made of, and its time is about what an honest one of that size takes.
func TestReadMemory(t *testing.T) { //nolint:paralleltest // it measures the memory of the process
	if raced || testing.Short() {
		t.Skip("it measures")
	}
	const size = 4 << 20
	const fixed = 40 << 20 // what the most items that are taken need, however short they are
	fill := func(before, item, after string) []byte {
		n := (size - len(before) - len(after)) / len(item)
		return []byte(before + strings.Repeat(item, n)[:n*len(item)-1] + after) // without the last comma
	}
	head, tail := `{"SchemaVersion":2,"ArtifactType":"container_image","Results":[{"Class":"os-pkgs","Vulnerabilities":[`, `]}]}`
	for _, tc := range []struct {
		name string
		body []byte
		want error // nil for any
	}{
		{"empty findings", fill(head, "{},", tail), scanreport.ErrMalformed},
		{"least findings", fill(head, `{"VulnerabilityID":"a","Severity":"LOW"},`, tail), scanreport.ErrTooLarge},
		{"findings with aliases", fill(head, `{"VulnerabilityID":"a","VendorIDs":["`+strings.Repeat(`b","`, 200)+`"],"Severity":"LOW"},`, tail), nil},
		{"numbers", fill(`{"SchemaVersion":2,"ArtifactType":"container_image","x":[`, "0,", `]}`), scanreport.ErrNothingScanned},
		{"objects", fill(`{"SchemaVersion":2,"ArtifactType":"container_image","x":[{`, `"a":{},`, `}]}`), scanreport.ErrTooLarge},
		{"brackets", []byte(strings.Repeat("[", size)), scanreport.ErrTooLarge},
		{"one text", []byte(`{"SchemaVersion":2,"ArtifactType":"` + strings.Repeat("a", size) + `"}`), scanreport.ErrNotImage},
		{"one ID", []byte(head + `{"VulnerabilityID":"` + strings.Repeat("a", size) + `","Severity":"LOW"}` + tail), scanreport.ErrMalformed},
		{"rules", fill(`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"grype","rules":[`, `{},`, `]}},"results":[]}]}`), scanreport.ErrTooLarge},
		{"matches", fill(`{"descriptor":{"name":"grype"},"source":{"type":"image","target":{}},"matches":[`, `{"vulnerability":{"id":"a"}},`, `]}`), scanreport.ErrTooLarge},
		{"within", []byte(within(string(fill(head, `{"VulnerabilityID":"a","Severity":"LOW","x":"`+strings.Repeat("x", 200)+`"},`, tail)))), nil},
	} {
		runtime.GC()
		var before runtime.MemStats
		runtime.ReadMemStats(&before)
		old := debug.SetGCPercent(20)
		stop, done := make(chan struct{}), make(chan uint64)
		go func() {
			peak := uint64(0)
			for {
				select {
				case <-stop:
					done <- peak
					return
				case <-time.After(5 * time.Millisecond):
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					peak = max(peak, m.HeapAlloc)
				}
			}
		}()
		start := time.Now()
		r, err := scanreport.Read(tc.body)
		took := time.Since(start)
		close(stop)
		peak := <-done
		debug.SetGCPercent(old)
		if tc.want != nil && !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
		runtime.KeepAlive(r)
		runtime.KeepAlive(tc.body)
		over := int64(peak) - int64(before.HeapAlloc) //nolint:gosec // of a heap
		t.Logf("%s: %.1f times its size, %s, %v", tc.name, float64(over)/size, took.Round(time.Millisecond), err)
		if over > 8*size+fixed {
			t.Errorf("%s: it took %.1f times its size", tc.name, float64(over)/size)
		}
	}
}
