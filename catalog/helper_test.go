package catalog

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// The test binary starts itself again as a process that kills itself: its mode is
// "<writers>|<point>|<n>", for as many goroutines and the n-th time of the point. It
// prints what it was told is done.
const (
	helperEnv     = "FAIRWAY_CATALOG_TEST_HELPER"
	helperPathEnv = "FAIRWAY_CATALOG_TEST_PATH"
)

func helper(mode string) {
	args := strings.Split(mode, "|")
	writers, _ := strconv.Atoi(args[0])
	at, _ := strconv.ParseInt(args[2], 10, 64)
	var armed atomic.Bool
	var times atomic.Int64
	s, err := Open(os.Getenv(helperPathEnv), Options{Crash: func(point string) {
		if armed.Load() && point == args[1] && times.Add(1) == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}})
	if err != nil {
		fatal(err)
	}
	c, err := s.Channel(ctx, "main")
	if err != nil {
		fatal(err)
	}
	armed.Store(true)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("p%d-%d-%d", os.Getpid(), w, i)
				if _, err := tryUpdate(s, func(tx *Tx) error { return addPair(tx, c.ID, name) }); err != nil {
					fatal(err)
				}
				fmt.Println(name)
			}
		})
	}
	all.Wait()
}

// addPair makes a mutation of several rows, all of which or none must be found.
func addPair(tx *Tx, channel int64, name string) error {
	return errors.Join(
		tx.InsertPackage(pkg(channel, "noarch", name, "1", "x")),
		tx.InsertPackage(pkg(channel, "linux-64", name, "1", "x")),
		tx.Audit("pair", "conda", name, nil, nil))
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// runHelper runs a helper to its death and returns what it was told is done.
func runHelper(t *testing.T, mode, path string) (acked []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"="+mode, helperPathEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		acked = append(acked, lines.Text())
	}
	_ = cmd.Wait()
	if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended with %v", cmd.ProcessState)
	}
	return acked
}
