package catalog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// hold keeps the writer busy until the function it returns is called.
func hold(t testing.TB, s *Store) (release func()) {
	t.Helper()
	begun, end, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		_, _ = s.Update(ctx, Actor{}, func(*Tx) error {
			close(begun)
			<-end
			return nil
		})
	}()
	<-begun
	return func() {
		close(end)
		<-done
	}
}

// waitQueued waits until n mutations wait.
func waitQueued(s *Store, n int) {
	for {
		s.w.mu.Lock()
		queued := len(s.w.queue)
		s.w.mu.Unlock()
		if queued == n {
			return
		}
		runtime.Gosched()
	}
}

func TestConcurrentUpdatesShareCommits(t *testing.T) {
	t.Parallel()
	const writers, batch = 64, 16
	var commits atomic.Int64
	s := open(t, Options{MaxBatch: batch, Crash: func(point string) {
		if point == CrashBeforeCommit {
			commits.Add(1)
		}
	}})
	var applied []Change
	s.Subscribe(func(c []Change) { applied = append(applied, slices.Clone(c)...) })
	release := hold(t, s)
	revs := make([]int64, writers)
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			rev, err := tryUpdate(s, func(tx *Tx) error { return tx.AddReserved(fmt.Sprint("name-", i)) })
			if err != nil {
				t.Error(err)
			}
			if s.Rev() < rev {
				t.Errorf("answered at revision %d, while the store is at %d", rev, s.Rev())
			}
			revs[i] = rev
		})
	}
	waitQueued(s, writers)
	before := commits.Load()
	release()
	all.Wait()
	if n := commits.Load() - before; n != 1+writers/batch { // one of the mutation that held the writer
		t.Errorf("%d commits for %d mutations, at most %d at once", n, writers, batch)
	}
	slices.Sort(revs)
	for i, rev := range revs {
		if rev != int64(i+1) {
			t.Fatalf("revisions %v: want 1 to %d", revs, writers)
		}
	}
	if len(applied) != writers || !slices.IsSortedFunc(applied, func(a, b Change) int { return int(a.Rev - b.Rev) }) {
		t.Errorf("applied %v", applied)
	}
}

// One mutation of a batch is nobody else's: not its error, not its panic.
func TestMutationsOfABatchAreApart(t *testing.T) {
	t.Parallel()
	errOwn := errors.New("my own reason")
	var commits atomic.Int64
	s := open(t, Options{Crash: func(point string) {
		if point == CrashBeforeCommit {
			commits.Add(1)
		}
	}})
	id := newChannel(t, s, "main")
	var applied []Change
	s.Subscribe(func(c []Change) { applied = append(applied, slices.Clone(c)...) })
	add := func(tx *Tx, i int) error {
		if err := tx.InsertPackage(pkg(id, "noarch", fmt.Sprint("p", i), "1", "x")); err != nil {
			return err
		}
		return tx.Audit("package.upload", "conda", fmt.Sprint("p", i), nil, nil)
	}
	steps := []struct {
		fn    func(tx *Tx) error
		want  error
		panic any
	}{
		{fn: func(tx *Tx) error { return add(tx, 0) }},
		{fn: func(tx *Tx) error { return errors.Join(add(tx, 1), errOwn) }, want: errOwn},
		{fn: func(tx *Tx) error { return add(tx, 2) }},
		{fn: func(tx *Tx) error { _ = add(tx, 3); panic("boom") }, panic: "boom"},
		{fn: func(tx *Tx) error { return tx.InsertPackage(pkg(id, "noarch", "p4", "1", "x")) }, want: ErrNoAudit},
		{fn: func(tx *Tx) error {
			return errors.Join(add(tx, 5), tx.InsertPackage(pkg(id, "noarch", "p5", "1", "x")))
		}, want: ErrExists},
		{fn: func(tx *Tx) error { return add(tx, 6) }},
	}
	release := hold(t, s)
	revs := make([]int64, len(steps))
	var all sync.WaitGroup
	for i, step := range steps {
		all.Go(func() {
			defer func() {
				if p := recover(); p != step.panic {
					t.Errorf("step %d panicked with %v, want %v", i, p, step.panic)
				}
			}()
			var err error
			if revs[i], err = s.Update(ctx, Actor{}, step.fn); !errors.Is(err, step.want) || (err == nil) != (step.want == nil) {
				t.Errorf("step %d: %v, want %v", i, err, step.want)
			}
		})
		waitQueued(s, i+1)
	}
	before := commits.Load()
	release()
	all.Wait()
	if n := commits.Load() - before; n != 2 {
		t.Errorf("%d commits, want that of the holder and one", n)
	}
	if want := []int64{2, 0, 3, 0, 0, 0, 4}; !slices.Equal(revs, want) {
		t.Errorf("revisions %v, want %v", revs, want)
	}
	var names []string
	if err := s.EachEntry(ctx, id, "noarch", func(e *Entry) error { names = append(names, e.Name); return nil }); err != nil || !slices.Equal(names, []string{"p0", "p2", "p6"}) {
		t.Errorf("packages %v, %v", names, err)
	}
	if st, err := s.Subdir(ctx, id, "noarch"); err != nil || st.Packages != 3 || st.Rev != 4 {
		t.Errorf("%+v, %v", st, err)
	}
	if rows, err := s.AuditRows(ctx, AuditFilter{Action: "package.upload"}); err != nil || len(rows) != 3 {
		t.Errorf("%d audit rows, %v", len(rows), err)
	}
	changed, complete, err := s.ChangesSince(ctx, 1, KindConda, "main/noarch")
	if want := []string{"p0-1-0.conda", "p2-1-0.conda", "p6-1-0.conda"}; err != nil || !complete || !slices.Equal(changed, want) || len(applied) != 3 {
		t.Errorf("changes %v, applied %v, %v", changed, applied, err)
	}
	if problems, err := s.Check(ctx); err != nil || problems != nil {
		t.Errorf("check: %q, %v", problems, err)
	}
}

func TestRevisionAdvancesByOneForAChange(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	id := newChannel(t, s, "main")
	for name, c := range map[string]struct {
		fn   func(tx *Tx) error
		want int64
	}{
		"nothing":       {func(*Tx) error { return nil }, 0},
		"only an audit": {func(tx *Tx) error { return tx.Audit("a", "k", "t", nil, nil) }, 0},
		"an error":      {func(tx *Tx) error { return errors.Join(tx.AddReserved("x"), errors.New("no")) }, 0},
		"many packages": {func(tx *Tx) error { return insertMany(tx, id, 30) }, 1},
		"an empty unyank": {func(tx *Tx) error {
			return errors.Join(tx.UnyankPackage(id, "noarch", "absent"))
		}, 0},
	} {
		before := s.Rev()
		rev, err := tryUpdate(s, func(tx *Tx) error {
			if tx.Rev() != before+1 {
				t.Errorf("%s: inside, the revision is %d", name, tx.Rev())
			}
			return c.fn(tx)
		})
		if s.Rev() != before+c.want || err == nil && rev != before+c.want {
			t.Errorf("%s: from %d to %d, answered %d, %v", name, before, s.Rev(), rev, err)
		}
	}
}

func insertMany(tx *Tx, id int64, n int) error {
	for i := range n {
		if err := tx.InsertPackage(pkg(id, "noarch", fmt.Sprint("many", i), "1", "x")); err != nil {
			return err
		}
	}
	return nil
}

func TestUpdateLeavesTheQueueWithItsContext(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	release := hold(t, s)
	waiting, cancel := context.WithCancel(ctx)
	answer := make(chan error)
	go func() {
		_, err := s.Update(waiting, Actor{}, func(*Tx) error { t.Error("it ran"); return nil })
		answer <- err
	}()
	waitQueued(s, 1)
	cancel()
	if err := <-answer; !errors.Is(err, context.Canceled) { // before the writer is free
		t.Errorf("%v", err)
	}
	release()
	update(t, s, func(tx *Tx) error { return tx.AddReserved("after") })
}

func TestBegunUpdateIsAwaited(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	running, cancel := context.WithCancel(ctx)
	rev, err := s.Update(running, Actor{}, func(tx *Tx) error {
		cancel()
		return errors.Join(tx.AddReserved("x"), tx.Audit("a", "k", "t", nil, nil))
	})
	if reserved, _ := s.Reserved(ctx); err != nil || rev != 1 || len(reserved) != 1 {
		t.Errorf("revision %d, %v, %v", rev, reserved, err)
	}
}

func TestTxEndsWithItsFunction(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	var kept *Tx
	update(t, s, func(tx *Tx) error { kept = tx; return tx.AddReserved("x") })
	_, err := kept.Reserved()
	for _, err := range []error{err, kept.AddReserved("y"), kept.Audit("a", "k", "t", nil, nil)} {
		if !errors.Is(err, ErrTxDone) {
			t.Errorf("%v", err)
		}
	}
}

func TestCloseFinishesWhatWaits(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "catalog.db")
	s := openAt(t, path, Options{MaxBatch: 2})
	release := hold(t, s)
	var all sync.WaitGroup
	for i := range 5 {
		all.Go(func() { update(t, s, func(tx *Tx) error { return tx.AddReserved(fmt.Sprint(i)) }) })
	}
	waitQueued(s, 5)
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	release()
	all.Wait()
	if err := errors.Join(<-closed, s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := tryUpdate(s, func(tx *Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if left, _ := filepath.Glob(path + "-*"); left != nil {
		t.Errorf("left behind: %q", left)
	}
	again := openAt(t, path, Options{})
	if reserved, err := again.Reserved(ctx); err != nil || len(reserved) != 5 || again.Rev() != 5 {
		t.Errorf("%v at revision %d, %v", reserved, again.Rev(), err)
	}
}

func TestFullDiskUndoesAndHeals(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	id := newChannel(t, s, "main")
	limit := func(pages string) {
		if err := s.quietly(ctx, func(tx *Tx) error {
			_, err := value[int](ctx, tx, "PRAGMA max_page_count = "+pages)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	limit("1") // what it has already: it may not grow
	big := pkg(id, "noarch", "big", "1", "x")
	big.Attestation = make([]byte, 1<<20)
	if _, err := tryUpdate(s, func(tx *Tx) error { return tx.InsertPackage(big) }); !errors.Is(err, ErrFull) || errors.Is(err, ErrReadOnly) {
		t.Errorf("full: %v", err)
	}
	if s.ReadOnly() != nil || s.Rev() != 1 {
		t.Errorf("revision %d, %v", s.Rev(), s.ReadOnly())
	}
	limit("100000")
	update(t, s, func(tx *Tx) error { return tx.InsertPackage(big) })
	if problems, err := s.Check(ctx); err != nil || problems != nil {
		t.Errorf("check: %q, %v", problems, err)
	}
}

// A disk that gives back other bytes than it got is not written to again.
func TestDamageMakesTheCatalogReadOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "catalog.db")
	s := openAt(t, path, Options{})
	id := newChannel(t, s, "main")
	update(t, s, func(tx *Tx) error { return tx.InsertPackage(pkg(id, "noarch", "a", "1", "x")) })
	page, err := value[int64](ctx, s.q, "SELECT rootpage FROM sqlite_master WHERE name = 'packages'")
	if err != nil {
		t.Fatal(err)
	}
	size, err := value[int64](ctx, s.q, "PRAGMA page_size")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(strings.Repeat("damaged ", int(size)/8)), (page-1)*size); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, path, Options{})
	_, err = tryUpdate(s, func(tx *Tx) error {
		_ = tx.InsertPackage(pkg(id, "noarch", "b", "1", "x")) // even if the mutation does not care
		return tx.AddReserved("x")
	})
	if !errors.Is(err, ErrReadOnly) || !errors.Is(s.ReadOnly(), ErrReadOnly) {
		t.Errorf("damaged: %v; %v", err, s.ReadOnly())
	}
	if _, err := tryUpdate(s, func(tx *Tx) error { return tx.AddReserved("y") }); !errors.Is(err, ErrReadOnly) {
		t.Errorf("after damage: %v", err)
	}
	if reserved, err := s.Reserved(ctx); err != nil || len(reserved) != 0 || s.Rev() != 2 {
		t.Errorf("reads must go on: %v at revision %d, %v", reserved, s.Rev(), err)
	}
	if problems, err := s.Check(ctx); err == nil && len(problems) == 0 {
		t.Error("the check found nothing")
	}
}
