package caddymodule

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairwayhq/fairway/passthrough"
)

// Figures of the pass-through. None is labelled with a project: there are millions.
var (
	passPagesDesc = prometheus.NewDesc("fairway_upstream_pages_total",
		"Pages of other indexes: hit and miss of the cache, stale because the upstream failed, negative for names known to be nowhere, blocked by a rule.", []string{"result"}, nil)
	passFilesDesc = prometheus.NewDesc("fairway_upstream_files_total",
		"Files of other indexes: hit and miss of the cache, followed for those that joined a download under way.", []string{"result"}, nil)
	passBytesDesc    = prometheus.NewDesc("fairway_upstream_bytes_total", "Bytes of files served from the cache, and fetched.", []string{"source"}, nil)
	passFetchesDesc  = prometheus.NewDesc("fairway_upstream_fetches_total", "Requests to upstreams, by what was asked for and how it went.", []string{"kind", "result"}, nil)
	passFaultsDesc   = prometheus.NewDesc("fairway_upstream_faults_total", "What went wrong: mismatch of bytes with their page, disk errors of the cache.", []string{"kind"}, nil)
	passCacheDesc    = prometheus.NewDesc("fairway_upstream_cache_bytes", "Bytes of cached files.", nil, nil)
	passBudgetDesc   = prometheus.NewDesc("fairway_upstream_cache_budget_bytes", "Most bytes of cached files.", nil, nil)
	passCachedDesc   = prometheus.NewDesc("fairway_upstream_cache_files", "Cached files.", nil, nil)
	passEvictedDesc  = prometheus.NewDesc("fairway_upstream_cache_evicted_total", "Files that made room for others.", nil, nil)
	passMemoryDesc   = prometheus.NewDesc("fairway_upstream_memory_total", "Lookups of hot pages and metadata in memory.", []string{"result"}, nil)
	passHotDesc      = prometheus.NewDesc("fairway_upstream_memory_bytes", "Estimate of the bytes of hot pages and metadata in memory.", nil, nil)
	passNegativeDesc = prometheus.NewDesc("fairway_upstream_negative_names", "Names remembered to be nowhere.", nil, nil)
	passBreakerDesc  = prometheus.NewDesc("fairway_upstream_breaker_open", "1 while an upstream is left alone after failures.", []string{"upstream", "kind"}, nil)
)

var passDescs = []*prometheus.Desc{
	passPagesDesc, passFilesDesc, passBytesDesc, passFetchesDesc, passFaultsDesc, passCacheDesc, passBudgetDesc,
	passCachedDesc, passEvictedDesc, passMemoryDesc, passHotDesc, passNegativeDesc, passBreakerDesc,
}

// collectPass emits the pass-through's figures.
func collectPass(ch chan<- prometheus.Metric, s passthrough.Stats) {
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter(passPagesDesc, s.PageHits, "hit")
	counter(passPagesDesc, s.PageMisses, "miss")
	counter(passPagesDesc, s.PageStale, "stale")
	counter(passPagesDesc, s.NegativeHits, "negative")
	counter(passPagesDesc, s.Blocked, "blocked")
	counter(passFilesDesc, s.FileHits, "hit")
	counter(passFilesDesc, s.FileMisses, "miss")
	counter(passFilesDesc, s.Followers, "followed")
	counter(passBytesDesc, s.BytesHit, "cache")
	counter(passBytesDesc, s.BytesFetched, "upstream")
	counter(passFetchesDesc, s.PageFetches, "page", "begun")
	counter(passFetchesDesc, s.PageFailures, "page", "failed")
	counter(passFetchesDesc, s.Fills, "file", "begun")
	counter(passFetchesDesc, s.FillFailures, "file", "failed")
	counter(passFetchesDesc, s.Resumes, "file", "resumed")
	counter(passFetchesDesc, s.Ranges, "range", "begun")
	counter(passFaultsDesc, s.Mismatches, "mismatch")
	counter(passFaultsDesc, s.DiskErrors, "disk")
	counter(passEvictedDesc, s.Evicted)
	counter(passMemoryDesc, s.MemoryHits, "hit")
	counter(passMemoryDesc, s.MemoryMisses, "miss")
	gauge(passCacheDesc, float64(s.CachedBytes))
	gauge(passBudgetDesc, float64(s.CacheBudget))
	gauge(passCachedDesc, float64(s.CachedFiles))
	gauge(passHotDesc, float64(s.MemoryBytes))
	gauge(passNegativeDesc, float64(s.NegativeNames))
	for _, b := range s.Breakers {
		gauge(passBreakerDesc, openGauge(b.PagesOpen), b.Upstream, "page")
		gauge(passBreakerDesc, openGauge(b.FilesOpen), b.Upstream, "file")
	}
}

func openGauge(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
