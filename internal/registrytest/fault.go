package registrytest

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"
)

// A Fault makes the registry misbehave on some requests.
type Fault struct {
	Method string // such as "PUT"; "" is every one
	Path   string // part of the request's path, such as "/referrers/", or its end if it ends in "$"; "" is every one
	Times  int    // how often; 0 is always
	Skip   int    // how many such requests are answered well before

	Before     func()        // is called before anything else
	Status     int           // answer with this status instead
	RetryAfter string        // header to go with it
	Detail     string        // error body to go with it
	Hang       time.Duration // wait before the answer, or until the client gives up
	Reset      bool          // do what is asked, and close the connection in the middle of the answer
	Truncate   int           // leave out this many bytes, while announcing all of them
	Redirect   string        // answer 307 with this Location
	Header     map[string]string
	Body       func([]byte) []byte // what to send instead of the body
}

// Break adds a fault. Of several that fit a request, the first takes effect.
func (r *Registry) Break(f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, &f)
}

// fault returns the fault that takes effect on req. r.mu is held.
func (r *Registry) fault(req *http.Request) *Fault {
	for _, f := range r.faults {
		if f.Method != "" && f.Method != req.Method || !f.fits(req.URL.Path) || f.Times < 0 {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				f.Times = -1
			}
		}
		return f
	}
	return nil
}

func (f *Fault) fits(path string) bool {
	if end, ok := strings.CutSuffix(f.Path, "$"); ok {
		return strings.HasSuffix(path, end)
	}
	return strings.Contains(path, f.Path)
}

// before gives the whole answer, and reports so, where the fault does.
func (f *Fault) before(req *http.Request, w http.ResponseWriter) bool {
	if f.Before != nil {
		f.Before()
	}
	if f.Hang > 0 {
		// The server sees that the client gave up only once the body is read.
		body, err := io.ReadAll(req.Body)
		if err == nil {
			req.Body = io.NopCloser(bytes.NewReader(body))
		}
		select {
		case <-req.Context().Done():
		case <-time.After(f.Hang):
		}
	}
	if f.Status == 0 && f.Redirect == "" {
		return false
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	if f.Redirect != "" {
		to := f.Redirect
		if prefix, ok := strings.CutSuffix(to, "="); ok {
			to = prefix + req.URL.RequestURI()
		}
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusTemporaryRedirect)
		return true
	}
	w.WriteHeader(f.Status)
	_, _ = w.Write([]byte(f.Detail))
	return true
}

// after changes the body of an answer that was good.
func (f *Fault) after(w http.ResponseWriter, body []byte) []byte {
	for k, v := range f.Header {
		w.Header().Set(k, v)
	}
	if f.Body != nil {
		body = f.Body(body)
		w.Header().Del("Content-Length")
	}
	if f.Truncate > 0 && f.Truncate <= len(body) {
		w.Header().Set("Content-Length", itoa(len(body)))
		body = body[:len(body)-f.Truncate]
	}
	if f.Reset {
		w.Header().Set("Content-Length", itoa(len(body)))
		body = body[:len(body)/2]
	}
	return body
}
