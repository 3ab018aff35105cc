package passthrough

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// The last byte is held back until the whole was verified.
func TestLastByteIsHeldBack(t *testing.T) {
	t.Parallel()
	tmp, err := os.Create(filepath.Join(t.TempDir(), "fill"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tmp.WriteString("0123456789"); err != nil {
		t.Fatal(err)
	}
	f := &fill{tmp: tmp, size: 10, written: 10, more: make(chan struct{}), refs: 2}
	gone, leave := context.WithCancel(ctx)
	leave()
	r := &follower{f: f, ctx: gone, end: -1}
	if b, err := io.ReadAll(r); string(b) != "012345678" || !errors.Is(err, context.Canceled) {
		t.Errorf("before it was verified: %q, %v", b, err)
	}
	part := &follower{f: f, ctx: gone, off: 2, end: 5}
	if b, err := io.ReadAll(part); string(b) != "234" || err != nil {
		t.Errorf("part: %q, %v", b, err)
	}
	f.step(func() { f.done = true })
	if b, err := io.ReadAll(r); string(b) != "9" || err != nil {
		t.Errorf("after: %q, %v", b, err)
	}
	f.step(func() { f.err = errors.New("other bytes") })
	if _, err := (&follower{f: f, ctx: ctx, end: -1}).Read(make([]byte, 1)); !errors.Is(err, ErrBroken) {
		t.Errorf("failed: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	_ = r.Close() // a second one lets go of nothing
	_ = part.Close()
	if _, err := tmp.Write(nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the last one left the file open: %v", err)
	}
}
