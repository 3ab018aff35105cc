package indexer

import (
	"sync"
	"sync/atomic"
	"time"
)

// shard is one name's records as CEP 16 serves them. Its bytes never change.
type shard struct {
	hash [32]byte
	data []byte
	dead atomic.Int64 // when it was superseded, Unix milliseconds; 0 while it is in the index

	file atomic.Pointer[File] // made at its first request
}

// served is the shard as a file of one subdir.
func (sh *shard) served(channel, subdir string) *File {
	if f := sh.file.Load(); f != nil {
		return f
	}
	body := &rope{}
	body.bytes(sh.data)
	f := &File{ContentType: typeZstd, ETag: etag(sh.hash, channel, subdir, "shard"), Immutable: true, body: body}
	sh.file.Store(f)
	return f
}

// retainedMax bounds the superseded shards that one subdir keeps, bytes. The oldest
// go first: a week of them is a promise to slow clients, not to a publisher who
// replaces a package in a loop.
const retainedMax = 256 << 20

// shardSet is every shard that can be asked for. Reading takes no lock.
type shardSet struct {
	byHash sync.Map // [32]byte -> *shard

	mu       sync.Mutex
	retained []*shard // superseded, oldest first; may hold revived ones
	bytes    int      // of retained
}

// get finds a shard that may still be served.
func (s *shardSet) get(hash [32]byte, now time.Time, retention time.Duration) *shard {
	v, ok := s.byHash.Load(hash)
	if !ok {
		return nil
	}
	sh, _ := v.(*shard)
	if dead := sh.dead.Load(); dead != 0 && now.UnixMilli()-dead > retention.Milliseconds() {
		return nil
	}
	return sh
}

// reset forgets everything.
func (s *shardSet) reset() {
	s.byHash.Clear()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retained, s.bytes = nil, 0
}

// add makes a shard available, before an index names it, and returns the one to
// keep: bytes that come back are the shard they were.
func (s *shardSet) add(sh *shard) *shard {
	v, loaded := s.byHash.LoadOrStore(sh.hash, sh)
	if loaded {
		sh, _ = v.(*shard)
		sh.dead.Store(0)
	}
	return sh
}

// supersede begins a shard's retention, once no index names it any more.
func (s *shardSet) supersede(sh *shard, at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sh.dead.Swap(at) == 0 {
		s.retained = append(s.retained, sh)
		s.bytes += len(sh.data)
	}
}

// collect forgets what was superseded too long ago, or is too much.
func (s *shardSet) collect(now time.Time, retention time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	deadline := now.UnixMilli() - retention.Milliseconds()
	keep := s.retained[:0]
	seen := make(map[*shard]bool, len(s.retained))
	for _, sh := range s.retained {
		dead := sh.dead.Load()
		switch {
		case dead == 0 || seen[sh]: // revived, or listed twice after it was
			s.bytes -= len(sh.data)
		case dead <= deadline || s.bytes > retainedMax:
			s.bytes -= len(sh.data)
			s.byHash.CompareAndDelete(sh.hash, sh)
		default:
			seen[sh] = true
			keep = append(keep, sh)
		}
	}
	clear(s.retained[len(keep):])
	s.retained = keep
}

// retainedShard is a superseded shard, and since when it is.
type retainedShard struct {
	hash [32]byte
	data []byte
	dead int64 // Unix milliseconds
}

// superseded lists what is retained.
func (s *shardSet) superseded() []retainedShard {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []retainedShard
	for _, sh := range s.retained {
		if dead := sh.dead.Load(); dead != 0 {
			out = append(out, retainedShard{sh.hash, sh.data, dead})
		}
	}
	return out
}
