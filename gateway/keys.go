package gateway

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
)

// KeyRequest says what a new key shall be.
type KeyRequest struct {
	Name    string
	Policy  string        // name or id of a policy; a role is a built-in policy
	Project string        // name or id; "" for the caller's own, or the whole account
	Type    authz.KeyType // Secret unless said otherwise
	Scope   authz.Scope   // zero: unscoped; use [authz.ParseNames] for lists
	CIDRs   []netip.Prefix
	Expires time.Time // zero: never
}

// MintedKey is a key and its value, which is shown this once.
type MintedKey struct {
	Key   *catalog.Key
	Value string
}

// MaxKeyName bounds a key's name, in bytes.
const MaxKeyName = 200

// CreateKey mints a key. Nobody grants more than they hold: permissions, scope,
// project, expiry and address list are all within the caller's.
func (g *Gateway) CreateKey(ctx context.Context, c *Caller, r KeyRequest) (*MintedKey, error) {
	if err := g.authorizeOwn(c, authz.KeyCreate); err != nil {
		return nil, err
	}
	if r.Name == "" || len(r.Name) > MaxKeyName {
		return nil, Errorf(http.StatusBadRequest, "the key's name has %d bytes: 1 to %d are expected", len(r.Name), MaxKeyName)
	}
	if !r.Expires.IsZero() && !r.Expires.After(g.conf().Now()) {
		return nil, Errorf(http.StatusBadRequest, "the expiry %s is past: a time to come is expected", r.Expires.UTC().Format(time.RFC3339))
	}
	pol, err := g.policy(c, r.Policy)
	if err != nil {
		return nil, err
	}
	project := c.projectID()
	if r.Project != "" {
		if project, err = g.projectFor(c, r.Project); err != nil {
			return nil, err
		}
	}
	key := authz.Key{
		ID: catalog.NewID(), Name: r.Name, Type: r.Type, PolicyID: pol.ID, Project: project,
		Scope: r.Scope, CIDRs: r.CIDRs, Enabled: true, ExpiresAt: unixMilli(r.Expires),
	}
	if r.Type == authz.PublicKey {
		// A public key's ceiling is below every other: executor, open data, no management.
		if pol, err = g.policy(c, "executor"); err != nil {
			return nil, err
		}
		key.PolicyID = pol.ID
		if key.ExpiresAt == 0 {
			key.ExpiresAt = g.conf().Now().Add(g.conf().PublicKeyTTL).UnixMilli()
		}
	}
	if err := g.mayGrant(c, *pol, key); err != nil {
		return nil, err
	}
	token, secret := authz.NewToken(r.Type)
	return g.insertKey(ctx, c, key, token, secret, "key.create")
}

// mayGrant is the subset rule; the operator at the machine grants anything.
func (g *Gateway) mayGrant(c *Caller, p authz.Policy, k authz.Key) error {
	if c.local {
		return nil
	}
	return authz.CanGrant(c.grant, p, k)
}

func (g *Gateway) insertKey(ctx context.Context, c *Caller, key authz.Key, token string, secret authz.Secret, action string) (*MintedKey, error) {
	now := g.conf().Now().UnixMilli()
	row, err := keyRow(key)
	if err != nil {
		return nil, err
	}
	row.CreatedAt, row.UpdatedAt, row.CreatedBy = now, now, c.Actor().Name
	row.Secrets = []catalog.Secret{{KID: secret.KID, SHA256: secret.SHA256, Nonce: secret.Nonce, CreatedAt: now}}
	_, err = g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		if err := dropExpired(tx, key.Name, now); err != nil {
			return err
		}
		if err := tx.InsertKey(row); err != nil {
			if errors.Is(err, catalog.ErrExists) {
				return Errorf(http.StatusConflict, "a key named %q exists already: choose another name, or rotate that key", key.Name)
			}
			return err
		}
		return tx.Audit(action, "key", row.ID, nil, auditKey(row))
	})
	if err != nil {
		return nil, err
	}
	return &MintedKey{Key: row, Value: token}, nil
}

// dropExpired deletes a key whose name is free again, although the sweeper has not
// come to it yet.
func dropExpired(tx *catalog.Tx, name string, now int64) error {
	keys, err := tx.KeysNamed(name)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.Type != authz.SecretKey.String() || !expired(k, now) {
			continue
		}
		if _, err := tx.DeleteKey(k.ID); err != nil {
			return err
		}
		if err := tx.Audit("key.expire", "key", k.ID, auditKey(k), nil); err != nil {
			return err
		}
	}
	return nil
}

// PublicKeyRequest asks for a public key.
type PublicKeyRequest struct {
	Name    string        // "" for the shared unnamed one
	Project string        // name or id; "" for the caller's
	TTL     time.Duration // life of a new one; 0 for [Config.PublicKeyTTL]
}

// MaxPublicKeyTTL bounds how long a public key may live.
const MaxPublicKeyTTL = 30 * 24 * time.Hour

// minPublicKeyLeft is what must be left of a public key's life for it to be
// handed out again.
const minPublicKeyLeft = 60 * time.Second

// PublicKey returns a still valid public key of the same issuer, project, name
// and scope, or mints one. Its value is derived from the gateway's root key and a
// nonce, so it can be told again without being stored.
func (g *Gateway) PublicKey(ctx context.Context, c *Caller, r PublicKeyRequest) (*MintedKey, error) {
	if err := g.authorizeOwn(c, authz.KeyRequestPublic); err != nil {
		return nil, err
	}
	issuer := c.Key()
	if issuer == nil {
		return nil, Errorf(http.StatusForbidden, "a public key is issued by a key, and this request has none")
	}
	if r.TTL < 0 || r.TTL > MaxPublicKeyTTL {
		return nil, Errorf(http.StatusBadRequest, "ttl is %d seconds: 1 to %d are expected", int64(r.TTL/time.Second), int64(MaxPublicKeyTTL/time.Second))
	}
	project := issuer.Project
	if r.Project != "" {
		id, err := g.projectFor(c, r.Project)
		if err != nil {
			return nil, err
		}
		project = id
	}
	name := r.Name
	if name == "" {
		name = "Public API Key (generated)"
	}
	if len(name) > MaxKeyName {
		return nil, Errorf(http.StatusBadRequest, "the key's name has %d bytes: at most %d are expected", len(name), MaxKeyName)
	}
	now := g.conf().Now()
	g.minting.Lock() // two requests at once get the same key
	defer g.minting.Unlock()
	if found, err := g.findPublic(ctx, issuer, project, name, now); err != nil || found != nil {
		return found, err
	}
	ttl := orDefault(r.TTL, g.conf().PublicKeyTTL)
	key := authz.Key{
		ID: catalog.NewID(), Name: name, Type: authz.PublicKey, PolicyID: "executor", Project: project,
		Scope: issuer.Scope, CIDRs: issuer.CIDRs, Enabled: true, IssuerID: issuer.ID,
		ExpiresAt: now.Add(ttl).UnixMilli(),
	}
	if issuer.ExpiresAt != 0 {
		key.ExpiresAt = min(key.ExpiresAt, issuer.ExpiresAt) // a public key dies with its issuer
	}
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce)
	token, secret := authz.DeriveToken(g.root, key.ID, nonce)
	return g.insertKey(ctx, c, key, token, secret, "key.issue-public")
}

// findPublic returns the public key that a request may be given again.
func (g *Gateway) findPublic(ctx context.Context, issuer *authz.Key, project, name string, now time.Time) (*MintedKey, error) {
	rows, err := g.cat.KeysIssuedBy(ctx, issuer.ID)
	if err != nil {
		return nil, err
	}
	scope, err := json.Marshal(issuer.Scope)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		k := rows[i]
		if k.Type != authz.PublicKey.String() || k.ProjectID != project || k.Name != name ||
			!k.Enabled || k.ExpiresAt-now.UnixMilli() < minPublicKeyLeft.Milliseconds() || string(k.Scope) != string(scope) ||
			len(k.Secrets) == 0 {
			continue
		}
		token, secret := authz.DeriveToken(g.root, k.ID, k.Secrets[0].Nonce)
		if secret.SHA256 != k.Secrets[0].SHA256 {
			continue // the root key was replaced since: this value cannot be told again
		}
		return &MintedKey{Key: k, Value: token}, nil
	}
	return nil, nil
}

// Keys lists the keys that the caller may manage, newest first; expired ones are
// gone from their very instant.
func (g *Gateway) Keys(ctx context.Context, c *Caller) ([]*catalog.Key, error) {
	if err := g.authorizeOwn(c, authz.KeyRead); err != nil {
		return nil, err
	}
	rows, err := g.cat.Keys(ctx)
	if err != nil {
		return nil, err
	}
	now := g.conf().Now().UnixMilli()
	rows = slices.DeleteFunc(rows, func(k *catalog.Key) bool { return !c.sees(k.ProjectID) || expired(k, now) })
	slices.SortStableFunc(rows, func(a, b *catalog.Key) int { return int(b.CreatedAt - a.CreatedAt) })
	return rows, nil
}

// KeyByID returns one key that the caller may manage.
func (g *Gateway) KeyByID(ctx context.Context, c *Caller, id string) (*catalog.Key, error) {
	if err := g.authorizeOwn(c, authz.KeyRead); err != nil {
		return nil, err
	}
	return g.managedKey(ctx, c, id)
}

// KeyToChange returns a key that the caller may change.
func (g *Gateway) KeyToChange(ctx context.Context, c *Caller, id string) (*catalog.Key, error) {
	if err := g.authorizeOwn(c, authz.KeyUpdate); err != nil {
		return nil, err
	}
	return g.managedKey(ctx, c, id)
}

// managedKey finds a key by id, or by name for the operator; what the caller may
// not see is not there.
func (g *Gateway) managedKey(ctx context.Context, c *Caller, idOrName string) (*catalog.Key, error) {
	found, err := g.cat.Key(ctx, idOrName)
	rows := []*catalog.Key{found}
	if errors.Is(err, catalog.ErrNotFound) {
		rows, err = g.cat.KeysNamed(ctx, idOrName)
	}
	if err != nil {
		return nil, err
	}
	now := g.conf().Now().UnixMilli()
	for _, k := range rows {
		if c.sees(k.ProjectID) && !expired(k, now) {
			return k, nil
		}
	}
	return nil, Errorf(http.StatusNotFound, "key %.100q does not exist", idOrName)
}

// KeyChange is what may be changed of a key; nil leaves a field as it is.
type KeyChange struct {
	Name    *string
	Policy  *string // name or id
	Enabled *bool
	CIDRs   *[]netip.Prefix
}

// UpdateKey changes a key, in force from the next request on. The subset rule
// holds for the key as it was and as it will be.
func (g *Gateway) UpdateKey(ctx context.Context, c *Caller, id string, ch KeyChange) (*catalog.Key, error) {
	if err := g.authorizeOwn(c, authz.KeyUpdate); err != nil {
		return nil, err
	}
	old, err := g.managedKey(ctx, c, id)
	if err != nil {
		return nil, err
	}
	next := *old
	if ch.Name != nil {
		if *ch.Name == "" || len(*ch.Name) > MaxKeyName {
			return nil, Errorf(http.StatusBadRequest, "the key's name has %d bytes: 1 to %d are expected", len(*ch.Name), MaxKeyName)
		}
		next.Name = *ch.Name
	}
	if ch.Enabled != nil {
		next.Enabled = *ch.Enabled
	}
	if ch.CIDRs != nil {
		next.CIDRs = prefixStrings(*ch.CIDRs)
	}
	if ch.Policy != nil {
		if old.Type == authz.PublicKey.String() {
			return nil, Errorf(http.StatusConflict, "key %q is public: its policy is fixed to executor", old.Name)
		}
		pol, err := g.policy(c, *ch.Policy)
		if err != nil {
			return nil, err
		}
		next.PolicyID = pol.ID
	}
	for _, row := range []*catalog.Key{old, &next} {
		if err := g.mayManage(c, row); err != nil {
			return nil, err
		}
	}
	next.UpdatedAt = g.conf().Now().UnixMilli()
	_, err = g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		if err := tx.UpdateKey(&next); err != nil {
			if errors.Is(err, catalog.ErrExists) {
				return Errorf(http.StatusConflict, "a key named %q exists already", next.Name)
			}
			return notThere(err, "key %q does not exist", id)
		}
		return tx.Audit("key.update", "key", next.ID, auditKey(old), auditKey(&next))
	})
	if err != nil {
		return nil, err
	}
	return &next, nil
}

// mayManage applies the subset rule to an existing key: who could not have made
// it may not change it either.
func (g *Gateway) mayManage(c *Caller, row *catalog.Key) error {
	if c.local {
		return nil
	}
	k, err := keyOf(row)
	if err != nil {
		return err
	}
	pol, ok := g.ring.Policy(row.PolicyID)
	if !ok {
		return Errorf(http.StatusNotFound, "policy %q does not exist", row.PolicyID)
	}
	return authz.CanGrant(c.grant, pol, k)
}

// MaxGrace bounds how long a rotated key's old value may go on working.
const MaxGrace = 7 * 24 * time.Hour

// RotateKey gives a key a new value; the old one works for grace longer. At most
// two values of a key are alive at a time.
func (g *Gateway) RotateKey(ctx context.Context, c *Caller, id string, grace time.Duration) (*MintedKey, error) {
	if err := g.authorizeOwn(c, authz.KeyRotate); err != nil {
		return nil, err
	}
	if grace < 0 || grace > MaxGrace {
		return nil, Errorf(http.StatusBadRequest, "the grace period is %s: 0s to %s are expected", grace, MaxGrace)
	}
	old, err := g.managedKey(ctx, c, id)
	if err != nil {
		return nil, err
	}
	if old.Type == authz.PublicKey.String() {
		return nil, Errorf(http.StatusConflict, "key %q is public: it is derived, so ask for another instead of rotating it", old.Name)
	}
	if err := g.mayManage(c, old); err != nil {
		return nil, err
	}
	now := g.conf().Now().UnixMilli()
	token, secret := authz.NewToken(authz.SecretKey)
	next := *old
	next.UpdatedAt = now
	next.Secrets = []catalog.Secret{{KID: secret.KID, SHA256: secret.SHA256, CreatedAt: now}}
	if grace > 0 && len(old.Secrets) > 0 {
		last := old.Secrets[0]
		last.NotAfter = now + grace.Milliseconds()
		next.Secrets = append(next.Secrets, last)
	}
	_, err = g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		if err := tx.UpdateKey(&next); err != nil {
			return notThere(err, "key %q does not exist", id)
		}
		return tx.Audit("key.rotate", "key", next.ID, auditKey(old), auditKey(&next))
	})
	if err != nil {
		return nil, err
	}
	return &MintedKey{Key: &next, Value: token}, nil
}

// DeleteKey revokes a key, and the public keys it issued, before it returns.
func (g *Gateway) DeleteKey(ctx context.Context, c *Caller, id string) error {
	if err := g.authorizeOwn(c, authz.KeyDelete); err != nil {
		return err
	}
	old, err := g.managedKey(ctx, c, id)
	if err != nil {
		return err
	}
	if err := g.mayManage(c, old); err != nil {
		return err
	}
	_, err = g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		if _, err := tx.DeleteKey(old.ID); err != nil {
			return notThere(err, "key %q does not exist", id)
		}
		return tx.Audit("key.delete", "key", old.ID, auditKey(old), nil)
	})
	return err
}

func auditKey(k *catalog.Key) any {
	type shown struct {
		Name    string          `json:"name"`
		Type    string          `json:"type"`
		Policy  string          `json:"policy"`
		Project string          `json:"project,omitempty"`
		Scope   json.RawMessage `json:"scope,omitempty"`
		CIDRs   []string        `json:"cidrs,omitempty"`
		Enabled bool            `json:"enabled"`
		Expires int64           `json:"expires_at,omitempty"`
	}
	return shown{k.Name, k.Type, k.PolicyID, k.ProjectID, k.Scope, k.CIDRs, k.Enabled, k.ExpiresAt}
}

func expired(k *catalog.Key, now int64) bool { return k.ExpiresAt != 0 && k.ExpiresAt <= now }

func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
