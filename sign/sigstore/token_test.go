package sigstore

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/verify"
)

var tokenNow = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// jwt is a token with these parts, as text.
func jwt(header, payload, signature string) string {
	b := base64.RawURLEncoding
	return b.EncodeToString([]byte(header)) + "." + b.EncodeToString([]byte(payload)) + "." + b.EncodeToString([]byte(signature))
}

const (
	rs256     = `{"alg":"RS256","kid":"hunter2","typ":"JWT"}`
	githubURL = "https://token.actions.githubusercontent.com"
)

// goodClaims are those of a token that is valid, with changes; nil removes.
func goodClaims(changes map[string]any) string {
	c := map[string]any{
		"iss": githubURL, "aud": "sigstore", "sub": "repo:hunter2/app:ref:refs/heads/main", "jti": "hunter2-jti", "email": "hunter2@example.com",
		"exp": tokenNow.Unix() + 300, "nbf": tokenNow.Unix() - 600, "iat": tokenNow.Unix() - 5,
	}
	for name, v := range changes {
		if c[name] = v; v == nil {
			delete(c, name)
		}
	}
	text, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func goodToken(changes map[string]any) string {
	return jwt(rs256, goodClaims(changes), "hunter2-signature")
}

func TestParseToken(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"GitHub":              goodToken(nil),
		"line break":          goodToken(nil) + "\r\n",
		"audience list":       goodToken(map[string]any{"aud": []string{"x", "sigstore"}}),
		"no nbf and iat":      goodToken(map[string]any{"nbf": nil, "iat": nil}),
		"fraction of seconds": goodToken(map[string]any{"exp": float64(tokenNow.Unix()) + 300.5}),
		"clock ahead by 60 s": goodToken(map[string]any{"nbf": tokenNow.Unix() + 60, "iat": tokenNow.Unix() + 60}),
		"last second":         goodToken(map[string]any{"exp": tokenNow.Unix() + 1}),
	} {
		tok, err := ParseToken(text, "sigstore", tokenNow)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if tok.secret() != strings.TrimSpace(text) || tok.Issuer() != githubURL || !tok.Expires().After(tokenNow) {
			t.Errorf("%s: issuer %q, expires %v", name, tok.Issuer(), tok.Expires())
		}
	}
	tok, err := ParseToken(goodToken(nil), "sigstore", tokenNow)
	if want := time.Unix(tokenNow.Unix()+300, 0); err != nil || !tok.Expires().Equal(want) {
		t.Errorf("expires %v, want %v", tok.Expires(), want)
	}
}

func TestParseTokenRefuses(t *testing.T) {
	t.Parallel()
	good := goodToken(nil)
	for _, tc := range []struct{ name, text, want, hint string }{
		{"empty", " \n", "it is empty", "id_tokens"},
		{"large", strings.Repeat("a", maxToken+1), "longer than 16 KiB", "id_tokens"},
		{"answer of GitHub", `{"count":1,"value":"` + good + `"}`, "it is a JSON document", "jq -r .value"},
		{"GITHUB_TOKEN", "ghs_hunter2", "it is an access token (ghs_…)", "id_tokens"},
		{"GitLab access token", "glpat-hunter2", "it is an access token (glpat-…)", "id_tokens"},
		{"one part", "hunter2", "three parts", "id_tokens"},
		{"two parts", "hunter2.hunter2", "three parts", "id_tokens"},
		{"four parts", good + ".hunter2", "three parts", "id_tokens"},
		{"encrypted", good + ".hunter2.hunter2", "it is encrypted (JWE)", "id_tokens"},
		{"header missing", "." + good[strings.Index(good, ".")+1:], "its header is not base64url", "id_tokens"},
		{"payload padded", strings.SplitN(good, ".", 2)[0] + ".e30=.eA", "its payload is not base64url", "id_tokens"},
		{"signature missing", good[:strings.LastIndex(good, ".")+1], "its signature is not base64url", "id_tokens"},
		{"signature with stray bits", good[:strings.LastIndex(good, ".")+1] + "AB", "its signature is not base64url", "id_tokens"},
		{"line break inside", strings.Replace(good, ".", ".\n", 1), "its payload is not base64url", "id_tokens"},
		{"header no JSON", jwt("hunter2", goodClaims(nil), "x"), "its header is not that of a JWT", "id_tokens"},
		{"header without alg", jwt(`{"typ":"JWT"}`, goodClaims(nil), "x"), "its header is not that of a JWT", "id_tokens"},
		{"not signed", jwt(`{"alg":"none"}`, goodClaims(nil), "x"), "it is not signed", "id_tokens"},
		{"not signed, in capitals", jwt(`{"alg":"NONE"}`, goodClaims(nil), "x"), "it is not signed", "id_tokens"},
		{"alg twice", jwt(`{"alg":"RS256","alg":"none"}`, goodClaims(nil), "x"), "its header is not that of a JWT", "id_tokens"},
		{"payload no JSON", jwt(rs256, "hunter2", "x"), "its payload is not the JSON", "id_tokens"},
		{"payload a list", jwt(rs256, `["hunter2"]`, "x"), "its payload is not the JSON", "id_tokens"},
		{"payload and more", jwt(rs256, goodClaims(nil)+"{}", "x"), "its payload is not the JSON", "id_tokens"},
		{"claim twice", jwt(rs256, strings.Replace(goodClaims(nil), `{"`, `{"hunter2":1,"hunter2":2,"`, 1), "x"), "its payload is not the JSON", "id_tokens"},
		{"claim in capitals", jwt(rs256, strings.Replace(goodClaims(nil), `"aud"`, `"Aud"`, 1), "x"), "its payload is not the JSON", "id_tokens"},
		{"no issuer", goodToken(map[string]any{"iss": nil}), "who issued it (iss)", "id_tokens"},
		{"empty issuer", goodToken(map[string]any{"iss": ""}), "who issued it (iss)", "id_tokens"},
		{"issuer a number", goodToken(map[string]any{"iss": 1}), "its payload is not the JSON", "id_tokens"},
		{"no subject", goodToken(map[string]any{"sub": nil}), "whose it is (sub)", "id_tokens"},
		{"no audience", goodToken(map[string]any{"aud": nil}), "for whom it is (aud)", "id_tokens"},
		{"audience a number", goodToken(map[string]any{"aud": 1}), "its payload is not the JSON", "id_tokens"},
		{"audience of numbers", goodToken(map[string]any{"aud": []int{1}}), "its payload is not the JSON", "id_tokens"},
		{"no exp", goodToken(map[string]any{"exp": nil}), "until when it is valid (exp)", "id_tokens"},
		{"exp a text", goodToken(map[string]any{"exp": "2026"}), "its payload is not the JSON", "id_tokens"},
		{"exp beyond all years", goodToken(map[string]any{"exp": 1e300}), "its payload is not the JSON", "id_tokens"},
		{"exp negative", goodToken(map[string]any{"exp": -1}), "its payload is not the JSON", "id_tokens"},
		{"other audience", goodToken(map[string]any{"aud": "https://github.com/o"}), `the token from "` + githubURL + `" is for the audience "https://github.com/o", not for "sigstore"`, `audience "sigstore"`},
		{"other audiences", goodToken(map[string]any{"aud": []string{"a", "b", "c", "d"}}), `the audience "a", "b", "c", …, not`, `audience "sigstore"`},
		{"audience of nobody", goodToken(map[string]any{"aud": []string{}}), `the audience of nobody, not`, `audience "sigstore"`},
		{"audience in capitals", goodToken(map[string]any{"aud": "Sigstore"}), `the audience "Sigstore", not`, `audience "sigstore"`},
		{"audience unprintable", goodToken(map[string]any{"aud": "::error::\n\x1b[31m"}), `the audience "::error:: ?[31m", not`, `audience "sigstore"`},
		{"expired", goodToken(map[string]any{"exp": tokenNow.Unix() - 1}), "expired at 2026-11-22 11:59:59 (UTC), and now is 2026-11-22 12:00:00", "ask for a new one"},
		{"expires now", goodToken(map[string]any{"exp": tokenNow.Unix()}), "expired at 2026-11-22 12:00:00 (UTC)", "ask for a new one"},
		{"not yet", goodToken(map[string]any{"nbf": tokenNow.Unix() + 61}), "is valid from 2026-11-22 12:01:01 (UTC), and now is 2026-11-22 12:00:00", "set the clock"},
		{"of the future", goodToken(map[string]any{"iat": tokenNow.Unix() + 61}), "is valid from 2026-11-22 12:01:01 (UTC)", "set the clock"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tok, err := ParseToken(tc.text, "sigstore", tokenNow)
			e := (*verify.Error)(nil)
			if !errors.As(err, &e) || tok.secret() != "" {
				t.Fatalf("%v, %v", tok, err)
			}
			if e.Op != "read the identity token" || !strings.Contains(err.Error(), tc.want) || !strings.Contains(e.Hint, tc.hint) {
				t.Errorf("error %q, hint %q; want %q, %q", err, e.Hint, tc.want, tc.hint)
			}
			reason := verify.Unsupported
			if strings.Contains(tc.want, "expired at ") || strings.Contains(tc.want, "valid from ") {
				reason = verify.Expired
			}
			if got := sign.Reason(err); got != reason {
				t.Errorf("reason %s, want %s", got, reason)
			}
			if shown := fmt.Sprintf("%v %+v %#v %s", err, err, e, e.Hint); strings.Contains(shown, "hunter2") || strings.ContainsAny(shown, "\n\x1b") {
				t.Errorf("%q shows what it should not", shown)
			}
		})
	}
	if _, err := ParseToken(good, "", tokenNow); err == nil {
		t.Error("a token for no audience is taken")
	}
	if _, err := ParseToken(good, "sigstore", time.Time{}); err == nil {
		t.Error("a token is taken without a clock")
	}
}

// However a token is printed, it is not there.
func TestTokenIsNotShown(t *testing.T) {
	t.Parallel()
	text := goodToken(nil)
	tok, err := ParseToken(text, "sigstore", tokenNow)
	if err != nil {
		t.Fatal(err)
	}
	type exported struct{ T Token }
	type unexported struct{ t Token }
	type deep struct{ m map[string][]unexported }
	var shown strings.Builder
	for _, v := range []any{tok, &tok, exported{tok}, unexported{tok}, &unexported{tok}, []Token{tok}, deep{map[string][]unexported{"x": {{tok}}}}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c"} {
			fmt.Fprintf(&shown, verb+"\n", v)
		}
		body, err := json.Marshal(v)
		fmt.Fprintf(&shown, "%s %v\n", body, err)
	}
	for _, part := range append(strings.Split(text, "."), "hunter2", fmt.Sprintf("%x", text[:12]), strings.Trim(fmt.Sprint([]byte(text[:12])), "[]")) {
		if strings.Contains(strings.ToLower(shown.String()), strings.ToLower(part)) {
			t.Errorf("%q is shown", part)
		}
	}
	if want := `token from "` + githubURL + `" (hidden)`; tok.String() != want {
		t.Errorf("shown as %q, want %q", tok, want)
	}
	if zero := (Token{}); zero.String() != "no token" || zero.secret() != "" || zero.Issuer() != "" || !zero.Expires().IsZero() {
		t.Errorf("the zero Token is %v", zero)
	}
}

// No text makes ParseToken panic, and only a whole token gives one.
func FuzzParseToken(f *testing.F) {
	f.Add(goodToken(nil), "sigstore")
	f.Add(goodToken(map[string]any{"aud": []string{"a", "b"}}), "a")
	f.Add(jwt(`{"alg":"none"}`, goodClaims(nil), "x"), "sigstore")
	f.Add("ghs_x", "")
	f.Fuzz(func(t *testing.T, text, audience string) {
		tok, err := ParseToken(text, audience, tokenNow)
		if err != nil {
			if tok.secret() != "" {
				t.Error("a refused token is returned")
			}
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
				t.Errorf("%q", err)
			}
			return
		}
		if tok.secret() != strings.TrimSpace(text) || !tok.Expires().After(tokenNow) || tok.Issuer() == "" {
			t.Errorf("%v of %q", tok, text)
		}
	})
}
