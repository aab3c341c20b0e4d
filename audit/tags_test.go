package audit_test

import (
	"strings"
	"testing"

	"github.com/boltseal/boltseal/audit"
)

// hex is a digest of one digit.
func hex(digit string) string { return strings.Repeat(digit, 64) }

// Where the gate knows a tag, the build has to have got what the gate let in for
// it: who can move a tag could otherwise roll it back to another image that was
// let in.
func TestTags(t *testing.T) {
	t.Parallel()
	const node = host + "/base/node"
	exempt := admission(t, node+":old", hex("e"))
	exempt.Exempt = true
	gate := audit.NewGate([]audit.Admission{
		admission(t, node+":18", hex("a")),
		admission(t, node+":20", hex("b")),
		admission(t, node+":22@sha256:"+hex("c"), hex("c")), // of a pinned Dockerfile
		admission(t, node+"@sha256:"+hex("d"), hex("d")),
		exempt,
		admission(t, node+":24", hex("f")), // of one Dockerfile, and of another
		admission(t, node+":24@sha256:"+hex("a"), hex("a")),
		admission(t, node, hex("1")), // latest
		admission(t, host+"/base/other:20", hex("2")),
	})
	uri := func(rest string) string { return "pkg:docker/registry.example%3A5000/base/node" + rest }
	swapped := func(tag, had, of string) string {
		return "the gate let in " + node + ":" + tag + " as sha256:" + hex(had) + ", and the build used the digest of " + node + of
	}
	for _, tc := range []struct {
		name, uri, hex string
		reason         audit.Reason
		says           string
	}{
		{"the tag's", uri("@20"), "b", audit.Admitted, ""},
		{"another tag's", uri("@20"), "a", audit.NotAdmitted, swapped("20", "b", ":18")},
		{"another tag's, the other way around", uri("@18"), "b", audit.NotAdmitted, swapped("18", "a", ":20")},
		{"the tag's, as a source policy converts it", uri("@20?digest=sha256:" + hex("b")), "b", audit.Admitted, ""},
		{"another tag's, written beside it", uri("@20?digest=sha256:" + hex("a")), "a", audit.NotAdmitted, swapped("20", "b", ":18")},
		{"one without a tag", uri("@20"), "d", audit.NotAdmitted, swapped("20", "b", "@sha256:"+hex("d"))},
		{"one that is exempt", uri("@20"), "e", audit.NotAdmitted, swapped("20", "b", ":old")},
		{"another one's by the default tag", uri(""), "a", audit.NotAdmitted, swapped("latest", "1", ":18")},
		{"the default tag's", uri("@latest"), "1", audit.Admitted, ""},
		{"exempt", uri("@old"), "e", audit.Exempt, ""},

		{"no tag, as a source policy can drop it", uri("?digest=sha256:" + hex("a")), "a", audit.Admitted, ""},
		{"a tag that the gate does not know", uri("@16"), "a", audit.Admitted, ""},
		{"a tag that it knows of another repository", "pkg:docker/registry.example%3A5000/base/other@18", "2", audit.Admitted, ""},

		{"pinned", uri("@22?digest=sha256:" + hex("c")), "c", audit.Admitted, ""},
		{"pinned for the gate only", uri("@22"), "c", audit.Admitted, ""},
		{"pinned, and another tag's", uri("@22?digest=sha256:" + hex("a")), "a", audit.NotAdmitted, swapped("22", "c", ":18")},
		{"pinned for the gate only, and another tag's", uri("@22"), "a", audit.NotAdmitted, swapped("22", "c", ":18")},

		{"by tag, and pinned elsewhere", uri("@24"), "f", audit.Admitted, ""},
		{"by tag, rolled back to what is pinned elsewhere", uri("@24"), "a", audit.NotAdmitted, swapped("24", "f", ":18")},
		{"pinned, and by tag elsewhere", uri("@24?digest=sha256:" + hex("a")), "a", audit.Admitted, ""},
		{"by tag, as a source policy converts it, and pinned elsewhere", uri("@24?digest=sha256:" + hex("f")), "f", audit.Admitted, ""},
		{"pinned to neither", uri("@24?digest=sha256:" + hex("b")), "b", audit.NotAdmitted, swapped("24", "f", ":20")},
	} {
		builds, err := audit.ReadMetadata("x", []byte(metadata(materials(material(tc.uri, hex(tc.hex))))), nil)
		if err != nil {
			t.Fatal(err)
		}
		f := gate.Audit(builds, audit.Options{}).Findings[0]
		if f.Reason != tc.reason || len(f.Used) != 1 {
			t.Errorf("%s: %s %v, want %s", tc.name, f.Reason, f.Used, tc.reason)
			continue
		}
		explained(t, f)
		if listed := len(f.Used[0].Instead) > 0; listed == f.Passed() {
			t.Errorf("%s: alternatives are listed: %t", tc.name, listed)
		}
		if err := f.Used[0].Err; (err == nil) != f.Passed() || err != nil && !strings.HasSuffix(err.Error(), tc.says) {
			t.Errorf("%s: says %v, want %q", tc.name, err, tc.says)
		}
	}
}

// A step that names another tag with the digest of a material is another thing.
func TestTagsInSteps(t *testing.T) {
	t.Parallel()
	gate := audit.NewGate([]audit.Admission{admission(t, host+"/base/app:1", appHex), admission(t, host+"/base/app:2", otherHex)})
	for step, want := range map[string]string{
		"app:1@sha256:" + appHex:   "||admitted admitted:base/app:1@b376\n",
		"app@sha256:" + appHex:     "||admitted admitted:base/app:1@b376\n",
		"app:2@sha256:" + otherHex: "||admitted admitted:base/app:1@b376 admitted:base/app:2@ad09(steps)\n",
		"app:2@sha256:" + appHex:   "||not-admitted admitted:base/app:1@b376 not-admitted:base/app:2@b376(steps)\n",
	} {
		builds, err := audit.ReadMetadata("x", []byte(metadata(maxed(source("docker-image://"+host+"/base/"+step), source("docker-image://"+host+"/base/"+step)))), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := told(gate.Audit(builds, audit.Options{})); got != want {
			t.Errorf("%s\ngot\n%swant\n%s", step, got, want)
		}
	}
}
