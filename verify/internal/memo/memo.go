// Package memo remembers answers, so that several requirements of one image
// share them.
package memo

import "sync"

// A Memo keeps the values of the newest keys. It may be used by several
// goroutines.
type Memo[T any] struct {
	keep int

	mu    sync.Mutex
	known map[string]*T
	order []string // keys of known, oldest first
}

// New returns a Memo of at most keep values.
func New[T any](keep int) *Memo[T] {
	return &Memo[T]{keep: keep, known: map[string]*T{}}
}

// At returns the value of key, a new one if none is kept.
func (m *Memo[T]) At(key string) *T {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.known[key]
	if !ok {
		v = new(T)
		m.known[key] = v
		m.order = append(m.order, key)
		if len(m.order) > m.keep {
			delete(m.known, m.order[0])
			m.order = m.order[1:]
		}
	}
	return v
}

// Forget drops the value of key.
func (m *Memo[T]) Forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, key)
}
