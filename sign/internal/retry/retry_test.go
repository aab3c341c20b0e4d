package retry_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/boltseal/boltseal/sign/internal/retry"
)

func TestAfter(t *testing.T) {
	t.Parallel()
	date := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for header, want := range map[string]time.Duration{"": 0, "7": 7 * time.Second, "-1": 0, "1.5": 0, "86401": 24 * time.Hour, "Mon, 01 Jan 2001 00:00:00 GMT": 0} {
		if got := retry.After(header); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
	if got := retry.After(date); got < 59*time.Minute || got > time.Hour {
		t.Errorf("%s: %v", date, got)
	}
}
