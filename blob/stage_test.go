package blob

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/crypto/blake2b"
)

func TestStageHashesWhatItStores(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	readers := map[string]func(io.Reader) io.Reader{
		"whole":            func(r io.Reader) io.Reader { return r },
		"in halves":        iotest.HalfReader,
		"data with EOF":    iotest.DataErrReader,
		"pieces, no bytes": func(r io.Reader) io.Reader { return &stuttering{r: r} },
	}
	for _, size := range []int{0, 1, 4096, chunkSize - 1, chunkSize, chunkSize + 1, 9*chunkSize + 7} {
		data := randomBytes(uint64(size), size)
		for name, wrap := range readers {
			for _, blake := range []bool{false, true} {
				st, err := s.Stage(ctx, wrap(bytes.NewReader(data)), StageOptions{Blake2b: blake})
				if err != nil {
					t.Fatal(err)
				}
				var wantBlake [32]byte
				if blake {
					wantBlake = blake2b.Sum256(data)
				}
				if st.Size != int64(size) || st.SHA256 != sha256.Sum256(data) || st.MD5 != md5.Sum(data) || st.Blake2b != wantBlake {
					t.Errorf("%d bytes, %s, BLAKE2b %v: %d bytes, SHA-256 %x, MD5 %x, BLAKE2b %x", size, name, blake, st.Size, st.SHA256, st.MD5, st.Blake2b)
				}
				got, err := io.ReadAll(io.NewSectionReader(st.File(), 0, st.Size+1))
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("%d bytes, %s: the file differs, %v", size, name, err)
				}
				if fi, _ := st.File().Stat(); fi.Mode() != 0o600 {
					t.Errorf("mode %v", fi.Mode())
				}
				if err := st.Cancel(); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if n := temporary(t, s); n != 0 {
		t.Errorf("%d temporary files left after Cancel", n)
	}
}

// stuttering returns no bytes and no error every other time.
type stuttering struct {
	r    io.Reader
	odds bool
}

func (s *stuttering) Read(p []byte) (int, error) {
	if s.odds = !s.odds; s.odds {
		return 0, nil
	}
	return s.r.Read(p[:min(len(p), 30_000)])
}

var errSource = errors.New("the source broke")

func TestStageLeavesNothingBehindOnErrors(t *testing.T) {
	t.Parallel()
	body := func() io.Reader { return bytes.NewReader(make([]byte, 3*chunkSize)) }
	fails := func(err error) io.Reader { return io.MultiReader(body(), iotest.ErrReader(err)) }
	cancelled, cancel := context.WithCancelCause(ctx)
	cancel(errSource)
	for name, c := range map[string]struct {
		ctx  context.Context
		r    io.Reader
		max  int64
		want error
	}{
		"one byte too many":     {ctx, body(), 3*chunkSize - 1, ErrTooLarge},
		"many bytes too many":   {ctx, body(), 10, ErrTooLarge},
		"the source broke":      {ctx, fails(errSource), 0, errSource},
		"the body was cut":      {ctx, fails(io.ErrUnexpectedEOF), 0, io.ErrUnexpectedEOF},
		"a wrapped EOF":         {ctx, fails(fmt.Errorf("odd: %w", io.EOF)), 0, io.EOF},
		"a reader that idles":   {ctx, iotest.ErrReader(nil), 0, io.ErrNoProgress},
		"nobody waits any more": {cancelled, body(), 0, errSource},
	} {
		s := open(t, Options{})
		st, err := s.Stage(c.ctx, c.r, StageOptions{MaxSize: c.max})
		if st != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v, want %v", name, st, err, c.want)
		}
		if n := temporary(t, s); n != 0 {
			t.Errorf("%s: %d temporary files", name, n)
		}
	}
}

func TestStageStopsBetweenReadsWhenCancelled(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	c, cancel := context.WithCancel(ctx)
	reads := 0
	_, err := s.Stage(c, readerFunc(func(p []byte) (int, error) {
		if reads++; reads == 3 {
			cancel()
		}
		return 1, nil
	}), StageOptions{})
	if !errors.Is(err, context.Canceled) || reads != 3 || temporary(t, s) != 0 {
		t.Errorf("%v after %d reads, %d temporary files", err, reads, temporary(t, s))
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestStageSurvivesAPanickingSource(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	func() {
		defer func() {
			if p := recover(); p != "source" {
				t.Errorf("recovered %v", p)
			}
		}()
		_, _ = s.Stage(ctx, io.MultiReader(bytes.NewReader(make([]byte, 2*chunkSize)), readerFunc(func([]byte) (int, error) { panic("source") })), StageOptions{})
	}()
	if n := temporary(t, s); n != 0 {
		t.Errorf("%d temporary files", n)
	}
}

func TestStageCap(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		store, stage int64
		size         int
		ok           bool
	}{
		"exactly":               {100, 0, 100, true},
		"one more":              {100, 0, 101, false},
		"its own, lower":        {100, 50, 51, false},
		"its own, higher":       {100, 200, 200, true},
		"none":                  {0, 0, 100_000, true},
		"across chunks":         {2 * chunkSize, 0, 2 * chunkSize, true},
		"across chunks, broken": {2 * chunkSize, 0, 2*chunkSize + 1, false},
	} {
		s := open(t, Options{MaxSize: c.store})
		r := strings.NewReader(strings.Repeat("x", c.size+1000))
		_, err := s.Stage(ctx, io.LimitReader(r, int64(c.size)), StageOptions{MaxSize: c.stage})
		if (err == nil) != c.ok || !c.ok && !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStageReadsOneByteBeyondTheCapAtMost(t *testing.T) {
	t.Parallel()
	r := bytes.NewReader(make([]byte, 10_000))
	_, err := open(t, Options{MaxSize: 4000}).Stage(ctx, r, StageOptions{})
	if read := 10_000 - r.Len(); !errors.Is(err, ErrTooLarge) || read > 4001 {
		t.Errorf("read %d bytes, %v", read, err)
	}
}

// Not parallel: it measures what the whole process holds.
func TestStageMemoryIsFlat(t *testing.T) {
	s := open(t, Options{})
	held := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const size, every = 128 << 20, 8 << 20
	before, most := held(), uint64(0)
	read := 0
	r := readerFunc(func(p []byte) (int, error) {
		if read/every != (read+len(p))/every {
			most = max(most, held())
		}
		read += len(p)
		return len(p), nil
	})
	st, err := s.Stage(ctx, io.LimitReader(r, size), StageOptions{Blake2b: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Cancel(); err != nil {
		t.Fatal(err)
	}
	if most == 0 || most > before+4<<20 {
		t.Errorf("staging %d bytes held %d bytes at most, from %d before", size, most, before)
	}
}

func TestClosedStore(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	sha := put(t, s, []byte("kept"))
	st := stage(t, s, []byte("staged"))
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	_, err := s.Stage(ctx, strings.NewReader("x"), StageOptions{})
	for name, err := range map[string]error{"stage": err, "commit": st.Commit(), "remove": s.Remove(sha), "failed": s.Failed()} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := st.Cancel(); err != nil || temporary(t, s) != 0 {
		t.Errorf("cancel: %v, %d temporary files", err, temporary(t, s))
	}
}
