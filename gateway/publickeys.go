package gateway

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
)

// PublicKeyRequest asks for a public key.
type PublicKeyRequest struct {
	Name    string        // "" for the shared unnamed one
	Project string        // name or id; "" for the caller's
	TTL     time.Duration // life of a new one; 0 for [Config.PublicKeyTTL]
}

// MaxPublicKeyTTL bounds how long a public key may live.
const MaxPublicKeyTTL = 30 * 24 * time.Hour

// MaxPublicKeys bounds how many public keys of one issuer are alive: requests for them
// come from pages, and each other name makes one.
const MaxPublicKeys = 1000

// minPublicKeyLeft is what must be left of a public key's life for it to be
// handed out again.
const minPublicKeyLeft = 60 * time.Second

// PublicKey returns a still valid public key of the same issuer, project, name,
// scope and address list, or mints one. Its value is derived from the gateway's root key and a
// nonce, so it can be told again without being stored.
func (g *Gateway) PublicKey(ctx context.Context, c *Caller, r PublicKeyRequest) (*MintedKey, error) {
	if err := g.authorizeOwn(c, authz.KeyRequestPublic); err != nil {
		return nil, err
	}
	issuer := c.Key()
	if issuer == nil {
		return nil, Errorf(http.StatusForbidden, "a public key is issued by a key, and this request has none")
	}
	if r.TTL < 0 || r.TTL > MaxPublicKeyTTL {
		return nil, Errorf(http.StatusBadRequest, "ttl is %d seconds: 1 to %d are expected", int64(r.TTL/time.Second), int64(MaxPublicKeyTTL/time.Second))
	}
	project := issuer.Project
	if r.Project != "" {
		id, err := g.projectFor(c, r.Project)
		if err != nil {
			return nil, err
		}
		project = id
	}
	name := r.Name
	if name == "" {
		name = "Public API Key (generated)"
	}
	if err := checkName("key", name); err != nil {
		return nil, err
	}
	now := g.conf().Now()
	g.minting.Lock() // two requests at once get the same key
	defer g.minting.Unlock()
	if found, err := g.findPublic(ctx, issuer, project, name, now); err != nil || found != nil {
		return found, err
	}
	ttl := orDefault(r.TTL, g.conf().PublicKeyTTL)
	key := authz.Key{
		ID: catalog.NewID(), Name: name, Type: authz.PublicKey, PolicyID: publicPolicy, Project: project,
		Scope: issuer.Scope, CIDRs: issuer.CIDRs, Enabled: true, IssuerID: issuer.ID,
		ExpiresAt: now.Add(ttl).UnixMilli(),
	}
	if issuer.ExpiresAt != 0 {
		key.ExpiresAt = min(key.ExpiresAt, issuer.ExpiresAt) // a public key dies with its issuer
	}
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce)
	token, secret := authz.DeriveToken(g.root, key.ID, nonce)
	return g.insertKey(ctx, c, key, token, secret, "key.issue-public")
}

// findPublic returns the public key that a request may be given again, nil where one
// may be made.
func (g *Gateway) findPublic(ctx context.Context, issuer *authz.Key, project, name string, now time.Time) (*MintedKey, error) {
	rows, err := g.cat.KeysIssuedBy(ctx, issuer.ID)
	if err != nil {
		return nil, err
	}
	scope, err := json.Marshal(issuer.Scope)
	if err != nil {
		return nil, err
	}
	alive := 0
	for i := range rows {
		k := rows[i]
		if !expired(k, now.UnixMilli()) {
			alive++
		}
		if k.Type != authz.PublicKey.String() || k.ProjectID != project || k.Name != name ||
			!k.Enabled || k.ExpiresAt-now.UnixMilli() < minPublicKeyLeft.Milliseconds() || string(k.Scope) != string(scope) ||
			!slices.Equal(k.CIDRs, prefixStrings(issuer.CIDRs)) || len(k.Secrets) == 0 {
			continue
		}
		token, secret := authz.DeriveToken(g.root, k.ID, k.Secrets[0].Nonce)
		if secret.SHA256 != k.Secrets[0].SHA256 {
			continue // the root key was replaced since: this value cannot be told again
		}
		return &MintedKey{Key: k, Value: token}, nil
	}
	if alive >= MaxPublicKeys {
		return nil, Errorf(http.StatusConflict, "this key has issued %d public keys that are alive: ask for one of their names again, or delete some", alive)
	}
	return nil, nil
}
