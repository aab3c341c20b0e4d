// Package retry says when a service may be asked once more.
package retry

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

// After returns the wait that an answer asks for with Retry-After (RFC 9110,
// section 10.2.3), in seconds or as a date: 0 for none, at most a day.
func After(h http.Header) time.Duration {
	s := h.Get("Retry-After")
	if n, err := strconv.ParseUint(s, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(n, 24*3600)) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(0, min(time.Until(t), 24*time.Hour))
	}
	return 0
}
