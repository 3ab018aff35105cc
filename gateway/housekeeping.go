package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fairwayhq/fairway/blob"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/indexer"
)

// How often the background work runs.
const (
	touchEvery = 60 * time.Second // last use of keys, the end of expired ones, indexes left behind
	sweepEvery = time.Hour        // bytes that no row names, old audit rows
)

// housekeeping runs until ctx ends. Nothing it does is needed for a right answer:
// an expired key is refused at its instant, a deleted file is gone from its row.
func (g *Gateway) housekeeping(ctx context.Context) {
	defer g.loops.Done()
	touch, sweep := time.NewTicker(touchEvery), time.NewTicker(sweepEvery)
	defer touch.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-touch.C:
			g.flushTouched(ctx)
			if err := g.SweepKeys(ctx); err != nil {
				g.log.Warn("deleting expired keys", zap.Error(err))
			}
			if err := g.settleIndexes(ctx); err != nil && ctx.Err() == nil {
				g.log.Warn("bringing indexes up to date", zap.Error(err))
			}
		case <-sweep.C:
			if _, err := g.SweepBlobs(ctx); err != nil && ctx.Err() == nil {
				g.log.Warn("collecting unreferenced bytes", zap.Error(err))
			}
			if g.conf().AuditRetention > 0 {
				if _, err := g.cat.PruneAudit(ctx, g.conf().Now().Add(-g.conf().AuditRetention).UnixMilli()); err != nil {
					g.log.Warn("pruning the audit trail", zap.Error(err))
				}
			}
		}
	}
}

// flushTouched writes when keys were last used: once a minute for all of them,
// never for each request.
func (g *Gateway) flushTouched(ctx context.Context) {
	touched := g.ring.Touched()
	if len(touched) == 0 {
		return
	}
	at := make(map[string]int64, len(touched))
	for _, t := range touched {
		at[t.KeyID] = t.At
	}
	if err := g.cat.TouchKeys(ctx, at); err != nil {
		g.log.Warn("writing when keys were last used", zap.Error(err))
	}
}

// settleIndexes brings up to date what fell behind the catalog: where reading it
// failed just after a commit, whoever asked for the change was told so, and may not
// ask again.
func (g *Gateway) settleIndexes(ctx context.Context) error {
	for name, ch := range *g.dir.channels.Load() {
		subdirs, err := g.cat.Subdirs(ctx, ch.ID)
		if err != nil {
			return fmt.Errorf("reading subdirs of %s: %w", name, err)
		}
		for _, s := range subdirs {
			err := g.index.Update(ctx, name, s.Subdir, []string{}, s.Rev) // what changed is looked up
			if err != nil && !errors.Is(err, indexer.ErrNotOpen) {
				return fmt.Errorf("indexing %s/%s: %w", name, s.Subdir, err)
			}
		}
	}
	return nil
}

// SweepKeys deletes the rows of expired keys.
func (g *Gateway) SweepKeys(ctx context.Context) error {
	keys, err := g.cat.Keys(ctx)
	if err != nil {
		return err
	}
	now := g.conf().Now().UnixMilli()
	for _, k := range keys {
		if !expired(k, now) {
			continue
		}
		_, err := g.cat.Update(ctx, catalog.Actor{Name: "expiry"}, func(tx *catalog.Tx) error {
			if _, err := tx.DeleteKey(k.ID); err != nil {
				return notThere(err, "key %q does not exist", k.ID)
			}
			return tx.Audit("key.expire", "key", k.ID, auditKey(k), nil)
		})
		if err != nil {
			if e, ok := AsError(err); ok && e.Status == 404 {
				continue // it went with the key that issued it
			}
			return fmt.Errorf("deleting expired key %s: %w", k.ID, err)
		}
	}
	return nil
}

// SweepBlobs removes bytes which no row has named for [Config.BlobGrace]: those of
// deleted files, and of uploads that ended between their bytes and their row. The
// grace counts from the first sweep that saw them unnamed, and anew after a
// restart.
func (g *Gateway) SweepBlobs(ctx context.Context) (removed int, err error) {
	now := g.conf().Now()
	seen := make(map[[32]byte]time.Time)
	err = g.blobs.Each(ctx, func(b blob.Info) error {
		used, err := g.cat.BlobReferenced(ctx, b.SHA256)
		if err != nil || used {
			return err
		}
		since, again := g.unnamed[b.SHA256]
		if !again {
			since = now
		}
		if now.Sub(since) < g.conf().BlobGrace {
			seen[b.SHA256] = since
			return nil
		}
		gone, err := g.sweepBlob(ctx, b.SHA256)
		if gone {
			removed++
		}
		return err
	})
	g.unnamed = seen
	if err != nil {
		return removed, fmt.Errorf("collecting unnamed bytes: %w", err)
	}
	return removed, nil
}

// sweepBlob holds the sweep lock, so that no upload is between finding these
// bytes stored already and writing the row that names them.
func (g *Gateway) sweepBlob(ctx context.Context, sha [32]byte) (bool, error) {
	g.sweep.Lock()
	defer g.sweep.Unlock()
	used, err := g.cat.BlobReferenced(ctx, sha)
	if err != nil || used {
		return false, err
	}
	return true, g.blobs.Remove(sha)
}
