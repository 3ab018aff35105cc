package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// writer is the one goroutine that writes: it takes what is queued, runs it as a
// batch in one transaction, and commits once.
type writer struct {
	s     *Store
	conn  *sql.Conn
	stmts map[string]*sql.Stmt // prepared on conn, by query text
	apply func([]Change)

	rev    atomic.Int64
	failed atomic.Pointer[error] // set once: no more writes

	mu     sync.Mutex
	queue  []*request
	closed bool
	wake   chan struct{} // holds one token while the queue may hold work
	done   chan struct{} // closed when the loop has ended

	// Of the running batch.
	next     int64 // revision of its newest mutation
	seq      int64 // of the newest change row
	changes  []Change
	diskFail error // of a statement inside it

	oldest int64 // seq of the oldest change row
}

// request is one mutation in the queue.
type request struct {
	by    Actor
	fn    func(*Tx) error
	quiet bool // no revision, no audit row asked for

	taken    atomic.Bool // by the writer, or by a caller who gave up
	finished chan struct{}
	rev      int64
	err      error
	panicked any
}

// newWriter reads where the catalog stands.
func newWriter(s *Store, conn *sql.Conn) (*writer, error) {
	w := &writer{
		s: s, conn: conn, stmts: make(map[string]*sql.Stmt), apply: func([]Change) {},
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	ctx := context.Background()
	if err := conn.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = $1", metaRev).Scan(&w.next); err != nil {
		return nil, err
	}
	w.rev.Store(w.next)
	err := conn.QueryRowContext(ctx, "SELECT COALESCE(min(seq), 1), COALESCE(max(seq), 0) FROM changes").Scan(&w.oldest, &w.seq)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{settingAccountID: NewID(), settingAccountSlug: "default"} {
		if _, err := conn.ExecContext(ctx, "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", name, value); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// do queues a request and waits for its outcome.
func (w *writer) do(ctx context.Context, r *request) (int64, error) {
	if err := w.failed.Load(); err != nil {
		return 0, *err
	}
	r.finished = make(chan struct{})
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return 0, ErrClosed
	}
	w.queue = append(w.queue, r)
	w.mu.Unlock()
	w.poke()

	select {
	case <-r.finished:
	case <-ctx.Done():
		if r.taken.CompareAndSwap(false, true) {
			return 0, ctx.Err()
		}
		<-r.finished
	}
	if r.panicked != nil {
		panic(r.panicked)
	}
	return r.rev, r.err
}

func (w *writer) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// close lets the queue drain and ends the loop.
func (w *writer) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.poke()
	<-w.done
}

func (w *writer) loop() {
	defer close(w.done)
	for {
		batch, more := w.take()
		if len(batch) > 0 {
			w.run(batch)
			continue
		}
		if !more {
			for _, stmt := range w.stmts {
				_ = stmt.Close()
			}
			_ = w.conn.Close()
			return
		}
		<-w.wake
	}
}

// take is the next batch; more is false once the store was closed.
func (w *writer) take() (batch []*request, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.queue), w.s.opts.MaxBatch)
	batch = w.queue[:n:n]
	w.queue = w.queue[n:]
	if len(w.queue) == 0 {
		w.queue = nil // the batch owns the array
	}
	return batch, !w.closed
}

// run runs a batch, commits it, and answers everybody in it.
func (w *writer) run(batch []*request) {
	batch = claim(batch)
	if len(batch) == 0 {
		return
	}
	w.changes, w.diskFail = nil, nil
	rev, seq, oldest := w.next, w.seq, w.oldest
	err := w.transact(batch)
	if err == nil {
		w.rev.Store(w.next)
		if len(w.changes) > 0 {
			w.apply(w.changes)
		}
		w.s.opts.Crash(CrashAfterApply)
	} else {
		w.next, w.seq, w.oldest = rev, seq, oldest
		err = w.classify(err)
	}
	for _, r := range batch {
		if err != nil {
			r.rev = 0
			if r.err == nil || diskFailed(r.err) { // the driver's words say less
				r.err = err
			}
		}
		close(r.finished)
	}
}

// claim leaves out requests whose caller gave up.
func claim(batch []*request) []*request {
	kept := batch[:0]
	for _, r := range batch {
		if r.taken.CompareAndSwap(false, true) {
			kept = append(kept, r)
		}
	}
	return kept
}

// classify says what a failed batch means for its callers, and for the store.
func (w *writer) classify(err error) error {
	if !diskFailed(err) && !diskFailed(w.diskFail) {
		return fmt.Errorf("committing: %w", translate(err))
	}
	if w.diskFail != nil {
		err = w.diskFail
	}
	err = fmt.Errorf("%w (%w)", ErrReadOnly, err)
	w.failed.CompareAndSwap(nil, &err)
	return *w.failed.Load()
}

// transact runs a batch in a transaction. An error means that nothing of it was
// committed.
func (w *writer) transact(batch []*request) (err error) {
	if err := w.failed.Load(); err != nil {
		return *err
	}
	if err := w.control("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = w.control("ROLLBACK") // SQLite may have done it by itself
		}
	}()
	before := w.next
	for _, r := range batch {
		if err := w.runOne(r); err != nil {
			return err
		}
	}
	if w.next > before {
		if err := w.setMeta(metaRev, w.next); err != nil {
			return err
		}
		if err := w.pruneChanges(); err != nil {
			return err
		}
	}
	w.s.opts.Crash(CrashBeforeCommit)
	if err := w.control("COMMIT"); err != nil {
		return err
	}
	w.s.opts.Crash(CrashAfterCommit)
	return nil
}

// runOne runs one mutation in a savepoint. Its own failure is kept in r; an error
// returned is one of the whole transaction. SQLite ends a transaction by itself
// after some errors, savepoints included, even if fn swallowed them: then
// RELEASE and ROLLBACK TO fail, which keeps later mutations of the batch from
// being committed without it.
func (w *writer) runOne(r *request) error {
	if err := w.control("SAVEPOINT mutation"); err != nil {
		return err
	}
	changes, seq := len(w.changes), w.seq
	tx := newTx(w, r)
	w.call(r, tx)
	if w.diskFail != nil {
		return w.diskFail
	}
	if r.err == nil && r.panicked == nil {
		if w.seq > seq {
			w.next = tx.rev
		}
		r.rev = w.next
		return w.control("RELEASE mutation")
	}
	w.changes, w.seq = w.changes[:changes], seq
	if err := w.control("ROLLBACK TO mutation"); err != nil {
		return errors.Join(r.err, err)
	}
	return w.control("RELEASE mutation")
}

// call runs the function of r and what has to follow it.
func (w *writer) call(r *request, tx *Tx) {
	defer func() {
		tx.done = true
		if p := recover(); p != nil {
			r.panicked = p
		}
	}()
	if r.err = r.fn(tx); r.err == nil {
		r.err = tx.finish(r.quiet)
	}
}

// pruneChanges removes the oldest change rows, a thousand at a time, so that each
// mutation pays for about as many as it added.
func (w *writer) pruneChanges() error {
	const step = 1000
	excess := w.seq - w.oldest + 1 - int64(w.s.opts.ChangesKept)
	if excess < min(step, int64(w.s.opts.ChangesKept)) {
		return nil
	}
	cut := w.oldest + excess // first one kept
	if _, err := w.exec("UPDATE meta SET value = (SELECT rev FROM changes WHERE seq = $1) WHERE name = $2", cut-1, metaPruned); err != nil {
		return err
	}
	if _, err := w.exec("DELETE FROM changes WHERE seq < $1", cut); err != nil {
		return err
	}
	w.oldest = cut
	return nil
}

func (w *writer) setMeta(name string, value int64) error {
	_, err := w.exec("UPDATE meta SET value = $1 WHERE name = $2", value, name)
	return err
}

// control runs a statement without arguments or result.
func (w *writer) control(query string) error {
	_, err := w.exec(query)
	return err
}

// prepare keeps one prepared statement per query text, all of which are constant.
// Statements run without the context of a caller: interrupting one would roll back
// the batch of everybody.
func (w *writer) prepare(query string) (*sql.Stmt, error) {
	stmt, ok := w.stmts[query]
	if !ok {
		var err error
		if stmt, err = w.conn.PrepareContext(context.Background(), query); err != nil {
			return nil, err
		}
		w.stmts[query] = stmt
	}
	return stmt, nil
}

func (w *writer) exec(query string, args ...any) (sql.Result, error) {
	stmt, err := w.prepare(query) //nolint:sqlclosecheck // kept, and closed with the writer
	if err != nil {
		return nil, w.note(err)
	}
	res, err := stmt.ExecContext(context.Background(), args...)
	return res, w.note(err)
}

// note remembers that the disk failed, even if the mutation carries on.
func (w *writer) note(err error) error {
	if w.diskFail == nil && diskFailed(err) {
		w.diskFail = err
	}
	return err
}
