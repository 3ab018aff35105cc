package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/wording"
)

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
	if ch.Name != nil {
		if err := checkName("key", *ch.Name); err != nil {
			return nil, err
		}
	}
	if ch.CIDRs != nil {
		if err := checkAddresses(*ch.CIDRs); err != nil {
			return nil, err
		}
	}
	return g.changeKey(ctx, c, id, "key.update", func(next *catalog.Key) error {
		if ch.Name != nil {
			next.Name = *ch.Name
		}
		if ch.Enabled != nil {
			next.Enabled = *ch.Enabled
		}
		if ch.CIDRs != nil {
			next.CIDRs = prefixStrings(*ch.CIDRs)
		}
		if ch.Policy != nil {
			if next.Type == authz.PublicKey.String() {
				return Errorf(http.StatusConflict, "key %q is public: its policy is fixed to executor", next.Name)
			}
			pol, err := g.policy(c, *ch.Policy)
			if err != nil {
				return err
			}
			next.PolicyID = pol.ID
		}
		return nil
	})
}

// changeKey changes a key as it stands inside the transaction: a change that was
// begun before another one must not undo it, least of all a revocation.
func (g *Gateway) changeKey(ctx context.Context, c *Caller, id, action string, change func(next *catalog.Key) error) (*catalog.Key, error) {
	found, err := g.managedKey(ctx, c, id)
	if err != nil {
		return nil, err
	}
	var next catalog.Key
	_, err = g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		old, err := tx.Key(found.ID)
		if err != nil {
			return notThere(err, "key %q does not exist", id)
		}
		next = *old
		if err := change(&next); err != nil {
			return err
		}
		for _, row := range []*catalog.Key{old, &next} {
			if err := g.mayManage(c, row); err != nil {
				return err
			}
		}
		if next.Name != old.Name {
			if err := dropExpired(tx, next.Name, g.conf().Now().UnixMilli()); err != nil {
				return err
			}
		}
		if err := tx.UpdateKey(&next); err != nil {
			if errors.Is(err, catalog.ErrExists) {
				return Errorf(http.StatusConflict, "a key named %q exists already", next.Name)
			}
			return notThere(err, "key %q does not exist", id)
		}
		return tx.Audit(action, "key", next.ID, auditKey(old), auditKey(&next))
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
		return nil, Errorf(http.StatusBadRequest, "the grace period is %s: 0 seconds to %s are expected", wording.Duration(grace), wording.Duration(MaxGrace))
	}
	now := g.conf().Now().UnixMilli()
	token, secret := authz.NewToken(authz.SecretKey)
	next, err := g.changeKey(ctx, c, id, "key.rotate", func(next *catalog.Key) error {
		if next.Type == authz.PublicKey.String() {
			return Errorf(http.StatusConflict, "key %q is public: it is derived, so ask for another instead of rotating it", next.Name)
		}
		old := next.Secrets
		next.Secrets = []catalog.Secret{{KID: secret.KID, SHA256: secret.SHA256, CreatedAt: now}}
		if grace > 0 && len(old) > 0 {
			last := old[0]
			last.NotAfter = now + grace.Milliseconds()
			next.Secrets = append(next.Secrets, last)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &MintedKey{Key: next, Value: token}, nil
}

// DeleteKey revokes a key, and the public keys it issued, before it returns.
func (g *Gateway) DeleteKey(ctx context.Context, c *Caller, id string) error {
	if err := g.authorizeOwn(c, authz.KeyDelete); err != nil {
		return err
	}
	found, err := g.managedKey(ctx, c, id)
	if err != nil {
		return err
	}
	_, err = g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		old, err := tx.Key(found.ID)
		if err != nil {
			return notThere(err, "key %q does not exist", id)
		}
		if err := g.mayManage(c, old); err != nil {
			return err
		}
		gone, err := tx.DeleteKey(old.ID)
		if err != nil {
			return notThere(err, "key %q does not exist", id)
		}
		return tx.Audit("key.delete", "key", old.ID, auditKey(old), auditCascade(len(gone)-1))
	})
	return err
}

// auditCascade says how many keys went with what was deleted; nil for none.
func auditCascade(keys int) any {
	if keys == 0 {
		return nil
	}
	return struct {
		Keys int `json:"keys_deleted"`
	}{keys}
}
