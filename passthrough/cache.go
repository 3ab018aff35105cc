package passthrough

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/singleflight"
)

// stored is a verified file in the cache. It is immutable.
type stored struct {
	Key      string `json:"k"` // upstream and address
	SHA256   string `json:"s"`
	Size     int64  `json:"n"`
	Modified int64  `json:"m"` // of the file on disk, nanoseconds; 0 when it must be hashed before it is served
	Project  string `json:"p"`
	Version  string `json:"v,omitempty"`
	Since    int64  `json:"t,omitempty"` // uploaded or first seen, Unix seconds; 0 unknown
}

func (s *stored) since() time.Time {
	if s.Since == 0 {
		return time.Time{}
	}
	return time.Unix(s.Since, 0)
}

// fileCache keeps verified files on disk under their digest, and drops the least
// recently used when they exceed the budget. A file that is being served stays
// readable: its descriptor outlives its name.
type fileCache struct {
	dir    string // of the files
	budget int64

	mu      sync.Mutex
	entries *simplelru.LRU[string, *stored]
	refs    map[string]int // by digest: entries that share one file
	bytes   int64          // on disk
	changes uint64
	evicted uint64
	journal *journal

	checks singleflight.Group // hashing of files in doubt, by digest
}

func openFileCache(dir string, budget int64) (*fileCache, error) {
	c := &fileCache{dir: filepath.Join(dir, "files"), budget: budget, refs: map[string]int{}}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, fmt.Errorf("making file cache: %w", err)
	}
	// The budget is in bytes: the number of entries has no limit of its own.
	c.entries, _ = simplelru.NewLRU[string, *stored](math.MaxInt, nil)
	var err error
	var known []*stored
	if c.journal, known, err = openJournal(filepath.Join(dir, "files.log"), filepath.Join(dir, "clean")); err != nil {
		return nil, err
	}
	there, err := c.scan()
	if err != nil {
		_ = c.journal.close()
		return nil, err
	}
	for _, s := range known {
		if there[s.SHA256] {
			c.insert(s)
		}
	}
	for sum := range there {
		if c.refs[sum] == 0 {
			_ = os.Remove(c.path(sum)) // its line was lost, and with it what it was verified for
		}
	}
	c.evict("")
	return c, c.journal.rewrite(c.list())
}

// scan lists what is on disk. Whatever else lies there is nothing of the cache's.
func (c *fileCache) scan() (map[string]bool, error) {
	there := map[string]bool{}
	folders, err := os.ReadDir(c.dir)
	if err != nil {
		return nil, fmt.Errorf("reading file cache: %w", err)
	}
	for _, folder := range folders {
		if !folder.IsDir() || len(folder.Name()) != 2 {
			continue
		}
		files, err := os.ReadDir(filepath.Join(c.dir, folder.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading file cache: %w", err)
		}
		for _, f := range files {
			name := f.Name()
			if sum, err := hex.DecodeString(name); err == nil && len(sum) == sha256.Size && name[:2] == folder.Name() {
				there[name] = true
			}
		}
	}
	return there, nil
}

// close leaves the journal in the order of last use, and the mark of an orderly end.
func (c *fileCache) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.journal.rewrite(c.list()), c.journal.markClean(), c.journal.close())
}

// makeRoom evicts files of that many bytes, or all; false where there is none.
func (c *fileCache) makeRoom(bytes int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	budget, had := c.budget, c.bytes
	c.budget = max(0, c.bytes-bytes)
	c.evict("")
	c.budget = budget
	return c.bytes < had
}

// resize gives the cache another budget.
func (c *fileCache) resize(budget int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.budget = budget
	c.evict("")
}

// list is all entries, the least recently used first.
func (c *fileCache) list() []*stored { return c.entries.Values() }

func (c *fileCache) path(sum string) string { return filepath.Join(c.dir, sum[:2], sum) }

func (c *fileCache) has(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries.Contains(key)
}

func (c *fileCache) peek(key string) *stored {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, _ := c.entries.Peek(key)
	return s
}

// epoch grows with each change of what is stored.
func (c *fileCache) epoch() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changes
}

// open opens a stored file, at its first byte. A file that is not beyond doubt what
// was verified once is hashed; a damaged one is dropped, and nil returned.
func (c *fileCache) open(key string) (*os.File, *stored) {
	c.mu.Lock()
	s, ok := c.entries.Get(key)
	c.mu.Unlock()
	if !ok {
		return nil, nil
	}
	f, err := os.Open(c.path(s.SHA256))
	if err != nil {
		c.drop(key, s)
		return nil, nil
	}
	info, err := f.Stat()
	if err == nil && info.Size() == s.Size && info.ModTime().UnixNano() == s.Modified {
		return f, s
	}
	if err != nil || info.Size() != s.Size || !c.verified(f, s) {
		_ = f.Close()
		c.drop(key, s)
		return nil, nil
	}
	c.vouch(s, info.ModTime().UnixNano())
	return f, s
}

// verified hashes a file, once for all who ask at a time.
func (c *fileCache) verified(f *os.File, s *stored) bool {
	ok, err, _ := c.checks.Do(s.SHA256, func() (any, error) {
		h := sha256.New()
		if _, err := io.Copy(h, io.NewSectionReader(f, 0, s.Size)); err != nil {
			return false, fmt.Errorf("reading cached file: %w", err)
		}
		return hex.EncodeToString(h.Sum(nil)) == s.SHA256, nil
	})
	return err == nil && ok.(bool)
}

// vouch remembers that an entry's file was hashed as it is now.
func (c *fileCache) vouch(s *stored, modified int64) {
	next := *s
	next.Modified = modified
	c.mu.Lock()
	defer c.mu.Unlock()
	if now, ok := c.entries.Peek(s.Key); ok && now == s {
		c.entries.Add(s.Key, &next)
		_ = c.journal.add(&next)
	}
}

// add moves a complete and verified temporary file into the cache.
func (c *fileCache) add(tmp string, s *stored) error {
	info, err := os.Stat(tmp)
	if err != nil {
		return fmt.Errorf("reading temporary file: %w", err)
	}
	s.Size, s.Modified = info.Size(), info.ModTime().UnixNano()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := os.MkdirAll(filepath.Join(c.dir, s.SHA256[:2]), 0o700); err != nil {
		return fmt.Errorf("making cache folder: %w", err)
	}
	if err := os.Rename(tmp, c.path(s.SHA256)); err != nil {
		return fmt.Errorf("moving file into the cache: %w", err)
	}
	// Other entries with these bytes share the new file; its new time has them hash it
	// once more.
	c.insert(s)
	c.evict(s.Key)
	if err := c.journal.add(s); err != nil {
		return err
	}
	return c.compact()
}

// insert makes s an entry, in place of one with its key.
func (c *fileCache) insert(s *stored) {
	if old, ok := c.entries.Peek(s.Key); ok && old.SHA256 != s.SHA256 {
		c.remove(old)
	} else if ok {
		c.refs[s.SHA256]--
		if c.refs[s.SHA256] == 0 {
			c.bytes -= old.Size
		}
	}
	if c.refs[s.SHA256]++; c.refs[s.SHA256] == 1 {
		c.bytes += s.Size
	}
	c.entries.Add(s.Key, s)
	c.changes++
}

// remove takes an entry away, and its file with the last one.
func (c *fileCache) remove(s *stored) {
	c.entries.Remove(s.Key)
	c.changes++
	if c.refs[s.SHA256]--; c.refs[s.SHA256] <= 0 {
		delete(c.refs, s.SHA256)
		c.bytes -= s.Size
		_ = os.Remove(c.path(s.SHA256))
	}
}

// evict makes room, but never at the cost of the entry just added, whose readers
// may be many: one file may exceed the budget until the next comes.
func (c *fileCache) evict(keep string) {
	for c.bytes > c.budget {
		_, s, ok := c.entries.GetOldest()
		if !ok || s.Key == keep {
			return
		}
		c.remove(s)
		_ = c.journal.del(s.Key)
		c.evicted++
	}
}

func (c *fileCache) compact() error {
	if c.journal.lines <= 4*c.entries.Len()+1024 {
		return nil
	}
	return c.journal.rewrite(c.list())
}

// drop takes an entry away if it is still the given one; nil means any.
func (c *fileCache) drop(key string, was *stored) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, ok := c.entries.Peek(key); ok && (was == nil || s.SHA256 == was.SHA256) {
		c.remove(s)
		_ = c.journal.del(key)
	}
}

// dropOther drops a file whose page says by now that it has other bytes.
func (c *fileCache) dropOther(key, sum string) {
	if s := c.peek(key); s != nil && s.SHA256 != sum {
		c.drop(key, s)
	}
}

// dropProject drops all files of a project and says how many they were.
func (c *fileCache) dropProject(project string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.entries.Values() {
		if s.Project == project {
			c.remove(s)
			_ = c.journal.del(s.Key)
			n++
		}
	}
	return n
}

// usage is how much is stored, and how many files were evicted so far.
func (c *fileCache) usage() (files int, bytes int64, evicted uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.refs), c.bytes, c.evicted
}
