package sigstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/verify"
)

// aService is one of a signing config.
type aService struct {
	url        string
	version    int
	start, end string // "" for none
	operator   string
}

// aConfig is a signing config in words.
type aConfig struct {
	ca, rekor, tsa         []aService
	rekorSelect, tsaSelect string
	rekorCount             int
	mediaType              string
}

func (c aConfig) text(t *testing.T) []byte {
	t.Helper()
	list := func(services []aService) []any {
		out := []any{}
		for i, s := range services {
			valid := map[string]any{}
			if s.start != "" {
				valid["start"] = s.start
			}
			if s.end != "" {
				valid["end"] = s.end
			}
			operator := s.operator
			if operator == "" {
				operator = fmt.Sprint("operator", i)
			}
			out = append(out, map[string]any{"url": s.url, "majorApiVersion": s.version, "validFor": valid, "operator": operator})
		}
		return out
	}
	doc := map[string]any{
		"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
		"caUrls":    list(c.ca), "rekorTlogUrls": list(c.rekor), "tsaUrls": list(c.tsa),
	}
	if c.mediaType != "" {
		doc["mediaType"] = c.mediaType
	}
	if c.rekorSelect != "" {
		doc["rekorTlogConfig"] = map[string]any{"selector": c.rekorSelect, "count": c.rekorCount}
	}
	if c.tsaSelect != "" {
		doc["tsaConfig"] = map[string]any{"selector": c.tsaSelect}
	}
	body, err := json.Marshal(doc)
	must(t, err)
	return body
}

const begun, over, later = "2020-01-01T00:00:00Z", "2023-01-01T00:00:00Z", "2030-01-01T00:00:00Z"

func TestServices(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	ca := []aService{{"https://ca.example", 1, begun, "", ""}}
	tsas := []aService{{"https://tsa.example/stamp", 1, begun, "", ""}}
	v1, v2 := aService{"https://v1.example", 1, begun, "", "a"}, aService{"https://v2.example", 2, begun, "", "a"}
	both := []uint32{1, 2}
	for _, c := range []struct {
		name     string
		config   aConfig
		versions []uint32
		want     []string // addresses: the authority, the timestamp authorities, the logs
		err      error
		words    string
		hint     string
	}{
		{"all", aConfig{ca: ca, tsa: tsas, rekor: []aService{v1, v2}, rekorSelect: "ANY", tsaSelect: "ANY"}, both,
			[]string{"https://ca.example", "https://tsa.example/stamp", "https://v2.example"}, nil, "", ""},
		{"legacy", aConfig{ca: ca, tsa: tsas, rekor: []aService{v1, v2}, rekorSelect: "ANY", tsaSelect: "ANY"}, []uint32{1},
			[]string{"https://ca.example", "https://tsa.example/stamp", "https://v1.example"}, nil, "", ""},
		{"no log asked for", aConfig{ca: ca, tsa: tsas, tsaSelect: "ANY"}, nil,
			[]string{"https://ca.example", "https://tsa.example/stamp"}, nil, "", ""},
		{"v2 without time", aConfig{ca: ca, rekor: []aService{v1, v2}, rekorSelect: "ANY"}, both,
			[]string{"https://ca.example", "https://v1.example"}, nil, "", ""},
		{"v2 alone without time", aConfig{ca: ca, rekor: []aService{v2}, rekorSelect: "ANY"}, both, nil, ErrNoLog, "there is no timestamp authority", "add a timestamp authority"},
		{"v2 and an old time", aConfig{ca: ca, tsa: []aService{{"https://tsa.example", 1, begun, over, ""}}, rekor: []aService{v2}, rekorSelect: "ANY", tsaSelect: "ANY"}, both, nil,
			ErrNoLog, "there is no timestamp authority", "add a timestamp authority"},
		{"legacy without v1", aConfig{ca: ca, tsa: tsas, rekor: []aService{v2}, rekorSelect: "ANY", tsaSelect: "ANY"}, []uint32{1}, nil, ErrNoLog, "of version 1, which the legacy format needs", "bundle format"},
		{"legacy, v1 is over", aConfig{ca: ca, rekor: []aService{{"https://v1.example", 1, begun, over, ""}}, rekorSelect: "ANY"}, []uint32{1}, nil, ErrNoLog, "the last one expired on 2023-01-01", "bundle format"},
		{"no log", aConfig{ca: ca, tsa: tsas, tsaSelect: "ANY"}, both, nil, ErrNoLog, "names no transparency log (Rekor)", "--tlog-upload=false"},
		{"logs are over", aConfig{ca: ca, tsa: tsas, rekor: []aService{{"https://a.example", 2, begun, "2022-01-01T00:00:00Z", ""}, {"https://b.example", 1, begun, over, ""}}, rekorSelect: "ANY", tsaSelect: "ANY"}, both, nil,
			ErrNoLog, "the last one expired on 2023-01-01", "of today"},
		{"logs to come", aConfig{ca: ca, tsa: tsas, rekor: []aService{{"https://a.example", 2, later, "", ""}}, rekorSelect: "ANY", tsaSelect: "ANY"}, both, nil,
			ErrNoLog, "the next one begins on 2030-01-01", "of today"},
		{"unknown versions", aConfig{ca: ca, tsa: tsas, rekor: []aService{{"https://a.example", 3, begun, "", ""}}, rekorSelect: "ANY", tsaSelect: "ANY"}, both, nil, ErrNoLog, "(Rekor)", ""},
		{"no authority", aConfig{tsa: tsas, rekor: []aService{v2}, rekorSelect: "ANY", tsaSelect: "ANY"}, both, []string{"", "https://tsa.example/stamp", "https://v2.example"}, nil, "", ""},
		{"newest authority, slash", aConfig{ca: []aService{{"https://old.example", 1, begun, "", ""}, {"https://new.example/", 1, "2022-01-01T00:00:00Z", "", ""}, {"https://next.example", 1, later, "", ""}}}, nil,
			[]string{"https://new.example/"}, nil, "", ""},
		{"all logs", aConfig{ca: ca, tsa: tsas, rekor: []aService{v2, {"https://w2.example", 2, begun, "", "b"}, {"https://x1.example", 1, begun, "", "c"}}, rekorSelect: "ALL", tsaSelect: "ANY"}, both,
			[]string{"https://ca.example", "https://tsa.example/stamp", "https://v2.example", "https://w2.example"}, nil, "", ""},
		{"one log of an operator", aConfig{ca: ca, rekor: []aService{v1, {"https://w1.example", 1, "2022-01-01T00:00:00Z", "", "a"}}, rekorSelect: "ALL"}, both,
			[]string{"https://ca.example", "https://w1.example"}, nil, "", ""},
		{"exactly two", aConfig{ca: ca, rekor: []aService{v1, {"https://w1.example", 1, begun, "", "b"}}, rekorSelect: "EXACT", rekorCount: 2}, both,
			[]string{"https://ca.example", "https://v1.example", "https://w1.example"}, nil, "", ""},
		{"exactly three of two", aConfig{ca: ca, rekor: []aService{v1, {"https://w1.example", 1, begun, "", "b"}}, rekorSelect: "EXACT", rekorCount: 3}, both, nil, nil, "choose a Rekor", "ANY, ALL or an EXACT number"},
		{"exactly none", aConfig{ca: ca, rekor: []aService{v1}, rekorSelect: "EXACT"}, both, nil, nil, "choose a Rekor", "ANY, ALL or an EXACT number"},
		{"no selector", aConfig{ca: ca, rekor: []aService{v1}}, both, nil, nil, "choose a Rekor", "ANY, ALL or an EXACT number"},
		{"no selector of times", aConfig{ca: ca, tsa: tsas, rekor: []aService{v1}, rekorSelect: "ANY"}, both, nil, nil, "choose a timestamp authority", "ANY, ALL or an EXACT number"},
		{"plain http", aConfig{ca: []aService{{"http://ca.example", 1, begun, "", ""}}}, nil, nil, nil, `at "http://ca.example", which is neither https nor on this machine`, "https addresses"},
		{"plain http of a log", aConfig{rekor: []aService{{"http://a.example", 1, begun, "", ""}}, rekorSelect: "ANY"}, both, nil, nil, "neither https", "https addresses"},
		{"plain http of any log", aConfig{rekor: []aService{v1, {"http://a.example", 1, begun, "", "b"}}, rekorSelect: "ANY"}, both, nil, nil, "neither https", "https addresses"},
		{"plain http of a time", aConfig{tsa: []aService{{"http://a.example", 1, begun, "", ""}}, tsaSelect: "ANY"}, nil, nil, nil, "neither https", "https addresses"},
		{"plain http of the past", aConfig{ca: ca, tsa: []aService{{"http://a.example", 1, begun, over, ""}}, tsaSelect: "ANY"}, nil, []string{"https://ca.example"}, nil, "", ""},
		{"loopback", aConfig{ca: []aService{{"http://127.0.0.1:5555", 1, begun, "", ""}}}, nil, []string{"http://127.0.0.1:5555"}, nil, "", ""},
		{"loopback by name", aConfig{ca: []aService{{"http://localhost:5555", 1, begun, "", ""}}}, nil, []string{"http://localhost:5555"}, nil, "", ""},
		{"IPv6 loopback", aConfig{ca: []aService{{"http://[::1]:5555", 1, begun, "", ""}}}, nil, []string{"http://[::1]:5555"}, nil, "", ""},
		{"no address", aConfig{ca: []aService{{"ca.example", 1, begun, "", ""}}}, nil, nil, nil, "which is no address", "https addresses"},
		{"no host", aConfig{ca: []aService{{"https://:443/x", 1, begun, "", ""}}}, nil, nil, nil, "which is no address", "https addresses"},
		{"broken address", aConfig{ca: []aService{{"https://a\u0007b", 1, begun, "", ""}}}, nil, nil, nil, `"https://a?b", which is no address`, "https addresses"},
		{"a user", aConfig{ca: []aService{{"https://me:pass@ca.example", 1, begun, "", ""}}}, nil, nil, nil, `on "ca.example" with a user`, "https addresses"},
		{"a query", aConfig{ca: []aService{{"https://ca.example/?x=secret", 1, begun, "", ""}}}, nil, nil, nil, `on "ca.example" with a user, a query`, "https addresses"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config, err := ParseSigningConfig(c.config.text(t))
			must(t, err)
			s, err := config.Services(now, c.versions...)
			if c.want == nil {
				if err == nil || c.err != nil && !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.words) || verify.Hint(err) == "" || !strings.Contains(verify.Hint(err), c.hint) {
					t.Errorf("%v; hint %q", err, verify.Hint(err))
				}
				if err != nil && (strings.Contains(err.Error(), "pass") || strings.Contains(err.Error(), "secret")) {
					t.Errorf("a secret is in it: %v", err)
				}
				if len(s.logs)+len(s.tsas) > 0 || s.ca.URL != "" {
					t.Errorf("an error, and yet %+v", s)
				}
				return
			}
			must(t, err)
			got := []string{s.ca.URL}
			for _, one := range s.tsas {
				got = append(got, one.URL)
			}
			logs := []string{}
			for _, one := range s.logs {
				logs = append(logs, one.URL)
			}
			slices.Sort(logs)
			if got = append(got, logs...); !slices.Equal(got, c.want) {
				t.Errorf("%q", got)
			}
		})
	}
}

// Certificates are missed when one is asked for.
func TestServicesIssue(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	for want, ca := range map[string][]aService{
		"that is valid now":                  nil,
		"the last one expired on 2023-01-01": {{"https://ca.example", 1, begun, over, ""}},
		"the next one begins on 2030-01-01":  {{"https://ca.example", 1, later, "", ""}},
		"(Fulcio) that is valid":             {{"https://ca.example", 2, begun, "", ""}},
	} {
		config, err := ParseSigningConfig(aConfig{ca: ca}.text(t))
		must(t, err)
		s, err := config.Services(now)
		must(t, err)
		key, err := ephemeral()
		must(t, err)
		_, err = NewClient(ClientOptions{}).issue(t.Context(), s, key, Token{})
		if !errors.Is(err, ErrNoCA) || !strings.Contains(err.Error(), want) || !strings.Contains(verify.Hint(err), "--key") {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := (Services{}).issues(); !errors.Is(err, ErrNoCA) {
		t.Errorf("of no services: %v", err)
	}
}

func TestParseSigningConfig(t *testing.T) {
	t.Parallel()
	many := make([]aService, maxServices+1)
	for name, body := range map[string]string{
		"nothing":          "",
		"no JSON":          "x",
		"a list":           "[]",
		"a trusted root":   `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[]}`,
		"another version":  string(aConfig{mediaType: "application/vnd.dev.sigstore.signingconfig.v0.1+json"}.text(t)),
		"no version":       `{}`,
		"an unknown field": `{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","x":1}`,
		"many services":    string(aConfig{rekor: many}.text(t)),
		"a long address":   string(aConfig{tsa: []aService{{url: "https://" + strings.Repeat("a", maxServiceURL)}}}.text(t)),
		"a long text":      `{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json"}` + strings.Repeat(" ", maxSigningConfig),
	} {
		c, err := ParseSigningConfig([]byte(body))
		if err == nil || c != nil || !strings.HasPrefix(err.Error(), "not a signing config: ") || len(err.Error()) > 400 {
			t.Errorf("%s: %v", name, err)
		}
	}
	var none *SigningConfig
	if _, err := none.Services(time.Time{}, 1); err == nil {
		t.Error("services of none")
	}
	if _, err := (&SigningConfig{}).Services(time.Time{}, 1); err == nil {
		t.Error("services of the zero config")
	}
	c, err := ParseSigningConfig([]byte(`{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","caUrls":[null],"rekorTlogUrls":[{}]}`))
	if err == nil {
		if s, err := c.Services(time.Time{}, 0, 1, 2); err == nil {
			t.Errorf("an empty service: %+v", s)
		}
	}
}
