package tests

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// The ioctl that takes a file system away as a power cut does: what was not
// flushed, its journal included, is lost.
const (
	fsShutdown = 0x8004587d // FS_IOC_SHUTDOWN
	noLogFlush = 2          // FS_SHUTDOWN_FLAGS_NOLOGFLUSH
)

// An acknowledged upload survives a power cut.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	const cuts = 4
	disk, err := newDisk(t, 256<<20)
	if err != nil {
		fmt.Printf("the power cut is not shown here: %v (root, loop devices and mkfs.ext4 are needed)\n", err)
		return
	}
	g := harness.Start(t, harness.Options{Data: filepath.Join(disk.dir, "data")})
	u := &uploaders{g: g, key: g.Key("admin"), channel: "team", acked: map[string]string{}}
	g.Channel("team")
	random := rand.New(rand.NewPCG(3, 4))
	for range cuts {
		stop := make(chan struct{})
		time.AfterFunc(time.Duration(150+random.IntN(600))*time.Millisecond, func() {
			if err := disk.cut(); err != nil {
				t.Error(err)
			}
			// The gateway lives on for a moment without its disk: nothing that it
			// answers now may be an acknowledgement of what is not there.
			time.AfterFunc(50*time.Millisecond, func() { g.Kill(); close(stop) })
		})
		u.run(8, stop)
		<-stop
		must(t, disk.remount())
		g.Launch()
		u.check(t)
	}
	if len(u.acked) < cuts {
		t.Fatalf("only %d uploads were acknowledged over %d lives: the test shows nothing", len(u.acked), cuts)
	}
	u.fetchAll(t)
	t.Logf("%d power cuts, %d acknowledged, 0 lost", cuts, len(u.acked))
	g.Stop()
}

// A package that the disk has no room for is refused as such; what fits goes on
// being taken.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk, err := newDisk(t, 64<<20)
	if err != nil {
		fmt.Printf("a full disk is not shown here: %v (root, loop devices and mkfs.ext4 are needed)\n", err)
		return
	}
	g := harness.Start(t, harness.Options{Data: filepath.Join(disk.dir, "data")})
	key := g.Key("admin")
	g.Channel("team")
	large, data := condatest.Build(condatest.Spec{Name: "large", Files: map[string]string{"data": noise(80 << 20)}})
	checkSentence(t, g.Expect(t, http.StatusInsufficientStorage, harness.UploadRequest(key, "team", large, data)))
	g.Expect(t, 200, harness.Request{Path: "/-/readyz"})
	small, _ := g.Publish(key, "team", condatest.Spec{Name: "small"})
	listed(t, g.Subdir(key, "team", "noarch"), small)
	noTemporaryFiles(t, g.Data)
	g.Stop()
}

// disk is an ext4 file system in a file.
type disk struct{ image, dir string }

func newDisk(t *testing.T, size int64) (*disk, error) {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("the tests do not run as root")
	}
	base := t.TempDir()
	d := &disk{image: filepath.Join(base, "disk.img"), dir: filepath.Join(base, "disk")}
	f, err := os.Create(d.image)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return nil, err
	}
	if err := os.Mkdir(d.dir, 0o755); err != nil {
		return nil, err
	}
	if err := command("mkfs.ext4", "-q", "-F", d.image); err != nil {
		return nil, err
	}
	if err := d.mount(); err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = command("umount", "-l", d.dir) })
	return d, nil
}

func (d *disk) mount() error { return command("mount", "-o", "loop", d.image, d.dir) }

func (d *disk) remount() error {
	if err := command("umount", d.dir); err != nil {
		return err
	}
	return d.mount()
}

func (d *disk) cut() error {
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer f.Close()
	flags := uint32(noLogFlush)
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), fsShutdown, uintptr(unsafe.Pointer(&flags)))
	if errno != 0 {
		return fmt.Errorf("shutting the file system down: %w", errno)
	}
	return nil
}

func command(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w %s", name, err, out)
	}
	return nil
}
