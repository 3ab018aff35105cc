package authz

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Key is an API key, as decisions are made on it.
type Key struct {
	ID, Name  string
	KID       string // of its newest secret, for people to tell keys apart
	Type      KeyType
	PolicyID  string
	Project   string // id of the project that it is bound to; "" for the whole account
	Scope     Scope
	CIDRs     []netip.Prefix // where it may be used from; empty for anywhere
	Enabled   bool
	ExpiresAt int64  // Unix milliseconds from which it is refused; 0 for never
	IssuerID  string // key that issued it, beyond which it does not reach; "" for none
}

// Masked is how the key's value is shown once it is no longer known.
func (k *Key) Masked() string { return MaskedToken(k.Type, k.KID) }

// expired reports whether an instant has come. Both are Unix milliseconds.
func expired(at, now int64) bool { return at != 0 && at <= now }

// allows reports whether the key's list holds ip.
func (k *Key) allows(ip netip.Addr) bool {
	if len(k.CIDRs) == 0 {
		return true
	}
	ip = ip.Unmap().WithZone("")
	for _, p := range k.CIDRs {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// plainPrefix writes an IPv4 network that is dressed as IPv6 (::ffff:0:0/96) as
// what it is, as the addresses that it is compared with are.
func plainPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// Grant is a key that was recognised. There is one for each key in a [Ring], so
// that recognising a key allocates nothing.
type Grant struct {
	Key *Key // read-only

	cell   *keyCell
	policy *policyCell
	issuer *keyCell // nil for none
}

// Mask is what the key may do at this moment: its policy's permissions, below the
// ceiling of its type, and no more than the key that issued it. Nobody's grant,
// which is nil, has none.
func (g *Grant) Mask() Mask {
	if g == nil {
		return 0
	}
	m := Mask(g.policy.mask.Load())
	if g.Key.Type != SecretKey {
		m &= publicMask
	}
	if g.issuer != nil {
		issuer := g.issuer.grant.Load()
		if issuer == nil {
			return 0
		}
		m &= Mask(issuer.policy.mask.Load())
	}
	return m
}

// issuerAlive reports whether the key's issuer, if it has one, is in force.
func (g *Grant) issuerAlive(now int64) bool {
	if g.issuer == nil {
		return true
	}
	issuer := g.issuer.grant.Load()
	return issuer != nil && issuer.Key.Enabled && !expired(issuer.Key.ExpiresAt, now)
}

// issuerAllows reports whether the key's issuer, if it has one, may be used from ip. Its
// list may have been narrowed since it issued the key.
func (g *Grant) issuerAllows(ip netip.Addr) bool {
	if g.issuer == nil {
		return true
	}
	issuer := g.issuer.grant.Load()
	return issuer != nil && issuer.Key.allows(ip)
}

// CanGrant is the subset rule: it refuses, as *[Denied], to let g make or change a
// key k with policy p which could do anything that g cannot. Permissions, scope,
// project, expiry, address list and issuer must all be within g's.
func CanGrant(g *Grant, p Policy, k Key) error {
	if g == nil {
		return errMissing
	}
	held := g.Key
	if held.Type != SecretKey {
		return errPublic
	}
	mask := p.Mask
	if k.Type != SecretKey {
		mask &= publicMask
	}
	if have := g.Mask(); !mask.Within(have) {
		// The first ones are enough to be told, and fit.
		names := (mask &^ have).Names()
		if len(names) > 5 {
			names = append(names[:5], "and more")
		}
		return forbidden("the key would hold " + strings.Join(names, ", ") + ", which this key does not: nobody grants more than they hold")
	}
	switch {
	case !k.Scope.within(&held.Scope):
		return forbidden("the key's scope is wider than that of this key: nobody grants more than they hold")
	case held.Project != "" && k.Project != held.Project:
		return forbidden("the key is not bound to the project that this key is bound to: nobody grants more than they hold")
	case held.ExpiresAt != 0 && (k.ExpiresAt == 0 || k.ExpiresAt > held.ExpiresAt):
		return forbidden("the key would outlive this key, which expires at " + instant(held.ExpiresAt) + ": nobody grants more than they hold")
	case !addressesWithin(k.CIDRs, held.CIDRs):
		return forbidden("the key's address list is wider than that of this key: nobody grants more than they hold")
	case held.IssuerID != "" && k.IssuerID != held.ID && k.IssuerID != held.IssuerID:
		return forbidden("the key would outlive the issuer of this key: nobody grants more than they hold")
	}
	return nil
}

// addressesWithin reports whether every address of the list is in held. Networks
// that only together cover one of the list's do not count.
func addressesWithin(list, held []netip.Prefix) bool {
	if len(held) == 0 {
		return true
	}
	if len(list) == 0 {
		return false
	}
	for _, p := range list {
		p = plainPrefix(p)
		if !slices.ContainsFunc(held, func(h netip.Prefix) bool {
			h = plainPrefix(h)
			return h.Bits() <= p.Bits() && h.Contains(p.Addr())
		}) {
			return false
		}
	}
	return true
}

func instant(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
