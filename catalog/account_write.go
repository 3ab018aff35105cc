package catalog

import (
	"fmt"
)

// InsertProject makes a project; [ErrExists] where its name or id is taken.
func (tx *Tx) InsertProject(p *Project) error {
	tx.stamp(&p.CreatedAt, &p.UpdatedAt)
	if _, err := tx.exec("INSERT INTO projects (id, name, created_at, updated_at) VALUES ($1, $2, $3, $4)",
		p.ID, p.Name, p.CreatedAt, p.UpdatedAt); err != nil {
		return fmt.Errorf("inserting project %q: %w", p.Name, err)
	}
	return tx.change(KindProject, "", p.ID)
}

// UpdateProject changes the name of a project.
func (tx *Tx) UpdateProject(p *Project) error {
	p.UpdatedAt = tx.now
	if err := tx.execOne("UPDATE projects SET name = $2, updated_at = $3 WHERE id = $1", p.ID, p.Name, p.UpdatedAt); err != nil {
		return fmt.Errorf("updating project %q: %w", p.Name, err)
	}
	return tx.change(KindProject, "", p.ID)
}

// DeleteProject removes a project; [ErrConflict] while a channel, a Python name or
// a key belongs to it.
func (tx *Tx) DeleteProject(id string) error {
	if err := tx.execOne("DELETE FROM projects WHERE id = $1", id); err != nil {
		return fmt.Errorf("deleting project %s: %w", id, err)
	}
	return tx.change(KindProject, "", id)
}

// InsertPolicy makes a policy; [ErrExists] where its name or id is taken.
func (tx *Tx) InsertPolicy(p *Policy) error {
	permissions, err := stringList(p.Permissions)
	if err != nil {
		return fmt.Errorf("inserting policy %q: %w", p.Name, err)
	}
	tx.stamp(&p.CreatedAt, &p.UpdatedAt)
	if _, err := tx.exec("INSERT INTO policies (id, name, permissions, builtin, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6)",
		p.ID, p.Name, permissions, p.Builtin, p.CreatedAt, p.UpdatedAt); err != nil {
		return fmt.Errorf("inserting policy %q: %w", p.Name, err)
	}
	return tx.change(KindPolicy, "", p.ID)
}

// UpdatePolicy changes the name and the permissions of a policy.
func (tx *Tx) UpdatePolicy(p *Policy) error {
	permissions, err := stringList(p.Permissions)
	if err != nil {
		return fmt.Errorf("updating policy %q: %w", p.Name, err)
	}
	p.UpdatedAt = tx.now
	if err := tx.execOne("UPDATE policies SET name = $2, permissions = $3, builtin = $4, updated_at = $5 WHERE id = $1",
		p.ID, p.Name, permissions, p.Builtin, p.UpdatedAt); err != nil {
		return fmt.Errorf("updating policy %q: %w", p.Name, err)
	}
	return tx.change(KindPolicy, "", p.ID)
}

// DeletePolicy removes a policy with every key that has it and every key those
// made, and reports the ids of the keys.
func (tx *Tx) DeletePolicy(id string) (keys []string, err error) {
	keys, err = tx.deleteKeys(`SELECT id FROM api_keys WHERE policy_id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("deleting keys of policy %s: %w", id, err)
	}
	if err := tx.execOne("DELETE FROM policies WHERE id = $1", id); err != nil {
		return nil, fmt.Errorf("deleting policy %s: %w", id, err)
	}
	return keys, tx.change(KindPolicy, "", id)
}

// InsertKey makes a key with its secrets; [ErrExists] where its id or the KID of a
// secret is taken, [ErrConflict] where policy, project or issuer do not exist.
func (tx *Tx) InsertKey(k *Key) error {
	cidrs, err := stringList(k.CIDRs)
	if err != nil {
		return fmt.Errorf("inserting key %q: %w", k.Name, err)
	}
	tx.stamp(&k.CreatedAt, &k.UpdatedAt)
	if _, err := tx.exec(`INSERT INTO api_keys (id, name, type, policy_id, project_id, scope, cidrs, enabled, expires_at,
			issuer_id, created_by, created_at, updated_at, last_used_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		k.ID, k.Name, k.Type, k.PolicyID, orNull(k.ProjectID), text(k.Scope), cidrs, k.Enabled, k.ExpiresAt,
		orNull(k.IssuerID), k.CreatedBy, k.CreatedAt, k.UpdatedAt, k.LastUsedAt); err != nil {
		return fmt.Errorf("inserting key %q: %w", k.Name, err)
	}
	if err := tx.insertSecrets(k); err != nil {
		return err
	}
	return tx.change(KindKey, "", k.ID)
}

// UpdateKey replaces what a key is, its secrets included, but for who made it and
// when it was used.
func (tx *Tx) UpdateKey(k *Key) error {
	cidrs, err := stringList(k.CIDRs)
	if err != nil {
		return fmt.Errorf("updating key %q: %w", k.Name, err)
	}
	k.UpdatedAt = tx.now
	if err := tx.execOne(`UPDATE api_keys SET name = $2, type = $3, policy_id = $4, project_id = $5, scope = $6, cidrs = $7,
			enabled = $8, expires_at = $9, updated_at = $10 WHERE id = $1`,
		k.ID, k.Name, k.Type, k.PolicyID, orNull(k.ProjectID), text(k.Scope), cidrs, k.Enabled, k.ExpiresAt, k.UpdatedAt); err != nil {
		return fmt.Errorf("updating key %q: %w", k.Name, err)
	}
	if _, err := tx.exec("DELETE FROM key_secrets WHERE key_id = $1", k.ID); err != nil {
		return fmt.Errorf("updating secrets of key %q: %w", k.Name, err)
	}
	if err := tx.insertSecrets(k); err != nil {
		return err
	}
	return tx.change(KindKey, "", k.ID)
}

func (tx *Tx) insertSecrets(k *Key) error {
	for i := range k.Secrets {
		s := &k.Secrets[i]
		if s.CreatedAt == 0 {
			s.CreatedAt = tx.now
		}
		if _, err := tx.exec("INSERT INTO key_secrets (kid, key_id, sha256, not_after, nonce, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
			s.KID, k.ID, s.SHA256[:], s.NotAfter, bytesOrNull(s.Nonce), s.CreatedAt); err != nil {
			return fmt.Errorf("inserting secret of key %q: %w", k.Name, err)
		}
	}
	return nil
}

// DeleteKey removes a key with every key it made, those they made, and so on, and
// reports the ids of all of them.
func (tx *Tx) DeleteKey(id string) (keys []string, err error) {
	keys, err = tx.deleteKeys("SELECT id FROM api_keys WHERE id = $1", id)
	if err == nil && len(keys) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("deleting key %s: %w", id, err)
	}
	return keys, nil
}

// deleteKeys removes the keys a query selects by id, and all that came of them.
func (tx *Tx) deleteKeys(roots string, id string) ([]string, error) {
	keys, err := ids(tx.ctx(), tx, "WITH RECURSIVE doomed(id) AS ("+roots+
		" UNION SELECT k.id FROM api_keys k JOIN doomed d ON k.issuer_id = d.id) SELECT id FROM doomed", id)
	if err != nil {
		return nil, err
	}
	// A key goes only after the keys it made: ids come parents first.
	for _, key := range keys {
		if _, err := tx.exec("UPDATE api_keys SET issuer_id = NULL WHERE id = $1", key); err != nil {
			return nil, err
		}
	}
	for _, key := range keys {
		if _, err := tx.exec("DELETE FROM key_secrets WHERE key_id = $1", key); err != nil {
			return nil, err
		}
		if _, err := tx.exec("DELETE FROM api_keys WHERE id = $1", key); err != nil {
			return nil, err
		}
		if err := tx.change(KindKey, "", key); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// AddReserved reserves a pattern of Python names; [ErrExists] where it is reserved.
func (tx *Tx) AddReserved(pattern string) error {
	if _, err := tx.exec("INSERT INTO reserved (pattern) VALUES ($1)", pattern); err != nil {
		return fmt.Errorf("reserving %q: %w", pattern, err)
	}
	return tx.change(KindReserved, "", pattern)
}

// RemoveReserved ends a reservation.
func (tx *Tx) RemoveReserved(pattern string) error {
	if err := tx.execOne("DELETE FROM reserved WHERE pattern = $1", pattern); err != nil {
		return fmt.Errorf("ending reservation of %q: %w", pattern, err)
	}
	return tx.change(KindReserved, "", pattern)
}

// SetSetting sets a value; "" removes it.
func (tx *Tx) SetSetting(name, value string) error {
	query := "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
	args := []any{name, value}
	if value == "" {
		query, args = "DELETE FROM settings WHERE name = $1", args[:1]
	}
	if _, err := tx.exec(query, args...); err != nil {
		return fmt.Errorf("setting %q: %w", name, err)
	}
	return tx.change(KindSetting, "", name)
}

// SetAccountSlug names the account.
func (tx *Tx) SetAccountSlug(slug string) error { return tx.SetSetting(settingAccountSlug, slug) }
