package dcttest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/theupdateframework/notary/tuf/validation"

	"github.com/boltseal/boltseal/internal/pkitest"
	"github.com/boltseal/boltseal/internal/servicetest"
)

// ServerOptions say how a Server behaves. The zero ServerOptions make one that
// speaks plain HTTP with anybody.
type ServerOptions struct {
	// TLS makes it speak HTTPS only, with a certificate of Server.CA.
	TLS bool
	// Tokens makes it ask for a token, which its own token service gives to
	// anybody, or to the user.
	Tokens bool
	// User and Password, if set, are what a token (with Tokens) or each request
	// (without) costs.
	User, Password string
	// NoPush gives tokens for reading only, whatever is asked for.
	NoPush bool
}

// A Server is a Notary server (v1) on loopback, with its token service below
// /token. It may be used from several goroutines at once.
type Server struct {
	*servicetest.Service
	// CA issued the certificate of a server that speaks HTTPS.
	CA *x509.Certificate

	o ServerOptions

	mu  sync.Mutex
	all map[string]*Collection
}

// Serve starts a server. Down ends it.
func Serve(o ServerOptions, collections ...*Collection) (*Server, error) {
	s := &Server{o: o, all: map[string]*Collection{}}
	for _, c := range collections {
		s.all[c.GUN()] = c
	}
	handler := http.HandlerFunc(s.serve)
	var err error
	if !o.TLS {
		s.Service, err = servicetest.Start(handler)
		return s, err
	}
	var pair tls.Certificate
	if s.CA, pair, err = serverCertificate(); err != nil {
		return nil, err
	}
	s.Service, err = servicetest.StartTLS(handler, pair)
	return s, err
}

func serverCertificate() (*x509.Certificate, tls.Certificate, error) {
	var keys [2]*ecdsa.PrivateKey
	for i := range keys {
		var err error
		if keys[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, tls.Certificate{}, err
		}
	}
	now := time.Now()
	root := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Acme server CA"}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	ca, err := pkitest.Issue(root, root, keys[0].Public(), keys[0])
	if err != nil {
		return nil, tls.Certificate{}, err
	}
	leaf, err := pkitest.Issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "notary"}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}, ca, keys[1].Public(), keys[0])
	if err != nil {
		return nil, tls.Certificate{}, err
	}
	return ca, tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: keys[1]}, nil
}

// Put replaces the collection of that name. With another one's trust data it is
// a server that has been taken over.
func (s *Server) Put(gun string, c *Collection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[gun] = c
}

func (s *Server) collection(gun string) *Collection {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[gun]
}

// serve answers below /v2/<gun>/_trust/tuf/, and /token.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		s.token(w, r)
		return
	}
	gun, file, found := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/_trust/tuf/")
	if !s.authorized(w, r, gun, found) {
		return
	}
	switch {
	case r.URL.Path == "/v2/":
		_, _ = io.WriteString(w, "{}")
		return
	case found && file == "" && r.Method == http.MethodPost:
		s.post(w, r, s.collection(gun))
		return
	case found && r.Method == http.MethodGet:
		if c := s.collection(gun); c != nil {
			if b := c.served(file); b != nil {
				w.Header().Set("Content-Type", "text/plain; charset=utf-8") // as Go finds out; the real one says nothing
				_, _ = w.Write(b)
				return
			}
		}
	}
	refuse(w, http.StatusNotFound, "METADATA_NOT_FOUND", "You have requested metadata that does not exist.", nil)
}

// served returns what is at a path below _trust/tuf/.
func (c *Collection) served(file string) []byte {
	if role, ok := strings.CutSuffix(file, ".key"); ok && (role == Timestamp || role == Snapshot) {
		b, _ := json.Marshal(c.Key(role).Public) // a key of the library's
		return b
	}
	if name, ok := strings.CutSuffix(file, ".json"); ok {
		return c.File(name)
	}
	return nil
}

func refuse(w http.ResponseWriter, status int, code, message string, detail any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]any{{"code": code, "message": message, "detail": detail}}})
}

// scope returns what a token has to be for. Notary asks for a catalogue where
// there is no collection.
func scope(r *http.Request, gun string, found bool) string {
	switch {
	case !found:
		return "registry:catalog:*"
	case r.Method == http.MethodGet:
		return "repository:" + gun + ":pull"
	}
	return "repository:" + gun + ":push,pull"
}

func (s *Server) authorized(w http.ResponseWriter, r *http.Request, gun string, found bool) bool {
	switch {
	case s.o.Tokens:
		want := scope(r, gun, found)
		sent, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer for ")
		sent = strings.ReplaceAll(sent, "pull,push", "push,pull") // which is the same
		if ok && (sent == want || strings.ReplaceAll(sent, "push,pull", "pull") == want) {
			return true
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="notary",scope="%s"`, s.URL(), want))
	case s.o.User != "":
		if s.user(r) {
			return true
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="notary"`)
	default:
		return true
	}
	refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required", nil)
	return false
}

func (s *Server) user(r *http.Request) bool {
	user, password, _ := r.BasicAuth()
	return user == s.o.User && password == s.o.Password
}

// token gives anybody, or the user, a token for the scope that was asked for.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if s.o.User != "" && !s.user(r) {
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "incorrect username or password", nil)
		return
	}
	granted := r.URL.Query().Get("scope")
	if s.o.NoPush {
		granted = strings.NewReplacer("push,pull", "pull", "pull,push", "pull").Replace(granted)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"token": "for " + granted})
}

// post takes in what was published, as notary-server does.
func (s *Server) post(w http.ResponseWriter, r *http.Request, c *Collection) {
	files, err := upload(r)
	if err == nil && c == nil {
		err = validation.ErrValidation{Msg: "no pre-existing root and no root provided in update."}
	}
	if err == nil {
		err = c.Accept(files)
	}
	switch {
	case err == nil:
	case errors.Is(err, errOldVersion):
		refuse(w, http.StatusBadRequest, "VERSION", "A newer version of metadata is already available.", nil)
	default:
		detail, err := validation.NewSerializableError(err)
		if err != nil {
			detail = nil
		}
		refuse(w, http.StatusBadRequest, "INVALID_UPDATE", "Update sent by the client is invalid.", detail)
	}
}

// upload returns the files of a request by the names of their roles.
func upload(r *http.Request) (map[string][]byte, error) {
	reader, err := r.MultipartReader()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		// Part.FileName would cut targets/alice down to alice.
		_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if _, err := b.ReadFrom(part); err != nil {
			return nil, err
		}
		role := strings.TrimSuffix(params["filename"], ".json")
		if path.Clean(role) != role || role == "." {
			return nil, validation.ErrValidation{Msg: "no role is named " + role}
		}
		files[role] = b.Bytes()
	}
}
