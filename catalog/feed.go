package catalog

import (
	"context"
	"fmt"
)

// ChangesSince is what changed of a kind below parent after a revision: each ID
// once, in order of its first change. Parent is "" for kinds without one.
//
// It is not complete when rows that old were pruned, or when everything below
// parent changed at once (its channel or Python name was deleted): the caller then
// reads everything.
func (r *Reader) ChangesSince(ctx context.Context, rev int64, kind Kind, parent string) (changed []string, complete bool, err error) {
	rows, err := ids(ctx, r.q, "SELECT id FROM changes WHERE kind = $1 AND parent = $2 AND rev > $3 ORDER BY rev, seq", string(kind), parent, rev)
	if err != nil {
		return nil, false, fmt.Errorf("reading changes: %w", err)
	}
	// Read after the rows: what was pruned before they were read shows here.
	pruned, err := value[int64](ctx, r.q, "SELECT value FROM meta WHERE name = $1", metaPruned)
	if err != nil {
		return nil, false, fmt.Errorf("reading changes: %w", err)
	}
	if rev < pruned {
		return nil, false, nil
	}
	seen := make(map[string]bool, len(rows))
	for _, id := range rows {
		if id == "" && (kind == KindConda || kind == KindPyFile) {
			return nil, false, nil
		}
		if !seen[id] {
			seen[id] = true
			changed = append(changed, id)
		}
	}
	return changed, true, nil
}

// BlobNames lists what is published with some bytes, ten at most: conda packages as
// channel/subdir/file, Python's as file.
func (r *Reader) BlobNames(ctx context.Context, sha [32]byte) ([]string, error) {
	return ids(ctx, r.q, `SELECT c.name || '/' || p.subdir || '/' || p.filename FROM packages p JOIN channels c ON c.id = p.channel_id WHERE p.sha256 = $1
		UNION ALL SELECT filename FROM py_files WHERE sha256 = $1 ORDER BY 1 LIMIT 10`, sha[:])
}

// BlobReferenced reports whether any package or Python file has these bytes.
func (r *Reader) BlobReferenced(ctx context.Context, sha [32]byte) (bool, error) {
	return value[bool](ctx, r.q, `SELECT CASE WHEN EXISTS (SELECT 1 FROM packages WHERE sha256 = $1)
		OR EXISTS (SELECT 1 FROM py_files WHERE sha256 = $1) THEN 1 ELSE 0 END`, sha[:])
}

// EachBlob calls fn with every referenced blob once, by digest. It holds a reader
// as [Reader.EachPackage] does.
func (r *Reader) EachBlob(ctx context.Context, fn func(*Blob) error) error {
	return each(ctx, r.q, func(b *Blob) []any { return []any{digest(b.SHA256[:]), &b.Size} }, fn,
		`SELECT sha256, max(size) FROM (SELECT sha256, size FROM packages UNION ALL SELECT sha256, size FROM py_files)
			GROUP BY sha256 ORDER BY sha256`)
}
