package catalog

import "encoding/json"

// The reads of [Reader] that mutations need, seeing what the mutation did so far.

// Projects is [Reader.Projects].
func (tx *Tx) Projects() ([]*Project, error) { return tx.r.Projects(tx.ctx()) }

// Project is [Reader.Project].
func (tx *Tx) Project(id string) (*Project, error) { return tx.r.Project(tx.ctx(), id) }

// Policies is [Reader.Policies].
func (tx *Tx) Policies() ([]*Policy, error) { return tx.r.Policies(tx.ctx()) }

// Policy is [Reader.Policy].
func (tx *Tx) Policy(id string) (*Policy, error) { return tx.r.Policy(tx.ctx(), id) }

// Keys is [Reader.Keys].
func (tx *Tx) Keys() ([]*Key, error) { return tx.r.Keys(tx.ctx()) }

// Key is [Reader.Key].
func (tx *Tx) Key(id string) (*Key, error) { return tx.r.Key(tx.ctx(), id) }

// KeysNamed is [Reader.KeysNamed].
func (tx *Tx) KeysNamed(name string) ([]*Key, error) { return tx.r.KeysNamed(tx.ctx(), name) }

// Channels is [Reader.Channels].
func (tx *Tx) Channels() ([]*Channel, error) { return tx.r.Channels(tx.ctx()) }

// Channel is [Reader.Channel].
func (tx *Tx) Channel(name string) (*Channel, error) { return tx.r.Channel(tx.ctx(), name) }

// Subdir is [Reader.Subdir].
func (tx *Tx) Subdir(channelID int64, subdir string) (SubdirState, error) {
	if err := tx.flush(); err != nil {
		return SubdirState{}, err
	}
	return tx.r.Subdir(tx.ctx(), channelID, subdir)
}

// Subdirs is [Reader.Subdirs].
func (tx *Tx) Subdirs(channelID int64) ([]*SubdirState, error) {
	if err := tx.flush(); err != nil {
		return nil, err
	}
	return tx.r.Subdirs(tx.ctx(), channelID)
}

// Package is [Reader.Package].
func (tx *Tx) Package(channelID int64, subdir, filename string) (*Package, error) {
	return tx.r.Package(tx.ctx(), channelID, subdir, filename)
}

// PackagesByName is [Reader.PackagesByName].
func (tx *Tx) PackagesByName(channelID int64, subdir, name string) ([]*Package, error) {
	return tx.r.PackagesByName(tx.ctx(), channelID, subdir, name)
}

// Tombstone is [Reader.Tombstone].
func (tx *Tx) Tombstone(channelID int64, subdir, filename string, sha [32]byte) (*Tombstone, error) {
	return tx.r.Tombstone(tx.ctx(), channelID, subdir, filename, sha)
}

// PatchOf is [Reader.PatchOf].
func (tx *Tx) PatchOf(channelID int64, subdir string) (json.RawMessage, error) {
	return tx.r.PatchOf(tx.ctx(), channelID, subdir)
}

// PyName is [Reader.PyName].
func (tx *Tx) PyName(name string) (*PyName, error) {
	if err := tx.flush(); err != nil {
		return nil, err
	}
	return tx.r.PyName(tx.ctx(), name)
}

// PyFiles is [Reader.PyFiles].
func (tx *Tx) PyFiles(name string) ([]*PyFile, error) { return tx.r.PyFiles(tx.ctx(), name) }

// PyFile is [Reader.PyFile].
func (tx *Tx) PyFile(filename string) (*PyFile, error) { return tx.r.PyFile(tx.ctx(), filename) }

// Tombstoned is [Reader.Tombstoned].
func (tx *Tx) Tombstoned(filename string) (*Tombstone, error) {
	return tx.r.Tombstoned(tx.ctx(), filename)
}

// Reserved is [Reader.Reserved].
func (tx *Tx) Reserved() ([]string, error) { return tx.r.Reserved(tx.ctx()) }

// BlobReferenced is [Reader.BlobReferenced].
func (tx *Tx) BlobReferenced(sha [32]byte) (bool, error) { return tx.r.BlobReferenced(tx.ctx(), sha) }

// Setting is [Reader.Setting].
func (tx *Tx) Setting(name string) (string, error) { return tx.r.Setting(tx.ctx(), name) }

// Account is [Reader.Account].
func (tx *Tx) Account() (Account, error) { return tx.r.Account(tx.ctx()) }
