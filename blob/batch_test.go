package blob

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// batchOf stages n different files and adds them to a batch.
func batchOf(t testing.TB, s *Store, n int) (*Batch, []*Staged) {
	t.Helper()
	b := s.NewBatch()
	var all []*Staged
	for i := range n {
		st := stage(t, s, randomBytes(uint64(i), 100+i))
		b.Add(st)
		all = append(all, st)
	}
	return b, all
}

func TestBatchSyncsTwice(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	there := put(t, s, randomBytes(3, 103))
	b, all := batchOf(t, s, 40)
	if err := all[7].Commit(); err != nil { // on its own, meanwhile
		t.Fatal(err)
	}
	b.Add(stage(t, s, randomBytes(5, 105))) // the same bytes twice
	b.Add(all[9])                           // the same file twice
	var named []int
	s.syncFS = func(f *os.File) error {
		n := 0
		for _, st := range all {
			if has(t, s, st.SHA256) {
				n++
			}
		}
		named = append(named, n)
		return syncFS(f)
	}
	if !syncFSTells() {
		t.Logf("this system's syncfs tells of no failure: a batch syncs file by file here")
		named = []int{2, 40}
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	if len(named) != 2 || named[0] != 2 || named[1] != 40 {
		t.Errorf("blobs at each sync: %v, want the 2 that were there, then all 40", named)
	}
	for _, st := range all {
		if err := errors.Join(s.Verify(ctx, st.SHA256), st.Commit(), st.Cancel()); err != nil {
			t.Error(err)
		}
	}
	if err := s.Verify(ctx, there); err != nil || len(b.staged) != 42 {
		t.Error(err)
	}
	left := temporary(t, s)
	if left != 0 {
		t.Errorf("%d temporary files", left)
	}
}

func TestSmallBatchLeavesTheFilesystemAlone(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	s.syncFS = func(*os.File) error { return errors.New("not for so few") }
	if err := s.NewBatch().Commit(); err != nil {
		t.Errorf("an empty batch: %v", err)
	}
	b, all := batchOf(t, s, batchMin-1)
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	for _, st := range all {
		if err := s.Verify(ctx, st.SHA256); err != nil {
			t.Error(err)
		}
	}
}

func TestBatchOfACancelledFileStoresNothing(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	b, all := batchOf(t, s, 20)
	if err := all[19].Cancel(); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(); !errors.Is(err, ErrDone) {
		t.Errorf("commit: %v", err)
	}
	for _, st := range all {
		if has(t, s, st.SHA256) {
			t.Error("a blob is there")
		}
	}
}

func TestFailedSyncOfABatch(t *testing.T) {
	t.Parallel()
	for _, failing := range []int{1, 2} {
		s := open(t, Options{})
		old := put(t, s, randomBytes(3, 103))
		b, all := batchOf(t, s, 30)
		calls := 0
		s.syncFS = func(f *os.File) error {
			if calls++; calls == failing {
				return syscall.EIO
			}
			return syncFS(f)
		}
		if !syncFSTells() {
			s.sync = func(*os.File) error { return syscall.EIO }
		}
		if err := b.Commit(); !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) {
			t.Errorf("sync %d: %v", failing, err)
		}
		for _, st := range all {
			if st.SHA256 != old && has(t, s, st.SHA256) {
				t.Errorf("sync %d: a blob is there", failing)
			}
			if err := st.Cancel(); err != nil {
				t.Error(err)
			}
		}
		if err := s.Verify(ctx, old); err != nil {
			t.Errorf("sync %d: what was stored before: %v", failing, err)
		}
		if n := temporary(t, s); n != 0 {
			t.Errorf("sync %d: %d temporary files", failing, n)
		}
		if err := b.Commit(); err == nil {
			t.Errorf("sync %d: a second commit succeeded", failing)
		}
	}
}
