package conda

import (
	"errors"
	"fmt"
	"io"
)

// source reads an archive and remembers an error of the disk, which must not be
// taken for a fault of the archive.
type source struct {
	ra   io.ReaderAt
	size int64
	err  error
}

// ReadAt implements io.ReaderAt.
func (s *source) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.ra.ReadAt(p, off)
	if err == io.EOF && off+int64(n) < s.size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// read fills p from inside the file.
func (s *source) read(p []byte, off int64) error {
	_, err := io.ReadFull(io.NewSectionReader(s, off, int64(len(p))), p)
	return err
}

// fault tells what went wrong: the disk, or else the archive, of which what is a
// part.
func (s *source) fault(err error, what string) error {
	var bad *InvalidError
	switch {
	case s.err != nil:
		return fmt.Errorf("reading package: %w", s.err)
	case errors.As(err, &bad):
		return err
	default:
		return invalid("%s is damaged: %v", what, err)
	}
}

// meter counts the bytes that come out of decompression, and stops them at a
// limit. Readers above it may hide its error; whoever asks it afterwards gets it.
type meter struct {
	r      io.Reader
	budget *budget
}

// budget is what is left of the bytes that a package may unpack to.
type budget struct {
	left, size, allowed int64
}

func (b *budget) check() error {
	if b.left >= 0 {
		return nil
	}
	return invalid("the package of %d bytes unpacks to more than %d bytes: no more is permitted for its size", b.size, b.allowed)
}

// Read implements io.Reader.
func (m *meter) Read(p []byte) (int, error) {
	if err := m.budget.check(); err != nil {
		return 0, err
	}
	n, err := m.r.Read(p)
	if m.budget.left -= int64(n); m.budget.left < 0 {
		return 0, m.budget.check()
	}
	return n, err
}

// drain reads the rest of a tar archive, which is nothing but zeros.
func drain(r io.Reader) error {
	var buf [4 << 10]byte // escapes: no larger than what there usually is
	for {
		n, err := r.Read(buf[:])
		for _, b := range buf[:n] {
			if b != 0 {
				return invalid("the tar archive has data behind its end")
			}
		}
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

var (
	_ io.ReaderAt = (*source)(nil)
	_ io.Reader   = (*meter)(nil)
)
