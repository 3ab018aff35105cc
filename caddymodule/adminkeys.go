package caddymodule

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/gateway"
)

// keyView is a key as commands show it.
type keyView struct {
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	Mask       string          `json:"mask"` // how its value begins
	Type       string          `json:"type"`
	Policy     string          `json:"policy"`
	Project    string          `json:"project,omitempty"`
	Scope      json.RawMessage `json:"scope,omitempty"`
	CIDRs      []string        `json:"cidrs,omitempty"`
	Enabled    bool            `json:"enabled"`
	ExpiresAt  string          `json:"expires_at,omitempty"`
	CreatedAt  string          `json:"created_at"`
	CreatedBy  string          `json:"created_by,omitempty"`
	LastUsedAt string          `json:"last_used_at,omitempty"`

	// Value is told once, when it is made.
	Value string `json:"value,omitempty"`
}

// keyInput says what a new key shall be.
type keyInput struct {
	Name     string   `json:"name"`
	Policy   string   `json:"policy"`
	Project  string   `json:"project,omitempty"`
	Type     string   `json:"type,omitempty"`
	Expires  string   `json:"expires,omitempty"` // RFC 3339
	Channels []string `json:"channels,omitempty"`
	Subdirs  []string `json:"subdirs,omitempty"`
	Packages []string `json:"packages,omitempty"`
	Engines  []string `json:"engines,omitempty"`
	CIDRs    []string `json:"cidrs,omitempty"`
}

// keyChoice names a key, by id or name.
type keyChoice struct {
	Key   string `json:"key"`
	Grace string `json:"grace,omitempty"` // of rotate, a Go duration
}

func keyOperations() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		operation("key/create", func(c call, in keyInput) (keyView, error) {
			req, err := in.request()
			if err != nil {
				return keyView{}, err
			}
			made, err := c.CreateKey(c, c.by, req)
			return mintedView(c, made, err)
		}),
		operation("key/list", func(c call, _ none) ([]keyView, error) {
			keys, err := c.Keys(c, c.by)
			if err != nil {
				return nil, err
			}
			views := make([]keyView, 0, len(keys))
			for _, k := range keys {
				views = append(views, viewKey(c, k))
			}
			return views, nil
		}),
		operation("key/show", func(c call, in keyChoice) (keyView, error) {
			k, err := c.KeyByID(c, c.by, in.Key)
			if err != nil {
				return keyView{}, err
			}
			return viewKey(c, k), nil
		}),
		operation("key/disable", enableKey(false)),
		operation("key/enable", enableKey(true)),
		operation("key/rotate", func(c call, in keyChoice) (keyView, error) {
			var grace time.Duration
			if in.Grace != "" {
				var err error
				if grace, err = caddy.ParseDuration(in.Grace); err != nil {
					return keyView{}, gateway.Errorf(http.StatusBadRequest, "the grace period is %q: a time as 24h or 7d is expected", in.Grace)
				}
			}
			made, err := c.RotateKey(c, c.by, in.Key, grace)
			return mintedView(c, made, err)
		}),
		operation("key/delete", func(c call, in keyChoice) (none, error) {
			return none{}, c.DeleteKey(c, c.by, in.Key)
		}),
	}
}

func enableKey(enabled bool) func(call, keyChoice) (keyView, error) {
	return func(c call, in keyChoice) (keyView, error) {
		k, err := c.UpdateKey(c, c.by, in.Key, gateway.KeyChange{Enabled: &enabled})
		if err != nil {
			return keyView{}, err
		}
		return viewKey(c, k), nil
	}
}

func mintedView(c call, made *gateway.MintedKey, err error) (keyView, error) {
	if err != nil {
		return keyView{}, err
	}
	v := viewKey(c, made.Key)
	v.Value = made.Value
	return v, nil
}

func viewKey(c call, k *catalog.Key) keyView {
	v := keyView{
		ID: k.ID, Name: k.Name, Type: k.Type, Policy: k.PolicyID, Project: c.ProjectName(k.ProjectID),
		CIDRs: k.CIDRs, Enabled: k.Enabled, ExpiresAt: timeOf(k.ExpiresAt), CreatedAt: timeOf(k.CreatedAt),
		CreatedBy: k.CreatedBy, LastUsedAt: timeOf(k.LastUsedAt),
	}
	if len(k.Scope) > 0 && string(k.Scope) != "{}" && string(k.Scope) != "null" {
		v.Scope = k.Scope
	}
	if len(k.Secrets) > 0 {
		v.Mask = k.Type + "-" + k.Secrets[0].KID[:min(shownOfKey, len(k.Secrets[0].KID))] + mask
	}
	if policies, err := c.Policies(c, c.by); err == nil {
		for _, p := range policies {
			if p.ID == k.PolicyID {
				v.Policy = p.Name
			}
		}
	}
	return v
}

// request checks what the command line could not.
func (in keyInput) request() (r gateway.KeyRequest, err error) {
	r = gateway.KeyRequest{Name: in.Name, Policy: in.Policy, Project: in.Project}
	bad := func(err error) (gateway.KeyRequest, error) {
		return r, gateway.Errorf(http.StatusBadRequest, "%s", err.Error())
	}
	if in.Type != "" {
		if r.Type, err = authz.ParseKeyType(in.Type); err != nil {
			return bad(err)
		}
	}
	if in.Expires != "" {
		if r.Expires, err = time.Parse(time.RFC3339, in.Expires); err != nil {
			return r, gateway.Errorf(http.StatusBadRequest, "the expiry is %q: a time as 2030-01-31T12:00:00Z is expected", in.Expires)
		}
	}
	if r.Scope, err = scopeOf(in.Channels, in.Subdirs, in.Packages, in.Engines); err != nil {
		return bad(err)
	}
	for _, text := range in.CIDRs {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			addr, aerr := netip.ParseAddr(text)
			if aerr != nil {
				return r, gateway.Errorf(http.StatusBadRequest, "%q is no network: one as 10.0.0.0/8 or 2001:db8::/32 is expected", text)
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		r.CIDRs = append(r.CIDRs, p.Masked())
	}
	return r, nil
}
