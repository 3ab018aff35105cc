package passthrough

import "sync/atomic"

// counters only grow while the process lives.
type counters struct {
	pageHits, pageMisses, pageFetches, pageFailures, stale atomic.Uint64
	negativeHits, blocked                                  atomic.Uint64
	fileHits, fileMisses, followers, fills, fillFailures   atomic.Uint64
	resumes, ranges, mismatches                            atomic.Uint64
	metadataHits, synthesised                              atomic.Uint64
	bytesHit, bytesFetched                                 atomic.Uint64
	diskErrors                                             atomic.Uint64
}

// Stats are figures since the start, and the state now, for metrics.
type Stats struct {
	PageHits, PageMisses      uint64 // pages served from what was fresh; pages asked for
	PageFetches, PageFailures uint64 // requests for pages, and those that gave nothing usable
	PageStale                 uint64 // pages served because the upstream failed
	NegativeHits              uint64 // names remembered to be nowhere
	Blocked                   uint64 // refusals by ownership, globs, cooldown and quarantine
	FileHits, FileMisses      uint64
	Fills, FillFailures       uint64 // downloads begun, and those that failed
	Followers                 uint64 // requests that joined a download under way
	Resumes                   uint64 // bodies asked for again from where they broke off
	Ranges                    uint64 // ranges served past a download
	Mismatches                uint64 // files and metadata that were not what their page states
	MetadataHits, Synthesised uint64 // metadata from the cache, and read out of wheels
	BytesHit, BytesFetched    uint64 // bytes of files served from the cache, and fetched
	DiskErrors                uint64 // failures to write the cache

	CachedFiles              int   // files on disk
	CachedBytes, CacheBudget int64 // their bytes, and how many there may be
	Evicted                  uint64
	MemoryHits, MemoryMisses uint64 // of ristretto, which holds hot pages and metadata
	MemoryBytes              uint64 // estimate of what it holds
	NegativeNames            int    // names in the table of absent ones

	Breakers []Breaker
}

// Breaker is the state of an upstream's two circuits.
type Breaker struct {
	Upstream             string
	PagesOpen, FilesOpen bool // nothing is asked for now
}

// Stats reads all figures.
func (p *Mirror) Stats() Stats {
	c := &p.stats
	s := Stats{
		PageHits: c.pageHits.Load(), PageMisses: c.pageMisses.Load(), PageFetches: c.pageFetches.Load(),
		PageFailures: c.pageFailures.Load(), PageStale: c.stale.Load(), NegativeHits: c.negativeHits.Load(),
		Blocked: c.blocked.Load(), FileHits: c.fileHits.Load(), FileMisses: c.fileMisses.Load(),
		Fills: c.fills.Load(), FillFailures: c.fillFailures.Load(), Followers: c.followers.Load(),
		Resumes: c.resumes.Load(), Ranges: c.ranges.Load(), Mismatches: c.mismatches.Load(),
		MetadataHits: c.metadataHits.Load(), Synthesised: c.synthesised.Load(),
		BytesHit: c.bytesHit.Load(), BytesFetched: c.bytesFetched.Load(), DiskErrors: c.diskErrors.Load(),
		CacheBudget: p.cfg.CacheBytes, NegativeNames: p.absent.Len(),
	}
	s.CachedFiles, s.CachedBytes, s.Evicted = p.files.usage()
	s.MemoryHits, s.MemoryMisses, s.MemoryBytes = p.memory.hits()
	for _, u := range p.ups {
		s.Breakers = append(s.Breakers, Breaker{u.name, u.pages.open(), u.files.open()})
	}
	return s
}
