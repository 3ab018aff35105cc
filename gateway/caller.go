package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
)

// Caller is who makes a request: a key or nobody, from an address.
type Caller struct {
	Token     string     // "" for nobody
	IP        netip.Addr // of the client, as the operator's proxies are trusted to tell
	RequestID string

	// local is set for the machine's own operator, who came through Caddy's admin
	// endpoint: the root of trust, which may do anything and has no key.
	local bool
	grant *authz.Grant

	publisher string // the trusted publisher on whose behalf a key is minted
}

// LocalCaller is the operator at the machine itself.
func LocalCaller(requestID string) *Caller {
	return &Caller{local: true, RequestID: requestID}
}

// Local reports whether the caller is the operator at the machine itself.
func (c *Caller) Local() bool { return c.local }

// Grant is what the last [Gateway.Authorize] found: nil for nobody and for the
// local operator.
func (c *Caller) Grant() *authz.Grant { return c.grant }

// Key is the caller's key, once it was authorized; nil for nobody and for the
// local operator.
func (c *Caller) Key() *authz.Key {
	if c.grant == nil {
		return nil
	}
	return c.grant.Key
}

// projectID is the project that the caller's key is bound to, "" for none.
func (c *Caller) projectID() string {
	if k := c.Key(); k != nil {
		return k.Project
	}
	return ""
}

// sees reports whether an object of a project exists for the caller.
func (c *Caller) sees(project string) bool {
	own := c.projectID()
	return own == "" || own == project
}

// Actor is the caller as the audit trail names it.
func (c *Caller) Actor() catalog.Actor {
	a := catalog.Actor{RequestID: c.RequestID, Name: "anonymous"}
	if c.IP.IsValid() {
		a.Address = c.IP.String()
	}
	switch {
	case c.local:
		a.Name = "local"
	case c.publisher != "":
		a.Name = "trusted publisher " + c.publisher
	case c.grant != nil && c.grant.Key != nil:
		a.KeyID, a.Name = c.grant.Key.ID, c.grant.Key.Name
	}
	return a
}

// Authorize is the one way to a decision: it asks the ring, counts failures
// against the client's address, and remembers the grant in c. Refusals are
// *[authz.Denied].
func (g *Gateway) Authorize(c *Caller, p authz.Perm, res *authz.Resource) error {
	if c.local {
		return nil
	}
	now := g.conf().Now()
	grant, err := g.ring.Decide(c.Token, p, res, c.IP, now.UnixMilli())
	if err == nil {
		c.grant = grant
		g.counters.Allowed[p].Add(1)
		return nil
	}
	g.counters.Refused[p].Add(1)
	if grant != nil {
		c.grant = grant // the audit trail names the key that was refused
	}
	target := res.Channel
	if res.Package != "" {
		target += "/" + res.Package
	}
	g.sampleRefusal(c, p.String(), res.Engine, target, err)
	limited := g.countFailure(c, err)
	if p == authz.PackageUpload {
		return err // uploaders take a 429 for "try again", and send the whole body anew
	}
	return limited
}

// countFailure counts a wrong credential against its address. A valid key never
// gets here, so nobody can lock another's key out.
func (g *Gateway) countFailure(c *Caller, err error) error {
	var d *authz.Denied
	if c.Token == "" || !errors.As(err, &d) || d.Status != http.StatusUnauthorized {
		return err
	}
	now := g.conf().Now()
	if g.limiter.Load().Blocked(c.IP, now) {
		return errTooManyFailures
	}
	g.limiter.Load().Failed(c.IP, now)
	return err
}

// may asks without counting or remembering a refusal: for filtering lists.
func (g *Gateway) may(c *Caller, p authz.Perm, res *authz.Resource) bool {
	if c.local {
		return true
	}
	grant, err := g.ring.Decide(c.Token, p, res, c.IP, g.conf().Now().UnixMilli())
	if err != nil {
		return false
	}
	c.grant = grant
	return true
}

// Identify resolves the caller's credential before an operation that needs its
// project to say what is asked for. A missing credential is no error; a wrong one
// is, everywhere.
func (g *Gateway) Identify(c *Caller) error {
	if c.local || c.Token == "" {
		return nil
	}
	grant, err := g.ring.Authenticate(c.Token, c.IP, g.conf().Now().UnixMilli())
	if err != nil {
		if grant != nil {
			c.grant = grant
		}
		g.Refused(c, err)
		return g.countFailure(c, err)
	}
	c.grant = grant
	return nil
}

// Refused records, for the audit trail, that a request was refused for its
// credential before it came to any decision.
func (g *Gateway) Refused(c *Caller, reason error) {
	g.sampleRefusal(c, "authenticate", "", "", reason)
}

// authorizeOwn decides on managing the caller's own part of the account: its
// project, or everything for a key that is bound to none.
func (g *Gateway) authorizeOwn(c *Caller, p authz.Perm) error {
	if err := g.Identify(c); err != nil {
		return err
	}
	return g.Authorize(c, p, &authz.Resource{Project: c.projectID()})
}

// NeedKey refuses whoever has no key in force.
func (g *Gateway) NeedKey(c *Caller) error {
	if err := g.Identify(c); err != nil || c.local || c.grant != nil {
		return err
	}
	return g.Authorize(c, authz.ChannelUpdate, &authz.Resource{})
}

// May decides on managing the caller's own part of the account, before a body is
// read. The operation itself decides again.
func (g *Gateway) May(c *Caller, p authz.Perm) error { return g.authorizeOwn(c, p) }

// refusalSample bounds how many refusals a second get an audit row: an attacker
// must not be able to fill the disk with them.
const refusalSample = 5

// sampleRefusal writes an audit row for a refusal, at most refusalSample a second.
func (g *Gateway) sampleRefusal(c *Caller, action, kind, target string, err error) {
	now := g.conf().Now()
	if !g.refusals.AllowN(now, 1) {
		return
	}
	row := catalog.AuditRow{
		At: now.UnixMilli(), Actor: c.Actor(), Action: action, Kind: kind, Target: shownTarget(target), Outcome: "refused: " + err.Error(),
	}
	// Never waited for: a refusal must not cost its sender less than it costs us.
	go func() { _ = g.cat.SampleAudit(context.Background(), row) }()
}

// shownTarget makes what a stranger asked for fit to be kept: short, and without a
// key that was sent in the wrong place.
func shownTarget(s string) string {
	if authz.HoldsToken(s) {
		return "(a value with a key in it)"
	}
	if len(s) > 200 {
		s = s[:200]
	}
	return strings.ToValidUTF8(s, "")
}

var errTooManyFailures = &authz.Denied{
	Status: http.StatusTooManyRequests,
	Reason: "too many wrong credentials came from this address: wait a minute, then try a valid key",
}

var errTooManyFinal = &authz.Denied{Status: http.StatusUnauthorized, Reason: errTooManyFailures.Reason}

// final words a refusal for uploaders: they take 429 as a reason to send the whole
// package again, with the same wrong key.
func final(err error) error {
	if errors.Is(err, errTooManyFailures) {
		return errTooManyFinal
	}
	return err
}
