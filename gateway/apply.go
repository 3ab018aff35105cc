package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/indexer"
)

// loadAll fills memory from the catalog.
func (g *Gateway) loadAll(ctx context.Context) error {
	policies, err := g.cat.Policies(ctx)
	if err != nil {
		return fmt.Errorf("loading policies: %w", err)
	}
	for _, p := range policies {
		if err := g.setPolicy(p); err != nil {
			return err
		}
	}
	keys, err := g.cat.Keys(ctx)
	if err != nil {
		return fmt.Errorf("loading keys: %w", err)
	}
	for _, k := range keys {
		if err := g.setKey(k); err != nil {
			return err
		}
	}
	projects, err := g.cat.Projects(ctx)
	if err != nil {
		return fmt.Errorf("loading projects: %w", err)
	}
	for _, p := range projects {
		g.dir.setProject(p)
	}
	if err := g.loadPython(ctx); err != nil {
		return err
	}
	g.index = indexer.New(&source{g}, indexer.Options{
		Dir: derivedDir(g.conf().Dir), ShardRetention: g.conf().ShardRetention, Log: g.log, Observe: g.conf().Observe,
	})
	channels, err := g.cat.Channels(ctx)
	if err != nil {
		return fmt.Errorf("loading channels: %w", err)
	}
	for _, ch := range channels {
		if err := g.openChannel(ctx, ch); err != nil {
			return err
		}
	}
	return nil
}

// openChannel makes a channel readable: its index first, its name last.
func (g *Gateway) openChannel(ctx context.Context, row *catalog.Channel) error {
	c, err := newChannel(row)
	if err != nil {
		return err
	}
	old, open := g.dir.channel(row.Name)
	if open && old.ID != row.ID {
		// Deleted and made anew in one batch: the name stayed, nothing else did.
		g.index.DropChannel(row.Name)
		open = false
	}
	if !open {
		states, err := g.cat.Subdirs(ctx, row.ID)
		if err != nil {
			return fmt.Errorf("loading channel %s: %w", row.Name, err)
		}
		var subdirs []string
		for _, s := range states {
			subdirs = append(subdirs, s.Subdir)
		}
		if err := g.index.OpenChannel(ctx, row.Name, subdirs); err != nil {
			return fmt.Errorf("opening index of channel %s: %w", row.Name, err)
		}
	}
	g.dir.setChannel(c)
	return nil
}

// How long a change that cannot be applied is tried again, with pauses that double.
// Whoever asked for it waits, and so does every other change.
const (
	applyPause    = 10 * time.Millisecond
	applyPatience = time.Second
)

// apply brings memory up to date with committed changes. It runs on the
// catalog's writer, between the commit and the answer to whoever asked for it, so
// it does nothing that is slow: the indexes follow on their own goroutines.
func (g *Gateway) apply(changes []catalog.Change) {
	ctx := context.Background()
	for _, ch := range changes {
		err := g.applyOne(ctx, ch)
		for pause := applyPause; err != nil && pause < applyPatience; pause *= 2 {
			// Something that passes, such as too many open files, must not end the service.
			g.log.Warn("applying a committed change failed; trying again", zap.String("kind", string(ch.Kind)), zap.Error(err))
			time.Sleep(pause)
			err = g.applyOne(ctx, ch)
		}
		if err != nil {
			// The row is committed and memory is behind it. For keys that would be a
			// revocation not in force, so nothing is served any more.
			g.ready.Store(false)
			g.behind.Store(true)
			g.leases.closed.Store(true)
			g.log.Error("applying a committed change failed; refusing all requests until a restart",
				zap.String("kind", string(ch.Kind)), zap.String("id", ch.ID), zap.Error(err))
		}
	}
}

func (g *Gateway) applyOne(ctx context.Context, ch catalog.Change) error {
	switch ch.Kind {
	case catalog.KindKey:
		row, err := g.cat.Key(ctx, ch.ID)
		if errors.Is(err, catalog.ErrNotFound) {
			g.ring.RemoveKey(ch.ID)
			return nil
		} else if err != nil {
			return err
		}
		return g.setKey(row)
	case catalog.KindPolicy:
		row, err := g.cat.Policy(ctx, ch.ID)
		if errors.Is(err, catalog.ErrNotFound) {
			g.ring.RemovePolicy(ch.ID)
			return nil
		} else if err != nil {
			return err
		}
		return g.setPolicy(row)
	case catalog.KindProject:
		row, err := g.cat.Project(ctx, ch.ID)
		if errors.Is(err, catalog.ErrNotFound) {
			g.dir.removeProject(ch.ID)
			return nil
		} else if err != nil {
			return err
		}
		g.dir.setProject(row)
	case catalog.KindChannel:
		row, err := g.cat.Channel(ctx, ch.ID)
		if errors.Is(err, catalog.ErrNotFound) {
			g.dir.removeChannel(ch.ID)
			g.index.DropChannel(ch.ID)
			return nil
		} else if err != nil {
			return err
		}
		return g.openChannel(ctx, row)
	default:
		// conda and patch: the operation itself waits for the index.
		return g.applyPython(ctx, ch)
	}
	return nil
}

func (g *Gateway) setPolicy(row *catalog.Policy) error {
	mask, err := authz.ParseMask(row.Permissions)
	if err != nil {
		return fmt.Errorf("loading policy %s: %w", row.Name, err)
	}
	g.ring.SetPolicy(authz.Policy{ID: row.ID, Name: row.Name, Mask: mask, Builtin: row.Builtin})
	return nil
}

func (g *Gateway) setKey(row *catalog.Key) error {
	k, err := keyOf(row)
	if err != nil {
		return err
	}
	secrets := make([]authz.Secret, len(row.Secrets))
	for i, s := range row.Secrets {
		secrets[i] = authz.Secret{KID: s.KID, KeyID: row.ID, SHA256: s.SHA256, NotAfter: s.NotAfter, Nonce: s.Nonce}
	}
	g.ring.SetKey(k, secrets)
	return nil
}

// keyOf turns a row into what decisions are made on.
func keyOf(row *catalog.Key) (authz.Key, error) {
	k := authz.Key{
		ID: row.ID, Name: row.Name, PolicyID: row.PolicyID, Project: row.ProjectID, Enabled: row.Enabled,
		ExpiresAt: row.ExpiresAt, IssuerID: row.IssuerID,
	}
	var err error
	if k.Type, err = authz.ParseKeyType(row.Type); err != nil {
		return k, fmt.Errorf("loading key %s: %w", row.ID, err)
	}
	// An empty scope grants nothing: what cannot be read must not fall open.
	if err := json.Unmarshal(row.Scope, &k.Scope); err != nil {
		return k, fmt.Errorf("loading scope of key %s: %w", row.ID, err)
	}
	for _, s := range row.CIDRs {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return k, fmt.Errorf("loading address list of key %s: %w", row.ID, err)
		}
		k.CIDRs = append(k.CIDRs, p)
	}
	if len(row.Secrets) > 0 {
		k.KID = row.Secrets[0].KID
	}
	return k, nil
}

// keyRow is keyOf the other way, without secrets.
func keyRow(k authz.Key) (*catalog.Key, error) {
	scope, err := json.Marshal(k.Scope)
	if err != nil {
		return nil, fmt.Errorf("encoding scope: %w", err)
	}
	return &catalog.Key{
		ID: k.ID, Name: k.Name, Type: k.Type.String(), PolicyID: k.PolicyID, ProjectID: k.Project,
		Scope: scope, CIDRs: prefixStrings(k.CIDRs), Enabled: k.Enabled, ExpiresAt: k.ExpiresAt, IssuerID: k.IssuerID,
	}, nil
}

func prefixStrings(ps []netip.Prefix) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.String())
	}
	return out
}
