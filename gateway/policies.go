package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
)

// Policies lists every policy, by name.
func (g *Gateway) Policies(ctx context.Context, c *Caller) ([]*catalog.Policy, error) {
	if err := g.authorizeOwn(c, authz.PolicyRead); err != nil {
		return nil, err
	}
	return g.cat.Policies(ctx)
}

// PolicyByID returns one policy, by id or name.
func (g *Gateway) PolicyByID(ctx context.Context, c *Caller, idOrName string) (*catalog.Policy, error) {
	all, err := g.Policies(ctx, c)
	if err != nil {
		return nil, err
	}
	return findPolicy(all, idOrName)
}

// CreatePolicy makes a policy, which grants at most what its maker holds.
func (g *Gateway) CreatePolicy(ctx context.Context, c *Caller, name string, permissions []string) (*catalog.Policy, error) {
	if err := g.authorizeOwn(c, authz.PolicyCreate); err != nil {
		return nil, err
	}
	mask, err := g.policyMask(c, name, permissions)
	if err != nil {
		return nil, err
	}
	now := g.conf().Now().UnixMilli()
	p := &catalog.Policy{ID: catalog.NewID(), Name: name, Permissions: mask.Names(), CreatedAt: now, UpdatedAt: now}
	_, err = g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		if err := tx.InsertPolicy(p); err != nil {
			if errors.Is(err, catalog.ErrExists) {
				return Errorf(http.StatusConflict, "a policy named %q exists already", name)
			}
			return err
		}
		return tx.Audit("policy.create", "policy", p.ID, nil, auditPolicy(p))
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// UpdatePolicy changes a policy and so, from the next request on, what every key
// with it may do. nil leaves name or permissions as they are.
func (g *Gateway) UpdatePolicy(ctx context.Context, c *Caller, id string, name *string, permissions []string) (*catalog.Policy, error) {
	if err := g.authorizeOwn(c, authz.PolicyUpdate); err != nil {
		return nil, err
	}
	var next catalog.Policy
	_, err := g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		// As it stands inside the transaction: two changes at once undo nothing of
		// each other.
		old, err := g.ownPolicy(tx, c, id)
		if err != nil {
			return err
		}
		next = *old
		if name != nil {
			next.Name = *name
		}
		if permissions != nil {
			next.Permissions = permissions
		}
		mask, err := g.policyMask(c, next.Name, next.Permissions)
		if err != nil {
			return err
		}
		next.Permissions = mask.Names()
		if err := tx.UpdatePolicy(&next); err != nil {
			if errors.Is(err, catalog.ErrExists) {
				return Errorf(http.StatusConflict, "a policy named %q exists already", next.Name)
			}
			return notThere(err, "policy %q does not exist", id)
		}
		return tx.Audit("policy.update", "policy", next.ID, auditPolicy(old), auditPolicy(&next))
	})
	if err != nil {
		return nil, err
	}
	return &next, nil
}

// DeletePolicy deletes a policy and every key with it, and says how many.
func (g *Gateway) DeletePolicy(ctx context.Context, c *Caller, id string) (keys int, err error) {
	if err := g.authorizeOwn(c, authz.PolicyDelete); err != nil {
		return 0, err
	}
	_, err = g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		old, err := g.ownPolicy(tx, c, id)
		if err != nil {
			return err
		}
		gone, err := tx.DeletePolicy(old.ID)
		if err != nil {
			return notThere(err, "policy %q does not exist", id)
		}
		keys = len(gone)
		return tx.Audit("policy.delete", "policy", old.ID, auditPolicy(old), auditCascade(keys))
	})
	if err != nil {
		return 0, err
	}
	return keys, nil
}

// ownPolicy finds a policy that may be changed: one that is not built in, and
// that the caller could have made.
func (g *Gateway) ownPolicy(tx *catalog.Tx, c *Caller, id string) (*catalog.Policy, error) {
	all, err := tx.Policies()
	if err != nil {
		return nil, err
	}
	p, err := findPolicy(all, id)
	if err != nil {
		return nil, err
	}
	if p.Builtin {
		return nil, Errorf(http.StatusConflict, "policy %q is built in and cannot be changed: make one of your own", p.Name)
	}
	if _, err := g.policyMask(c, p.Name, p.Permissions); err != nil {
		return nil, err
	}
	return p, nil
}

// findPolicy finds a policy by its id, or else by its name: nobody hides a policy
// behind another's id.
func findPolicy(all []*catalog.Policy, idOrName string) (*catalog.Policy, error) {
	i := slices.IndexFunc(all, func(p *catalog.Policy) bool { return p.ID == idOrName })
	if i < 0 {
		i = slices.IndexFunc(all, func(p *catalog.Policy) bool { return p.Name == idOrName })
	}
	if i < 0 {
		return nil, Errorf(http.StatusNotFound, "policy %.100q does not exist", idOrName)
	}
	return all[i], nil
}

// policy finds a policy by id or name.
func (g *Gateway) policy(_ *Caller, idOrName string) (*authz.Policy, error) {
	if p, ok := g.ring.Policy(idOrName); ok {
		return &p, nil
	}
	if p, ok := g.ring.PolicyByName(idOrName); ok {
		return &p, nil
	}
	return nil, Errorf(http.StatusBadRequest, "policy %q does not exist: one of %s, or a policy of your own, is expected", idOrName, builtinNames())
}

// policyMask parses a policy's permissions and applies the subset rule.
func (g *Gateway) policyMask(c *Caller, name string, permissions []string) (authz.Mask, error) {
	if err := checkName("policy", name); err != nil {
		return 0, err
	}
	mask, err := authz.ParseMask(permissions)
	if err != nil {
		return 0, Errorf(http.StatusBadRequest, "%s", err.Error())
	}
	if !c.local {
		if held := c.grant.Mask(); !mask.Within(held) {
			missing := mask &^ held
			return 0, Errorf(http.StatusForbidden, "the policy grants %s, which this key does not hold: nobody grants more than they have", strings.Join(missing.Names(), ", "))
		}
	}
	return mask, nil
}

func auditPolicy(p *catalog.Policy) any {
	return struct {
		Name        string   `json:"name"`
		Permissions []string `json:"permissions"`
	}{p.Name, p.Permissions}
}

// IsRole reports whether name is one of the five built-in policies.
func IsRole(name string) bool {
	return slices.ContainsFunc(authz.BuiltinPolicies(), func(p authz.Policy) bool { return p.Name == name })
}

// RoleNames lists the built-in policies for a message.
func RoleNames() string { return builtinNames() }

// RoleOf is the smallest built-in policy that contains a policy: what APIs which
// know roles alone show of it.
func (g *Gateway) RoleOf(policyID string) string {
	roles := authz.BuiltinPolicies() // from the smallest to the largest
	p, ok := g.ring.Policy(policyID)
	for _, role := range roles {
		if ok && p.Mask.Within(role.Mask) {
			return role.Name
		}
	}
	return roles[len(roles)-1].Name
}

func builtinNames() string {
	var names []string
	for _, p := range authz.BuiltinPolicies() {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}
