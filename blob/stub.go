package blob

import (
	"context"
	"errors"
	"io"
	"os"
	"time"
)

var (
	ErrTooLarge = errors.New("more bytes than allowed")
	ErrNotFound = errors.New("no such blob")
	ErrLocked   = errors.New("data folder is in use")
	ErrFailed   = errors.New("blob store refuses writes since syncing its disk failed")
)

type DirLock struct{}
type Options struct {
	MaxSize int64
	Crash   func(point string)
}
type StageOptions struct {
	MaxSize int64
	Blake2b bool
}
type Store struct{}
type Staged struct {
	Size    int64
	SHA256  [32]byte
	MD5     [16]byte
	Blake2b [32]byte
}
type Info struct {
	SHA256  [32]byte
	Size    int64
	ModTime time.Time
}
type Batch struct{}

func LockDir(dir string) (*DirLock, error)                                               { panic("") }
func (l *DirLock) Unlock() error                                                         { panic("") }
func Open(dir string, o Options) (*Store, error)                                         { panic("") }
func (s *Store) Close() error                                                            { panic("") }
func (s *Store) Stage(ctx context.Context, r io.Reader, o StageOptions) (*Staged, error) { panic("") }
func (s *Store) Open(sha [32]byte) (*os.File, int64, error)                              { panic("") }
func (s *Store) Has(sha [32]byte) (bool, error)                                          { panic("") }
func (s *Store) Remove(sha [32]byte) error                                               { panic("") }
func (s *Store) Verify(ctx context.Context, sha [32]byte) error                          { panic("") }
func (s *Store) Each(ctx context.Context, fn func(Info) error) error                     { panic("") }
func (s *Store) NewBatch() *Batch                                                        { panic("") }
func (st *Staged) File() *os.File                                                        { panic("") }
func (st *Staged) Commit() error                                                         { panic("") }
func (st *Staged) Cancel() error                                                         { panic("") }
func (b *Batch) Add(st *Staged)                                                          { panic("") }
func (b *Batch) Commit() error                                                           { panic("") }
