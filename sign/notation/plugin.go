package notation

import (
	"context"
	"errors"
)

// PluginOptions say which program keeps a key.
type PluginOptions struct {
	Path   string // of the program; its file is called notation-NAME
	SHA256 string // of the program, 64 hex digits
	KeyID  string
	// Config is the plugin's own. None of its values is in an error.
	Config map[string]string
	// Chain is the certificate chain of the key, PEM, signing certificate first. If
	// it is empty, the plugin is asked for it with one signature of nothing.
	Chain []byte
}

// OpenPlugin returns the key that a Notation plugin keeps.
func OpenPlugin(ctx context.Context, o PluginOptions) (*Key, error) {
	return nil, errors.New("signing with Notation is not there yet")
}
