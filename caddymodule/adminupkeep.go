package caddymodule

import (
	"encoding/json"
	"net/http"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"

	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/gateway"
)

// auditInput selects rows of the audit trail; zero fields select all.
type auditInput struct {
	Actor  string `json:"actor,omitempty"`
	Action string `json:"action,omitempty"`
	Kind   string `json:"kind,omitempty"`
	Target string `json:"target,omitempty"`
	Since  int64  `json:"since,omitempty"` // ms
	Limit  int    `json:"limit,omitempty"`
}

// auditView is a row of the audit trail as commands show it.
type auditView struct {
	ID        int64           `json:"id"`
	At        string          `json:"at"`
	Actor     string          `json:"actor"`
	KeyID     string          `json:"key_id,omitempty"`
	Address   string          `json:"address,omitempty"`
	RequestID string          `json:"request_id,omitempty"`
	Action    string          `json:"action"`
	Kind      string          `json:"kind,omitempty"`
	Target    string          `json:"target,omitempty"`
	Before    json.RawMessage `json:"before,omitempty"`
	After     json.RawMessage `json:"after,omitempty"`
	Outcome   string          `json:"outcome"`
}

type backupInput struct {
	Dir string `json:"dir"`
}

func upkeepOperations() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		operation("audit", func(c call, in auditInput) ([]auditView, error) {
			rows, err := c.Audit(c, c.by, catalog.AuditFilter{
				Actor: in.Actor, Action: in.Action, Kind: in.Kind, Target: in.Target, Since: in.Since, Limit: in.Limit,
			})
			if err != nil {
				return nil, err
			}
			views := make([]auditView, 0, len(rows))
			for _, r := range rows {
				views = append(views, auditView{
					r.ID, timeOf(r.At), r.Actor.Name, r.Actor.KeyID, r.Actor.Address, r.Actor.RequestID,
					r.Action, r.Kind, r.Target, r.Before, r.After, r.Outcome,
				})
			}
			return views, nil
		}),
		operation("fsck", func(c call, _ none) (*gateway.CheckReport, error) {
			return c.Check(c, c.by, func(p gateway.UpkeepProgress) { c.report(p) })
		}),
		operation("backup", func(c call, in backupInput) (*gateway.BackupReport, error) {
			if !filepath.IsAbs(in.Dir) {
				return nil, gateway.Errorf(http.StatusBadRequest, "%q is no absolute path: the gateway does not share your working directory", in.Dir)
			}
			return c.Backup(c, c.by, in.Dir, func(p gateway.UpkeepProgress) { c.report(p) })
		}),
	}
}
