package blob

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
)

// StageOptions are settings of one [Store.Stage].
type StageOptions struct {
	// MaxSize is how many bytes are accepted, 0 for what [Options.MaxSize] says.
	MaxSize int64
	// Blake2b asks for [Staged.Blake2b].
	Blake2b bool
}

// Stage streams r to a temporary file, once, hashing on the way, in memory that
// does not depend on its length. On any error the temporary file is gone:
// [ErrTooLarge] for more bytes than the cap, [ErrFull], [ErrFailed], the cause of
// ctx, and what r returns, each wrapped. A read of r that blocks is awaited: who
// needs a deadline gives r one.
func (s *Store) Stage(ctx context.Context, r io.Reader, o StageOptions) (_ *Staged, err error) {
	if err := s.Failed(); err != nil {
		return nil, err
	}
	limit := s.opts.MaxSize
	if o.MaxSize > 0 {
		limit = o.MaxSize
	}
	if limit <= 0 {
		limit = math.MaxInt64 - 1
	}
	f, err := os.CreateTemp(filepath.Join(s.dir, tmpDir), "") // 0600
	if err != nil {
		return nil, writing("making temporary file", err)
	}
	st := &Staged{store: s, file: f, name: f.Name()}
	d := newDigests(o.Blake2b)
	finished := false
	defer func() { // also when r panics
		d.close()
		if !finished {
			_ = st.Cancel()
		}
	}()
	if st.Size, err = copyTo(ctx, f, d.digester, r, limit); err != nil {
		return nil, err
	}
	d.close()
	d.sha.Sum(st.SHA256[:0])
	d.md5.Sum(st.MD5[:0])
	if d.blake != nil {
		d.blake.Sum(st.Blake2b[:0])
	}
	s.opts.Crash(CrashStaged)
	finished = true
	return st, nil
}

// copyTo writes a stream to a file and to hashes, and returns its length. Each
// chunk is hashed while it is written.
func copyTo(ctx context.Context, f *os.File, d *digester, r io.Reader, limit int64) (size int64, err error) {
	for {
		c := newChunk()
		end := c.fill(ctx, r, limit-size+1)
		size += int64(len(c.data))
		switch {
		case size > limit:
			err = fmt.Errorf("%w: the limit is %d", ErrTooLarge, limit)
		case end != nil && end != io.EOF: //nolint:errorlint // a wrapped EOF is no end of a stream
			err = fmt.Errorf("reading the stream after %d bytes: %w", size, end)
		case len(c.data) > 0:
			d.write(c)
			if _, err = f.Write(c.data); err != nil {
				err = writing("writing temporary file", err)
			}
		}
		c.done()
		if err != nil || end != nil {
			return size, err
		}
	}
}
