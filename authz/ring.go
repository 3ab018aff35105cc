package authz

import (
	"encoding/binary"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Ring holds every key and policy in memory. Any number of goroutines may use it.
//
// Decisions take no lock: secrets are in copy-on-write tables, one for each shard
// of their digests; a secret points at its key's cell, and a key at its policy's cell,
// whose permissions are one atomic word. So changing a key is one store for all
// its secrets, and changing a policy one store for all its keys. Every change is
// in force for the decisions that begin after it returned.
//
// Keys and policies may come in any order. A key whose policy or issuer is not
// there yet may do nothing.
type Ring struct {
	shards    [numShards]atomic.Pointer[map[digest]*secret]
	anonymous atomic.Uint64
	touched   atomic.Pointer[keyCell] // top of a stack, see touch.go

	mu       sync.Mutex // serialises changes, and guards what follows
	keys     map[string]*keyCell
	policies map[string]*policyCell
}

// numShards keeps what one change copies small: with 100,000 keys a shard has
// some twenty-five.
const numShards = 4096

// digest is the half of a token's SHA-256 that a secret is found by. It is found so,
// and not by its key id, for the time that a refusal takes to tell nothing: a wrong
// secret of a key that exists is as unknown here as a key that does not.
type digest [16]byte

// secret is immutable.
type secret struct {
	sum      [32]byte
	notAfter int64
	key      *keyCell
}

// keyCell is a key's place, which stays while what the key is changes.
type keyCell struct {
	id    string
	grant atomic.Pointer[Grant] // nil: there is no such key, or not yet

	usedAt atomic.Int64
	dirty  atomic.Bool
	below  *keyCell // next on the stack of touched keys

	// Guarded by the ring's lock.
	digests []digest              // of its secrets
	issued  map[*keyCell]struct{} // keys that name it as their issuer
}

// policyCell is a policy's place.
type policyCell struct {
	mask atomic.Uint64

	// Guarded by the ring's lock.
	policy   Policy
	declared bool // false: only keys named it so far
	keys     map[*keyCell]struct{}
}

// NewRing makes a ring without keys and policies, in which anyone may read what is
// open ([AnonymousMask]).
func NewRing() *Ring {
	r := &Ring{keys: map[string]*keyCell{}, policies: map[string]*policyCell{}}
	r.anonymous.Store(uint64(AnonymousMask))
	return r
}

// SetAnonymous says what anyone may do with what is open: [AnonymousMask], perhaps
// with [ProxyFetch], or 0 for nothing. Other permissions are never anyone's.
func (r *Ring) SetAnonymous(m Mask) { r.anonymous.Store(uint64(m & publicMask)) }

// SetPolicy adds a policy, or changes the one with its id.
func (r *Ring) SetPolicy(p Policy) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.Mask &= everything
	c := r.policyCell(p.ID)
	c.policy, c.declared = p, true
	c.mask.Store(uint64(p.Mask))
}

// RemovePolicy removes a policy with every key that has it, and the keys that
// those issued.
func (r *Ring) RemovePolicy(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.policies[id]
	if c == nil {
		return
	}
	c.mask.Store(0)
	c.declared = false
	for key := range c.keys {
		r.remove(key)
	}
	delete(r.policies, id)
}

// Policy finds a policy by id.
func (r *Ring) Policy(id string) (Policy, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.policies[id]; c != nil && c.declared {
		return c.policy, true
	}
	return Policy{}, false
}

// PolicyByName finds a policy by name.
func (r *Ring) PolicyByName(name string) (Policy, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.policies {
		if c.declared && c.policy.Name == name {
			return c.policy, true
		}
	}
	return Policy{}, false
}

// Key finds a key by id.
func (r *Ring) Key(id string) (Key, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.keys[id]; c != nil {
		if g := c.grant.Load(); g != nil {
			return *g.Key, true
		}
	}
	return Key{}, false
}

// SetKey adds a key with the secrets it is recognised by, or replaces the one with
// its id: secrets that are not among them are refused from now on.
func (r *Ring) SetKey(k Key, secrets []Secret) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k.CIDRs = slices.Clone(k.CIDRs)
	for i, p := range k.CIDRs {
		k.CIDRs[i] = plainPrefix(p)
	}
	c := r.keyCell(k.ID)
	g := &Grant{Key: &k, cell: c, policy: r.policyCell(k.PolicyID)}
	g.policy.keys[c] = struct{}{}
	if k.IssuerID != "" {
		g.issuer = r.keyCell(k.IssuerID)
		if g.issuer.issued == nil {
			g.issuer.issued = map[*keyCell]struct{}{}
		}
		g.issuer.issued[c] = struct{}{}
	}
	old := c.grant.Swap(g)
	r.unlink(c, old, g)

	digests := make([]digest, 0, len(secrets))
	for i := range secrets {
		d := digest(secrets[i].SHA256[:])
		r.putSecret(d, secret{secrets[i].SHA256, secrets[i].NotAfter, c})
		digests = append(digests, d)
	}
	for _, d := range c.digests {
		if !slices.Contains(digests, d) {
			r.dropSecret(d, c)
		}
	}
	c.digests = digests
}

// RemoveKey removes a key, and the keys that it issued.
func (r *Ring) RemoveKey(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.keys[id]; c != nil {
		r.remove(c)
	}
}

// remove makes the key refused at once, and then forgets it.
func (r *Ring) remove(c *keyCell) {
	if r.keys[c.id] != c {
		return
	}
	delete(r.keys, c.id)
	old := c.grant.Swap(nil)
	for _, d := range c.digests {
		r.dropSecret(d, c)
	}
	r.unlink(c, old, nil)
	for key := range c.issued {
		r.remove(key)
	}
}

// unlink takes a key out of the lists of the policy and issuer that it had and no
// longer has, and forgets those of them that only it had named.
func (r *Ring) unlink(c *keyCell, old, next *Grant) {
	if old == nil {
		return
	}
	if p := old.policy; next == nil || next.policy != p {
		delete(p.keys, c)
		if !p.declared && len(p.keys) == 0 {
			delete(r.policies, old.Key.PolicyID)
		}
	}
	if i := old.issuer; i != nil && (next == nil || next.issuer != i) {
		delete(i.issued, c)
		if i.grant.Load() == nil && len(i.issued) == 0 && r.keys[i.id] == i {
			delete(r.keys, i.id)
		}
	}
}

func (r *Ring) keyCell(id string) *keyCell {
	c := r.keys[id]
	if c == nil {
		c = &keyCell{id: id}
		r.keys[id] = c
	}
	return c
}

func (r *Ring) policyCell(id string) *policyCell {
	c := r.policies[id]
	if c == nil {
		c = &policyCell{keys: map[*keyCell]struct{}{}}
		r.policies[id] = c
	}
	return c
}

func (r *Ring) shard(d digest) *atomic.Pointer[map[digest]*secret] {
	return &r.shards[binary.LittleEndian.Uint16(d[:])%numShards]
}

// secret finds a secret by its digest; nil for none.
func (r *Ring) secret(d digest) *secret {
	if m := r.shard(d).Load(); m != nil {
		return (*m)[d]
	}
	return nil
}

func (r *Ring) putSecret(d digest, s secret) {
	if old := r.secret(d); old != nil && *old == s {
		return
	}
	shard, next := r.shard(d), map[digest]*secret{}
	if m := shard.Load(); m != nil {
		next = maps.Clone(*m)
	}
	next[d] = &s
	shard.Store(&next)
}

// dropSecret removes a secret, if it is c's.
func (r *Ring) dropSecret(d digest, c *keyCell) {
	if old := r.secret(d); old == nil || old.key != c {
		return
	}
	shard := r.shard(d)
	next := maps.Clone(*shard.Load())
	delete(next, d)
	shard.Store(&next)
}
