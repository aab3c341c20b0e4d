package sigstack

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"syscall"
)

// Ports below those that systems give to whoever asks for any port (from 32768
// on Linux, from 49152 elsewhere). Otherwise somebody might get the port of a
// service while it is down.
const (
	firstPort = 20000
	lastPort  = 32767
)

// A portRange gives out ports of loopback, each of them once.
type portRange struct {
	mu    sync.Mutex
	given map[int]bool
}

// listen listens on a port that was not given out before.
func (r *portRange) listen() (net.Listener, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.given == nil {
		r.given = map[int]bool{}
	}
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort+1) //nolint:gosec // not a secret
		if r.given[port] {
			continue
		}
		r.given[port] = true
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))) //nolint:noctx // it listens at once, or not
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) {
			return l, err
		}
	}
	return nil, fmt.Errorf("no port from %d to %d was found that is free", firstPort, lastPort)
}

// freed returns ports for others to listen on.
func (r *portRange) freed(n int) ([]string, error) {
	ports := make([]string, n)
	for i := range ports {
		l, err := r.listen()
		if err != nil {
			return nil, err
		}
		if _, ports[i], err = net.SplitHostPort(l.Addr().String()); err != nil {
			return nil, err
		}
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
	return ports, nil
}
