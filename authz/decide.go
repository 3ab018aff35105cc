package authz

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"
)

// Decide says whether whoever sent token, from ip, may do p with res at now (Unix
// milliseconds). A nil error is leave to do it. token is "" for nobody.
//
// A refusal is *[Denied]: 401 where a key is missing or not in force, 403 where it
// may not do this. A wrong credential is refused everywhere, with what is open,
// too: its owner wants to know. A key that is in force may always do what anyone
// may. The grant is nil for nobody; it comes with a refusal where the key was
// recognised, so that the audit trail can name it, and is no leave then.
//
// Decide allocates nothing when it allows, and compares in constant time. An unknown
// key and a wrong secret are refused in the very same way.
func (r *Ring) Decide(token string, p Perm, res *Resource, ip netip.Addr, now int64) (*Grant, error) {
	anonymous := Mask(r.anonymous.Load())
	if token == "" {
		if res.Visibility == Open && anonymous.Has(p) {
			return nil, nil
		}
		return nil, errMissing
	}
	g, denied := r.recognise(token, ip, now)
	if denied == nil {
		denied = g.may(p, res, anonymous)
	}
	if denied != nil {
		return g, denied
	}
	return g, nil
}

// Authenticate recognises a key without asking it for anything. Its errors are
// those of [Ring.Decide], and so is the grant that comes with them.
func (r *Ring) Authenticate(token string, ip netip.Addr, now int64) (*Grant, error) {
	if token == "" {
		return nil, errMissing
	}
	g, denied := r.recognise(token, ip, now)
	if denied != nil {
		return g, denied
	}
	return g, nil
}

// nobody is compared with where no secret has the digest.
var nobody = &secret{key: new(keyCell)}

func (r *Ring) recognise(token string, ip netip.Addr, now int64) (*Grant, *Denied) {
	if !formed(token) {
		return nil, errUnknown
	}
	var buf [TokenLen]byte // on the stack, where a conversion would not be
	copy(buf[:], token)
	sum := sha256.Sum256(buf[:])
	s := r.secret(digest(sum[:]))
	if s == nil {
		s = nobody
	}
	if subtle.ConstantTimeCompare(sum[:], s.sum[:]) != 1 {
		return nil, errUnknown
	}
	// The sender has the key: from here on it may be told what is wrong with it.
	g := s.key.grant.Load()
	switch {
	case g == nil:
		return nil, errUnknown // removed a moment ago
	case expired(s.notAfter, now):
		return g, errReplaced
	case !g.Key.Enabled:
		return g, errDisabled
	case expired(g.Key.ExpiresAt, now):
		return g, unauthorized(ExpiredPrefix + " at " + instant(g.Key.ExpiresAt) + ": use another")
	case !g.issuerAlive(now):
		return g, errIssuer
	case !g.Key.allows(ip):
		return g, forbidden("this key may not be used from " + ip.String() + ": its address list does not hold it")
	case !g.issuerAllows(ip):
		return g, forbidden("this key may not be used from " + ip.String() + ": the address list of the key that issued it does not hold it")
	}
	r.touch(g.cell, now)
	return g, nil
}

// may decides on a key that is in force.
func (g *Grant) may(p Perm, res *Resource, anonymous Mask) *Denied {
	if res.Visibility == Open && anonymous.Has(p) {
		return nil // never less than nobody
	}
	mask := g.Mask()
	if !mask.Has(p) {
		return lacking(p)
	}
	if level := permissions[p].level; level == onItem || level == onWhole {
		switch res.Visibility {
		case Open:
		case Licensed:
			if g.Key.Type != SecretKey {
				return errPublic
			}
		default:
			if g.Key.Type != SecretKey {
				return errPublic
			}
			if !mask.Has(PackageReadClosed) {
				return errClosed
			}
		}
	}
	if g.Key.Project != "" {
		if permissions[p].level == onAccount {
			return forbidden("this key is bound to a project: " + p.String() + " needs a key that is bound to none")
		}
		if g.Key.Project != res.Project && !foreignRead(p, res) {
			return outside(res)
		}
	}
	return g.Key.Scope.check(p, res)
}

// foreignRead reports whether keys of any project may do p with res: read what is
// open, and what belongs to no project. All else of a project, management
// included, is for its own keys and for those that are bound to none.
func foreignRead(p Perm, res *Resource) bool {
	return publicMask.Has(p) && (res.Visibility == Open || res.Project == "")
}

func outside(res *Resource) *Denied {
	what := "this"
	switch {
	case res.Channel != "":
		what = "the channel " + quote(res.Channel)
	case res.Package != "":
		what = "the package " + quote(res.Package)
	}
	return forbidden("this key is bound to a project that " + what + " does not belong to")
}
