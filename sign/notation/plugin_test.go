package notation_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	framework "github.com/notaryproject/notation-plugin-framework-go/plugin"

	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/sign/notation"
	"github.com/boltseal/boltseal/verify"
)

const (
	// asPlugin is set where this binary is run as a plugin; it says what kind of.
	asPlugin = "NOTATION_TEST_PLUGIN"
	// keyDir is where it finds its key.
	keyDir = "NOTATION_TEST_KEY"
	// pluginKey is the id of its key.
	pluginKey = "https://vault.example/keys/release"
	// secret is what it is configured with.
	secret = "s3cr3t value/of+config"
)

func TestMain(m *testing.M) {
	kind := os.Getenv(asPlugin)
	if kind == "" {
		os.Exit(m.Run())
	}
	if err := servePlugin(kind, os.Args[1], os.Stdin, os.Stdout); err != nil {
		if json.NewEncoder(os.Stderr).Encode(err) != nil {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

// servePlugin answers one command. What goes wrong is a *framework.Error.
func servePlugin(kind, command string, in io.Reader, out io.Writer) error {
	body, err := io.ReadAll(in)
	if err != nil {
		return framework.NewGenericError(err.Error())
	}
	answer, err := pluginAnswer(kind, framework.Command(command), body)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(answer)
}

func pluginAnswer(kind string, command framework.Command, body []byte) (any, error) {
	capability := framework.CapabilitySignatureGenerator
	if strings.HasPrefix(kind, "envelope") {
		capability = framework.CapabilityEnvelopeGenerator
	}
	if command == framework.CommandGetMetadata {
		return framework.GetMetadataResponse{
			Name: "test", Description: "d", Version: "1.2.3", URL: "https://example.com",
			SupportedContractVersions: []string{"1.0"}, Capabilities: []framework.Capability{capability},
		}, nil
	}
	if !bytes.Contains(body, []byte(secret)) && !bytes.Contains(body, []byte(`"pluginConfig":{"user":"me"}`)) {
		return nil, framework.NewValidationErrorf("not configured: %s", body)
	}
	key, chain, err := pluginKeyPair()
	if err != nil {
		return nil, framework.NewGenericError(err.Error())
	}
	switch command {
	case framework.CommandDescribeKey:
		var req framework.DescribeKeyRequest
		if err := json.Unmarshal(body, &req); err != nil {
			return nil, framework.NewJSONParsingError(err.Error())
		}
		id := req.KeyID
		if kind == "raw, describes another" {
			id = "another " + secret
		}
		return framework.DescribeKeyResponse{KeyID: id, KeySpec: framework.KeySpecEC256}, nil
	case framework.CommandGenerateSignature:
		return pluginSign(kind, body, key, chain)
	case framework.CommandGenerateEnvelope:
		return pluginEnvelope(kind, body, key, chain)
	}
	return nil, framework.NewUnsupportedError(string(command))
}

func pluginSign(kind string, body []byte, key crypto.Signer, chain []*x509.Certificate) (any, error) {
	var req framework.GenerateSignatureRequest
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, framework.NewJSONParsingError(err.Error())
	}
	k, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, framework.NewGenericError("no EC key")
	}
	sum := sha256.Sum256(req.Payload)
	r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
	if err != nil {
		return nil, framework.NewGenericError(err.Error())
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	resp := framework.GenerateSignatureResponse{KeyID: req.KeyID, Signature: sig, SigningAlgorithm: framework.SignatureAlgorithmECDSA_SHA256}
	for _, c := range chain {
		resp.CertificateChain = append(resp.CertificateChain, c.Raw)
	}
	switch kind {
	case "raw, signs with another":
		resp.KeyID = "another"
	case "raw, bad signature":
		resp.Signature[9] ^= 1
	case "raw, no chain":
		resp.CertificateChain = nil
	case "raw, no DER":
		resp.CertificateChain[0] = []byte("x")
	}
	return resp, nil
}

func pluginEnvelope(kind string, body []byte, key crypto.Signer, chain []*x509.Certificate) (any, error) {
	var req framework.GenerateEnvelopeRequest
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, framework.NewJSONParsingError(err.Error())
	}
	payload := req.Payload
	var doc struct {
		TargetArtifact struct{ MediaType string }
	}
	if err := json.Unmarshal(payload, &doc); err != nil {
		return nil, framework.NewJSONParsingError(err.Error())
	}
	isImage := strings.Contains(doc.TargetArtifact.MediaType, "manifest") // not that of nothing
	if isImage && kind == "envelope, of another image" {
		payload = bytes.Replace(payload, []byte("sha256:"), []byte("sha256:00"), 1)
		payload = append(payload[:bytes.Index(payload, []byte("sha256:"))+71], payload[bytes.Index(payload, []byte("sha256:"))+73:]...)
	}
	o := notationtest.SignOptions{Envelope: req.SignatureEnvelopeType, Payload: payload, Expiry: time.Duration(req.ExpiryDurationInSeconds) * time.Second} //nolint:gosec // an hour
	switch {
	case !isImage:
	case kind == "envelope, expires when it likes":
		o.Expiry = 1000 * time.Hour
	case kind == "envelope, says more":
		o.Payload = bytes.Replace(payload, []byte(`"annotations":{`), []byte(`"annotations":{"more":"x",`), 1)
	case kind == "envelope, never expires":
		o.Expiry = 0
	case kind == "envelope, of tomorrow":
		o.Time = time.Now().Add(10 * time.Hour)
	case kind == "envelope, of yesterday":
		o.Time = time.Now().Add(-10 * time.Minute)
	case kind == "envelope, by a clock that is fast":
		o.Time = time.Now().Add(2 * time.Minute)
	case kind == "envelope, needs a plugin":
		o.Plugin = "com.example.signer"
	case kind == "envelope, of an authority":
		o.Scheme = notationtest.SigningAuthority
	}
	a := &notationtest.Authority{Chain: chain, Key: key}
	if isImage && kind == "envelope, by another" {
		other, err := notationtest.NewAuthority(notationtest.AuthorityOptions{})
		if err != nil {
			return nil, framework.NewGenericError(err.Error())
		}
		a = other
	}
	env, err := a.Sign(registryless, o)
	if err != nil {
		return nil, framework.NewGenericError(err.Error())
	}
	resp := framework.GenerateEnvelopeResponse{SignatureEnvelope: env, SignatureEnvelopeType: req.SignatureEnvelopeType, Annotations: map[string]string{"com.example.job": "7", thumbprintAnnotation: "mine"}}
	switch {
	case !isImage:
	case kind == "envelope, of another type":
		resp.SignatureEnvelopeType = "application/else"
	case kind == "envelope, many annotations":
		for i := range 70 {
			resp.Annotations[fmt.Sprint(i)] = "x"
		}
	}
	return resp, nil
}

func pluginKeyPair() (crypto.Signer, []*x509.Certificate, error) {
	text, err := fs.ReadFile(os.DirFS(os.Getenv(keyDir)), "key.pem")
	if err != nil {
		return nil, nil, err
	}
	var chain []*x509.Certificate
	var key crypto.Signer
	for b, rest := pem.Decode(text); b != nil; b, rest = pem.Decode(rest) {
		if b.Type == "CERTIFICATE" {
			c, err := x509.ParseCertificate(b.Bytes)
			if err != nil {
				return nil, nil, err
			}
			chain = append(chain, c)
			continue
		}
		k, err := x509.ParsePKCS8PrivateKey(b.Bytes)
		if err != nil {
			return nil, nil, err
		}
		switch k := k.(type) {
		case *ecdsa.PrivateKey:
			key = k
		case *rsa.PrivateKey:
			key = k
		}
	}
	if key == nil || len(chain) == 0 {
		return nil, nil, errors.New("no key")
	}
	return key, chain, nil
}

// script writes a program for /bin/sh and returns how it is opened.
func script(t testing.TB, text string) notation.PluginOptions {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("there is no /bin/sh")
	}
	path := filepath.Join(t.TempDir(), "notation-test")
	body := []byte("#!/bin/sh\n" + text + "\n")
	if err := os.WriteFile(path, body, 0o600); err != nil { // it is the copy that is run
		t.Fatal(err)
	}
	sum := sha256.Sum256(body)
	return notation.PluginOptions{
		Path: path, SHA256: hex.EncodeToString(sum[:]), KeyID: pluginKey,
		Config: map[string]string{"password": secret, "pin": "9q", "empty": ""},
	}
}

// pluginOf returns a plugin that keeps the key of a; kind says what it does wrong.
func pluginOf(t testing.TB, a *notationtest.Authority, kind string) notation.PluginOptions {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), append(keyPEM(t, a), notationtest.PEM(a.Chain...)...), 0o600); err != nil {
		t.Fatal(err)
	}
	// The race detector has a program wait for a second before it ends.
	return script(t, fmt.Sprintf("GORACE=atexit_sleep_ms=0 %s='%s' %s='%s' exec '%s' \"$1\"", asPlugin, kind, keyDir, dir, must[string](t)(os.Executable())))
}

// open opens a plugin for the time of a test.
func open(t testing.TB, o notation.PluginOptions) (*notation.Key, error) {
	t.Helper()
	k, err := notation.OpenPlugin(t.Context(), o)
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k, err
}

// discreet reports an error for what a plugin is configured with in a text.
func discreet(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	text := err.Error() + verify.Hint(err)
	for _, s := range []string{secret, "s3cr3t+value%2Fof%2Bconfig", "9q"} {
		if strings.Contains(text, s) {
			t.Errorf("%q is in the error: %s", s, text)
		}
	}
}

// The certificates of a key come from whoever keeps it, or with it.
func TestOpenPlugin(t *testing.T) {
	t.Parallel()
	a := authority(t, notationtest.AuthorityOptions{Intermediates: 1})
	for _, kind := range []string{"raw", "envelope"} {
		for _, given := range []bool{false, true} {
			t.Run(fmt.Sprint(kind, given), func(t *testing.T) {
				t.Parallel()
				o := pluginOf(t, a, kind)
				if given {
					o.Chain = notationtest.PEM(a.Chain...)
				}
				o.SHA256 = "sha256:" + strings.ToUpper(o.SHA256)
				k := must[*notation.Key](t)(open(t, o))
				if got := k.Certificates(); len(got) != 3 || !got[0].Equal(a.Leaf()) {
					t.Errorf("chain %v", got)
				}
			})
		}
	}
}

// Nothing is run that could not be, or that is not what was meant.
func TestOpenPluginRefuses(t *testing.T) {
	t.Parallel()
	ran := filepath.Join(t.TempDir(), "ran")
	good := script(t, "touch '"+ran+"'")
	other := sha256.Sum256([]byte("another"))
	many := map[string]string{}
	for i := range 65 {
		many[fmt.Sprint(i)] = ""
	}
	named := func(name string) string { return filepath.Join(filepath.Dir(good.Path), name) }
	if err := os.Mkdir(named("notation-folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change        func(*notation.PluginOptions)
		reason        verify.Reason
		op, why, hint string
	}{
		"no path":        {func(o *notation.PluginOptions) { o.Path = "" }, verify.Unsupported, "open the plugin", "no program is named", "notation-NAME"},
		"other name":     {func(o *notation.PluginOptions) { o.Path = named("plugin") }, verify.Unsupported, "open the plugin", `is called "plugin"`, "notation-NAME"},
		"half a name":    {func(o *notation.PluginOptions) { o.Path = named("notation-") }, verify.Unsupported, "open the plugin", "not notation-NAME", "notation-NAME"},
		"no digest":      {func(o *notation.PluginOptions) { o.SHA256 = "" }, verify.Unsupported, "open the plugin", "64 hex digits", "who makes the plugin"},
		"short digest":   {func(o *notation.PluginOptions) { o.SHA256 = o.SHA256[:62] }, verify.Unsupported, "open the plugin", "64 hex digits", "who makes the plugin"},
		"no hex":         {func(o *notation.PluginOptions) { o.SHA256 = strings.Repeat("x", 64) }, verify.Unsupported, "open the plugin", "64 hex digits", "who makes the plugin"},
		"no key":         {func(o *notation.PluginOptions) { o.KeyID = "" }, verify.Unsupported, "open the plugin", "no key is named", "key's id"},
		"key of lines":   {func(o *notation.PluginOptions) { o.KeyID = "a\nb" }, verify.Unsupported, "open the plugin", "no key is named", "key's id"},
		"much config":    {func(o *notation.PluginOptions) { o.Config = many }, verify.Unsupported, "open the plugin", "more than 64 values", "leave some out"},
		"long config":    {func(o *notation.PluginOptions) { o.Config = map[string]string{"k": strings.Repeat("v", 17<<10)} }, verify.Unsupported, "open the plugin", "overlong entry", "16 KiB"},
		"chain":          {func(o *notation.PluginOptions) { o.Chain = []byte("x") }, verify.Unsupported, "read the certificate chain of the key in plugin test", "no PEM block", "as PEM"},
		"no file":        {func(o *notation.PluginOptions) { o.Path = named("notation-none") }, verify.Unavailable, "install the plugin none", "no such file", "look at the file"},
		"folder":         {func(o *notation.PluginOptions) { o.Path = named("notation-folder") }, verify.Unsupported, "install the plugin folder", "no regular file", "look at the file"},
		"another digest": {func(o *notation.PluginOptions) { o.SHA256 = hex.EncodeToString(other[:]) }, verify.BadSignature, "install the plugin test", "and was not run", "find out who changed the program"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := good
			tc.change(&o)
			k, err := open(t, o)
			if k != nil {
				t.Error("a key, in spite of the error")
			}
			told(t, err, tc.reason, tc.op, tc.why, tc.hint)
			discreet(t, err)
			if _, err := os.Stat(ran); err == nil {
				t.Error("it was run")
			}
		})
	}
}

// What is run is what was checked: a copy that nobody else can change, and that is
// gone afterwards.
func TestPluginCopy(t *testing.T) {
	t.Parallel()
	a := authority(t, notationtest.AuthorityOptions{})
	o := pluginOf(t, a, "raw")
	where := filepath.Join(t.TempDir(), "where")
	body := must[[]byte](t)(os.ReadFile(o.Path))
	body = bytes.Replace(body, []byte("#!/bin/sh\n"), []byte("#!/bin/sh\necho \"$0\" >> '"+where+"'\n"), 1)
	sum := sha256.Sum256(body)
	o.SHA256 = hex.EncodeToString(sum[:])
	if err := os.WriteFile(o.Path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	k := must[*notation.Key](t)(open(t, o))
	if err := os.WriteFile(o.Path, []byte("#!/bin/sh\nexit 3\n"), 0o700); err != nil { // too late
		t.Fatal(err)
	}
	lines := strings.Fields(string(must[[]byte](t)(os.ReadFile(where))))
	if len(lines) != 3 { // who it is, which key it has, and whose
		t.Errorf("run as %q", lines)
	}
	info, err := os.Stat(filepath.Dir(lines[0]))
	if err != nil || info.Mode().Perm() != 0o700 || lines[0] == o.Path || filepath.Base(lines[0]) != "notation-test" {
		t.Errorf("%s in %v, %v", lines[0], info, err)
	}
	w := newWorld(t, registryAPI)
	w.key = k
	img, _ := w.image("copy")
	w.signed(jwsOf(img))
	if err := errors.Join(k.Close(), k.Close()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Dir(lines[0])); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	res := w.sign(t.Context(), jwsOf(img), func(*notation.Options) {})
	if !res.Complete() || !res.Records[0].Existed { // which needs no plugin
		t.Errorf("%+v", res)
	}
}

// A plugin that does not do what it should, in each way: it is never believed, and
// what it is configured with is not told.
func TestPluginFaults(t *testing.T) {
	t.Parallel()
	a := authority(t, notationtest.AuthorityOptions{})
	says := func(code, message string) string {
		return fmt.Sprintf(`printf '%%s' '{"errorCode":"%s","errorMessage":"%s"}' >&2; exit 1`, code, message)
	}
	about := func(capability, rest string) string {
		return `printf '%s' '{"name":"test","description":"d","version":"1","url":"u","supportedContractVersions":["1.0"],"capabilities":["` + capability + `"]` + rest + `}'`
	}
	for name, tc := range map[string]struct {
		o         notation.PluginOptions
		reason    verify.Reason
		why, hint string
	}{
		"denied":             {script(t, says("ACCESS_DENIED", "user with "+secret+" and pin 9q, may not")), verify.Denied, "get-plugin-metadata: ACCESS_DENIED: user with *** and pin ***, may not", "credentials"},
		"throttled":          {script(t, says("THROTTLED", "slowly")), verify.Unavailable, "THROTTLED: slowly", "--jobs"},
		"timeout":            {script(t, says("TIMEOUT", "no")), verify.Unavailable, "TIMEOUT: no", "run it again"},
		"validation":         {script(t, says("VALIDATION_ERROR", "what?")), verify.Unsupported, "VALIDATION_ERROR: what?", "configuration"},
		"version":            {script(t, says("UNSUPPORTED_CONTRACT_VERSION", "no")), verify.Unsupported, "UNSUPPORTED_CONTRACT_VERSION", "configuration"},
		"error":              {script(t, says("ERROR", "boom")), verify.Unavailable, "ERROR: boom", "by itself"},
		"no code":            {script(t, says("", secret)), verify.Unavailable, "ended with status 1", "by itself"},
		"exits":              {script(t, `echo "panic: s3cr3t value/of+config" >&2; exit 7`), verify.Unavailable, "it ended with status 7: panic: ***", "by itself"},
		"exits, quotes":      {script(t, `echo '{"errorCode":"ERROR","errorMessage":"?p=s3cr3t+value%2Fof%2Bconfig&pin=9q"}' >&2; exit 7`), verify.Unavailable, "ERROR: ?p=***&pin=***", "by itself"},
		"much noise":         {script(t, `while :; do printf 's3cr3t value/of+config'; done 2>/dev/null | head -c 20000 >&2; exit 1`), verify.Unavailable, "it ended with status 1: ***", "by itself"},
		"token":              {script(t, `echo "Authorization: Bearer abcdefghijkl" >&2; exit 1`), verify.Unavailable, "Authorization: ***", "by itself"},
		"garbage":            {script(t, `echo "hello s3cr3t value/of+config"; echo "noise 9q" >&2`), verify.Unavailable, "what it writes is not what the protocol has: noise ***", "by itself"},
		"nothing":            {script(t, `:`), verify.Unavailable, "is not what the protocol has", "by itself"},
		"too much":           {script(t, `head -c 1100000 /dev/zero`), verify.Unavailable, "it writes more than 1024 KiB", "by itself"},
		"killed":             {script(t, `kill -9 $$`), verify.Unavailable, "did not run to its end", "by itself"},
		"no program":         {script(t, "\x00"), verify.Unavailable, "", "by itself"},
		"no capability":      {script(t, about("SIGNATURE_VERIFIER.TRUSTED_IDENTITY", "")), verify.Unsupported, "it cannot sign", "ask who makes it"},
		"other name":         {script(t, about("SIGNATURE_GENERATOR.RAW", `,"name":"else 9q"`)), verify.Unsupported, `the plugin in it "else ***"`, "ask who makes it"},
		"other protocol":     {script(t, about("SIGNATURE_GENERATOR.RAW", `,"supportedContractVersions":["2.0"]`)), verify.Unsupported, "does not speak version 1.0", "ask who makes it"},
		"version of lines":   {script(t, about("SIGNATURE_GENERATOR.RAW", `,"version":"a\nb"`)), verify.Unsupported, "its version is no short text", "ask who makes it"},
		"kind of key":        {script(t, `case "$1" in get*) `+about("SIGNATURE_GENERATOR.RAW", "")+`;; *) printf '{"keyId":"`+pluginKey+`","keySpec":"ED-9q"}';; esac`), verify.Unsupported, `the key is of kind "ED-***"`, "ask who makes it"},
		"describes another":  {pluginOf(t, a, "raw, describes another"), verify.Unsupported, `it was asked for the key "` + pluginKey + `", and answers of "another ***"`, "ask who makes it"},
		"signs with another": {pluginOf(t, a, "raw, signs with another"), verify.Unsupported, `and answers of "another"`, "ask who makes it"},
		"bad signature":      {pluginOf(t, a, "raw, bad signature"), verify.BadSignature, "verification", "ask who makes it"},
		"no chain":           {pluginOf(t, a, "raw, no chain"), verify.Unsupported, "no certificate chain", "ask who makes it"},
		"no certificate":     {pluginOf(t, a, "raw, no DER"), verify.BadSignature, "x509", "ask who makes it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, err := open(t, tc.o)
			if k != nil {
				t.Error("a key, in spite of the error")
			}
			told(t, err, tc.reason, "sign with the plugin test", tc.why, tc.hint)
			discreet(t, err)
		})
	}
}

// What a plugin writes is kept up to a bound, and a secret may be cut through there.
func TestPluginNoiseCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789abcdef", 250)
	o := script(t, `for i in 1 2 3 4 5; do printf '`+long+`' >&2; done; exit 1`)
	o.Config = map[string]string{"password": long}
	_, err := open(t, o)
	if told(t, err, verify.Unavailable, "sign with the plugin test", "it ended with status 1: ***", "by itself"); strings.Contains(err.Error(), "0123") {
		t.Error(err)
	}
}

// What a plugin is configured with is not shown, however it is quoted.
func TestPluginQuotes(t *testing.T) {
	t.Parallel()
	for text, value := range map[string]string{
		`config {"password":"pa\"ss<wörd>1"}`:  `pa"ss<wörd>1`,
		`config {"password":"w\u00f6rd<1234"}`: `wörd<1234`,
		`config {"password":"!x"}`:             `!x`,
		`user dXNlcjpvcGVuc2VzYW1l`:            `opensesame`,
		`key b3BlbnNlc2FtZQ==`:                 `opensesame`,
	} {
		o := script(t, "cat >/dev/null; cat >&2 <<'END'\n"+text+"\nEND\nexit 1")
		o.Config = map[string]string{"password": value}
		_, err := open(t, o)
		told(t, err, verify.Unavailable, "sign with the plugin test", "it ended with status 1: "+text[:3], "by itself")
		for _, word := range []string{value, "wörd", `w\u00f6rd`, "cGVuc2VzYW1", "b3Bl"} {
			if strings.Contains(err.Error(), word) {
				t.Errorf("%q is in %v", word, err)
			}
		}
	}
}

// Nothing is left of a plugin that could not be opened.
func TestPluginLeavesNothing(t *testing.T) {
	t.Parallel()
	where := filepath.Join(t.TempDir(), "where")
	_, err := open(t, script(t, "echo \"$0\" > '"+where+"'; exit 1"))
	path := strings.TrimSpace(string(must[[]byte](t)(os.ReadFile(where))))
	if _, gone := os.Stat(filepath.Dir(path)); err == nil || path == "" || !errors.Is(gone, os.ErrNotExist) {
		t.Errorf("%q: %v; %v", path, gone, err)
	}
}

// A plugin gets the credentials of its own service, and none of what is for us. In
// the Action all inputs are in one variable.
func TestPluginEnvironment(t *testing.T) {
	t.Setenv("BOLTSEAL_INPUTS", `{"registry-password":"for-us-only"}`)
	t.Setenv("COSIGN_PASSWORD", "for-us-only")
	t.Setenv("VAULT_TOKEN", "its-own")
	seen := filepath.Join(t.TempDir(), "env")
	_, err := open(t, script(t, "env > '"+seen+"'; echo \"no login with $VAULT_TOKEN\" >&2; exit 1"))
	told(t, err, verify.Unavailable, "sign with the plugin test", "it ended with status 1: no login with ***", "by itself")
	text := string(must[[]byte](t)(os.ReadFile(seen)))
	if strings.Contains(text, "for-us-only") || !strings.Contains(text, "VAULT_TOKEN=its-own") {
		t.Errorf("it sees %s", text)
	}
}

// A plugin that does not end is ended with the run.
func TestPluginHangs(t *testing.T) {
	t.Parallel()
	started := filepath.Join(t.TempDir(), "started")
	o := script(t, "mkfifo '"+started+"'; : > '"+started+"'; exec tail -f /dev/null")
	over := errors.New("the run is over")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		for ctx.Err() == nil {
			if f, err := os.Open(started); err == nil { // waits until it is written to
				_ = f.Close()
				cancel(over)
			}
			runtime.Gosched()
		}
	}()
	_, err := notation.OpenPlugin(ctx, o)
	told(t, err, verify.Unavailable, "sign with the plugin test", "get-plugin-metadata: it was stopped: the run is over", "run it again")
	if !errors.Is(err, over) {
		t.Errorf("%v does not wrap what ended it", err)
	}
}

// An envelope that a plugin makes is looked at before it is pushed.
func TestPluginEnvelopes(t *testing.T) {
	t.Parallel()
	a := authority(t, notationtest.AuthorityOptions{})
	for kind, tc := range map[string]struct {
		expiry time.Duration
		reason verify.Reason // "" for success
		why    string
	}{
		"raw":                               {0, "", ""},
		"raw ":                              {time.Hour, "", ""},
		"envelope":                          {0, "", ""},
		"envelope ":                         {time.Hour, "", ""},
		"envelope, of an authority":         {time.Hour, "", ""},
		"envelope, expires when it likes":   {time.Hour, verify.BadSignature, "does not expire when it was to"},
		"envelope, by a clock that is fast": {time.Hour, "", ""},
		"envelope, of tomorrow":             {time.Hour, verify.BadSignature, "which is not now"},
		"envelope, of yesterday":            {time.Hour, verify.BadSignature, "which is not now"},
		"envelope, of tomorrow ":            {0, verify.BadSignature, "which is not now"},
		"envelope, never expires":           {time.Hour, verify.BadSignature, "does not expire when it was to"},
		"envelope, of another image":        {0, verify.BadSignature, "descriptor subject has changed"},
		"envelope, says more":               {0, verify.BadSignature, "does not say what it was to say"},
		"envelope, of another type":         {0, verify.Unsupported, `made one of type "application/else"`},
		"envelope, needs a plugin":          {0, verify.Unsupported, "com.example.signer"},
		"envelope, by another":              {0, verify.WrongSigner, ""},
		"envelope, many annotations":        {0, verify.Unsupported, "more than 64 annotations"},
	} {
		for _, f := range []sign.Format{sign.JWS, sign.COSE} {
			t.Run(kind+" "+string(f), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, registryAPI)
				w.authority = a
				w.key = must[*notation.Key](t)(open(t, pluginOf(t, a, strings.TrimSpace(kind))))
				img, d := w.image("plugin")
				order := jwsOf(img)
				order.Formats = []sign.Format{f}
				order.Annotations = map[string]string{"build": "7"}
				expiring := func(o *notation.Options) { o.Expiry = tc.expiry }
				if tc.reason != "" {
					fails(t, w.sign(t.Context(), order, expiring), tc.reason, tc.why)
					w.nothingPushed(d)
					return
				}
				records := w.signed(order, expiring)
				if again := w.signed(order, expiring); !again[0].Existed || again[0].Source != records[0].Source {
					t.Errorf("signed again: %+v", again)
				}
				w.verifies(img, order.Annotations)
				annotations := w.manifestOf(records[0]).Annotations
				job := map[string]string{"raw": "", "envelope": "7"}[strings.TrimSpace(strings.Split(kind, ",")[0])]
				if annotations["com.example.job"] != job || annotations[thumbprintAnnotation] == "mine" {
					t.Errorf("annotations %v", annotations)
				}
			})
		}
	}
	t.Run("with a TSA", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, registryAPI)
		w.key = must[*notation.Key](t)(open(t, pluginOf(t, a, "envelope")))
		o := w.options()
		o.TSA = &notation.TSA{URL: "http://tsa.test", Roots: []*x509.Certificate{a.Root()}}
		_, err := notation.New(o)
		told(t, err, verify.Unsupported, "timestamp signatures", "the plugin test makes the envelopes itself", "leave out")
	})
	for name, tc := range map[string]struct {
		given *notationtest.Authority
		why   string
	}{
		"with another chain":     {authority(t, notationtest.AuthorityOptions{}), ""},
		"with a colleague's one": {must[*notationtest.Authority](t)(a.Another(notationtest.AuthorityOptions{})), notationtest.Fingerprint(a.Leaf())},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, registryAPI)
			o := pluginOf(t, a, "raw")
			o.Chain = notationtest.PEM(tc.given.Chain...)
			w.key = must[*notation.Key](t)(open(t, o))
			img, d := w.image("chain")
			fails(t, w.sign(t.Context(), jwsOf(img)), verify.WrongSigner, "check the new jws signature", tc.why)
			w.nothingPushed(d)
		})
	}
}
