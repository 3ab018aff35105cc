package blob

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"hash"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/blake2b"
)

// A stream is cut into chunks; a hash that is slower than the others lags behind
// by chunksAhead of them at most. Together they bound what one stream keeps in
// memory.
const (
	chunkSize   = 128 << 10 // bytes
	chunksAhead = 4
)

// chunk is a piece of a stream. It goes back to the pool when the last of its
// users is done with it.
type chunk struct {
	data  []byte
	users atomic.Int32
	space [chunkSize]byte
}

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// newChunk is a chunk with one user, the caller.
func newChunk() *chunk {
	c := chunks.Get().(*chunk)
	c.users.Store(1)
	return c
}

func (c *chunk) done() {
	if c.users.Add(-1) == 0 {
		chunks.Put(c)
	}
}

// digester hashes one stream with several hashes side by side, each in a
// goroutine of its own: MD5 alone is slower than everything else that happens to
// a stream, SHA-256 beside it is free on a second processor.
type digester struct {
	hashes []hash.Hash
	feeds  []chan *chunk
	all    sync.WaitGroup
}

func newDigester(hashes ...hash.Hash) *digester {
	d := &digester{hashes: hashes}
	for _, h := range hashes {
		feed := make(chan *chunk, chunksAhead)
		d.feeds = append(d.feeds, feed)
		d.all.Go(func() {
			for c := range feed {
				_, _ = h.Write(c.data) // never fails
				c.done()
			}
		})
	}
	return d
}

// write has c hashed; it stays the caller's too.
func (d *digester) write(c *chunk) {
	c.users.Add(int32(len(d.feeds)))
	for _, feed := range d.feeds {
		feed <- c
	}
}

// close waits until everything was hashed. It may be called again.
func (d *digester) close() {
	for _, feed := range d.feeds {
		close(feed)
	}
	d.feeds = nil
	d.all.Wait()
}

// digests are the hashes of a whole stream.
type digests struct {
	sha, md5, blake hash.Hash
	*digester
}

func newDigests(withBlake bool) *digests {
	d := &digests{sha: sha256.New(), md5: md5.New()}
	if !withBlake {
		d.digester = newDigester(d.sha, d.md5)
		return d
	}
	d.blake, _ = blake2b.New256(nil) // fails for long keys only
	d.digester = newDigester(d.sha, d.md5, d.blake)
	return d
}

// fill reads a chunk, of limit bytes at most, full unless the stream ends; the
// error at its end is [io.EOF]. The context is looked at before every read.
func (c *chunk) fill(ctx context.Context, r io.Reader, limit int64) error {
	space := c.space[:min(chunkSize, limit)]
	n, empty := 0, 0
	var err error
	for err == nil && n < len(space) {
		if err = context.Cause(ctx); err != nil {
			break
		}
		var m int
		m, err = r.Read(space[n:])
		n += m
		if m > 0 {
			empty = 0
		} else if empty++; err == nil && empty == 100 {
			err = io.ErrNoProgress
		}
	}
	c.data = space[:n]
	return err
}
