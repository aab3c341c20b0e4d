package policy

import "github.com/boltseal/boltseal/internal/yamlshape"

// An Error is why there is no policy: everything that is wrong with its text.
type Error struct{ yamlshape.Refusal }
