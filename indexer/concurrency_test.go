package indexer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"
)

func TestUpdatesThatWaitAreDoneTogether(t *testing.T) {
	t.Parallel()
	const uploaders = 32
	src := newFake()
	src.put("linux-64", rec("a", "1.0", extConda, ""))
	flights := 0
	s := openSet(t, src, Options{Observe: func(name string, _ time.Duration) {
		if name == "index splice" {
			flights++ // one flight at a time
		}
	}})
	flights = 0
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	src.mu.Lock()
	src.onRead = func(string) error {
		once.Do(func() { close(entered); <-release })
		return nil
	}
	src.mu.Unlock()
	var wg sync.WaitGroup
	publish := func(i int) {
		name := fmt.Sprintf("p%d", i)
		rev := src.put("linux-64", rec(name, "1.0", extConda, ""))
		if err := s.Update(ctx, "team", "linux-64", []string{name}, rev); err != nil {
			t.Error(err)
		}
		if !bytes.Contains(body(t, s, "linux-64", "repodata.json"), []byte(name+"-1.0-0.conda")) {
			t.Errorf("%s is not visible after its Update returned", name)
		}
	}
	wg.Go(func() { publish(0) })
	<-entered
	d := subdirNamed(s, "linux-64")
	for i := 1; i < uploaders; i++ {
		wg.Go(func() { publish(i) })
	}
	for waiting := 0; waiting < uploaders-1; {
		d.mu.Lock()
		if d.next != nil {
			waiting = len(d.next.names)
		}
		d.mu.Unlock()
		runtime.Gosched()
	}
	close(release)
	wg.Wait()
	if flights > 3 {
		t.Errorf("%d updates took %d flights", uploaders, flights)
	}
	if n := len(repodata(t, s, "linux-64").Conda); n != uploaders+1 {
		t.Errorf("%d packages are shown", n)
	}
}

func TestReadersSeeWholeGenerationsWhileManyPublish(t *testing.T) {
	t.Parallel()
	src := newFake()
	fill(src, 500)
	s := openSet(t, src, Options{Dir: t.TempDir()})
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				f, _ := s.File("team", "linux-64", "repodata.json")
				if !bytes.Equal(contents(errorer{t}, f), unzstd(errorer{t}, contents(errorer{t}, f.Zstd))) {
					t.Error("the two encodings of one file differ")
				}
				shardsOf(errorer{t}, s, "linux-64")
				_, _ = s.File("team", "", "channeldata.json")
			}
		})
	}
	for w := range 8 {
		writers.Go(func() {
			for i := range 15 {
				r := rec(fmt.Sprintf("w%d", w%3), fmt.Sprintf("%d.%d", w, i), extConda, "")
				if err := s.Update(ctx, "team", "linux-64", []string{r.Name}, src.put("linux-64", r)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	if n := len(repodata(t, s, "linux-64").Conda); n != 500+8*15 {
		t.Errorf("%d packages are shown, %d were published", n, 500+8*15)
	}
}

// errorer makes a failure on another goroutine one of the test.
type errorer struct{ t *testing.T }

func (e errorer) Helper()                   {}
func (e errorer) Fatalf(f string, a ...any) { e.t.Errorf(f, a...) }

func TestNameThatChangesWhileItIsReadIsReadAgain(t *testing.T) {
	t.Parallel()
	src := newFake()
	s := openSet(t, src, Options{})
	var once sync.Once
	src.onRead = func(string) error {
		once.Do(func() { src.put("noarch", rec("late", "1.0", extConda, "")) })
		return nil
	}
	update(t, s, "noarch", src.put("noarch", rec("early", "1.0", extConda, "")), "early")
	if got := repodata(t, s, "noarch").Conda; len(got) != 2 {
		t.Errorf("shown are %v", got)
	}
	if st := s.Stats(); len(st) != 1 || st[0].Rev != 2 || st[0].Packages != 2 || st[0].Bytes != int64(len(body(t, s, "noarch", "repodata.json"))) {
		t.Errorf("Stats says %+v", st)
	}
}

func TestFailedUpdateChangesNothingAndTheNextSucceeds(t *testing.T) {
	t.Parallel()
	src := newFake()
	s := openSet(t, src, Options{})
	broken := errors.New("disk on fire")
	src.onRead = func(string) error { return broken }
	before := body(t, s, "noarch", "repodata.json")
	rev := src.put("noarch", rec("a", "1.0", extConda, ""))
	if err := s.Update(ctx, "team", "noarch", []string{"a"}, rev); !errors.Is(err, broken) {
		t.Fatalf("Update reports %v", err)
	}
	if !bytes.Equal(before, body(t, s, "noarch", "repodata.json")) {
		t.Error("a failed update shows something")
	}
	src.onRead = nil
	update(t, s, "noarch", src.put("noarch", rec("b", "1.0", extConda, "")), "b")
	if got := repodata(t, s, "noarch").Conda; len(got) != 2 {
		t.Errorf("the failed name is not made up for: %v", got)
	}
}

func TestCancelledUpdateReturnsAndTheChangeIsStillMade(t *testing.T) {
	t.Parallel()
	src := newFake()
	s := openSet(t, src, Options{})
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	src.onRead = func(string) error {
		once.Do(func() { close(entered); <-release })
		return nil
	}
	revA := src.put("noarch", rec("a", "1.0", extConda, ""))
	done := make(chan error, 1)
	go func() { done <- s.Update(ctx, "team", "noarch", []string{"a"}, revA) }()
	<-entered
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Update(gone, "team", "noarch", []string{"b"}, src.put("noarch", rec("b", "1.0", extConda, ""))); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled update reports %v", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := repodata(t, s, "noarch").Conda; len(got) != 2 {
		t.Errorf("shown are %v", got)
	}
}
