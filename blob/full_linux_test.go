package blob

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReleasesWhoseSyncfsTells(t *testing.T) {
	t.Parallel()
	for release, want := range map[string]bool{
		"6.18.44-fc": true, "5.8.0": true, "5.10.0-28-amd64": true, "10.0": true,
		"5.7.19": false, "4.18.0-553.el8": false, "5": false, "": false, "new": false,
	} {
		if atLeast58(release) != want {
			t.Errorf("%q: %v", release, !want)
		}
	}
}

// A small filesystem of its own, full of bytes or of files: both are ErrFull,
// nothing stays behind, and with room again the store works.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options string
		fill    func(*testing.T, *Store) error
	}{
		"of bytes": {"size=1m", func(t *testing.T, s *Store) error {
			_, err := s.Stage(ctx, bytes.NewReader(make([]byte, 2<<20)), StageOptions{})
			return err
		}},
		"of files": {"nr_inodes=8", func(t *testing.T, s *Store) error {
			for {
				st, err := s.Stage(ctx, bytes.NewReader(nil), StageOptions{})
				if err != nil {
					return err
				}
				defer st.Cancel()
			}
		}},
		"of folders": {"nr_inodes=4", func(t *testing.T, s *Store) error { // root, blobs, tmp, a file
			st := stage(t, s, []byte("y"))
			defer st.Cancel()
			return st.Commit()
		}},
	} {
		dir := t.TempDir()
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, c.options); err != nil {
			t.Logf("a full disk is not tried here: mounting a small filesystem: %v", err)
			return
		}
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
		s := openAt(t, dir+"/blobs", Options{})
		if err := c.fill(t, s); !errors.Is(err, ErrFull) || !errors.Is(err, unix.ENOSPC) {
			t.Errorf("%s: %v", name, err)
		}
		if n := temporary(t, s); n != 0 || s.Failed() != nil {
			t.Errorf("%s: %d temporary files, %v", name, n, s.Failed())
		}
		if name != "of folders" {
			put(t, s, []byte("fits"))
		}
	}
}
