package catalog

import "fmt"

// InsertPyName makes a Python name; [ErrExists] where it is there, [ErrConflict]
// where its project does not exist.
func (tx *Tx) InsertPyName(n *PyName) error {
	tx.stamp(&n.CreatedAt, &n.UpdatedAt)
	n.Rev, n.ChangedAt, n.Files = tx.rev, tx.now, 0
	if _, err := tx.exec(`INSERT INTO py_names (name, display, project_id, visibility, status, status_reason, created_at, updated_at, rev, changed_at, files)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0)`,
		n.Name, n.Display, orNull(n.ProjectID), n.Visibility, n.Status, n.StatusReason, n.CreatedAt, n.UpdatedAt, n.Rev, n.ChangedAt); err != nil {
		return fmt.Errorf("inserting Python name %q: %w", n.Name, err)
	}
	return tx.change(KindPyName, "", n.Name)
}

// UpdatePyName changes the spelling, project, visibility and status of a name.
func (tx *Tx) UpdatePyName(n *PyName) error {
	n.UpdatedAt, n.Rev = tx.now, tx.rev
	if err := tx.execOne("UPDATE py_names SET display = $2, project_id = $3, visibility = $4, status = $5, status_reason = $6, updated_at = $7 WHERE name = $1",
		n.Name, n.Display, orNull(n.ProjectID), n.Visibility, n.Status, n.StatusReason, n.UpdatedAt); err != nil {
		return fmt.Errorf("updating Python name %q: %w", n.Name, err)
	}
	tx.touchPyName(n.Name, 0)
	return tx.change(KindPyName, "", n.Name)
}

// DeletePyName removes a name with its files, which leave tombstones.
func (tx *Tx) DeletePyName(name string) error {
	if err := tx.flush(); err != nil {
		return err
	}
	for _, query := range []string{
		`INSERT INTO py_tombstones (filename, name, sha256, deleted_at)
			SELECT filename, name, sha256, CAST($2 AS BIGINT) FROM py_files WHERE name = $1`,
		"DELETE FROM py_files WHERE name = $1",
	} {
		args := []any{name, tx.now}
		if query[0] == 'D' {
			args = args[:1]
		}
		if _, err := tx.exec(query, args...); err != nil {
			return fmt.Errorf("deleting files of Python name %q: %w", name, err)
		}
	}
	if err := tx.execOne("DELETE FROM py_names WHERE name = $1", name); err != nil {
		return fmt.Errorf("deleting Python name %q: %w", name, err)
	}
	if err := tx.change(KindPyFile, name, ""); err != nil {
		return err
	}
	return tx.change(KindPyName, "", name)
}

// InsertPyFile publishes a file and fills its Rev. [ErrExists] where the file name
// is taken or was ever used, [ErrConflict] where its name does not exist.
func (tx *Tx) InsertPyFile(f *PyFile) error {
	used, err := value[bool](tx.ctx(), tx, "SELECT EXISTS (SELECT 1 FROM py_tombstones WHERE filename = $1)", f.Filename)
	if err == nil && used {
		err = ErrExists
	}
	if err != nil {
		return fmt.Errorf("inserting Python file %q: %w", f.Filename, err)
	}
	f.Rev, f.HasProvenance = tx.rev, f.Provenance != nil
	if _, err := tx.exec(`INSERT INTO py_files (name, filename, version, file_type, sha256, md5, blake2b, size, requires_python, metadata_sha256,
			uploaded_at, uploaded_by, yanked, yank_reason, rev, metadata, provenance)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
		f.Name, f.Filename, f.Version, f.FileType, f.SHA256[:], f.MD5[:], nonZero(f.Blake2b), f.Size, f.RequiresPython, nonZero(f.MetadataSHA256),
		f.UploadedAt, f.UploadedBy, f.Yanked, f.YankReason, f.Rev, bytesOrNull(f.Metadata), bytesOrNull(f.Provenance)); err != nil {
		return fmt.Errorf("inserting Python file %q: %w", f.Filename, err)
	}
	tx.touchPyName(f.Name, 1)
	return tx.change(KindPyFile, f.Name, f.Filename)
}

// YankPyFile marks a file as yanked (PEP 592), with a reason that may be "".
func (tx *Tx) YankPyFile(filename, reason string) error {
	return tx.updatePyFile(filename, "yanking", "yanked = 1, yank_reason = $3", reason)
}

// UnyankPyFile takes the mark away.
func (tx *Tx) UnyankPyFile(filename string) error {
	return tx.updatePyFile(filename, "unyanking", "yanked = 0, yank_reason = $3", "")
}

// SetProvenance attaches provenance (PEP 740) to a file; nil removes it.
func (tx *Tx) SetProvenance(filename string, provenance []byte) error {
	return tx.updatePyFile(filename, "setting provenance of", "provenance = $3", bytesOrNull(provenance))
}

// DeletePyFile removes a file for good: its tombstone keeps the file name from
// being used again.
func (tx *Tx) DeletePyFile(filename string) error {
	name, err := tx.pyFileOwner(filename)
	if err != nil {
		return fmt.Errorf("deleting Python file %q: %w", filename, err)
	}
	if _, err := tx.exec(`INSERT INTO py_tombstones (filename, name, sha256, deleted_at)
		SELECT filename, name, sha256, CAST($2 AS BIGINT) FROM py_files WHERE filename = $1`, filename, tx.now); err != nil {
		return fmt.Errorf("writing tombstone of Python file %q: %w", filename, err)
	}
	if err := tx.execOne("DELETE FROM py_files WHERE filename = $1", filename); err != nil {
		return fmt.Errorf("deleting Python file %q: %w", filename, err)
	}
	tx.touchPyName(name, -1)
	return tx.change(KindPyFile, name, filename)
}

// updatePyFile sets columns of a file, $3 being arg.
func (tx *Tx) updatePyFile(filename, doing, set string, arg any) error {
	name, err := tx.pyFileOwner(filename)
	if err == nil {
		err = tx.execOne("UPDATE py_files SET rev = $2, "+set+" WHERE filename = $1", filename, tx.rev, arg)
	}
	if err != nil {
		return fmt.Errorf("%s Python file %q: %w", doing, filename, err)
	}
	tx.touchPyName(name, 0)
	return tx.change(KindPyFile, name, filename)
}

// pyFileOwner is the name a file belongs to.
func (tx *Tx) pyFileOwner(filename string) (string, error) {
	return value[string](tx.ctx(), tx, "SELECT name FROM py_files WHERE filename = $1", filename)
}
