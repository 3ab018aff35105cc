package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fairwayhq/fairway/blob"
	"github.com/fairwayhq/fairway/catalog"
)

// UpkeepProgress is how far a check or a backup is.
type UpkeepProgress struct {
	Total int   `json:"total"` // package files
	Done  int   `json:"done"`
	Bytes int64 `json:"bytes"` // of those done
}

// upkeepStep is after how many files progress is reported, and how many files of a
// backup share a sync of the file system.
const upkeepStep = 256

// CheckReport is what a check of the data folder found.
type CheckReport struct {
	Files    int      `json:"files"` // read and compared with their digest
	Bytes    int64    `json:"bytes"`
	Problems []string `json:"problems"` // one sentence each
}

// Check reads the whole data folder and says what is wrong with it: the catalog's
// integrity, files whose bytes are gone or damaged. It changes nothing, and readers
// and writers go on meanwhile. It is for the operator at the machine.
func (g *Gateway) Check(ctx context.Context, c *Caller, report func(UpkeepProgress)) (*CheckReport, error) {
	if err := localOnly(c); err != nil {
		return nil, err
	}
	rep := &CheckReport{Problems: []string{}}
	problems, err := g.cat.Check(ctx)
	if err != nil {
		return nil, err
	}
	rep.Problems = append(rep.Problems, problems...)
	files, err := referenced(ctx, g.cat)
	if err != nil {
		return nil, err
	}
	for i, f := range files {
		problem, err := g.checkFile(ctx, f)
		if err != nil {
			return nil, err
		}
		if problem != "" {
			rep.Problems = append(rep.Problems, problem)
		}
		rep.Files++
		rep.Bytes += f.Size
		reportStep(report, UpkeepProgress{len(files), i + 1, rep.Bytes})
	}
	return rep, nil
}

// checkFile reads a file and says in a sentence what is wrong with it, by the names
// it is published under; "" for nothing. A file that was deleted after the rows were
// listed is no problem, and want of file handles or memory none of the file's.
func (g *Gateway) checkFile(ctx context.Context, f catalog.Blob) (problem string, err error) {
	err = g.blobs.Verify(ctx, f.SHA256)
	switch {
	case err == nil:
		return "", nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	case exhausted(err):
		return "", err
	}
	names, nerr := g.cat.BlobNames(ctx, f.SHA256)
	if nerr != nil || len(names) == 0 {
		return "", nerr
	}
	what := err.Error()
	if errors.Is(err, blob.ErrNotFound) {
		what = fmt.Sprintf("its bytes, blob %x, are gone", f.SHA256)
	}
	return strings.Join(names, ", ") + ": " + what, nil
}

// BackupReport is what a backup has, and what it could not take.
type BackupReport struct {
	UpkeepProgress
	Damaged []string `json:"damaged"` // one sentence for each file that is not in the backup
}

// Backup copies the data folder to dir, which is made if it is missing: the catalog
// as of one moment, every file it names, checked on the way, and the root key. Files
// that are gone or damaged are reported, and everything else is copied. A later backup
// to the same folder copies only what is new. The copy is a data folder itself:
// restoring is starting a gateway on it. It is for the operator at the machine.
func (g *Gateway) Backup(ctx context.Context, c *Caller, dir string, report func(UpkeepProgress)) (_ *BackupReport, err error) {
	if err := localOnly(c); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, Errorf(http.StatusBadRequest, "the folder cannot be made: %s", err.Error())
	}
	lock, err := blob.LockDir(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()

	// The catalog goes first: whatever it names is on disk for the grace period of
	// deleted files yet.
	fresh := filepath.Join(dir, "catalog.db.new")
	for _, old := range []string{fresh, fresh + "-wal", fresh + "-shm"} {
		_ = os.Remove(old)
	}
	if err := g.cat.Backup(ctx, fresh); err != nil {
		return nil, err
	}
	files, err := backedUp(ctx, fresh)
	if err != nil {
		return nil, err
	}
	done, err := g.copyFiles(ctx, files, filepath.Join(dir, "blobs"), report)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "root.key"), g.root, 0o600); err != nil {
		return nil, fmt.Errorf("backing up root key: %w", err)
	}
	for _, old := range []string{"catalog.db-wal", "catalog.db-shm"} {
		_ = os.Remove(filepath.Join(dir, old)) // of a gateway that ran on the copy
	}
	if err := os.Rename(fresh, filepath.Join(dir, "catalog.db")); err != nil {
		return nil, fmt.Errorf("backing up catalog: %w", err)
	}
	return done, syncFolder(dir)
}

// backedUp lists what a copy of the catalog names.
func backedUp(ctx context.Context, path string) (files []catalog.Blob, err error) {
	copied, err := catalog.Open(path, catalog.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, copied.Close()) }()
	return referenced(ctx, copied)
}

// copyFiles copies what is not there yet.
func (g *Gateway) copyFiles(ctx context.Context, files []catalog.Blob, dir string, report func(UpkeepProgress)) (_ *BackupReport, err error) {
	to, err := blob.Open(dir, blob.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	rep := &BackupReport{UpkeepProgress: UpkeepProgress{Total: len(files)}, Damaged: []string{}}
	for some := range slices.Chunk(files, upkeepStep) {
		if err := g.copyBatch(ctx, to, some, rep); err != nil {
			return nil, err
		}
		report(rep.UpkeepProgress)
	}
	return rep, nil
}

// copyBatch copies files that share a sync of the file system. Each is open until all
// are stored.
func (g *Gateway) copyBatch(ctx context.Context, to *blob.Store, files []catalog.Blob, rep *BackupReport) error {
	batch := to.NewBatch()
	for _, f := range files {
		staged, problem, err := g.copyFile(ctx, to, f)
		if err != nil {
			return fmt.Errorf("backing up %x: %w", f.SHA256, err)
		}
		if problem != "" {
			rep.Damaged = append(rep.Damaged, problem)
			continue
		}
		if staged != nil {
			defer func() { _ = staged.Cancel() }() // closes the file; what is committed stays
			batch.Add(staged)
		}
		rep.Done++
		rep.Bytes += f.Size
	}
	if err := batch.Commit(); err != nil {
		return fmt.Errorf("storing backup: %w", err)
	}
	return nil
}

// copyFile stages one file of a backup; nil for one that is there, or that was deleted
// meanwhile. When it cannot, it looks whether that is the file's fault, and says then
// what is wrong with it.
func (g *Gateway) copyFile(ctx context.Context, to *blob.Store, f catalog.Blob) (_ *blob.Staged, problem string, err error) {
	if there, err := to.Has(f.SHA256); err != nil || there {
		return nil, "", err
	}
	staged, err := g.stageCopy(ctx, to, f)
	if err == nil {
		return staged, "", nil
	}
	problem, cerr := g.checkFile(ctx, f)
	switch {
	case cerr != nil:
		return nil, "", cerr
	case problem == "" && !errors.Is(err, blob.ErrNotFound):
		return nil, "", err // the file is well: it is the backup that cannot be written
	}
	return nil, problem, nil
}

func (g *Gateway) stageCopy(ctx context.Context, to *blob.Store, f catalog.Blob) (*blob.Staged, error) {
	src, _, err := g.blobs.Open(f.SHA256)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	staged, err := to.Stage(ctx, src, blob.StageOptions{})
	if err != nil {
		return nil, err
	}
	if staged.SHA256 != f.SHA256 {
		_ = staged.Cancel()
		return nil, fmt.Errorf("%w: blob %x was read as %x", blob.ErrDamaged, f.SHA256, staged.SHA256)
	}
	return staged, nil
}

// referenced lists every file that a catalog names.
func referenced(ctx context.Context, cat *catalog.Store) (files []catalog.Blob, err error) {
	err = cat.EachBlob(ctx, func(b *catalog.Blob) error {
		files = append(files, *b)
		return nil
	})
	return files, err
}

func reportStep(report func(UpkeepProgress), p UpkeepProgress) {
	if p.Done%upkeepStep == 0 || p.Done == p.Total {
		report(p)
	}
}

func localOnly(c *Caller) error {
	if !c.local {
		return Errorf(http.StatusForbidden, "only the operator at the machine may do this")
	}
	return nil
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	return nil
}
