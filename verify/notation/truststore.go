package notation

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/internal/certfile"
)

const (
	// maxStoreFiles bounds the files of one trust store.
	maxStoreFiles = 256
	// maxStored bounds the certificates of all trust stores that one trust policy
	// names.
	maxStored = 4096
)

// The types of trust stores (Notary Project, trust-store-trust-policy.md).
const (
	storeCA               = "ca"
	storeSigningAuthority = "signingAuthority"
	storeTSA              = "tsa"
)

// directory reads trust stores as Notation keeps them:
// x509/TYPE/NAME/FILE.
type directory struct {
	fsys   fs.ReadLinkFS
	x509   string // the directory of the types
	read   map[string][]*x509.Certificate
	stored int
}

// openStores finds the directory x509: in root, in its truststore, or root
// itself.
func openStores(fsys fs.FS) (*directory, error) {
	root, ok := fsys.(fs.ReadLinkFS)
	if !ok { // fs.Lstat would follow links
		return nil, &verify.Error{Op: "read trust stores", Hint: "give the files of os.Root or os.DirFS", Err: fmt.Errorf("%T does not tell symbolic links from files", fsys)}
	}
	isDir := func(name string) bool {
		info, err := fs.Stat(root, name)
		return err == nil && info.IsDir()
	}
	var found []string
	for _, name := range []string{"x509", "truststore/x509"} {
		if isDir(name) {
			found = append(found, name)
		}
	}
	if slices.ContainsFunc([]string{storeCA, storeSigningAuthority, storeTSA}, isDir) {
		found = append(found, ".")
	}
	const hint = "give the directory that has x509/ca/NAME in it, or truststore/x509/ca/NAME, or the directory x509 itself"
	switch len(found) {
	case 0:
		return nil, &verify.Error{Op: "read trust stores", Hint: hint, Err: errors.New("there is no directory x509, and none of ca, signingAuthority and tsa")}
	case 1:
		return &directory{fsys: root, x509: found[0], read: map[string][]*x509.Certificate{}}, nil
	}
	return nil, &verify.Error{Op: "read trust stores", Hint: "leave one of them, so that it is clear which counts", Err: fmt.Errorf("there are several: %s", strings.Join(found, ", "))}
}

// store returns the certificates of a trust store, named as in a trust policy:
// TYPE:NAME. Its rules are those of notation-go's truststore.GetCertificates:
// files only, each of which holds sound certificates, at least one, and no
// symbolic links, which may lead to what others can write.
func (d *directory) store(named string) ([]*x509.Certificate, error) {
	if certs, ok := d.read[named]; ok {
		return certs, nil
	}
	kind, name, _ := strings.Cut(named, ":")
	dir := path.Join(d.x509, kind, name)
	fault := func(next, format string, args ...any) error {
		return &verify.Error{Op: "read trust store", Hint: next, Err: fmt.Errorf("%s: %w", dir, fmt.Errorf(format, args...))}
	}
	if name == "." || name == ".." { // names to Notation, and elsewhere to the file system
		return nil, fault("give the trust store a name of its own", "%s is no name", quoted(name))
	}
	switch info, err := d.fsys.Lstat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault("put the certificates there, such as "+path.Join(dir, "root.crt")+d.others(), "there is none in the directory of trust stores that was given")
	case err != nil:
		return nil, fault("make it readable", "%w", err)
	case !info.IsDir():
		return nil, fault("make it a directory", "it is no directory; symbolic links are not followed")
	}
	entries, err := list(d.fsys, dir)
	if err != nil {
		return nil, fault("make it readable", "%w", err)
	}
	if len(entries) > maxStoreFiles {
		return nil, fault("put only what is to be trusted there", "it has more than %d files", maxStoreFiles)
	}
	var certs []*x509.Certificate
	for _, e := range entries {
		more, err := readStored(d.fsys, kind, path.Join(dir, e.Name()))
		if err != nil {
			return nil, fault(cmp.Or(verify.Hint(err), "leave only files of certificates there"), "%s: %w", quoted(e.Name()), verify.Cause(err))
		}
		certs = certfile.Union(certs, more)
		if d.stored += len(more); d.stored > maxStored {
			return nil, fault("put only what is to be trusted there", "the trust stores hold more than %d certificates", maxStored)
		}
	}
	if len(certs) == 0 {
		return nil, fault("put the certificates there, such as "+path.Join(dir, "root.crt"), "it is empty")
	}
	d.read[named] = certs
	return certs, nil
}

// others names trust stores that there are, as the rest of a hint.
func (d *directory) others() string {
	const most = 8
	var names []string
	for _, kind := range []string{storeCA, storeSigningAuthority, storeTSA} {
		entries, err := list(d.fsys, path.Join(d.x509, kind))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if e.IsDir() && len(names) < most {
				names = append(names, quoted(kind+":"+e.Name()))
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ", or name a trust store that is there: " + strings.Join(names, ", ")
}

// readStored returns the certificates of one file of a trust store.
func readStored(fsys fs.ReadLinkFS, kind, file string) ([]*x509.Certificate, error) {
	body, err := readRegular(fsys, file)
	if err != nil {
		return nil, err
	}
	if kind == storeTSA {
		return ParseTSACertificates(file, body)
	}
	return ParseCertificates(file, body)
}

// list returns the entries of a directory in the order of their names, and no
// more than one beyond maxStoreFiles.
func list(fsys fs.FS, dir string) ([]fs.DirEntry, error) {
	f, err := fsys.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	d, ok := f.(fs.ReadDirFile)
	if !ok {
		return nil, errors.New("it cannot be listed")
	}
	entries, err := d.ReadDir(maxStoreFiles + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// readRegular returns the content of a file that is neither a directory, a
// symbolic link nor a device, and of at most one byte beyond
// certfile.MaxBytes.
func readRegular(fsys fs.ReadLinkFS, name string) ([]byte, error) {
	regular := func(info fs.FileInfo, err error) error {
		if err == nil && !info.Mode().IsRegular() {
			err = errors.New("it is no regular file; symbolic links are not followed")
		}
		return err
	}
	if err := regular(fsys.Lstat(name)); err != nil { // first: opening a pipe would wait
		return nil, err
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	if err := regular(f.Stat()); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, certfile.MaxBytes+1))
}
