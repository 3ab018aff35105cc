package gateway

import (
	"context"
	"net/http"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
)

// Audit is a page of the audit trail, newest first. The trail is the account's: a
// key that is bound to a project reads none of it.
func (g *Gateway) Audit(ctx context.Context, c *Caller, f catalog.AuditFilter) ([]*catalog.AuditRow, error) {
	if err := g.authorizeOwn(c, authz.AuditRead); err != nil {
		return nil, err
	}
	if c.projectID() != "" {
		return nil, Errorf(http.StatusForbidden, "this key is bound to a project: the audit trail belongs to the account")
	}
	return g.cat.AuditRows(ctx, f)
}
