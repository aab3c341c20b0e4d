package dcttest_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/theupdateframework/notary/client"
	"github.com/theupdateframework/notary/storage"
	"github.com/theupdateframework/notary/tuf/validation"

	"github.com/boltseal/boltseal/internal/dcttest"
)

func serve(t *testing.T, o dcttest.ServerOptions, c ...*dcttest.Collection) *dcttest.Server {
	t.Helper()
	s, err := dcttest.Serve(o, c...)
	must(t, err)
	t.Cleanup(s.Down)
	return s
}

// library is the library's own view of a server.
func library(t *testing.T, s *dcttest.Server) storage.RemoteStore {
	t.Helper()
	transport := &http.Transport{}
	if s.CA != nil {
		pool := x509.NewCertPool()
		pool.AddCert(s.CA)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	t.Cleanup(transport.CloseIdleConnections)
	remote, err := storage.NewNotaryServerStore(s.URL(), gun, transport)
	must(t, err)
	return remote
}

func tag(t *testing.T, remote storage.RemoteStore, c *dcttest.Collection, name string) error {
	t.Helper()
	repo, _, err := client.LoadTUFRepo(client.TUFLoadOptions{GUN: gun, TrustPinning: pinned(c.RootID()), Cache: empty(), RemoteStore: remote})
	if err != nil {
		return err
	}
	_, err = client.NewReadOnly(repo).GetTargetByName(name, dcttest.Releases)
	return err
}

// TestServer publishes with the library's own client, and reads it back.
func TestServer(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{false, true} {
		t.Run(fmt.Sprintf("own snapshot %v", own), func(t *testing.T) {
			t.Parallel()
			c := collection(t, dcttest.Options{OwnSnapshot: own})
			must(t, c.Sign("1.0", digest("1.0"), "alice"))
			s := serve(t, dcttest.ServerOptions{TLS: true}, c)
			remote := library(t, s)
			must(t, tag(t, remote, c, "1.0"))

			mine := c.Clone()
			must(t, mine.AddTarget(dcttest.Releases, "2.0", digest("2.0"), 7))
			files := map[string][]byte{dcttest.Releases: mine.File(dcttest.Releases)}
			err := remote.SetMulti(files)
			if own {
				if !is[validation.ErrBadHierarchy](err) {
					t.Fatal(err)
				}
				files[dcttest.Snapshot] = mine.File(dcttest.Snapshot)
				err = remote.SetMulti(files)
			}
			must(t, err)
			must(t, tag(t, remote, c, "2.0"))
			if err := remote.SetMulti(files); err == nil {
				t.Error("the same version twice")
			}
			stranger := c.Clone()
			must(t, stranger.SignByAnother(dcttest.Releases))
			if err := remote.SetMulti(map[string][]byte{dcttest.Releases: stranger.File(dcttest.Releases)}); err == nil {
				t.Error("published with a key that nobody named")
			}
			must(t, c.AddTarget(dcttest.Releases, "3.0", digest("3.0"), 7)) // goes on from there
			must(t, tag(t, remote, c, "3.0"))
			must(t, tag(t, remote, c, "2.0"))
			if _, err := remote.GetSized("targets/bob", 100); !is[storage.ErrMetaNotFound](err) {
				t.Error(err)
			}
		})
	}
}

func TestServerTokens(t *testing.T) {
	t.Parallel()
	c := collection(t, dcttest.Options{})
	s := serve(t, dcttest.ServerOptions{Tokens: true, User: "eve", Password: "secret"}, c)
	type answer struct {
		status    int
		challenge string
		body      []byte
	}
	get := func(path, authorization string) answer {
		t.Helper()
		method := http.MethodGet
		if strings.HasSuffix(path, "/") && path != "/v2/" {
			method = http.MethodPost
		}
		r, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, http.NoBody)
		must(t, err)
		r.Header.Set("Authorization", authorization)
		resp, err := http.DefaultClient.Do(r)
		must(t, err)
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		must(t, err)
		return answer{resp.StatusCode, resp.Header.Get("WWW-Authenticate"), b}
	}
	for path, scope := range map[string]string{
		"/v2/":                                 "registry:catalog:*",
		"/v2/" + gun + "/_trust/tuf/root.json": "repository:" + gun + ":pull",
		"/v2/" + gun + "/_trust/tuf/":          "repository:" + gun + ":push,pull",
	} {
		resp := get(path, "")
		want := fmt.Sprintf(`Bearer realm="%s/token",service="notary",scope="%s"`, s.URL(), scope)
		if resp.status != http.StatusUnauthorized || resp.challenge != want {
			t.Error(path, resp.status, resp.challenge)
		}
	}
	token := "/token?service=notary&scope=repository:" + gun + ":pull"
	if resp := get(token, "Basic ZXZlOndyb25n"); resp.status != http.StatusUnauthorized {
		t.Error(resp.status)
	}
	var granted struct{ Token string }
	must(t, json.Unmarshal(get(token, "Basic ZXZlOnNlY3JldA==").body, &granted))
	resp := get("/v2/"+gun+"/_trust/tuf/root.json", "Bearer "+granted.Token)
	if string(resp.body) != string(c.File("root")) {
		t.Error(resp.status)
	}
	if resp := get("/v2/other/_trust/tuf/root.json", "Bearer "+granted.Token); resp.status != http.StatusUnauthorized {
		t.Error(resp.status)
	}
	if got := len(s.Requests()); got != 7 {
		t.Error(got)
	}
}
