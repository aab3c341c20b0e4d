package sigstore

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	rekorpb "github.com/sigstore/rekor-tiles/v2/pkg/generated/protobuf"
	"github.com/sigstore/sigstore-go/pkg/root"
	sgsign "github.com/sigstore/sigstore-go/pkg/sign"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/boltseal/boltseal/internal/sigstoretest"
	"github.com/boltseal/boltseal/verify"
)

// fixedKey makes the same signature of the same content each time.
func fixedKey(t *testing.T) *Key {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return pemKey(t, private)
}

// paths are what a service was asked for.
func paths(s *sigstoretest.Service) []string {
	var out []string
	for _, r := range s.Requests() {
		out = append(out, r.Method+" "+r.Path)
	}
	return out
}

func sealing(t *testing.T, s *sigstack, key *Key, services Services) *protobundle.Bundle {
	t.Helper()
	b, err := s.client.seal(t.Context(), envelope(), key, nil, services)
	must(t, err)
	s.verifies(t, b, key, nil)
	return b
}

// A log that has the entry already gives the one it has.
func TestEntryExists(t *testing.T) {
	t.Parallel()
	s := newSigstack(t)
	key := fixedKey(t)
	for version, service := range map[uint32]*sigstoretest.Service{1: s.Rekor1, 2: s.Rekor2} {
		services := s.both(t, version)
		first := sealing(t, s, key, services)
		sealing(t, s, fixedKey(t), services)
		s.Reset()
		again := sealing(t, s, key, services)
		if a, b := first.VerificationMaterial.TlogEntries[0], again.VerificationMaterial.TlogEntries[0]; a.LogIndex != b.LogIndex || !bytes.Equal(a.CanonicalizedBody, b.CanonicalizedBody) || a.IntegratedTime != b.IntegratedTime {
			t.Errorf("v%d: %v and %v", version, a, b)
		}
		want := 2
		if version == 2 {
			want = 4 // the checkpoint, the entry, and the one hash of its proof
		}
		if got := paths(service); len(got) != want {
			t.Errorf("v%d: %q", version, got)
		}
	}
}

// An answer that was lost: the request that repeats it finds the entry there,
// with a key that would sign anew as with one that would not.
func TestAnswerOfLogLost(t *testing.T) {
	t.Parallel()
	s := newSigstack(t)
	ec, err := ephemeral()
	must(t, err)
	for version, service := range map[uint32]*sigstoretest.Service{1: s.Rekor1, 2: s.Rekor2} {
		for _, fault := range []sigstoretest.Fault{{Reset: true}, {Status: 502}} {
			fault.Late, fault.Times, fault.Method = true, 1, http.MethodPost
			for _, key := range []*Key{ec, fixedKey(t)} {
				s.Reset()
				service.Inject(fault)
				sealing(t, s, key, s.both(t, version))
				if posts := strings.Count(strings.Join(paths(service), " "), "POST"); posts != 2 {
					t.Errorf("v%d: %q", version, paths(service))
				}
			}
		}
	}
}

// The 409 of Rekor v1 says where the entry is in one of two ways; what is no name
// of an entry is not asked for.
func TestConflict1(t *testing.T) {
	t.Parallel()
	s := newSigstack(t)
	key, services := fixedKey(t), s.both(t, 1)
	sealing(t, s, key, services)
	s.Reset()
	sealing(t, s, key, services)
	uuid := strings.TrimPrefix(s.Rekor1.Requests()[1].Path, entries1+"/")
	conflict := func(location, message string) sigstoretest.Fault {
		body, err := json.Marshal(map[string]any{"code": 409, "message": message})
		must(t, err)
		return sigstoretest.Fault{Method: "POST", Status: 409, Header: http.Header{"Location": {location}}, Body: body}
	}
	for location, message := range map[string]string{
		"":                                      "an equivalent entry already exists in the transparency log with UUID " + uuid,
		"https://elsewhere.example/x/" + uuid:   "",
		"/api/v1/log/entries/" + uuid + "?a=b":  "",
		"/api/v1/log/entries/" + uuid + "/../x": "the entry is " + uuid,
	} {
		s.Reset()
		s.Rekor1.Inject(conflict(location, message))
		sealing(t, s, key, services)
		if got := paths(s.Rekor1); !slices.Equal(got, []string{"POST " + entries1, "GET " + entries1 + "/" + uuid}) {
			t.Errorf("%q: %q", location, got)
		}
	}
	for location, message := range map[string]string{
		"":                           "",
		"/api/v1/log/entries/":       "an entry is there",
		"/api/v1/log/entries/../../": uuid + "x",
		"%zz":                        strings.ToUpper(uuid),
		"/" + uuid + "0":             "",
	} {
		s.Reset()
		s.Rekor1.Inject(conflict(location, message))
		_, err := s.client.seal(t.Context(), envelope(), key, nil, services)
		checkRefusal(t, steps()[2], s.Rekor1, err, verify.Unavailable, "has this entry already and does not say where", "")
		if n := len(s.Rekor1.Requests()); n != 1 {
			t.Errorf("%q: %d requests", location, n)
		}
	}
	// It is there, but not yet proven.
	s.Reset()
	s.Rekor1.Inject(sigstoretest.Fault{Method: "GET", Status: 404, Times: 2})
	sealing(t, s, key, services)
	if n := len(s.Rekor1.Requests()); n != 4 || len(s.slept()) != 2 {
		t.Errorf("%d requests", n)
	}
	s.Reset()
	s.Rekor1.Inject(sigstoretest.Fault{Method: "GET", Status: 404})
	_, err := s.client.seal(t.Context(), envelope(), key, nil, services)
	checkRefusal(t, steps()[2], s.Rekor1, err, verify.Unavailable, "answered 404 Not Found, asked 5 times", "")
}

// A log may answer with any entry: only one about this signature, key and content
// will do.
func TestOtherEntry(t *testing.T) {
	t.Parallel()
	s := newSigstack(t)
	key := fixedKey(t)
	for version, service := range map[uint32]*sigstoretest.Service{1: s.Rekor1, 2: s.Rekor2} {
		for kind, content := range map[string]sgsign.Content{"envelope": envelope(), "message": message()} {
			services := s.both(t, version)
			var other []byte
			// Somebody else's entry, as the log answers it.
			service.Inject(sigstoretest.Fault{Times: 1, Change: func(b []byte) []byte { other = bytes.Clone(b); return b }})
			_, err := s.client.seal(t.Context(), content, fixedKey(t), nil, services)
			must(t, err)
			s.Reset()
			service.Inject(sigstoretest.Fault{Status: 201, Body: other})
			_, err = s.client.seal(t.Context(), content, key, nil, services)
			checkRefusal(t, step{name: kind, words: "Rekor"}, service, err, verify.Unavailable, "the entry is about another signature", "")
			if n := len(service.Requests()); n != 1 {
				t.Errorf("%d requests", n)
			}
			s.Reset()
		}
	}
}

func TestAboutSignature(t *testing.T) {
	t.Parallel()
	s := newSigstack(t)
	key, err := ephemeral()
	must(t, err)
	public, err := key.GetPublicKeyPem()
	must(t, err)
	other, err := ephemeral()
	must(t, err)
	another, err := other.GetPublicKeyPem()
	must(t, err)
	b64 := base64.StdEncoding.EncodeToString
	for kind, content := range map[string]sgsign.Content{"hashedrekord": message(), "dsse": envelope()} {
		b, err := s.client.seal(t.Context(), content, key, nil, s.both(t, 1))
		must(t, err)
		body := string(b.VerificationMaterial.TlogEntries[0].CanonicalizedBody)
		sum := sha256.Sum256(content.PreAuthEncoding())
		if kind == "dsse" {
			sum = sha256.Sum256(b.GetDsseEnvelope().GetPayload())
		}
		replaced := func(old, with string) string {
			if !strings.Contains(body, old) {
				t.Errorf("%s: no %q in %s", kind, old, body)
			}
			return strings.ReplaceAll(body, old, with)
		}
		for want, body := range map[string]string{
			"":                       body,
			"is no JSON":             "x",
			"is a dsse 0.0.2":        `{"kind":"dsse","apiVersion":"0.0.2","spec":{"signatures":[{}]}}`,
			"another signature":      replaced(b64(signature(b)), b64([]byte("x"))),
			"another key":            replaced(b64([]byte(public)), b64([]byte(another))),
			"about another key":      replaced(b64([]byte(public)), b64([]byte("x"))),
			"about other content":    replaced(fmt.Sprintf("%x", sum), strings.Repeat("0", 64)),
			"the entry is a x":       replaced(`"kind":"`+kind+`"`, `"kind":"x"`),
			"the entry is about":     `{"kind":"` + kind + `","apiVersion":"0.0.1","spec":{"signatures":[{}]}}`,
			"the entry is a " + kind: replaced("0.0.1", "0.0.3"),
		} {
			err := aboutSignature([]byte(body), []byte(public), b)
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s: %v, want %q", kind, err, want)
			}
		}
	}
	b := &protobundle.Bundle{}
	if aboutSignature([]byte(`{"kind":"hashedrekord","apiVersion":"0.0.1"}`), []byte(public), b) == nil {
		t.Error("of a bundle without a signature")
	}
}

// What Rekor v1 leaves out is missed before the library takes it for granted.
func TestReadEntry1(t *testing.T) {
	t.Parallel()
	const whole = `{"body":"e30=","integratedTime":1,"logID":"00","logIndex":1,"verification":{"signedEntryTimestamp":"AA==",` +
		`"inclusionProof":{"checkpoint":"c","hashes":[],"logIndex":1,"rootHash":"00","treeSize":2}}}`
	if uuid, _, err := readEntry1([]byte(`{"u":` + whole + `}`)); err != nil || uuid != "u" {
		t.Fatal(uuid, err)
	}
	for _, body := range []string{"", "null", "[]", "{}", `{"u":null}`, `{"u":` + whole + `,"v":` + whole + `}`,
		`{"u":` + strings.Replace(whole, `"e30="`, `""`, 1) + `}`, `{"u":` + strings.Replace(whole, `"e30="`, `{"a":1}`, 1) + `}`,
		`{"u":` + strings.Replace(whole, `"e30="`, `"`+strings.Repeat("A", 2*maxEntry)+`"`, 1) + `}`,
		`{"u":` + strings.Replace(whole, `[]`, `["`+strings.Repeat(`","`, maxPath)+`"]`, 1) + `}`} {
		if _, _, err := readEntry1([]byte(body)); err == nil {
			t.Errorf("%.200s", body)
		}
	}
	for _, field := range []string{"body", "integratedTime", "logID", "logIndex", "verification", "signedEntryTimestamp", "inclusionProof", "checkpoint", "rootHash", "treeSize"} {
		if _, _, err := readEntry1([]byte(`{"u":` + strings.Replace(whole, `"`+field+`"`, `"other"`, 1) + `}`)); err == nil {
			t.Errorf("without %s", field)
		}
	}
	if _, _, err := readEntry1([]byte(`{"u":` + strings.Replace(whole, `"logIndex":1,"rootHash"`, `"rootHash"`, 1) + `}`)); err == nil {
		t.Error("without an index in the tree")
	}
}

// An entry must have the form of one, whatever version the log has.
func TestShape(t *testing.T) {
	t.Parallel()
	hash := bytes.Repeat([]byte{1}, hashSize)
	for want, change := range map[string]func(*protorekor.TransparencyLogEntry){
		"":                        func(*protorekor.TransparencyLogEntry) {},
		"entry is malformed":      func(e *protorekor.TransparencyLogEntry) { e.LogIndex = -1 },
		"the entry is malformed":  func(e *protorekor.TransparencyLogEntry) { e.CanonicalizedBody = nil },
		"the entry is malformed ": func(e *protorekor.TransparencyLogEntry) { e.CanonicalizedBody = make([]byte, maxEntry+1) },
		"whose log":               func(e *protorekor.TransparencyLogEntry) { e.LogId = nil },
		"whose log it":            func(e *protorekor.TransparencyLogEntry) { e.LogId.KeyId = hash[1:] },
		"proof is malformed":      func(e *protorekor.TransparencyLogEntry) { e.InclusionProof = nil },
		"inclusion proof":         func(e *protorekor.TransparencyLogEntry) { e.InclusionProof.Hashes[0] = hash[1:] },
		"inclusion proof is":      func(e *protorekor.TransparencyLogEntry) { e.InclusionProof.RootHash = hash[1:] },
		"'s inclusion proof":      func(e *protorekor.TransparencyLogEntry) { e.InclusionProof.TreeSize = 1 },
		"'s inclusion":            func(e *protorekor.TransparencyLogEntry) { e.InclusionProof.LogIndex = -1 },
		"entry's inclusion proof": func(e *protorekor.TransparencyLogEntry) {
			e.InclusionProof.Hashes = slices.Repeat([][]byte{hash}, maxPath+1)
		},
		"checkpoint": func(e *protorekor.TransparencyLogEntry) { e.InclusionProof.Checkpoint = nil },
		"checkpoint is malformed": func(e *protorekor.TransparencyLogEntry) {
			e.InclusionProof.Checkpoint.Envelope = strings.Repeat("x", maxCheckpoint+1)
		},
	} {
		e := &protorekor.TransparencyLogEntry{
			LogIndex: 1, LogId: &protocommon.LogId{KeyId: hash}, CanonicalizedBody: []byte("x"),
			InclusionProof: &protorekor.InclusionProof{LogIndex: 1, TreeSize: 2, RootHash: hash, Hashes: [][]byte{hash}, Checkpoint: &protorekor.Checkpoint{Envelope: "x"}},
		}
		change(e)
		err := shape(e)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want))) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	s := newSigstack(t)
	key, err := ephemeral()
	must(t, err)
	s.Rekor2.Inject(sigstoretest.Fault{Change: func(b []byte) []byte { return bytes.Replace(b, []byte(`"logId"`), []byte(`"newer"`), 1) }})
	_, err = s.client.seal(t.Context(), envelope(), key, nil, s.both(t, 2))
	checkRefusal(t, steps()[3], s.Rekor2, err, verify.Unavailable, "does not say whose log it is in", "")
	if shape(nil) == nil || shape(&protorekor.TransparencyLogEntry{}) == nil {
		t.Error("no entry")
	}
}

// A timestamp of something else is noticed.
func TestOtherTimestamp(t *testing.T) {
	t.Parallel()
	s := newSigstack(t)
	key, err := ephemeral()
	must(t, err)
	var other []byte
	s.TSA.Inject(sigstoretest.Fault{Times: 1, Change: func(b []byte) []byte { other = bytes.Clone(b); return b }})
	sealing(t, s, key, s.both(t, 2))
	s.TSA.Inject(sigstoretest.Fault{Status: 201, Body: other})
	_, err = s.client.seal(t.Context(), envelope(), key, nil, s.both(t, 2))
	checkRefusal(t, steps()[1], s.TSA, err, verify.Unavailable, "the timestamp is for something else", "")
	// An authority that refuses says why in its own words.
	refusal, err := asn1.Marshal(struct{ Status any }{struct {
		Status int
		Text   []asn1.RawValue
	}{2, []asn1.RawValue{{Tag: asn1.TagUTF8String, Bytes: []byte("no\n\x1b[31mhash")}}}})
	must(t, err)
	s.TSA.Reset()
	s.TSA.Inject(sigstoretest.Fault{Status: 200, Body: refusal})
	_, err = s.client.seal(t.Context(), envelope(), key, nil, s.both(t, 2))
	checkRefusal(t, steps()[1], s.TSA, err, verify.Unavailable, "no ?[31mhash", "")
	if stamps([]byte("x"), nil) {
		t.Error("no timestamp stamps something")
	}
}

// request2 is an entry for Rekor v2 and what the log is asked with.
func request2(t *testing.T, s *sigstack, key *Key, n int) *rekorpb.HashedRekordRequestV002 {
	t.Helper()
	message := []byte(strconv.Itoa(n))
	sig, digest, err := key.SignData(t.Context(), message)
	must(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.GetPublicKey())
	must(t, err)
	return &rekorpb.HashedRekordRequestV002{Digest: digest, Signature: &rekorpb.Signature{Content: sig, Verifier: &rekorpb.Verifier{
		KeyDetails: key.GetSigningAlgorithm(), Verifier: &rekorpb.Verifier_PublicKey{PublicKey: &rekorpb.PublicKey{RawBytes: der}},
	}}}
}

// The entry of a log with several tiles is read back and proven, wherever it is.
func TestTiles(t *testing.T) {
	t.Parallel()
	s := newSigstack(t)
	key, err := ephemeral()
	must(t, err)
	services := s.both(t, 2)
	const size = 300 // a full tile, and one that is not
	log := &rekor2{&asking{c: s.client, ctx: t.Context(), base: s.Rekor2.URL()}, services.known}
	var requests []*rekorpb.HashedRekordRequestV002
	for i := range size {
		requests = append(requests, request2(t, s, key, i))
		e, err := log.Add(t.Context(), requests[i])
		must(t, err)
		if e.LogIndex != int64(i) {
			t.Fatalf("entry %d is number %d", i, e.LogIndex)
		}
	}
	for _, i := range []int{0, 1, 127, 128, 255, 256, 257, 298, 299} {
		s.Reset()
		e, err := log.Add(t.Context(), requests[i])
		if err != nil {
			t.Errorf("entry %d: %v", i, err)
			continue
		}
		if e.LogIndex != int64(i) || e.InclusionProof.TreeSize != int64(size) || shape(e) != nil {
			t.Errorf("entry %d: %v", i, e)
		}
		if n := len(s.Rekor2.Requests()); n > 8 {
			t.Errorf("entry %d: %q", i, paths(s.Rekor2))
		}
	}
	s.Reset()
	s.Rekor2.Inject(sigstoretest.Fault{Path: "/api/v2/tile/entries/001.p", Status: 404})
	if _, err := log.Add(t.Context(), requests[size-1]); err == nil {
		t.Errorf("there is no full tile: %q", paths(s.Rekor2))
	}
}

// The checkpoint may be behind, as caches are; a tile may be full by now.
func TestCheckpointBehind(t *testing.T) {
	t.Parallel()
	s := newSigstack(t)
	key, err := ephemeral()
	must(t, err)
	log := &rekor2{&asking{c: s.client, ctx: t.Context(), base: s.Rekor2.URL()}, s.both(t, 2).known}
	var old []byte
	var requests []*rekorpb.HashedRekordRequestV002
	for i := range 258 {
		requests = append(requests, request2(t, s, key, i))
		if i == 3 {
			a, err := log.do(call{method: http.MethodGet, url: "/api/v2/checkpoint"})
			must(t, err)
			old = a.body
		}
		_, err := log.Add(t.Context(), requests[i])
		must(t, err)
	}
	s.Reset()
	s.Rekor2.Inject(sigstoretest.Fault{Path: "/api/v2/checkpoint", Body: old, Times: 2})
	if _, err := log.Add(t.Context(), requests[10]); err != nil || !slices.Equal(s.slept(), []time.Duration{second, second}) {
		t.Errorf("%v; waited %v", err, s.slept())
	}
	// The old checkpoint proves entry 1, with tiles of three that are there only
	// as full ones.
	s.Reset()
	s.Rekor2.Inject(sigstoretest.Fault{Path: "/api/v2/checkpoint", Body: old})
	s.Rekor2.Inject(sigstoretest.Fault{Path: "/api/v2/tile/entries/000.p", Status: 404})
	s.Rekor2.Inject(sigstoretest.Fault{Path: "/api/v2/tile/0/000.p", Status: 404})
	e, err := log.Add(t.Context(), requests[1])
	if err != nil || e.InclusionProof.TreeSize != 3 {
		t.Errorf("%v, %v", e, err)
	}
	s.sleeps = nil
	if _, err := log.Add(t.Context(), requests[10]); !errors.Is(err, errTwice) || !strings.Contains(err.Error(), "entry is number 10, and the checkpoint that the log shows has only 3") || len(s.slept()) != maxAttempts-1 {
		t.Errorf("%v; waited %v", err, s.slept())
	}
	s.client.sleep = func(context.Context, time.Duration) error { return context.Canceled }
	if _, err := log.Add(t.Context(), requests[10]); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Whatever is wrong with what a log shows, it is not believed; a key that signs
// anew each time does so.
func TestConflict2(t *testing.T) {
	t.Parallel()
	s := newSigstack(t)
	key := fixedKey(t)
	services := s.both(t, 2)
	sealing(t, s, fixedKey(t), services)
	sealing(t, s, key, services)
	sealing(t, s, fixedKey(t), services)
	unknown := services
	unknown.known = nil
	others := services
	others.known = newSigstack(t).both(t, 2).known
	odd := services
	odd.known = map[string]*root.TransparencyLog{"a": {BaseURL: "%"}, "b": {BaseURL: "https://x.example"}, "c": {BaseURL: "https://x.example", PublicKey: key.GetPublicKey(), SignatureHashFunc: crypto.SHA256}}
	type fault = sigstoretest.Fault
	flip := func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
	for name, c := range map[string]struct {
		services Services
		fault    fault
		words    string
	}{
		"no index":             {services, fault{Method: "POST", Status: 409, Body: []byte(`{"message":"already"}`)}, "does not say where"},
		"no JSON":              {services, fault{Method: "POST", Status: 409, Body: []byte(`already`)}, "does not say where"},
		"negative index":       {services, fault{Method: "POST", Status: 409, Header: http.Header{"X-Log-Index": {"-1"}}}, "does not say where"},
		"another index":        {services, fault{Method: "POST", Status: 409, Header: http.Header{"X-Log-Index": {"0"}}}, "entry 0 is not this signature"},
		"an index to come":     {services, fault{Method: "POST", Status: 409, Header: http.Header{"X-Log-Index": {"9"}}}, "entry is number 9"},
		"no checkpoint":        {services, fault{Path: "/api/v2/checkpoint", Status: 404}, "answered 404"},
		"huge checkpoint":      {services, fault{Path: "/api/v2/checkpoint", Body: make([]byte, maxCheckpoint+1)}, "too long"},
		"altered checkpoint":   {services, fault{Path: "/api/v2/checkpoint", Change: func(b []byte) []byte { return bytes.Replace(b, []byte("\n3\n"), []byte("\n4\n"), 1) }}, "not signed by a log of the trusted root"},
		"no trusted root":      {unknown, fault{Path: "none"}, "not signed by a log of the trusted root"},
		"another trusted root": {others, fault{Path: "none"}, "not signed by a log of the trusted root"},
		"odd trusted root":     {odd, fault{Path: "none"}, "not signed by a log of the trusted root"},
		"no entries":           {services, fault{Path: "/api/v2/tile/entries", Status: 404}, "answered 404"},
		"empty entries":        {services, fault{Path: "/api/v2/tile/entries", Body: []byte{}}, "cut off"},
		"entries cut off":      {services, fault{Path: "/api/v2/tile/entries", Change: func(b []byte) []byte { return b[:3] }}, "cut off"},
		"huge entries":         {services, fault{Path: "/api/v2/tile/entries", Body: make([]byte, tileWidth*(2+maxTileEntry)+1)}, "too long"},
		"altered hashes":       {services, fault{Path: "/api/v2/tile/0", Change: flip}, "tiles do not fit its checkpoint"},
		"hashes cut off":       {services, fault{Path: "/api/v2/tile/0", Change: func(b []byte) []byte { return b[:40] }}, "cut off"},
		"no hashes":            {services, fault{Path: "/api/v2/tile/0", Status: 404}, "answered 404"},
	} {
		s.Reset()
		s.Rekor2.Inject(c.fault)
		_, err := s.client.seal(t.Context(), envelope(), key, nil, c.services)
		if !errors.Is(err, errTwice) {
			t.Errorf("%s: %v", name, err)
		}
		checkRefusal(t, step{name: name, words: "Rekor"}, s.Rekor2, err, verify.Unavailable, c.words, "")
		if posts := strings.Count(strings.Join(paths(s.Rekor2), " "), "POST"); posts != 1 {
			t.Errorf("%s: %q", name, paths(s.Rekor2))
		}
	}
	// An entry that is not the one that its hash is of.
	s.Reset()
	s.Rekor2.Inject(fault{Path: "/api/v2/tile/entries", Change: func(b []byte) []byte {
		n := 2 + int(binary.BigEndian.Uint16(b))
		b[n+4] ^= 1
		return b
	}})
	_, err := s.client.seal(t.Context(), envelope(), key, nil, services)
	checkRefusal(t, step{name: "altered entry", words: "Rekor"}, s.Rekor2, err, verify.Unavailable, "the entry is about another signature", "")

	// It takes entries, and does not show them.
	s.Reset()
	s.Rekor2.Inject(fault{Method: "GET", Hold: make(chan struct{})})
	s.client.after = func(d time.Duration, strike func()) func() bool {
		if d == readLimit && len(s.Rekor2.Requests()) == 1 {
			go func() {
				if s.Rekor2.Await(t.Context(), 2) == nil {
					strike()
				}
			}()
		}
		return func() bool { return true }
	}
	_, err = s.client.seal(t.Context(), envelope(), key, nil, services)
	checkRefusal(t, step{name: "silent", words: "Rekor"}, s.Rekor2, err, verify.Unavailable, "no answer within 8s", "")
	if len(s.Rekor2.Requests()) != 2 || !errors.Is(err, errTwice) {
		t.Errorf("%q: %v", paths(s.Rekor2), err)
	}

	// The log cannot be read, and the answer was lost: it is signed anew.
	s.Reset()
	s.Rekor2.Inject(fault{Method: "POST", Reset: true, Late: true, Times: 1})
	s.Rekor2.Inject(fault{Method: "GET", Status: 404})
	anew, err := ephemeral()
	must(t, err)
	sealing(t, s, anew, services)
	if got := paths(s.Rekor2); len(got) != 4 {
		t.Errorf("%q", got)
	}
}

// A log that knows more than this program is understood; what it is asked for has
// to be an entry of it.
func TestAdd(t *testing.T) {
	t.Parallel()
	s := newSigstack(t)
	key, err := ephemeral()
	must(t, err)
	s.Rekor2.Inject(sigstoretest.Fault{Method: "POST", Change: func(b []byte) []byte { return append([]byte(`{"newer":{"x":[1]},`), b[1:]...) }})
	sealing(t, s, key, s.both(t, 2))
	log := &rekor2{asking: &asking{c: s.client, ctx: t.Context(), base: s.Rekor2.URL()}}
	if _, err := log.Add(t.Context(), "entry"); err == nil {
		t.Error("a text is no entry")
	}
	if _, err := log.Add(t.Context(), &rekorpb.HashedRekordRequestV002{}); err == nil || log.asked != "" {
		t.Errorf("an empty entry: %v", err)
	}
	if _, err := (&rekor1{}).GetLogEntryByUUID(nil); err == nil {
		t.Error("an entry that nobody asks for")
	}
	var e protorekor.TransparencyLogEntry
	if err := protojson.Unmarshal([]byte(`{}`), &e); err != nil || shape(&e) == nil {
		t.Error("an empty entry")
	}
}

func TestTilePath(t *testing.T) {
	t.Parallel()
	for n, want := range map[uint64]string{0: "000", 7: "007", 999: "999", 1000: "x001/000", 1234067: "x001/x234/067"} {
		if got := tilePath(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

func TestReadCheckpoint(t *testing.T) {
	t.Parallel()
	hash := base64.StdEncoding.EncodeToString(make([]byte, hashSize))
	if err := (&tiles{}).read("o\n3\n"+hash+"\n", "o"); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"", "o", "o\n3\n", "x\n3\n" + hash + "\n", "o\n-3\n" + hash + "\n", "o\n3\nx\n", "o\n9223372036854775808\n" + hash + "\n", "o\n3\nAAAA\n"} {
		if err := (&tiles{}).read(text, "o"); err == nil {
			t.Errorf("%q", text)
		}
	}
}

// Nothing keeps one signature waiting for another: all twenty requests are with
// the log before it answers the first.
func TestConcurrentSeals(t *testing.T) {
	t.Parallel()
	const n = 20
	s := newSigstack(t)
	key, cert := s.certified(t)
	services := s.both(t, 2)
	published := make(chan struct{})
	s.Rekor2.Inject(sigstoretest.Fault{Hold: published})
	go func() {
		if s.Rekor2.Await(t.Context(), n) == nil {
			close(published)
		}
	}()
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			b, err := s.client.seal(t.Context(), envelope(), key, cert, services)
			if err != nil {
				t.Error(err)
				return
			}
			s.verifies(t, b, nil, cert)
		})
	}
	group.Wait()
	if len(s.Fulcio.Requests()) != 1 || len(s.TSA.Requests()) != n || len(s.Rekor2.Requests()) != n {
		t.Errorf("%d, %d and %d requests", len(s.Fulcio.Requests()), len(s.TSA.Requests()), len(s.Rekor2.Requests()))
	}
}
