package dct

import (
	"errors"

	"github.com/theupdateframework/notary/trustmanager"
	"github.com/theupdateframework/notary/tuf/data"
	"github.com/theupdateframework/notary/tuf/signed"
)

// A keyring is the one Key, as the library asks for keys. It makes none, takes
// none and forgets none.
type keyring struct{ key *Key }

var _ signed.CryptoService = keyring{}

var errOneKey = errors.New("there is one key, and no other is made or kept")

func (r keyring) GetPrivateKey(id string) (data.PrivateKey, data.RoleName, error) {
	if id == "" || id != r.key.ID() {
		return nil, "", trustmanager.ErrKeyNotFound{KeyID: id}
	}
	return r.key.private, data.RoleName(r.key.role), nil
}

func (r keyring) GetKey(id string) data.PublicKey {
	if id == "" || id != r.key.ID() {
		return nil
	}
	return data.PublicKeyFromPrivate(r.key.private)
}

func (r keyring) ListKeys(role data.RoleName) []string {
	if role != data.RoleName(r.key.role) {
		return nil
	}
	return []string{r.key.ID()}
}

func (r keyring) ListAllKeys() map[string]data.RoleName {
	return map[string]data.RoleName{r.key.ID(): data.RoleName(r.key.role)}
}

func (keyring) Create(data.RoleName, data.GUN, string) (data.PublicKey, error) {
	return nil, errOneKey
}

func (keyring) AddKey(data.RoleName, data.GUN, data.PrivateKey) error { return errOneKey }

func (keyring) RemoveKey(string) error { return errOneKey }
