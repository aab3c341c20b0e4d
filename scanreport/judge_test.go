package scanreport_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/scanreport"
	"github.com/boltseal/boltseal/verify"
)

var today = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

func allow(id, pkg, until string) scanreport.Allowed {
	return scanreport.Allowed{ID: id, Package: pkg, Until: day(until), Reason: "known"}
}

func ids(all []scanreport.Finding) string {
	var out []string
	for _, f := range all {
		out = append(out, f.ID)
	}
	return strings.Join(out, " ")
}

func entries(all []scanreport.Allowed) string {
	var out []string
	for _, a := range all {
		out = append(out, a.ID)
	}
	return strings.Join(out, " ")
}

// mustRead reads a report that is sound.
func mustRead(t testing.TB, body []byte) scanreport.Report {
	t.Helper()
	r, err := scanreport.Read(body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// trivy.json has, the worst first: CVE-2026-1001 critical, fixed, DSA-6001-1;
// CVE-2026-1002 high, not fixed; CVE-2026-1004 medium, fixed, GHSA-aaaa-bbbb-cccc;
// CVE-2026-1003 low, will not be fixed; TEMP-0841856-B18BAF unknown, not fixed.
func TestJudge(t *testing.T) {
	t.Parallel()
	r := mustRead(t, file(t, "trivy.json"))
	const temp = "TEMP-0841856-B18BAF"
	for _, tc := range []struct {
		name                       string
		limits                     scanreport.Limits
		now                        time.Time
		exceeding, unfixed         string
		allowed                    string
		expired, unused, endingIDs string
	}{
		{name: "zero", exceeding: "CVE-2026-1001 CVE-2026-1002 CVE-2026-1004 CVE-2026-1003 " + temp},
		{name: "negligible", limits: scanreport.Limits{FailOn: scanreport.Negligible}, exceeding: "CVE-2026-1001 CVE-2026-1002 CVE-2026-1004 CVE-2026-1003 " + temp},
		{name: "low", limits: scanreport.Limits{FailOn: scanreport.Low}, exceeding: "CVE-2026-1001 CVE-2026-1002 CVE-2026-1004 CVE-2026-1003"},
		{name: "medium", limits: scanreport.Limits{FailOn: scanreport.Medium}, exceeding: "CVE-2026-1001 CVE-2026-1002 CVE-2026-1004"},
		{name: "high", limits: scanreport.Limits{FailOn: scanreport.High}, exceeding: "CVE-2026-1001 CVE-2026-1002"},
		{name: "critical", limits: scanreport.Limits{FailOn: scanreport.Critical}, exceeding: "CVE-2026-1001"},
		{name: "no severity", limits: scanreport.Limits{FailOn: scanreport.Critical + 1}, exceeding: "CVE-2026-1001 CVE-2026-1002 CVE-2026-1004 CVE-2026-1003 " + temp},
		{name: "below all", limits: scanreport.Limits{FailOn: -1}, exceeding: "CVE-2026-1001 CVE-2026-1002 CVE-2026-1004 CVE-2026-1003 " + temp},
		{name: "unfixed", limits: scanreport.Limits{IgnoreUnfixed: true}, exceeding: "CVE-2026-1001 CVE-2026-1004", unfixed: "CVE-2026-1002 CVE-2026-1003 " + temp},
		{name: "allowed", limits: scanreport.Limits{FailOn: scanreport.High, Allow: []scanreport.Allowed{allow("CVE-2026-1001", "", "2027-01-31")}}, exceeding: "CVE-2026-1002", allowed: "CVE-2026-1001"},
		{name: "in another case", limits: scanreport.Limits{FailOn: scanreport.Critical, Allow: []scanreport.Allowed{allow("cve-2026-1001", "", "2027-01-31")}}, allowed: "CVE-2026-1001"},
		{name: "alias", limits: scanreport.Limits{FailOn: scanreport.Critical, Allow: []scanreport.Allowed{allow("DSA-6001-1", "", "2027-01-31")}}, allowed: "CVE-2026-1001"},
		{name: "package", limits: scanreport.Limits{FailOn: scanreport.Critical, Allow: []scanreport.Allowed{allow("CVE-2026-1001", "open*", "2027-01-31")}}, allowed: "CVE-2026-1001"},
		{name: "another package", limits: scanreport.Limits{FailOn: scanreport.Critical, Allow: []scanreport.Allowed{allow("CVE-2026-1001", "libopen*", "2027-01-31")}}, exceeding: "CVE-2026-1001", unused: "CVE-2026-1001"},
		{name: "a part of the ID", limits: scanreport.Limits{FailOn: scanreport.Critical, Allow: []scanreport.Allowed{allow("CVE-2026-100", "", "2027-01-31")}}, exceeding: "CVE-2026-1001", unused: "CVE-2026-100"},
		{name: "last day", limits: scanreport.Limits{FailOn: scanreport.Critical, Allow: []scanreport.Allowed{allow("CVE-2026-1001", "", "2026-11-02")}}, allowed: "CVE-2026-1001", endingIDs: "CVE-2026-1001"},
		{name: "last moment", now: day("2026-11-03").Add(-1), limits: scanreport.Limits{FailOn: scanreport.Critical, Allow: []scanreport.Allowed{allow("CVE-2026-1001", "", "2026-11-02")}}, allowed: "CVE-2026-1001", endingIDs: "CVE-2026-1001"},
		{name: "over", now: day("2026-11-03"), limits: scanreport.Limits{FailOn: scanreport.Critical, Allow: []scanreport.Allowed{allow("CVE-2026-1001", "", "2026-11-02")}}, exceeding: "CVE-2026-1001", expired: "CVE-2026-1001"},
		{name: "over, elsewhere", now: day("2026-11-03").In(time.FixedZone("west", -3600)), limits: scanreport.Limits{FailOn: scanreport.Critical, Allow: []scanreport.Allowed{allow("CVE-2026-1001", "", "2026-11-02")}}, exceeding: "CVE-2026-1001", expired: "CVE-2026-1001"},
		{name: "14 days", limits: scanreport.Limits{FailOn: scanreport.Critical, Allow: []scanreport.Allowed{allow("CVE-2026-1001", "", "2026-11-15")}}, allowed: "CVE-2026-1001", endingIDs: "CVE-2026-1001"},
		{name: "more than 14 days", limits: scanreport.Limits{FailOn: scanreport.Critical, Allow: []scanreport.Allowed{allow("CVE-2026-1001", "", "2026-11-16")}}, allowed: "CVE-2026-1001"},
		{name: "not needed", limits: scanreport.Limits{FailOn: scanreport.Critical, Allow: []scanreport.Allowed{allow("CVE-2026-1003", "", "2026-11-03")}}, exceeding: "CVE-2026-1001"},
		{name: "the longer of two", limits: scanreport.Limits{FailOn: scanreport.Critical, Allow: []scanreport.Allowed{allow("CVE-2026-1001", "", "2026-11-03"), allow("DSA-6001-1", "", "2027-01-31")}}, allowed: "CVE-2026-1001"},
		{name: "no reason", limits: scanreport.Limits{FailOn: scanreport.Critical, Allow: []scanreport.Allowed{{ID: "CVE-2026-1001", Until: day("2027-01-31")}}}, exceeding: "CVE-2026-1001", expired: "CVE-2026-1001"},
		{name: "no day", limits: scanreport.Limits{FailOn: scanreport.Critical, Allow: []scanreport.Allowed{{ID: "CVE-2026-1001", Reason: "x"}}}, exceeding: "CVE-2026-1001", expired: "CVE-2026-1001"},
		{name: "zero entry", limits: scanreport.Limits{FailOn: scanreport.Critical, Allow: []scanreport.Allowed{{}}}, exceeding: "CVE-2026-1001"},
	} {
		now := tc.now
		if now.IsZero() {
			now = today
		}
		j := r.Judge(tc.limits, now)
		var allowed []scanreport.Finding
		for _, a := range j.Allowed() {
			allowed = append(allowed, a.Finding)
			if a.By.Reason == "" || tc.name == "the longer of two" && a.By.ID != "DSA-6001-1" {
				t.Errorf("%s: allowed by %+v", tc.name, a.By)
			}
		}
		for _, c := range []struct{ what, got, want string }{
			{"exceeding", ids(j.Exceeding()), tc.exceeding}, {"unfixed", ids(j.Unfixed()), tc.unfixed}, {"allowed", ids(allowed), tc.allowed},
			{"expired", entries(j.Expired()), tc.expired}, {"unused", entries(j.Unused()), tc.unused}, {"ending", entries(j.Ending()), tc.endingIDs},
			{"unrated", ids(j.Unrated()), temp},
		} {
			if c.got != c.want {
				t.Errorf("%s: %s are %q, want %q", tc.name, c.what, c.got, c.want)
			}
		}
		if j.Passed() != (tc.exceeding == "") || (j.Err() == nil) != j.Passed() {
			t.Errorf("%s: passed is %t (%v)", tc.name, j.Passed(), j.Err())
		}
		if err := j.Err(); err != nil && (!errors.Is(err, scanreport.ErrExceeded) || verify.Hint(err) == "" || tc.allowed == "" && !strings.Contains(err.Error(), ": CVE-2026-1001 (critical, openssl 3.0.17-1~deb12u2)")) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if j.Count(scanreport.Critical) != 1 || j.Count(scanreport.Negligible) != 0 || j.Total() != 5 || j.Suppressed() != 1 {
			t.Errorf("%s: counts", tc.name)
		}
	}
}

// An advisory of several vulnerabilities is not let through as one of them.
func TestJudgeAdvisory(t *testing.T) {
	t.Parallel()
	for related, passes := range map[string]map[string]bool{
		`{"id":"CVE-2026-1001"},{"id":"CVE-2026-1002"}`:                       {"CVE-2026-1001": false, "ALAS2-2026-1": true},
		`{"id":"CVE-2026-1001"},{"id":"CVE-2026-1001"},{"id":"ALAS2-2026-1"}`: {"CVE-2026-1001": true, "ALAS2-2026-1": true, "CVE-2026-1002": false},
	} {
		r := mustRead(t, []byte(grype(`[{"vulnerability":{"id":"ALAS2-2026-1","severity":"Critical"},"relatedVulnerabilities":[`+related+`],"artifact":{"name":"openssl","version":"1"}}]`)))
		for id, want := range passes {
			if j := r.Judge(scanreport.Limits{FailOn: scanreport.High, Allow: []scanreport.Allowed{allow(id, "", "2027-01-31")}}, today); j.Passed() != want || !want && !errors.Is(j.Err(), scanreport.ErrExceeded) {
				t.Errorf("%s, with %s: %v", id, related, j.Err())
			}
		}
	}
}

// What nobody says is unfixed is not left out as such.
func TestJudgeUnknownFix(t *testing.T) {
	t.Parallel()
	j := mustRead(t, file(t, "grype.json")).Judge(scanreport.Limits{IgnoreUnfixed: true, FailOn: scanreport.High}, today)
	if ids(j.Exceeding()) != "CVE-2026-1007" || ids(j.Unfixed()) != "CVE-2026-1005" {
		t.Errorf("%q, unfixed %q", ids(j.Exceeding()), ids(j.Unfixed()))
	}
	if hint := verify.Hint(j.Err()); !strings.Contains(hint, "none of them has a fix") {
		t.Errorf("the next step is %q", hint)
	}
}

// Nothing that was not made passes.
func TestJudgeZero(t *testing.T) {
	t.Parallel()
	if j := (scanreport.Judgement{}); j.Passed() || j.Err() == nil || j.Total() != 0 || j.Count(scanreport.Low) != 0 || j.Warnings() != nil {
		t.Errorf("the zero Judgement: %v", j.Err())
	}
	l := scanreport.Limits{FailOn: scanreport.Critical, AllowEmpty: true}
	if j := (scanreport.Report{}).Judge(l, today); j.Passed() || j.Err() == nil {
		t.Error("the zero Report passes")
	}
	if j := mustRead(t, []byte(trivy(`[{"Class":"os-pkgs"}]`))).Judge(scanreport.Limits{}, today); !j.Passed() || j.Err() != nil {
		t.Errorf("a report without findings: %v", j.Err())
	}
	// Without a time no entry counts.
	l.Allow = []scanreport.Allowed{allow("CVE-2026-1001", "", "2099-01-31")}
	if mustRead(t, file(t, "trivy.json")).Judge(l, time.Time{}).Passed() {
		t.Error("an entry counts at no time")
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	body := strings.Replace(string(file(t, "trivy.json")), `"Name": "12.12"`, `"Name": "12.12", "EOSL": true`, 1)
	at := allow("CVE-2026-1001", "open*", "2026-11-10")
	at.At.File, at.At.Line, at.At.Col = "allow.yaml", 3, 5
	j := mustRead(t, []byte(body)).Judge(scanreport.Limits{FailOn: scanreport.High, Allow: []scanreport.Allowed{
		at, allow("CVE-2026-1002", "", "2026-11-01"), allow("CVE-1999-1", "x\x1b[2J", "2027-01-31"),
	}}, today)
	want := []string{
		"the entry for CVE-2026-1002 ended with 2026-11-01, and does not count any more",
		"the entry for CVE-2026-1001 in open* (allow.yaml:3) ends with 2026-11-10",
		`the entry for CVE-1999-1 in x\x1b[2J matches no finding: take it out`,
		"nobody has rated 1 finding yet: TEMP-0841856-B18BAF (unknown, bash 5.2.15-2)",
		"the scanner was told to leave out 1 finding, which the limits do not see",
		"the scanner says that the distribution has reached its end of life: that nothing is found in its packages says little",
	}
	if !slices.Equal(j.Warnings(), want) {
		t.Errorf("%s", strings.Join(j.Warnings(), "\n"))
	}
}

// A sentence names a few findings, and nothing that a terminal obeys.
func TestJudgeSentence(t *testing.T) {
	t.Parallel()
	var all []string
	for i := range 8 {
		all = append(all, fmt.Sprintf(`{"VulnerabilityID":"CVE-2026-%d","PkgName":"p\u001b[2J\u202e","InstalledVersion":"1","FixedVersion":"2","Severity":"HIGH"}`, i))
	}
	err := mustRead(t, []byte(trivyFinding(strings.Join(all, ",")))).Judge(scanreport.Limits{FailOn: scanreport.Low}, today).Err()
	const want = `judge the scan report: it has findings that exceed the limits: 8 findings of low or worse: CVE-2026-0 (high, p\x1b[2J\u202e 1), `
	if !strings.HasPrefix(err.Error(), want) || !strings.HasSuffix(err.Error(), ", 3 more") {
		t.Error(err)
	}
}

// scenario is a report and limits at random, small enough that things meet.
type scenario struct {
	findings []string
	limits   scanreport.Limits
	now      time.Time
}

func randomScenario(rng *rand.Rand) scenario {
	pick := func(all ...string) string { return all[rng.IntN(len(all))] }
	var s scenario
	for range rng.IntN(5) {
		s.findings = append(s.findings, randomFinding(rng))
	}
	for range rng.IntN(4) {
		a := scanreport.Allowed{ID: "V-" + pick("1", "2", "3", "4"), Package: pick("", "", "a", "b", "*"), Until: today.AddDate(0, 0, rng.IntN(5)-2), Reason: pick("r", "r", "r", "")}
		s.limits.Allow = append(s.limits.Allow, a)
	}
	s.limits.FailOn = scanreport.Severity(rng.IntN(6))
	s.limits.IgnoreUnfixed = rng.IntN(2) == 0
	s.now = today.AddDate(0, 0, rng.IntN(5)-2)
	return s
}

func randomFinding(rng *rand.Rand) string {
	pick := func(all ...string) string { return all[rng.IntN(len(all))] }
	return fmt.Sprintf(`{"VulnerabilityID":"V-%s","VendorIDs":["V-%s"],"PkgName":%q,"FixedVersion":%q,"Severity":%q}`,
		pick("1", "2", "3"), pick("2", "3", "4"), pick("a", "b"), pick("", "1"), pick("UNKNOWN", "NEGLIGIBLE", "LOW", "MEDIUM", "HIGH", "CRITICAL"))
}

func (s scenario) judge(t testing.TB) scanreport.Judgement {
	t.Helper()
	return mustRead(t, []byte(trivyFinding(strings.Join(s.findings, ",")))).Judge(s.limits, s.now)
}

// checkMonotone says which way around the judgement of a scenario changes with
// each part of it. Where it says that something is as strict, everything that was
// refused is refused still.
func checkMonotone(t testing.TB, s scenario, rng *rand.Rand) {
	t.Helper()
	is := s.judge(t)
	refused := is.Exceeding()
	stricter := func(what string, change func(*scenario)) {
		t.Helper()
		next := scenario{findings: slices.Clone(s.findings), limits: s.limits, now: s.now}
		next.limits.Allow = slices.Clone(s.limits.Allow)
		change(&next)
		j := next.judge(t)
		if !is.Passed() && j.Passed() {
			t.Errorf("%s lets through what was refused: %+v", what, s)
		}
		for _, f := range refused {
			if !slices.ContainsFunc(j.Exceeding(), func(g scanreport.Finding) bool { return fmt.Sprint(f) == fmt.Sprint(g) }) {
				t.Errorf("%s lets %+v through: %+v", what, f, s)
			}
		}
	}
	stricter("a further finding", func(n *scenario) { n.findings = append(n.findings, randomFinding(rng)) })
	stricter("a lower threshold", func(n *scenario) { n.limits.FailOn = max(0, n.limits.FailOn-1) })
	stricter("counting what is unfixed", func(n *scenario) { n.limits.IgnoreUnfixed = false })
	stricter("a later time", func(n *scenario) { n.now = n.now.AddDate(0, 0, 1) })
	for i := range s.limits.Allow {
		stricter("an entry less", func(n *scenario) { n.limits.Allow = slices.Delete(n.limits.Allow, i, i+1) })
		stricter("an entry that ends earlier", func(n *scenario) { n.limits.Allow[i].Until = n.limits.Allow[i].Until.AddDate(0, 0, -1) })
		stricter("an entry for one package", func(n *scenario) {
			if n.limits.Allow[i].Package == "" {
				n.limits.Allow[i].Package = "a"
			}
		})
	}
	// A higher threshold lets through only what is below it.
	for higher := s.limits.FailOn; higher <= scanreport.Critical; higher++ {
		next := s
		next.limits.FailOn = higher
		j := next.judge(t)
		for _, f := range refused {
			still := slices.ContainsFunc(j.Exceeding(), func(g scanreport.Finding) bool { return fmt.Sprint(f) == fmt.Sprint(g) })
			if f.Severity >= higher && !still {
				t.Errorf("fail on %s lets %+v through: %+v", higher, f, s)
			}
		}
	}
	// Each finding is in one place.
	below := 0
	for _, f := range mustRead(t, []byte(trivyFinding(strings.Join(s.findings, ",")))).Findings() {
		if f.Severity < s.limits.FailOn && (f.Severity != scanreport.Unknown || s.limits.FailOn > scanreport.Negligible) {
			below++
		}
	}
	if n := len(refused) + len(is.Allowed()) + len(is.Unfixed()) + below; n != is.Total() || n != len(s.findings) {
		t.Errorf("%d findings are %d: %+v", len(s.findings), n, s)
	}
	if is.Passed() != (len(refused) == 0) {
		t.Errorf("passed is %t: %+v", is.Passed(), s)
	}
}

func TestJudgeMonotone(t *testing.T) {
	t.Parallel()
	runs := 500
	if raced {
		runs = 50
	}
	for seed := range uint64(runs) {
		rng := rand.New(rand.NewPCG(seed, 7))
		checkMonotone(t, randomScenario(rng), rng)
	}
}

// FuzzJudge looks for scenarios that the seeds above do not make.
func FuzzJudge(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		rng := rand.New(rand.NewPCG(a, b))
		checkMonotone(t, randomScenario(rng), rng)
	})
}
