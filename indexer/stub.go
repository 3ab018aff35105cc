package indexer

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"go.uber.org/zap"
)

type Record struct {
	Filename, Name string
	JSON           json.RawMessage
	RunExports     json.RawMessage
}
type Source interface {
	Records(ctx context.Context, channel, subdir, name string) ([]Record, error)
	AllRecords(ctx context.Context, channel, subdir string, fn func(Record) error) error
	State(ctx context.Context, channel, subdir string) (rev, changedAt int64, err error)
	ChangedNames(ctx context.Context, channel, subdir string, since int64) (names []string, complete bool, err error)
	Patch(ctx context.Context, channel, subdir string) (json.RawMessage, error)
	About(ctx context.Context, channel, subdir, filename string) (json.RawMessage, error)
}
type Options struct {
	Dir            string
	ShardRetention time.Duration
	Log            *zap.Logger
	Observe        func(name string, d time.Duration)
	Now            func() time.Time
}
type Set struct{}

func New(src Source, o Options) *Set                                                { panic("") }
func (s *Set) OpenChannel(ctx context.Context, name string, subdirs []string) error { panic("") }
func (s *Set) DropChannel(name string)                                              { panic("") }
func (s *Set) Update(ctx context.Context, channel, subdir string, names []string, rev int64) error {
	panic("")
}
func (s *Set) Rebuild(ctx context.Context, channel, subdir string) error { panic("") }
func (s *Set) File(channel, subdir, file string) (*File, bool)           { panic("") }
func (s *Set) Stats() []Stat                                             { panic("") }
func (s *Set) Close() error                                              { panic("") }
func CheckPatch(raw json.RawMessage) error                               { panic("") }

type Stat struct {
	Channel, Subdir string
	Packages        int
	Bytes           int64
	Rev             int64
}
type File struct {
	ContentType string
	ETag        string
	Modified    time.Time
	Immutable   bool
	Zstd        *File
}

func (f *File) Size() int64                        { panic("") }
func (f *File) WriteTo(w io.Writer) (int64, error) { panic("") }
func (f *File) NewReader() io.ReadSeeker           { panic("") }
