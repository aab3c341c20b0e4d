// Package notation verifies signatures of the Notary Project (Notary v2): JWS and
// COSE envelopes that refer to an image.
package notation

import (
	_ "github.com/notaryproject/notation-core-go/signature"
	_ "github.com/notaryproject/notation-go/verifier"
	_ "github.com/notaryproject/notation-plugin-framework-go/plugin"
	_ "github.com/notaryproject/tspclient-go"
)

// System is the name of this system in evidence and reports.
const System = "notation"
