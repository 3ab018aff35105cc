package blob

import (
	"fmt"
	"path/filepath"
	"testing"
)

func TestKilledAtEveryPoint(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"commit", "batch"} {
		for _, point := range []string{CrashStaged, CrashAfterFileSync, CrashAfterRename, CrashAfterDirSync} {
			t.Run(mode+", "+point, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				step := 7
				if mode == "batch" && point == CrashStaged {
					step = 3 * batchMin // a batch passes the other points once
				}
				var acked [][32]byte
				for n := range 3 { // the next process finds what the one before left
					c := start(t, fmt.Sprintf("%s|%s|%d", mode, point, 1+n*step), dir)
					acked = append(acked, c.acked(t, 0)...)
					c.wantKilled(t)
				}
				checkStore(t, filepath.Join(dir, "blobs"), acked)
				if len(acked) == 0 {
					t.Error("nothing was acknowledged: this shows nothing")
				}
			})
		}
	}
}

func TestKilledAtAnyTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var acked [][32]byte
	for i := range 12 {
		c := start(t, "publish", dir)
		acked = append(acked, c.acked(t, 20+17*i)...)
		if err := c.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		acked = append(acked, c.acked(t, 0)...)
		c.wantKilled(t)
	}
	checkStore(t, filepath.Join(dir, "blobs"), acked)
}
