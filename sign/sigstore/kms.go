package sigstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	sgsignature "github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/kms/cliplugin/common"
	"github.com/sigstore/sigstore/pkg/signature/kms/cliplugin/encoding"
	"github.com/sigstore/sigstore/pkg/signature/options"

	"github.com/boltseal/boltseal/internal/legible"
	"github.com/boltseal/boltseal/sign/internal/program"
	"github.com/boltseal/boltseal/verify"
)

const (
	maxKeyURI    = 2 << 10  // bytes of a key's URI
	maxKMSAnswer = 64 << 10 // bytes of what a plugin answers
	maxKMSNoise  = 4 << 10  // bytes kept of what a plugin writes to stderr
	maxKMSDetail = 300      // bytes of a plugin's words in an error

	kmsTimeout = 30 * time.Second // of one call
)

// ErrKeyService is in the error of a plugin, or of the service behind it, that
// failed; it is not in that of a URI or a kind of key that cannot be used.
var ErrKeyService = errors.New("the key service gave no usable answer")

// KMSKey returns the key that a program sigstore-kms-NAME on PATH keeps under
// uri, NAME://…, by the plugin protocol of Sigstore
// (https://github.com/sigstore/sigstore/tree/v1.10.8/pkg/signature/kms/cliplugin).
// The program is run once here and once for each signature, each time for at
// most half a minute. The error is a *verify.Error.
func KMSKey(ctx context.Context, uri string) (*Key, error) {
	k, err := kmsKey(ctx, uri)
	if err != nil {
		return nil, kmsError("read the key "+shownURI(uri), err)
	}
	return k, nil
}

// FindKMS returns the error that [KMSKey] returns for a URI that is none and for a
// program that is not there. It runs nothing.
func FindKMS(uri string) error {
	p, err := newPlugin(uri)
	if err == nil && program.Find(p.program) != nil {
		err = p.notFound()
	}
	if err != nil {
		return kmsError("read the key "+shownURI(uri), err)
	}
	return nil
}

func kmsKey(ctx context.Context, uri string) (*Key, error) {
	p, err := newPlugin(uri)
	if err != nil {
		return nil, err
	}
	answer, err := p.call(ctx, 0, nil, &common.MethodArgs{
		MethodName: common.PublicKeyMethodName,
		PublicKey:  &common.PublicKeyArgs{PublicKeyOptions: encoding.PackPublicKeyOptions([]sgsignature.PublicKeyOption{options.WithContext(ctx)})},
	})
	if err != nil {
		return nil, err
	}
	if answer.PublicKey == nil {
		return nil, fmt.Errorf("%w: there is no public key in it", ErrKeyService)
	}
	block, _ := pem.Decode(answer.PublicKey.PublicKeyPEM)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, fmt.Errorf("%w: the public key in it is no PEM PUBLIC KEY", ErrKeyService)
	}
	if p.public, err = x509.ParsePKIXPublicKey(block.Bytes); err != nil {
		return nil, fmt.Errorf("%w: the public key in it is damaged, or of a kind that is not known", ErrKeyService)
	}
	// The KMS of the large clouds sign with a P-384 or P-521 key by the hash that
	// goes with it only.
	k, err := newKey(shownURI(uri), p.public, p.sign, true)
	if err != nil {
		return nil, &refusedInput{err: err, hint: "use a key of another kind, such as ECDSA on P-256"}
	}
	return k, nil
}

// A plugin is a program that keeps a key.
//
// It is not run by Sigstore's own client (cliplugin.PluginClient), which hands
// our stderr to the program, whatever it writes there; reads an answer of any
// length; waits for all that a program leaves behind; and takes an answer's
// members for granted.
type plugin struct {
	program  string // "sigstore-kms-NAME"
	resource string // what follows NAME://
	public   crypto.PublicKey
}

// pluginURI is what names a plugin and a key. A name with a slash would be a
// path instead of a program on PATH.
const pluginURI = `^([a-z0-9][a-z0-9._-]{0,63})://([\x21-\x7e]+)$`

// pluginPrefix begins the name of every plugin.
const pluginPrefix = "sigstore-kms-"

func newPlugin(uri string) (*plugin, error) {
	m := regexp.MustCompile(pluginURI).FindStringSubmatch(uri)
	switch {
	case len(uri) > maxKeyURI:
		return nil, badInput("give the key as NAME://KEY", "it is longer than %d bytes", maxKeyURI)
	case m == nil:
		return nil, badInput("give the key as NAME://KEY, for a program sigstore-kms-NAME on PATH", "it is not a name, :// and a key without spaces")
	case m[1] == "http" || m[1] == "https" || m[1] == "file":
		return nil, badInput("save the key in a file and give its path", "keys are not fetched from URLs")
	}
	return &plugin{program: pluginPrefix + m[1], resource: m[2]}, nil
}

// notFound says that there is no such program, and what to do.
func (p *plugin) notFound() error {
	next := "install the program " + p.program + " in a folder on PATH; no KMS is built in"
	switch strings.TrimPrefix(p.program, pluginPrefix) {
	case "k8s", "github", "gitlab":
		next = "cosign keeps keys there as secrets, and that is no key service: put the secret into a variable, and give the key as env://NAME"
	}
	return badInput(next, "there is no program %s on PATH", p.program)
}

// uriPrivate matches what of a URI may be secret: who it is for, and its query.
const uriPrivate = `//[^/]*@|[?#].*`

// shownURI is what may be shown of a key's URI.
func shownURI(uri string) string {
	return legible.Text(regexp.MustCompile(uriPrivate).ReplaceAllStringFunc(uri, func(part string) string {
		if strings.HasPrefix(part, "//") {
			return "//***@"
		}
		return part[:1] + "***"
	}), 100)
}

// secrets returns what is secret of the key's URI: who it is for, with the password
// alone, and its query, with each value alone.
func (p *plugin) secrets() []string {
	var all []string
	for _, part := range regexp.MustCompile(uriPrivate).FindAllString("//"+p.resource, -1) {
		part = strings.Trim(part, "/@?#")
		all = append(all, part)
		if _, password, ok := strings.Cut(part, ":"); ok {
			all = append(all, password)
		}
		for _, pair := range strings.Split(part, "&") {
			if _, value, ok := strings.Cut(pair, "="); ok {
				all = append(all, value)
			}
		}
	}
	for _, s := range all {
		if plain, err := url.PathUnescape(s); err == nil && plain != s {
			all = append(all, plain)
		}
	}
	return all
}

// clean returns what the program says without what it should not: what looks like
// a token, what is secret of the key's URI, and the credentials that it has from
// the environment. cut says that it was cut off.
func (p *plugin) clean(words string, cut bool) string {
	return legible.Words(legible.Without(words, cut, append(p.secrets(), program.Credentials()...)...), maxKMSDetail)
}

func (p *plugin) sign(ctx context.Context, message, digest []byte, how sgsignature.AlgorithmDetails) ([]byte, error) {
	signature, err := p.signature(ctx, message, digest, how)
	if err != nil {
		return nil, kmsError("sign with "+p.program, err)
	}
	return signature, nil
}

func (p *plugin) signature(ctx context.Context, message, digest []byte, how sgsignature.AlgorithmDetails) ([]byte, error) {
	opts := []sgsignature.SignOption{options.WithContext(ctx), options.WithCryptoSignerOpts(how.GetHashType())}
	if digest != nil {
		opts = append(opts, options.WithDigest(digest))
	}
	answer, err := p.call(ctx, how.GetHashType(), message, &common.MethodArgs{
		MethodName:  common.SignMessageMethodName,
		SignMessage: &common.SignMessageArgs{SignOptions: encoding.PackSignOptions(opts)},
	})
	if err != nil {
		return nil, err
	}
	if answer.SignMessage == nil || len(answer.SignMessage.Signature) == 0 {
		return nil, fmt.Errorf("%w: there is no signature in it", ErrKeyService)
	}
	// A plugin may know other algorithms than the one that is asked for, and the
	// key behind its name may be another by now.
	if err := checkSignature(p.public, how, message, answer.SignMessage.Signature); err != nil {
		return nil, badInput("look at which algorithm the key is made for", "%w: it is not the signature asked for, which is one with %s", ErrKeyService, how.GetSignatureAlgorithm())
	}
	return answer.SignMessage.Signature, nil
}

// checkSignature returns an error unless signature is one of message by public.
func checkSignature(public crypto.PublicKey, how sgsignature.AlgorithmDetails, message, signature []byte) error {
	opts := []sgsignature.LoadOption{options.WithHash(how.GetHashType())}
	if how.GetSignatureAlgorithm() == protocommon.PublicKeyDetails_PKIX_ED25519_PH {
		opts = append(opts, options.WithED25519ph())
	}
	v, err := sgsignature.LoadVerifierWithOpts(public, opts...)
	if err != nil {
		return err
	}
	return v.VerifySignature(bytes.NewReader(signature), bytes.NewReader(message))
}

// call runs the plugin once.
func (p *plugin) call(ctx context.Context, hash crypto.Hash, message []byte, method *common.MethodArgs) (*common.PluginResp, error) {
	ctx, cancel := context.WithTimeout(ctx, kmsTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	args, err := json.Marshal(&common.PluginArgs{
		InitOptions: &common.InitOptions{
			CtxDeadline:     &deadline,
			ProtocolVersion: common.ProtocolVersion,
			KeyResourceID:   p.resource,
			HashFunc:        cmp.Or(hash, crypto.SHA256), // where none is used, the one that cosign names: plugins load the key with it
			RPCOptions:      encoding.PackRPCOptions(nil),
		},
		MethodArgs: method,
	})
	if err != nil {
		return nil, err
	}
	out, err := program.Run(ctx, p.program, program.Call{
		Args: []string{common.ProtocolVersion, string(args)}, Stdin: message, MaxOut: maxKMSAnswer, MaxNoise: maxKMSNoise,
	})
	noise := func() string { return p.clean(string(out.Noise), out.NoiseCut) }
	// The protocol has errors in the answer, and does not look at the status.
	switch {
	case errors.Is(err, program.ErrNotFound):
		return nil, p.notFound()
	case errors.Is(err, program.ErrStopped):
		return nil, fmt.Errorf("%w: %s %w", ErrKeyService, p.program, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %s did not run to its end: %w: %s", ErrKeyService, p.program, err, noise())
	case out.Cut:
		return nil, fmt.Errorf("%w: %s writes more than %d KiB", ErrKeyService, p.program, maxKMSAnswer>>10)
	}
	var answer common.PluginResp
	if json.Unmarshal(out.Out, &answer) != nil {
		return nil, badInput("look whether "+p.program+" speaks "+common.ProtocolVersion+" of Sigstore's KMS plugin protocol", "%w: what %s writes is not what the protocol has: %s", ErrKeyService, p.program, noise())
	}
	if answer.ErrorMessage != "" {
		return nil, fmt.Errorf("%w: %s says: %s", ErrKeyService, p.program, p.clean(answer.ErrorMessage, false))
	}
	return &answer, nil
}

// kmsError is what a person is told of err.
func kmsError(op string, err error) error {
	e := &verify.Error{Op: op, Err: err, Hint: "look whether the program works by itself, with the same credentials"}
	if u := (*refusedInput)(nil); errors.As(err, &u) {
		e.Err, e.Hint = u, u.hint
	}
	return e
}
