package handover_test

import (
	"strings"
	"testing"

	"github.com/boltseal/boltseal/gate"
	"github.com/boltseal/boltseal/handover"
)

func TestNew(t *testing.T) {
	t.Parallel()
	a, b := digest("a"), digest("b")
	for _, tc := range []struct {
		name     string
		admitted []gate.Admitted
		len      int
		exempt   string // the references that are
		err      string
	}{
		{"none", nil, 0, "", ""},
		{"twice", admitted(t, given{"app:1", a, nil}, given{"docker.io/library/app:1", a, nil}), 1, "", ""},
		{"the tag moved", admitted(t, given{"app:1", a, nil}, given{"app:1", b, nil}), 0, "", "hand over docker.io/library/app:1: it was " + a + " and then " + b},
		{"a written digest is another reference", admitted(t, given{"app:1", a, nil}, given{"app:1@" + b, b, nil}), 2, "", ""},
		{"zero", []gate.Admitted{{}}, 0, "", "without a digest"},
		{"exempt in one place", admitted(t, given{"app:1", a, nil}, given{"app:1", a, &until}, given{"app:1", a, nil}, given{"app:2", a, nil}), 2, "docker.io/library/app:1", ""},
		{"exempt", admitted(t, given{"b:1", a, &unsigned}, given{"a:1", a, &until}), 2, "docker.io/library/a:1 docker.io/library/b:1", ""},
	} {
		s, err := handover.New(tc.admitted)
		if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: error %v, want %q", tc.name, err, tc.err)
		}
		var exempt []string
		for _, r := range s.Exempt() {
			exempt = append(exempt, r.String())
		}
		if got := strings.Join(exempt, " "); s.Len() != tc.len || got != tc.exempt {
			t.Errorf("%s: %d references, exempt %q, want %d, %q", tc.name, s.Len(), got, tc.len, tc.exempt)
		}
	}
}
