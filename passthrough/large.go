package passthrough

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// A page takes many times its size in memory while it is unpacked, parsed and
// rendered. Ordinary ones are handled as they come. Larger ones take turns: those of
// many projects at a time, from an upstream that went wrong, would fill the memory.
const (
	ordinaryPage = 2 << 20 // bytes, unpacked; on PyPI few projects have more
	largeAtOnce  = 4
)

var errNoTurn = errors.New("too many large pages at a time")

// turns are taken by who handles a large page.
type turns chan struct{}

// turn is that of one flight, which ends it when its page is rendered.
type turn struct {
	of    turns
	taken bool
}

// take waits for a turn, unless it was taken already.
func (t *turn) take(ctx context.Context) error {
	if t.taken {
		return nil
	}
	select {
	case t.of <- struct{}{}:
		t.taken = true
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errNoTurn, context.Cause(ctx))
	}
}

func (t *turn) end() {
	if t.taken {
		t.taken = false
		<-t.of
	}
}

// pageReader reads a page, the part behind an ordinary page's size in its turn.
type pageReader struct {
	io.Reader
	ctx  context.Context
	turn *turn
	read int64
}

// Read implements [io.Reader].
func (r *pageReader) Read(b []byte) (int, error) {
	if r.read >= ordinaryPage {
		if err := r.turn.take(r.ctx); err != nil {
			return 0, err
		}
	}
	n, err := r.Reader.Read(b)
	r.read += int64(n)
	return n, err
}

var errTooLarge = errors.New("too large")

// readPieces reads everything, at most limit bytes. A buffer that grows would leave
// twice that as garbage, and for a page without end too.
func readPieces(r io.Reader, limit int64) ([]byte, error) {
	var pieces [][]byte
	size, left := int64(128<<10), limit+1
	for {
		piece := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
		n, err := io.CopyN(piece, r, min(size, left))
		pieces = append(pieces, piece.Bytes())
		left -= n
		switch {
		case left == 0:
			return nil, errTooLarge
		case errors.Is(err, io.EOF) && len(pieces) == 1:
			return pieces[0], nil
		case errors.Is(err, io.EOF):
			return bytes.Join(pieces, nil), nil
		case err != nil:
			return nil, err
		}
		size = min(2*size, 4<<20)
	}
}

var _ io.Reader = (*pageReader)(nil)
