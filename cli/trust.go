package cli

import (
	"net"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/pflag"

	"github.com/boltseal/boltseal/verify/sigstore"
)

// publicGood is the instance that everybody may use.
const publicGood = "public-good"

// trustFlags say which Sigstore instance is believed.
type trustFlags struct {
	instance, file, mirror, root, cache string
}

func (t *trustFlags) register(f *pflag.FlagSet) {
	f.StringVar(&t.instance, "sigstore", publicGood, "Sigstore instance by `NAME`: public-good, github (its own, for private repositories) or staging")
	f.StringVar(&t.file, "trusted-root", "", "trusted_root.json `FILE` to use instead of asking the instance's TUF repository")
	f.StringVar(&t.mirror, "tuf-mirror", "", "`URL` of a private Sigstore's TUF repository")
	f.StringVar(&t.root, "tuf-root", "", "root.json `FILE` that the private TUF repository's chain of trust begins with")
	f.StringVar(&t.cache, "cache-dir", "", "`DIR` that keeps the trust root between runs (default: boltseal in the user's cache directory)")
}

// given returns a flag that was given and says whose word counts, "" if none was.
func (t *trustFlags) given() string {
	switch {
	case t.file != "":
		return "--trusted-root"
	case t.mirror != "":
		return "--tuf-mirror"
	case t.root != "":
		return "--tuf-root"
	case t.instance != publicGood:
		return "--sigstore"
	}
	return ""
}

// trust returns the trust root, without fetching it yet.
func (t *trustFlags) trust(getenv func(string) string, proxy func(*url.URL) (*url.URL, error)) (*sigstore.Trust, error) {
	rules := t.rules()
	o := sigstore.TUFOptions{CacheDir: t.cache, Proxy: proxy, Rules: rules}
	if o.CacheDir == "" {
		o.CacheDir = cacheDir(getenv)
	}
	switch {
	case t.instance != publicGood && t.instance != "github" && t.instance != "staging":
		return nil, usagef("--sigstore", "write public-good, github or staging; a private instance is given by --trusted-root, or --tuf-mirror and --tuf-root", "unknown instance %q", t.instance)
	case t.file != "" && (t.mirror != "" || t.root != ""):
		return nil, usagef("--trusted-root", "leave one of them out", "the trust root comes from a file or from --tuf-mirror, not from both")
	case t.mirror != "" && t.root == "":
		return nil, usagef("--tuf-mirror", "add --tuf-root with the repository's root.json, obtained by another way than the mirror", "nothing says whether the mirror can be trusted")
	case t.mirror == "" && t.root != "":
		return nil, usagef("--tuf-root", "add --tuf-mirror with the repository's https address", "there is no mirror to use it with")
	case t.file != "":
		trust, err := sigstore.TrustFile(t.file, rules)
		if err != nil {
			return nil, usagef("--trusted-root "+t.file, "give a trusted_root.json, as `cosign trusted-root create` writes it", "%w", err)
		}
		return trust, nil
	case t.mirror != "":
		return t.private(o)
	case t.instance == "github":
		return sigstore.GitHubTrust(o), nil
	case t.instance == "staging":
		o.Mirror, o.Root = sigstore.StagingMirror, sigstore.StagingRoot()
	default:
		o.Mirror, o.Root = sigstore.PublicMirror, sigstore.PublicRoot()
	}
	return sigstore.TrustTUF(o), nil
}

// rules are what signatures of the instance must carry.
func (t *trustFlags) rules() sigstore.Rules {
	if t.instance == "github" {
		return sigstore.GitHubRules()
	}
	return sigstore.PublicRules()
}

func (t *trustFlags) private(o sigstore.TUFOptions) (*sigstore.Trust, error) {
	u, err := url.Parse(t.mirror)
	if err != nil || u.Host == "" || (u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname()))) {
		return nil, usagef("--tuf-mirror", "write an https address, such as https://tuf.example.com", "%q is not one", publicPart(t.mirror))
	}
	root, err := readBounded(t.root, maxText)
	if err != nil {
		return nil, usagef("--tuf-root", "give the root.json of the private Sigstore's TUF repository", "%w", err)
	}
	if err := sigstore.CheckTUFRoot(root); err != nil {
		return nil, usagef("--tuf-root "+t.root, "give the root.json of the private Sigstore's TUF repository", "%w", err)
	}
	o.Mirror, o.Root = t.mirror, root
	return sigstore.TrustTUF(o), nil
}

// publicPart returns an address without what may be secret in it: who asks, and
// the query.
func publicPart(address string) string {
	address, _, _ = strings.Cut(address, "?")
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		scheme, rest = "", address
	} else {
		scheme += "://"
	}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		rest = "***" + rest[at:]
	}
	return scheme + rest
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// cacheDir returns the user's cache directory for this program, "" where the
// environment names none.
func cacheDir(getenv func(string) string) string {
	base := getenv("XDG_CACHE_HOME")
	switch {
	case base != "":
	case runtime.GOOS == "windows":
		base = getenv("LocalAppData")
	case getenv("HOME") == "":
	case runtime.GOOS == "darwin":
		base = filepath.Join(getenv("HOME"), "Library", "Caches")
	default:
		base = filepath.Join(getenv("HOME"), ".cache")
	}
	if base == "" {
		return ""
	}
	return filepath.Join(base, "boltseal")
}
