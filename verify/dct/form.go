package dct

import (
	"bytes"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/certfile"
	"github.com/boltseal/boltseal/verify/internal/hostile"
)

// A Form is a requirement "dct" of a policy file. It is filled by package
// yamlshape, checked once, and then makes Configs.
type Form struct {
	At       image.Position
	Wrong    bool
	Roots    []yamlshape.Text `yaml:"roots" max:"64" example:"2d4f5c1e9f0a4b7c8d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c" doc:"Whose collections count, any of them: key IDs of root certificates, 64 digits as docker trust inspect prints them under Root, or their public keys, PEM files relative to this one or PEM texts."`
	CA       []yamlshape.Text `yaml:"ca" max:"64" example:"acme-ca.crt" doc:"Authorities, one of which a root certificate may lead to in the place of those under roots: PEM or DER files, relative to this one, or PEM texts."`
	Signers  []yamlshape.Text `yaml:"signers" max:"64" example:"alice" doc:"Who must have signed, all of them, the same digest: alice for the delegation targets/alice. Without it, whoever may sign for the collection."`
	Server   *yamlshape.Text  `yaml:"server" example:"https://notary.acme.example" doc:"Address of the Notary server. The default is the one that docker asks: https://notary.docker.io for images of Docker Hub, else the host of the registry."`
	ServerCA []yamlshape.Text `yaml:"server-ca" max:"64" example:"notary-ca.crt" doc:"Authorities of the server's own certificate, if they are not the system's: PEM or DER files, relative to this one, or PEM texts."`
	TOFU     yamlshape.Flag   `yaml:"tofu" doc:"Believes whatever the server shows at first, without roots or ca. Whoever answers for the server then decides who may sign."`

	made terms
}

// RefineSchema says that there is somebody to trust.
func (Form) RefineSchema(schema map[string]any) {
	has := func(key string) map[string]any { return map[string]any{"required": []any{key}} }
	tofu := map[string]any{"required": []any{"tofu"}, "properties": map[string]any{"tofu": map[string]any{"const": true}}}
	pinned := []any{has("roots"), has("ca")}
	schema["oneOf"] = []any{tofu, map[string]any{"anyOf": pinned}}
}

// terms are what Check makes of a Form.
type terms struct {
	checked bool // without a fault
	ids     []string
	keys    [][]byte         // of roots that are PEM texts
	files   []yamlshape.Text // of roots that are files
	signers []string
	inline  certfile.Inline
}

// An Env is what Forms need from outside of their file.
type Env struct {
	// ReadFile returns the content of a file of keys or certificates, whose name is
	// relative to the policy file at its place. It bounds what it reads.
	ReadFile func(file yamlshape.Text) ([]byte, error)
}

func (f *Form) lists() []certfile.List { return []certfile.List{f.ca(), f.serverCA()} }

func (f *Form) ca() certfile.List {
	return certfile.List{Key: "ca", Texts: f.CA, Parse: ParseAuthorities}
}

func (f *Form) serverCA() certfile.List {
	return certfile.List{Key: "server-ca", Texts: f.ServerCA, Parse: ParseServerAuthorities}
}

// A checker collects faults.
type checker struct {
	terms
	faults []*yamlshape.Fault
}

func (c *checker) fault(at image.Position, next, format string, args ...any) {
	c.add(yamlshape.Faultf(at, next, format, args...))
}

func (c *checker) add(faults ...*yamlshape.Fault) {
	c.checked = c.checked && len(faults) == 0
	c.faults = append(c.faults, faults...)
}

// Check returns what is wrong with the Form beyond its shape.
func (f *Form) Check() []*yamlshape.Fault {
	c := &checker{terms: terms{checked: !f.Wrong, inline: certfile.Inline{}}}
	pinned := len(f.Roots)+len(f.CA) > 0
	switch {
	case f.TOFU.Value && pinned:
		c.fault(f.TOFU.At, "leave tofu out", "tofu: it believes what roots and ca are there to tell apart")
	case !f.TOFU.Value && !pinned && !f.Wrong:
		c.fault(f.At, "add roots: [ID], with the ID that docker trust inspect prints under \"Root\"", "there are no roots and no ca, so that nothing could pass")
	}
	c.checkRoots(f.Roots)
	for _, l := range f.lists() {
		c.add(l.Check(c.inline)...)
	}
	c.checkSigners(f.Signers)
	if t := f.Server; t != nil {
		if _, err := registry.ParseTrustServer(t.Value); err != nil {
			next := verify.Hint(err)
			if next == "" {
				next = "write its address as https://HOST or https://HOST:PORT"
			}
			c.fault(t.At, next, "server: %w", verify.Cause(err))
		}
	}
	f.made = c.terms
	return c.faults
}

func (c *checker) checkRoots(texts []yamlshape.Text) {
	seen := map[string]bool{}
	for _, t := range texts {
		address, is := certfile.IsAddress("roots", t)
		switch name := t.Value; {
		case seen[name]:
			c.fault(t.At, "leave one of them out", "roots: the same root stands twice")
		case certfile.IsPEM(t):
			key, err := ParseRootKey("the text", []byte(name))
			if err != nil {
				c.fault(t.At, verify.Hint(err), "roots: %w", verify.Cause(err))
				continue
			}
			if !slices.ContainsFunc(c.keys, func(have []byte) bool { return bytes.Equal(have, key) }) {
				c.keys = append(c.keys, key)
			}
		case is:
			c.add(address)
		case strings.ContainsAny(name, "./\\") && !strings.ContainsAny(name, "\r\n"):
			c.files = append(c.files, t)
		default:
			id, err := ParseRootKeyID(name)
			if err != nil {
				c.fault(t.At, verify.Hint(err), "roots: %s: %w", hostile.Quoted(name), verify.Cause(err))
				continue
			}
			c.ids = append(c.ids, id)
		}
		seen[t.Value] = true
	}
}

func (c *checker) checkSigners(texts []yamlshape.Text) {
	for _, t := range texts {
		name, err := ParseSigner(t.Value)
		switch {
		case err != nil:
			c.fault(t.At, verify.Hint(err), "signers: %s: %w", hostile.Quoted(t.Value), verify.Cause(err))
		case slices.Contains(c.signers, name):
			c.fault(t.At, "leave one of them out", "signers: %s stands twice", name)
		}
		c.signers = append(c.signers, name)
	}
}

// Config returns the requirement that a checked Form makes. The error is a
// [*yamlshape.Fault].
func (f *Form) Config(env Env) (Config, error) {
	if !f.made.checked {
		return Config{}, yamlshape.Faultf(f.At, "", "the requirement was not checked, or is not sound")
	}
	c := Config{RootKeyIDs: f.made.ids, RootKeys: slices.Clone(f.made.keys), Signers: f.made.signers, TOFU: f.TOFU.Value}
	for _, t := range f.made.files {
		body, err := certfile.ReadFile("roots", t, "give the public key of the root, as PEM, in a file beside the policy", env.ReadFile)
		if err != nil {
			return Config{}, err
		}
		key, err := ParseRootKey(hostile.Quoted(t.Value), body)
		if err != nil {
			return Config{}, yamlshape.Faultf(t.At, verify.Hint(err), "roots: %w", err)
		}
		if !slices.ContainsFunc(c.RootKeys, func(have []byte) bool { return bytes.Equal(have, key) }) {
			c.RootKeys = append(c.RootKeys, key)
		}
	}
	var err error
	if c.RootCA, err = f.ca().Certificates(f.made.inline, env.ReadFile); err != nil {
		return Config{}, err
	}
	if c.ServerCA, err = f.serverCA().Certificates(f.made.inline, env.ReadFile); err != nil {
		return Config{}, err
	}
	if f.Server != nil {
		if c.Server, err = registry.ParseTrustServer(f.Server.Value, c.ServerCA...); err != nil {
			return Config{}, yamlshape.Faultf(f.Server.At, verify.Hint(err), "server: %w", err)
		}
	}
	return c, nil
}
