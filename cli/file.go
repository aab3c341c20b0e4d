package cli

import (
	"fmt"
	"io"
	"os"
)

// maxText bounds keys, certificates and trust roots, in bytes.
const maxText = 4 << 20

// readBounded reads a file that a flag names. One that is longer than limit, in
// bytes, is an error.
func readBounded(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name) //nolint:gosec // the user names it
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(body)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return body, err
}
