package passthrough

import (
	"fmt"

	"github.com/dgraph-io/ristretto/v2"
)

// memory holds immutable values weighed by their bytes: views of pages, metadata.
// It may drop or refuse any of them; nothing is right or wrong because of it. Keys
// hold a digest of the value's source, so a late write is never an old one.
type memory struct {
	cache *ristretto.Cache[string, any]
}

func newMemory(budget int64) (*memory, error) {
	c, err := ristretto.NewCache(&ristretto.Config[string, any]{
		NumCounters:        min(1_000_000, max(10_000, budget>>10)), // ten a page of 10 KiB
		MaxCost:            budget,
		BufferItems:        64,
		Metrics:            true,
		IgnoreInternalCost: true,
	})
	if err != nil {
		return nil, fmt.Errorf("making memory cache: %w", err)
	}
	return &memory{c}, nil
}

func (m *memory) get(key string) (any, bool)         { return m.cache.Get(key) }
func (m *memory) put(key string, v any, bytes int64) { m.cache.Set(key, v, bytes) }
func (m *memory) close()                             { m.cache.Close() }
func (m *memory) hits() (hits, misses, bytes uint64) {
	s := m.cache.Metrics
	return s.Hits(), s.Misses(), s.CostAdded() - s.CostEvicted()
}
