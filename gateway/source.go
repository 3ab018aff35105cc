package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/conda"
	"github.com/fairwayhq/fairway/indexer"
)

// derivedDir holds what can be made again from the catalog: deleting it costs
// time at the next start, never data.
func derivedDir(dir string) string { return filepath.Join(dir, "derived") }

// source is the catalog as the indexer reads it.
type source struct{ g *Gateway }

// channelID finds a channel's row; while a channel is being opened it is not in
// the directory yet.
func (s *source) channelID(ctx context.Context, name string) (int64, error) {
	if ch, ok := s.g.dir.channel(name); ok {
		return ch.ID, nil
	}
	row, err := s.g.cat.Channel(ctx, name)
	if errors.Is(err, catalog.ErrNotFound) {
		return 0, fmt.Errorf("%w: %s", indexer.ErrNotOpen, name)
	} else if err != nil {
		return 0, err
	}
	return row.ID, nil
}

// Records implements [indexer.Source].
func (s *source) Records(ctx context.Context, channel, subdir, name string) ([]indexer.Record, error) {
	id, err := s.channelID(ctx, channel)
	if err != nil {
		return nil, err
	}
	entries, err := s.g.cat.EntriesByName(ctx, id, subdir, name)
	if err != nil {
		return nil, err
	}
	out := make([]indexer.Record, 0, len(entries))
	for _, e := range entries {
		if e.YankedAt == 0 {
			out = append(out, record(e))
		}
	}
	return out, nil
}

// AllRecords implements [indexer.Source].
func (s *source) AllRecords(ctx context.Context, channel, subdir string, fn func(indexer.Record) error) error {
	id, err := s.channelID(ctx, channel)
	if err != nil {
		return err
	}
	return s.g.cat.EachEntry(ctx, id, subdir, func(e *catalog.Entry) error {
		if e.YankedAt != 0 {
			return nil
		}
		return fn(record(e))
	})
}

// State implements [indexer.Source].
func (s *source) State(ctx context.Context, channel, subdir string) (rev, changedAt int64, err error) {
	id, err := s.channelID(ctx, channel)
	if err != nil {
		return 0, 0, err
	}
	st, err := s.g.cat.Subdir(ctx, id, subdir)
	return st.Rev, st.ChangedAt, err
}

// ChangedNames implements [indexer.Source].
func (s *source) ChangedNames(ctx context.Context, channel, subdir string, since int64) (names []string, complete bool, err error) {
	parent := channel + "/" + subdir
	if patched, complete, err := s.g.cat.ChangesSince(ctx, since, catalog.KindPatch, parent); err != nil || !complete || len(patched) > 0 {
		return nil, false, err // other instructions may touch any record
	}
	files, complete, err := s.g.cat.ChangesSince(ctx, since, catalog.KindConda, parent)
	if err != nil || !complete {
		return nil, false, err
	}
	for _, f := range files {
		parsed, err := conda.ParseFilename(f)
		if err != nil {
			return nil, false, nil //nolint:nilerr // "" stands for every file: everything is read again
		}
		names = append(names, parsed.Name)
	}
	slices.Sort(names)
	return slices.Compact(names), true, nil
}

// Patch implements [indexer.Source].
func (s *source) Patch(ctx context.Context, channel, subdir string) (json.RawMessage, error) {
	id, err := s.channelID(ctx, channel)
	if err != nil {
		return nil, err
	}
	return s.g.cat.PatchOf(ctx, id, subdir)
}

// About implements [indexer.Source].
func (s *source) About(ctx context.Context, channel, subdir, filename string) (json.RawMessage, error) {
	id, err := s.channelID(ctx, channel)
	if err != nil {
		return nil, err
	}
	return s.g.cat.AboutOf(ctx, id, subdir, filename)
}

func record(e *catalog.Entry) indexer.Record {
	return indexer.Record{Filename: e.Filename, Name: e.Name, JSON: e.Record, RunExports: e.RunExports}
}

var _ indexer.Source = (*source)(nil)
