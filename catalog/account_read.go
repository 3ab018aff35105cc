package catalog

import (
	"context"
	"strconv"
	"strings"
)

// Settings which make the account.
const (
	settingAccountID   = "account.id"
	settingAccountSlug = "account.slug"
)

// Account is the organisation the gateway serves.
func (r *Reader) Account(ctx context.Context) (Account, error) {
	id, err := r.Setting(ctx, settingAccountID)
	if err != nil {
		return Account{}, err
	}
	slug, err := r.Setting(ctx, settingAccountSlug)
	return Account{ID: id, Slug: slug}, err
}

// Setting is a value by its name, "" where it was never set.
func (r *Reader) Setting(ctx context.Context, name string) (string, error) {
	return orZero(value[string](ctx, r.q, "SELECT value FROM settings WHERE name = $1", name))
}

// Reserved is every pattern of Python names that never go upstream, sorted.
func (r *Reader) Reserved(ctx context.Context) ([]string, error) {
	return ids(ctx, r.q, "SELECT pattern FROM reserved ORDER BY pattern")
}

const projectColumns = "id, name, created_at, updated_at"

func (p *Project) columns() []any { return []any{&p.ID, &p.Name, &p.CreatedAt, &p.UpdatedAt} }

// Projects is every project, by name.
func (r *Reader) Projects(ctx context.Context) ([]*Project, error) {
	return list(ctx, r.q, (*Project).columns, "SELECT "+projectColumns+" FROM projects ORDER BY name")
}

// Project is a project by its id.
func (r *Reader) Project(ctx context.Context, id string) (*Project, error) {
	return one(ctx, r.q, (*Project).columns, "SELECT "+projectColumns+" FROM projects WHERE id = $1", id)
}

const policyColumns = "id, name, permissions, builtin, created_at, updated_at"

func (p *Policy) columns() []any {
	return []any{&p.ID, &p.Name, jsonColumn{&p.Permissions}, &p.Builtin, &p.CreatedAt, &p.UpdatedAt}
}

// Policies is every policy, by name.
func (r *Reader) Policies(ctx context.Context) ([]*Policy, error) {
	return list(ctx, r.q, (*Policy).columns, "SELECT "+policyColumns+" FROM policies ORDER BY name")
}

// Policy is a policy by its id.
func (r *Reader) Policy(ctx context.Context, id string) (*Policy, error) {
	return one(ctx, r.q, (*Policy).columns, "SELECT "+policyColumns+" FROM policies WHERE id = $1", id)
}

const keyColumns = `id, name, type, policy_id, COALESCE(project_id, ''), scope, cidrs, enabled, expires_at,
	COALESCE(issuer_id, ''), created_by, created_at, updated_at, last_used_at`

func (k *Key) columns() []any {
	return []any{&k.ID, &k.Name, &k.Type, &k.PolicyID, &k.ProjectID, (*[]byte)(&k.Scope), jsonColumn{&k.CIDRs}, &k.Enabled, &k.ExpiresAt,
		&k.IssuerID, &k.CreatedBy, &k.CreatedAt, &k.UpdatedAt, &k.LastUsedAt}
}

// secretRow is a secret with the key it belongs to.
type secretRow struct {
	keyID string
	Secret
}

const secretColumns = "key_id, kid, sha256, not_after, nonce, created_at"

func (s *secretRow) columns() []any {
	return []any{&s.keyID, &s.KID, digest(s.SHA256[:]), &s.NotAfter, &s.Nonce, &s.CreatedAt}
}

// Keys is every key with its secrets, oldest first. Keys made or removed while it
// runs may be in it or not.
func (r *Reader) Keys(ctx context.Context) ([]*Key, error) {
	keys, err := list(ctx, r.q, (*Key).columns, "SELECT "+keyColumns+" FROM api_keys ORDER BY created_at, id")
	if err != nil {
		return nil, err
	}
	byID := make(map[string]*Key, len(keys))
	for _, k := range keys {
		byID[k.ID] = k
	}
	err = each(ctx, r.q, (*secretRow).columns, func(s *secretRow) error {
		if k, ok := byID[s.keyID]; ok {
			k.Secrets = append(k.Secrets, s.Secret)
		}
		return nil
	}, "SELECT "+secretColumns+" FROM key_secrets ORDER BY not_after = 0 DESC, created_at DESC, kid")
	return keys, err
}

// Key is a key by its id, with its secrets.
func (r *Reader) Key(ctx context.Context, id string) (*Key, error) {
	keys, err := r.keysWhere(ctx, "id = $1", id)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, ErrNotFound
	}
	return keys[0], nil
}

// KeysNamed is every key of a name with its secrets, secret keys first: at most one
// of those, and any number of public ones.
func (r *Reader) KeysNamed(ctx context.Context, name string) ([]*Key, error) {
	return r.keysWhere(ctx, "name = $1 ORDER BY type DESC, created_at, id", name)
}

// KeysIssuedBy is every key that a key made, with its secrets, oldest first.
func (r *Reader) KeysIssuedBy(ctx context.Context, issuerID string) ([]*Key, error) {
	return r.keysWhere(ctx, "issuer_id = $1 ORDER BY created_at, id", issuerID)
}

// keysWhere is a few keys with their secrets.
func (r *Reader) keysWhere(ctx context.Context, where, arg string) ([]*Key, error) {
	keys, err := list(ctx, r.q, (*Key).columns, "SELECT "+keyColumns+" FROM api_keys WHERE "+where, arg)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		err := each(ctx, r.q, (*secretRow).columns, func(s *secretRow) error {
			k.Secrets = append(k.Secrets, s.Secret)
			return nil
		}, "SELECT "+secretColumns+" FROM key_secrets WHERE key_id = $1 ORDER BY not_after = 0 DESC, created_at DESC, kid", k.ID)
		if err != nil {
			return nil, err
		}
	}
	return keys, nil
}

const channelColumns = "id, name, COALESCE(project_id, ''), visibility, description, notices, created_at, updated_at"

func (c *Channel) columns() []any {
	return []any{&c.ID, &c.Name, &c.ProjectID, &c.Visibility, &c.Description, (*[]byte)(&c.Notices), &c.CreatedAt, &c.UpdatedAt}
}

// Channels is every channel, by name.
func (r *Reader) Channels(ctx context.Context) ([]*Channel, error) {
	return list(ctx, r.q, (*Channel).columns, "SELECT "+channelColumns+" FROM channels ORDER BY name")
}

// Channel is a channel by its name.
func (r *Reader) Channel(ctx context.Context, name string) (*Channel, error) {
	return one(ctx, r.q, (*Channel).columns, "SELECT "+channelColumns+" FROM channels WHERE name = $1", name)
}

const auditColumns = "id, at, key_id, actor, address, request_id, action, kind, target, before_json, after_json, outcome"

func (a *AuditRow) columns() []any {
	return []any{&a.ID, &a.At, &a.Actor.KeyID, &a.Actor.Name, &a.Actor.Address, &a.Actor.RequestID,
		&a.Action, &a.Kind, &a.Target, (*[]byte)(&a.Before), (*[]byte)(&a.After), &a.Outcome}
}

// AuditRows is the audit trail, newest first.
func (r *Reader) AuditRows(ctx context.Context, f AuditFilter) ([]*AuditRow, error) {
	query := "SELECT " + auditColumns + " FROM audit WHERE 1 = 1"
	var args []any
	where := func(set bool, condition string, arg any) {
		if set {
			args = append(args, arg)
			query += numbered(condition, len(args))
		}
	}
	where(f.Actor != "", " AND (key_id = $n OR actor = $n)", f.Actor)
	where(f.Action != "", " AND action = $n", f.Action)
	where(f.Kind != "", " AND kind = $n", f.Kind)
	where(f.Target != "", " AND target = $n", f.Target)
	where(f.Since != 0, " AND at >= $n", f.Since)
	where(f.Until != 0, " AND at < $n", f.Until)
	where(f.Before != 0, " AND id < $n", f.Before)
	where(true, " ORDER BY id DESC LIMIT $n", limit(f.Limit))
	return list(ctx, r.q, (*AuditRow).columns, query, args...)
}

// MaxRows is how many rows a page of the audit trail, or of a search, has at most.
const MaxRows = 1000

// limit is a page size within its bounds.
func limit(n int) int {
	switch {
	case n <= 0:
		return 100
	case n > MaxRows:
		return MaxRows
	}
	return n
}

// ids scans a column of ids.
func ids(ctx context.Context, q querier, query string, args ...any) ([]string, error) {
	rows, err := list(ctx, q, func(s *string) []any { return []any{s} }, query, args...)
	all := make([]string, len(rows))
	for i, s := range rows {
		all[i] = *s
	}
	return all, err
}

// numbered puts argument n in the place of $n.
func numbered(condition string, n int) string {
	return strings.ReplaceAll(condition, "$n", "$"+strconv.Itoa(n))
}
