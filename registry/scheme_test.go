package registry_test

import (
	"errors"
	"net/url"
	"testing"

	"github.com/boltseal/boltseal/registry"
)

// Only this machine, and hosts that are named for it, are spoken to in plain
// http: a private address may be anybody's on the way.
func TestScheme(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"127.0.0.1:1": "http", "localhost:1": "http", "reg.localhost:1": "http", "[::1]:1": "http", "named.example:1": "http",
		"10.1.2.3:1": "https", "172.16.0.1:1": "https", "192.168.1.1:1": "https", "reg.local:1": "https", "ghcr.io": "https",
		"localhost.example": "https", "127.0.0.1.example": "https",
	} {
		var asked string
		c, _ := client(registry.Options{Insecure: []string{"named.example:1"}, Proxy: func(u *url.URL) (*url.URL, error) {
			asked = u.Scheme
			return nil, errors.New("no network in tests")
		}})
		if _, err := c.Manifest(t.Context(), ref(t, host+"/team/app:v1"), "v1"); err == nil {
			t.Errorf("%s answered", host)
		}
		if asked != want {
			t.Errorf("%s is asked over %q, want %q", host, asked, want)
		}
	}
}
