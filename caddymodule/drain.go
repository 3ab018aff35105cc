package caddymodule

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
)

// drainTime is how long a configuration that was replaced goes on answering on the
// connections it has. A server that shuts down closes those that are idle and those
// whose request it has not read yet, under a client that may just be sending one:
// so before that, clients are told with their next answer to come back on a new
// connection, which the new configuration accepts.
const drainTime = time.Second

// drain drains a configuration's connections before Caddy stops its servers.
type drain struct {
	listeners []*keptListener // of the configuration's servers, from their start on
	begun     atomic.Bool     // answers are to be the last on their connection
}

// newDrain waits for the configuration to be stopped.
func newDrain(ctx caddy.Context) (*drain, error) {
	v, err := ctx.App("events")
	if err != nil {
		return nil, fmt.Errorf("waiting for the stop: %w", err)
	}
	d := new(drain)
	return d, v.(*caddyevents.App).On("stopping", d)
}

// Handle implements [caddyevents.Handler]. When the process ends nobody accepts any
// more, and there is nothing to wait for.
func (d *drain) Handle(context.Context, caddy.Event) error {
	timeout := time.NewTimer(drainTime)
	defer timeout.Stop()
	var replaced []*keptListener
	for _, l := range d.listeners {
		if l.socket.listeners.Load() > 1 {
			d.begun.Store(true)
			l.stop()
			replaced = append(replaced, l)
		}
	}
	for _, l := range replaced {
		select {
		case <-l.drained:
		case <-timeout.C:
			return nil
		}
	}
	return nil
}

var _ caddyevents.Handler = (*drain)(nil)
