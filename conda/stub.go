package conda

import (
	"encoding/json"
	"io"
	"time"
)

type Limits struct {
	MaxEntries      int
	MaxUnpacked     int64
	MaxRatio        int64
	RatioFrom       int64
	MaxIndexJSON    int64
	MaxInfoFile     int64
	MaxWindow       int64
	FutureTolerance time.Duration
}
type InvalidError struct{ Reason string }

func (e *InvalidError) Error() string { return e.Reason }

type Filename struct {
	Name, Version, Build, Ext string
}

func ParseFilename(s string) (Filename, error) { panic("") }
func (f Filename) String() string              { panic("") }
func ValidChannel(name string) error           { panic("") }
func ValidSubdir(s string) bool                { panic("") }
func KnownSubdir(s string) bool                { panic("") }
func KnownSubdirs() []string                   { panic("") }

type Info struct {
	Filename             Filename
	Subdir               string
	Name, Version, Build string
	BuildNumber          int64
	RunExports           json.RawMessage
	About                json.RawMessage
	Index                json.RawMessage
}

func Inspect(ra io.ReaderAt, size int64, filename, subdir string, now time.Time, lim Limits) (*Info, error) {
	panic("")
}
func (i *Info) Record(size int64, sha [32]byte, md5 [16]byte, indexedAt int64) json.RawMessage {
	panic("")
}
func CheckAttestation(raw []byte) error { panic("") }
