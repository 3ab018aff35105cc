package caddymodule

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

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

	mu    sync.Mutex
	users []*App // that were started, in order: the last one's settings are in force
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
		// The settings are put in force when the new configuration starts: until
		// then it may yet be given up.
		if err := s.gateway.CheckSettings(cfg); err != nil {
			_, _ = pool.Delete(cfg.Dir)
			return nil, err
		}
	}
	return s, nil
}

// enter puts the settings of a configuration that starts in force.
func (s *shared) enter(a *App) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.apply(a); err != nil {
		return err
	}
	s.users = append(s.users, a)
	return nil
}

// leave gives the folder up for a configuration; the last user closes it. A
// configuration that goes before an older one has failed to start: the older one's
// settings are in force again.
func (s *shared) leave(a *App) error {
	s.mu.Lock()
	if i := slices.Index(s.users, a); i >= 0 {
		last := i == len(s.users)-1
		s.users = slices.Delete(s.users, i, i+1)
		if last && i > 0 {
			if err := s.apply(s.users[i-1]); err != nil {
				a.log.Error("putting the former settings in force again", zap.Error(err))
			}
		}
	}
	s.mu.Unlock()
	_, err := pool.Delete(s.dir)
	return err
}

func (s *shared) apply(a *App) error {
	cfg := a.cfg
	cfg.Observe = s.metrics.phase
	return s.gateway.ApplySettings(cfg)
}

// Destruct implements [caddy.Destructor].
func (s *shared) Destruct() error { return s.gateway.Close() }

func duration(d caddy.Duration) time.Duration { return time.Duration(d) }

var _ caddy.Destructor = (*shared)(nil)
