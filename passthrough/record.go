package passthrough

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/klauspost/compress/zstd"
)

// record is what is kept of one project's page at one upstream. It is immutable;
// a change makes a new one.
type record struct {
	Name     string `json:"name"`
	Upstream string `json:"upstream"` // URL of the index: another one under the same name is another upstream
	URL      string `json:"url"`      // where the page came from, after redirects
	HTML     bool   `json:"html,omitempty"`
	Sum      string `json:"sum,omitempty"` // SHA-256 of the body; "" when there is none
	Rev      int    `json:"rev,omitempty"` // grows when what is derived from the same body changes

	ETag         string    `json:"etag,omitempty"`
	LastModified string    `json:"last_modified,omitempty"`
	Fetched      time.Time `json:"fetched"` // last time the upstream confirmed it
	Changed      time.Time `json:"changed"` // last time its body changed
	Fresh        time.Time `json:"fresh"`   // served without asking until then

	// Absent are the URLs of the upstreams before this one which had said that they do
	// not have the name. Without their word the page must not be served.
	Absent []string `json:"absent,omitempty"`
	Status string   `json:"status,omitempty"` // PEP 792
	// Seen is when files without an upload time were first seen, in Unix seconds.
	Seen map[string]int64 `json:"seen,omitempty"`
	// NoMetadata are wheels that no METADATA can be read of.
	NoMetadata []string `json:"no_metadata,omitempty"`
}

func (r *record) usable() bool { return r != nil && r.Sum != "" }

// fresh reports whether the page is served without asking. One that was fetched in the
// future is not: the clock was ahead, and would keep it for as long.
func (r *record) fresh(now time.Time) bool { return now.Before(r.Fresh) && !r.Fetched.After(now) }

// asked reports whether all upstreams before its own have said no.
func (r *record) asked(before []*upstream) bool {
	for _, u := range before {
		said := false
		for _, url := range r.Absent {
			said = said || url == u.index
		}
		if !said {
			return false
		}
	}
	return true
}

// headsKept bounds the records in memory; the rest is read from the disk again.
const headsKept = 8192

// pageStore keeps records and the bodies of their pages: per project a head.json,
// and the body, packed, under its digest.
type pageStore struct {
	dir   string
	heads *lru.Cache[string, *record] // nil: known not to be there
	mu    sync.Mutex                  // of changes
	enc   *zstd.Encoder
	dec   atomic.Pointer[zstd.Decoder]
}

func newPageStore(dir string, limit int64) (*pageStore, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making page cache: %w", err)
	}
	heads, err := lru.New[string, *record](headsKept)
	if err != nil {
		return nil, fmt.Errorf("making table of pages: %w", err)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("making page encoder: %w", err)
	}
	s := &pageStore{dir: dir, heads: heads, enc: enc}
	return s, s.resize(limit)
}

// resize takes pages of another size. A decoder that was replaced, and may be in use,
// is left to the garbage collector.
func (s *pageStore) resize(limit int64) error {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(limit)+1<<20))
	if err != nil {
		return fmt.Errorf("making page decoder: %w", err)
	}
	s.dec.Store(dec)
	return nil
}

func (s *pageStore) close() {
	_ = s.enc.Close()
	s.dec.Load().Close()
}

func (s *pageStore) folder(u *upstream, name string) string {
	return filepath.Join(s.dir, u.name, name)
}

// head is what is kept of a page; nil for nothing.
func (s *pageStore) head(u *upstream, name string) *record {
	key := u.name + "/" + name
	if r, ok := s.heads.Get(key); ok {
		return r.of(u)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.heads.Get(key); ok {
		return r.of(u)
	}
	r := s.load(u, name)
	s.heads.Add(key, r)
	return r
}

// of is r, or nil where r is of another index that was called the same.
func (r *record) of(u *upstream) *record {
	if r == nil || r.Upstream != u.index {
		return nil
	}
	return r
}

func (s *pageStore) load(u *upstream, name string) *record {
	raw, err := os.ReadFile(filepath.Join(s.folder(u, name), "head.json"))
	if err != nil {
		return nil
	}
	var r record
	if json.Unmarshal(raw, &r) != nil || r.Name != name {
		return nil
	}
	return r.of(u)
}

// errNoBody says that a body is not there, or not the one that was stored.
var errNoBody = errors.New("stored page is missing or damaged")

// body is the page as it came.
func (s *pageStore) body(u *upstream, r *record) ([]byte, error) {
	packed, err := os.ReadFile(s.bodyPath(u, r))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoBody, err)
	}
	body, err := s.dec.Load().DecodeAll(packed, nil)
	if err != nil || sumOf(body) != r.Sum {
		return nil, errNoBody
	}
	return body, nil
}

func (s *pageStore) bodyPath(u *upstream, r *record) string {
	return filepath.Join(s.folder(u, r.Name), r.Sum[:32]+".zst")
}

// put makes r the record of its name. body is nil when it stays. When it returns
// the record holds; an error says that it will not outlive the process. Whoever is
// given the record by head finds the body in its place, if it could be written.
func (s *pageStore) put(u *upstream, r *record, body []byte) error {
	var packed []byte
	if body != nil {
		packed = s.enc.EncodeAll(body, nil)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.putLocked(u, r, packed)
}

func (s *pageStore) putLocked(u *upstream, r *record, packed []byte) error {
	old, _ := s.heads.Get(u.name + "/" + r.Name)
	dir := s.folder(u, r.Name)
	err := os.MkdirAll(dir, 0o700)
	if err == nil && packed != nil {
		err = writeFile(s.bodyPath(u, r), packed)
	}
	s.heads.Add(u.name+"/"+r.Name, r)
	if err != nil {
		return fmt.Errorf("storing page: %w", err)
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encoding head of page: %w", err)
	}
	if err := writeFile(filepath.Join(dir, "head.json"), raw); err != nil {
		return fmt.Errorf("storing head of page: %w", err)
	}
	if old.usable() && old.Sum != r.Sum { // readers that hold the old record fetch anew
		_ = os.Remove(s.bodyPath(u, old))
	}
	return nil
}

// edit changes a record, if there is one.
func (s *pageStore) edit(u *upstream, name string, change func(*record)) error {
	if s.head(u, name) == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.heads.Get(u.name + "/" + name)
	if !ok {
		old = s.load(u, name)
	}
	if old == nil {
		return nil
	}
	r := *old
	change(&r)
	return s.putLocked(u, &r, nil)
}

// dropDamaged forgets the body of r, which could not be read, unless r was replaced
// or fetched again meanwhile.
func (s *pageStore) dropDamaged(u *upstream, r *record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, _ := s.heads.Get(u.name + "/" + r.Name)
	if !now.usable() || now.Sum != r.Sum || !now.Fetched.Equal(r.Fetched) {
		return nil
	}
	dropped := *now
	dropped.forgetBody()
	return s.putLocked(u, &dropped, nil)
}

// forgetBody keeps only what must survive a page: when its files were first seen.
func (r *record) forgetBody() { r.Sum, r.ETag, r.LastModified, r.Fresh = "", "", "", time.Time{} }

// writeFile replaces a file in one step.
func writeFile(path string, b []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("making temporary file: %w", err)
	}
	_, err = tmp.Write(b)
	if err2 := tmp.Close(); err == nil {
		err = err2
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return fmt.Errorf("replacing file: %w", err)
	}
	return nil
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// exists reports whether a path is there.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
