package notation_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/notaryproject/notation-go/verifier/trustpolicy"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/verify/notation"
)

// stores are the trust stores that the tests' trust policies name.
func stores(t testing.TB) fstest.MapFS {
	t.Helper()
	a, authority, own := certified(t, notationtest.AuthorityOptions{}), certified(t, notationtest.AuthorityOptions{CA: "Signing Authority"}), certified(t, notationtest.AuthorityOptions{SelfSigned: true})
	file := func(body []byte) *fstest.MapFile { return &fstest.MapFile{Data: body, Mode: 0o644} }
	return fstest.MapFS{
		"x509/ca/acme/root.crt":                  file(notationtest.PEM(a.Root())),
		"x509/ca/acme/own.pem":                   file(notationtest.PEM(own.Leaf())),
		"x509/ca/again/root.der":                 file(a.Root().Raw),
		"x509/ca/leaf/leaf.crt":                  file(notationtest.PEM(a.Leaf())),
		"x509/ca/note/README.md":                 file([]byte("Acme")),
		"x509/ca/file":                           file(notationtest.PEM(a.Root())),
		"x509/ca/nested/more/root.crt":           file(notationtest.PEM(a.Root())),
		"x509/ca/linked/root.crt":                {Data: []byte("../acme/root.crt"), Mode: fs.ModeSymlink | 0o777},
		"x509/ca/link":                           {Data: []byte("acme"), Mode: fs.ModeSymlink | 0o777},
		"x509/ca/pipe/root.crt":                  {Mode: fs.ModeNamedPipe | 0o644},
		"x509/ca/empty":                          {Mode: fs.ModeDir | 0o755},
		"x509/ca/large/root.crt":                 file(bytes.Repeat([]byte("#"), 1<<20+1)),
		"x509/signingAuthority/acme/root.crt":    file(notationtest.PEM(authority.Root())),
		"x509/tsa/acme/root.crt":                 file(notationtest.PEM(stampRoot(t))),
		"x509/tsa/intermediate/intermediate.crt": file(notationtest.PEM(certified(t, notationtest.AuthorityOptions{Intermediates: 1}).Chain[1])),
	}
}

// A statement is written over the sound one of document.
type statement map[string]any

// document returns a trust policy of version 1.0.
func document(statements ...statement) []byte {
	all := []map[string]any{}
	for i, s := range statements {
		whole := map[string]any{
			"name": fmt.Sprintf("s%d", i), "registryScopes": []string{"*"}, "trustStores": []string{"ca:acme"},
			"trustedIdentities": []string{"x509.subject: C=US, ST=WA, O=Acme"}, "signatureVerification": map[string]any{"level": "strict"},
		}
		for k, v := range s {
			if whole[k] = v; v == nil {
				delete(whole, k)
			}
		}
		all = append(all, whole)
	}
	body, err := json.MarshalIndent(map[string]any{"version": "1.0", "trustPolicies": all}, "", "  ")
	if err != nil {
		panic(err)
	}
	return body
}

func TestReadTrustPolicyRefuses(t *testing.T) {
	t.Parallel()
	trusted := stores(t)
	level := func(level string) statement {
		return statement{"signatureVerification": map[string]any{"level": level}}
	}
	strictly := func(field string, value any) statement {
		return statement{"signatureVerification": map[string]any{"level": "strict", field: value}}
	}
	store := func(names ...string) statement { return statement{"trustStores": names} }
	who := func(names ...string) statement { return statement{"trustedIdentities": names} }
	scope := func(names ...string) statement { return statement{"registryScopes": names} }
	many := func(n int, format string) []string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf(format, i))
		}
		return out
	}
	for name, tc := range map[string]struct {
		body []byte
		want string
	}{
		"empty":               {nil, "it is empty"},
		"no JSON":             {[]byte("version: 1.0"), "line 1, column 1: invalid character"},
		"no UTF-8":            {[]byte("{\"version\":\"\xff\"}"), "no UTF-8"},
		"too large":           {append(document(statement{}), bytes.Repeat([]byte(" "), 1<<20)...), "larger than 1048576"},
		"a list":              {[]byte("[]"), "there cannot be a array here"},
		"ends too early":      {[]byte(`{"version":`), "line 1, column 12: it ends too early"},
		"more behind it":      {append(document(statement{}), "{}"...), "something follows the document"},
		"unknown field":       {document(statement{"trustStore": []string{"ca:acme"}}), `line 11, column 7: there is no "trustStore" here`},
		"unknown field above": {[]byte(`{"version":"1.0","trustPolicies":[],"x":1}`), `line 1, column 37: there is no "x" here`},
		"unknown in override": {document(strictly("override", map[string]string{"revokation": "skip"})), `there is no "revokation" here`},
		"unknown in level":    {document(strictly("verifytimestamp", "always")), `there is no "verifytimestamp" here`},
		"other case":          {[]byte(`{"Version":"1.0","trustPolicies":[]}`), `line 1, column 2: there is no "Version" here`},
		"doubled":             {[]byte("{\"version\":\"1.0\",\n \"version\":\"1.0\"}"), `line 2, column 2: the name "version" stands twice`},
		"doubled, other case": {[]byte(`{"version":"1.0","VERSION":"1.0"}`), `stands twice`},
		"wrong type":          {document(statement{"registryScopes": "*"}), "there cannot be a string here"},
		"no version":          {[]byte(`{"trustPolicies":[]}`), "empty version"},
		"other version":       {[]byte(`{"version":"2.0","trustPolicies":[]}`), `unsupported version "2.0"`},
		"long version":        {[]byte(`{"version":"` + strings.Repeat("1", 9999) + `"}`), "its version is"},
		"no statement":        {[]byte(`{"version":"1.0","trustPolicies":[]}`), "zero trust policy statements"},
		"null statement":      {[]byte(`{"version":"1.0","trustPolicies":[null]}`), "missing a name"},
		"two of a name":       {document(statement{"name": "a"}, statement{"name": "a", "registryScopes": []string{"a.io/b"}}), "use the same name"},
		"long name":           {document(statement{"name": strings.Repeat("a", 600)}), "a text of more than 512 bytes"},
		"no level":            {document(statement{"signatureVerification": nil}), "level is empty or missing"},
		"other level":         {document(level("lenient")), `invalid signature verification level "lenient"`},
		"skip with stores":    {document(level("skip")), "set to skip signature verification but configured with trust stores"},
		"integrity":           {document(strictly("override", map[string]string{"integrity": "log"})), `"integrity" verification can not be overridden`},
		"authenticity":        {document(strictly("override", map[string]string{"authenticity": "skip"})), "can not be skipped"},
		"other action":        {document(strictly("override", map[string]string{"expiry": "warn"})), `"warn" in custom`},
		"other timestamp":     {document(strictly("verifyTimestamp", "never")), "verifyTimestamp must be"},
		"no store":            {document(statement{"trustStores": nil}), "missing trust stores or trusted identities"},
		"no identity":         {document(who()), "missing trust stores or trusted identities"},
		"no scope":            {document(scope()), "zero registry scopes"},
		"wildcard scope":      {document(scope("*.example.com/a")), "wild card"},
		"wildcard and more":   {document(scope("*", "a.io/b")), "cannot be used in conjunction"},
		"scope with a tag":    {document(scope("a.io/b:v1")), "is not valid"},
		"scope twice":         {document(scope("a.io/b"), scope("a.io/b")), "present in multiple"},
		"Docker Hub's twice":  {document(scope("docker.io/library/alpine"), scope("index.docker.io/alpine")), `statements "s0" and "s1" both speak of "docker.io/library/alpine"`},
		"hosts have no case":  {document(scope("GHCR.io/a/b"), scope("ghcr.io/a/b")), `both speak of "ghcr.io/a/b"`},
		"store's type":        {document(store("root:acme")), "unsupported trust store type"},
		"store's name":        {document(store("ca:../acme")), "unsupported trust store name"},
		"store above":         {document(store("ca:..")), `statement "s0": trust store "ca:..": x509: ".." is no name`},
		"store of all":        {document(store("ca:.")), `"." is no name`},
		"store missing":       {document(store("ca:acme", "ca:other")), `statement "s0": trust store "ca:other": x509/ca/other: there is none`},
		"store of other type": {document(store("signingAuthority:leaf")), "x509/signingAuthority/leaf: there is none"},
		"store empty":         {document(store("ca:empty")), "x509/ca/empty: it is empty"},
		"store is a file":     {document(store("ca:file")), "x509/ca/file: it is no directory"},
		"store is a link":     {document(store("ca:link")), "x509/ca/link: it is no directory"},
		"leaf in store":       {document(store("ca:leaf")), `statement "s0": trust store "ca:leaf": x509/ca/leaf: "leaf.crt": certificate "CN=release`},
		"note in store":       {document(store("ca:note")), `"README.md": it is neither PEM nor DER`},
		"directory in store":  {document(store("ca:nested")), `"more": it is no regular file`},
		"link in store":       {document(store("ca:linked")), `"root.crt": it is no regular file`},
		"pipe in store":       {document(store("ca:pipe")), `"root.crt": it is no regular file`},
		"large file in store": {document(store("ca:large")), `"root.crt": it is larger than`},
		"intermediate TSA":    {document(store("ca:acme", "tsa:intermediate")), "is no root"},
		"identity's prefix":   {document(who("C=US, ST=WA, O=Acme")), "missing separator"},
		"identity, no prefix": {document(who("C=US, ST=WA, O=https://acme.example")), "does not begin with x509.subject:"},
		"identity, no C":      {document(who("x509.subject: ST=WA, O=Acme")), `no mandatory RDN attribute for "C"`},
		"identity, empty CN":  {document(who("x509.subject: C=US, ST=WA, O=Acme, CN=")), `"CN" is empty`},
		"identity twice":      {document(who("x509.subject: C=US, ST=WA, O=Acme", "x509.subject: C=US, S=WA, O=Acme")), "overlapping"},
		"identities overlap":  {document(who("x509.subject: C=US, ST=WA, O=Acme", "x509.subject: C=US, ST=WA, O=Acme, CN=a")), "overlapping"},
		"anybody and another": {document(who("*", "x509.subject: C=US, ST=WA, O=Acme")), "wildcard"},
		"many identities":     {document(who(many(257, "x509.subject: C=US, ST=WA, O=Acme, CN=%d")...)), "more than 256 identities"},
		"long identity":       {document(who("x509.subject: C=US, ST=WA, O=" + strings.Repeat("a", 2048))), "an identity of more than 2048"},
		"many scopes":         {document(scope(many(2049, "a.io/b%d")...)), "more than 2048 scopes"},
		"many statements":     {document(make([]statement, 257)...), "more than 256 statements"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := notation.ReadTrustPolicy("trustpolicy.json", tc.body, trusted)
			refusal(t, name, err, tc.want)
			if p != nil {
				t.Error("made a trust policy")
			} else if err != nil && !strings.Contains(err.Error(), "trustpolicy.json") {
				t.Error(err)
			}
		})
	}
	_, err := notation.ReadTrustPolicy("trustpolicy.json", document(statement{}), nil)
	refusal(t, "no stores", err, `statement "s0": trust store "ca:acme": no directory`)
	// One that hides what is a link.
	_, err = notation.ReadTrustPolicy("trustpolicy.json", document(statement{}), struct{ fs.FS }{trusted})
	refusal(t, "no links", err, `does not tell symbolic links from files`)
}

func ref(t testing.TB, text string) image.Ref {
	t.Helper()
	r, err := image.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTrustPolicyFor(t *testing.T) {
	t.Parallel()
	level := func(v map[string]any) statement { return statement{"signatureVerification": v} }
	scoped := func(s statement, name string, scopes ...string) statement {
		s["name"], s["registryScopes"] = name, scopes
		return s
	}
	body := document(
		scoped(statement{"trustStores": []string{"ca:acme", "ca:again", "signingAuthority:acme", "tsa:acme", "ca:acme"}}, "all", "ghcr.io/acme/app", "docker.io/library/alpine", "registry.acme.example:5000/app"),
		scoped(level(map[string]any{"level": "strict", "verifyTimestamp": "afterCertExpiry", "override": map[string]string{"revocation": "skip", "expiry": "log"}}), "custom", "index.docker.io/acme/app", "registry-1.docker.io/busybox", "local/app", "QUAY.io/acme/app"),
		scoped(statement{"signatureVerification": map[string]any{"level": "skip"}, "trustStores": nil, "trustedIdentities": nil}, "skipped", "ghcr.io/acme/skipped"),
		scoped(statement{"trustedIdentities": []string{"signingProfile:arn:aws:signer:x", "x509.subject: C=US, ST=WA, O=Acme, DC=x"}, "signatureVerification": map[string]any{"level": "audit"}}, "plugin", "ghcr.io/acme/plugin"),
	)
	read := func(t *testing.T, body []byte) *notation.TrustPolicy {
		t.Helper()
		p, err := notation.ReadTrustPolicy("trustpolicy.json", body, stores(t))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := read(t, body)
	for text, want := range map[string]string{ // of the statement; "" for none
		"ghcr.io/acme/app":                       "all",
		"ghcr.io/acme/app:v1":                    "all",
		"ghcr.io/acme/app/more":                  "",
		"ghcr.io/acme":                           "",
		"alpine":                                 "all",
		"docker.io/library/alpine":               "all",
		"index.docker.io/library/alpine:3":       "all",
		"registry-1.docker.io/library/alpine":    "all",
		"registry.acme.example:5000/app":         "all",
		"registry.acme.example/app":              "",
		"registry.acme.example:5000/library/app": "",
		"acme/app":                               "custom",
		"busybox":                                "custom",
		"quay.io/acme/app":                       "custom",
		"local/app":                              "", // is docker.io/local/app
		"ghcr.io/acme/skipped":                   "skipped",
		"ghcr.io/acme/plugin@sha256:" + digits:   "plugin",
		"ghcr.io/other/app":                      "",
	} {
		c, ok := p.For(ref(t, text))
		if c.Statement != want || ok != (want != "") {
			t.Errorf("%s: %q %v, want %q", text, c.Statement, ok, want)
		}
	}
	if c, ok := p.For(image.Ref{}); ok {
		t.Errorf("the zero Ref: %q", c.Statement)
	}
	if c, ok := (&notation.TrustPolicy{}).For(ref(t, "alpine")); ok {
		t.Errorf("the zero TrustPolicy: %q", c.Statement)
	}
	of := func(text string) notation.Config {
		c, _ := p.For(ref(t, text))
		return c
	}
	c := of("alpine")
	if len(c.Certificates) != 2 || len(c.SigningAuthority) != 1 || len(c.TSA) != 1 || len(c.Identities) != 1 || c.Level != notation.LevelStrict || c.Timestamp != notation.Always || c.Revocation != notation.Strict || c.Override != nil {
		t.Errorf("%+v", c)
	}
	c.Certificates[0] = nil // is the caller's own
	if of("alpine").Certificates[0] == nil {
		t.Error("two callers share a list")
	}
	if c = of("busybox"); c.Timestamp != notation.AfterExpiry || len(c.Override) != 2 || c.Override["revocation"] != "skip" || c.Override["expiry"] != "log" || len(c.Certificates) != 2 || len(c.TSA) != 0 {
		t.Errorf("%+v", c)
	}
	if c = of("ghcr.io/acme/skipped"); c.Level != notation.LevelSkip || len(c.Certificates)+len(c.Identities) > 0 {
		t.Errorf("%+v", c)
	}
	leaf := certified(t, notationtest.AuthorityOptions{}).Leaf()
	if c = of("ghcr.io/acme/plugin"); c.Level != notation.LevelAudit || len(c.Identities) != 2 || c.Identities[0].Match(leaf) || c.Identities[1].Match(leaf) {
		t.Errorf("%+v", c)
	} else if w := c.Warnings(); len(w) != 3 || w[0].Lint != "nobody" || w[1].Lint != "nobody" || w[2].Lint != "level-audit" {
		t.Errorf("%+v", w)
	}
	p = read(t, document(scoped(statement{"trustedIdentities": []string{"*"}}, "rest", "*"), scoped(statement{}, "one", "ghcr.io/acme/app")))
	if c = of("ghcr.io/acme/app"); c.Statement != "one" {
		t.Error(c.Statement)
	}
	if c = of("ghcr.io/acme/other"); c.Statement != "rest" || !c.Identities[0].Any() {
		t.Error(c.Statement)
	}
	if _, err := notation.ReadTrustPolicy("trustpolicy.json", document(scoped(statement{"signatureVerification": map[string]any{"level": "skip"}, "trustStores": nil, "trustedIdentities": nil}, "skipped", "*")), nil); err != nil {
		t.Errorf("no statement names a store: %v", err)
	}
}

const digits = "0123456789012345678901234567890123456789012345678901234567890123"

// Trust stores may lie where Notation keeps them, or be given by themselves.
func TestTrustStoreLayouts(t *testing.T) {
	t.Parallel()
	root := notationtest.PEM(certified(t, notationtest.AuthorityOptions{}).Root())
	for name, tc := range map[string]struct {
		files []string
		want  string
	}{
		"x509":            {[]string{"x509/ca/acme/root.crt"}, ""},
		"truststore":      {[]string{"truststore/x509/ca/acme/root.crt", "trustpolicy.json"}, ""},
		"x509 itself":     {[]string{"ca/acme/root.crt"}, ""},
		"nothing":         {[]string{"acme/root.crt"}, "there is no directory x509"},
		"two":             {[]string{"x509/ca/acme/root.crt", "ca/acme/root.crt"}, "there are several: x509, ."},
		"a file":          {[]string{"x509"}, "there is no directory x509"},
		"too many files":  {append(numbered(256, "x509/ca/acme/%d.crt"), "x509/ca/acme/last.crt"), "more than 256 files"},
		"just so many":    {numbered(256, "x509/ca/acme/%d.crt"), ""},
		"hidden file too": {[]string{"x509/ca/acme/root.crt", "x509/ca/acme/.DS_Store"}, ".DS_Store"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fsys := fstest.MapFS{}
			for _, f := range tc.files {
				fsys[f] = &fstest.MapFile{Data: root, Mode: 0o644}
				if strings.Contains(f, ".DS") {
					fsys[f].Data = []byte{0, 0, 0, 1}
				}
			}
			p, err := notation.ReadTrustPolicy("trustpolicy.json", document(statement{}), fsys)
			if tc.want != "" {
				refusal(t, name, err, tc.want)
			} else if err != nil {
				t.Error(err)
			} else if c, ok := p.For(ref(t, "alpine")); !ok || len(c.Certificates) != 1 {
				t.Errorf("%d certificates", len(c.Certificates))
			}
		})
	}
}

func numbered(n int, format string) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(format, i))
	}
	return out
}

// Links are seen in a directory of the file system, too.
func TestTrustStoreOnDisk(t *testing.T) {
	t.Parallel()
	root := notationtest.PEM(certified(t, notationtest.AuthorityOptions{}).Root())
	for name, tc := range map[string]struct {
		link [2]string
		want string
	}{
		"none":         {want: ""},
		"file":         {[2]string{"root.crt", "x509/ca/acme/link.crt"}, "link.crt"},
		"store":        {[2]string{"real", "x509/ca/other"}, ""},
		"store, named": {[2]string{"other", "x509/ca/acme"}, "it is no directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			store := "acme"
			if strings.HasSuffix(tc.link[1], "/acme") {
				store = "other"
			}
			if err := os.MkdirAll(filepath.Join(dir, "x509/ca", store), 0o750); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "x509/ca", store, "root.crt"), root, 0o600); err != nil {
				t.Fatal(err)
			}
			if tc.link[0] != "" {
				if err := os.Symlink(tc.link[0], filepath.Join(dir, filepath.FromSlash(tc.link[1]))); err != nil {
					t.Skip(err)
				}
			}
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close() //nolint:errcheck // it was only read
			for _, fsys := range []fs.FS{os.DirFS(dir), root.FS()} {
				_, err := notation.ReadTrustPolicy("trustpolicy.json", document(statement{}), fsys)
				if tc.want != "" {
					refusal(t, name, err, tc.want)
				} else if err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// The largest trust policies that are read take no more than a moment.
func TestReadTrustPolicyTime(t *testing.T) {
	t.Parallel()
	var statements []statement
	for i := range 8 {
		statements = append(statements, statement{"registryScopes": numbered(256, fmt.Sprintf("a%d.io/b", i)+"%d"), "trustedIdentities": numbered(256, "x509.subject: C=US, ST=WA, O=Acme, CN=%d")})
	}
	began := time.Now()
	if _, err := notation.ReadTrustPolicy("trustpolicy.json", document(statements...), stores(t)); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

// A trust policy that is accepted is one that notation-go accepts, has no field
// that Notation does not know, and means the same to both.
func FuzzTrustPolicy(f *testing.F) {
	add := func(body string) { f.Add([]byte(body)) }
	// The examples of notation's specs/commandline/policy.md and verify.md, and of
	// notation-go's tests, with the stores that there are here.
	add(`{"version":"1.0","trustPolicies":[{"name":"wabbit-networks-images","registryScopes":["registry.acme-rockets.io/software/net-monitor","registry.acme-rockets.io/software/net-logger"],"signatureVerification":{"level":"strict"},"trustStores":["ca:acme"],"trustedIdentities":["x509.subject: C=US, ST=WA, L=Seattle, O=wabbit-networks.io, OU=Security Tools"]},{"name":"unsigned-image","registryScopes":["registry.acme-rockets.io/software/unsigned/net-utils"],"signatureVerification":{"level":"skip"}},{"name":"allow-expired-images","registryScopes":["registry.acme-rockets.io/software/legacy/metrics"],"signatureVerification":{"level":"strict","override":{"expiry":"log"}},"trustStores":["ca:acme"],"trustedIdentities":["*"]},{"name":"global-policy-for-all-other-images","registryScopes":["*"],"signatureVerification":{"level":"audit"},"trustStores":["ca:acme","signingAuthority:acme"],"trustedIdentities":["x509.subject: C=US, ST=WA, L=Seattle, O=acme-rockets.io, OU=Finance, CN=SecureBuilder"]}]}`)
	add(`{"version":"1.0","trustPolicies":[{"name":"t","registryScopes":["*"],"signatureVerification":{"level":"strict","verifyTimestamp":"afterCertExpiry"},"trustStores":["ca:acme","tsa:acme"],"trustedIdentities":["*"]}]}`)
	add(`{"version":"1.0","trustPolicies":[{"name":"p","registryScopes":["localhost:5000/net-monitor"],"signatureVerification":{"level":"permissive","override":{"authenticity":"enforce","authenticTimestamp":"log","revocation":"skip"}},"trustStores":["ca:again"],"trustedIdentities":["signingProfile:arn","x509.subject:C=US,ST=WA,O=A\\,B"]}]}`)
	add(string(document(statement{"trustStore": nil}, statement{"registryScopes": []string{"docker.io/library/alpine"}})))
	trusted := stores(f)
	known := map[string]bool{}
	for _, name := range strings.Fields("version trustPolicies name registryScopes signatureVerification level override verifyTimestamp trustStores trustedIdentities authenticity authenticTimestamp expiry revocation") {
		known[name] = true
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := notation.ReadTrustPolicy("trustpolicy.json", body, trusted)
		if err != nil {
			if p != nil {
				t.Fatal("made a trust policy, and refused it")
			}
			return
		}
		doc := &trustpolicy.Document{}
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields()
		if err := dec.Decode(doc); err != nil {
			t.Fatal(err)
		}
		if err := doc.Validate(); err != nil {
			t.Fatal(err)
		}
		var all any
		if err := json.Unmarshal(body, &all); err != nil {
			t.Fatal(err)
		}
		namesOf(all, func(name string) {
			if !known[name] {
				t.Fatalf("the field %q", name)
			}
		})
		checkStatements(t, p, doc)
	})
}

func namesOf(v any, see func(string)) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			namesOf(item, see)
		}
	case map[string]any:
		for name, value := range v {
			see(name)
			namesOf(value, see)
		}
	}
}

// checkStatements compares For with notation-go's choice for every scope, and
// for a repository that none names.
func checkStatements(t *testing.T, p *notation.TrustPolicy, doc *trustpolicy.Document) {
	t.Helper()
	scopes := []string{"registry.test/not/named"}
	for _, s := range doc.TrustPolicies {
		scopes = append(scopes, s.RegistryScopes...)
	}
	for _, scope := range scopes {
		r, err := image.ParseRepository(scope)
		if err != nil || r.Name() != scope {
			continue // no name of an image, or in another spelling
		}
		c, ok := p.For(r)
		want, err := doc.GetApplicableTrustPolicy(scope + "@sha256:" + digits)
		if ok != (err == nil) || ok && c.Statement != want.Name {
			t.Fatalf("%s: %q, %v; Notation: %v", scope, c.Statement, ok, want)
		}
		if !ok {
			continue
		}
		if string(c.Level) != want.SignatureVerification.VerificationLevel || len(c.Identities) != len(want.TrustedIdentities) || len(c.Override) != len(want.SignatureVerification.Override) {
			t.Fatalf("%s: %+v; Notation: %+v", scope, c, want)
		}
		if nobody := len(c.Certificates)+len(c.SigningAuthority)+len(c.TSA) == 0; nobody != (c.Level == notation.LevelSkip) {
			t.Fatalf("%s: %+v", scope, c)
		}
		for i, id := range c.Identities {
			if id.String() != want.TrustedIdentities[i] {
				t.Fatalf("%s: %q; Notation: %q", scope, id, want.TrustedIdentities[i])
			}
		}
	}
}
