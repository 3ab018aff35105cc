package gateway

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fairwayhq/fairway/catalog"
)

// rootKey reads the folder's root key, or makes one on the first start. Losing it
// costs only that public keys are minted anew.
func rootKey(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		key = make([]byte, 32)
		_, _ = rand.Read(key)
		if err := writeDurably(path, key); err != nil {
			return nil, fmt.Errorf("writing root key: %w", err)
		}
		return key, nil
	case err != nil:
		return nil, fmt.Errorf("reading root key: %w", err)
	case len(key) != 32:
		return nil, fmt.Errorf("reading root key: %s has %d bytes, 32 are expected: restore it, or delete it to make a new one", path, len(key))
	}
	return key, nil
}

// openCatalog opens a folder's catalog, and makes one where none was ever. It refuses
// a folder whose catalog went missing: the root key is made after it, so one without
// the other is a folder that was in use. Begun anew, it would know none of the names
// that must never be asked of an upstream.
func openCatalog(path, root string, o catalog.Options) (*catalog.Store, error) {
	_, err := os.Stat(root)
	o.Existing = err == nil
	cat, err := catalog.Open(path, o)
	if errors.Is(err, catalog.ErrMissing) {
		return nil, fmt.Errorf("%w, though %s shows that it was there: restore it, or delete both to begin anew", err, filepath.Base(root))
	}
	return cat, err
}

// writeDurably makes a file that is there whole or not at all, whatever a power cut
// does.
func writeDurably(path string, data []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp)
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
