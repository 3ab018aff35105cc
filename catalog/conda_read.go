package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

const packageColumns = `id, channel_id, subdir, filename, name, version, build, build_number, sha256, md5, size,
	indexed_at, uploaded_at, uploaded_by, yanked_at, yank_reason, rev, record, run_exports, about, index_json, attestation`

func (p *Package) columns() []any {
	return []any{&p.ID, &p.ChannelID, &p.Subdir, &p.Filename, &p.Name, &p.Version, &p.Build, &p.BuildNumber,
		digest(p.SHA256[:]), digest(p.MD5[:]), &p.Size, &p.IndexedAt, &p.UploadedAt, &p.UploadedBy, &p.YankedAt, &p.YankReason, &p.Rev,
		(*[]byte)(&p.Record), (*[]byte)(&p.RunExports), (*[]byte)(&p.About), (*[]byte)(&p.Index), &p.Attestation}
}

const entryColumns = "filename, name, record, run_exports, yanked_at"

func (e *Entry) columns() []any {
	return []any{&e.Filename, &e.Name, (*[]byte)(&e.Record), (*[]byte)(&e.RunExports), &e.YankedAt}
}

// Package is a package by its file name.
func (r *Reader) Package(ctx context.Context, channelID int64, subdir, filename string) (*Package, error) {
	return one(ctx, r.q, (*Package).columns,
		"SELECT "+packageColumns+" FROM packages WHERE channel_id = $1 AND subdir = $2 AND filename = $3", channelID, subdir, filename)
}

// PackagesByName is every package of a name, yanked ones included, by subdir and
// file name. A subdir of "" means all of them.
func (r *Reader) PackagesByName(ctx context.Context, channelID int64, subdir, name string) ([]*Package, error) {
	if subdir == "" {
		return list(ctx, r.q, (*Package).columns,
			"SELECT "+packageColumns+" FROM packages WHERE channel_id = $1 AND name = $2 ORDER BY subdir, filename", channelID, name)
	}
	return list(ctx, r.q, (*Package).columns,
		"SELECT "+packageColumns+" FROM packages WHERE channel_id = $1 AND name = $2 AND subdir = $3 ORDER BY filename", channelID, name, subdir)
}

// AboutOf is what channeldata.json takes of a package's about.json, nil for
// nothing.
func (r *Reader) AboutOf(ctx context.Context, channelID int64, subdir, filename string) (json.RawMessage, error) {
	about, err := value[[]byte](ctx, r.q,
		"SELECT about FROM packages WHERE channel_id = $1 AND subdir = $2 AND filename = $3", channelID, subdir, filename)
	return about, err
}

// EntriesByName is what indexes need of every package of a name in a subdir,
// yanked ones included, by file name.
func (r *Reader) EntriesByName(ctx context.Context, channelID int64, subdir, name string) ([]*Entry, error) {
	return list(ctx, r.q, (*Entry).columns, entriesByName, channelID, name, subdir)
}

// entriesByName is asked at each publication, whatever the subdir's size.
const entriesByName = "SELECT " + entryColumns + " FROM packages WHERE channel_id = $1 AND name = $2 AND subdir = $3 ORDER BY filename"

// EachPackage calls fn with every package of a subdir, yanked ones included, in
// file name order. It holds one of the readers while it runs: an fn that reads
// the catalog takes another one. It ends with the first error of fn.
func (r *Reader) EachPackage(ctx context.Context, channelID int64, subdir string, fn func(*Package) error) error {
	return each(ctx, r.q, (*Package).columns, fn,
		"SELECT "+packageColumns+" FROM packages WHERE channel_id = $1 AND subdir = $2 ORDER BY filename", channelID, subdir)
}

// EachEntry is [Reader.EachPackage] for what indexes need.
func (r *Reader) EachEntry(ctx context.Context, channelID int64, subdir string, fn func(*Entry) error) error {
	return each(ctx, r.q, (*Entry).columns, fn,
		"SELECT "+entryColumns+" FROM packages WHERE channel_id = $1 AND subdir = $2 ORDER BY filename", channelID, subdir)
}

// SearchPackages is a page of the names of a channel, over all its subdirs, and how
// many names there are on all pages. It reads every name of the channel's index.
func (r *Reader) SearchPackages(ctx context.Context, channelID int64, s Search) (names []*NameSummary, total int, err error) {
	pattern := "%" + likeEscaper.Replace(strings.ToLower(s.Contains)) + "%"
	total, err = value[int](ctx, r.q,
		`SELECT count(DISTINCT name) FROM packages WHERE channel_id = $1 AND lower(name) LIKE $2 ESCAPE '\'`, channelID, pattern)
	if err != nil {
		return nil, 0, fmt.Errorf("counting names: %w", err)
	}
	names, err = list(ctx, r.q, func(n *NameSummary) []any { return []any{&n.Name, &n.Files, &n.UploadedAt} },
		`SELECT name, count(*), max(uploaded_at) FROM packages WHERE channel_id = $1 AND name IN (
			SELECT DISTINCT name FROM packages WHERE channel_id = $1 AND name > $2 AND lower(name) LIKE $3 ESCAPE '\'
			ORDER BY name LIMIT $4 OFFSET $5)
		GROUP BY name ORDER BY name`, channelID, s.After, pattern, limit(s.Limit), max(s.Offset, 0))
	if err != nil {
		return nil, 0, fmt.Errorf("searching names: %w", err)
	}
	return names, total, nil
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// Tombstone is the memory of bytes once published under a file name. It stays when
// they are published again: ask for the [Reader.Package] first.
func (r *Reader) Tombstone(ctx context.Context, channelID int64, subdir, filename string, sha [32]byte) (*Tombstone, error) {
	return one(ctx, r.q, (*Tombstone).columns,
		`SELECT filename, sha256, indexed_at, deleted_at FROM tombstones
			WHERE channel_id = $1 AND subdir = $2 AND filename = $3 AND sha256 = $4`, channelID, subdir, filename, sha[:])
}

func (t *Tombstone) columns() []any {
	return []any{&t.Filename, digest(t.SHA256[:]), &t.IndexedAt, &t.DeletedAt}
}

const subdirColumns = "subdir, rev, changed_at, packages, yanked"

func (s *SubdirState) columns() []any {
	return []any{&s.Subdir, &s.Rev, &s.ChangedAt, &s.Packages, &s.Yanked}
}

// Subdirs is every subdir of a channel in which anything was ever published or
// patched, by name.
func (r *Reader) Subdirs(ctx context.Context, channelID int64) ([]*SubdirState, error) {
	return list(ctx, r.q, (*SubdirState).columns, "SELECT "+subdirColumns+" FROM subdirs WHERE channel_id = $1 ORDER BY subdir", channelID)
}

// Subdir is the state of a subdir; of one in which nothing was ever published,
// everything but the name is zero.
func (r *Reader) Subdir(ctx context.Context, channelID int64, subdir string) (SubdirState, error) {
	s, err := one(ctx, r.q, (*SubdirState).columns, "SELECT "+subdirColumns+" FROM subdirs WHERE channel_id = $1 AND subdir = $2", channelID, subdir)
	if s == nil {
		s = &SubdirState{Subdir: subdir}
	}
	return orZero(*s, err)
}

// PatchOf is the patch_instructions.json of a subdir, nil for none.
func (r *Reader) PatchOf(ctx context.Context, channelID int64, subdir string) (json.RawMessage, error) {
	s, err := orZero(value[string](ctx, r.q, "SELECT patch FROM patches WHERE channel_id = $1 AND subdir = $2", channelID, subdir))
	if err != nil || s == "" {
		return nil, err
	}
	return json.RawMessage(s), nil
}
