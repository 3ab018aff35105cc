package site

import (
	"fmt"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/gateway"
)

// What a checked key costs a whole request: the same file with a key and, of an open
// channel, without.
func BenchmarkRequest(b *testing.B) {
	w := newWorld(b, gateway.Config{})
	w.populate()
	reader := w.key(gateway.KeyRequest{Name: "reader", Policy: "reader"})
	for _, each := range []struct{ name, path, key string }{
		{"open, no key", "/free/noarch/repodata_shards.msgpack.zst", ""},
		{"open, key", "/free/noarch/repodata_shards.msgpack.zst", reader},
		{"licensed, key", "/lic/noarch/repodata_shards.msgpack.zst", reader},
	} {
		b.Run(each.name, func(b *testing.B) {
			serve := w.site.All()
			r := httptest.NewRequest("GET", each.path, nil)
			if each.key != "" {
				r.Header.Set("Authorization", "Bearer "+each.key)
			}
			b.ReportAllocs()
			for b.Loop() {
				rec := httptest.NewRecorder()
				serve(rec, r)
				if rec.Code != 200 {
					b.Fatal(rec.Code)
				}
			}
		})
	}
}

// Changes of keys, each durable before it is answered, by many administrators at once
// while requests are served. One operation is one change.
func BenchmarkKeyChangesWhileServing(b *testing.B) {
	const administrators = 1024
	w := newWorld(b, gateway.Config{})
	w.populate()
	reader := w.key(gateway.KeyRequest{Name: "reader", Policy: "reader"})
	for i := range administrators {
		w.key(gateway.KeyRequest{Name: fmt.Sprint("key ", i), Policy: "reader"})
	}
	var (
		left, served, slowest atomic.Int64
		changers, readers     sync.WaitGroup
		done                  = make(chan struct{})
	)
	left.Store(int64(b.N))
	readers.Go(func() {
		serve := w.site.All()
		r := httptest.NewRequest("GET", "/lic/noarch/repodata_shards.msgpack.zst", nil)
		r.Header.Set("Authorization", "Bearer "+reader)
		for {
			select {
			case <-done:
				return
			default:
			}
			began, rec := time.Now(), httptest.NewRecorder()
			serve(rec, r)
			if rec.Code != 200 {
				b.Error(rec.Code)
				return
			}
			served.Add(1)
			slowest.Store(max(slowest.Load(), int64(time.Since(began))))
		}
	})
	b.ReportAllocs()
	b.ResetTimer()
	for i := range administrators {
		changers.Go(func() {
			c, name := gateway.LocalCaller("bench"), fmt.Sprint("key ", i)
			for on := false; left.Add(-1) >= 0; on = !on {
				if _, err := w.g.UpdateKey(ctx, c, name, gateway.KeyChange{Enabled: &on}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	changers.Wait()
	b.StopTimer()
	close(done)
	readers.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
	b.ReportMetric(float64(served.Load())/b.Elapsed().Seconds(), "requests/s")
	b.ReportMetric(float64(slowest.Load())/1e6, "slowest-ms")
}
