package gateway

import (
	"context"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
)

// Audit is a page of the audit trail, newest first. The trail is the account's: a key
// that is bound to a project reads none of it.
func (g *Gateway) Audit(ctx context.Context, c *Caller, f catalog.AuditFilter) ([]*catalog.AuditRow, error) {
	if err := g.authorizeOwn(c, authz.AuditRead); err != nil {
		return nil, err
	}
	return g.cat.AuditRows(ctx, f)
}

// MayReadMetrics decides on the gateway's figures, which are the account's.
func (g *Gateway) MayReadMetrics(c *Caller) error {
	return g.authorizeOwn(c, authz.MetricsRead)
}
