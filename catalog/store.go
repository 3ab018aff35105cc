package catalog

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
)

// Store is an open catalog. It is safe for concurrent use.
type Store struct {
	Reader

	path    string
	opts    Options
	readDB  *sql.DB
	writeDB *sql.DB
	w       *writer

	closing  sync.Once
	closeErr error
}

// Path is the database file, absolute.
func (s *Store) Path() string { return s.path }

// Rev is the revision of the newest mutation that was applied. It only grows.
func (s *Store) Rev() int64 { return s.w.rev.Load() }

// ReadOnly is nil, or an [ErrReadOnly] that says why nothing can be written.
func (s *Store) ReadOnly() error {
	if err := s.w.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Subscribe has apply called with the changes of every batch after its commit and
// before the answers of [Store.Update], in order of revisions, on the one
// goroutine that writes: it must be quick and must not call Update. It is called
// once, before the first Update.
func (s *Store) Subscribe(apply func([]Change)) { s.w.apply = apply }

// Update runs fn as one mutation on behalf of by, and returns once what it did is
// durable and applied by the subscriber. fn runs once, on the writer's goroutine,
// and should do nothing but call methods of tx: everybody else waits. What it did
// is undone when it returns an error, which Update returns unchanged; a panic
// is raised again here.
//
// The result is the revision at which everything fn saw or did is visible. It
// advances by one if fn changed anything; then fn must also have called
// [Tx.Audit], or else the mutation is refused with [ErrNoAudit].
//
// A ctx that ends while the mutation waits takes it out of the queue; once it has
// begun, its outcome is awaited.
//
// Other errors: [ErrReadOnly], [ErrFull], [ErrClosed]. After any error of the
// commit itself, nothing of the batch is visible.
func (s *Store) Update(ctx context.Context, by Actor, fn func(tx *Tx) error) (rev int64, err error) {
	return s.w.do(ctx, &request{by: by, fn: fn})
}

// quietly runs fn on the writer without a revision, a change or an audit row.
func (s *Store) quietly(ctx context.Context, fn func(tx *Tx) error) error {
	_, err := s.w.do(ctx, &request{fn: fn, quiet: true})
	return err
}

// TouchKeys notes when keys were last used, in Unix milliseconds by key id. It is
// not a mutation: no revision, no change, no audit row. Unknown keys are ignored,
// and no time goes back.
func (s *Store) TouchKeys(ctx context.Context, at map[string]int64) error {
	if len(at) == 0 {
		return nil
	}
	err := s.quietly(ctx, func(tx *Tx) error {
		for id, ms := range at {
			if _, err := tx.exec("UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2", id, ms); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("noting last use of keys: %w", err)
	}
	return nil
}

// SampleAudit adds a row that no mutation wrote, such as a refusal. Each call
// waits for a commit: the caller samples.
func (s *Store) SampleAudit(ctx context.Context, row AuditRow) error {
	return s.quietly(ctx, func(tx *Tx) error { return tx.insertAudit(&row) })
}

// PruneAudit removes audit rows older than before, in steps that keep mutations
// waiting for a few milliseconds at most, and reports how many.
func (s *Store) PruneAudit(ctx context.Context, before int64) (rows int64, err error) {
	const step = 1000
	for {
		var n int64
		err := s.quietly(ctx, func(tx *Tx) error {
			res, err := tx.exec("DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 ORDER BY at LIMIT $2)", before, step)
			if err == nil {
				n, err = res.RowsAffected()
			}
			return err
		})
		rows += n
		if err != nil {
			return rows, fmt.Errorf("pruning audit rows: %w", err)
		}
		if n < step {
			return rows, nil
		}
	}
}
