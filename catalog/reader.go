package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// Reader reads the catalog. A [Store] is one: each call sees what was committed
// when it began. Lookups of what is not there are [ErrNotFound]; a [context.Context]
// that ends interrupts the query.
type Reader struct{ q querier }

// querier runs prepared queries, on the pool of readers or inside a mutation.
type querier interface {
	query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// pool runs queries on the reading connections. The package has a bounded number
// of query texts, so what is prepared is bounded too.
type pool struct {
	db    *sql.DB
	stmts sync.Map // query text -> *sql.Stmt
}

func (p *pool) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, ok := p.stmts.Load(query)
	if !ok {
		made, err := p.db.PrepareContext(ctx, query)
		if err != nil {
			return nil, err
		}
		if stmt, ok = p.stmts.LoadOrStore(query, made); ok {
			_ = made.Close() //nolint:sqlclosecheck // the statement of a reader that came first stays
		}
	}
	return stmt.(*sql.Stmt).QueryContext(ctx, args...)
}

func (p *pool) close() {
	for _, stmt := range p.stmts.Range {
		_ = stmt.(*sql.Stmt).Close()
	}
}

// each calls fn with every row of a query, scanned into a T of its own.
func each[T any](ctx context.Context, q querier, scan func(*T) []any, fn func(*T) error, query string, args ...any) (err error) {
	rows, err := q.query(ctx, query, args...)
	if err != nil {
		return translate(err)
	}
	defer func() {
		if e := rows.Close(); e != nil && err == nil {
			err = translate(e)
		}
	}()
	for rows.Next() {
		v := new(T)
		if err := rows.Scan(scan(v)...); err != nil {
			return fmt.Errorf("reading row: %w", err)
		}
		if err := fn(v); err != nil {
			return err
		}
	}
	return translate(rows.Err())
}

// list is every row of a query.
func list[T any](ctx context.Context, q querier, scan func(*T) []any, query string, args ...any) ([]*T, error) {
	var all []*T
	err := each(ctx, q, scan, func(v *T) error {
		all = append(all, v)
		return nil
	}, query, args...)
	return all, err
}

// one is the only row of a query, or [ErrNotFound].
func one[T any](ctx context.Context, q querier, scan func(*T) []any, query string, args ...any) (*T, error) {
	all, err := list(ctx, q, scan, query, args...)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, ErrNotFound
	}
	return all[0], nil
}

// value is the only column of the only row of a query, or [ErrNotFound].
func value[T any](ctx context.Context, q querier, query string, args ...any) (T, error) {
	v, err := one(ctx, q, func(v *T) []any { return []any{v} }, query, args...)
	if err != nil {
		var zero T
		return zero, err
	}
	return *v, nil
}

// orZero turns [ErrNotFound] into a zero value.
func orZero[T any](v T, err error) (T, error) {
	if errors.Is(err, ErrNotFound) {
		return v, nil
	}
	return v, err
}

// digest scans a hash of fixed length; NULL leaves it zero.
type digest []byte

// Scan implements [sql.Scanner].
func (d digest) Scan(src any) error {
	if src == nil {
		clear(d)
		return nil
	}
	b, ok := src.([]byte)
	if !ok || len(b) != len(d) {
		return fmt.Errorf("a digest of %d bytes is stored as %T of other length", len(d), src)
	}
	copy(d, b)
	return nil
}

// Interface guards.
var (
	_ querier     = (*pool)(nil)
	_ querier     = (*Tx)(nil)
	_ sql.Scanner = (digest)(nil)
)
