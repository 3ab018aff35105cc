package oidc

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// maxRemembered is how many used tokens are remembered: verified ones alone, so
// that only an issuer's own jobs could fill it.
const maxRemembered = 1 << 16

// Used remembers the tokens that were used, for as long as they could be used again.
// The zero value has none. It outlives a [Verifier] whose configuration changes; it
// does not outlive the process.
type Used struct {
	mu   sync.Mutex
	seen *lru.Cache[string, time.Time] // token id -> until when the token is valid
}

// once refuses a token that was used. Its id is trusted to be unique; without one,
// what is signed of it is. The signature itself is not: one and the same can be
// written in several ways.
func (u *Used) once(c *tokenClaims, raw string, now time.Time) error {
	id := c.Issuer + "\x00" + c.ID
	if c.ID == "" {
		signed := sha256.Sum256([]byte(raw[:strings.LastIndexByte(raw, '.')]))
		id += string(signed[:])
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.seen == nil {
		u.seen, _ = lru.New[string, time.Time](maxRemembered) // fails for sizes below 1 only
	}
	if until, ok := u.seen.Get(id); ok && now.Before(until) {
		return fmt.Errorf("%w: it was used before, and each is taken once", ErrInvalid)
	}
	u.seen.Add(id, time.UnixMilli(int64(c.Expiry*1000)).Add(2*clockSkew))
	return nil
}
