package scanreport_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/boltseal/boltseal/scanreport"
)

// Whatever is read: an error is of one kind, says what to do and can be printed;
// a report has findings with an ID, a severity and bounded texts, is the same
// within a predicate, and refuses something at the strictest threshold if it has
// any finding.
func FuzzRead(f *testing.F) {
	names, err := filepath.Glob("testdata/*.*")
	if err != nil || len(names) < 6 {
		f.Fatal(names, err)
	}
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var small bytes.Buffer
		if err := json.Compact(&small, body); err != nil {
			f.Fatal(err)
		}
		f.Add(small.Bytes())
	}
	for _, s := range []string{
		"", "null", "[]", "{}", "<html>", `{"a":1}{"b":2}`, "\xff\xfe{", trivy("[]"), grype("[]"), sarif("Trivy", "[]", "[]"), within(trivy("null")),
		trivyFinding(`{"VulnerabilityID":"\u202e\ud800","Severity":"\u001b"}`), `{"bomFormat":1}`, `{"SchemaVersion":2,"ArtifactType":"\u0000"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := scanreport.Read(body)
		if err != nil {
			i := slices.IndexFunc(kinds(), func(k error) bool { return errors.Is(err, k) })
			if i < 0 {
				t.Fatalf("the error is of no kind: %v", err)
			}
			if wrong := refusal(err, kinds()[i]); wrong != "" {
				t.Fatalf("%s: %v", wrong, err)
			}
			if r.Judge(scanreport.Limits{FailOn: scanreport.Critical}, today).Passed() {
				t.Fatalf("it passes with %v", err)
			}
			return
		}
		for _, f := range r.Findings() {
			if f.ID == "" || len(f.ID) > 200 || f.Severity < scanreport.Unknown || f.Severity > scanreport.Critical || slices.Contains(f.Aliases, f.ID) {
				t.Fatalf("%+v", f)
			}
			for _, s := range append([]string{f.ID, f.Package, f.Version, f.Location}, append(f.Aliases, f.FixedIn...)...) {
				if len(s) > 1000 || !utf8.ValidString(s) {
					t.Fatalf("%+v", f)
				}
			}
		}
		j := r.Judge(scanreport.Limits{}, today)
		if j.Passed() != (len(r.Findings()) == 0) || j.Total() != len(r.Findings()) {
			t.Fatalf("passed is %t of %d findings", j.Passed(), len(r.Findings()))
		}
		j.Warnings()
		if m, err := r.About(scanreport.Subject{Digest: index, Configs: []string{config}, Children: []string{child}}); err != nil && !errors.Is(err, scanreport.ErrOther) || m.Known && m.Digest != index && m.Digest != config && m.Digest != child {
			t.Fatalf("%+v (%v)", m, err)
		}
		if bytes.Contains(body, []byte(`"scanner"`)) || bytes.HasPrefix(body, []byte("\xef\xbb\xbf")) {
			return
		}
		again, err := scanreport.Read([]byte(within(string(body))))
		if err != nil && !errors.Is(err, scanreport.ErrTooLarge) || err == nil && !reflect.DeepEqual(again, r) {
			t.Fatalf("within a predicate: %+v (%v)", again, err)
		}
	})
}
