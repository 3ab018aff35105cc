package python

import (
	"errors"
	"io"
	"slices"
)

// rope reads pieces one after the other.
type rope struct {
	pieces [][]byte
	ends   []int64 // offset of the end of each piece
	at     int64
	size   int64
}

var errSeek = errors.New("seeking in a page: offset before its beginning")

// Read implements io.Reader.
func (r *rope) Read(p []byte) (n int, err error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	i, found := slices.BinarySearch(r.ends, r.at)
	if found {
		i++
	}
	for ; i < len(r.pieces) && n < len(p); i++ {
		piece := r.pieces[i]
		m := copy(p[n:], piece[len(piece)-int(r.ends[i]-r.at):])
		n += m
		r.at += int64(m)
	}
	return n, nil
}

// Seek implements io.Seeker.
func (r *rope) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return r.at, errSeek
	}
	r.at = offset
	return offset, nil
}

var _ io.ReadSeeker = (*rope)(nil)
