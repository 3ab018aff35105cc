package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"go.uber.org/zap"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/oidc"
)

// TrustedPublisher says which CI jobs may have a key for the asking, and what that
// key may do.
type TrustedPublisher struct {
	oidc.Publisher
	Policy  string        // name or id; "developer"
	Project string        // name or id; "" for none
	Scope   authz.Scope   // channels, packages …; zero: unscoped
	TTL     time.Duration // life of the key; 15 min
}

// DefaultTrustedTTL is how long a key lives that was minted for an OIDC token.
const DefaultTrustedTTL = 15 * time.Minute

// TrustedAudiences lists the audiences that tokens may be made for; none when no
// publisher is trusted.
func (g *Gateway) TrustedAudiences() []string {
	if v := g.oidc.Load(); v != nil {
		return v.Audiences()
	}
	return nil
}

// MintTrusted exchanges the ID token of a CI job for a short-lived key.
func (g *Gateway) MintTrusted(ctx context.Context, c *Caller, token string) (*MintedKey, error) {
	v := g.oidc.Load()
	if v == nil {
		return nil, Errorf(http.StatusNotFound, "no trusted publisher is configured here: use an API key")
	}
	now := g.conf().Now()
	if g.limiter.Load().Blocked(c.IP, now) {
		return nil, errTooManyFailures
	}
	i, subject, err := v.Verify(ctx, token)
	var down *oidc.Unavailable
	switch {
	case errors.As(err, &down):
		g.log.Warn("an OIDC issuer's keys cannot be fetched", zap.String("issuer", down.Issuer), zap.String("error", fmt.Sprintf("%.512s", down.Cause)))
		return nil, Errorf(http.StatusServiceUnavailable, "%s", err.Error())
	case err != nil:
		g.limiter.Load().Failed(c.IP, now)
		g.sampleRefusal(c, "key.mint-trusted", "key", "", err)
		return nil, Errorf(http.StatusUnprocessableEntity, "%s", err.Error())
	}
	p := &v.list[i]
	pol, err := g.policy(c, orDefault(p.Policy, "developer"))
	if err != nil {
		return nil, Errorf(http.StatusServiceUnavailable, "the trusted publisher %q has the policy %q, which does not exist", p.Name, p.Policy)
	}
	project := ""
	if p.Project != "" {
		row, ok := g.dir.project(p.Project)
		if !ok {
			return nil, Errorf(http.StatusServiceUnavailable, "the trusted publisher %q is bound to the project %q, which does not exist", p.Name, p.Project)
		}
		project = row.ID
	}
	key := authz.Key{
		ID: catalog.NewID(), Name: trustedName(subject), Type: authz.SecretKey, PolicyID: pol.ID,
		Project: project, Scope: p.Scope, Enabled: true, ExpiresAt: now.Add(orDefault(p.TTL, DefaultTrustedTTL)).UnixMilli(),
	}
	value, secret := authz.NewToken(authz.SecretKey)
	by := &Caller{IP: c.IP, RequestID: c.RequestID, publisher: p.Name}
	return g.insertKey(ctx, by, key, value, secret, "key.mint-trusted")
}

// trustedName names a key after the CI job that it is for; no two are the same.
func trustedName(subject string) string {
	suffix := make([]byte, 6)
	_, _ = rand.Read(suffix)
	subject = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, subject)
	subject = strings.ToValidUTF8(subject[:min(len(subject), MaxKeyName-20)], "")
	return "oidc " + subject + " " + hex.EncodeToString(suffix)
}

// trusted is a verifier with the publishers that it was made of: they change
// together.
type trusted struct {
	*oidc.Verifier
	list []TrustedPublisher
}

// trustPublishers makes the verifier of the configuration in force. The tokens that
// were used stay used: a reload does not let one be used again.
func (g *Gateway) trustPublishers() error {
	list := g.conf().TrustedPublishers
	if len(list) == 0 {
		g.oidc.Store(nil)
		return nil
	}
	v, err := oidc.New(g.conf().publishers(), oidc.Options{Now: g.conf().Now, Used: &g.usedTokens})
	if err != nil {
		return err
	}
	g.oidc.Store(&trusted{v, list})
	return nil
}
