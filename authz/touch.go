package authz

// Touch says when a key was last used.
type Touch struct {
	KeyID string
	At    int64 // Unix milliseconds, to a second
}

// touchGrain is how exactly uses are remembered, in milliseconds: a busy key's cell
// is then read by all processors and written by hardly any.
const touchGrain = 1000

// touch remembers a use. The first one since the last [Ring.Touched] puts the key
// on a stack (Treiber's), so that nothing has to look for keys that were used.
func (r *Ring) touch(c *keyCell, now int64) {
	if now-c.usedAt.Load() < touchGrain {
		return
	}
	c.usedAt.Store(now)
	if !c.dirty.CompareAndSwap(false, true) {
		return
	}
	for {
		top := r.touched.Load()
		c.below = top
		if r.touched.CompareAndSwap(top, c) {
			return
		}
	}
}

// Touched returns the keys that were used since it was last called, in no order,
// without those that are gone.
func (r *Ring) Touched() []Touch {
	var out []Touch
	for c := r.touched.Swap(nil); c != nil; {
		below := c.below
		c.below = nil
		// Clean before read: a use in between puts the key on the stack again.
		c.dirty.Store(false)
		if c.grant.Load() != nil {
			out = append(out, Touch{c.id, c.usedAt.Load()})
		}
		c = below
	}
	return out
}
