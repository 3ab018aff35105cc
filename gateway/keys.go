package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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

// Bounds of a key.
const (
	MaxKeyName   = 200 // bytes of its name
	MaxAddresses = 256 // networks in its address list, which every use of the key looks through
)

// checkName refuses names of keys and policies that would not fit a line of a
// table, and those that hold a key: names are shown, logged and kept in the audit
// trail.
func checkName(what, name string) error {
	if name == "" || len(name) > MaxKeyName {
		return Errorf(http.StatusBadRequest, "the %s's name has %d bytes: 1 to %d are expected", what, len(name), MaxKeyName)
	}
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unseen) {
		return Errorf(http.StatusBadRequest, "the %s's name %+.100q has a character that is not shown: one line of UTF-8 is expected", what, name)
	}
	if authz.HoldsToken(name) {
		return Errorf(http.StatusBadRequest, "the %s's name holds the value of a key: a name that may be shown is expected", what)
	}
	return nil
}

// unseen tells runes that change how others are shown, or show nothing at all.
func unseen(r rune) bool { return !unicode.IsGraphic(r) }

func checkAddresses(list []netip.Prefix) error {
	if len(list) > MaxAddresses {
		return Errorf(http.StatusBadRequest, "the address list has %d networks: at most %d are expected", len(list), MaxAddresses)
	}
	return nil
}

// publicPolicy is what every public key has: it reads what is open and manages
// nothing, whatever was asked for.
const publicPolicy = "executor"

// CreateKey mints a key. Nobody grants more than they hold: permissions, scope,
// project, expiry and address list are all within the caller's.
func (g *Gateway) CreateKey(ctx context.Context, c *Caller, r KeyRequest) (*MintedKey, error) {
	if err := g.authorizeOwn(c, authz.KeyCreate); err != nil {
		return nil, err
	}
	if err := checkName("key", r.Name); err != nil {
		return nil, err
	}
	if err := checkAddresses(r.CIDRs); err != nil {
		return nil, err
	}
	if err := r.Scope.CheckEngines(); err != nil {
		return nil, Errorf(http.StatusBadRequest, "%s", err.Error())
	}
	if !r.Expires.IsZero() && !r.Expires.After(g.conf().Now()) {
		return nil, Errorf(http.StatusBadRequest, "the expiry %s is past: a time to come is expected", r.Expires.UTC().Format(time.RFC3339))
	}
	if r.Type == authz.PublicKey && r.Policy == "" {
		r.Policy = publicPolicy
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
		if pol, err = g.policy(c, publicPolicy); err != nil {
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
	rows = slices.DeleteFunc(rows, func(k *catalog.Key) bool { return !c.sees(k.ProjectID) || expired(k, now) })
	switch {
	case len(rows) == 0:
		return nil, Errorf(http.StatusNotFound, "key %.100q does not exist", idOrName)
	case len(rows) > 1 && rows[0].Type == authz.PublicKey.String():
		return nil, Errorf(http.StatusBadRequest, "%d public keys have the name %.100q: the id of one is expected", len(rows), idOrName)
	}
	return rows[0], nil // a secret key has its name before public ones
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
