package builders_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"testing"
)

// handWritten stands in for the product's policy until it writes one.
func (w *world) handWritten(form, repo, tag, digest string) string {
	type m = map[string]any
	name := w.reg.Host() + "/" + repo
	convert := m{"action": "CONVERT", "selector": m{"identifier": "docker-image://" + name + ":" + tag, "match_type": "EXACT"}, "updates": m{"identifier": "docker-image://" + name + ":" + tag + "@" + digest}}
	allow := m{"action": "ALLOW", "selector": m{"identifier": "^docker-image://" + regexp.QuoteMeta(name) + "(:[^@]+)?@" + digest + "$", "match_type": "REGEX"}}
	rules := []m{{"action": "DENY", "selector": m{"identifier": "^(docker-image|oci-layout)(\\+blob)?://", "match_type": "REGEX"}}, convert, allow}
	if form == "source-policy-strict" {
		rules = []m{{"action": "DENY", "selector": m{"identifier": "*", "match_type": "WILDCARD"}}, {"action": "ALLOW", "selector": m{"identifier": "local://*", "match_type": "WILDCARD"}}, convert, allow}
	}
	body, err := json.Marshal(m{"version": 1, "rules": rules})
	check(w.t, err)
	path := w.path(fmt.Sprintf("%s.json", form))
	write(w.t, path, string(body))
	return path
}

func TestSwapped(t *testing.T) {
	for _, form := range []string{"source-policy", "source-policy-strict"} {
		for _, c := range clients() {
			t.Run(form+"/"+c.name, func(t *testing.T) {
				w := newWorld(t)
				good := w.put("team/base", "v1", "good")
				policy := w.handWritten(form, "team/base", "v1", good)
				w.put("team/base", "v1", "evil")
				b := build{dockerfile: "FROM REGISTRY/team/base:v1\n"}
				w.build(c, b).has("marker", "evil")
				b.policy = policy
				w.build(c, b).has("marker", "good")
				b.dockerfile = "FROM REGISTRY/team/other:v1\n"
				w.put("team/other", "v1", "other")
				w.build(c, b).denied("team/other")
			})
		}
	}
}
