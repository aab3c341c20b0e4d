package dct

import (
	"io"
	"sync"

	"github.com/sirupsen/logrus"
)

// quiet keeps the client's messages to itself: it writes them to the logger that
// all of a process shares, on stderr, with text of the server in them. What they
// say is found out here again.
var quiet = sync.OnceFunc(func() { logrus.SetOutput(io.Discard) })
