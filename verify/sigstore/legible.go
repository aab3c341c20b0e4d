package sigstore

import (
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// A worded is an error of the library in words that fit on a line.
type worded struct {
	text string
	err  error
}

func (w *worded) Error() string { return w.text }
func (w *worded) Unwrap() error { return w.err }

// byteList is how the library writes a hash.
var byteList = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\[(?:[0-9]{1,3} ){15,}[0-9]{1,3}\]`) })

// legible returns err on one line, and with hashes in hex.
func legible(err error) error {
	text := byteList().ReplaceAllStringFunc(err.Error(), func(list string) string {
		var hash []byte
		for _, n := range strings.Fields(strings.Trim(list, "[]")) {
			b, err := strconv.ParseUint(n, 10, 8)
			if err != nil {
				return list
			}
			hash = append(hash, byte(b))
		}
		return hex.EncodeToString(hash)
	})
	return &worded{strings.Join(strings.Fields(text), " "), err}
}
