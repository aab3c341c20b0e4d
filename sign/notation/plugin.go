package notation

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/notaryproject/notation-core-go/signature/jws"
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/plugin/proto"
	"github.com/notaryproject/notation-go/signer"
	framework "github.com/notaryproject/notation-plugin-framework-go/plugin"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/legible"
	"github.com/boltseal/boltseal/sign/internal/order"
	"github.com/boltseal/boltseal/sign/internal/program"
	"github.com/boltseal/boltseal/verify"
)

const (
	maxPlugin       = 256 << 20 // bytes of a plugin's program
	maxPluginAnswer = 1 << 20   // bytes of what it answers
	maxPluginNoise  = 16 << 10  // bytes kept of what it writes to stderr, where its errors are
	maxPluginConfig = 64        // what it is configured with
	maxPluginValue  = 16 << 10  // bytes of one of these
	maxAnnotations  = 64        // of a signature, by a plugin
	maxKeyID        = 2 << 10   // bytes

	pluginTimeout = time.Minute // of one call
)

// PluginOptions say which program keeps a key.
type PluginOptions struct {
	Path   string // of the program; its file is called notation-NAME
	SHA256 string // of the program, 64 hex digits, with or without "sha256:"
	KeyID  string
	// Config is the plugin's own, at most 64 values of 16 KiB. None of them is in an
	// error.
	Config map[string]string
	// Chain is the certificate chain of the key, PEM, signing certificate first. If
	// it is empty, the plugin is asked for it with one signature of nothing.
	Chain []byte
}

// A plugin is a program that keeps a key, and answers by the Notary Project's
// plugin protocol (plugin-extensibility.md).
//
// It is not run by notation-go's own client (plugin.CLIPlugin), which trusts the
// file that is there at the moment, gives it our environment, and keeps up to
// 64 MiB of whatever it writes.
type plugin struct {
	name   string // "azure-kv" of notation-azure-kv
	path   string // of the private copy
	keyID  string
	config map[string]string

	metadata framework.GetMetadataResponse
	spec     framework.KeySpec // "" where the plugin makes envelopes
	closed   func() error
}

// OpenPlugin returns the key that a Notation plugin keeps. The program at Path is
// read once; it is run only if what was read has the SHA-256, and from a private
// copy of that, so that what was checked is what runs. [Key.Close] removes the
// copy. Each call of it takes at most a minute, and what it answers at most 1 MiB.
// Options that nothing can be run with are refused before anything is. The error
// is a *verify.Error.
func OpenPlugin(ctx context.Context, o PluginOptions) (*Key, error) {
	p, err := newPlugin(o)
	if err != nil {
		return nil, err
	}
	k := &Key{plugin: p, signing: p.signing}
	if len(o.Chain) > 0 {
		if k.chain, err = readChain(o.Chain); err == nil {
			err = checkChain(k.chain)
		}
		if err != nil {
			return nil, chainError("of the key in plugin "+p.name, err)
		}
	}
	if err := p.install(o); err != nil {
		return nil, &verify.Error{Op: "install the plugin " + p.name, Err: verify.Cause(err), Hint: hintOf(err, "look at the file, and at the folder for temporary files (TMPDIR)")}
	}
	if err := p.introduce(ctx, k); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

// newPlugin refuses options that nothing can be run with.
func newPlugin(o PluginOptions) (*plugin, error) {
	wrong := func(hint, format string, a ...any) (*plugin, error) {
		return nil, &verify.Error{Op: "open the plugin", Err: order.Refused(verify.Unsupported, format, a...), Hint: hint}
	}
	name, ok := strings.CutPrefix(strings.TrimSuffix(filepath.Base(o.Path), ".exe"), framework.BinaryPrefix)
	switch {
	case o.Path == "":
		return wrong("give the path of the program, notation-NAME", "no program is named")
	case !ok || !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`).MatchString(name):
		return wrong("name the file as the protocol has it: notation-NAME", "the program is called %q, not notation-NAME", legible.Text(filepath.Base(o.Path), maxDetail))
	case o.KeyID == "" || len(o.KeyID) > maxKeyID || legible.Text(o.KeyID, maxKeyID) != o.KeyID:
		return wrong("give the key's id as the plugin knows it, on one line of at most 2 KiB", "no key is named")
	case len(o.Config) > maxPluginConfig:
		return wrong("leave some out", "the plugin is configured with more than %d values", maxPluginConfig)
	}
	if _, err := digest(o.SHA256); err != nil {
		return wrong("take the 64 hex digits from who makes the plugin, or of sha256sum where its program was installed from a place you trust", "its SHA-256 is not given as 64 hex digits")
	}
	for k, v := range o.Config {
		if k == "" || len(k) > 1<<10 || len(v) > maxPluginValue {
			return wrong("write KEY=VALUE, of at most 16 KiB", "the plugin's configuration has an empty or an overlong entry, %q", legible.Text(k, 100))
		}
	}
	return &plugin{name: name, keyID: o.KeyID, config: maps.Clone(o.Config), closed: func() error { return nil }}, nil
}

// digest returns the bytes of a SHA-256 in hex.
func digest(text string) ([]byte, error) {
	sum, err := hex.DecodeString(strings.TrimPrefix(text, "sha256:"))
	if err == nil && len(sum) != sha256.Size {
		err = errors.New("it has another length")
	}
	return sum, err
}

// install makes the private copy of the program.
func (p *plugin) install(o PluginOptions) error {
	want, err := digest(o.SHA256)
	if err != nil {
		return err
	}
	body, err := readProgram(o.Path)
	if err != nil {
		return err
	}
	if got := sha256.Sum256(body); subtle.ConstantTimeCompare(got[:], want) != 1 {
		return &verify.Error{
			Err:  order.Refused(verify.BadSignature, "%s has the SHA-256 %x, not %x, and was not run", legible.Text(o.Path, maxDetail), got, want),
			Hint: "find out who changed the program before anything else; if it was updated on purpose, take the new SHA-256 from who makes it",
		}
	}
	dir, err := os.MkdirTemp("", "boltseal-plugin-") // for us only: 0700
	if err != nil {
		return err
	}
	p.closed = sync.OnceValue(func() error { return os.RemoveAll(dir) })
	p.path = filepath.Join(dir, filepath.Base(o.Path))
	if err := write(p.path, body); err != nil {
		return errors.Join(err, p.close())
	}
	return nil
}

// readProgram reads a regular file.
func readProgram(path string) (body []byte, err error) {
	info, err := os.Stat(path) // a pipe would be waited for
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, order.Refused(verify.Unsupported, "%s is no regular file", legible.Text(path, maxDetail))
	}
	f, err := os.Open(path) //nolint:gosec // what the user names
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	body, err = io.ReadAll(io.LimitReader(f, maxPlugin+1))
	if err == nil && len(body) > maxPlugin {
		err = order.Refused(verify.Unsupported, "%s is larger than %d MiB", legible.Text(path, maxDetail), maxPlugin>>20)
	}
	return body, err
}

// write writes a program. No other one is started in the meantime: it would hold
// the file open for writing, and a file that is cannot be run.
func write(path string, body []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, body, 0o700) //nolint:gosec // it has to be run, and is in a folder of our own
}

// close removes the private copy.
func (p *plugin) close() error { return p.closed() }

// introduce asks the plugin who it is and which key it has, and for its
// certificates where k has none.
func (p *plugin) introduce(ctx context.Context, k *Key) error {
	if err := p.call(ctx, &framework.GetMetadataRequest{PluginConfig: p.config}, &p.metadata); err != nil {
		return err
	}
	m := &p.metadata
	raw, envelopes := m.HasCapability(framework.CapabilitySignatureGenerator), m.HasCapability(framework.CapabilityEnvelopeGenerator)
	switch {
	case m.Name != p.name:
		return p.misfit("the file is called notation-%s, and the plugin in it %q", p.name, p.clean(m.Name))
	case len(m.Version) > 100 || legible.Text(m.Version, 100) != m.Version: // it gets into envelopes
		return p.misfit("its version is no short text")
	case !slices.Contains(m.SupportedContractVersions, framework.ContractVersion):
		return p.misfit("it does not speak version %s of the plugin protocol", framework.ContractVersion)
	case !raw && !envelopes:
		return p.misfit("it cannot sign: it has neither %s nor %s", framework.CapabilitySignatureGenerator, framework.CapabilityEnvelopeGenerator)
	}
	if raw {
		if err := p.describe(ctx); err != nil {
			return err
		}
	}
	if len(k.chain) > 0 {
		return nil
	}
	s, err := k.seal(ctx, nothing(), notation.SignerSignOptions{SignatureMediaType: jws.MediaTypeEnvelope})
	if err != nil {
		return err
	}
	if err := checkChain(s.chain); err != nil {
		return chainError("of the key in plugin "+p.name, err)
	}
	k.chain = s.chain
	return nil
}

// describe asks which kind of key it is.
func (p *plugin) describe(ctx context.Context) error {
	var key framework.DescribeKeyResponse
	err := p.call(ctx, &framework.DescribeKeyRequest{ContractVersion: framework.ContractVersion, KeyID: p.keyID, PluginConfig: p.config}, &key)
	if err != nil {
		return err
	}
	if err := p.sameKey(key.KeyID); err != nil {
		return err
	}
	if _, err := proto.DecodeKeySpec(key.KeySpec); err != nil {
		return p.misfit("the key is of kind %q, which Notation does not sign with", p.clean(string(key.KeySpec)))
	}
	p.spec = key.KeySpec
	return nil
}

func (p *plugin) sameKey(id string) error {
	if id != p.keyID {
		return p.misfit("it was asked for the key %q, and answers of %q", p.keyID, p.clean(id))
	}
	return nil
}

// misfit is the error of a plugin that does not do what the protocol says.
func (p *plugin) misfit(format string, a ...any) error {
	return &verify.Error{
		Op: p.op(), Err: order.Refused(verify.Unsupported, format, a...),
		Hint: "look whether the plugin works with notation itself, and ask who makes it",
	}
}

func (p *plugin) op() string { return "sign with the plugin " + p.name }

// nothing is the empty JSON object, which nobody takes for an image.
func nothing() target {
	return target{subject: ocispec.Descriptor{MediaType: ocispec.MediaTypeEmptyJSON, Digest: ocispec.DescriptorEmptyJSON.Digest, Size: 2}}
}

// signing returns who makes one envelope.
func (p *plugin) signing(trouble *error) (notation.Signer, error) {
	return signer.NewPluginSigner(&calls{p, trouble}, p.keyID, p.config)
}

// makesEnvelopes reports whether the plugin makes the envelopes, and not only the
// signatures in them.
func (p *plugin) makesEnvelopes() bool { return p != nil && p.spec == "" }

// call runs the plugin once. The error is a *verify.Error.
func (p *plugin) call(ctx context.Context, req framework.Request, answer any) error {
	body, err := json.Marshal(req)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, pluginTimeout, fmt.Errorf("no answer within %s", pluginTimeout))
	defer cancel()
	out, err := program.Run(ctx, p.path, program.Call{Args: []string{string(req.Command())}, Stdin: body, MaxOut: maxPluginAnswer, MaxNoise: maxPluginNoise})
	failed := func(reason verify.Reason, hint, format string, a ...any) error {
		return &verify.Error{Op: p.op(), Err: order.Refused(reason, string(req.Command())+": "+format, a...), Hint: hint}
	}
	const works = "look whether the program works by itself, with the same credentials"
	switch {
	case errors.Is(err, program.ErrStopped):
		return failed(verify.Unavailable, "run it again; if it lasts, look whether its key service can be reached from here", "it %w", err)
	case errors.Is(err, os.ErrPermission):
		return failed(verify.Unsupported, "set TMPDIR to a folder that programs may be run from", "it cannot be run from %s: %w", filepath.Dir(p.path), err)
	case err != nil:
		return failed(verify.Unavailable, works, "it did not run to its end: %s: %s", legible.Text(err.Error(), maxDetail), p.noise(out))
	case out.Status != 0:
		return p.refusal(failed, out)
	case out.Cut:
		return failed(verify.Unavailable, works, "it writes more than %d KiB", maxPluginAnswer>>10)
	}
	if err := json.Unmarshal(out.Out, answer); err != nil { // which may quote it
		return failed(verify.Unavailable, works, "what it writes is not what the protocol has: %s", p.noise(out))
	}
	return nil
}

// refusal says what a plugin that ends with an error says (plugin-extensibility.md,
// "Error codes").
func (p *plugin) refusal(failed func(verify.Reason, string, string, ...any) error, out program.Output) error {
	var e framework.Error
	if json.Unmarshal(out.Noise, &e) != nil || e.ErrCode == "" {
		return failed(verify.Unavailable, "look whether the program works by itself, with the same credentials", "it ended with status %d: %s", out.Status, p.noise(out))
	}
	says := p.clean(string(e.ErrCode) + ": " + e.Message)
	switch e.ErrCode {
	case framework.ErrorCodeAccessDenied:
		return failed(verify.Denied, "give the credentials of who may sign with the key, as the plugin reads them", "%s", says)
	case framework.ErrorCodeTimeout, framework.ErrorCodeThrottled:
		return failed(verify.Unavailable, "run it again, with fewer images at once (--jobs): what is signed already stays as it is", "%s", says)
	case framework.ErrorCodeValidation, framework.ErrorCodeUnsupportedContractVersion:
		return failed(verify.Unsupported, "check the key's id and the plugin's configuration", "%s", says)
	}
	return failed(verify.Unavailable, "look whether the program works by itself, with the same credentials", "%s", says)
}

// clean returns the plugin's words without what it was configured with, the
// credentials that it has from the environment, and what looks like a token.
func (p *plugin) clean(words string) string { return p.cleaned(words, false) }

// noise returns what the plugin wrote to standard error, as clean does.
func (p *plugin) noise(out program.Output) string { return p.cleaned(string(out.Noise), out.NoiseCut) }

func (p *plugin) cleaned(words string, cut bool) string {
	secrets := slices.AppendSeq(program.Credentials(), maps.Values(p.config))
	return legible.Words(legible.Without(words, cut, secrets...), maxDetail)
}

// calls are what notation-go asks a plugin for one envelope.
type calls struct {
	*plugin
	trouble *error
}

var _ framework.SignPlugin = (*calls)(nil)

// told keeps err for who gets no more than its text.
func (c *calls) told(err error) error {
	if err != nil && *c.trouble == nil {
		*c.trouble = err
	}
	return err
}

// GetMetadata returns what the plugin said of itself when it was opened.
func (c *calls) GetMetadata(context.Context, *framework.GetMetadataRequest) (*framework.GetMetadataResponse, error) {
	m := c.metadata
	return &m, nil
}

// DescribeKey returns what the plugin said of the key when it was opened.
func (c *calls) DescribeKey(context.Context, *framework.DescribeKeyRequest) (*framework.DescribeKeyResponse, error) {
	return &framework.DescribeKeyResponse{KeyID: c.keyID, KeySpec: c.spec}, nil
}

// GenerateSignature has the plugin sign.
func (c *calls) GenerateSignature(ctx context.Context, req *framework.GenerateSignatureRequest) (*framework.GenerateSignatureResponse, error) {
	var resp framework.GenerateSignatureResponse
	if err := c.call(ctx, req, &resp); err != nil {
		return nil, c.told(err)
	}
	if err := c.sameKey(resp.KeyID); err != nil {
		return nil, c.told(err)
	}
	if len(resp.Signature) == 0 || len(resp.CertificateChain) == 0 || len(resp.CertificateChain) > maxChain {
		return nil, c.told(c.misfit("its answer has no signature, or no certificate chain of at most %d certificates", maxChain))
	}
	return &resp, nil
}

// GenerateEnvelope has the plugin make an envelope.
func (c *calls) GenerateEnvelope(ctx context.Context, req *framework.GenerateEnvelopeRequest) (*framework.GenerateEnvelopeResponse, error) {
	var resp framework.GenerateEnvelopeResponse
	if err := c.call(ctx, req, &resp); err != nil {
		return nil, c.told(err)
	}
	if resp.SignatureEnvelopeType != req.SignatureEnvelopeType {
		return nil, c.told(c.misfit("it was asked for an envelope of type %s, and made one of type %q", req.SignatureEnvelopeType, c.clean(resp.SignatureEnvelopeType)))
	}
	return &resp, nil
}

// pluginAnnotations returns what a plugin writes of a signature besides, without
// what is not for it to say.
func pluginAnnotations(all map[string]string) (map[string]string, error) {
	size := 0
	for k, v := range all {
		size += len(k) + len(v)
	}
	if len(all) > maxAnnotations || size > maxPluginValue {
		return nil, order.Refused(verify.Unsupported, "the plugin writes more than %d annotations or %d KiB of them", maxAnnotations, maxPluginValue>>10)
	}
	return all, nil
}

func hintOf(err error, otherwise string) string {
	if h := verify.Hint(err); h != "" {
		return h
	}
	return otherwise
}
