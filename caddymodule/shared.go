package caddymodule

import (
	"context"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/fairwayhq/fairway/gateway"
)

// pool holds the open data folders by their absolute path: not by configuration,
// for two configurations that differ in a setting share one folder.
var pool = caddy.NewUsagePool()

// shared is one open data folder, used by every configuration that is alive.
type shared struct {
	dir     string
	gateway *gateway.Gateway
	metrics *metrics
}

// acquireState opens a folder or joins its user.
func acquireState(ctx context.Context, cfg gateway.Config) (*shared, error) {
	v, loaded, err := pool.LoadOrNew(cfg.Dir, func() (caddy.Destructor, error) {
		m := newMetrics()
		cfg.Observe = m.phase
		g, err := gateway.Open(context.WithoutCancel(ctx), cfg)
		if err != nil {
			return nil, fmt.Errorf("opening data folder: %w", err)
		}
		m.gateway = g
		return &shared{dir: cfg.Dir, gateway: g, metrics: m}, nil
	})
	if err != nil {
		return nil, err
	}
	s := v.(*shared)
	if loaded {
		// The gateway takes settings that may change while it runs when the new
		// configuration starts; see settle.
		if err := s.gateway.CheckSettings(cfg); err != nil {
			_, _ = pool.Delete(cfg.Dir)
			return nil, err
		}
	}
	return s, nil
}

// settle puts a started configuration's settings in force.
func (s *shared) settle(a *App) {
	if cfg, err := a.config(); err == nil {
		cfg.Observe = s.metrics.phase
		s.gateway.ApplySettings(cfg)
	}
}

// release gives the folder up; the last user closes it.
func (s *shared) release() (closed bool, err error) { return pool.Delete(s.dir) }

// Destruct implements [caddy.Destructor].
func (s *shared) Destruct() error { return s.gateway.Close() }

func duration(d caddy.Duration) time.Duration { return time.Duration(d) }

var _ caddy.Destructor = (*shared)(nil)
