package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/cli"
)

// A result is what one invocation did.
type result struct {
	code   int
	stdout string
	stderr string
	doc    struct {
		Version  int
		Passed   bool
		Requests int
		Warnings []string
		Images   []struct {
			Reference, Digest, Pinned, Reason string
			Passed                            bool
			Requests                          int
			Platforms                         []struct{ Platform, Digest string }
			Checks                            []struct {
				Requirement, Reason, Message, Hint string
				Evidence                           []struct {
					System, Format, Storage, Signed, Digest, Covers, Platform, Signer, Issuer string
					Claims                                                                    map[string]string
					LogIndex                                                                  *int64    `json:"log_index"`
					SignedAt                                                                  time.Time `json:"signed_at"`
					PredicateType                                                             string    `json:"predicate_type"`
				}
				Candidates []struct{ Format, Storage, Reason, Message, Signer string }
			}
		}
	}
}

// env is the environment that the tests' invocations see.
func env(string) string { return "" }

// lookup is getenv where every variable that is not empty is set.
func lookup(getenv func(string) string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value := getenv(name)
		return value, value != ""
	}
}

func runIn(t *testing.T, ctx context.Context, stdin string, getenv func(string) string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	noWait := func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	code := cli.Command{Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs, LookupEnv: lookup(getenv), Sleep: noWait}.Main(ctx, append([]string{"boltseal"}, args...))
	return result{code: code, stdout: out.String(), stderr: errs.String()}
}

// run invokes boltseal with --output json.
func run(t *testing.T, args ...string) result {
	t.Helper()
	r := runIn(t, context.Background(), "", env, append(args, "--output", "json")...)
	if err := json.Unmarshal([]byte(r.stdout), &r.doc); err != nil {
		t.Fatalf("output is not JSON: %v\n%s%s", err, r.stdout, r.stderr)
	}
	return r
}

// plain invokes boltseal and returns all that it wrote.
func plain(t *testing.T, args ...string) (int, string) {
	t.Helper()
	r := runIn(t, context.Background(), "", env, args...)
	return r.code, r.stdout + r.stderr
}

// want checks the exit code and the Reason of the only image.
func (r result) want(t *testing.T, code int, reason string) {
	t.Helper()
	if len(r.doc.Images) != 1 || r.code != code || r.doc.Images[0].Reason != reason || r.doc.Passed != (reason == "verified") {
		t.Errorf("exit %d, want %d with reason %s:\n%s%s", r.code, code, reason, r.stdout, r.stderr)
	}
}

// Each command is the same whether it is made alone or with all others.
func TestCommands(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"verify", "scan", "pin", "sign", "policy", "audit", "action", "verify-bundle", "sign-bundle", "version"} {
		help := func(args ...string) string {
			var out, errs strings.Builder
			c := cli.Command{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, LookupEnv: func(string) (string, bool) { return "", false }}
			if code := c.Main(t.Context(), append([]string{"boltseal"}, args...)); code != 0 {
				t.Errorf("%q: exit %d: %s", args, code, errs.String())
			}
			return out.String()
		}
		alone, beside := help(name, "--help"), help("help", name)
		if alone != beside || !strings.Contains(alone, "boltseal "+name) {
			t.Errorf("%s: alone\n%s\nwith the others\n%s", name, alone, beside)
		}
	}
}
