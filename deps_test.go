package main_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/boltseal/boltseal"

// A rule says which package trees may import what starts with prefix. The
// module's root, where main is, is written ".". What no rule speaks of may be
// imported anywhere; of several rules all hold.
type rule struct {
	prefix string
	homes  []string
}

// outside are the modules that must not leak: each has its weight and its
// meaning in one place only.
var outside = []rule{
	{"github.com/sigstore/", []string{"verify/sigstore", "sign/sigstore"}},
	{"github.com/sigstore/cosign/v2/cmd/", nil}, // 50 MB
	{"github.com/theupdateframework/go-tuf/", []string{"verify/sigstore"}},
	{"github.com/notaryproject/", []string{"verify/notation", "sign/notation"}},
	{"github.com/theupdateframework/notary", []string{"verify/dct", "sign/dct"}},
	// It names the form in which trust data are signed, and what Notary's client
	// writes to the log of the whole process.
	{"github.com/docker/go/", []string{"verify/dct"}},
	{"github.com/sirupsen/logrus", []string{"verify/dct"}},
	{"github.com/moby/buildkit/", []string{"scan/dockerfile"}},
	{"github.com/hashicorp/hcl", []string{"scan/bake"}},
	{"github.com/zclconf/go-cty", []string{"scan/bake"}},
	{"go.yaml.in/yaml", []string{"handover/rewrite", "scan/compose", "scan/workflow", "scan/kubernetes", "internal/yamlnode", "internal/yamlshape", "policy"}},
	{"gopkg.in/yaml", []string{"scan/compose", "scan/workflow", "scan/kubernetes", "internal/yamlnode", "internal/yamlshape", "policy"}},
	{"github.com/goccy/go-yaml", []string{"scan/compose", "scan/workflow", "scan/kubernetes", "internal/yamlnode", "internal/yamlshape", "policy"}},
	{"github.com/bmatcuk/doublestar", []string{"scan/internal/glob", "scan/internal/gitfiles"}},
	{"github.com/go-git/", []string{"scan/internal/gitfiles"}}, // its reader of indexes only: .golangci.yml
	{"github.com/go-git/go-git/v5/plumbing/transport", nil},
	{"github.com/go-git/go-git/v5/plumbing/object", nil},
	{"github.com/go-git/go-git/v5/storage", nil},
	{"github.com/go-git/go-billy", nil},
	{"github.com/sethvargo/go-githubactions", []string{"action"}},
	{"github.com/spf13/", []string{"cli"}},
	{"github.com/google/go-containerregistry/", []string{"image", "registry", "cli"}},
	{"github.com/google/go-containerregistry/pkg/name", []string{"image", "registry"}},
	{"github.com/google/go-containerregistry/pkg/authn", []string{"registry", "cli"}}, // cli fills registry.Options
	{"github.com/google/go-containerregistry/pkg/v1", []string{"registry"}},
	{"github.com/google/go-containerregistry/pkg/crane", nil},
	{"github.com/google/go-containerregistry/pkg/registry", nil},
	// Registries are asked through package registry. The others have servers
	// of their own: a log, an authority, a revocation list, a Notary server,
	// the runner.
	{"net/http", []string{"registry", "verify/sigstore", "verify/notation", "verify/dct", "sign/sigstore", "sign/notation", "sign/dct", "action"}},
	{"github.com/google/cel-go/", []string{"verify/condition"}},
	{"os/exec", []string{"sign/internal/program"}}, // a plugin that keeps a key, which the user names
}

// own keeps the data flowing one way: only cli joins the stages.
var own = []rule{
	{module + "/cli", []string{"."}},
	{module + "/action", []string{"cli"}},
	{module + "/scan", []string{"cli", "scan"}},
	{module + "/policy", []string{"cli"}},
	{module + "/gate", []string{"cli", "report", "handover", "policy"}},
	{module + "/report", []string{"cli"}},
	{module + "/handover", []string{"cli"}},
	{module + "/audit", []string{"cli", "report"}},
	{module + "/scanreport", []string{"cli"}},
	{module + "/sign", []string{"cli", "report", "sign"}},
	{module + "/verify/", []string{"cli", "verify", "sign"}},
	{module + "/registry", []string{"cli", "audit", "verify/internal/manifests", "verify/sigstore", "verify/notation", "verify/dct", "sign"}},
	{module + "/internal/strictjson", []string{"registry", "sign/predicate", "sign/sigstore", "verify/notation", "verify/dct", "verify/sigstore", "report", "audit", "scanreport"}},
	{module + "/internal/yamlnode", []string{"handover/rewrite", "scan", "internal/yamlshape", "policy"}},
	{module + "/internal/yamlshape", []string{"policy", "verify", "cli", "scanreport"}},
	{module + "/internal/spelling", []string{"cli", "internal/yamlshape", "policy", "verify", "scanreport"}},
	{module + "/internal/registrytest", []string{"internal"}},
	{module + "/internal/sigstoretest", []string{"internal"}},
	{module + "/internal/notationtest", []string{"internal"}},
	{module + "/internal/dcttest", []string{"internal"}},
	{module + "/internal/servicetest", []string{"internal"}},
	{module + "/internal/pkitest", []string{"internal"}},
	{module + "/internal/golden", nil},
	{module + "/internal/runnertest", nil},
	{module + "/internal/startup", nil},
	{module + "/internal/programtest", nil},
	{module + "/bench", nil},
	{module + "/examples", nil},
}

// calls are functions that act on the whole process, and who may name them.
var calls = []struct {
	pkg   string
	names []string
	homes []string
}{
	{"os", []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"}, []string{".", "cli", "action"}},
	{"os", []string{"Setenv", "Unsetenv", "Clearenv", "Chdir"}, nil},
	{"os", []string{"Exit"}, []string{"."}},
	{"log", []string{"Fatal", "Fatalf", "Fatalln"}, nil},
}

// free are trees that are no part of the product: what signs and serves for
// the tests, what measures, what shows. They may import and call anything.
var free = []string{"internal/registrytest", "internal/sigstoretest", "internal/notationtest", "internal/dcttest", "internal/servicetest", "internal/pkitest", "internal/programtest", "internal/startup", "bench", "e2e", "examples"}

// complaints returns what a source file outside of tests does that its place
// does not allow. Name is slash-separated and relative to the module's root.
func complaints(name string, src []byte) ([]string, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	dir := path.Dir(name)
	var found []string
	complain := func(pos token.Pos, does string, homes []string) {
		only := "nobody may"
		if len(homes) > 0 {
			only = "only " + strings.Join(homes, ", ") + " may"
		}
		found = append(found, fset.Position(pos).String()+": "+does+"; "+only)
	}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			complain(f.Pos(), "has an init function", nil)
		}
	}
	if within(dir, free) {
		return found, nil
	}
	for _, spec := range file.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		for _, r := range slices.Concat(outside, own) {
			if strings.HasPrefix(imp, r.prefix) && !within(dir, r.homes) {
				complain(spec.Pos(), "imports "+imp, r.homes)
			}
		}
		for _, c := range calls {
			if imp == c.pkg && spec.Name != nil && spec.Name.Name == "." {
				complain(spec.Pos(), "imports "+imp+" with a dot", nil)
				break
			}
		}
	}
	names := importNames(file)
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := sel.X.(*ast.Ident)
		if !ok {
			return true
		}
		for _, c := range calls {
			if names[x.Name] == c.pkg && slices.Contains(c.names, sel.Sel.Name) && !within(dir, c.homes) {
				complain(sel.Pos(), "uses "+c.pkg+"."+sel.Sel.Name, c.homes)
			}
		}
		return true
	})
	return found, nil
}

// importNames returns the import path behind each name of the file.
func importNames(file *ast.File) map[string]string {
	names := map[string]string{}
	for _, spec := range file.Imports {
		imp, _ := strconv.Unquote(spec.Path.Value) // the parser did, too
		name := path.Base(imp)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = imp
	}
	return names
}

func within(dir string, trees []string) bool {
	return slices.ContainsFunc(trees, func(tree string) bool {
		return dir == tree || tree != "." && strings.HasPrefix(dir, tree+"/")
	})
}

// Every source file of the module keeps to the rules.
func TestDependencies(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	root := os.DirFS(".")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skip(root, name)
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		src, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		seen[path.Dir(name)] = true
		found, err := complaints(name, src)
		for _, c := range found {
			t.Error(c)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{".", "audit", "cli", "gate", "image", "registry", "verify", "verify/sigstore", "internal/registrytest"} {
		if !seen[dir] {
			t.Errorf("no source was read in %s", dir)
		}
	}
}

// skip leaves out what the go command does, and other modules.
func skip(root fs.FS, name string) error {
	if name == "." {
		return nil
	}
	if base := path.Base(name); base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	if _, err := fs.Stat(root, path.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// Every rule can fail: outside of its homes it does, and inside it does not.
func TestRulesBite(t *testing.T) {
	t.Parallel()
	for _, r := range slices.Concat(outside, own) {
		src := []byte("package x\n\nimport _ \"" + r.prefix + "\"\n")
		if !complained(t, "image2/x.go", src, "imports "+r.prefix) {
			t.Errorf("%s may be imported anywhere", r.prefix)
		}
		for _, home := range r.homes {
			if complained(t, path.Join(home, "x.go"), src, "imports "+r.prefix) {
				t.Errorf("%s may not be imported in %s", r.prefix, home)
			}
		}
	}
	for _, c := range calls {
		for _, name := range c.names {
			src := []byte("package x\n\nimport \"" + c.pkg + "\"\n\nvar f = " + c.pkg + "." + name + "\n")
			if !complained(t, "image2/x.go", src, "uses "+c.pkg+"."+name) {
				t.Errorf("%s.%s may be used anywhere", c.pkg, name)
			}
			for _, home := range c.homes {
				if complained(t, path.Join(home, "x.go"), src, "uses") {
					t.Errorf("%s.%s may not be used in %s", c.pkg, name, home)
				}
			}
		}
	}
	for _, tc := range []struct{ name, file, src, want string }{
		{"init", "gate/x.go", "package x\nfunc init() {}", "init"},
		{"init in a free tree", "bench/x.go", "package x\nfunc init() {}", "init"},
		{"method named init", "gate/x.go", "package x\ntype t int\nfunc (t) init() {}", ""},
		{"renamed import", "gate/x.go", "package x\nimport sys \"os\"\nfunc f() { sys.Exit(1) }", "os.Exit"},
		{"dot import", "gate/x.go", "package x\nimport . \"os\"\nfunc f() { Exit(1) }", "with a dot"},
		{"cli exits", "cli/x.go", "package x\nimport \"os\"\nfunc f() { os.Exit(1) }", "only . may"},
		{"a local called os", "gate/x.go", "package x\nfunc f(os interface{ Exit(int) }) { os.Exit(1) }", ""},
		{"upstream", "gate/x.go", "package x\nimport _ \"" + module + "/report\"", "only cli may"},
		{"free", "examples/demo/x.go", "package main\nimport (\n\"net/http\"\n\"os\"\n)\nvar _ = http.Get\nfunc main() { os.Exit(1) }", ""},
		{"beside a home", "registry2/x.go", "package x\nimport _ \"net/http\"", "net/http"},
		{"below a home", "registry/cache/x.go", "package x\nimport _ \"net/http\"", ""},
	} {
		found, err := complaints(tc.file, []byte(tc.src))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(found, "\n"); (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: complaints %q, want %q", tc.name, got, tc.want)
		}
	}
}

func complained(t *testing.T, name string, src []byte, about string) bool {
	t.Helper()
	found, err := complaints(name, src)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(found, func(c string) bool { return strings.Contains(c, about) })
}
