package gateway

import (
	"context"
	"fmt"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/fairwayhq/fairway/authz"
)

// Settings is the configuration in force, with its defaults filled in. The caller
// must not change it.
func (g *Gateway) Settings() *Config { return g.conf() }

func (g *Gateway) conf() *Config { return g.cfg.Load() }

// CheckSettings reports whether a running gateway could take cfg.
func (g *Gateway) CheckSettings(cfg Config) error { return cfg.validate() }

// ApplySettings puts the settings of cfg in force for requests that begin from now
// on: everything but the data folder, the clock and, until the next start, the
// retention of shards. Where it errs, the settings before stay in force.
func (g *Gateway) ApplySettings(cfg Config) error {
	if err := cfg.validate(); err != nil {
		return err
	}
	old := g.conf()
	err := g.settle(cfg)
	if err != nil {
		err = fmt.Errorf("applying settings: %w", err)
		if back := g.settle(*old); back != nil {
			err = fmt.Errorf("%w; and putting the former ones in force again: %w", err, back)
		}
	}
	return err
}

// settle puts valid settings in force; where it errs, some of them are.
func (g *Gateway) settle(cfg Config) error {
	old := g.conf()
	cfg = cfg.withDefaults()
	cfg.Dir, cfg.Now, cfg.Crash = old.Dir, old.Now, old.Crash
	if cfg.ShardRetention != old.ShardRetention {
		cfg.Log.Warn("shard_retention changes with the next start", zap.Duration("in_force", old.ShardRetention))
		cfg.ShardRetention = old.ShardRetention
	}
	g.cfg.Store(&cfg)
	if err := g.trustPublishers(); err != nil {
		return err
	}
	if !samePass(cfg.Passthrough, old.Passthrough) {
		if err := g.openPass(); err != nil {
			return err
		}
	}
	if cfg.PublicURL != old.PublicURL {
		g.forgetPages()
	}
	if cfg.NoAnonymous != old.NoAnonymous {
		g.settleAnonymous()
	}
	if cfg.FailuresPerMinute != old.FailuresPerMinute {
		g.limiter.Store(authz.NewLimiter(cfg.FailuresPerMinute, cfg.FailuresPerMinute, 0))
	}
	if cfg.Account != old.Account {
		return g.settleAccount(context.Background())
	}
	return nil
}

// settleAnonymous says what nobody may do with open resources: read, or nothing.
func (g *Gateway) settleAnonymous() {
	if g.conf().NoAnonymous {
		g.ring.SetAnonymous(0)
	} else {
		g.ring.SetAnonymous(authz.AnonymousMask)
	}
}

// HasKeys reports whether any key exists. On an empty data folder the operator
// makes the first one at the machine itself.
func (g *Gateway) HasKeys(ctx context.Context) (bool, error) {
	keys, err := g.cat.Keys(ctx)
	return len(keys) > 0, err
}

// liveCore writes log entries to the logger of the configuration in force: the
// background work outlives the configuration that it began under, whose log may be
// closed.
type liveCore struct {
	g      *Gateway
	fields []zapcore.Field
}

func (c *liveCore) core() zapcore.Core { return c.g.conf().Log.Core() }

// Enabled implements [zapcore.LevelEnabler].
func (c *liveCore) Enabled(l zapcore.Level) bool { return c.core().Enabled(l) }

// With implements [zapcore.Core].
func (c *liveCore) With(fields []zapcore.Field) zapcore.Core {
	all := make([]zapcore.Field, 0, len(c.fields)+len(fields))
	return &liveCore{c.g, append(append(all, c.fields...), fields...)}
}

// Check implements [zapcore.Core].
func (c *liveCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

// Write implements [zapcore.Core].
func (c *liveCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	return c.core().With(c.fields).Write(e, fields)
}

// Sync implements [zapcore.Core].
func (c *liveCore) Sync() error { return c.core().Sync() }

var _ zapcore.Core = (*liveCore)(nil)
