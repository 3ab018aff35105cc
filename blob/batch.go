package blob

import (
	"fmt"
	"os"
)

// batchMin is how many files are worth a sync of the whole filesystem, which
// writes everybody else's data too.
const batchMin = 16

// Batch commits many staged files at once. It is for one goroutine.
type Batch struct {
	store  *Store
	staged []*Staged
}

// NewBatch starts a batch.
func (s *Store) NewBatch() *Batch { return &Batch{store: s} }

// Add puts a staged file into the batch. It stays the caller's to cancel.
func (b *Batch) Add(st *Staged) { b.staged = append(b.staged, st) }

// Commit is [Staged.Commit] of every file added: when it returns nil, a power cut
// takes none of them back. It syncs the filesystem twice, whatever the number of
// files: their bytes before they get their names, the names before it returns. A
// power cut on the way leaves temporary files and whole blobs.
//
// After an error none of them may be taken for stored.
func (b *Batch) Commit() error {
	s := b.store
	if len(b.staged) < batchMin || !syncFSTells() {
		for _, st := range b.staged {
			if err := st.Commit(); err != nil {
				return err
			}
		}
		return nil
	}
	todo := make([]*Staged, 0, len(b.staged))
	for _, st := range b.staged {
		if st.committed {
			continue
		}
		if st.name == "" {
			return ErrDone
		}
		todo = append(todo, st)
	}
	if err := s.syncAll(); err != nil {
		for _, st := range todo {
			_ = st.Cancel()
		}
		return err
	}
	s.opts.Crash(CrashAfterFileSync)

	var placed []*Staged
	for _, st := range todo {
		if st.name == "" {
			continue // added twice
		}
		isNew, err := s.placeLocked(st)
		if err != nil {
			return err
		}
		if isNew {
			placed = append(placed, st)
		}
	}
	s.opts.Crash(CrashAfterRename)
	if err := s.syncAll(); err != nil {
		for _, st := range placed {
			_ = os.Remove(s.path(st.SHA256))
		}
		return err
	}
	s.opts.Crash(CrashAfterDirSync)
	for _, st := range todo {
		st.committed = true
	}
	return nil
}

func (s *Store) placeLocked(st *Staged) (placed bool, err error) {
	l := s.leaf(st.SHA256)
	l.mu.Lock()
	defer l.mu.Unlock()
	return s.place(st)
}

// syncAll syncs the filesystem of the store. One at a time: the kernel tells each
// failure once, so nobody may come between a failure and its being noted.
func (s *Store) syncAll() error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	if err := s.Failed(); err != nil {
		return err
	}
	if err := s.syncFS(s.root); err != nil {
		return s.fail(fmt.Errorf("syncing the filesystem of %q: %w", s.dir, err))
	}
	return nil
}
