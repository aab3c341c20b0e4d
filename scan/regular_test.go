package scan_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/boltseal/boltseal/scan"
)

// A file is read whole or not at all.
func TestReadFile(t *testing.T) {
	t.Parallel()
	fits := bytes.Repeat([]byte("#"), scan.MaxFile)
	files := fstest.MapFS{"fits": {Data: fits}, "large": {Data: append(fits[:len(fits):len(fits)], '#')}, "folder/x": {}}
	if text, err := scan.ReadFile(files, "fits"); err != nil || len(text) != scan.MaxFile {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	for name, want := range map[string]string{"large": "large is larger than 4 MiB", "folder": "folder", "none": "open none: file does not exist"} {
		text, err := scan.ReadFile(files, name)
		if err == nil || len(text) > 0 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
}
