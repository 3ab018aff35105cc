package passthrough

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// follower reads a file while it is being downloaded. The last byte is held back
// until the whole was verified, so that a client never has a complete answer of
// wrong bytes.
type follower struct {
	f       *fill
	ctx     context.Context // of the request that reads; ends waiting
	off     int64
	end     int64 // exclusive; -1: the end of the file
	release bool
}

// Read implements [io.Reader]. A download that fails gives an error wrapping
// [ErrBroken].
func (r *follower) Read(b []byte) (int, error) {
	for {
		f := r.f
		f.mu.Lock()
		ready, done, err, more := f.written, f.done, f.err, f.more
		f.mu.Unlock()
		if err != nil {
			return 0, fmt.Errorf("%w: %w", ErrBroken, err)
		}
		if !done && f.size >= 0 && ready == f.size {
			ready--
		}
		if r.end >= 0 {
			ready = min(ready, r.end)
			done = done || r.off >= r.end
		}
		if n := ready - r.off; n > 0 {
			n, err := f.tmp.ReadAt(b[:min(int64(len(b)), n)], r.off)
			r.off += int64(n)
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return n, err
		}
		if done {
			return 0, io.EOF
		}
		select {
		case <-more:
		case <-r.ctx.Done():
			return 0, context.Cause(r.ctx)
		}
	}
}

// Close lets go of the download, which goes on.
func (r *follower) Close() error {
	if !r.release {
		r.release = true
		r.f.release()
	}
	return nil
}

var _ io.ReadCloser = (*follower)(nil)
