package dcttest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/boltseal/boltseal/registry"
)

// A Fault is what goes wrong with a file in a Store. The zero Fault changes
// nothing.
type Fault struct {
	File  string // whose name begins so; "" for any
	Times int    // how many requests; 0 for all

	Err    error               // answer this instead
	Body   []byte              // answer this instead
	Change func([]byte) []byte // change the true answer
}

// A Store has collections in memory. It may be used from several goroutines at
// once.
type Store struct {
	mu     sync.Mutex
	all    map[string]*Collection
	faults []*Fault
	seen   []string
}

// NewStore returns a Store with collections.
func NewStore(collections ...*Collection) *Store {
	s := &Store{all: map[string]*Collection{}}
	for _, c := range collections {
		s.all[c.GUN()] = c
	}
	return s
}

// Put replaces the collection of that name. With another one's trust data it is
// a server that has been taken over.
func (s *Store) Put(gun string, c *Collection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[gun] = c
}

// Break adds a fault. Of several that fit a request the first counts.
func (s *Store) Break(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// Reset forgets the requests and takes the faults away.
func (s *Store) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.seen = nil, nil
}

// Requests returns the files that were asked for since the last Reset, in order,
// without their digests: "root", "targets/alice".
func (s *Store) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// TrustData implements dct.Store. What it does not have it answers as
// registry.Client does.
func (s *Store) TrustData(ctx context.Context, server registry.TrustServer, gun, file string, limit int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name, _, _ := strings.Cut(file, ".")
	if name == "" || strings.Trim(name, "0123456789") == "" {
		name = file // such as 1.root
	}
	s.seen = append(s.seen, name)
	f := s.fault(file)
	op := fmt.Sprintf("get trust data %s of %s from %s", file, gun, server)
	switch {
	case f.Err != nil:
		return nil, f.Err
	case f.Body != nil:
		return slices.Clone(f.Body), nil
	}
	var b []byte
	if c := s.all[gun]; c != nil {
		b = c.File(file)
	}
	if b == nil {
		return nil, &registry.Error{Op: op, Kind: registry.ErrNotFound, Status: http.StatusNotFound}
	}
	if f.Change != nil {
		b = f.Change(b)
	}
	if int64(len(b)) > limit {
		return nil, &registry.Error{Op: op, Kind: registry.ErrUnavailable, Err: registry.ErrTooLarge}
	}
	return b, nil
}

func (s *Store) fault(file string) Fault {
	for i, f := range s.faults {
		if !strings.HasPrefix(file, f.File) {
			continue
		}
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
		}
		return *f
	}
	return Fault{}
}
