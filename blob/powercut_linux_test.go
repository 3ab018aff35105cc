package blob

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// powerCuts is how often the power goes. Each cut takes about a second.
const powerCuts = 5

// powerDisk is an ext4 filesystem on a loop device whose power can be cut.
type powerDisk struct {
	image, loop string
	dir         string // where it is mounted
}

// newPowerDisk makes and mounts one. The error says why this machine cannot.
func newPowerDisk(t testing.TB, mib int64) (*powerDisk, error) {
	t.Helper()
	base := t.TempDir()
	d := &powerDisk{image: filepath.Join(base, "disk.img"), dir: filepath.Join(base, "mnt")}
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.Create(d.image)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(mib << 20); err != nil {
		return nil, err
	}
	if _, err := run("mkfs.ext4", "-q", "-F", d.image); err != nil {
		return nil, err
	}
	if d.loop, err = run("losetup", "--find", "--show", d.image); err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		_ = unix.Unmount(d.dir, unix.MNT_DETACH)
		_, _ = run("losetup", "--detach", d.loop)
	})
	return d, d.mount()
}

func run(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// mount replays the journal, as a start after a power cut does. A long commit
// interval keeps the kernel from writing by itself what was not synced.
func (d *powerDisk) mount() error {
	if err := unix.Mount(d.loop, d.dir, "ext4", 0, "commit=300"); err != nil {
		return fmt.Errorf("mounting %s: %w", d.loop, err)
	}
	return nil
}

// cut drops everything that was not synced: FS_IOC_SHUTDOWN without a flush of the
// journal. Every later write fails.
func (d *powerDisk) cut() error {
	const (
		fsIOCShutdown = 0x8004587d
		noLogFlush    = 2
	)
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.IoctlSetPointerInt(int(f.Fd()), fsIOCShutdown, noLogFlush); err != nil {
		return fmt.Errorf("shutting the filesystem down: %w", err)
	}
	return nil
}

// restart is what the machine does when the power is back. Nobody may have a file
// of the disk open.
func (d *powerDisk) restart() error {
	if err := unix.Unmount(d.dir, 0); err != nil {
		return fmt.Errorf("unmounting %s: %w", d.dir, err)
	}
	return d.mount()
}

// Committed blobs, single ones and batches, survive power cuts whole.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	disk, err := newPowerDisk(t, 512)
	if err != nil {
		t.Logf("the power cut is not tried here, it needs root, ext4 and a loop device: %v", err)
		return
	}
	var acked [][32]byte
	for i := range powerCuts {
		c := start(t, "publish", disk.dir)
		acked = append(acked, c.acked(t, 150+50*i)...)
		if err := disk.cut(); err != nil {
			t.Logf("the power cut is not tried here: %v", err)
			return
		}
		acked = append(acked, c.acked(t, 0)...) // until the child's first failure
		_ = c.cmd.Wait()
		if !strings.Contains(c.stderr.String(), "input/output error") {
			t.Fatalf("the child ended with %v, not for its disk: %s", c.cmd.ProcessState, c.stderr.String())
		}
		if err := disk.restart(); err != nil {
			t.Fatal(err)
		}
		checkStore(t, filepath.Join(disk.dir, "blobs"), acked)
	}
	t.Logf("%d power cuts, %d blobs acknowledged, 0 lost", powerCuts, len(acked))
}
