package caddymodule

import (
	"github.com/caddyserver/caddy/v2"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
)

// policyView is a policy as commands show it.
type policyView struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Permissions []string `json:"permissions"`
	Builtin     bool     `json:"builtin"` // a role, which cannot be changed
	CreatedAt   string   `json:"created_at,omitempty"`
	UpdatedAt   string   `json:"updated_at,omitempty"`
}

// policyInput names a policy, by id or name, and says what shall become of it.
type policyInput struct {
	Policy      string   `json:"policy"`
	Name        *string  `json:"name,omitempty"`        // of set; nil leaves it
	Permissions []string `json:"permissions,omitempty"` // all that it shall grant; of set, nil leaves them
}

// cascade is how many keys went with what was deleted.
type cascade struct {
	Keys int `json:"keys_deleted"`
}

type permissionView struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

func policyOperations() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		operation("policy/list", func(c call, _ none) ([]policyView, error) {
			all, err := c.Policies(c, c.by)
			if err != nil {
				return nil, err
			}
			views := make([]policyView, 0, len(all))
			for _, p := range all {
				views = append(views, viewPolicy(p))
			}
			return views, nil
		}),
		operation("policy/show", func(c call, in policyInput) (policyView, error) {
			p, err := c.PolicyByID(c, c.by, in.Policy)
			if err != nil {
				return policyView{}, err
			}
			return viewPolicy(p), nil
		}),
		operation("policy/create", func(c call, in policyInput) (policyView, error) {
			p, err := c.CreatePolicy(c, c.by, in.Policy, in.Permissions)
			if err != nil {
				return policyView{}, err
			}
			return viewPolicy(p), nil
		}),
		operation("policy/set", func(c call, in policyInput) (policyView, error) {
			p, err := c.UpdatePolicy(c, c.by, in.Policy, in.Name, in.Permissions)
			if err != nil {
				return policyView{}, err
			}
			return viewPolicy(p), nil
		}),
		operation("policy/delete", func(c call, in policyInput) (cascade, error) {
			keys, err := c.DeletePolicy(c, c.by, in.Policy)
			return cascade{keys}, err
		}),
		operation("policy/permissions", func(call, none) ([]permissionView, error) {
			var views []permissionView
			for _, p := range authz.Permissions() {
				views = append(views, permissionView{p.Name, p.Description})
			}
			return views, nil
		}),
	}
}

func viewPolicy(p *catalog.Policy) policyView {
	return policyView{p.ID, p.Name, p.Permissions, p.Builtin, timeOf(p.CreatedAt), timeOf(p.UpdatedAt)}
}
