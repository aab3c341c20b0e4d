package dct

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/theupdateframework/notary/client"
	"github.com/theupdateframework/notary/tuf"
	"github.com/theupdateframework/notary/tuf/data"

	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

// What is remembered costs as much as what is answered.
func TestBytesRemembered(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("x"), 200)
	name := fmt.Sprintf("targets.%x", sha256.Sum256(body))
	for left, want := range map[int64]verify.Reason{0: verify.Unsupported, 199: verify.Unsupported, 200: verify.Undecided} {
		r := newRemote(t.Context(), nil, registry.TrustServer{}, "registry.example/app")
		r.last = &memo{Files: map[string][]byte{"targets": body}}
		r.bytes = maxBytes - left
		got, err := r.GetSized(name, 200)
		if Reason(err) != want || (err == nil) != bytes.Equal(got, body) {
			t.Errorf("%d bytes left: %v", left, err)
		}
		if left == 199 {
			continue
		}
		if _, err := r.GetSized(strings.Replace(name, "targets", "targets/alice", 1), 1); Reason(err) != verify.Unsupported {
			t.Errorf("%d bytes left, and then one more: %v", left, err)
		}
	}
}

// What could not be read again is not written.
func TestBytesWritten(t *testing.T) {
	t.Parallel()
	if Raced {
		t.Skip("the race detector makes it long")
	}
	k := memoFile{name: t.TempDir() + "/dct-x.json", gun: "registry.example/app"}
	if err := k.write(&memo{Files: map[string][]byte{"targets": make([]byte, maxBytes), "snapshot": make([]byte, maxRoot+1<<20)}}); Reason(err) != verify.Unsupported {
		t.Errorf("%v", err)
	}
	l := &loaded{}
	was := &memo{Files: map[string][]byte{}}
	for i := range maxFiles {
		was.Files[fmt.Sprintf("targets/%d", i)] = fmt.Appendf(nil, `{"signed":{"version":1}}`)
	}
	l.Roles = []Role{{Name: "targets", Version: 1}}
	was.Files["targets"] = was.Files["targets/0"]
	if _, err := (&memo{Files: map[string][]byte{}}).with(was, l); Reason(err) != verify.Unsupported {
		t.Errorf("%v", err)
	}
}

// Nobody has as many tags, and each costs.
func TestTags(t *testing.T) {
	t.Parallel()
	if Raced {
		t.Skip("the race detector makes it long")
	}
	tags := func(n int) []byte {
		var b bytes.Buffer
		b.WriteString(`{"signed":{"_type":"Targets","targets":{"":{}`)
		for i := range n - 1 {
			fmt.Fprintf(&b, `,"%d":{}`, i)
		}
		b.WriteString(`}},"signatures":[]}`)
		return b.Bytes()
	}
	if err := sound(file{role: "targets"}, tags(maxTargets)); err != nil {
		t.Error(err)
	}
	if err := sound(file{role: "targets"}, tags(maxTargets+1)); Reason(err) != verify.Unsupported || !strings.Contains(err.Error(), "50001 tags") {
		t.Error(err)
	}
	half := data.Files{}
	for i := range maxTargets/2 + 1 {
		half[fmt.Sprint(i)] = data.FileMeta{}
	}
	l := &loaded{repo: tuf.NewRepo(nil)}
	for _, role := range []data.RoleName{"targets", "targets/alice"} {
		l.repo.Targets[role] = &data.SignedTargets{Signed: data.Targets{Targets: half}}
	}
	if err := l.targets(); Reason(err) != verify.Unsupported {
		t.Error(err)
	}
}

// In the file of root targets is the name of a role, what it holds is nobody's
// choice.
func TestRootHasNoTags(t *testing.T) {
	t.Parallel()
	for members, good := range map[string]bool{`"keyids":[],"threshold":1`: true, `"keyids":[],"KEYIDS":["x"]`: false, `"Threshold":1`: false} {
		err := sound(file{role: "root"}, []byte(`{"signed":{"_type":"Root","roles":{"targets":{`+members+`}}},"signatures":[]}`))
		if good && err != nil || !good && Reason(err) != verify.BadSignature {
			t.Errorf("%s: %v", members, err)
		}
	}
}

// The client's own words are told, but not all of them.
func TestClipped(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"the client's": judged(client.ErrNoSuchTarget(strings.Repeat("x", 1<<20))),
		"a role":       judged(data.ErrInvalidRole{Role: data.RoleName(strings.Repeat("x", 1<<20))}),
		"a date":       sound(file{role: "targets"}, []byte(`{"signed":{"_type":`+strings.Repeat("1", 1<<20)+`}}`)),
		"a name":       sound(file{role: "targets"}, []byte(`{"signed":{"_type":"Targets","delegations":{"roles":[{"name":"targets/`+strings.Repeat("x", 1<<20)+`"}]}}}`)),
	} {
		if err == nil || len(err.Error()) > 400 {
			t.Errorf("%s: %.500v", name, err)
		}
	}
	cause := client.ErrNoSuchTarget("")
	if !errors.As(judged(client.ErrNoSuchTarget("x")), &cause) {
		t.Error("the cause is lost")
	}
}
