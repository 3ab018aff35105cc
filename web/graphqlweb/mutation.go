package graphqlweb

import (
	"context"
	"net/http"
	"time"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/gateway"
)

type createdAPIKey struct{ Key string }

// CreateApiKey makes a key with what the caller has: policy, scope and project.
func (q *root) CreateApiKey(ctx context.Context, args struct {
	Name      string
	ExpiresAt *DateTime
},
) (*createdAPIKey, error) {
	c := caller(ctx)
	if err := q.g.May(c, authz.KeyCreate); err != nil {
		return nil, err
	}
	own := c.Key()
	req := gateway.KeyRequest{Name: args.Name, Policy: own.PolicyID, Scope: own.Scope, CIDRs: own.CIDRs}
	if own.ExpiresAt != 0 {
		req.Expires = time.UnixMilli(own.ExpiresAt)
	}
	if args.ExpiresAt != nil {
		req.Expires = time.UnixMilli(int64(*args.ExpiresAt))
	}
	made, err := q.g.CreateKey(ctx, c, req)
	if err != nil {
		return nil, err
	}
	return &createdAPIKey{made.Value}, nil
}

// DeleteApiKey deletes a key by its name or id.
func (q *root) DeleteApiKey(ctx context.Context, args struct{ Name string }) (bool, error) {
	err := q.g.DeleteKey(ctx, caller(ctx), args.Name)
	return err == nil, err
}

// UpdateChannel makes a channel public or not, and describes it.
func (q *root) UpdateChannel(ctx context.Context, args struct {
	Name        string
	IsPublic    *bool
	Description *string
},
) (*channel, error) {
	s := gateway.ChannelSettings{Description: args.Description, Public: args.IsPublic}
	ch, err := q.g.SetChannel(ctx, caller(ctx), args.Name, s)
	if err != nil {
		return nil, err
	}
	return &channel{q, ch}, nil
}

type batchDeleteResult struct {
	Deleted int32
	Errors  []*batchDeleteError
}

type batchDeleteError struct{ Subdir, Filename, Message string }

// BatchDeletePackageVariants deletes files one by one.
func (q *root) BatchDeletePackageVariants(ctx context.Context, args struct {
	ChannelName string
	Entries     []struct{ Subdir, Filename string }
},
) (*batchDeleteResult, error) {
	if len(args.Entries) > maxPage {
		return nil, gateway.Errorf(http.StatusBadRequest, "there are %d entries: at most %d at a time are deleted", len(args.Entries), maxPage)
	}
	out := &batchDeleteResult{Errors: []*batchDeleteError{}}
	for _, e := range args.Entries {
		if err := spend(ctx, 1); err != nil {
			return nil, err
		}
		_, err := q.g.DeletePackage(ctx, caller(ctx), args.ChannelName, e.Subdir, e.Filename)
		fault, told := gateway.AsError(err)
		switch {
		case err == nil:
			out.Deleted++
		case told && fault.Status < http.StatusInternalServerError && (fault.Status != http.StatusUnauthorized || out.Deleted > 0):
			out.Errors = append(out.Errors, &batchDeleteError{e.Subdir, e.Filename, fault.Message})
		default:
			return nil, err
		}
	}
	return out, nil
}
