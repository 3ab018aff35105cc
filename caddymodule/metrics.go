package caddymodule

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/gateway"
)

// metrics are one data folder's collectors. They are made once and registered
// anew with each configuration's registry, so figures survive a reload. Labels
// are channels, permissions and outcomes: never a key, a package or a path.
type metrics struct {
	gateway  *gateway.Gateway
	requests *prometheus.CounterVec
	phases   *prometheus.HistogramVec
}

func newMetrics() *metrics {
	return &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "fairway", Name: "requests_total", Help: "Requests by surface and outcome.",
		}, []string{"surface", "outcome"}),
		phases: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "fairway", Name: "publish_phase_seconds", Help: "Time of each phase of publishing a package.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .5, 1, 5, 30},
		}, []string{"phase"}),
	}
}

func (m *metrics) count(surface, outcome string) { m.requests.WithLabelValues(surface, outcome).Inc() }

func (m *metrics) phase(name string, d time.Duration) {
	m.phases.WithLabelValues(name).Observe(d.Seconds())
}

func (m *metrics) register(reg *prometheus.Registry) error {
	for _, c := range []prometheus.Collector{m.requests, m.phases, (*stateCollector)(m)} {
		var already prometheus.AlreadyRegisteredError
		if err := reg.Register(c); err != nil && !errors.As(err, &already) {
			return err
		}
	}
	return nil
}

// stateCollector reads the gateway's own figures when they are scraped.
type stateCollector metrics

var (
	uploadsDesc   = prometheus.NewDesc("fairway_uploads_total", "Package files published.", nil, nil)
	bytesDesc     = prometheus.NewDesc("fairway_upload_bytes_total", "Bytes of package files published.", nil, nil)
	decisionsDesc = prometheus.NewDesc("fairway_decisions_total", "Decisions by permission and result.", []string{"permission", "result"}, nil)
	packagesDesc  = prometheus.NewDesc("fairway_index_packages", "Packages in an index.", []string{"channel", "subdir"}, nil)
	sizeDesc      = prometheus.NewDesc("fairway_index_bytes", "Bytes of repodata.json.", []string{"channel", "subdir"}, nil)
	revDesc       = prometheus.NewDesc("fairway_index_revision", "Catalog revision that an index shows.", []string{"channel", "subdir"}, nil)
)

// Describe implements [prometheus.Collector].
func (c *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{uploadsDesc, bytesDesc, decisionsDesc, packagesDesc, sizeDesc, revDesc} {
		ch <- d
	}
	for _, d := range passDescs {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *stateCollector) Collect(ch chan<- prometheus.Metric) {
	n := c.gateway.Counters()
	ch <- prometheus.MustNewConstMetric(uploadsDesc, prometheus.CounterValue, float64(n.Uploads.Load()))
	ch <- prometheus.MustNewConstMetric(bytesDesc, prometheus.CounterValue, float64(n.UploadBytes.Load()))
	for _, p := range authz.Permissions() {
		ch <- prometheus.MustNewConstMetric(decisionsDesc, prometheus.CounterValue, float64(n.Allowed[p.Perm].Load()), p.Name, "allowed")
		ch <- prometheus.MustNewConstMetric(decisionsDesc, prometheus.CounterValue, float64(n.Refused[p.Perm].Load()), p.Name, "refused")
	}
	for _, s := range c.gateway.Index().Stats() {
		ch <- prometheus.MustNewConstMetric(packagesDesc, prometheus.GaugeValue, float64(s.Packages), s.Channel, s.Subdir)
		ch <- prometheus.MustNewConstMetric(sizeDesc, prometheus.GaugeValue, float64(s.Bytes), s.Channel, s.Subdir)
		ch <- prometheus.MustNewConstMetric(revDesc, prometheus.GaugeValue, float64(s.Rev), s.Channel, s.Subdir)
	}
	if s, ok := c.gateway.PassthroughStats(); ok {
		collectPass(ch, s)
	}
}

var _ prometheus.Collector = (*stateCollector)(nil)
