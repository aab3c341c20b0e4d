package yamlfile_test

import (
	"errors"
	"testing"
	"testing/fstest"

	"github.com/boltseal/boltseal/internal/yamlnode"
	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/scan/internal/yamlfile"
)

func TestLoad(t *testing.T) {
	t.Parallel()
	fsys := fstest.MapFS{"a.yml": {Data: []byte("a: 1")}, "large": {Data: make([]byte, scan.MaxFile+1)}}
	if f, err := yamlfile.Load(fsys, "a.yml"); err != nil || len(f.Docs) != 1 {
		t.Errorf("%v, %v", f, err)
	}
	for _, name := range []string{"none", "large", ".", "../x"} {
		f, err := yamlfile.Load(fsys, name)
		var place *yamlnode.Error
		if f == nil || !errors.As(err, &place) || place.At.File != name || place.At.Line != 1 {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
}

// What may be read may also be parsed.
func TestBound(t *testing.T) {
	t.Parallel()
	if yamlnode.MaxFile != scan.MaxFile {
		t.Errorf("%d and %d", yamlnode.MaxFile, scan.MaxFile)
	}
}
