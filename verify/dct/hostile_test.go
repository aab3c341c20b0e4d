package dct_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/theupdateframework/notary/tuf/data"

	"github.com/boltseal/boltseal/internal/dcttest"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/dct"
)

// forge has the file of a role be changed after it was signed, by whoever holds
// the keys of snapshot and timestamp, as servers do.
func forge(t *testing.T, c *dcttest.Collection, role string, change func([]byte) []byte) {
	t.Helper()
	ok(t, c.Change(role, func(r *dcttest.Role) {
		r.Forge = func(file []byte) []byte {
			changed := change(bytes.Clone(file))
			if bytes.Equal(file, changed) {
				t.Errorf("%s: nothing was changed in %s", role, file)
			}
			return changed
		}
	}))
}

// insert puts text before the first of what is there.
func insert(before, text string) func([]byte) []byte {
	return func(file []byte) []byte { return bytes.Replace(file, []byte(before), []byte(text+before), 1) }
}

// edit has the signed part of the file of a role be changed by who signs it.
func edit(t *testing.T, c *dcttest.Collection, role string, change func(signed map[string]any)) {
	t.Helper()
	ok(t, c.Change(role, func(r *dcttest.Role) { r.Edit = change }))
}

// own is a target of somebody's choice.
const own = `"1.0":{"length":1,"hashes":{"sha256":"u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7s="}}`

// The client reads what is signed twice. A server, which holds the keys of
// snapshot and timestamp, must not have it read two things.
func TestTwoReadings(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		role   string
		change func([]byte) []byte
		image  string // digest of the image that is asked for
	}{
		"targets twice":         {dcttest.Releases, insert(`"targets":{"1.0"`, `"targets":{`+own+`},`), digest("b")},
		"targets twice, others": {dcttest.Releases, insert(`"targets":{"1.0"`, `"targets":{`+strings.Replace(own, "1.0", "9.0", 1)+`},`), digest("b")},
		"targets in capitals":   {dcttest.Releases, insert(`"targets":{"1.0"`, `"TARGETS":{`+own+`},`), digest("b")},
		"a tag twice":           {dcttest.Releases, insert(`"1.0":{`, own+`,`), digest("b")},
		"hashes twice":          {dcttest.Releases, insert(`"hashes":{`, `"hashes":{"sha256":"u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7s="},`), digest("b")},
		"signed twice":          {dcttest.Releases, insert(`"signed":`, `"signed":{"_type":"Targets"},`), digest("a")},
		"roles twice":           {dcttest.Root, insert(`"roles":{`, `"roles":{},`), digest("a")},
		"keys twice":            {dcttest.Root, insert(`"keys":{`, `"keys":{},`), digest("a")},
		"signatures twice":      {dcttest.Releases, insert(`"signatures":`, `"Signatures":[],`), digest("a")},
		"something behind":      {dcttest.Releases, func(b []byte) []byte { return append(b, "{}"...) }, digest("a")},
		"lenient base64": {dcttest.Releases, func(b []byte) []byte {
			i := bytes.Index(b, []byte(`=="`)) - 1
			b[i]++
			return b
		}, digest("a")},
		"deep": {dcttest.Releases, insert(`"signed":`, `"x":`+strings.Repeat("[", 100000)+strings.Repeat("]", 100000)+`,`), digest("a")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := signed10(t)
			forge(t, c, tc.role, tc.change)
			v, err := dct.NewSession(dcttest.NewStore(c), "").Require(ids(c))
			ok(t, err)
			for _, tag := range []string{"1.0", "9.0"} {
				expect(t, name, v.Verify(t.Context(), pinned(t, gun+":"+tag, tc.image)), "bad-signature")
			}
		})
	}
}

// A tag may be called as what is not looked into. Whoever announces the file, and
// cannot sign it, must not add the digest that it lacks.
func TestTagNamedCustom(t *testing.T) {
	t.Parallel()
	for _, tag := range []string{"custom", "other"} {
		c := signed10(t)
		ok(t, c.Change(dcttest.Releases, func(r *dcttest.Role) {
			r.Tags[tag] = data.FileMeta{Length: 5, Hashes: data.Hashes{"sha512": make([]byte, 64)}}
		}))
		verified := func() verify.Verdict {
			v, err := dct.NewSession(dcttest.NewStore(c), "").Require(ids(c))
			ok(t, err)
			return v.Verify(t.Context(), pinned(t, gun+":"+tag, "sha256:"+strings.Repeat("bb", 32)))
		}
		expect(t, tag, verified(), "unsupported")
		forge(t, c, dcttest.Releases, insert(`"hashes":{"sha512"`, `"hashes":{"sha256":"u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7s="},`))
		expect(t, tag+", forged", verified(), "bad-signature")
	}
}

// A server that has no key at all makes no message of megabytes.
func TestLongTexts(t *testing.T) {
	t.Parallel()
	if dct.Raced {
		t.Skip("the race detector makes it long")
	}
	long := strings.Repeat("A", 900<<10)
	for name, change := range map[string]struct {
		role   string
		change func(signed map[string]any)
	}{
		"root":      {dcttest.Root, func(s map[string]any) { s["expires"] = long }},
		"targets":   {dcttest.Targets, func(s map[string]any) { s["expires"] = long }},
		"timestamp": {dcttest.Timestamp, func(s map[string]any) { s["expires"] = long }},
		"a delegation": {dcttest.Targets, func(s map[string]any) {
			s["delegations"].(map[string]any)["roles"].([]any)[0].(map[string]any)["name"] = "targets/x" + strings.ToLower(long)
		}},
	} {
		c := signed10(t)
		edit(t, c, change.role, change.change)
		got := ask(t, dcttest.NewStore(c), "", ids(c))
		want := "bad-signature"
		if name == "a delegation" {
			want = "unsupported"
		}
		if told(got) != want || len(got.Err().Error()) > 1000 {
			t.Errorf("%s: %q, %d bytes: %.1000v", name, told(got), len(fmt.Sprint(got.Err())), got.Err())
		}
	}
}

// What trips the client refuses the collection, and does not end the run.
func TestMalformed(t *testing.T) {
	t.Parallel()
	set := func(path string, value any) func(map[string]any) {
		return func(signed map[string]any) {
			at := signed
			parts := strings.Split(path, " ")
			for _, p := range parts[:len(parts)-1] {
				at = at[p].(map[string]any)
			}
			at[parts[len(parts)-1]] = value
		}
	}
	many := func(n int, item func(i int) any) []any {
		var all []any
		for i := range n {
			all = append(all, item(i))
		}
		return all
	}
	delegation := func(name string) any {
		return map[string]any{"name": name, "keyids": []any{}, "threshold": 1, "paths": []any{""}}
	}
	for name, tc := range map[string]struct {
		role   string
		change func(map[string]any)
		want   string
	}{
		"no role at all":          {dcttest.Targets, set("delegations roles", []any{nil}), "bad-signature"},
		"delegations of nobody":   {dcttest.Targets, set("delegations", nil), "verified"}, // but for releases
		"a delegation twice":      {dcttest.Targets, set("delegations roles", []any{delegation("targets/x"), delegation("targets/x")}), "bad-signature"},
		"a role above":            {dcttest.Targets, set("delegations roles", []any{delegation("root")}), "bad-signature"},
		"a role elsewhere":        {dcttest.Targets, set("delegations roles", []any{delegation("targets/../root")}), "bad-signature"},
		"a role with a line":      {dcttest.Targets, set("delegations roles", []any{delegation("targets/x\n")}), "bad-signature"},
		"1,025 delegations":       {dcttest.Targets, set("delegations roles", many(1025, func(i int) any { return delegation(fmt.Sprintf("targets/x%d", i)) })), "unsupported"},
		"many paths":              {dcttest.Targets, set("delegations roles", []any{map[string]any{"name": "targets/x", "keyids": []any{}, "threshold": 1, "paths": many(257, func(i int) any { return fmt.Sprint(i) })}}), "unsupported"},
		"many keys":               {dcttest.Targets, set("delegations keys", keys(1025)), "unsupported"},
		"no threshold":            {dcttest.Root, set("roles targets threshold", 0), "bad-signature"},
		"no keys":                 {dcttest.Root, set("roles targets keyids", []any{}), "bad-signature"},
		"no root keys":            {dcttest.Root, set("roles root keyids", []any{}), "bad-signature"},
		"no roles":                {dcttest.Root, set("roles", nil), "bad-signature"},
		"a role that is nothing":  {dcttest.Root, set("roles targets", nil), "bad-signature"},
		"a key that is nothing":   {dcttest.Root, func(s map[string]any) { nothing(s["keys"].(map[string]any)) }, "unsupported"},
		"version 0":               {dcttest.Targets, set("version", 0), "bad-signature"},
		"a version that is text":  {dcttest.Targets, set("version", "1"), "bad-signature"},
		"another type":            {dcttest.Targets, set("_type", "Root"), "bad-signature"},
		"no type":                 {dcttest.Timestamp, set("_type", nil), "bad-signature"},
		"no expiry":               {dcttest.Snapshot, set("expires", nil), "expired"},
		"nothing announced":       {dcttest.Timestamp, set("meta", nil), "bad-signature"},
		"no targets announced":    {dcttest.Snapshot, set("meta targets", nil), "bad-signature"},
		"announced with no sum":   {dcttest.Snapshot, set("meta targets/releases hashes", map[string]any{"sha512": base64.StdEncoding.EncodeToString(make([]byte, 64))}), "unsupported"},
		"announced with half one": {dcttest.Snapshot, set("meta targets/releases hashes", map[string]any{"sha256": "YQ=="}), "bad-signature"},
		"announced as large":      {dcttest.Snapshot, set("meta targets/releases length", 1<<40), "unsupported"},
		"announced as small":      {dcttest.Snapshot, set("meta targets/releases length", 5), "bad-signature"},
		"announced as nothing":    {dcttest.Snapshot, set("meta targets/releases length", -1), "bad-signature"},
		"announced as no number":  {dcttest.Snapshot, set("meta targets/releases length", "1"), "bad-signature"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := signed10(t)
			edit(t, c, tc.role, tc.change)
			got := ask(t, dcttest.NewStore(c), "", ids(c))
			want := verify.Reason(tc.want)
			if want == verify.Verified {
				want = verify.Unsigned // without delegations only targets may sign
			}
			if got.Reason() != want || verify.Hint(got.Err()) == "" {
				t.Errorf("%s: %q (%v; %s), want %q", name, got.Reason(), got.Err(), verify.Hint(got.Err()), want)
			}
			if strings.Contains(got.Err().Error(), "malformed: runtime") {
				t.Log("tripped:", got.Err())
			}
		})
	}
}

func keys(n int) map[string]any {
	all := map[string]any{}
	for i := range n {
		all[fmt.Sprint(i)] = map[string]any{"keytype": "ecdsa", "keyval": map[string]any{"public": "YQ==", "private": nil}}
	}
	return all
}

func nothing(all map[string]any) {
	for id := range all {
		all[id] = nil
	}
}
