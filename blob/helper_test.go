package blob

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// The test binary starts itself again as a process that is meant to die:
//
//	lock                      hold the lock of the folder until killed
//	commit <point> <n>        commit blobs; kill -9 itself at the n-th time of point
//	batch <point> <n>         the same by batches
//	publish                   commit from several goroutines until killed
//
// It prints the digest of every blob it was told is stored.
const (
	helperEnv    = "FAIRWAY_BLOB_TEST_HELPER"
	helperDirEnv = "FAIRWAY_BLOB_TEST_DIR"
)

func helper(mode string) {
	dir := os.Getenv(helperDirEnv)
	lock, err := LockDir(dir)
	if err != nil {
		fatal(err)
	}
	if mode == "lock" {
		fmt.Println("locked")
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = lock.Unlock()
		return
	}
	args := strings.Split(mode, "|")
	var o Options
	if len(args) == 3 {
		var times atomic.Int64
		n, _ := strconv.ParseInt(args[2], 10, 64)
		o.Crash = func(point string) {
			if point == args[1] && times.Add(1) == n {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
	}
	s, err := Open(filepath.Join(dir, "blobs"), o)
	if err != nil {
		fatal(err)
	}
	switch args[0] {
	case "commit":
		for {
			commitRandom(s)
		}
	case "batch":
		for {
			batchRandom(s, 2*batchMin)
		}
	case "publish":
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				for i < 5 {
					commitRandom(s)
				}
				for {
					batchRandom(s, 2*batchMin)
				}
			})
		}
		all.Wait()
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func commitRandom(s *Store) {
	st := stageRandom(s)
	if err := st.Commit(); err != nil {
		fatal(err)
	}
	fmt.Printf("%x\n", st.SHA256)
	_ = st.Cancel()
}

func batchRandom(s *Store, n int) {
	b := s.NewBatch()
	for range n {
		b.Add(stageRandom(s))
	}
	if err := b.Commit(); err != nil {
		fatal(err)
	}
	for _, st := range b.staged {
		fmt.Printf("%x\n", st.SHA256)
		_ = st.Cancel()
	}
}

func stageRandom(s *Store) *Staged {
	st, err := s.Stage(ctx, bytes.NewReader(randomBytes(rand.Uint64(), 1+rand.IntN(64<<10))), StageOptions{})
	if err != nil {
		fatal(err)
	}
	return st
}

// child is a helper that runs.
type child struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	lines  *bufio.Scanner
	stderr bytes.Buffer
}

func start(t testing.TB, mode, dir string) *child {
	t.Helper()
	c := &child{cmd: exec.Command(os.Args[0])}
	c.cmd.Env = append(os.Environ(), helperEnv+"="+mode, helperDirEnv+"="+dir)
	c.cmd.Stderr = &c.stderr
	in, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.stdin, c.lines = in, bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
	return c
}

// acked reads the digests of at most n blobs that the child was told are stored; 0 means
// all until it ends. A torn last line was not told to anybody.
func (c *child) acked(t testing.TB, n int) (all [][32]byte) {
	t.Helper()
	for c.lines.Scan() {
		raw, err := hex.DecodeString(c.lines.Text())
		if err != nil || len(raw) != 32 {
			continue
		}
		if all = append(all, [32]byte(raw)); len(all) == n {
			break
		}
	}
	return all
}

// wantKilled waits for a child that must have died of kill -9.
func (c *child) wantKilled(t testing.TB) {
	t.Helper()
	_ = c.cmd.Wait()
	if ws := c.cmd.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended with %v: %s", c.cmd.ProcessState, c.stderr.String())
	}
}

// checkStore opens what a dead process left and checks what must hold, whenever it
// died: every blob that was acknowledged is there, no name has wrong bytes, and
// no temporary file is left.
func checkStore(t testing.TB, dir string, acked [][32]byte) {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	lost := 0
	for _, sha := range acked {
		if err := s.Verify(ctx, sha); err != nil {
			lost++
			t.Error(err)
		}
	}
	wrong, blobs := 0, 0
	err = s.Each(ctx, func(i Info) error {
		blobs++
		if err := s.Verify(ctx, i.SHA256); err != nil {
			wrong++
			t.Error(err)
		}
		return nil
	})
	if n := temporary(t, s); err != nil || lost+wrong+n != 0 {
		t.Fatalf("%d acknowledged, %d of them lost; %d blobs, %d of them wrong; %d temporary files; %v", len(acked), lost, blobs, wrong, n, err)
	}
}
