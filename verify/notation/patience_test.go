package notation

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/notaryproject/notation-core-go/revocation/purpose"

	"github.com/boltseal/boltseal/internal/notationtest"
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
