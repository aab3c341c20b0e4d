package notation

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/notaryproject/notation-core-go/revocation/purpose"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/notationtest"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/verify"
)

// mute is a server that never answers, by any name.
func mute(asked *atomic.Int32) *Asker {
	return newAsker(roundTrip(func(r *http.Request) (*http.Response, error) {
		asked.Add(1)
		<-r.Context().Done()
		return nil, r.Context().Err()
	}), "x")
}

// A server is waited for once in a run, whatever it is asked for.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		a := mute(&asked)
		began := time.Now()
		for i := range 3 {
			chain := chainOf(t, notationtest.AuthorityOptions{OCSPServers: []string{"http://mute.test/a", "http://mute.test/b"}, CRLServers: []string{fmt.Sprintf("http://mute.test/%d", i)}})
			results, err := a.ask(t.Context(), purpose.CodeSigning, chain, time.Time{})
			if err != nil || statuses(results) != "Unknown NonRevokable" || !strings.Contains(whyUnknown(results), `"mute.test" has not answered`) {
				t.Errorf("%s, %v: %s", statuses(results), err, whyUnknown(results))
			}
		}
		if took := time.Since(began); took != revocationTimeout || asked.Load() != 1 {
			t.Errorf("%d requests in %v", asked.Load(), took)
		}
	})
}

// Many servers are not waited for one after the other without end.
func TestPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		a := mute(&asked)
		ctx := patient(t.Context())
		began := time.Now()
		for i := range 10 {
			chain := chainOf(t, notationtest.AuthorityOptions{OCSPServers: []string{fmt.Sprintf("http://mute%d.test/", i), fmt.Sprintf("http://mute%d.example/", i)}})
			results, err := a.ask(ctx, purpose.CodeSigning, chain, time.Time{})
			if err != nil || statuses(results) != "Unknown NonRevokable" {
				t.Errorf("%s, %v", statuses(results), err)
			}
			if i == 9 && !strings.Contains(whyUnknown(results), errPatience.Error()) {
				t.Error(whyUnknown(results))
			}
		}
		if took := time.Since(began); took != maxPatience {
			t.Errorf("waited for %v", took)
		}
		time.Sleep(revocationTimeout) // what was under way ends, in the time of the bubble
	})
}

// A shelf is a Store without a network: what lies on it, by digest, and the
// referrers of everything.
type shelf struct {
	bodies    map[string][]byte
	referrers []ocispec.Descriptor
}

func (s *shelf) put(mediaType string, body []byte) ocispec.Descriptor {
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(body), Size: int64(len(body))}
	s.bodies[d.Digest.String()] = body
	return d
}

func (s *shelf) Manifest(_ context.Context, _ image.Ref, reference string) (registry.Manifest, error) {
	return registry.Manifest{Digest: reference, MediaType: ocispec.MediaTypeImageManifest, Body: s.bodies[reference]}, nil
}

func (s *shelf) Referrers(context.Context, image.Ref, string) ([]ocispec.Descriptor, error) {
	return s.referrers, nil
}

func (s *shelf) Blob(_ context.Context, _ image.Ref, d ocispec.Descriptor) ([]byte, error) {
	return s.bodies[d.Digest.String()], nil
}

func (s *shelf) Describe(_ context.Context, img image.Pinned) (image.Pinned, error) {
	return img.Described(ocispec.MediaTypeImageManifest, nil).Sized(int64(len(s.bodies[img.Digest()]))), nil
}

// All servers of all signatures of an image share the time for which they are
// waited for, whoever asks for it.
func TestPatienceOfImage(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(*Session, Config, image.Pinned) error{
		"verify": func(s *Session, c Config, img image.Pinned) error {
			v, err := s.Require(c)
			if err != nil {
				return err
			}
			verdict := v.Verify(context.Background(), img)
			if verdict.Reason() != verify.Unavailable || len(verdict.Candidates()) != 8 {
				return fmt.Errorf("%s of %d candidates: %w", verdict.Reason(), len(verdict.Candidates()), verdict.Err())
			}
			return nil
		},
		"made": func(s *Session, c Config, img image.Pinned) error {
			if made, err := s.Made(context.Background(), c, img); err == nil || len(made) > 0 {
				return fmt.Errorf("%d and no error", len(made))
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &shelf{bodies: map[string][]byte{}}
				subject := s.put(ocispec.MediaTypeImageManifest, []byte("{}"))
				anybody, err := ParseIdentity("*")
				if err != nil {
					t.Fatal(err)
				}
				c := Config{Identities: []Identity{anybody}}
				for i := range 8 {
					a, err := notationtest.NewAuthority(notationtest.AuthorityOptions{OCSPServers: []string{fmt.Sprintf("http://mute%d.test/", i)}})
					if err != nil {
						t.Fatal(err)
					}
					envelope, err := a.Sign(subject, notationtest.SignOptions{Envelope: notationtest.JWS})
					if err != nil {
						t.Fatal(err)
					}
					m, err := notationtest.Manifest(subject, envelope, notationtest.JWS)
					if err != nil {
						t.Fatal(err)
					}
					s.put(notationtest.JWS, envelope)
					body, err := json.Marshal(m)
					if err != nil {
						t.Fatal(err)
					}
					s.referrers = append(s.referrers, s.put(ocispec.MediaTypeImageManifest, body))
					c.Certificates = append(c.Certificates, a.Root())
				}
				ref, err := image.Parse("registry.test/app@" + subject.Digest.String())
				if err != nil {
					t.Fatal(err)
				}
				img, err := ref.Pin(subject.Digest.String())
				if err != nil {
					t.Fatal(err)
				}
				var asked atomic.Int32
				began := time.Now()
				if err := ask(NewSession(s, image.Ref{}, mute(&asked)), c, img); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took != maxPatience {
					t.Errorf("waited for %v, and asked %d servers", took, asked.Load())
				}
				time.Sleep(revocationTimeout) // what was under way ends, in the time of the bubble
			})
		})
	}
}
