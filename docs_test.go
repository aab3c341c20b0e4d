package main_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/boltseal/boltseal/cli"
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/internal/programtest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
	"github.com/boltseal/boltseal/verify/sigstore"
)

// A page is one file of documentation.
type page struct {
	name   string
	text   string
	fences []fence
	prose  string // text without the fences
}

// A fence is one block of code.
type fence struct {
	lang, text string
	line       int
}

func pages(t *testing.T) []page {
	t.Helper()
	names, err := filepath.Glob("docs/*.md")
	if err != nil || len(names) < 6 {
		t.Fatalf("%d pages (%v)", len(names), err)
	}
	var all []page
	for _, name := range append([]string{"README.md", "CONTRIBUTING.md", "SECURITY.md"}, names...) {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, parsePage(name, string(body)))
	}
	return all
}

func parsePage(name, text string) page {
	p := page{name: name, text: text}
	open := false
	for i, line := range strings.Split(text, "\n") {
		lang, mark := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case mark && !open:
			p.fences = append(p.fences, fence{lang: lang, line: i + 1})
			open = true
		case mark:
			open = false
		case open:
			p.fences[len(p.fences)-1].text += line + "\n"
		default:
			p.prose += line + "\n"
		}
	}
	return p
}

// commands returns the command lines of a fence, continued lines joined.
func (f fence) commands() []string {
	var out []string
	text := strings.NewReplacer("\\\n", " ", "|\n", "| ").Replace(f.text)
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		command, prompted := strings.CutPrefix(line, "$ ")
		if line != "" && (f.lang != "console" || prompted) {
			out = append(out, command)
		}
	}
	return out
}

// words splits a command line as a shell does, as far as documentation needs
// it, into the commands of a pipe. Redirections are left out.
func words(t *testing.T, line string) [][]string {
	t.Helper()
	pipe := [][]string{nil}
	var word strings.Builder
	quote, begun, skip := rune(0), false, false
	end := func() {
		if begun && !skip {
			pipe[len(pipe)-1] = append(pipe[len(pipe)-1], word.String())
		}
		skip = skip && !begun
		begun = false
		word.Reset()
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == '\'':
			word.WriteRune(r)
		case r == '`' || r == '\\' || r == '$':
			t.Fatalf("%q: the shell would expand %q", line, r)
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == ' ':
			end()
		case r == '|':
			end()
			pipe = append(pipe, nil)
		case r == '>':
			end()
			skip = true // the file
		case r == '#' && !begun:
			return pipe
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	end()
	if quote != 0 {
		t.Fatalf("%q: a quote is left open", line)
	}
	return pipe
}

// boltseal runs the program in this process.
func boltseal(t *testing.T, getenv func(string) string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return boltsealIn(t, t.TempDir(), getenv, args...)
}

// boltsealIn runs it in a workspace.
func boltsealIn(t *testing.T, dir string, getenv func(string) string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return boltsealAt(t, nil, dir, getenv, args...)
}

// boltsealAt runs it at a time; nil is the clock's.
func boltsealAt(t *testing.T, now func() time.Time, dir string, getenv func(string) string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	noWait := func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	c := cli.Command{Dir: dir, Stdin: strings.NewReader("secret\n"), Stdout: &out, Stderr: &errs, LookupEnv: func(name string) (string, bool) { v := getenv(name); return v, v != "" }, Sleep: noWait, Now: now}
	code = c.Main(t.Context(), append([]string{"boltseal"}, args...))
	return code, out.String(), errs.String()
}

func noEnv(string) string { return "" }

// flags returns those that a command's help lists, and whether they take a
// value.
func flags(t *testing.T, command ...string) map[string]bool {
	t.Helper()
	code, help, _ := boltseal(t, noEnv, append(command, "--help")...)
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z][a-z0-9-]*)( \S+)? {2,}`).FindAllStringSubmatch(help, -1) {
		found[m[1]] = m[2] != ""
	}
	if code != 0 || len(found) == 0 {
		t.Fatalf("no help for %q:\n%s", command, help)
	}
	return found
}

// files are what the examples name.
type files struct {
	root, tufRoot, key, ca, dir, keyText, written, workspace string

	config, private string // of those who sign

	notationRoot, tsaRoot, trustPolicy, trustStore string
}

func newFiles(t *testing.T) files {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, body []byte, err error) string {
		file := filepath.Join(dir, name)
		if err := errors.Join(err, os.WriteFile(file, body, 0o600)); err != nil {
			t.Fatal(err)
		}
		return file
	}
	sig, err := sigstoretest.New(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	root, err := sig.TrustedRoot()
	f := files{written: dir, workspace: workspace(t), root: write("trusted_root.json", root, err), tufRoot: write("root.json", sigstore.PublicRoot(), nil)}
	// Nothing can be kept in it: a mirror may still be asked when an example,
	// and the test with its folder, is over.
	f.dir = filepath.Join(f.root, "cache")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	f.keyText = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	f.key = write("cosign.pub", []byte(f.keyText), err)
	der, err = x509.MarshalPKCS8PrivateKey(key)
	f.private = write("cosign.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err)
	f.config = write("signing_config.json", []byte(deadServices), nil)
	der, err = x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{}, key.Public(), key)
	f.ca = write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), err)
	f.notation(t, write)
	return f
}

// notation adds what Notation's examples name: a trust policy that trusts one
// authority for every image, and that authority.
func (f *files) notation(t *testing.T, write func(string, []byte, error) string) {
	t.Helper()
	a, err := notationtest.NewAuthority(notationtest.AuthorityOptions{})
	if err != nil {
		t.Fatal(err)
	}
	root := notationtest.PEM(a.Root())
	f.notationRoot, f.tsaRoot = write("acme-root.crt", root, nil), write("tsa-root.crt", root, nil)
	f.trustPolicy = write("trustpolicy.json", []byte(`{"version": "1.0", "trustPolicies": [{"name": "all", "registryScopes": ["*"],
		"signatureVerification": {"level": "strict"}, "trustStores": ["ca:acme"], "trustedIdentities": ["x509.subject: C=US, ST=WA, O=Acme"]}]}`), nil)
	f.trustStore = filepath.Join(f.written, "truststore")
	err = os.MkdirAll(filepath.Join(f.trustStore, "x509", "ca", "acme"), 0o750)
	write(filepath.Join("truststore", "x509", "ca", "acme", "root.crt"), root, err)
}

// workspace returns a folder with the files that examples name. Their images
// are where nobody answers.
func workspace(t *testing.T) string {
	t.Helper()
	const from = "FROM " + dead + "/acme/base:v1\n"
	dir := t.TempDir()
	for name, text := range map[string]string{
		"Dockerfile":                 "ARG BASE=" + dead + "/acme/base TAG=v1\nFROM ${BASE}:${TAG} AS release\n" + from,
		"services/api/Dockerfile":    from,
		"services/legacy/Dockerfile": from,
		"compose.yaml":               "services:\n  app: {build: .}\n  debug: {image: '" + dead + "/acme/debug', profiles: [debug]}\n",
		".boltseal.yaml":             "version: 1\nrules: [{images: ['" + dead + "/**'], require: [sigstore: {identities: [{issuer: 'https://accounts.google.com', subject: a@acme.example}]}]}]\n",
		"docker-bake.hcl":            "target \"default\" {\n  context = \"services/api\"\n}\n",
		"deploy/prod.yaml":           "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: '" + dead + "/acme/app:v1'}]}\n",
	} {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o750), os.WriteFile(full, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// dead is where nobody answers.
const dead = "127.0.0.1:1"

// offline returns an example's arguments with files that are there, and with
// registries and mirrors that are not.
func offline(t *testing.T, args []string, f files, takesValue map[string]bool) []string {
	t.Helper()
	deadImage := func(s string, parse func(string) (image.Ref, error)) string {
		ref, err := parse(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
		}
		return strings.Replace(ref.String(), ref.Registry(), dead, 1)
	}
	instead := map[string]string{
		"policy": filepath.Join(f.workspace, ".boltseal.yaml"), "lock": filepath.Join(f.written, "boltseal.lock"),
		"trusted-root": f.root, "tuf-mirror": "https://" + dead, "tuf-root": f.tufRoot, "key": f.key, "registry-cacert": f.ca, "cache-dir": f.dir,
		"notation-certificate": f.notationRoot, "notation-tsa-certificate": f.tsaRoot, "notation-trust-policy": f.trustPolicy, "notation-trust-store": f.trustStore,
		"dct-root-key-ids": strings.Repeat("9f8a7b6c", 8), "dct-root-public-key": f.key,
		"summary-file": filepath.Join(f.written, "summary.md"), "report-file": filepath.Join(f.written, "report.json"),
	}
	var split []string
	for _, arg := range args {
		if flag, value, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(flag, "--") {
			split = append(split, flag, value)
		} else {
			split = append(split, arg)
		}
	}
	args = split
	for i, arg := range args {
		if format, name, ok := strings.Cut(arg, "="); ok && i > 0 && (args[i-1] == "--report" || args[i-1] == "--handover") {
			args[i] = format + "=" + filepath.Join(f.written, "more."+filepath.Base(name))
		}
	}
	var out []string
	trusted := false
	for i := 0; i < len(args); i++ {
		name, isFlag := strings.CutPrefix(args[i], "--")
		switch value := instead[name]; {
		case !isFlag:
			out = append(out, deadImage(args[i], image.Parse))
			continue
		case name == "trusted-root" || name == "tuf-mirror" || name == "notation-certificate" || name == "notation-trust-policy" || name == "dct-root-key-ids" || name == "dct-root-public-key": // which need no trust root
			trusted = true
			fallthrough
		case value != "" && (i+1 >= len(args) || !strings.HasPrefix(args[i+1], "env://")):
			out = append(out, args[i], value)
			i++
		case name == "signature-repository":
			i++
			out = append(out, "--"+name, strings.TrimSuffix(deadImage(args[i], image.ParseRepository), ":"))
		case takesValue[name]:
			out = append(out, args[i], args[i+1])
			i++
		default:
			out = append(out, args[i])
		}
	}
	if !trusted {
		out = append([]string{"--trusted-root", f.root}, out...)
	}
	if !slices.Contains(out, "--cache-dir") {
		out = append([]string{"--cache-dir", f.dir}, out...)
	}
	return out
}

// try runs an example, the arguments after boltseal verify, as far as it gets
// without a network: to the registry that does not answer.
func try(t *testing.T, where string, example []string, f files, takesValue map[string]bool) {
	t.Helper()
	args := offline(t, example, f, takesValue)
	getenv := func(name string) string {
		if slices.Contains(args, "env://"+name) {
			return f.keyText
		}
		return ""
	}
	want := 3
	if at := slices.Index(args, "--mode"); at >= 0 && args[at+1] == "warn" {
		want = 0
	}
	code, out, errs := boltsealIn(t, f.workspace, getenv, append([]string{"verify"}, args...)...)
	says := "unavailable"
	if slices.Contains(args, "--publisher") { // which publishes nothing on a registry that nobody runs
		want, says = 1, "none of them is known to publish it"
	}
	if code != want || !strings.Contains(out, says) || strings.Contains(errs, "boltseal:") {
		t.Errorf("%s: %q\nran as %q\nexit %d: %s%s", where, example, args, code, out, errs)
	}
}

// Every example runs.
func TestDocsExamples(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	takesValue := flags(t, "verify")
	takesValue["file"] = true
	seen := map[string]int{}
	for _, p := range pages(t) {
		for _, fence := range p.fences {
			if !slices.Contains([]string{"", "sh", "console", "yaml", "groovy"}, fence.lang) {
				continue
			}
			for _, line := range fence.commands() {
				if !strings.Contains(line, "boltseal ") || strings.Contains(line, "…") {
					continue
				}
				for _, args := range words(t, line) {
					if len(args) < 2 || args[0] != "boltseal" {
						continue
					}
					where := fmt.Sprintf("%s:%d", p.name, fence.line)
					switch seen[args[1]]++; args[1] {
					case "verify":
						try(t, where, args[2:], f, takesValue)
					case "scan":
						if code, out, errs := boltsealIn(t, f.workspace, noEnv, args[1:]...); code != 0 || errs != "" {
							t.Errorf("%s: %q: exit %d\n%s%s", where, args, code, out, errs)
						}
					case "sign":
						trySign(t, where, args[1:], f)
					case "pin": // as far as the registry
						code, out, errs := boltsealIn(t, f.workspace, noEnv, append(args[1:], "--trusted-root", f.root, "--cache-dir", f.dir)...)
						if code != 3 || !strings.Contains(out, "unavailable") || errs != "" {
							t.Errorf("%s: %q: exit %d\n%s%s", where, args, code, out, errs)
						}
					}
				}
			}
		}
	}
	if seen["verify"] < 12 || seen["scan"] < 3 || seen["pin"] < 5 || seen["sign"] < 3 {
		t.Errorf("examples that were found: %v", seen)
	}
}

// The example of docs/scan.md is what the program says of the Dockerfile there.
func TestDocsScan(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := ""
	for _, p := range pages(t) {
		if p.name != filepath.Join("docs", "scan.md") {
			continue
		}
		for _, f := range p.fences {
			switch output, ok := strings.CutPrefix(f.text, "$ boltseal scan\n"); {
			case f.lang == "dockerfile":
				if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(f.text), 0o600); err != nil {
					t.Fatal(err)
				}
			case ok:
				want = output
			}
		}
		for name := range flags(t, "scan") {
			if !slices.Contains([]string{"help", "output"}, name) && !strings.Contains(p.text, "`--"+name) {
				t.Errorf("%s does not name --%s", p.name, name)
			}
		}
	}
	code, out, errs := boltsealIn(t, dir, noEnv, "scan")
	if code != 0 || errs != "" || out != want || want == "" {
		t.Errorf("exit %d\n%s%s\nthe page has\n%s", code, out, errs, want)
	}
}

// others are programs whose flags are their own business; args is how a
// Jenkinsfile gives docker's, run a workflow; COPY and RUN are BuildKit's.
var others = regexp.MustCompile(`^(- )?(\$ |run: )?([A-Z_]+=\S* )*(COPY|RUN|alias|args|buildah|buildctl|cosign|docker|go|gh|git|grype|curl|jq|make|notary|notation|npm|podman|printf|trivy|scripts/[a-z]+\.sh) `)

// Every flag that the documentation names exists, and docs/verify.md names
// every flag.
func TestDocsFlags(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, command := range [][]string{nil, {"verify"}, {"scan"}, {"pin"}, {"sign"}, {"audit"}, {"trust", "inspect"}, {"trust", "revoke"}, {"version"}, {"verify-bundle"}, {"sign-bundle"}, {"policy", "init"}, {"policy", "check"}, {"policy", "test"}, {"policy", "publishers"}, {"policy", "schema"}} {
		for name := range flags(t, command...) {
			known[name] = true
		}
	}
	flag := regexp.MustCompile(`--([a-z][a-z0-9-]*[a-z0-9])`)
	code := regexp.MustCompile("`[^`]+`")
	for _, p := range pages(t) {
		// In prose, what another program's command line says stands in one span.
		text := code.ReplaceAllStringFunc(p.prose, func(span string) string {
			if others.MatchString(strings.Trim(span, "`")) {
				return ""
			}
			return span
		})
		for _, f := range p.fences {
			for _, line := range f.commands() {
				for _, part := range strings.Split(line, " | ") {
					if !others.MatchString(strings.TrimSpace(part)) {
						text += part + "\n"
					}
				}
			}
		}
		for _, m := range flag.FindAllStringSubmatch(text, -1) {
			if !known[m[1]] {
				t.Errorf("%s: there is no flag %s", p.name, m[0])
			}
		}
		if p.name == filepath.Join("docs", "verify.md") {
			for name := range flags(t, "verify") {
				if !regexp.MustCompile("(?m)^\\| `--" + name + "[ `]").MatchString(p.text) {
					t.Errorf("%s has no row for --%s", p.name, name)
				}
			}
		}
	}
}

// Every Reason has a row in docs/reasons.md.
func TestDocsReasons(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "verify/verify.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile("docs/reasons.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); !ok || typ.Name != "Reason" {
			return true
		}
		for _, v := range spec.Values {
			lit, ok := v.(*ast.BasicLit)
			if !ok {
				t.Errorf("a Reason that is no literal")
				continue
			}
			reason, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			if n++; reason == "" {
				reason = "undecided"
			}
			if !strings.Contains(string(body), "\n| `"+reason+"` |") {
				t.Errorf("docs/reasons.md has no row for %s", reason)
			}
		}
		return true
	})
	if rows := strings.Count(string(body), "\n| `"); n < 15 || rows != n {
		t.Errorf("%d Reasons, %d rows", n, rows)
	}
}

// anchors returns what GitHub lets a link to a page's headings say.
func (p page) anchors() map[string]bool {
	found := map[string]bool{"": true}
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(p.prose, -1) {
		found[strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return found
}

// Links between pages lead somewhere.
func TestDocsLinks(t *testing.T) {
	t.Parallel()
	all := map[string]page{}
	for _, p := range pages(t) {
		all[p.name] = p
	}
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, p := range all {
		for _, m := range link.FindAllStringSubmatch(p.prose, -1) {
			target := m[1]
			if strings.HasPrefix(target, "https://") {
				continue
			}
			file, anchor, _ := strings.Cut(target, "#")
			name := p.name
			if file != "" {
				name = filepath.Join(filepath.Dir(p.name), file)
			}
			if _, err := os.Stat(name); err != nil {
				t.Errorf("%s: the link %s leads nowhere", p.name, target)
				continue
			}
			to, ok := all[name]
			if anchor != "" && (!ok || !to.anchors()[anchor]) {
				t.Errorf("%s: the link %s leads to no heading", p.name, target)
			}
		}
	}
}

// JSON in the documentation is valid, and the example of a report is one.
func TestDocsJSON(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("report/testdata/example.json")
	if err != nil {
		t.Fatal(err)
	}
	shown := false
	for _, p := range pages(t) {
		for _, f := range p.fences {
			if f.lang != "json" {
				continue
			}
			if !json.Valid([]byte(f.text)) {
				t.Errorf("%s:%d: not JSON", p.name, f.line)
			}
			shown = shown || p.name == filepath.Join("docs", "json.md") && f.text == string(example)
		}
	}
	if !shown {
		t.Error("docs/json.md does not show report/testdata/example.json as it is")
	}
}

// Every field of the schema is explained in docs/json.md, in a table or in a
// sentence, not only shown.
func TestDocsJSONFields(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("docs/report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	prose := parsePage("docs/json.md", string(text)).prose
	var schema any
	if err := json.Unmarshal(body, &schema); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(x any) {
		o, ok := x.(map[string]any)
		if !ok {
			return
		}
		if properties, ok := o["properties"].(map[string]any); ok {
			for name := range properties {
				if !strings.Contains(prose, "`"+name+"`") {
					t.Errorf("docs/json.md does not explain %s", name)
				}
			}
		}
		for _, v := range o {
			walk(v)
		}
	}
	walk(schema)
}

// The commands that examples use are there.
func TestDocsCommands(t *testing.T) {
	t.Parallel()
	_, help, _ := boltseal(t, noEnv, "--help")
	for _, p := range pages(t) {
		for _, f := range p.fences {
			for _, line := range f.commands() {
				name, ok := strings.CutPrefix(line, "boltseal ")
				name, _, _ = strings.Cut(name, " ")
				if ok && !strings.HasPrefix(name, "--") && !strings.Contains(help, "\n  "+name+" ") {
					t.Errorf("%s:%d: there is no command %q", p.name, f.line, name)
				}
			}
		}
	}
}

// The filters that read a report fail unless it is a whole one that passed: a
// run that was killed leaves an empty file, of which jq says nothing.
func TestDocsFilters(t *testing.T) {
	t.Parallel()
	programtest.Found(t, "jq")
	seen := 0
	for _, p := range pages(t) {
		for _, m := range regexp.MustCompile(`jq (-[a-z]+) '([^']*\.passed[^']*)'( boltseal\.json)?\n`).FindAllStringSubmatch(p.text, -1) {
			seen++
			for input, want := range map[string]string{
				`{"passed":true,"images":[{"verified":true,"pinned":"a@sha256:1"},{"verified":true,"pinned":"b@sha256:2"}]}`:  "a@sha256:1\nb@sha256:2\n",
				`{"passed":true,"images":[{"verified":false,"pinned":"a@sha256:1"},{"verified":true,"pinned":"b@sha256:2"}]}`: "b@sha256:2\n", // the other is exempt
				`{"passed":true,"images":[{"verified":false,"pinned":"a@sha256:1"}]}`:                                         "",
				`{"passed":false,"images":[{"verified":true,"pinned":"a@sha256:1"}]}`:                                         "",
				`{"passed":true,"images":[]}`: "",
				`{}`:                          "",
				``:                            "",
				`{"passed":true,`:             "",
			} {
				cmd := exec.CommandContext(t.Context(), "jq", m[1], m[2]) //nolint:gosec // our own documentation
				cmd.Stdin = strings.NewReader(input)
				out, err := cmd.Output()
				if string(out) != want || (err == nil) != (want != "") {
					t.Errorf("%s: jq %s %q of %q: %q (%v), want %q", p.name, m[1], m[2], input, out, err, want)
				}
			}
		}
	}
	if seen < 2 {
		t.Errorf("only %d filters were found", seen)
	}
}
