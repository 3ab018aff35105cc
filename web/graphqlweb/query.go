package graphqlweb

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
)

// root resolves Query and Mutation.
type root struct{ g *gateway.Gateway }

// Viewer is null for whoever is nobody: pixi's login check reads it so.
func (q *root) Viewer(ctx context.Context) (*viewer, error) {
	c := caller(ctx)
	if c.Token == "" || q.g.Identify(c) != nil {
		return nil, nil
	}
	return &viewer{q, c.Key().Name}, nil
}

type viewer struct {
	q     *root
	Login string
}

// ApiKeys lists what the caller may manage.
func (v *viewer) ApiKeys(ctx context.Context) ([]*apiKey, error) { return v.q.ApiKeys(ctx) }

// ApiKeys lists what the caller may manage.
func (q *root) ApiKeys(ctx context.Context) ([]*apiKey, error) {
	c := caller(ctx)
	if err := q.g.May(c, authz.KeyRead); err != nil {
		return nil, err
	}
	keys, err := q.g.Keys(ctx, c)
	if err == nil {
		err = spend(ctx, len(keys))
	}
	out := make([]*apiKey, 0, len(keys))
	for _, k := range keys {
		out = append(out, &apiKey{k})
	}
	return out, err
}

type apiKey struct{ row *catalog.Key }

func (k *apiKey) ID() string            { return k.row.ID }
func (k *apiKey) Name() string          { return k.row.Name }
func (k *apiKey) Policy() string        { return k.row.PolicyID }
func (k *apiKey) CreatedAt() DateTime   { return DateTime(k.row.CreatedAt) }
func (k *apiKey) ExpiresAt() *DateTime  { return timeOrNull(k.row.ExpiresAt) }
func (k *apiKey) LastUsedAt() *DateTime { return timeOrNull(k.row.LastUsedAt) }

// Channel is null where the caller may not read it: it does not exist for them.
func (q *root) Channel(ctx context.Context, args struct{ Name string }) (*channel, error) {
	if err := spend(ctx, 1); err != nil {
		return nil, err
	}
	ch, err := q.g.Channel(caller(ctx), args.Name)
	if unseen(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return &channel{q, ch}, nil
}

// unseen reports whether an error says that something is not there for the caller.
func unseen(err error) bool {
	e, ok := gateway.AsError(err)
	return err != nil && ok && (e.Status == http.StatusNotFound || e.Status == http.StatusForbidden)
}

type channelPage struct {
	Pages, TotalCount int32
	Page              []*channel
}

// Channels is a page of the channels that the caller may read.
func (q *root) Channels(ctx context.Context, args pageArgs) (*channelPage, error) {
	limit, offset, err := args.check()
	if err == nil {
		err = spend(ctx, limit)
	}
	if err != nil {
		return nil, err
	}
	all, err := q.g.Channels(caller(ctx))
	if err != nil {
		return nil, err
	}
	out := &channelPage{Pages: pages(len(all), limit), TotalCount: int32(len(all)), Page: []*channel{}}
	for _, ch := range window(all, offset, limit) {
		out.Page = append(out.Page, &channel{q, ch})
	}
	return out, nil
}

// Package is null where there is none that the caller may read.
func (q *root) Package(ctx context.Context, args struct{ ChannelName, Name string }) (*pkg, error) {
	if err := spend(ctx, 1); err != nil {
		return nil, err
	}
	ch, err := q.g.ReadChannel(caller(ctx), args.ChannelName, "", args.Name)
	if unseen(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	p := &pkg{channel: &channel{q, ch}, name: args.Name}
	files, err := p.load(ctx)
	if err != nil || len(files) == 0 {
		return nil, err
	}
	return p, nil
}

// DateTime is a time in Unix milliseconds, as GraphQL shows it.
type DateTime int64

// ImplementsGraphQLType implements the library's scalar.
func (DateTime) ImplementsGraphQLType(name string) bool { return name == "DateTime" }

// UnmarshalGraphQL reads a time, or a day, which means its end.
func (t *DateTime) UnmarshalGraphQL(input any) error {
	text, _ := input.(string)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		day, dayErr := time.Parse(time.DateOnly, text)
		if dayErr != nil {
			return errors.New("a time as 2030-01-31T12:00:00Z is expected (RFC 3339)")
		}
		at = day.Add(24 * time.Hour)
	}
	*t = DateTime(at.UnixMilli())
	return nil
}

// MarshalJSON implements [encoding/json.Marshaler].
func (t DateTime) MarshalJSON() ([]byte, error) { return []byte(`"` + web.Time(int64(t)) + `"`), nil }

func timeOrNull(ms int64) *DateTime {
	if ms == 0 {
		return nil
	}
	t := DateTime(ms)
	return &t
}
