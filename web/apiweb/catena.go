package apiweb

import (
	"net/http"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
)

// catenaKey is a key as Catena tells it.
type catenaKey struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	PolicyID string `json:"policyId"`
}

type catenaKeyDoc struct {
	Key   catenaKey `json:"apiKey"`
	Value string    `json:"value,omitempty"` // at creation only
}

type catenaPolicy struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Permissions []string `json:"permissions"`
	Builtin     bool     `json:"builtin"` // ours: it cannot be changed
}

type catenaPolicyDoc struct {
	Policy catenaPolicy `json:"policy"`
}

func newCatenaKey(k *catalog.Key) catenaKey { return catenaKey{k.ID, k.Name, k.PolicyID} }

func newCatenaPolicy(p *catalog.Policy) catenaPolicy {
	return catenaPolicy{p.ID, p.Name, p.Permissions, p.Builtin}
}

func (s *Surface) catenaListKeys(w http.ResponseWriter, r *http.Request, _ web.Params) {
	s.serve(w, r, catena, func(c *gateway.Caller) (int, any, error) {
		keys, err := s.env.Gateway.Keys(r.Context(), c)
		out := make([]catenaKey, 0, len(keys))
		for _, k := range keys {
			out = append(out, newCatenaKey(k))
		}
		return http.StatusOK, struct {
			Keys []catenaKey `json:"apiKeys"`
		}{out}, err
	})
}

func (s *Surface) catenaCreateKey(w http.ResponseWriter, r *http.Request, _ web.Params) {
	s.serve(w, r, catena, func(c *gateway.Caller) (int, any, error) {
		if err := s.env.Gateway.May(c, authz.KeyCreate); err != nil {
			return 0, nil, err
		}
		var in struct {
			Name     string `json:"name"`
			PolicyID string `json:"policyId"`
		}
		if err := web.ReadJSON(w, r, &in); err != nil {
			return 0, nil, err
		}
		if in.PolicyID == "" {
			return 0, nil, gateway.Errorf(http.StatusBadRequest, "the body has no 'policyId': a key has exactly one policy")
		}
		made, err := s.env.Gateway.CreateKey(r.Context(), c, gateway.KeyRequest{Name: in.Name, Policy: in.PolicyID})
		if err != nil {
			return 0, nil, err
		}
		return http.StatusCreated, catenaKeyDoc{newCatenaKey(made.Key), made.Value}, nil
	})
}

func (s *Surface) catenaGetKey(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.serve(w, r, catena, func(c *gateway.Caller) (int, any, error) {
		k, err := s.env.Gateway.KeyByID(r.Context(), c, p["id"])
		if err != nil {
			return 0, nil, err
		}
		return http.StatusOK, catenaKeyDoc{Key: newCatenaKey(k)}, nil
	})
}

func (s *Surface) catenaUpdateKey(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.serve(w, r, catena, func(c *gateway.Caller) (int, any, error) {
		if _, err := s.env.Gateway.KeyToChange(r.Context(), c, p["id"]); err != nil {
			return 0, nil, err
		}
		var in struct {
			Name     *string `json:"name"`
			PolicyID *string `json:"policyId"`
		}
		if err := web.ReadJSON(w, r, &in); err != nil {
			return 0, nil, err
		}
		k, err := s.env.Gateway.UpdateKey(r.Context(), c, p["id"], gateway.KeyChange{Name: in.Name, Policy: in.PolicyID})
		if err != nil {
			return 0, nil, err
		}
		return http.StatusOK, catenaKeyDoc{Key: newCatenaKey(k)}, nil
	})
}

func (s *Surface) catenaDeleteKey(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.serve(w, r, catena, func(c *gateway.Caller) (int, any, error) {
		return http.StatusOK, struct{}{}, s.env.Gateway.DeleteKey(r.Context(), c, p["id"])
	})
}

func (s *Surface) listPolicies(w http.ResponseWriter, r *http.Request, _ web.Params) {
	s.serve(w, r, catena, func(c *gateway.Caller) (int, any, error) {
		all, err := s.env.Gateway.Policies(r.Context(), c)
		out := make([]catenaPolicy, 0, len(all))
		for _, p := range all {
			out = append(out, newCatenaPolicy(p))
		}
		return http.StatusOK, struct {
			Policies []catenaPolicy `json:"policies"`
		}{out}, err
	})
}

func (s *Surface) createPolicy(w http.ResponseWriter, r *http.Request, _ web.Params) {
	s.serve(w, r, catena, func(c *gateway.Caller) (int, any, error) {
		if err := s.env.Gateway.May(c, authz.PolicyCreate); err != nil {
			return 0, nil, err
		}
		var in struct {
			Name        string   `json:"name"`
			Permissions []string `json:"permissions"`
		}
		if err := web.ReadJSON(w, r, &in); err != nil {
			return 0, nil, err
		}
		p, err := s.env.Gateway.CreatePolicy(r.Context(), c, in.Name, in.Permissions)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusCreated, catenaPolicyDoc{newCatenaPolicy(p)}, nil
	})
}

func (s *Surface) getPolicy(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.serve(w, r, catena, func(c *gateway.Caller) (int, any, error) {
		pol, err := s.env.Gateway.PolicyByID(r.Context(), c, p["id"])
		if err != nil {
			return 0, nil, err
		}
		return http.StatusOK, catenaPolicyDoc{newCatenaPolicy(pol)}, nil
	})
}

func (s *Surface) updatePolicy(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.serve(w, r, catena, func(c *gateway.Caller) (int, any, error) {
		if err := s.env.Gateway.May(c, authz.PolicyUpdate); err != nil {
			return 0, nil, err
		}
		var in struct {
			Name        *string  `json:"name"`
			Permissions []string `json:"permissions"`
		}
		if err := web.ReadJSON(w, r, &in); err != nil {
			return 0, nil, err
		}
		pol, err := s.env.Gateway.UpdatePolicy(r.Context(), c, p["id"], in.Name, in.Permissions)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusOK, catenaPolicyDoc{newCatenaPolicy(pol)}, nil
	})
}

// deletePolicy deletes a policy with its keys, and says how many those were.
func (s *Surface) deletePolicy(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.serve(w, r, catena, func(c *gateway.Caller) (int, any, error) {
		keys, err := s.env.Gateway.DeletePolicy(r.Context(), c, p["id"])
		return http.StatusOK, struct {
			DeletedKeys int `json:"deletedApiKeys"`
		}{keys}, err
	})
}

func (s *Surface) listPermissions(w http.ResponseWriter, r *http.Request, _ web.Params) {
	s.serve(w, r, catena, func(c *gateway.Caller) (int, any, error) {
		if err := s.env.Gateway.May(c, authz.PolicyRead); err != nil {
			return 0, nil, err
		}
		type permission struct {
			Name        string `json:"name"`
			Description string `json:"description"`
		}
		var out []permission
		for _, p := range authz.Permissions() {
			out = append(out, permission{p.Name, p.Description})
		}
		return http.StatusOK, struct {
			Permissions []permission `json:"permissions"`
		}{out}, nil
	})
}
