package apiweb

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
)

// apiKey is a key as Composable Prompts tells it, with our additions behind.
type apiKey struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Type        string `json:"type"`
	Role        string `json:"role"`
	MaskedValue string `json:"maskedValue"`
	Account     string `json:"account"`
	Project     string `json:"project,omitempty"`
	Enabled     bool   `json:"enabled"`
	ExpiresAt   string `json:"expires_at,omitempty"`
	CreatedAt   string `json:"created_at"`
	UpdatedAt   string `json:"updated_at"`

	Policy     string          `json:"policy"`
	Scope      json.RawMessage `json:"scope,omitempty"`
	CIDRs      []string        `json:"cidrs,omitempty"`
	CreatedBy  string          `json:"created_by,omitempty"`
	LastUsedAt string          `json:"last_used_at,omitempty"`

	Value string `json:"value,omitempty"` // at creation and rotation only
}

func (s *Surface) apiKey(k *catalog.Key) apiKey {
	out := apiKey{
		ID: k.ID, Name: k.Name, Type: k.Type, Role: s.env.Gateway.RoleOf(k.PolicyID), Account: s.env.Gateway.Account().ID,
		Project: k.ProjectID, Enabled: k.Enabled, ExpiresAt: web.Time(k.ExpiresAt),
		CreatedAt: web.Time(k.CreatedAt), UpdatedAt: web.Time(k.UpdatedAt),
		Policy: k.PolicyID, CIDRs: k.CIDRs, CreatedBy: k.CreatedBy, LastUsedAt: web.Time(k.LastUsedAt),
	}
	if string(k.Scope) != "{}" {
		out.Scope = k.Scope
	}
	if len(k.Secrets) > 0 {
		out.MaskedValue = k.Type + "-" + k.Secrets[0].KID[:min(7, len(k.Secrets[0].KID))] + "****"
	}
	return out
}

func (s *Surface) listKeys(w http.ResponseWriter, r *http.Request, _ web.Params) {
	s.serve(w, r, composable, func(c *gateway.Caller) (int, any, error) {
		q := r.URL.Query()
		level := q.Get("level")
		if q.Has("level") && level != "account" && level != "project" {
			return 0, nil, gateway.Errorf(http.StatusBadRequest, "level is %.40q: account or project is expected", level)
		}
		keys, err := s.env.Gateway.Keys(r.Context(), c)
		out := make([]apiKey, 0, len(keys))
		for _, k := range keys {
			if level == "" || (level == "project") == (k.ProjectID != "") {
				out = append(out, s.apiKey(k))
			}
		}
		return http.StatusOK, out, err
	})
}

// keyInput is what a key may be made of or changed to. Fields that answers have and
// requests cannot change are taken and left, so that what was read can be sent back.
type keyInput struct {
	Name      *string         `json:"name"`
	Role      *string         `json:"role"`
	Type      *string         `json:"type"`
	ExpiresAt *string         `json:"expires_at"`
	Enabled   *bool           `json:"enabled"`
	Policy    *string         `json:"policy"`  // ours: any policy, by name or id
	Project   *string         `json:"project"` // by name or id
	Scope     json.RawMessage `json:"scope"`   // ours
	CIDRs     *[]string       `json:"cidrs"`   // ours

	readOnly
}

// readOnly are the fields that are taken and left.
type readOnly struct {
	ID          json.RawMessage `json:"id"`
	MaskedValue json.RawMessage `json:"maskedValue"`
	Account     json.RawMessage `json:"account"`
	CreatedAt   json.RawMessage `json:"created_at"`
	UpdatedAt   json.RawMessage `json:"updated_at"`
	CreatedBy   json.RawMessage `json:"created_by"`
	LastUsedAt  json.RawMessage `json:"last_used_at"`
}

func (s *Surface) createKey(w http.ResponseWriter, r *http.Request, _ web.Params) {
	s.serve(w, r, composable, func(c *gateway.Caller) (int, any, error) {
		// Who may not create keys is told so before the body is looked at.
		if err := s.env.Gateway.May(c, authz.KeyCreate); err != nil {
			return 0, nil, err
		}
		var in keyInput
		if err := web.ReadJSON(w, r, &in); err != nil {
			return 0, nil, err
		}
		req, err := in.request()
		if err != nil {
			return 0, nil, err
		}
		made, err := s.env.Gateway.CreateKey(r.Context(), c, req)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusCreated, s.minted(made), nil
	})
}

// request reads the body of a creation.
func (in *keyInput) request() (q gateway.KeyRequest, err error) {
	if in.Name == nil {
		return q, gateway.Errorf(http.StatusBadRequest, "the body has no 'name'")
	}
	q.Name = *in.Name
	if q.Policy, err = in.policy(); err != nil {
		return q, err
	}
	if q.Policy == "" && (in.Type == nil || *in.Type != "pk") {
		return q, gateway.Errorf(http.StatusBadRequest, "the body has no 'role': %s is expected", gateway.RoleNames())
	}
	if in.Type != nil {
		if q.Type, err = authz.ParseKeyType(*in.Type); err != nil {
			return q, gateway.Errorf(http.StatusBadRequest, "type is %.40q: sk or pk is expected", *in.Type)
		}
	}
	if in.ExpiresAt != nil {
		if q.Expires, err = time.Parse(time.RFC3339, *in.ExpiresAt); err != nil {
			return q, gateway.Errorf(http.StatusBadRequest, "expires_at is %.60q: a time as 2030-01-31T12:00:00Z is expected (RFC 3339)", *in.ExpiresAt)
		}
	}
	if in.Enabled != nil && !*in.Enabled {
		return q, gateway.Errorf(http.StatusBadRequest, "enabled is false: a key is made enabled, and can be disabled later")
	}
	if in.Project != nil {
		q.Project = *in.Project
	}
	if in.Scope != nil {
		if err := json.Unmarshal(in.Scope, &q.Scope); err != nil {
			return q, gateway.Errorf(http.StatusBadRequest, "the scope cannot be read: %s", err.Error())
		}
	}
	if in.CIDRs != nil {
		if q.CIDRs, err = parsePrefixes(*in.CIDRs); err != nil {
			return q, err
		}
	}
	return q, nil
}

// policy is what the body grants, by role or by policy; "" for neither.
func (in *keyInput) policy() (string, error) {
	switch {
	case in.Role != nil && in.Policy != nil && *in.Role != *in.Policy:
		return "", gateway.Errorf(http.StatusBadRequest, "the body has a 'role' and another 'policy': one of them is expected")
	case in.Policy != nil:
		return *in.Policy, nil
	case in.Role == nil:
		return "", nil
	case !gateway.IsRole(*in.Role):
		return "", gateway.Errorf(http.StatusBadRequest, "role is %.60q: %s is expected", *in.Role, gateway.RoleNames())
	}
	return *in.Role, nil
}

func parsePrefixes(texts []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, t := range texts {
		p, err := netip.ParsePrefix(t)
		if err != nil {
			a, err := netip.ParseAddr(t)
			if err != nil {
				return nil, gateway.Errorf(http.StatusBadRequest, "%.60q is no network: an address range as 10.0.0.0/8 is expected", t)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

func (s *Surface) minted(m *gateway.MintedKey) apiKey {
	out := s.apiKey(m.Key)
	out.Value = m.Value
	return out
}

func (s *Surface) getKey(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.serve(w, r, composable, func(c *gateway.Caller) (int, any, error) {
		if v := r.URL.Query().Get("withValue"); v != "" && v != "false" {
			return 0, nil, gateway.Errorf(http.StatusBadRequest, "withValue is %.20q: a key's value is shown when it is made and never again", v)
		}
		k, err := s.env.Gateway.KeyByID(r.Context(), c, p["id"])
		if err != nil {
			return 0, nil, err
		}
		return http.StatusOK, s.apiKey(k), nil
	})
}

func (s *Surface) updateKey(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.serve(w, r, composable, func(c *gateway.Caller) (int, any, error) {
		old, err := s.env.Gateway.KeyToChange(r.Context(), c, p["id"])
		if err != nil {
			return 0, nil, err
		}
		var in keyInput
		if err := web.ReadJSON(w, r, &in); err != nil {
			return 0, nil, err
		}
		if in.Type != nil && *in.Type != old.Type {
			return 0, nil, gateway.Errorf(http.StatusBadRequest, "type is %.20q: a key's type cannot change", *in.Type)
		}
		if in.ExpiresAt != nil && !sameTime(*in.ExpiresAt, old.ExpiresAt) {
			return 0, nil, gateway.Errorf(http.StatusBadRequest, "expires_at is %.60q: a key's expiry cannot change, make another key", *in.ExpiresAt)
		}
		if in.Project != nil && *in.Project != old.ProjectID && *in.Project != s.env.Gateway.ProjectName(old.ProjectID) {
			return 0, nil, gateway.Errorf(http.StatusBadRequest, "project is %.60q: a key's project cannot change, make another key", *in.Project)
		}
		if in.Scope != nil && string(in.Scope) != "null" && !sameScope(in.Scope, old.Scope) {
			return 0, nil, gateway.Errorf(http.StatusBadRequest, "the scope differs from the key's: a key's scope cannot change, make another key")
		}
		ch := gateway.KeyChange{Name: in.Name, Enabled: in.Enabled}
		if grants, err := in.policy(); err != nil {
			return 0, nil, err
		} else if grants != "" {
			ch.Policy = &grants
		}
		if in.Role != nil && *in.Role == s.env.Gateway.RoleOf(old.PolicyID) && in.Policy == nil {
			ch.Policy = nil // what was read is sent back: a policy of one's own stays
		}
		if in.CIDRs != nil {
			nets, err := parsePrefixes(*in.CIDRs)
			if err != nil {
				return 0, nil, err
			}
			ch.CIDRs = &nets
		}
		k, err := s.env.Gateway.UpdateKey(r.Context(), c, p["id"], ch)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusOK, s.apiKey(k), nil
	})
}

// sameTime reports whether text is the instant ms, in any spelling; "" is none.
func sameTime(text string, ms int64) bool {
	if text == "" || ms == 0 {
		return text == "" && ms == 0
	}
	t, err := time.Parse(time.RFC3339, text)
	return err == nil && t.UnixMilli() == ms
}

// sameScope reports whether two scopes are one, whatever the order of their lists.
func sameScope(a, b json.RawMessage) bool {
	var x, y authz.Scope
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	first, errX := json.Marshal(x)
	second, errY := json.Marshal(y)
	return errX == nil && errY == nil && bytes.Equal(first, second)
}

func (s *Surface) deleteKey(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.serve(w, r, composable, func(c *gateway.Caller) (int, any, error) {
		err := s.env.Gateway.DeleteKey(r.Context(), c, p["id"])
		return http.StatusOK, struct {
			Acknowledged bool `json:"acknowledged"`
			DeletedCount int  `json:"deletedCount"`
		}{true, 1}, err
	})
}

func (s *Surface) rotateKey(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.serve(w, r, composable, func(c *gateway.Caller) (int, any, error) {
		if err := s.env.Gateway.May(c, authz.KeyRotate); err != nil {
			return 0, nil, err
		}
		var in struct {
			Grace string `json:"grace"`
		}
		if err := web.ReadJSON(w, r, &in); err != nil {
			return 0, nil, err
		}
		var grace time.Duration
		if in.Grace != "" {
			var err error
			if grace, err = time.ParseDuration(in.Grace); err != nil {
				return 0, nil, gateway.Errorf(http.StatusBadRequest, "grace is %.40q: a duration as 24h or 90m is expected", in.Grace)
			}
		}
		made, err := s.env.Gateway.RotateKey(r.Context(), c, p["id"], grace)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusOK, s.minted(made), nil
	})
}

// publicKey hands out a public key for a browser. Although it is a GET, it may make one,
// and there is a limit to how many: pages of other origins shall not use that up.
func (s *Surface) publicKey(w http.ResponseWriter, r *http.Request, _ web.Params) {
	s.serve(w, r, composable, func(c *gateway.Caller) (int, any, error) {
		if web.OtherOrigin(r) {
			return 0, nil, gateway.Errorf(http.StatusForbidden, "this is a page of another origin: it is given a public key, and asks for none itself")
		}
		q := r.URL.Query()
		req := gateway.PublicKeyRequest{Name: q.Get("name"), Project: q.Get("projectId")}
		if text := q.Get("ttl"); q.Has("ttl") {
			seconds, err := strconv.ParseInt(text, 10, 32)
			if err != nil || seconds < 1 {
				return 0, nil, gateway.Errorf(http.StatusBadRequest, "ttl is %.40q: a number of seconds, 1 or more, is expected", text)
			}
			req.TTL = time.Duration(seconds) * time.Second
		}
		made, err := s.env.Gateway.PublicKey(r.Context(), c, req)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusOK, struct {
			ExpireAt string `json:"expire_at"`
			Value    string `json:"value"`
		}{web.Time(made.Key.ExpiresAt), made.Value}, nil
	})
}
