package passthrough

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// On a full disk what is wanted now is worth more than what is kept: the cache makes
// room, and gives up only when it holds nothing more.
func TestFullDiskMakesRoom(t *testing.T) {
	t.Parallel()
	e := setup(t)
	_, a := e.store("aa", 1<<10)
	_, b := e.store("bb", 1<<10)
	if !e.files.makeRoom(1) || e.files.has("up/"+a) || !e.files.has("up/"+b) {
		t.Errorf("a byte is wanted: a there: %v, b there: %v", e.files.has("up/"+a), e.files.has("up/"+b))
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	f := &fill{p: e.Mirror, tmp: full, size: -1}
	if err := f.write([]byte("x")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a disk that stays full: %v", err)
	}
	if s := e.Stats(); s.CachedFiles != 0 || s.CacheBudget != DefaultCacheBytes {
		t.Errorf("what is left: %+v", s)
	}
	_, c := e.store("cc", 1<<10)
	if !e.files.has("up/" + c) {
		t.Error("nothing is kept any more")
	}
}
