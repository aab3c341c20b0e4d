package cli

import (
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
)

// host is a registry that is asked for.
type host string

func (h host) String() string      { return string(h) }
func (h host) RegistryStr() string { return string(h) }

// The token is for ghcr.io alone; the one that is given goes before the
// environment's; flags go before both; an anonymous run has none.
func TestKeychain(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir()) // go-containerregistry reads the process's environment
	t.Setenv("HOME", t.TempDir())
	env := map[string]string{"GITHUB_TOKEN": "environment", "GITHUB_ACTOR": "me"}
	for _, tc := range []struct {
		name  string
		flags registryFlags
		env   map[string]string
		fixed map[string]authn.AuthConfig
		host  host
		want  string
	}{
		{name: "none", host: "ghcr.io"},
		{name: "environment", env: env, host: "ghcr.io", want: "me:environment"},
		{name: "input", flags: registryFlags{token: "input"}, env: env, host: "ghcr.io", want: "me:input"},
		{name: "nobody", flags: registryFlags{token: "input"}, host: "ghcr.io", want: "boltseal:input"},
		{name: "elsewhere", flags: registryFlags{token: "input"}, env: env, host: "ghcr.io.example"},
		{name: "flags", flags: registryFlags{token: "input"}, env: env, fixed: map[string]authn.AuthConfig{"ghcr.io": {Username: "a", Password: "b"}}, host: "ghcr.io", want: "a:b"},
		{name: "anonymous", flags: registryFlags{token: "input", anonymous: true}, env: env, fixed: map[string]authn.AuthConfig{"ghcr.io": {Username: "a", Password: "b"}}, host: "ghcr.io"},
	} {
		c := Command{LookupEnv: func(name string) (string, bool) { v, ok := tc.env[name]; return v, ok }}
		auth, err := tc.flags.keychain(c, tc.fixed).Resolve(tc.host)
		if err != nil {
			t.Fatal(err)
		}
		got, err := auth.Authorization()
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		if got.Username != "" || got.Password != "" {
			text = got.Username + ":" + got.Password
		}
		if text != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, text, tc.want)
		}
	}
}
