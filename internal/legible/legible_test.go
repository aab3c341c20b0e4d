package legible

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"
)

// However programs write a secret, it is not shown.
func TestWithout(t *testing.T) {
	t.Parallel()
	const hard = "pa\"ss<wörd>\\ 1😀/+'"
	marshal := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for name, tc := range map[string]struct{ secret, text, want string }{
		"as it is":          {hard, "a " + hard + " b", "a *** b"},
		"twice":             {hard, hard + hard, "******"},
		"Go's JSON":         {hard, marshal(hard), `"***"`},
		"JSON in JSON":      {hard, marshal(marshal(hard)), `"\"***\""`},
		"JSON without HTML": {hard, `{"p":"pa\"ss<wörd>\\ 1😀\/+'"}`, `{"p":"***"}`},
		"ASCII JSON":        {hard, `"pa\"ss<w\u00f6rd>\\ 1\ud83d\ude00/+'"`, `"***"`},
		"ASCII JSON, .NET":  {hard, `"pa\u0022ss\u003Cw\u00F6rd\u003E\\ 1\uD83D\uDE00/\u002B\u0027"`, `"***"`},
		"Go's quotes":       {hard, fmt.Sprintf("%+q", hard), `"***"`},
		"Python's":          {hard, `'pa"ss<w\xf6rd>\\ 1😀/+\''`, `'***'`},
		"query":             {hard, "?p=" + url.QueryEscape(hard) + "&q", "?p=***&q"},
		"path":              {hard, "/" + url.PathEscape(hard) + "/q", "/***/q"},
		"query, small hex":  {hard, strings.ToLower(url.QueryEscape(hard)), "***"},
		"HTML":              {hard, html.EscapeString(hard), "***"},
		"shell":             {hard, `'pa"ss<wörd>\ 1😀/+'\'''`, `'***'`},
		"base64":            {hard, base64.StdEncoding.EncodeToString([]byte(hard)) + " ", "***== "},
		"base64 of more":    {hard, base64.StdEncoding.EncodeToString([]byte("ab" + hard + "cd")), ""},
		"base64url of more": {hard, base64.URLEncoding.EncodeToString([]byte("a" + hard + "c")), ""},
		"hex":               {hard, fmt.Sprintf("%x %X", hard, hard), "*** ***"},
		"backslashes":       {`\\`, `a\\b \\\\ `, "a***b *** "},
		"short":             {"1", "1 of 10, =1, _1", "*** of 10, =***, _1"},
		"short, of signs":   {"!x", `{"pin":"!x"} a!x !xy`, `{"pin":"***"} a*** !xy`},
		"short, escaped":    {"ö", `"\u00f6" ö schön`, `"***" *** schön`},
		"empty":             {"", "text", "text"},
		"no UTF-8":          {"ab\xffcd", "ab\xffcd ab%FFcd", "*** ***"},
		"not it":            {"password", "pass word passwor", "pass word passwor"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Without(tc.text, false, "", tc.secret)
			if tc.want == "" {
				if !strings.Contains(got, "***") || len(got) > len("***")+8 {
					t.Errorf("%s: %s", tc.text, got)
				}
				return
			}
			if got != tc.want {
				t.Errorf("%s: %s, want %s", tc.text, got, tc.want)
			}
		})
	}
}

// Where text is cut off, the beginning of a secret is not shown either, wherever
// it was cut through.
func TestWithoutCut(t *testing.T) {
	t.Parallel()
	const secret = `s3cr3t"wörd`
	for _, text := range []string{secret, `s3cr3t\"w\u00f6rd`, "s3cr3t%22w%C3%B6rd", base64.StdEncoding.EncodeToString([]byte(secret))} {
		for n := 1; n < len(text); n++ {
			if got := Without("noise "+text[:n], true, secret, "s3"); got != "noise ***" {
				t.Errorf("%s: %s", text[:n], got)
			}
		}
	}
	if got := Without("whole", true, secret); got != "whole" {
		t.Error(got)
	}
	long := strings.Repeat("0123456789abcdef", 64)
	if got := Without(strings.Repeat("x", mostRead-10)+long, false, long); strings.Contains(got, "0") || len(got) != mostRead-10+len("***") {
		t.Errorf("%d bytes: …%s", len(got), got[len(got)-20:])
	}
}

// A plugin that writes what nearly is the secret keeps nobody waiting.
func TestWithoutIsBounded(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("a", 1<<20)
	if got := Without(text, false, strings.Repeat("a", 1000)+"b"); len(got) >= mostRead {
		t.Errorf("%d bytes", len(got))
	}
}
