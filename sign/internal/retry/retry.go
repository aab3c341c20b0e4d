// Package retry says when a service may be asked once more.
package retry

import (
	"errors"
	"strconv"
	"time"
)

// After returns the wait that an answer asks for with a Retry-After of s (RFC 9110,
// section 10.2.3), in seconds or as a date: 0 for none, at most a day.
func After(s string) time.Duration {
	if n, err := strconv.ParseUint(s, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(n, 24*3600)) * time.Second
	}
	for _, layout := range []string{"Mon, 02 Jan 2006 15:04:05 GMT", time.RFC850, time.ANSIC} { // RFC 9110, section 5.6.7
		if t, err := time.Parse(layout, s); err == nil {
			return max(0, min(time.Until(t), 24*time.Hour))
		}
	}
	return 0
}
