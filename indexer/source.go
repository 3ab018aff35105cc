package indexer

import (
	"context"
	"encoding/json"
	"time"

	"go.uber.org/zap"
)

// Record is one package file that belongs in an index.
type Record struct {
	Filename, Name string
	JSON           json.RawMessage // canonical record (CEP 36), without run_exports
	RunExports     json.RawMessage // run_exports (CEP 12); nil for none
}

// Source is where records come from. Its methods may be called at any time from
// any goroutine.
type Source interface {
	// Records is every record of a name that belongs in the indexes.
	Records(ctx context.Context, channel, subdir, name string) ([]Record, error)
	// AllRecords calls fn with every record of a subdir, in any order.
	AllRecords(ctx context.Context, channel, subdir string, fn func(Record) error) error
	// State is the revision of the last change of a subdir, and when it happened in
	// Unix milliseconds; zeros for a subdir in which nothing ever happened.
	State(ctx context.Context, channel, subdir string) (rev, changedAt int64, err error)
	// ChangedNames is every name with a change after a revision. It is not complete
	// when that cannot be told, or when patch instructions changed.
	ChangedNames(ctx context.Context, channel, subdir string, since int64) (names []string, complete bool, err error)
	// Patch is the patch_instructions.json of a subdir, nil for none.
	Patch(ctx context.Context, channel, subdir string) (json.RawMessage, error)
	// About is what channeldata.json takes of a package's about.json, nil for nothing.
	About(ctx context.Context, channel, subdir, filename string) (json.RawMessage, error)
}

// Options of a [Set]. Zero fields mean what stands beside them.
type Options struct {
	Dir            string                             // folder of the derived cache, made if missing; "" for none
	ShardRetention time.Duration                      // how long a superseded shard stays served; a week (CEP 16)
	Log            *zap.Logger                        // nothing is logged
	Observe        func(name string, d time.Duration) // told how long each phase of an update took
	Now            func() time.Time                   // time.Now
}

func (o Options) withDefaults() Options {
	if o.ShardRetention == 0 {
		o.ShardRetention = 7 * 24 * time.Hour
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Observe == nil {
		o.Observe = func(string, time.Duration) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Stat describes what one subdir shows.
type Stat struct {
	Channel, Subdir string
	Packages        int   // records in repodata.json
	Bytes           int64 // of repodata.json
	Rev             int64 // revision of the catalog that is shown
}
