package graphqlweb

import (
	"context"
	"net/http"
	"sync/atomic"

	"github.com/fairwayhq/fairway/gateway"
)

// budget is what one request may spend: a unit for each row it gets, and rowsPerLookup
// for each query of the catalog it causes. It lets a client read a page of 500
// packages with a variant of each, and no query of a hundred aliases do more.
const (
	budget        = 5000
	rowsPerLookup = 5
)

// state is what a request's resolvers share.
type state struct {
	caller *gateway.Caller
	left   int64
}

type stateKey struct{}

func of(ctx context.Context) *state { return ctx.Value(stateKey{}).(*state) }

// caller is who asks. Resolvers run side by side, and authorizing remembers a grant
// in the caller: each takes a copy of its own.
func caller(ctx context.Context) *gateway.Caller {
	c := *of(ctx).caller
	return &c
}

// spend pays for one lookup that yields up to rows rows.
func spend(ctx context.Context, rows int) error {
	if atomic.AddInt64(&of(ctx).left, -int64(rows+rowsPerLookup)) < 0 {
		return gateway.Errorf(http.StatusBadRequest, "the query costs more than %d rows: ask for fewer or smaller pages", budget)
	}
	return ctx.Err()
}

// maxPage bounds the size of a page.
const maxPage = 500

// pageArgs are the arguments of a list.
type pageArgs struct {
	Limit int32
	Page  int32
}

// check returns the size and the offset of a page.
func (a pageArgs) check() (limit, offset int, err error) {
	if a.Limit < 1 || a.Limit > maxPage {
		return 0, 0, gateway.Errorf(http.StatusBadRequest, "limit is %d: 1 to %d is expected", a.Limit, maxPage)
	}
	if a.Page < 0 {
		return 0, 0, gateway.Errorf(http.StatusBadRequest, "page is %d: pages are counted from 0", a.Page)
	}
	return int(a.Limit), int(a.Limit) * int(a.Page), nil
}

// pages is how many pages of a size hold count rows.
func pages(count, size int) int32 { return int32((count + size - 1) / size) }

// window is one page of a list.
func window[T any](all []T, offset, limit int) []T {
	offset = min(offset, len(all))
	return all[offset:min(offset+limit, len(all))]
}
