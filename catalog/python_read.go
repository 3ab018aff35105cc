package catalog

import "context"

const pyNameColumns = `name, display, COALESCE(project_id, ''), visibility, status, status_reason,
	created_at, updated_at, rev, changed_at, files`

func (n *PyName) columns() []any {
	return []any{&n.Name, &n.Display, &n.ProjectID, &n.Visibility, &n.Status, &n.StatusReason,
		&n.CreatedAt, &n.UpdatedAt, &n.Rev, &n.ChangedAt, &n.Files}
}

// pyFileSummary leaves out what can be large.
const pyFileSummary = `name, filename, version, file_type, sha256, md5, blake2b, size, requires_python, metadata_sha256,
	uploaded_at, uploaded_by, yanked, yank_reason, rev, provenance IS NOT NULL`

func (f *PyFile) summary() []any {
	return []any{&f.Name, &f.Filename, &f.Version, &f.FileType, digest(f.SHA256[:]), digest(f.MD5[:]), digest(f.Blake2b[:]), &f.Size,
		&f.RequiresPython, digest(f.MetadataSHA256[:]), &f.UploadedAt, &f.UploadedBy, &f.Yanked, &f.YankReason, &f.Rev, &f.HasProvenance}
}

func (f *PyFile) columns() []any { return append(f.summary(), &f.Metadata, &f.Provenance) }

// PyNames is every Python name, sorted.
func (r *Reader) PyNames(ctx context.Context) ([]*PyName, error) {
	return list(ctx, r.q, (*PyName).columns, "SELECT "+pyNameColumns+" FROM py_names ORDER BY name")
}

// PyName is a Python name, normalised.
func (r *Reader) PyName(ctx context.Context, name string) (*PyName, error) {
	return one(ctx, r.q, (*PyName).columns, "SELECT "+pyNameColumns+" FROM py_names WHERE name = $1", name)
}

// PyFiles is every file of a name, yanked ones included, by file name, without
// Metadata and Provenance.
func (r *Reader) PyFiles(ctx context.Context, name string) ([]*PyFile, error) {
	return list(ctx, r.q, (*PyFile).summary, "SELECT "+pyFileSummary+" FROM py_files WHERE name = $1 ORDER BY filename", name)
}

// PyFile is a file by its name, with everything.
func (r *Reader) PyFile(ctx context.Context, filename string) (*PyFile, error) {
	return one(ctx, r.q, (*PyFile).columns, "SELECT "+pyFileSummary+", metadata, provenance FROM py_files WHERE filename = $1", filename)
}

// EachPyFile calls fn with every file, by name and file name, without Metadata and
// Provenance. It holds a reader as [Reader.EachPackage] does.
func (r *Reader) EachPyFile(ctx context.Context, fn func(*PyFile) error) error {
	return each(ctx, r.q, (*PyFile).summary, fn, "SELECT "+pyFileSummary+" FROM py_files ORDER BY name, filename")
}

// Tombstoned is the memory of a deleted Python file: its name is never used again.
func (r *Reader) Tombstoned(ctx context.Context, filename string) (*Tombstone, error) {
	return one(ctx, r.q, (*Tombstone).columns, "SELECT filename, sha256, 0, deleted_at FROM py_tombstones WHERE filename = $1", filename)
}
