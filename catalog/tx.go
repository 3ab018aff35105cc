package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

// Tx is a mutation in progress, made by [Store.Update]. It sees what it did
// itself. It must not be used after its function returned, nor by another
// goroutine.
//
// Every method that changes something adds to the change feed by itself.
// Insertions fill CreatedAt and UpdatedAt where they are 0.
type Tx struct {
	w   *writer
	by  Actor
	rev int64
	now int64
	r   Reader

	audited bool
	done    bool
	names   map[int64]string // of channels, by id
	subdirs []subdirTouch
	pynames []pyNameTouch
}

// subdirTouch gathers what a mutation does to one subdir, so that a thousand
// packages move its counters once.
type subdirTouch struct {
	channelID        int64
	subdir           string
	packages, yanked int
}

// pyNameTouch is the same for a Python name.
type pyNameTouch struct {
	name  string
	files int
}

func newTx(w *writer, r *request) *Tx {
	tx := &Tx{w: w, by: r.by, rev: w.next + 1, now: w.s.opts.Now().UnixMilli()}
	tx.r = Reader{q: tx}
	return tx
}

// Rev is the revision the mutation gets if it changes anything.
func (tx *Tx) Rev() int64 { return tx.rev }

// Now is when the mutation began, in Unix milliseconds: the time in every row it
// writes.
func (tx *Tx) Now() int64 { return tx.now }

// Actor is on whose behalf the mutation runs.
func (tx *Tx) Actor() Actor { return tx.by }

// Audit writes a row of the audit trail. Before and after are marshalled as JSON,
// nil meaning none; they must hold no secret. One row may stand for a bulk
// mutation.
func (tx *Tx) Audit(action, kind, target string, before, after any) error {
	row := AuditRow{At: tx.now, Actor: tx.by, Action: action, Kind: kind, Target: target, Outcome: "ok"}
	var err error
	if row.Before, err = marshal(before); err != nil {
		return fmt.Errorf("auditing %s: %w", action, err)
	}
	if row.After, err = marshal(after); err != nil {
		return fmt.Errorf("auditing %s: %w", action, err)
	}
	tx.audited = true
	return tx.insertAudit(&row)
}

// insertAudit writes row as it is, its time filled in.
func (tx *Tx) insertAudit(row *AuditRow) error {
	if row.At == 0 {
		row.At = tx.now
	}
	_, err := tx.exec(`INSERT INTO audit (at, key_id, actor, address, request_id, action, kind, target, before_json, after_json, outcome)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		row.At, row.Actor.KeyID, row.Actor.Name, row.Actor.Address, row.Actor.RequestID,
		row.Action, row.Kind, row.Target, text(row.Before), text(row.After), row.Outcome)
	if err != nil {
		return fmt.Errorf("writing audit row: %w", err)
	}
	return nil
}

// change adds a row to the change feed.
func (tx *Tx) change(kind Kind, parent, id string) error {
	w := tx.w
	if _, err := tx.exec("INSERT INTO changes (seq, rev, kind, parent, id) VALUES ($1, $2, $3, $4, $5)",
		w.seq+1, tx.rev, string(kind), parent, id); err != nil {
		return fmt.Errorf("writing change row: %w", err)
	}
	w.seq++
	w.changes = append(w.changes, Change{tx.rev, kind, parent, id})
	return nil
}

// finish writes what was gathered and checks that a change was audited.
func (tx *Tx) finish(quiet bool) error {
	if err := tx.flush(); err != nil {
		return err
	}
	if n := len(tx.w.changes); !quiet && !tx.audited && n > 0 && tx.w.changes[n-1].Rev == tx.rev {
		return ErrNoAudit
	}
	return nil
}

// later is the SQL of when something changed that changed before: now, but never in a
// second that had a change already, for HTTP tells changes apart by the second
// (RFC 9110 §8.8.2.2), and never earlier, whatever the clock does. same is true of a
// change of the same transaction.
func later(before, now, same string) string {
	return `CASE WHEN ` + same + ` OR ` + before + ` / 1000 > ` + now + ` / 1000 THEN ` + before + `
		WHEN ` + before + ` / 1000 = ` + now + ` / 1000 THEN (` + now + ` / 1000 + 1) * 1000 ELSE ` + now + ` END`
}

// flush writes the counters of the subdirs and Python names touched so far.
func (tx *Tx) flush() error {
	for _, t := range tx.subdirs {
		_, err := tx.exec(`INSERT INTO subdirs (channel_id, subdir, rev, changed_at, packages, yanked) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (channel_id, subdir) DO UPDATE SET rev = excluded.rev,
				changed_at = `+later("subdirs.changed_at", "excluded.changed_at", "subdirs.rev = excluded.rev")+`,
				packages = subdirs.packages + excluded.packages, yanked = subdirs.yanked + excluded.yanked`,
			t.channelID, t.subdir, tx.rev, tx.now, t.packages, t.yanked)
		if err != nil {
			return fmt.Errorf("counting packages of subdir %q: %w", t.subdir, err)
		}
	}
	for _, t := range tx.pynames {
		_, err := tx.exec(`UPDATE py_names SET rev = $2, files = files + $4,
				changed_at = `+later("changed_at", "$3", "rev = $2")+` WHERE name = $1`,
			t.name, tx.rev, tx.now, t.files)
		if err != nil {
			return fmt.Errorf("counting files of Python name %q: %w", t.name, err)
		}
	}
	tx.subdirs, tx.pynames = tx.subdirs[:0], tx.pynames[:0]
	return nil
}

func (tx *Tx) touchSubdir(channelID int64, subdir string, packages, yanked int) {
	for i := range tx.subdirs {
		if t := &tx.subdirs[i]; t.channelID == channelID && t.subdir == subdir {
			t.packages += packages
			t.yanked += yanked
			return
		}
	}
	tx.subdirs = append(tx.subdirs, subdirTouch{channelID, subdir, packages, yanked})
}

func (tx *Tx) touchPyName(name string, files int) {
	for i := range tx.pynames {
		if t := &tx.pynames[i]; t.name == name {
			t.files += files
			return
		}
	}
	tx.pynames = append(tx.pynames, pyNameTouch{name, files})
}

// channelName is the name of a channel by its id.
func (tx *Tx) channelName(id int64) (string, error) {
	if name, ok := tx.names[id]; ok {
		return name, nil
	}
	name, err := value[string](tx.ctx(), tx, "SELECT name FROM channels WHERE id = $1", id)
	if err != nil {
		return "", fmt.Errorf("reading channel %d: %w", id, err)
	}
	if tx.names == nil {
		tx.names = make(map[int64]string)
	}
	tx.names[id] = name
	return name, nil
}

// ctx is no caller's: see [writer.prepare].
func (tx *Tx) ctx() context.Context { return context.Background() }

// query implements querier.
func (tx *Tx) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if tx.done {
		return nil, ErrTxDone
	}
	stmt, err := tx.w.prepare(query) //nolint:sqlclosecheck // kept, and closed with the writer
	if err != nil {
		return nil, tx.w.note(err)
	}
	rows, err := stmt.QueryContext(ctx, args...)
	return rows, tx.w.note(err)
}

func (tx *Tx) exec(query string, args ...any) (sql.Result, error) {
	if tx.done {
		return nil, ErrTxDone
	}
	res, err := tx.w.exec(query, args...)
	return res, translate(err)
}

// execOne is exec of a statement that must change one row; none is [ErrNotFound].
func (tx *Tx) execOne(query string, args ...any) error {
	res, err := tx.exec(query, args...)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return err
}

// stamp is the times of a new row.
func (tx *Tx) stamp(created, updated *int64) {
	if *created == 0 {
		*created = tx.now
	}
	if *updated == 0 {
		*updated = *created
	}
}

// text is JSON as a column: NULL for none.
func text(j json.RawMessage) any {
	if j == nil {
		return nil
	}
	return string(j)
}

// bytesOrNull is a BLOB: NULL for none.
func bytesOrNull(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

// nonZero is a digest as a column: NULL for zero.
func nonZero(d [32]byte) any {
	if d == ([32]byte{}) {
		return nil
	}
	return d[:]
}

// orNull is a reference as a column: NULL for "".
func orNull(id string) any {
	if id == "" {
		return nil
	}
	return id
}

// marshal is v as JSON, nil for nil.
func marshal(v any) (json.RawMessage, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case json.RawMessage:
		if v == nil {
			return nil, nil
		}
		if !json.Valid(v) {
			return nil, errors.New("what was given as JSON is not JSON")
		}
		return v, nil
	}
	return json.Marshal(v)
}

// jsonColumn scans and writes a list of strings as a JSON array.
type jsonColumn struct{ list *[]string }

// Scan implements [sql.Scanner].
func (c jsonColumn) Scan(src any) error {
	s, ok := src.(string)
	if !ok {
		return fmt.Errorf("a list is stored as %T", src)
	}
	return json.Unmarshal([]byte(s), c.list)
}

// stringList is a list as a column.
func stringList(list []string) (string, error) {
	if list == nil {
		list = []string{}
	}
	b, err := json.Marshal(list)
	return string(b), err
}
