package sigstore

import "context"

// KMSKey returns the key that a sigstore-kms-NAME program keeps under uri,
// NAME://….
func KMSKey(ctx context.Context, uri string) (*Key, error) { return nil, errNoKey }
