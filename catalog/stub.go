package catalog

import (
	"context"
	"encoding/json"
	"time"
)

type Options struct {
	Now      func() time.Time
	MaxBatch int
	Readers  int
	Crash    func(point string)
}

type Reader struct{}
type Store struct{ Reader }
type Tx struct{}

func Open(path string, o Options) (*Store, error) { panic("") }
func (s *Store) Close() error                     { panic("") }
func (s *Store) Rev() int64                       { panic("") }
func (s *Store) ReadOnly() error                  { panic("") }
func (s *Store) Update(ctx context.Context, by Actor, fn func(tx *Tx) error) (int64, error) {
	panic("")
}
func (s *Store) Subscribe(apply func([]Change))                                       { panic("") }
func (s *Store) TouchKeys(ctx context.Context, at map[string]int64) error             { panic("") }
func (s *Store) SampleAudit(ctx context.Context, row AuditRow) error                  { panic("") }
func (s *Store) PruneAudit(ctx context.Context, before int64) (rows int64, err error) { panic("") }
func (s *Store) Backup(ctx context.Context, path string) error                        { panic("") }
func (s *Store) Check(ctx context.Context) (problems []string, err error)             { panic("") }
func (s *Store) Path() string                                                         { panic("") }
func NewID() string                                                                   { panic("") }

// Reads of the Store (promoted from Reader).
func (r *Reader) ChangesSince(ctx context.Context, rev int64, kind Kind, parent string) (ids []string, complete bool, err error) {
	panic("")
}
func (r *Reader) Account(ctx context.Context) (Account, error)                        { panic("") }
func (r *Reader) Projects(ctx context.Context) ([]*Project, error)                    { panic("") }
func (r *Reader) Project(ctx context.Context, id string) (*Project, error)            { panic("") }
func (r *Reader) Policies(ctx context.Context) ([]*Policy, error)                     { panic("") }
func (r *Reader) Policy(ctx context.Context, id string) (*Policy, error)              { panic("") }
func (r *Reader) Keys(ctx context.Context) ([]*Key, error)                            { panic("") }
func (r *Reader) Key(ctx context.Context, id string) (*Key, error)                    { panic("") }
func (r *Reader) Channels(ctx context.Context) ([]*Channel, error)                    { panic("") }
func (r *Reader) Channel(ctx context.Context, name string) (*Channel, error)          { panic("") }
func (r *Reader) Subdirs(ctx context.Context, channelID int64) ([]SubdirState, error) { panic("") }

// Subdir is zero but for its name where nothing was ever published.
func (r *Reader) Subdir(ctx context.Context, channelID int64, subdir string) (SubdirState, error) {
	panic("")
}
func (r *Reader) Package(ctx context.Context, channelID int64, subdir, filename string) (*Package, error) {
	panic("")
}

// PackagesByName: subdir "" means every subdir. Yanked ones included.
func (r *Reader) PackagesByName(ctx context.Context, channelID int64, subdir, name string) ([]*Package, error) {
	panic("")
}
func (r *Reader) EntriesByName(ctx context.Context, channelID int64, subdir, name string) ([]*Entry, error) {
	panic("")
}
func (r *Reader) EachPackage(ctx context.Context, channelID int64, subdir string, fn func(*Package) error) error {
	panic("")
}
func (r *Reader) EachEntry(ctx context.Context, channelID int64, subdir string, fn func(*Entry) error) error {
	panic("")
}
func (r *Reader) SearchPackages(ctx context.Context, channelID int64, s Search) (names []NameSummary, total int, err error) {
	panic("")
}
func (r *Reader) Tombstone(ctx context.Context, channelID int64, subdir, filename string, sha [32]byte) (*Tombstone, error) {
	panic("")
}
func (r *Reader) PatchOf(ctx context.Context, channelID int64, subdir string) (json.RawMessage, error) {
	panic("")
}                                                                                     // nil, nil for none
func (r *Reader) PyNames(ctx context.Context) ([]*PyName, error)                      { panic("") }
func (r *Reader) PyName(ctx context.Context, name string) (*PyName, error)            { panic("") }
func (r *Reader) PyFiles(ctx context.Context, name string) ([]*PyFile, error)         { panic("") } // without Metadata, Provenance
func (r *Reader) PyFile(ctx context.Context, filename string) (*PyFile, error)        { panic("") }
func (r *Reader) EachPyFile(ctx context.Context, fn func(*PyFile) error) error        { panic("") } // without Metadata, Provenance
func (r *Reader) Tombstoned(ctx context.Context, filename string) (*Tombstone, error) { panic("") } // Python file names
func (r *Reader) Reserved(ctx context.Context) ([]string, error)                      { panic("") }
func (r *Reader) AuditRows(ctx context.Context, f AuditFilter) ([]AuditRow, error)    { panic("") }
func (r *Reader) BlobReferenced(ctx context.Context, sha [32]byte) (bool, error)      { panic("") }
func (r *Reader) EachBlob(ctx context.Context, fn func(Blob) error) error             { panic("") }
func (r *Reader) Setting(ctx context.Context, key string) (string, error)             { panic("") } // "" for none

// Reads inside a transaction: the same without a context.
func (tx *Tx) Project(id string) (*Project, error)                                     { panic("") }
func (tx *Tx) Projects() ([]*Project, error)                                           { panic("") }
func (tx *Tx) Policy(id string) (*Policy, error)                                       { panic("") }
func (tx *Tx) Policies() ([]*Policy, error)                                            { panic("") }
func (tx *Tx) Key(id string) (*Key, error)                                             { panic("") }
func (tx *Tx) Keys() ([]*Key, error)                                                   { panic("") }
func (tx *Tx) Channel(name string) (*Channel, error)                                   { panic("") }
func (tx *Tx) Channels() ([]*Channel, error)                                           { panic("") }
func (tx *Tx) Subdir(channelID int64, subdir string) (SubdirState, error)              { panic("") }
func (tx *Tx) Package(channelID int64, subdir, filename string) (*Package, error)      { panic("") }
func (tx *Tx) PackagesByName(channelID int64, subdir, name string) ([]*Package, error) { panic("") }
func (tx *Tx) Tombstone(channelID int64, subdir, filename string, sha [32]byte) (*Tombstone, error) {
	panic("")
}
func (tx *Tx) PatchOf(channelID int64, subdir string) (json.RawMessage, error) { panic("") }
func (tx *Tx) PyName(name string) (*PyName, error)                             { panic("") }
func (tx *Tx) PyFiles(name string) ([]*PyFile, error)                          { panic("") }
func (tx *Tx) PyFile(filename string) (*PyFile, error)                         { panic("") }
func (tx *Tx) Tombstoned(filename string) (*Tombstone, error)                  { panic("") }
func (tx *Tx) Reserved() ([]string, error)                                     { panic("") }
func (tx *Tx) BlobReferenced(sha [32]byte) (bool, error)                       { panic("") }
func (tx *Tx) Setting(key string) (string, error)                              { panic("") }
func (tx *Tx) Account() (Account, error)                                       { panic("") }

func (tx *Tx) Rev() int64                                                 { panic("") } // revision this mutation will have
func (tx *Tx) Now() int64                                                 { panic("") } // ms
func (tx *Tx) Actor() Actor                                               { panic("") }
func (tx *Tx) Audit(action, kind, target string, before, after any) error { panic("") }

// Inserts fill CreatedAt/UpdatedAt where 0; updates set UpdatedAt.
func (tx *Tx) InsertProject(p *Project) error                                       { panic("") }
func (tx *Tx) UpdateProject(p *Project) error                                       { panic("") }
func (tx *Tx) DeleteProject(id string) error                                        { panic("") } // ErrConflict while it owns anything
func (tx *Tx) InsertPolicy(p *Policy) error                                         { panic("") }
func (tx *Tx) UpdatePolicy(p *Policy) error                                         { panic("") }
func (tx *Tx) DeletePolicy(id string) (keys []string, err error)                    { panic("") } // its keys go with it
func (tx *Tx) InsertKey(k *Key) error                                               { panic("") }
func (tx *Tx) UpdateKey(k *Key) error                                               { panic("") } // secrets too
func (tx *Tx) DeleteKey(id string) (keys []string, err error)                       { panic("") } // itself and those it issued
func (tx *Tx) InsertChannel(c *Channel) error                                       { panic("") }
func (tx *Tx) UpdateChannel(c *Channel) error                                       { panic("") }
func (tx *Tx) DeleteChannel(id int64) error                                         { panic("") } // with its packages
func (tx *Tx) InsertPackage(p *Package) error                                       { panic("") } // channel found by p.ChannelID
func (tx *Tx) UpdatePackage(p *Package) error                                       { panic("") } // by channel, subdir, filename; tombstone when the bytes differ
func (tx *Tx) YankPackage(channelID int64, subdir, filename, reason string) error   { panic("") }
func (tx *Tx) UnyankPackage(channelID int64, subdir, filename string) error         { panic("") }
func (tx *Tx) DeletePackage(channelID int64, subdir, filename string) error         { panic("") }
func (tx *Tx) SetPatch(channelID int64, subdir string, patch json.RawMessage) error { panic("") } // nil removes
func (tx *Tx) InsertPyName(n *PyName) error                                         { panic("") }
func (tx *Tx) UpdatePyName(n *PyName) error                                         { panic("") }
func (tx *Tx) DeletePyName(name string) error                                       { panic("") } // with its files, tombstones stay
func (tx *Tx) InsertPyFile(f *PyFile) error                                         { panic("") }
func (tx *Tx) YankPyFile(filename, reason string) error                             { panic("") }
func (tx *Tx) UnyankPyFile(filename string) error                                   { panic("") }
func (tx *Tx) SetProvenance(filename string, provenance []byte) error               { panic("") }
func (tx *Tx) DeletePyFile(filename string) error                                   { panic("") }
func (tx *Tx) AddReserved(pattern string) error                                     { panic("") }
func (tx *Tx) RemoveReserved(pattern string) error                                  { panic("") }
func (tx *Tx) SetSetting(key, value string) error                                   { panic("") } // "" removes
func (tx *Tx) SetAccountSlug(slug string) error                                     { panic("") }
