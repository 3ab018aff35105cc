package catalog

import (
	"encoding/json"
	"fmt"
)

// InsertChannel makes a channel and fills its ID; [ErrExists] where its name is
// taken, [ErrConflict] where its project does not exist.
func (tx *Tx) InsertChannel(c *Channel) error {
	tx.stamp(&c.CreatedAt, &c.UpdatedAt)
	id, err := value[int64](tx.ctx(), tx, `INSERT INTO channels (name, project_id, visibility, description, notices, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id`,
		c.Name, orNull(c.ProjectID), c.Visibility, c.Description, text(c.Notices), c.CreatedAt, c.UpdatedAt)
	if err != nil {
		return fmt.Errorf("inserting channel %q: %w", c.Name, err)
	}
	c.ID = id
	return tx.change(KindChannel, "", c.Name)
}

// UpdateChannel changes a channel by its ID: all but its name.
func (tx *Tx) UpdateChannel(c *Channel) error {
	name, err := tx.channelName(c.ID)
	if err != nil {
		return err
	}
	c.Name, c.UpdatedAt = name, tx.now
	if err := tx.execOne("UPDATE channels SET project_id = $2, visibility = $3, description = $4, notices = $5, updated_at = $6 WHERE id = $1",
		c.ID, orNull(c.ProjectID), c.Visibility, c.Description, text(c.Notices), c.UpdatedAt); err != nil {
		return fmt.Errorf("updating channel %q: %w", c.Name, err)
	}
	return tx.change(KindChannel, "", c.Name)
}

// DeleteChannel removes a channel with everything in it, tombstones included: a
// channel made later under the same name has nothing to do with it. Its time
// grows with the packages (about 20 s per million).
func (tx *Tx) DeleteChannel(id int64) error {
	name, err := tx.channelName(id)
	if err != nil {
		return err
	}
	if err := tx.flush(); err != nil {
		return err
	}
	subdirs, err := tx.r.Subdirs(tx.ctx(), id)
	if err != nil {
		return fmt.Errorf("deleting channel %q: %w", name, err)
	}
	for _, s := range subdirs {
		if err := tx.change(KindConda, name+"/"+s.Subdir, ""); err != nil {
			return err
		}
		if err := tx.change(KindPatch, name+"/"+s.Subdir, ""); err != nil {
			return err
		}
	}
	for _, query := range []string{
		"DELETE FROM packages WHERE channel_id = $1",
		"DELETE FROM tombstones WHERE channel_id = $1",
		"DELETE FROM patches WHERE channel_id = $1",
		"DELETE FROM subdirs WHERE channel_id = $1",
		"DELETE FROM channels WHERE id = $1",
	} {
		if _, err := tx.exec(query, id); err != nil {
			return fmt.Errorf("deleting channel %q: %w", name, err)
		}
	}
	delete(tx.names, id)
	return tx.change(KindChannel, "", name)
}

// InsertPackage publishes a package and fills its ID and Rev; [ErrExists] where the
// subdir has the file name, [ErrNotFound] where there is no such channel.
func (tx *Tx) InsertPackage(p *Package) error {
	channel, err := tx.channelName(p.ChannelID)
	if err != nil {
		return err
	}
	p.Rev = tx.rev
	p.ID, err = value[int64](tx.ctx(), tx, `INSERT INTO packages (channel_id, subdir, filename, name, version, build, build_number, sha256, md5, size,
			indexed_at, uploaded_at, uploaded_by, yanked_at, yank_reason, rev, record, run_exports, about, index_json, attestation)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) RETURNING id`,
		p.ChannelID, p.Subdir, p.Filename, p.Name, p.Version, p.Build, p.BuildNumber, p.SHA256[:], p.MD5[:], p.Size,
		p.IndexedAt, p.UploadedAt, p.UploadedBy, p.YankedAt, p.YankReason, p.Rev,
		text(p.Record), text(p.RunExports), text(p.About), text(p.Index), bytesOrNull(p.Attestation))
	if err != nil {
		return fmt.Errorf("inserting package %s/%s/%s: %w", channel, p.Subdir, p.Filename, err)
	}
	tx.touchSubdir(p.ChannelID, p.Subdir, 1, yanked(p.YankedAt))
	return tx.change(KindConda, channel+"/"+p.Subdir, p.Filename)
}

// UpdatePackage replaces everything of the package under p's channel, subdir and
// file name, and fills p's ID and Rev. Where the bytes differ, the old ones leave
// a tombstone.
func (tx *Tx) UpdatePackage(p *Package) error {
	channel, old, err := tx.packageKey(p.ChannelID, p.Subdir, p.Filename)
	if err != nil {
		return err
	}
	if old.SHA256 != p.SHA256 {
		if err := tx.bury(p.ChannelID, p.Subdir, old); err != nil {
			return err
		}
	}
	p.ID, p.Rev = old.ID, tx.rev
	if err := tx.execOne(`UPDATE packages SET name = $2, version = $3, build = $4, build_number = $5, sha256 = $6, md5 = $7, size = $8,
			indexed_at = $9, uploaded_at = $10, uploaded_by = $11, yanked_at = $12, yank_reason = $13, rev = $14,
			record = $15, run_exports = $16, about = $17, index_json = $18, attestation = $19 WHERE id = $1`,
		p.ID, p.Name, p.Version, p.Build, p.BuildNumber, p.SHA256[:], p.MD5[:], p.Size,
		p.IndexedAt, p.UploadedAt, p.UploadedBy, p.YankedAt, p.YankReason, p.Rev,
		text(p.Record), text(p.RunExports), text(p.About), text(p.Index), bytesOrNull(p.Attestation)); err != nil {
		return fmt.Errorf("updating package %s/%s/%s: %w", channel, p.Subdir, p.Filename, err)
	}
	tx.touchSubdir(p.ChannelID, p.Subdir, 0, yanked(p.YankedAt)-yanked(old.YankedAt))
	return tx.change(KindConda, channel+"/"+p.Subdir, p.Filename)
}

// YankPackage takes a package out of the indexes but keeps it. Yanking it again
// changes the reason.
func (tx *Tx) YankPackage(channelID int64, subdir, filename, reason string) error {
	return tx.setYanked(channelID, subdir, filename, tx.now, reason)
}

// UnyankPackage puts a package back into the indexes. One that is there already
// stays as it is.
func (tx *Tx) UnyankPackage(channelID int64, subdir, filename string) error {
	return tx.setYanked(channelID, subdir, filename, 0, "")
}

func (tx *Tx) setYanked(channelID int64, subdir, filename string, at int64, reason string) error {
	channel, old, err := tx.packageKey(channelID, subdir, filename)
	if err != nil {
		return err
	}
	switch {
	case at == 0 && old.YankedAt == 0:
		return nil
	case at != 0 && old.YankedAt != 0:
		at = old.YankedAt
	}
	if err := tx.execOne("UPDATE packages SET yanked_at = $2, yank_reason = $3, rev = $4 WHERE id = $1", old.ID, at, reason, tx.rev); err != nil {
		return fmt.Errorf("yanking package %s/%s/%s: %w", channel, subdir, filename, err)
	}
	tx.touchSubdir(channelID, subdir, 0, yanked(at)-yanked(old.YankedAt))
	return tx.change(KindConda, channel+"/"+subdir, filename)
}

// DeletePackage removes a package and leaves a tombstone. Its bytes may go once
// [Reader.BlobReferenced] says no.
func (tx *Tx) DeletePackage(channelID int64, subdir, filename string) error {
	channel, old, err := tx.packageKey(channelID, subdir, filename)
	if err != nil {
		return err
	}
	if err := tx.bury(channelID, subdir, old); err != nil {
		return err
	}
	if err := tx.execOne("DELETE FROM packages WHERE id = $1", old.ID); err != nil {
		return fmt.Errorf("deleting package %s/%s/%s: %w", channel, subdir, filename, err)
	}
	tx.touchSubdir(channelID, subdir, -1, -yanked(old.YankedAt))
	return tx.change(KindConda, channel+"/"+subdir, filename)
}

// packageKey finds what mutations of an existing package need of it.
func (tx *Tx) packageKey(channelID int64, subdir, filename string) (channel string, p *Package, err error) {
	channel, err = tx.channelName(channelID)
	if err != nil {
		return "", nil, err
	}
	p, err = one(tx.ctx(), tx, func(p *Package) []any {
		return []any{&p.ID, &p.Filename, digest(p.SHA256[:]), &p.IndexedAt, &p.YankedAt}
	}, "SELECT id, filename, sha256, indexed_at, yanked_at FROM packages WHERE channel_id = $1 AND subdir = $2 AND filename = $3",
		channelID, subdir, filename)
	if err != nil {
		return "", nil, fmt.Errorf("reading package %s/%s/%s: %w", channel, subdir, filename, err)
	}
	return channel, p, nil
}

// bury writes the tombstone of what is under a file name.
func (tx *Tx) bury(channelID int64, subdir string, p *Package) error {
	_, err := tx.exec(`INSERT INTO tombstones (channel_id, subdir, filename, sha256, indexed_at, deleted_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (channel_id, subdir, filename, sha256) DO UPDATE SET deleted_at = excluded.deleted_at`,
		channelID, subdir, p.Filename, p.SHA256[:], p.IndexedAt, tx.now)
	if err != nil {
		return fmt.Errorf("writing tombstone of %s/%s: %w", subdir, p.Filename, err)
	}
	return nil
}

// SetPatch sets the patch_instructions.json of a subdir; nil removes it.
func (tx *Tx) SetPatch(channelID int64, subdir string, patch json.RawMessage) error {
	channel, err := tx.channelName(channelID)
	if err != nil {
		return err
	}
	query := "INSERT INTO patches (channel_id, subdir, patch) VALUES ($1, $2, $3) ON CONFLICT (channel_id, subdir) DO UPDATE SET patch = excluded.patch"
	args := []any{channelID, subdir, text(patch)}
	if len(patch) == 0 {
		query, args = "DELETE FROM patches WHERE channel_id = $1 AND subdir = $2", args[:2]
	}
	if _, err := tx.exec(query, args...); err != nil {
		return fmt.Errorf("setting patch of %s/%s: %w", channel, subdir, err)
	}
	tx.touchSubdir(channelID, subdir, 0, 0)
	return tx.change(KindPatch, channel+"/"+subdir, "")
}

// yanked counts a package that was yanked at a time.
func yanked(at int64) int {
	if at == 0 {
		return 0
	}
	return 1
}
