package yamlshape

import "github.com/boltseal/boltseal/image"

// A Raw is a node that is read later, by whoever knows its shape.
type Raw struct {
	At image.Position
}
