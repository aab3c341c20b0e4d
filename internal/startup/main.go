// Command startup imports what every Sigstore verifier must, and does nothing.
// The gate starts it beside boltseal, whose own start may take only so much
// longer.
package main

import (
	_ "github.com/sigstore/sigstore-go/pkg/bundle" // linked for their start-up cost
	_ "github.com/sigstore/sigstore-go/pkg/root"
	_ "github.com/sigstore/sigstore-go/pkg/verify"
)

func main() {}
