package handover

import (
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/image"
)

// hostPattern is the grammar of hosts in github.com/distribution/reference,
// which BuildKit, buildx and containers/image read references by. Package image
// takes more: any host that may stand in a URL, with quotes, commas, "=" and "$"
// in it, which are something else in most of the files that are written here.
var hostPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$`)
})

// unreadable says why builders cannot read ref. In one that they can there are
// letters, digits and ". _ - / : @ [ ]", and nothing else.
func unreadable(ref image.Ref) error {
	if !hostPattern().MatchString(ref.Registry()) {
		return fmt.Errorf("%s: builders take %s for no host: write it as NAME or NAME:PORT, of letters, digits, dots and hyphens", ref, ref.Registry())
	}
	return nil
}

// pinned returns the reference with its digest, and its tag if it has one.
func (e entry) pinned() string {
	name := e.ref.Name()
	if tag := e.ref.Tag(); tag != "" {
		name += ":" + tag
	}
	return name + "@" + e.digest
}

// until says since when, or rather until when, an image is exempt. It has
// nothing in it that a policy's author has worded.
func until(x *gate.Exemption) string {
	end := x.Until.UTC()
	switch {
	case x.Unsigned:
		return "exempt, unsigned by its publisher"
	case end.Equal(end.Truncate(24 * time.Hour)):
		return "exempt until " + end.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	return "exempt until " + end.Format(time.RFC3339)
}
