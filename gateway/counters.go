package gateway

import (
	"sync/atomic"
	"time"

	"github.com/fairwayhq/fairway/authz"
)

// Counters are the gateway's own figures, for metrics.
type Counters struct {
	Uploads     atomic.Int64 // package files published
	UploadBytes atomic.Int64
	Allowed     [authz.NumPerms]atomic.Int64 // decisions by permission
	Refused     [authz.NumPerms]atomic.Int64
}

// Counters returns the live counters.
func (g *Gateway) Counters() *Counters { return &g.counters }

// phase reports how long a phase of a publish took.
func (g *Gateway) phase(name string, since time.Time) { g.conf().Observe(name, time.Since(since)) }
