// Package hostile handles what strangers wrote: text that goes into messages, and
// what is parsed.
package hostile

import (
	"fmt"
	"strings"
)

// Clip bounds text that comes from outside before it goes into a message.
func Clip(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// Quoted returns text that comes from outside for a message: in quotes, on one
// line and not too long.
func Quoted(s string) string {
	const most = 200
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}

// Safely calls f and turns a panic into an error. Parsers of hostile input are
// other people's code; what trips one must refuse its signature, not end a run
// in which other images were about to be refused.
func Safely(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("malformed: %v", r)
		}
	}()
	return f()
}
